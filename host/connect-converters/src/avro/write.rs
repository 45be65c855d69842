//! Writing Avro: Confluent's wire format, under a schema that is registered for the topic.

mod encode;
pub(super) mod schema;
mod subject;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use connect_api::memory::{KeptBytes, Room};
use connect_api::{
    Config, ConfigKey, ConfigType, Datum, Error, Kind, RecordPart, Result, Schema, Value,
};

use super::registry::{self, BlockingRegistry, Lookup, Unregistered};
use super::unknown::Unknown;
use crate::by_schema::BySchema;
use subject::SubjectName;

const AUTO_REGISTER: &str = "auto.register.schemas";
/// Ids that are remembered.
const MAX_IDS: usize = 10_000;

/// The options of writing; reading takes a schema by its id, and needs none of them.
pub(super) fn config_keys() -> Vec<ConfigKey> {
    let mut keys = vec![ConfigKey::new(
        AUTO_REGISTER,
        ConfigType::Boolean,
        "true",
        "Whether a schema to write with that the registry does not have is registered; else its \
         records are errant.",
    )];
    keys.extend(subject::config_keys());
    keys
}

/// Writes the keys or the values of records.
pub(super) struct Writer {
    unregistered: Unregistered,
    subject: SubjectName,
    /// Schemas of values that have none: one for each kind, so that they are known again.
    scalars: Vec<Arc<Schema>>,
    /// By topic.
    known: BySchema<HashMap<Box<str>, u32>>,
    /// By subject and the text of the schema: each reader of a topic may have made its own.
    ids: HashMap<(String, String), u32>,
    /// Those that the registry does not have.
    unknown: Unknown<(String, String)>,
    /// Entries that were made of `known`.
    remembered: usize,
    kept: KeptBytes,
}

impl Writer {
    pub(super) fn new(config: &Config, part: RecordPart) -> Self {
        Self {
            unregistered: match config.flag(AUTO_REGISTER) {
                true => Unregistered::Register,
                false => Unregistered::Refuse,
            },
            subject: SubjectName::new(config, part),
            scalars: Vec::new(),
            known: BySchema::default(),
            ids: HashMap::new(),
            unknown: Unknown::default(),
            remembered: 0,
            kept: KeptBytes::default(),
        }
    }

    /// The frame and the Avro of a datum; none for a null, whatever its schema.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the schema or the value has no form in Avro, or the
    /// registry refuses the schema; [`connect_api::ErrorKind::Retriable`] when it does not answer;
    /// [`connect_api::ErrorKind::Config`] when it refuses to.
    pub(super) fn write(
        &mut self,
        registry: &BlockingRegistry,
        topic: &str,
        datum: &Datum,
    ) -> Result<Option<Vec<u8>>> {
        if datum.value.is_null() {
            return Ok(None);
        }
        let schema = match &datum.schema {
            Some(schema) => Arc::clone(schema),
            None => self.scalar(&datum.value)?,
        };
        let id = self.id(registry, topic, &schema)?;
        let mut bytes = vec![0];
        bytes.extend(id.to_be_bytes());
        encode::value(&schema, &datum.value, &mut bytes)?;
        Ok(Some(bytes))
    }

    fn id(
        &mut self,
        registry: &BlockingRegistry,
        topic: &str,
        schema: &Arc<Schema>,
    ) -> Result<u32> {
        let known = self.known.get(schema).and_then(|ids| ids.get(topic));
        if let Some(id) = known {
            return Ok(*id);
        }
        let key = (self.subject.of(topic, schema)?, schema::text(schema)?);
        let id = match self.ids.get(&key) {
            Some(id) => *id,
            None => self.look_up(registry, &key)?,
        };
        let texts = key.0.len() + key.1.len() + topic.len();
        let full = self.kept.add(texts) == Room::AfterClearing;
        if full || self.remembered >= MAX_IDS {
            self.known.clear();
            self.ids.clear();
            self.remembered = 0;
        }
        self.remembered += 1;
        self.ids.insert(key, id);
        let ids = self.known.get_or_insert_with(schema, HashMap::new);
        ids.insert(topic.into(), id);
        Ok(id)
    }

    /// Asks the registry for the id of a schema under a subject.
    fn look_up(&mut self, registry: &BlockingRegistry, key: &(String, String)) -> Result<u32> {
        let (subject, text) = key;
        let named = |error: Error| error.context(format!("subject {subject}"));
        if self.unknown.holds(key, Instant::now()) {
            return Err(named(registry::unknown()));
        }
        match registry
            .id(subject, text, self.unregistered)
            .map_err(named)?
        {
            Lookup::Found(id) => {
                self.unknown.found(key);
                Ok(id)
            }
            Lookup::Unknown(why) => {
                Err(self
                    .unknown
                    .missing(key.clone(), named(why), Instant::now()))
            }
        }
    }

    /// The schema of a value that has none.
    fn scalar(&mut self, value: &Value) -> Result<Arc<Schema>> {
        let kind = match value {
            Value::Boolean(_) => Kind::Boolean,
            Value::Int(_) => Kind::Int64,
            Value::Float(_) => Kind::Float64,
            Value::String(_) => Kind::String,
            Value::Bytes(_) => Kind::Bytes,
            other => {
                return Err(Error::data(format!(
                    "Avro needs a schema, and this {} has none: let a transform give it one, or \
                     write it with JsonConverter",
                    other.type_name()
                )));
            }
        };
        let known = self.scalars.iter().find(|schema| schema.kind == kind);
        if let Some(schema) = known {
            return Ok(Arc::clone(schema));
        }
        let schema = Arc::new(Schema::new(kind));
        self.scalars.push(Arc::clone(&schema));
        Ok(schema)
    }
}

/// The text of the schema that a value is written under, and its Avro without a frame.
///
/// # Errors
/// As [`Writer::write`], but for those of the registry.
#[cfg(feature = "fuzzing")]
pub(super) fn unregistered(schema: &Schema, value: &Value) -> Result<(String, Vec<u8>)> {
    let text = schema::text(schema)?;
    let mut bytes = Vec::new();
    encode::value(schema, value, &mut bytes)?;
    Ok((text, bytes))
}

#[cfg(test)]
mod tests;
