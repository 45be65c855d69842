//! The heads of the messages that are written: the id of the schema, which is registered under a
//! subject or looked for there, once for each schema and topic.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use connect_api::memory::{KeptBytes, Room};
use connect_api::{Config, Error, Kind, RecordPart, Result, Schema, Value};

use super::options::{AUTO_REGISTER, LATEST_STRICT, LatestVersion, USE_LATEST};
use super::subject::SubjectName;
use super::subjects::SchemaFormat;
use super::unknown::Unknown;
use super::{BlockingRegistry, Latest, Lookup, ToWrite, Unregistered, frame};
use crate::by_schema::BySchema;

/// Heads that are remembered.
const MAX_HEADS: usize = 10_000;

/// A Connect schema in the words of the format that it is written in.
pub(crate) struct Described {
    /// What `RecordNameStrategy` calls it; none where it is no record.
    pub record: Option<String>,
    /// The text that is registered.
    pub text: String,
}

/// A format that records are written in.
pub(crate) trait WrittenFormat {
    /// Its kind of schemas.
    const FORMAT: SchemaFormat;

    /// What a schema is in this format.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when it has no form there.
    fn describe(&self, schema: &Schema) -> Result<Described>;

    /// What stands behind the id, by the version of the subject that it is of, where that is not
    /// the schema's own text.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the version does not have what is written.
    fn behind_id(&self, _schema: &Schema, _latest: Option<&Latest>) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Whether a reader of the last version can read what is written under the schema.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] says why it cannot.
    fn check_latest(&self, schema: &Schema, latest: &Latest) -> Result<()>;
}

/// The heads of messages, by schema and topic.
pub(crate) struct Heads {
    unregistered: Unregistered,
    is_strict: bool,
    subject: SubjectName,
    /// Schemas of values that have none: one for each kind, so that they are known again.
    scalars: Vec<Arc<Schema>>,
    /// By topic.
    known: BySchema<HashMap<Box<str>, Arc<[u8]>>>,
    /// By subject and the text of the schema: each reader of a topic may have made its own.
    heads: HashMap<(String, String), Arc<[u8]>>,
    /// Those that the registry does not have.
    unknown: Unknown<(String, String)>,
    /// Entries that were made of `known`.
    remembered: usize,
    kept: KeptBytes,
}

impl Heads {
    pub(crate) fn new(config: &Config, part: RecordPart, latest: LatestVersion) -> Self {
        let is_set = |name| latest == LatestVersion::Used && config.flag(name);
        Self {
            unregistered: match (config.flag(AUTO_REGISTER), is_set(USE_LATEST)) {
                (true, _) => Unregistered::Register,
                (false, true) => Unregistered::UseLatest,
                (false, false) => Unregistered::Refuse,
            },
            is_strict: is_set(LATEST_STRICT),
            subject: SubjectName::new(config, part),
            scalars: Vec::new(),
            known: BySchema::default(),
            heads: HashMap::new(),
            unknown: Unknown::default(),
            remembered: 0,
            kept: KeptBytes::default(),
        }
    }

    /// What a message of this topic and schema begins with.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the schema has no form in the format, or the registry
    /// refuses it; [`connect_api::ErrorKind::Retriable`] when it does not answer;
    /// [`connect_api::ErrorKind::Config`] when it refuses to.
    pub(crate) fn get(
        &mut self,
        registry: &BlockingRegistry,
        format: &impl WrittenFormat,
        topic: &str,
        schema: &Arc<Schema>,
    ) -> Result<Vec<u8>> {
        let known = self.known.get(schema).and_then(|heads| heads.get(topic));
        if let Some(head) = known {
            return Ok(head.to_vec());
        }
        let described = format.describe(schema)?;
        let subject = self
            .subject
            .of(topic, described.record.as_deref(), schema)?;
        let key = (subject, described.text);
        let head = match self.heads.get(&key) {
            Some(head) => Arc::clone(head),
            None => self.look_up(registry, format, schema, &key)?,
        };
        let texts = key.0.len() + key.1.len() + topic.len();
        let full = self.kept.add(texts) == Room::AfterClearing;
        if full || self.remembered >= MAX_HEADS {
            self.known.clear();
            self.heads.clear();
            self.remembered = 0;
        }
        self.remembered += 1;
        self.heads.insert(key, Arc::clone(&head));
        let heads = self.known.get_or_insert_with(schema, HashMap::new);
        heads.insert(topic.into(), Arc::clone(&head));
        Ok(head.to_vec())
    }

    /// Asks the registry for the id of a schema under a subject.
    fn look_up<F: WrittenFormat>(
        &mut self,
        registry: &BlockingRegistry,
        format: &F,
        schema: &Schema,
        key: &(String, String),
    ) -> Result<Arc<[u8]>> {
        let (subject, text) = key;
        let named = |error: Error| error.context(format!("subject {subject}"));
        if self.unknown.holds(key, Instant::now()) {
            return Err(named(super::unknown()));
        }
        let to_write = ToWrite {
            subject: subject.clone(),
            text: text.clone(),
            format: F::FORMAT,
        };
        let found = registry.id(to_write, self.unregistered).map_err(named)?;
        match found {
            Lookup::Found(found) => {
                self.unknown.found(key);
                if let Some(latest) = found.latest.as_ref().filter(|_| self.is_strict) {
                    format.check_latest(schema, latest).map_err(named)?;
                }
                let mut head = frame::head(found.id);
                let behind = format.behind_id(schema, found.latest.as_ref());
                head.extend(behind.map_err(named)?);
                Ok(head.into())
            }
            Lookup::Unknown(why) => {
                Err(self
                    .unknown
                    .missing(key.clone(), named(why), Instant::now()))
            }
        }
    }

    /// The schema of a value that has none.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when its kind alone is no schema.
    pub(crate) fn scalar<F: WrittenFormat>(&mut self, value: &Value) -> Result<Arc<Schema>> {
        let kind = match value {
            Value::Boolean(_) => Kind::Boolean,
            Value::Int(_) => Kind::Int64,
            Value::Float(_) => Kind::Float64,
            Value::String(_) => Kind::String,
            Value::Bytes(_) => Kind::Bytes,
            other => {
                return Err(Error::data(format!(
                    "{} needs a schema, and this {} has none: let a transform give it one, or \
                     write it with JsonConverter",
                    F::FORMAT.name(),
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
