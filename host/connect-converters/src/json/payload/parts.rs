//! Parts of payloads: entries of maps, and the names of fields.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::fmt;

use connect_api::{Field, Value};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Typed;

/// A key and a value of a map whose keys are no strings.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) key: Typed<'a>,
    pub(super) value: Typed<'a>,
}

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = (Value, Value);

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        let reader = self.key.reader;
        d.deserialize_any(self)
            .map_err(|_| reader.refuse("expected a key and a value of a MAP".into()))
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = (Value, Value);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key and a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let pair = (
            seq.next_element_seed(self.key)?,
            seq.next_element_seed(self.value)?,
        );
        match (pair, seq.next_element::<IgnoredAny>()?) {
            ((Some(key), Some(value)), None) => Ok((key, value)),
            _ => Err(A::Error::custom("")),
        }
    }

    /// As Confluent's converter writes entries.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut key = None;
        let mut value = None;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match &*name {
                "key" => key = Some(map.next_value_seed(self.key)?),
                "value" => value = Some(map.next_value_seed(self.value)?),
                _ => return Err(A::Error::custom("")),
            }
        }
        key.zip(value).ok_or_else(|| A::Error::custom(""))
    }
}

/// The position of the field that a name is of.
pub(super) struct FieldName<'a> {
    pub(super) fields: &'a [Field],
    /// Payloads mostly have the fields in the order of the schema.
    pub(super) expected: usize,
    /// The fields by their names, made when one is out of order among many.
    pub(super) places: &'a OnceCell<HashMap<&'a str, usize>>,
}

/// So many fields are looked through faster than they are hashed.
const FEW_FIELDS: usize = 24;

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(match self.fields.get(self.expected) {
            Some(field) if field.name == name => Some(self.expected),
            _ if self.fields.len() <= FEW_FIELDS => {
                self.fields.iter().position(|field| field.name == name)
            }
            _ => {
                let places = self.places.get_or_init(|| {
                    let names = self.fields.iter().map(|field| field.name.as_str());
                    names.zip(0..).collect()
                });
                places.get(name).copied()
            }
        })
    }
}
