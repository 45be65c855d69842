//! Writing Avro: Confluent's wire format, under a schema that is registered for the topic.

mod encode;
mod schema;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Error, Kind, RecordPart, Result, Schema,
    Validator, Value,
};

use super::registry::Registry;
use crate::serializer::{BySchema, Serializer, SerializerType};

/// `io.confluent.connect.avro.AvroConverter`.
pub(crate) const SERIALIZER: SerializerType = SerializerType {
    class: super::TYPE.classes[0],
    config_def,
    build,
};

const AUTO_REGISTER: &str = "auto.register.schemas";
const KEY_STRATEGY: &str = "key.subject.name.strategy";
const VALUE_STRATEGY: &str = "value.subject.name.strategy";
const TOPIC_NAME: &str = "io.confluent.kafka.serializers.subject.TopicNameStrategy";
/// Ids that are remembered.
const MAX_IDS: usize = 10_000;

fn config_def() -> ConfigDef {
    let mut keys = super::config_def().keys().to_vec();
    keys.push(ConfigKey::new(
        AUTO_REGISTER,
        ConfigType::Boolean,
        "true",
        "Whether a schema that the registry does not have is registered; else its records are \
         errant.",
    ));
    for name in [KEY_STRATEGY, VALUE_STRATEGY] {
        let doc = "How subjects are called: after the topic, with -key or -value behind.";
        let key = ConfigKey::new(name, ConfigType::Class, TOPIC_NAME, doc);
        keys.push(key.validator(Validator::OneOf(vec![
            TOPIC_NAME.into(),
            "TopicNameStrategy".into(),
        ])));
    }
    ConfigDef::new(keys)
}

fn build(config: &Config, part: RecordPart) -> Result<Box<dyn Serializer>> {
    Ok(Box::new(AvroSerializer {
        registry: Registry::new(config)?,
        register: config.flag(AUTO_REGISTER),
        suffix: match part {
            RecordPart::Key => "key",
            RecordPart::Value => "value",
        },
        ids: Mutex::default(),
        known: BySchema::new(),
    }))
}

struct AvroSerializer {
    registry: Registry,
    register: bool,
    suffix: &'static str,
    /// By topic and the text of the schema.
    ids: Mutex<HashMap<(Arc<str>, String), u32>>,
    known: BySchema<Arc<str>, u32>,
}

impl AvroSerializer {
    fn id(&self, topic: &str, schema: &Arc<Schema>) -> Option<u32> {
        self.known.get(schema, topic.into())
    }
}

#[async_trait]
impl Serializer for AvroSerializer {
    async fn prepare(&self, topic: &str, datum: &Datum) -> Result<()> {
        let Some(schema) = schema_of(datum)? else {
            return Ok(());
        };
        if self.id(topic, &schema).is_some() {
            return Ok(());
        }
        let text = schema::text(&schema)?;
        let key = (Arc::from(topic), text);
        let ids = || self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let found = ids().get(&key).copied();
        let id = match found {
            Some(id) => id,
            None => {
                let subject = format!("{topic}-{}", self.suffix);
                let id = self.registry.id(&subject, &key.1, self.register).await;
                let id = id.map_err(|e| e.context(format!("subject {subject}")))?;
                let mut ids = ids();
                if ids.len() >= MAX_IDS {
                    ids.clear();
                }
                ids.insert(key, id);
                id
            }
        };
        self.known.insert(&schema, topic.into(), id);
        Ok(())
    }

    fn serialize(&self, topic: &str, datum: &Datum) -> Result<Option<Vec<u8>>> {
        let Some(schema) = schema_of(datum)? else {
            return Ok(None);
        };
        let id = self
            .id(topic, &schema)
            .ok_or_else(|| Error::retriable("the schema's id is not known yet"))?;
        let mut bytes = vec![0];
        bytes.extend(id.to_be_bytes());
        encode::value(&schema, &datum.value, &mut bytes)?;
        Ok(Some(bytes))
    }
}

/// The schema to write a datum with; none for a tombstone.
fn schema_of(datum: &Datum) -> Result<Option<Arc<Schema>>> {
    if let (Some(schema), false) = (&datum.schema, datum.value.is_null()) {
        return Ok(Some(Arc::clone(schema)));
    }
    let kind = match &datum.value {
        Value::Null => return Ok(None),
        Value::Boolean(_) => Kind::Boolean,
        Value::Int(_) => Kind::Int64,
        Value::Float(_) => Kind::Float64,
        Value::String(_) => Kind::String,
        Value::Bytes(_) => Kind::Bytes,
        other => {
            return Err(Error::data(format!(
                "Avro needs a schema, and this {} has none: let a transform give it one, or write \
                 it with JsonConverter",
                other.type_name()
            )));
        }
    };
    Ok(Some(scalar(kind)))
}

/// One schema for each kind, so that they are known again.
fn scalar(kind: Kind) -> Arc<Schema> {
    static KNOWN: Mutex<Vec<Arc<Schema>>> = Mutex::new(Vec::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(schema) = known.iter().find(|schema| schema.kind == kind) {
        return Arc::clone(schema);
    }
    let schema = Arc::new(Schema::new(kind));
    known.push(Arc::clone(&schema));
    schema
}

#[cfg(test)]
mod tests;
