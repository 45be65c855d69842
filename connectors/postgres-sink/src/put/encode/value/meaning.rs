//! What a schema says about values beyond their type: Debezium's semantic types, and the width of
//! floats. A plan resolves it once for each column, so that no record is compared by names.

use connect_api::{Decimal, Kind, Schema, Value, json};

use super::{
    Fit, Misfit, Rules, bits, fixed, input, interval::Interval, numeric, time, time::Infinity,
};
use crate::config::EpochUnit;
use crate::put::catalog::{Form, Type};

/// What the values of a field mean in a column of a given type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// An integer that counts from 1970-01-01 in UTC on: a point in time.
    Epoch(EpochUnit),
    /// An integer that counts from 1970-01-01 on, in no time zone.
    LocalEpoch(EpochUnit),
    /// An integer that counts from midnight on, in no time zone.
    TimeOfDay(EpochUnit),
    /// An integer that is a length of time.
    Duration(EpochUnit),
    /// Bytes that are bits, the last of them first; how many there are.
    Bits(Option<usize>),
    /// A struct of a decimal's scale and digits: where they are.
    VariableScale(usize, usize),
    /// A struct of two numbers: where they are.
    Point(usize, usize),
    /// A struct of PostGIS's bytes and perhaps the number of their system: where they are.
    Geometry(usize, Option<usize>),
    /// A struct of a number of dimensions and a map of those that are not zero: where they are.
    SparseVector(usize, usize),
    /// A float that was written with 32 bits.
    Single,
}

impl Meaning {
    /// What values of the schema mean, whatever the column.
    pub(crate) fn of(schema: &Schema) -> Option<Self> {
        let name = schema.name.as_deref().unwrap_or_default();
        let time = || name.strip_prefix("io.debezium.time.");
        let data = || name.strip_prefix("io.debezium.data.");
        match &schema.kind {
            Kind::Int32 => match time()? {
                "Date" => Some(Self::LocalEpoch(EpochUnit::Days)),
                "Time" => Some(Self::TimeOfDay(EpochUnit::Milliseconds)),
                _ => None,
            },
            Kind::Int64 => match time()? {
                "Timestamp" => Some(Self::LocalEpoch(EpochUnit::Milliseconds)),
                "MicroTimestamp" => Some(Self::LocalEpoch(EpochUnit::Microseconds)),
                "NanoTimestamp" => Some(Self::LocalEpoch(EpochUnit::Nanoseconds)),
                "MicroTime" => Some(Self::TimeOfDay(EpochUnit::Microseconds)),
                "NanoTime" => Some(Self::TimeOfDay(EpochUnit::Nanoseconds)),
                "MicroDuration" => Some(Self::Duration(EpochUnit::Microseconds)),
                "NanoDuration" => Some(Self::Duration(EpochUnit::Nanoseconds)),
                _ => None,
            },
            Kind::Float32 => Some(Self::Single),
            Kind::Bytes if data()? == "Bits" => {
                let mut parameters = schema.parameters.iter();
                let length = parameters.find(|(name, _)| name == "length");
                let length = length.and_then(|(_, length)| length.parse().ok());
                // A bit varying without a length has a greater number.
                let length = length.filter(|length| (1..=bits::MOST).contains(length));
                Some(Self::Bits(length))
            }
            Kind::Struct(_) => Self::of_struct(schema, data()?),
            Kind::Array(element) => Self::of(element),
            _ => None,
        }
    }

    fn of_struct(schema: &Schema, name: &str) -> Option<Self> {
        let at = |field: &str| schema.index_of(field);
        match name {
            "VariableScaleDecimal" => Some(Self::VariableScale(at("scale")?, at("value")?)),
            "geometry.Point" => Some(Self::Point(at("x")?, at("y")?)),
            "geometry.Geometry" | "geometry.Geography" => {
                Some(Self::Geometry(at("wkb")?, at("srid")))
            }
            "SparseVector" | "SparseDoubleVector" => {
                Some(Self::SparseVector(at("dimensions")?, at("vector")?))
            }
            _ => None,
        }
    }

    /// The meaning, if it matters for a column of the type: a `bigint` takes an integer as it is.
    pub(crate) fn for_column(self, data_type: &Type) -> Option<Self> {
        let element = match data_type {
            Type::Array(element, _) => &**element,
            other => other,
        };
        let matters = match self {
            Self::Epoch(_) | Self::LocalEpoch(_) => {
                matches!(
                    element,
                    Type::Timestamptz(_) | Type::Timestamp(_) | Type::Date
                )
            }
            Self::TimeOfDay(_) => matches!(element, Type::Time(_) | Type::Timetz(_)),
            Self::Duration(_) => matches!(element, Type::Interval(_)),
            Self::Bits(_) => matches!(element, Type::Bit(_) | Type::Varbit(_)),
            Self::VariableScale(..) => !matches!(element, Type::Json | Type::Jsonb | Type::Hstore),
            Self::Single => matches!(element, Type::Numeric(_)),
            Self::Point(..) => *element == Type::Input(Form::Point),
            Self::Geometry(..) => *element == Type::Input(Form::Geometry),
            Self::SparseVector(..) => *element == Type::Input(Form::Sparse),
        };
        matters.then_some(self)
    }
}

