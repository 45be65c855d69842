//! Unions of Confluent's converters: structs of which one field is set. JSON does not say which one
//! it is, so the first whose type a value can be of is taken, or the struct that has most of its
//! names.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use connect_api::{Field, Kind, Schema, Struct, Value};
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};

use super::Typed;

/// The name of a union.
pub(crate) const ONE_OF: &str = "io.confluent.connect.json.OneOf";
/// The parameter that a union has with `generalized.sum.type.support`.
pub(crate) const UNION: &str = "org.apache.kafka.connect.data.Union";

/// Whether a struct stands for a union.
pub(crate) fn is_union(schema: &Schema) -> bool {
    schema.name.as_deref() == Some(ONE_OF)
        || schema.parameters.iter().any(|(name, _)| name == UNION)
}

impl Typed<'_> {
    pub(super) fn union<E: serde::de::Error>(&self, raw: &str) -> Result<Value, E> {
        let fields = self.schema.fields().unwrap_or_default();
        if raw == "null" {
            return self.reader.null(self.schema);
        }
        let simple = fields
            .iter()
            .position(|field| is_simple(&field.schema, raw));
        // Text stands for bytes where nothing else is text.
        let encoded = || {
            fields
                .iter()
                .position(|field| is_encoded(&field.schema, raw))
        };
        let at = simple.or_else(|| closest(fields, raw)).or_else(encoded);
        let Some(at) = at else {
            return Err(self
                .reader
                .refuse("it is of none of the types of its oneOf or anyOf".into()));
        };
        self.reader
            .pay(size_of::<Struct>() + fields.len().saturating_mul(size_of::<Value>()))?;
        let seed = self.reader.seed(&fields[at].schema);
        let mut json = serde_json::Deserializer::from_str(raw);
        let value = seed.deserialize(&mut json);
        let value = value.map_err(|_| self.reader.refuse("malformed JSON".into()))?;
        let mut values = vec![Value::Null; fields.len()];
        values[at] = value;
        let row = Struct::new(self.owned()?, values);
        Ok(Value::Struct(Box::new(row)))
    }
}

/// Whether a JSON text is of a schema that is no struct, as far as its first character tells.
fn is_simple(schema: &Schema, raw: &str) -> bool {
    let first = raw.as_bytes().first().copied().unwrap_or_default();
    let is_number = first == b'-' || first.is_ascii_digit();
    match &schema.kind {
        Kind::Int8
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::Date
        | Kind::Time
        | Kind::Timestamp => is_number && !raw.contains(['.', 'e', 'E']),
        Kind::Float32 | Kind::Float64 => is_number,
        Kind::Boolean => matches!(first, b't' | b'f'),
        Kind::String => first == b'"',
        Kind::Bytes => false,
        Kind::Decimal(_) => is_number,
        Kind::Array(_) => first == b'[',
        Kind::Map(..) => matches!(first, b'{' | b'['),
        Kind::Any => true,
        Kind::Struct(_) => {
            is_union(schema)
                && schema
                    .fields()
                    .unwrap_or_default()
                    .iter()
                    .any(|field| is_simple(&field.schema, raw))
        }
    }
}

fn is_encoded(schema: &Schema, raw: &str) -> bool {
    matches!(schema.kind, Kind::Bytes | Kind::Decimal(_)) && raw.starts_with('"')
}

/// The first of the structs that have most names of an object.
fn closest(fields: &[Field], raw: &str) -> Option<usize> {
    let mut best: Option<(usize, usize)> = None;
    for (at, field) in fields.iter().enumerate() {
        let count = shared_names(&field.schema, raw);
        if count > best.map_or(0, |(_, most)| most) {
            best = Some((at, count));
        }
    }
    best.map(|(at, _)| at)
}

/// How many names of a struct an object has, with those of structs within it.
fn shared_names(schema: &Schema, raw: &str) -> usize {
    if schema.fields().is_none() || !raw.starts_with('{') {
        return 0;
    }
    let mut json = serde_json::Deserializer::from_str(raw);
    Names(schema).deserialize(&mut json).unwrap_or(0)
}

struct Names<'a>(&'a Schema);

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<usize, D::Error> {
        match self.0.kind {
            Kind::Struct(_) => d.deserialize_any(self),
            _ => d.deserialize_ignored_any(IgnoredAny).map(|_| 0),
        }
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let fields = self.0.fields().unwrap_or_default();
        let mut seen = HashSet::new();
        let mut count = 0;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match fields.iter().position(|field| field.name == *name) {
                Some(at) => {
                    count += usize::from(seen.insert(at));
                    count += map.next_value_seed(Names(&fields[at].schema))?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(count)
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_str<E>(self, _: &str) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(0)
    }
}
