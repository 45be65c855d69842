//! ProtobufConverter: Protobuf in Confluent's wire format, with `.proto` texts from a Schema
//! Registry.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::memory::{KeptBytes, Room};
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, Error, Importance, Result, Schema,
    Validator,
};

use crate::by_schema::BySchema;
use crate::registry::heads::{Described, Heads, WrittenFormat};
use crate::registry::options::{LatestVersion, client_keys, write_keys};
use crate::registry::schemas::{Readable, Schemas};
use crate::registry::subjects::SchemaFormat;
use crate::registry::{BlockingRegistry, Latest, Registered, frame, readable};
use crate::{ConverterContext, ConverterType};

mod decode;
mod file;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod known;
mod plan;
mod schema;
mod types;
mod wire;
mod write;

use file::ProtoFile;
use schema::Compiled;
use write::plan::Written;

/// `io.confluent.connect.protobuf.ProtobufConverter`.
pub(crate) const TYPE: ConverterType = ConverterType {
    class: "io.confluent.connect.protobuf.ProtobufConverter",
    config_def,
    build: Some(build),
    build_header: None,
};

const ENHANCED: &str = "enhanced.protobuf.schema.support";
const SCRUB: &str = "scrub.invalid.names";
const INT_ENUMS: &str = "int.for.enums";
const OPTIONALS: &str = "optional.for.nullables";
const OPTIONALS_OF_2: &str = "optional.for.proto2";
const WRAPPERS: &str = "wrapper.for.nullables";
const RAW_PRIMITIVES: &str = "wrapper.for.raw.primitives";
const INDEX: &str = "generate.index.for.unions";
const FLATTEN: &str = "flatten.unions";
const SUM_TYPES: &str = "generalized.sum.type.support";
const IGNORE_DEFAULT: &str = "ignore.default.for.nullables";

fn config_def() -> ConfigDef {
    let only = |name: &'static str, word: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::String, word, doc)
            .validator(Validator::OneOfIgnoreCase(vec![word.into()]))
            .importance(Importance::Low)
    };
    let mut keys = client_keys();
    keys.extend(write_keys(LatestVersion::Used));
    keys.extend(mapping_keys());
    keys.extend([
        only(
            "generate.struct.for.nulls",
            "false",
            "Only false: a message that is left out is null.",
        ),
        only(
            "skip.known.types",
            "true",
            "Only true: Google's and Confluent's own types are registered by no converter.",
        ),
    ]);
    ConfigDef::new(keys)
}

/// How messages and Connect schemas stand for each other.
fn mapping_keys() -> Vec<ConfigKey> {
    let flag = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::Boolean, default, doc)
    };
    vec![
        flag(
            ENHANCED,
            "false",
            "Whether names of schemas have the package before them.",
        ),
        flag(
            SCRUB,
            "false",
            "Whether names that Protobuf does not have are made such.",
        ),
        flag(
            INT_ENUMS,
            "false",
            "Whether enums are numbers instead of names.",
        ),
        flag(
            OPTIONALS,
            "false",
            "Whether fields are optional by the word optional alone, and are written with it.",
        ),
        flag(
            OPTIONALS_OF_2,
            "true",
            "Whether a field that proto2 calls optional is null where it is left out.",
        ),
        flag(
            WRAPPERS,
            "false",
            "Whether Google's wrappers stand for optional values, and are written for them.",
        ),
        flag(
            RAW_PRIMITIVES,
            "true",
            "Whether a message that is one of Google's wrappers is its value.",
        ),
        flag(
            INDEX,
            "true",
            "Whether fields of oneofs have their number behind their name.",
        )
        .importance(Importance::Low),
        flag(
            FLATTEN,
            "false",
            "Whether the fields of a oneof are fields of its message.",
        )
        .importance(Importance::Low),
        flag(
            SUM_TYPES,
            "false",
            "Whether unions and enums have the names and parameters that all of Confluent's \
             converters share.",
        ),
        flag(
            IGNORE_DEFAULT,
            "false",
            "Whether a null is left out where its field has a default.",
        ),
    ]
}

/// How schemas are read and written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub enhanced: bool,
    pub scrub: bool,
    pub int_for_enums: bool,
    pub optional_for_nullables: bool,
    pub optional_for_proto2: bool,
    pub wrapper_for_nullables: bool,
    pub raw_primitives: bool,
    pub index_for_unions: bool,
    pub flatten_unions: bool,
    pub generalized_sum_types: bool,
    pub ignore_default: bool,
}

impl Settings {
    fn new(config: &Config) -> Self {
        Self {
            enhanced: config.flag(ENHANCED),
            scrub: config.flag(SCRUB),
            int_for_enums: config.flag(INT_ENUMS),
            optional_for_nullables: config.flag(OPTIONALS),
            optional_for_proto2: config.flag(OPTIONALS_OF_2),
            wrapper_for_nullables: config.flag(WRAPPERS),
            raw_primitives: config.flag(RAW_PRIMITIVES),
            index_for_unions: config.flag(INDEX),
            flatten_unions: config.flag(FLATTEN),
            generalized_sum_types: config.flag(SUM_TYPES),
            ignore_default: config.flag(IGNORE_DEFAULT),
        }
    }
}

