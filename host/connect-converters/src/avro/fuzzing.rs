//! Avro without a registry, for the fuzz targets.

use std::sync::Arc;

use connect_api::{Datum, Result, Schema, Value};

use super::{decode, schema, write};

/// Reads a value under the text of its schema; the texts of the schemas that it refers to come
/// first.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the text is no schema, or the bytes are not of it.
pub fn read_avro(references: &[String], text: &str, bytes: &[u8]) -> Result<Datum> {
    let compiled = schema::compile(references, text)?;
    let value = decode::decode(&compiled.plan, bytes)?;
    Ok(Datum::new(Arc::clone(&compiled.schema), value))
}

/// The text of the schema that a value is written under, and its bytes.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the schema or the value has no form in Avro.
pub fn write_avro(schema: &Schema, value: &Value) -> Result<(String, Vec<u8>)> {
    write::unregistered(schema, value)
}
