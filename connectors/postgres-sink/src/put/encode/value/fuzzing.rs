//! Any value for a column of any type, for the fuzz targets.

use arbitrary::{Result, Unstructured};
use connect_api::Value;

use super::{Meaning, NulCharacters, Rules, Type};
use crate::config::{EpochUnit, ExcessDigits, Zone};
use crate::put::catalog::{Form, NumericLimits};

/// A column of a type.
#[derive(Clone, Debug)]
pub struct FuzzColumn {
    /// The type as SQL has it; none for a type whose texts go through a staging table.
    pub sql: Option<&'static str>,
    data_type: Type,
}

/// How a value is written.
#[derive(Clone, Copy, Debug)]
pub struct FuzzRules {
    rules: Rules,
    meaning: Option<Meaning>,
}

/// Columns of every type that has a form of its own.
pub fn columns() -> Vec<FuzzColumn> {
    let limits = |precision, scale| Some(NumericLimits { precision, scale });
    let mut all: Vec<(Option<&'static str>, Type)> = [
        ("boolean", Type::Bool),
        ("int2", Type::Int2),
        ("int4", Type::Int4),
        ("int8", Type::Int8),
        ("float4", Type::Float4),
        ("float8", Type::Float8),
        ("numeric", Type::Numeric(None)),
        ("numeric(6,2)", Type::Numeric(limits(6, 2))),
        ("numeric(3,-2)", Type::Numeric(limits(3, -2))),
        ("text", Type::Text(None)),
        ("varchar(3)", Type::Text(Some(3))),
        ("name", Type::Name),
        ("bytea", Type::Bytea),
        ("json", Type::Json),
        ("jsonb", Type::Jsonb),
        ("timestamptz", Type::Timestamptz(6)),
        ("timestamp(0)", Type::Timestamp(0)),
        ("date", Type::Date),
        ("time(3)", Type::Time(3)),
        ("timetz", Type::Timetz(6)),
        ("interval(2)", Type::Interval(2)),
        ("uuid", Type::Uuid),
        ("inet", Type::Inet),
        ("cidr", Type::Cidr),
        ("macaddr", Type::Macaddr),
        ("macaddr8", Type::Macaddr8),
        ("bit(4)", Type::Bit(4)),
        ("varbit", Type::Varbit(None)),
    ]
    .map(|(sql, data_type)| (Some(sql), data_type))
    .into();
    let array = |of, oid| Type::Array(Box::new(of), oid);
    all.extend([
        (Some("int4[]"), array(Type::Int4, 23)),
        (Some("text[]"), array(Type::Text(None), 25)),
        (Some("numeric[]"), array(Type::Numeric(None), 1700)),
        (Some("timestamptz[]"), array(Type::Timestamptz(6), 1184)),
        (Some("jsonb[]"), array(Type::Jsonb, 3802)),
        (None, Type::Enum(vec!["sad".to_owned()].into())),
        (None, Type::Xml),
        (None, Type::Hstore),
        (None, Type::Versioned),
        (None, Type::Input(Form::Text)),
        (None, Type::Input(Form::Point)),
        (None, Type::Vector),
    ]);
    all.into_iter()
        .map(|(sql, data_type)| FuzzColumn { sql, data_type })
        .collect()
}

/// Any rules that a config can have.
///
/// # Errors
/// When the bytes are at their end.
pub fn rules(u: &mut Unstructured<'_>) -> Result<FuzzRules> {
    let zones = [None, Some("America/New_York"), Some("+05:30")];
    let zone = |u: &mut Unstructured<'_>| {
        let name = *u.choose(&zones)?;
        Ok(name.and_then(|name| Zone::named(name).ok().flatten()))
    };
    let unit = *u.choose(&[
        EpochUnit::Days,
        EpochUnit::Seconds,
        EpochUnit::Milliseconds,
        EpochUnit::Microseconds,
        EpochUnit::Nanoseconds,
    ])?;
    Ok(FuzzRules {
        rules: Rules {
            reads_texts: false,
            excess_digits: *u.choose(&[ExcessDigits::Error, ExcessDigits::Truncate])?,
            rounds_decimals: u.arbitrary()?,
            nul_characters: *u.choose(&[NulCharacters::Error, NulCharacters::Replace])?,
            zone: zone(u)?,
            date_zone: zone(u)?,
        },
        meaning: *u.choose(&[
            None,
            Some(Meaning::Epoch(unit)),
            Some(Meaning::LocalEpoch(unit)),
            Some(Meaning::TimeOfDay(unit)),
            Some(Meaning::Duration(unit)),
            Some(Meaning::Bits(None)),
            Some(Meaning::Bits(Some(5))),
            Some(Meaning::Single),
        ])?,
    })
}

/// The field of COPY that a value becomes; none, when the column does not take it.
pub fn field(column: &FuzzColumn, value: &Value, how: FuzzRules) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let FuzzRules { rules, meaning } = how;
    let fits = match meaning.and_then(|meaning| meaning.for_column(&column.data_type)) {
        Some(meaning) => super::meant(meaning, &column.data_type, value, rules, &mut out),
        None => super::value(&column.data_type, value, rules, &mut out),
    };
    fits.ok().map(|()| out)
}
