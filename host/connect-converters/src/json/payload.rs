//! Payloads: JSON text straight to typed values, in one pass.

mod parts;
pub(crate) mod union;

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connect_api::{Decimal, Error, Field, Kind, Result, Schema, Struct, Value, memory};
use num_bigint::BigInt;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use parts::{FieldName, Pair};

/// The most digits that a decimal is filled up with: a schema must not ask for gigabytes.
const MAX_DIGITS: u32 = 10_000;

/// The value of a JSON text that is of the given schema.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it is not; the message names the field.
pub(super) fn read(text: &[u8], schema: &Schema, replace_null: bool) -> Result<Value> {
    let reader = Reader::new(replace_null);
    read_with(reader.seed_ref(schema, None), text).map_err(|e| reader.explain(&e))
}

/// The same; the structs at the top share the schema.
pub(super) fn read_shared(text: &[u8], schema: &Arc<Schema>, replace_null: bool) -> Result<Value> {
    let reader = Reader::new(replace_null);
    read_with(reader.seed(schema), text).map_err(|e| reader.explain(&e))
}

fn read_with(seed: Typed<'_>, text: &[u8]) -> serde_json::Result<Value> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = seed.deserialize(&mut json)?;
    json.end().map(|()| value)
}

/// serde_json's own words could quote the data.
pub(crate) fn malformed(error: &serde_json::Error) -> Error {
    Error::data(format!(
        "malformed JSON at line {} column {}",
        error.line(),
        error.column()
    ))
}

/// The same, as Confluent's JsonSchemaConverter writes it; the structs at the top share the schema.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_confluent(text: &[u8], schema: &Arc<Schema>) -> Result<Value> {
    let reader = Reader {
        dialect: Dialect::Confluent,
        ..Reader::new(true)
    };
    read_with(reader.seed(schema), text).map_err(|e| reader.explain(&e))
}

/// Whose JSON it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// Kafka's JsonConverter.
    Kafka,
    /// Confluent's JsonSchemaConverter: a field that is left out is null, also where it is
    /// required; entries of maps are objects of key and value, and unions are structs.
    Confluent,
}

/// What all parts of one payload share: where, and why, it is not of its schema.
pub(super) struct Reader {
    replace_null: bool,
    dialect: Dialect,
    failure: RefCell<Option<Failure>>,
}

struct Failure {
    why: String,
    /// Names from the inside out.
    path: Vec<String>,
}

impl Reader {
    pub(super) fn new(replace_null: bool) -> Self {
        Self {
            replace_null,
            dialect: Dialect::Kafka,
            failure: RefCell::new(None),
        }
    }

    /// Decodes a value of the schema.
    pub(super) fn seed<'a>(&'a self, schema: &'a Arc<Schema>) -> Typed<'a> {
        self.seed_ref(schema, Some(schema))
    }