fn build(config: &Config, context: &ConverterContext) -> Result<Box<dyn Converter>> {
    Ok(Box::new(ProtobufConverter {
        registry: BlockingRegistry::new(config, context.runtime.clone())?,
        settings: Settings::new(config),
        schemas: Schemas::new(SchemaFormat::Protobuf),
        heads: Heads::new(config, context.part, LatestVersion::Used),
        written: BySchema::default(),
    }))
}

struct ProtobufConverter {
    registry: BlockingRegistry,
    settings: Settings,
    schemas: Schemas<Known>,
    heads: Heads,
    written: BySchema<Arc<Written>>,
}

/// A text, and those of its messages that were read.
struct Known {
    file: ProtoFile,
    size: usize,
    messages: HashMap<Vec<usize>, Compiled>,
    kept: KeptBytes,
}

impl Readable for Known {
    fn memory(&self) -> usize {
        self.size
    }
}

impl Known {
    /// About what its descriptors take for a byte of text.
    const PER_BYTE: usize = 8;

    fn new(registered: &Registered) -> Result<Self> {
        let references = registered.references.iter();
        let texts = registered.text.len() + references.map(|r| r.text.len()).sum::<usize>();
        Ok(Self {
            file: ProtoFile::parse(registered)?,
            size: texts.saturating_mul(Self::PER_BYTE),
            messages: HashMap::new(),
            kept: KeptBytes::default(),
        })
    }

    fn message(&mut self, indexes: Vec<usize>, settings: Settings) -> Result<&Compiled> {
        if !self.messages.contains_key(&indexes) {
            let message = self.file.message(&indexes)?;
            let compiled = schema::compile(&self.file, &message, settings)?;
            if self.kept.add(2 * compiled.schema.memory()) == Room::AfterClearing {
                self.messages.clear();
            }
            self.messages.insert(indexes.clone(), compiled);
        }
        let gone = || Error::fatal("the message that was just compiled is gone");
        self.messages.get(&indexes).ok_or_else(gone)
    }
}

impl WrittenFormat for Settings {
    const FORMAT: SchemaFormat = SchemaFormat::Protobuf;

    fn describe(&self, schema: &Schema) -> Result<Described> {
        let written = Written::new(schema, *self)?;
        Ok(Described {
            record: Some(written.full_name),
            text: written.text,
        })
    }

    fn behind_id(&self, schema: &Schema, latest: Option<&Latest>) -> Result<Vec<u8>> {
        let written = Written::new(schema, *self)?;
        let indexes = match latest {
            None => written.indexes,
            Some(latest) => {
                let found = ProtoFile::parse(latest)?.indexes(&written.full_name);
                found.ok_or_else(|| {
                    let name = written.full_name;
                    Error::data(format!("the last version has no message {name}"))
                })?
            }
        };
        Ok(write::indexes(&indexes))
    }

    fn check_latest(&self, schema: &Schema, latest: &Latest) -> Result<()> {
        let written = Written::new(schema, *self)?;
        let compiled = |registered: &Registered| -> Result<Arc<Schema>> {
            let file = ProtoFile::parse(registered)?;
            let missing = || {
                let name = &written.full_name;
                Error::data(format!("the last version has no message {name}"))
            };
            let indexes = file.indexes(&written.full_name).ok_or_else(missing)?;
            let message = file.message(&indexes)?;
            Ok(schema::compile(&file, &message, *self)?.schema)
        };
        let own = Registered {
            text: written.text.clone(),
            references: Vec::new(),
        };
        readable::check(&*compiled(latest)?, &*compiled(&own)?)
    }
}

impl Converter for ProtobufConverter {
    fn class_name(&self) -> &'static str {
        TYPE.class
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else {
            return Ok(Datum::NULL);
        };
        let (id, rest) = frame::split(bytes, "Protobuf")?;
        let named = |error: Error| error.context(format!("Protobuf of schema id {id}"));
        let known = self.schemas.get(&self.registry, id, Known::new)?;
        let (indexes, payload) = decode::indexes(rest).map_err(named)?;
        let compiled = known.message(indexes, self.settings).map_err(named)?;
        let value = decode::decode(&compiled.plan, payload).map_err(named)?;
        Ok(Datum::new(Arc::clone(&compiled.schema), value))
    }

    fn from_connect_data<'a>(
        &mut self,
        topic: &str,
        datum: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>> {
        if datum.value.is_null() {
            return Ok(None);
        }
        let schema = match &datum.schema {
            Some(schema) => schema,
            None => &self.heads.scalar::<Settings>(&datum.value)?,
        };
        let mut bytes = self
            .heads
            .get(&self.registry, &self.settings, topic, schema)?;
        let written = match self.written.get(schema) {
            Some(written) => Arc::clone(written),
            None => {
                let written = Arc::new(Written::new(schema, self.settings)?);
                let kept = self.written.get_or_insert_with(schema, || written);
                Arc::clone(kept)
            }
        };
        write::message(&written, &datum.value, &mut bytes)?;
        Ok(Some(Cow::Owned(bytes)))
    }
}

#[cfg(test)]
mod tests;
