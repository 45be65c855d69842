//! JSON Schema without a registry, for the fuzz targets.

use std::sync::Arc;

use connect_api::{ConfigDef, Datum, Properties, Result, Schema, Value};

use super::{Settings, config_def, schema, write};
use crate::json::payload;
use crate::registry::Registered;

fn settings() -> Result<Settings> {
    let def: ConfigDef = config_def();
    let options = Properties::from([("schema.registry.url".to_owned(), "http://none".to_owned())]);
    Ok(Settings::new(&def.parse(&options)?))
}

/// Reads a value under the text of its schema.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the text is no schema, or the bytes are not of it.
pub fn read_json_schema(text: &str, bytes: &[u8]) -> Result<Datum> {
    let registered = Registered {
        text: text.to_owned(),
        references: Vec::new(),
    };
    let schema = Arc::new(schema::compile(&registered, settings()?)?);
    let value = payload::read_confluent(bytes, &schema)?;
    Ok(Datum::new(schema, value))
}

/// The text of the schema that a value is written under, and its bytes.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the schema or the value has no form in JSON.
pub fn write_json_schema(schema: &Schema, value: &Value) -> Result<(String, Vec<u8>)> {
    let settings = settings()?;
    let text = write::schema::text(schema, settings)?;
    let mut json = String::new();
    write::value(schema, value, settings, &mut json)?;
    Ok((text, json.into_bytes()))
}