    fn seed_ref<'a>(&'a self, schema: &'a Schema, shared: Option<&'a Arc<Schema>>) -> Typed<'a> {
        Typed {
            reader: self,
            schema,
            shared,
        }
    }

    fn explain(&self, error: &serde_json::Error) -> Error {
        self.failure().unwrap_or_else(|| malformed(error))
    }

    /// What was wrong with the data; none where the JSON itself was.
    pub(super) fn failure(&self) -> Option<Error> {
        let failure = self.failure.take()?;
        if failure.path.is_empty() {
            return Some(Error::data(failure.why));
        }
        let path: Vec<_> = failure.path.iter().rev().map(String::as_str).collect();
        Some(Error::data(format!(
            "field {}: {}",
            path.join("."),
            failure.why
        )))
    }

    fn refuse<E: serde::de::Error>(&self, why: String) -> E {
        let mut failure = self.failure.borrow_mut();
        failure.get_or_insert(Failure {
            why,
            path: Vec::new(),
        });
        E::custom("")
    }

    /// Adds an item, where the record has memory left for it.
    fn push<T, E: serde::de::Error>(
        &self,
        items: &mut Vec<T>,
        item: T,
    ) -> std::result::Result<(), E> {
        memory::push(items, item).map_err(|e| self.refuse(e.to_string()))
    }

    /// Counts memory that the payload takes beside its bytes.
    fn pay<E: serde::de::Error>(&self, bytes: usize) -> std::result::Result<(), E> {
        memory::charge(bytes).map_err(|e| self.refuse(e.to_string()))
    }

    /// Adds where it was, while the error makes its way out.
    fn at<E>(&self, error: E, name: impl fmt::Display) -> E {
        if let Some(failure) = self.failure.borrow_mut().as_mut() {
            failure.path.push(name.to_string());
        }
        error
    }

    /// What a field that is left out stands for.
    fn missing<E: serde::de::Error>(&self, schema: &Schema) -> std::result::Result<Value, E> {
        match self.dialect {
            Dialect::Confluent if schema.default.is_none() => Ok(Value::Null),
            _ => self.null(schema),
        }
    }

    /// Whether a map is an object, and not an array of its entries.
    fn is_object(&self, key: &Schema) -> bool {
        key.kind == Kind::String && (self.dialect == Dialect::Kafka || !key.optional)
    }

    /// What a null stands for.
    fn null<E: serde::de::Error>(&self, schema: &Schema) -> std::result::Result<Value, E> {
        match &schema.default {
            Some(default) if self.replace_null => {
                // A default is given once and may be taken often.
                self.pay(default.memory())?;
                Ok(default.clone())
            }
            _ if schema.optional => Ok(Value::Null),
            _ => Err(self.refuse(format!(
                "Invalid null value for required {} field",
                schema.type_name()
            ))),
        }
    }
}

/// A value of a schema that is to be read.
#[derive(Clone, Copy)]
pub(super) struct Typed<'a> {
    reader: &'a Reader,
    schema: &'a Schema,
    shared: Option<&'a Arc<Schema>>,
}

impl<'de> DeserializeSeed<'de> for Typed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<Value, D::Error> {
        match self.schema.kind {
            // A float would lose digits: the number is read as the text that it is.
            Kind::Decimal(_) => {
                let raw = <&RawValue as serde::Deserialize>::deserialize(d)?;
                self.decimal(raw.get())
            }
            Kind::Any if self.reader.dialect == Dialect::Confluent => {
                let raw = <&RawValue as serde::Deserialize>::deserialize(d)?;
                let value = connect_api::json::parse(raw.get());
                value.map_err(|e| self.reader.refuse(e.to_string()))
            }
            Kind::Struct(_)
                if self.reader.dialect == Dialect::Confluent && union::is_union(self.schema) =>
            {
                let raw = <&RawValue as serde::Deserialize>::deserialize(d)?;
                self.union(raw.get())
            }
            _ => d.deserialize_any(self),
        }
    }
}

