//! Values of records.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::json::{Literal, Text};
use crate::{Decimal, Schema, Str};

/// A value. Its [`Schema`], where it has one, tells the width of numbers.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// No value.
    #[default]
    Null,
    /// BOOLEAN.
    Boolean(bool),
    /// INT8 to INT64.
    Int(i64),
    /// FLOAT32 and FLOAT64.
    Float(f64),
    /// STRING.
    String(Str),
    /// BYTES.
    Bytes(Bytes),
    /// A decimal of any size.
    Decimal(Box<Decimal>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// ARRAY.
    Array(Vec<Value>),
    /// MAP, in the order of the bytes that it came from.
    Map(Vec<(Value, Value)>),
    /// STRUCT, or an object of schemaless JSON.
    Struct(Box<Struct>),
    /// What is nested in schemaless JSON, as the text that it came as: valid JSON, an object or
    /// an array. [`crate::json::parse`] opens it.
    Json(Str),
}

impl Value {
    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The struct, where this is one.
    pub fn as_struct(&self) -> Option<&Struct> {
        match self {
            Self::Struct(row) => Some(row),
            _ => None,
        }
    }

    /// The struct, where this is one.
    pub fn as_struct_mut(&mut self) -> Option<&mut Struct> {
        match self {
            Self::Struct(row) => Some(row),
            _ => None,
        }
    }

    /// The text, where this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// About how many bytes of memory it takes, with all that is in it but for its schema.
    pub fn memory(&self) -> usize {
        let all = |items: &[Self]| items.iter().map(Self::memory).sum::<usize>();
        let within = match self {
            Self::String(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::Decimal(decimal) => {
                let digits = decimal.unscaled.bits() / 8;
                size_of::<Decimal>() + usize::try_from(digits).unwrap_or(usize::MAX)
            }
            Self::Array(items) => all(items),
            Self::Map(entries) => {
                let entries = entries.iter();
                entries
                    .map(|(key, value)| key.memory() + value.memory())
                    .sum()
            }
            Self::Struct(row) => size_of::<Struct>() + all(row.values()),
            _ => 0,
        };
        size_of::<Self>().saturating_add(within)
    }

    /// A word for the type of the value, for error messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Float(_) => "float",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Decimal(_) => "decimal",
            Self::Date(_) => "date",
            Self::Time(_) => "time",
            Self::Timestamp(_) => "timestamp",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Struct(_) => "struct",
            Self::Json(_) => "nested JSON",
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Boolean(flag)
    }
}

/// A value as it is looked at: still a piece of JSON text, or a value already.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// No value.
    Null,
    /// As [`Value::Boolean`].
    Boolean(bool),
    /// As [`Value::Int`].
    Int(i64),
    /// A number of JSON text, digit for digit: a [`Value::Float`] or a [`Value::Decimal`].
    Literal(Literal),
    /// As [`Value::String`].
    String(&'a str),
    /// As [`Value::Json`].
    Json(&'a str),
    /// Any value that is no text any more.
    Value(&'a Value),
}

impl ValueRef<'_> {
    /// Whether this is null.
    pub fn is_null(self) -> bool {
        matches!(self, Self::Null | Self::Value(Value::Null))
    }

    /// The value itself.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(flag) => Value::Boolean(flag),
            Self::Int(number) => Value::Int(number),
            Self::Literal(number) => number.to_value(),
            Self::String(text) => Value::String(text.into()),
            Self::Json(text) => Value::Json(text.into()),
            Self::Value(value) => value.clone(),
        }
    }
}

/// A struct: a schema whose kind is [`crate::Kind::Struct`], and one value for each field.
///
/// Rows of one shape share one `Arc`; what is derived from a schema can be kept by its pointer.
/// A row of JSON text keeps the text, and makes values of it when they are asked for as a whole:
/// who only looks at them uses [`Struct::value`].
#[derive(Clone, Debug)]
pub struct Struct {
    schema: Arc<Schema>,
    /// Empty until they are asked for, where there is a text.
    values: OnceLock<Vec<Value>>,
    text: Option<Box<Text>>,
}

impl Struct {
    /// A struct of the given schema and values.
    ///
    /// # Panics
    /// When the schema is no struct, or has another number of fields than there are values: both
    /// are errors of the caller, not of the data.
    pub fn new(schema: Arc<Schema>, values: Vec<Value>) -> Self {
        let fields = schema.fields().map(<[_]>::len);
        assert_eq!(
            fields,
            Some(values.len()),
            "a value for each field of a struct schema"
        );
        Self {
            schema,
            values: values.into(),
            text: None,
        }
    }

    /// A row of JSON text, with a value for each field of the shape.
    pub(crate) fn of_text(shape: Arc<Schema>, text: Text) -> Self {
        Self {
            schema: shape,
            values: OnceLock::new(),
            text: Some(Box::new(text)),
        }
    }

    /// Its schema.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The value of a field by its position.
    ///
    /// # Panics
    /// When the schema has fewer fields.
    #[inline]
    pub fn value(&self, at: usize) -> ValueRef<'_> {
        match &self.text {
            Some(text) => text.value(at),
            None => ValueRef::Value(&self.values()[at]),
        }
    }

    /// Its values, in the order of the fields.
    pub fn values(&self) -> &[Value] {
        self.values.get_or_init(|| self.open())
    }

    /// Its values, in the order of the fields.
    pub fn values_mut(&mut self) -> &mut [Value] {
        self.values();
        self.text = None;
        self.values.get_mut().map_or(&mut [], Vec::as_mut_slice)
    }

    /// Sets the value of a field by its position. A row of JSON text stays one.
    ///
    /// # Panics
    /// When the schema has fewer fields.
    pub fn set(&mut self, at: usize, value: Value) {
        match &mut self.text {
            Some(text) => {
                text.set(at, value);
                self.values.take();
            }
            None => self.values_mut()[at] = value,
        }
    }

    /// The value of a field.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.schema.index_of(field).map(|i| &self.values()[i])
    }

    /// The schema and the values apart.
    pub fn into_parts(mut self) -> (Arc<Schema>, Vec<Value>) {
        let values = self.values.take();
        let values = values.unwrap_or_else(|| self.open());
        (self.schema, values)
    }

    fn open(&self) -> Vec<Value> {
        self.text.as_deref().map(Text::values).unwrap_or_default()
    }
}

impl PartialEq for Struct {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema && self.values() == other.values()
    }
}

/// A key or a value: `SchemaAndValue` in Kafka Connect.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Datum {
    /// None: schemaless. A schemaless struct still has a schema of its own, its shape, all of
    /// whose fields are [`crate::Kind::Any`].
    pub schema: Option<Arc<Schema>>,
    /// The value.
    pub value: Value,
}

impl Datum {
    /// Null without a schema.
    pub const NULL: Self = Self {
        schema: None,
        value: Value::Null,
    };

    /// A value with its schema.
    pub fn new(schema: impl Into<Arc<Schema>>, value: Value) -> Self {
        Self {
            schema: Some(schema.into()),
            value,
        }
    }

    /// A value without a schema.
    pub fn schemaless(value: Value) -> Self {
        Self {
            schema: None,
            value,
        }
    }

    /// A struct with a schema.
    pub fn row(row: Struct) -> Self {
        Self {
            schema: Some(Arc::clone(row.schema())),
            value: Value::Struct(Box::new(row)),
        }
    }

    /// An object without a schema.
    pub fn schemaless_row(row: Struct) -> Self {
        Self {
            schema: None,
            value: Value::Struct(Box::new(row)),
        }
    }
}
