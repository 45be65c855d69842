//! AvroConverter: Confluent's wire format, with schemas from a Schema Registry.

use std::borrow::Cow;
use std::collections::HashSet;

use bytes::Bytes;
use connect_api::{Config, ConfigDef, Converter, Datum, Result};

use crate::registry::options::{LatestVersion, client_keys, write_keys};
use crate::registry::schemas::{Readable, Schemas};
use crate::registry::subjects::SchemaFormat;
use crate::registry::{BlockingRegistry, Registered, frame};
use crate::{ConverterContext, ConverterType};

mod decode;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod plan;
mod schema;
mod write;

use schema::Compiled;
use write::Writer;

/// `io.confluent.connect.avro.AvroConverter`.
pub(crate) const TYPE: ConverterType = ConverterType {
    class: "io.confluent.connect.avro.AvroConverter",
    config_def,
    build: Some(build),
    build_header: None,
};

fn config_def() -> ConfigDef {
    let mut keys = client_keys();
    keys.extend(write_keys(LatestVersion::Refused));
    ConfigDef::new(keys)
}

fn build(config: &Config, context: &ConverterContext) -> Result<Box<dyn Converter>> {
    Ok(Box::new(AvroConverter {
        registry: BlockingRegistry::new(config, context.runtime.clone())?,
        writer: Writer::new(config, context.part),
        schemas: Schemas::new(SchemaFormat::Avro),
    }))
}

/// The Avro schema that [`TYPE`] writes values of a Connect schema under, as JSON text.
pub(crate) fn schema_text(schema: &connect_api::Schema) -> Result<String> {
    write::schema::text(schema)
}

struct AvroConverter {
    registry: BlockingRegistry,
    writer: Writer,
    schemas: Schemas<Compiled>,
}

impl Readable for Compiled {
    /// The schema, and the plan beside it.
    fn memory(&self) -> usize {
        2 * self.schema.memory()
    }
}

fn compile(registered: &Registered) -> Result<Compiled> {
    // The same text may be known by several names.
    let mut seen = HashSet::new();
    let texts = registered
        .references
        .iter()
        .map(|reference| &reference.text);
    let texts: Vec<_> = texts.filter(|text| seen.insert(*text)).cloned().collect();
    schema::compile(&texts, &registered.text)
}

impl Converter for AvroConverter {
    fn class_name(&self) -> &'static str {
        TYPE.class
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else {
            return Ok(Datum::NULL);
        };
        let (id, payload) = frame::split(bytes, "Avro")?;
        let compiled = self.schemas.get(&self.registry, id, compile)?;
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