impl Typed<'_> {
    fn mismatch<E: serde::de::Error>(&self, found: &str) -> E {
        let expected = self.schema.type_name();
        self.reader
            .refuse(format!("expected {expected}, found {found}"))
    }

    fn int<E: serde::de::Error>(&self, number: i64) -> std::result::Result<Value, E> {
        let range = match self.schema.kind {
            Kind::Int8 => i64::from(i8::MIN)..=i64::from(i8::MAX),
            Kind::Int16 => i64::from(i16::MIN)..=i64::from(i16::MAX),
            Kind::Int32 | Kind::Date | Kind::Time => i64::from(i32::MIN)..=i64::from(i32::MAX),
            Kind::Int64 | Kind::Timestamp => i64::MIN..=i64::MAX,
            Kind::Float32 => return Ok(Value::Float((number as f32).into())),
            Kind::Float64 => return Ok(Value::Float(number as f64)),
            _ => return Err(self.mismatch("a number")),
        };
        if !range.contains(&number) {
            return Err(self.out_of_range());
        }
        Ok(match self.schema.kind {
            // The range says that it fits.
            Kind::Date => Value::Date(number as i32),
            Kind::Time => Value::Time(number * 1000),
            Kind::Timestamp => Value::Timestamp(
                number
                    .checked_mul(1000)
                    .ok_or_else(|| self.out_of_range())?,
            ),
            _ => Value::Int(number),
        })
    }

    fn out_of_range<E: serde::de::Error>(&self) -> E {
        let expected = self.schema.type_name();
        self.reader
            .refuse(format!("a number out of the range of {expected}"))
    }

    fn decimal<E: serde::de::Error>(&self, raw: &str) -> std::result::Result<Value, E> {
        let Kind::Decimal(scale) = self.schema.kind else {
            return Err(self.mismatch("a decimal"));
        };
        let scale = scale.unwrap_or(0);
        self.reader.pay(size_of::<Decimal>())?;
        match raw.as_bytes() {
            b"null" => self.reader.null(self.schema),
            [b'"', inner @ .., b'"'] => {
                let digits = BASE64
                    .decode(inner)
                    .map_err(|_| self.mismatch("a string that is no base64"))?;
                if digits.is_empty() {
                    return Err(self.mismatch("a decimal without digits"));
                }
                Ok(Value::Decimal(Box::new(Decimal::from_be_bytes(
                    &digits, scale,
                ))))
            }
            [b'-' | b'0'..=b'9', ..] => {
                let decimal: Decimal = raw.parse().map_err(|_| self.out_of_range())?;
                let rescaled = rescale(decimal, scale).ok_or_else(|| {
                    self.reader.refuse(format!(
                        "a decimal with more than {scale} digits of fraction"
                    ))
                })?;
                Ok(Value::Decimal(Box::new(rescaled)))
            }
            _ => Err(self.mismatch("no number")),
        }
    }

    fn row<'de, A: MapAccess<'de>>(
        &self,
        fields: &[Field],
        mut map: A,
    ) -> std::result::Result<Value, A::Error> {
        // A value for each field, however few of them the payload has.
        let each = size_of::<Option<Value>>();
        self.reader
            .pay(size_of::<Struct>() + fields.len().saturating_mul(2 * each))?;
        let mut values: Vec<Option<Value>> = Vec::new();
        values.resize_with(fields.len(), || None);
        let mut expected = 0;
        let places = OnceCell::new();
        let name = |expected| FieldName {
            fields,
            expected,
            places: &places,
        };
        while let Some(found) = map.next_key_seed(name(expected))? {
            let Some(at) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            expected = at + 1;
            let seed = self.reader.seed(&fields[at].schema);
            let value = map
                .next_value_seed(seed)
                .map_err(|e| self.reader.at(e, &fields[at].name))?;
            values[at] = Some(value);
        }
        let values = values
            .into_iter()
            .zip(fields)
            .map(|(value, field)| match value {
                Some(value) => Ok(value),
                None => {
                    let missing = self.reader.missing(&field.schema);
                    missing.map_err(|e| self.reader.at(e, &field.name))
                }
            });
        let values = values.collect::<std::result::Result<Vec<_>, A::Error>>()?;
        Ok(Value::Struct(Box::new(Struct::new(self.owned()?, values))))
    }

    /// The schema as structs hold it.
    fn owned<E: serde::de::Error>(&self) -> std::result::Result<Arc<Schema>, E> {
        match self.shared {
            Some(schema) => Ok(Arc::clone(schema)),
            None => {
                self.reader.pay(self.schema.memory())?;
                Ok(Arc::new(self.schema.clone()))
            }
        }
    }
}

/// The same number with another scale; none where digits would be lost.
pub(crate) fn rescale(decimal: Decimal, scale: i32) -> Option<Decimal> {
    let up = i64::from(scale) - i64::from(decimal.scale);
    let digits = u32::try_from(up.unsigned_abs()).ok();
    let power = BigInt::from(10).pow(digits.filter(|digits| *digits <= MAX_DIGITS)?);
    if up >= 0 {
        return Some(Decimal::new(decimal.unscaled * power, scale));
    }
    let rest = &decimal.unscaled % &power;
    (rest == BigInt::ZERO).then(|| Decimal::new(decimal.unscaled / power, scale))
}

