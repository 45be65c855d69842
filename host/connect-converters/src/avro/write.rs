//! Writing Avro: Confluent's wire format, under a schema that is registered for the topic.

mod encode;
pub(super) mod schema;

#[cfg(feature = "fuzzing")]
use connect_api::Value;
use connect_api::{Config, Datum, RecordPart, Result, Schema};

use crate::registry::heads::{Described, Heads, WrittenFormat};
use crate::registry::options::LatestVersion;
use crate::registry::subjects::SchemaFormat;
use crate::registry::{BlockingRegistry, Latest};

/// Writes the keys or the values of records.
pub(super) struct Writer {
    heads: Heads,
}

struct Avro;

impl WrittenFormat for Avro {
    const FORMAT: SchemaFormat = SchemaFormat::Avro;

    fn describe(&self, schema: &Schema) -> Result<Described> {
        Ok(Described {
            record: schema::record_name(schema).map(str::to_owned),
            text: schema::text(schema)?,
        })
    }

    /// `use.latest.version` is refused.
    fn check_latest(&self, _schema: &Schema, _latest: &Latest) -> Result<()> {
        Ok(())
    }
}

impl Writer {
    pub(super) fn new(config: &Config, part: RecordPart) -> Self {
        Self {
            heads: Heads::new(config, part, LatestVersion::Refused),
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
            Some(schema) => schema,
            None => &self.heads.scalar::<Avro>(&datum.value)?,
        };
        let mut bytes = self.heads.get(registry, &Avro, topic, schema)?;
        encode::value(schema, &datum.value, &mut bytes)?;
        Ok(Some(bytes))
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