impl Meaning {
    /// The value as a text that Postgres reads, for a default. `None`: the meaning does not matter.
    pub(crate) fn literal(self, value: &Value) -> Option<Result<String, Misfit>> {
        let rules = Rules::default();
        let micros = |number: &i64, unit| time::micros(*number, unit, rules);
        let read = match (self, value) {
            (Self::LocalEpoch(EpochUnit::Days), Value::Int(days)) => {
                let days = i32::try_from(*days).map_err(|_| time::out_of_range());
                days.map(Value::Date)
            }
            (Self::LocalEpoch(unit), Value::Int(number)) => {
                micros(number, unit).map(Value::Timestamp)
            }
            (Self::TimeOfDay(unit), Value::Int(number)) => micros(number, unit).map(Value::Time),
            (Self::Duration(unit), Value::Int(number)) => {
                let micros = micros(number, unit);
                return Some(micros.map(|micros| format!("{micros} microseconds")));
            }
            (Self::Bits(length), Value::Bytes(bytes)) => {
                return Some(bits::text(bytes, length));
            }
            (Self::VariableScale(scale, digits), Value::Struct(row)) => {
                decimal(&row.values()[scale], &row.values()[digits])
            }
            (Self::Point(x, y), Value::Struct(row)) => {
                let (x, y) = (&row.values()[x], &row.values()[y]);
                return Some(plain(x).and_then(|x| Ok(format!("({x},{})", plain(y)?))));
            }
            _ => return None,
        };
        Some(read.and_then(|read| plain(&read)))
    }
}

fn plain(value: &Value) -> Result<String, Misfit> {
    let mut text = String::new();
    json::write(value, &mut text).map_err(|error| Misfit::new(error.to_string()))?;
    Ok(text.trim_matches('"').to_owned())
}

/// Appends a value that has the meaning. Values of other types are appended as they are.
pub(super) fn value(
    meaning: Meaning,
    data_type: &Type,
    value: &Value,
    rules: Rules,
    out: &mut Vec<u8>,
) -> Fit {
    match (meaning, value) {
        (Meaning::Epoch(unit), Value::Int(number)) => {
            let read = epoch(data_type, *number, unit, rules)?;
            // A date is already in its zone; only a timestamp is still to be shown in its zone.
            let rules = match read {
                Value::Date(_) => rules.local(),
                _ => rules,
            };
            return super::value(data_type, &read, rules, out);
        }
        (Meaning::LocalEpoch(unit), Value::Int(number)) => {
            if let Some(end) = Infinity::of_count(*number, unit) {
                return match data_type {
                    Type::Date => fixed(out, end.date()),
                    _ => fixed(out, end.timestamp()),
                };
            }
            let read = epoch(data_type, *number, unit, rules.local())?;
            return super::value(data_type, &read, rules.local(), out);
        }
        (Meaning::TimeOfDay(unit), Value::Int(number)) => {
            let micros = Value::Time(time::micros(*number, unit, rules)?);
            return super::value(data_type, &micros, rules.local(), out);
        }
        (Meaning::Duration(unit), Value::Int(number)) => {
            let interval = Interval::of_micros(time::micros(*number, unit, rules)?);
            if let Type::Interval(digits) = data_type {
                return fixed(out, interval.precise(*digits, rules)?.to_bytes()?);
            }
        }
        (Meaning::Bits(length), Value::Bytes(bytes)) => {
            return bits::from_little_endian(data_type, bytes, length, out);
        }
        (Meaning::VariableScale(scale, digits), Value::Struct(row)) => {
            let read = decimal(&row.values()[scale], &row.values()[digits])?;
            return super::value(data_type, &read, rules, out);
        }
        (Meaning::Single, Value::Float(number)) => {
            if let Type::Numeric(limits) = data_type {
                let column = numeric::Column::new(*limits, rules);
                return numeric::from_single(*number, column, out);
            }
        }
        (Meaning::Point(x, y), Value::Struct(row)) => {
            return input::point(&row.values()[x], &row.values()[y], out);
        }
        (Meaning::Geometry(bytes, system), Value::Struct(row)) => {
            let system = system.map(|at| &row.values()[at]);
            return input::geometry(&row.values()[bytes], system, out);
        }
        (Meaning::SparseVector(dimensions, entries), Value::Struct(row)) => {
            return input::sparse(&row.values()[dimensions], &row.values()[entries], out);
        }
        _ => {}
    }
    super::value(data_type, value, rules, out)
}

/// A count from 1970 on, as a value for a column of the type.
fn epoch(data_type: &Type, number: i64, unit: EpochUnit, rules: Rules) -> Result<Value, Misfit> {
    let days = match (data_type, unit) {
        // A date reaches further than a timestamp.
        (Type::Date, EpochUnit::Days) => number,
        (Type::Date, _) => time::midnight(time::micros(number, unit, rules)?, rules.date_zone)?,
        _ => return Ok(Value::Timestamp(time::micros(number, unit, rules)?)),
    };
    let days = i32::try_from(days).map_err(|_| time::out_of_range())?;
    Ok(Value::Date(days))
}

fn decimal(scale: &Value, digits: &Value) -> Result<Value, Misfit> {
    match (scale, digits) {
        (Value::Int(scale), Value::Bytes(digits)) => {
            let scale = i32::try_from(*scale).map_err(|_| Misfit::out_of_range())?;
            Ok(Value::Decimal(Box::new(Decimal::from_be_bytes(
                digits, scale,
            ))))
        }
        _ => Err(Misfit::new(
            "cannot take a VariableScaleDecimal without scale or value",
        )),
    }
}
