//! The parameters of a query: their types, and the values that a request gives them.

use connect_api::Error;
use connect_http::Problem;
use connect_http::formats::{is_date, is_date_time, is_uuid};
use sqlx::postgres::PgArguments;
use sqlx::{Arguments as _, Postgres};

type Result<T, E = Error> = std::result::Result<T, E>;

/// A type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Bigint,
    Integer,
    Double,
    Boolean,
    Numeric,
    Timestamptz,
    Date,
    Uuid,
}

impl Kind {
    const ALL: &'static [(&'static str, Self)] = &[
        ("text", Self::Text),
        ("bigint", Self::Bigint),
        ("integer", Self::Integer),
        ("double", Self::Double),
        ("boolean", Self::Boolean),
        ("numeric", Self::Numeric),
        ("timestamptz", Self::Timestamptz),
        ("date", Self::Date),
        ("uuid", Self::Uuid),
    ];

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, of)| *of == self);
        found.map_or("", |(name, _)| name)
    }

    /// The type as Postgres has it.
    pub(crate) fn sql_name(self) -> &'static str {
        match self {
            Self::Double => "double precision",
            other => other.name(),
        }
    }
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A value, to be bound.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    Text(Option<String>),
    Bigint(Option<i64>),
    Integer(Option<i32>),
    Double(Option<f64>),
    Boolean(Option<bool>),
}

impl Parameter {
    /// Reads `name:type`.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that says what is expected.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (name, kind) = text.split_once(':').unwrap_or((text, "text"));
        let (name, kind) = (name.trim(), kind.trim());
        let known = Kind::ALL.iter().find(|(known, _)| *known == kind);
        match known {
            Some((_, kind)) if !name.is_empty() => Ok(Self {
                name: name.to_owned(),
                kind: *kind,
            }),
            _ => {
                let names: Vec<&str> = Kind::ALL.iter().map(|(name, _)| *name).collect();
                Err(Error::config(format!(
                    "query.parameters: {text}: name:type is expected, with a type of {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// The value that a text stands for; none is null.
    ///
    /// # Errors
    /// 400 that names the parameter and tells nothing of the text.
    pub(crate) fn bind(&self, text: Option<&str>) -> Result<Bound, Problem> {
        let wrong = |what: &str| Problem::at_field(&self.name, format!("must be {what}"));
        let checked = |good: fn(&str) -> bool, what: &str| match text {
            Some(text) if !good(text) => Err(wrong(what)),
            text => Ok(Bound::Text(text.map(str::to_owned))),
        };
        match self.kind {
            Kind::Text => checked(|text| !text.contains('\0'), "a text without NUL characters"),
            Kind::Bigint => parsed(text)
                .map(Bound::Bigint)
                .ok_or_else(|| wrong("an integer")),
            Kind::Integer => {
                let parsed = parsed(text).map(Bound::Integer);
                parsed.ok_or_else(|| wrong("an integer of 32 bits"))
            }
            Kind::Double => parsed(text)
                .map(Bound::Double)
                .ok_or_else(|| wrong("a number")),
            Kind::Boolean => parsed(text)
                .map(Bound::Boolean)
                .ok_or_else(|| wrong("true or false")),
            Kind::Numeric => checked(is_numeric, "a number"),
            Kind::Timestamptz => checked(
                is_date_time,
                "a date and time with an offset, such as 2025-01-06T14:30:00Z",
            ),
            Kind::Date => checked(is_date, "a date, such as 2025-01-06"),
            Kind::Uuid => checked(is_uuid, "a UUID"),
        }
    }
}

/// None for a text that is no such value.
#[expect(
    clippy::option_option,
    reason = "the outer says whether the text is good"
)]
fn parsed<T: std::str::FromStr>(text: Option<&str>) -> Option<Option<T>> {
    text.map(|text| text.parse().ok())
        .map_or(Some(None), |value| value.map(Some))
}

/// Digits with a sign and a fraction, and no more of them than a number may have.
fn is_numeric(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.len() <= 100 && are_digits(whole) && are_digits(fraction)
}

/// The values of a statement, in order.
///
/// # Errors
/// [`connect_api::ErrorKind::Fatal`] when a value has no form on the wire.
pub(crate) fn arguments(bound: &[Bound], page: [i64; 3]) -> Result<PgArguments> {
    let mut arguments = PgArguments::default();
    let failed = |_| Error::fatal("a parameter could not be bound");
    for value in bound {
        match value {
            Bound::Text(text) => add(&mut arguments, text.clone()),
            Bound::Bigint(number) => add(&mut arguments, *number),
            Bound::Integer(number) => add(&mut arguments, *number),
            Bound::Double(number) => add(&mut arguments, *number),
            Bound::Boolean(flag) => add(&mut arguments, *flag),
        }
        .map_err(failed)?;
    }
    for number in page {
        add(&mut arguments, number).map_err(failed)?;
    }
    Ok(arguments)
}

fn add<T>(
    arguments: &mut PgArguments,
    value: T,
) -> std::result::Result<(), sqlx::error::BoxDynError>
where
    T: for<'q> sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + Send,
{
    arguments.add(value)
}