impl<'de> Visitor<'de> for Typed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.schema.type_name())
    }

    fn visit_unit<E: serde::de::Error>(self) -> std::result::Result<Value, E> {
        self.reader.null(self.schema)
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> std::result::Result<Value, E> {
        match self.schema.kind {
            Kind::Boolean => Ok(Value::Boolean(flag)),
            _ => Err(self.mismatch("a boolean")),
        }
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> std::result::Result<Value, E> {
        self.int(number)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> std::result::Result<Value, E> {
        match (i64::try_from(number), &self.schema.kind) {
            (Ok(number), _) => self.int(number),
            (_, Kind::Float32 | Kind::Float64) => self.visit_f64(number as f64),
            _ => Err(self.out_of_range()),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> std::result::Result<Value, E> {
        match self.schema.kind {
            Kind::Float64 => Ok(Value::Float(number)),
            Kind::Float32 if (number as f32).is_finite() => {
                Ok(Value::Float((number as f32).into()))
            }
            Kind::Float32 => Err(self.out_of_range()),
            // 3.0 and 1e3 are integers; floats are exact up to 2^53.
            _ if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 => {
                self.int(number as i64)
            }
            _ => Err(self.mismatch("a number with a fraction")),
        }
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Value, E> {
        match (&self.schema.kind, text) {
            (Kind::String, _) => Ok(Value::from(text)),
            (Kind::Bytes, _) => match BASE64.decode(text) {
                Ok(bytes) => Ok(Value::Bytes(bytes.into())),
                Err(_) => Err(self.mismatch("a string that is no base64")),
            },
            // Jackson writes what JSON has no number for as text.
            (Kind::Float32 | Kind::Float64, "NaN") => Ok(Value::Float(f64::NAN)),
            (Kind::Float32 | Kind::Float64, "Infinity") => Ok(Value::Float(f64::INFINITY)),
            (Kind::Float32 | Kind::Float64, "-Infinity") => Ok(Value::Float(f64::NEG_INFINITY)),
            _ => Err(self.mismatch("a string")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Value, A::Error> {
        match &self.schema.kind {
            Kind::Array(item) => {
                let mut items = Vec::new();
                loop {
                    let next = seq.next_element_seed(self.reader.seed(item));
                    match next.map_err(|e| self.reader.at(e, items.len()))? {
                        Some(item) => self.reader.push(&mut items, item)?,
                        None => return Ok(Value::Array(items)),
                    }
                }
            }
            Kind::Map(key, value) if !self.reader.is_object(key) => {
                let mut entries = Vec::new();
                let pair = Pair {
                    key: self.reader.seed(key),
                    value: self.reader.seed(value),
                };
                loop {
                    let next = seq.next_element_seed(pair);
                    match next.map_err(|e| self.reader.at(e, entries.len()))? {
                        Some(entry) => self.reader.push(&mut entries, entry)?,
                        None => return Ok(Value::Map(entries)),
                    }
                }
            }
            _ => Err(self.mismatch("an array")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Value, A::Error> {
        match &self.schema.kind {
            Kind::Struct(fields) => self.row(fields, map),
            Kind::Map(key, value) if self.reader.is_object(key) => {
                let mut entries = Vec::new();
                while let Some(name) = map.next_key_seed(self.reader.seed(key))? {
                    let seed = self.reader.seed(value);
                    // Names of maps are data, and are not told.
                    let value = map
                        .next_value_seed(seed)
                        .map_err(|e| self.reader.at(e, "*"))?;
                    self.reader.push(&mut entries, (name, value))?;
                }
                Ok(Value::Map(entries))
            }
            _ => Err(self.mismatch("an object")),
        }
    }
}
