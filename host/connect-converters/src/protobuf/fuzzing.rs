//! Protobuf without a registry, for the fuzz targets.

use connect_api::{Datum, Properties, Result, Schema, Value};

use super::file::ProtoFile;
use super::write::plan::Written;
use super::{Settings, config_def, decode, schema, write};
use crate::registry::Registered;

/// The settings that a byte chooses.
fn settings(choice: u8) -> Result<Settings> {
    let names = [
        super::WRAPPERS,
        super::OPTIONALS,
        super::FLATTEN,
        super::SUM_TYPES,
        super::INT_ENUMS,
        super::ENHANCED,
    ];
    let mut options = Properties::from([("schema.registry.url".into(), "http://none".into())]);
    for (bit, name) in names.into_iter().enumerate() {
        options.insert(name.into(), (choice >> bit & 1 == 1).to_string());
    }
    Ok(Settings::new(&config_def().parse(&options)?))
}

/// Reads a value under the text of its schema, with the indexes of its message before it.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the text is no schema, or the bytes are not of it.
pub fn read_protobuf(choice: u8, text: &str, bytes: &[u8]) -> Result<Datum> {
    let registered = Registered {
        text: text.to_owned(),
        references: Vec::new(),
    };
    let file = ProtoFile::parse(&registered)?;
    let (indexes, payload) = decode::indexes(bytes)?;
    let message = file.message(&indexes)?;
    let compiled = schema::compile(&file, &message, settings(choice)?)?;
    let value = decode::decode(&compiled.plan, payload)?;
    Ok(Datum::new(compiled.schema, value))
}

/// The text of the schema that a value is written under, and its bytes behind the indexes.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the schema or the value has no form in Protobuf.
pub fn write_protobuf(choice: u8, schema: &Schema, value: &Value) -> Result<(String, Vec<u8>)> {
    let written = Written::new(schema, settings(choice)?)?;
    let mut bytes = write::indexes(&written.indexes);
    write::message(&written, value, &mut bytes)?;
    Ok((written.text, bytes))
}
