//! Converters: bytes to Connect data and back, with the Schema Registry client.
//!
//! [`converters`] is the one list of classes that a config may name as `key.converter`,
//! `value.converter` or `header.converter`, and as the `output.….converter` of a sink to Kafka.
//! Options come without that prefix.

use std::sync::Arc;

use connect_api::{
    Config, ConfigDef, Converter, Error, HeaderConverter, Properties, RecordPart, Result, Schema,
};

mod avro;
mod by_schema;
mod json;
mod json_schema;
mod primitive;
mod protobuf;
mod registry;
mod simple_header;
mod text;

#[cfg(feature = "fuzzing")]
pub mod fuzzing {
    //! Formats of a registry without one, for the fuzz targets.

    pub use crate::avro::fuzzing::{read_avro, write_avro};
    pub use crate::json_schema::fuzzing::{read_json_schema, write_json_schema};
    pub use crate::protobuf::fuzzing::{read_protobuf, write_protobuf};
}
pub use registry::subjects::{
    Compatibility, RegisteredVersion, RegistryClient, SchemaFormat, SchemaText,
};

/// The schema of a text in the form that JsonConverter has for schemas, its `schema.content`.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the text is no schema.
pub fn declared_schema(text: &str) -> Result<Arc<Schema>> {
    let null = || Error::data("it is null, which is no schema");
    json::declared(text)?.ok_or_else(null)
}

/// The Avro schema, as JSON text, that AvroConverter writes values of a Connect schema under and
/// registers.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it has a name or a type that is none in Avro.
pub fn avro_schema(schema: &Schema) -> Result<String> {
    avro::schema_text(schema)
}

/// What a converter of keys or values is built with.
#[derive(Clone, Debug)]
pub struct ConverterContext {
    /// The runtime that asks the Schema Registry, while the converter's own thread waits. It has
    /// to have threads of its own.
    pub runtime: tokio::runtime::Handle,
    /// The part of the record that the converter is for.
    pub part: RecordPart,
}

/// Makes a converter of keys or values from its options.
pub type BuildConverter = fn(&Config, &ConverterContext) -> Result<Box<dyn Converter>>;

/// Makes a converter of headers from its options.
pub type BuildHeaderConverter = fn(&Config) -> Result<Box<dyn HeaderConverter>>;

/// A class of converters: what it is called, its options, and which of Kafka Connect's two
/// interfaces it implements.
#[derive(Clone, Copy, Debug)]
pub struct ConverterType {
    /// The class, with its package.
    pub class: &'static str,
    /// Its options.
    pub config_def: fn() -> ConfigDef,
    /// `Converter`, where it implements that.
    pub build: Option<BuildConverter>,
    /// `HeaderConverter`, where it implements that.
    pub build_header: Option<BuildHeaderConverter>,
}

impl ConverterType {
    /// The class without its package.
    pub fn simple_name(&self) -> &'static str {
        simple_name(self.class)
    }
}

/// Every class.
pub fn converters() -> &'static [ConverterType] {
    const {
        &[
            json::TYPE,
            primitive::STRING,
            primitive::BYTES,
            primitive::BOOLEAN,
            primitive::SHORT,
            primitive::INTEGER,
            primitive::LONG,
            primitive::FLOAT,
            primitive::DOUBLE,
            avro::TYPE,
            json_schema::TYPE,
            protobuf::TYPE,
            simple_header::TYPE,
        ]
    }
}

/// The class that converts keys and values, by its full name or by its simple name such as
/// `JsonConverter`.
pub fn converter(class: &str) -> Option<&'static ConverterType> {
    named(class).filter(|known| known.build.is_some())
}

/// The class that converts headers, by its full or its simple name.
pub fn header_converter(class: &str) -> Option<&'static ConverterType> {
    named(class).filter(|known| known.build_header.is_some())
}

/// The converter of a class for keys or values, with the options given for it.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when there is no such class, or an option is refused.
pub fn build(
    class: &str,
    options: &Properties,
    context: &ConverterContext,
) -> Result<Box<dyn Converter>> {
    let found = named(class).and_then(|known| Some((known, known.build?)));
    let (known, build) = found.ok_or_else(|| not_found(class))?;
    build(&(known.config_def)().parse(options)?, context)
}

/// The converter of a class for headers, with the options given for it.
///
/// # Errors
/// As for [`build`].
pub fn build_header(class: &str, options: &Properties) -> Result<Box<dyn HeaderConverter>> {
    let found = named(class).and_then(|known| Some((known, known.build_header?)));
    let (known, build) = found.ok_or_else(|| not_found(class))?;
    build(&(known.config_def)().parse(options)?)
}

fn named(class: &str) -> Option<&'static ConverterType> {
    let class = class.trim();
    let named = |known: &&ConverterType| known.class == class || known.simple_name() == class;
    converters().iter().find(named)
}

fn not_found(class: &str) -> Error {
    Error::config(format!("class {} could not be found", class.trim()))
}

fn simple_name(class: &'static str) -> &'static str {
    class.rsplit('.').next().unwrap_or(class)
}

#[cfg(test)]
mod tests;
