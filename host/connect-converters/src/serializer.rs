//! Serializers: Connect data to bytes, what `fromConnectData` of Kafka Connect's converters does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use connect_api::{Config, ConfigDef, Datum, RecordPart, Result, Schema, Value, json};

use crate::avro;

/// Turns data into the bytes of a key or a value. Null becomes none: a tombstone.
#[async_trait]
pub trait Serializer: Send + Sync {
    /// Makes ready for the schema of this datum: a registry may have to be asked.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the schema has no form, or the registry refuses it;
    /// [`connect_api::ErrorKind::Retriable`] when the registry does not answer.
    async fn prepare(&self, topic: &str, datum: &Datum) -> Result<()>;

    /// The bytes of a datum that was made ready for.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the value has no form.
    fn serialize(&self, topic: &str, datum: &Datum) -> Result<Option<Vec<u8>>>;
}

/// A kind of serializer.
#[derive(Clone, Copy, Debug)]
pub struct SerializerType {
    /// The class of the converter that it belongs to.
    pub class: &'static str,
    /// Its options.
    pub config_def: fn() -> ConfigDef,
    /// Makes one for a part of records.
    pub build: fn(&Config, RecordPart) -> Result<Box<dyn Serializer>>,
}

/// Every serializer that writes schemas.
pub fn serializers() -> &'static [SerializerType] {
    const { &[crate::json::SERIALIZER, avro::SERIALIZER] }
}

/// A value that no schema describes, as text: nested data and numbers as JSON.
pub(crate) fn as_text(value: &Value) -> Result<Cow<'_, str>> {
    match value {
        Value::String(text) | Value::Json(text) => Ok(Cow::Borrowed(text)),
        value => {
            let mut text = String::new();
            json::write(value, &mut text)?;
            Ok(Cow::Owned(text))
        }
    }
}

/// What was made of schemas, by their pointers: rows of one shape share one.
#[derive(Debug)]
pub(crate) struct BySchema<K, V>(Mutex<Made<K, V>>);

/// The pointer is that of the schema beside it.
type Made<K, V> = HashMap<(usize, K), (Arc<Schema>, V)>;

/// Schemas that are remembered; a scalar may have one of its own in each record.
const MAX_SCHEMAS: usize = 1000;

impl<K: std::hash::Hash + Eq, V: Clone> BySchema<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(crate) fn get(&self, schema: &Arc<Schema>, with: K) -> Option<V> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = all.get(&(Arc::as_ptr(schema) as usize, with));
        found.map(|(_, made)| made.clone())
    }

    /// Keeps the schema too, so that its pointer is not another one's.
    pub(crate) fn insert(&self, schema: &Arc<Schema>, with: K, made: V) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_SCHEMAS {
            all.clear();
        }
        let key = (Arc::as_ptr(schema) as usize, with);
        all.insert(key, (Arc::clone(schema), made));
    }
}
