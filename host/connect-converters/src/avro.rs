//! AvroConverter: Confluent's wire format, with schemas from a Schema Registry.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Instant;

use bytes::Bytes;
use connect_api::memory::{KeptBytes, Room};
use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, Error, ErrorKind,
    Importance, Result, Validator, WordCase,
};

use crate::{ConverterContext, ConverterType};

mod decode;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod plan;
pub(crate) mod registry;
mod schema;
mod tls;
mod unknown;
mod write;

use registry::{BlockingRegistry, Lookup};
use schema::Compiled;
use unknown::Unknown;
use write::Writer;

/// `io.confluent.connect.avro.AvroConverter`.
pub(crate) const TYPE: ConverterType = ConverterType {
    class: "io.confluent.connect.avro.AvroConverter",
    config_def,
    build: Some(build),
    build_header: None,
};

const URL: &str = "schema.registry.url";
const BASIC_SOURCE: &str = "basic.auth.credentials.source";
const BASIC_USER_INFO: &str = "basic.auth.user.info";
const BASIC_USER_INFO_OLD: &str = "schema.registry.basic.auth.user.info";
const BEARER_SOURCE: &str = "bearer.auth.credentials.source";
const BEARER_TOKEN: &str = "bearer.auth.token";

/// Ids of schemas that cannot be read which are kept: garbage may hold any number.
const MAX_UNUSABLE: usize = 1024;
/// Characters that are kept of what is wrong with one.
const MAX_WHY: usize = 500;

/// `basic.auth.credentials.source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CredentialsSource {
    Url,
    UserInfo,
}

impl Choice for CredentialsSource {
    const WORDS: &'static [(&'static str, Self)] =
        &[("URL", Self::Url), ("USER_INFO", Self::UserInfo)];
    const CASE: WordCase = WordCase::Exact;
}

fn config_def() -> ConfigDef {
    let mut keys = vec![
        ConfigKey::required(
            URL,
            ConfigType::List,
            "Comma-separated URLs of Schema Registry instances; the next is asked when one fails.",
        )
        .validator(Validator::NonEmpty)
        .importance(Importance::High),
        ConfigKey::choice(
            BASIC_SOURCE,
            CredentialsSource::Url,
            "Where user and password come from: URL, or USER_INFO for basic.auth.user.info.",
        ),
        ConfigKey::nullable(
            BASIC_USER_INFO,
            ConfigType::Password,
            "user:password, with basic.auth.credentials.source=USER_INFO.",
        ),
        ConfigKey::nullable(
            BASIC_USER_INFO_OLD,
            ConfigType::Password,
            "The older name of basic.auth.user.info.",
        )
        .importance(Importance::Low),
        ConfigKey::nullable(
            BEARER_SOURCE,
            ConfigType::String,
            "STATIC_TOKEN to send bearer.auth.token; left out, no token is sent.",
        )
        .validator(Validator::OneOf(vec!["STATIC_TOKEN".into()])),
        ConfigKey::nullable(
            BEARER_TOKEN,
            ConfigType::Password,
            "The token, with bearer.auth.credentials.source=STATIC_TOKEN.",
        ),
    ];
    keys.extend(tls::config_keys());
    keys.extend(write::config_keys());
    ConfigDef::new(keys)
}

fn build(config: &Config, context: &ConverterContext) -> Result<Box<dyn Converter>> {
    Ok(Box::new(AvroConverter {
        registry: BlockingRegistry::new(config, context.runtime.clone())?,
        writer: Writer::new(config, context.part),
        last: None,
        known: HashMap::new(),
        kept: KeptBytes::default(),
        unusable: HashMap::new(),
        unknown: Unknown::default(),
    }))
}

/// The Avro schema that [`TYPE`] writes values of a Connect schema under, as JSON text.
pub(crate) fn schema_text(schema: &connect_api::Schema) -> Result<String> {
    write::schema::text(schema)
}

struct AvroConverter {
    registry: BlockingRegistry,
    writer: Writer,
    /// The id of the record before, which mostly is the next one's.
    last: Option<(u32, Compiled)>,
    /// An id never gets another schema.
    known: HashMap<u32, Compiled>,
    kept: KeptBytes,
    /// Nor does one whose schema is no Avro become usable.
    unusable: HashMap<u32, String>,
    unknown: Unknown<u32>,
}

impl AvroConverter {
    fn compiled(&mut self, id: u32) -> Result<&Compiled> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != id) {
            let compiled = match self.known.get(&id) {
                Some(compiled) => compiled.clone(),
                None => self.fetch(id)?,
            };
            self.last = Some((id, compiled));
        }
        match &self.last {
            Some((_, compiled)) => Ok(compiled),
            None => Err(Error::fatal("the schema that was just fetched is gone")),
        }
    }

    fn fetch(&mut self, id: u32) -> Result<Compiled> {
        let named = |error: Error| error.context(format!("schema id {id}"));
        if let Some(why) = self.unusable.get(&id) {
            return Err(Error::data(why.clone()));
        }
        if self.unknown.holds(&id, Instant::now()) {
            return Err(named(registry::unknown()));
        }
        let fetched = match self.registry.schema(id).map_err(named) {
            Ok(Lookup::Found(fetched)) => fetched,
            Ok(Lookup::Unknown(why)) => {
                return Err(self.unknown.missing(id, named(why), Instant::now()));
            }
            Err(error) => return Err(self.remember_unusable(id, error)),
        };
        self.unknown.found(&id);
        match schema::compile(&fetched.references, &fetched.text).map_err(named) {
            Ok(compiled) => {
                // The schema, and the plan beside it.
                if self.kept.add(2 * compiled.schema.memory()) == Room::AfterClearing {
                    self.known.clear();
                }
                self.known.insert(id, compiled.clone());
                Ok(compiled)
            }
            Err(error) => Err(self.remember_unusable(id, error)),
        }
    }

    /// What is wrong with a schema stays so: it is not asked for again.
    fn remember_unusable(&mut self, id: u32, error: Error) -> Error {
        if error.kind() == ErrorKind::Data {
            if self.unusable.len() >= MAX_UNUSABLE {
                self.unusable.clear();
            }
            // It may quote a name, which may be as long as a schema.
            let why = error.to_string().chars().take(MAX_WHY).collect();
            self.unusable.insert(id, why);
        }
        error
    }
}

impl Converter for AvroConverter {
    fn class_name(&self) -> &'static str {
        TYPE.class
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else {
            return Ok(Datum::NULL);
        };
        let (id, payload) = match bytes.split_first_chunk() {
            Some(([0, a, b, c, d], payload)) => (u32::from_be_bytes([*a, *b, *c, *d]), payload),
            _ if bytes.first().is_some_and(|magic| *magic != 0) => {
                return Err(Error::data(
                    "Unknown magic byte! It is no Avro of a Schema Registry",
                ));
            }
            _ => {
                let size = bytes.len();
                return Err(Error::data(format!(
                    "{size} bytes are too few for a magic byte and a schema id"
                )));
            }
        };
        let compiled = self.compiled(id)?;
        let value = decode::decode(&compiled.plan, payload)
            .map_err(|error| error.context(format!("Avro of schema id {id}")))?;
        Ok(Datum::new(std::sync::Arc::clone(&compiled.schema), value))
    }

    fn from_connect_data<'a>(
        &mut self,
        topic: &str,
        datum: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>> {
        let written = self.writer.write(&self.registry, topic, datum)?;
        Ok(written.map(Cow::Owned))
    }
}

#[cfg(test)]
mod tests;
