//! JsonSchemaConverter: JSON in Confluent's wire format, with JSON Schemas from a Schema Registry.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, Error, Importance, Result, Schema,
    Validator,
};

use crate::json::{DecimalFormat, payload};
use crate::registry::heads::{Described, Heads, WrittenFormat};
use crate::registry::options::{LatestVersion, client_keys, write_keys};
use crate::registry::schemas::{Readable, Schemas};
use crate::registry::subjects::SchemaFormat;
use crate::registry::{BlockingRegistry, Latest, Registered, frame, readable};
use crate::{ConverterContext, ConverterType};

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod references;
mod schema;
mod write;

/// `io.confluent.connect.json.JsonSchemaConverter`.
pub(crate) const TYPE: ConverterType = ConverterType {
    class: "io.confluent.connect.json.JsonSchemaConverter",
    config_def,
    build: Some(build),
    build_header: None,
};

const ADDITIONAL: &str = "object.additional.properties";
const OPTIONAL: &str = "use.optional.for.nonrequired";
const SUM_TYPES: &str = "generalized.sum.type.support";
const FLATTEN: &str = "flatten.singleton.unions";
const IGNORE_DEFAULT: &str = "ignore.default.for.nullables";
const DECIMAL_FORMAT: &str = "decimal.format";

fn config_def() -> ConfigDef {
    let flag = |name: &'static str, default: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::Boolean, default, doc)
    };
    let only_false = |name: &'static str, doc: &'static str| {
        ConfigKey::new(name, ConfigType::String, "false", doc)
            .validator(Validator::OneOfIgnoreCase(vec!["false".into()]))
            .importance(Importance::Low)
    };
    let mut keys = client_keys();
    keys.extend(write_keys(LatestVersion::Used));
    keys.extend([
        flag(
            ADDITIONAL,
            "true",
            "Whether objects of the schemas that are registered may have other properties.",
        ),
        flag(
            OPTIONAL,
            "false",
            "Whether properties that are not required become optional fields.",
        ),
        flag(
            SUM_TYPES,
            "false",
            "Whether unions and enums have the names and parameters that all of Confluent's \
             converters share.",
        ),
        flag(
            FLATTEN,
            "true",
            "Whether a oneOf, anyOf or allOf of one schema is that schema.",
        )
        .importance(Importance::Low),
        flag(
            IGNORE_DEFAULT,
            "false",
            "Whether a null is written as null where its field has a default.",
        ),
        ConfigKey::choice(
            DECIMAL_FORMAT,
            DecimalFormat::Base64,
            "How decimals are written: BASE64 or NUMERIC. Both are read, whatever is set here.",
        )
        .importance(Importance::Low),
        only_false(
            "ignore.modern.dialects",
            "Only false: a schema is read as its draft says.",
        ),
        only_false(
            "preserve.additional.properties",
            "Only false: properties that the schema does not name are dropped.",
        ),
        only_false(
            "json.fail.invalid.schema",
            "Only false: values are read by their schema, but not validated against it.",
        ),
    ]);
    ConfigDef::new(keys)
}

/// How schemas are read and written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub additional_properties: bool,
    pub optional_for_nonrequired: bool,
    pub generalized_sum_types: bool,
    pub flatten_singletons: bool,
    pub ignore_default: bool,
    pub decimals: DecimalFormat,
}

impl Settings {
    fn new(config: &Config) -> Self {
        Self {
            additional_properties: config.flag(ADDITIONAL),
            optional_for_nonrequired: config.flag(OPTIONAL),
            generalized_sum_types: config.flag(SUM_TYPES),
            flatten_singletons: config.flag(FLATTEN),
            ignore_default: config.flag(IGNORE_DEFAULT),
            decimals: config.choice(DECIMAL_FORMAT),
        }
    }
}

fn build(config: &Config, context: &ConverterContext) -> Result<Box<dyn Converter>> {
    Ok(Box::new(JsonSchemaConverter {
        registry: BlockingRegistry::new(config, context.runtime.clone())?,
        settings: Settings::new(config),
        schemas: Schemas::new(SchemaFormat::Json),
        heads: Heads::new(config, context.part, LatestVersion::Used),
    }))
}

struct JsonSchemaConverter {
    registry: BlockingRegistry,
    settings: Settings,
    schemas: Schemas<Compiled>,
    heads: Heads,
}

/// The Connect schema of a JSON Schema.
struct Compiled(Arc<Schema>);

impl Readable for Compiled {
    fn memory(&self) -> usize {
        self.0.memory()
    }
}

impl WrittenFormat for Settings {
    const FORMAT: SchemaFormat = SchemaFormat::Json;

    fn describe(&self, schema: &Schema) -> Result<Described> {
        Ok(Described {
            record: schema.name.as_ref().map(ToString::to_string),
            text: write::schema::text(schema, *self)?,
        })
    }

    fn check_latest(&self, schema: &Schema, latest: &Latest) -> Result<()> {
        readable::check(&schema::compile(latest, *self)?, schema)
    }
}

impl Converter for JsonSchemaConverter {
    fn class_name(&self) -> &'static str {
        TYPE.class
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else {
            return Ok(Datum::NULL);
        };
        let (id, payload) = frame::split(bytes, "JSON")?;
        let settings = self.settings;
        let compile = |registered: &Registered| {
            schema::compile(registered, settings).map(|schema| Compiled(Arc::new(schema)))
        };
        let Compiled(schema) = self.schemas.get(&self.registry, id, compile)?;
        let value = payload::read_confluent(payload, schema)
            .map_err(|error: Error| error.context(format!("JSON of schema id {id}")))?;
        Ok(Datum::new(Arc::clone(schema), value))
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
        let mut text = String::new();
        write::value(schema, &datum.value, self.settings, &mut text)?;
        bytes.extend_from_slice(text.as_bytes());
        Ok(Some(Cow::Owned(bytes)))
    }
}

#[cfg(test)]
mod tests;
