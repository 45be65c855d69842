//! Converters: bytes to Connect data and back, with the Schema Registry client.
//!
//! A converter is found by its Java class name, full or simple. Its options come without the
//! `key.converter.` or `value.converter.` that they have in a connector's configuration.

use connect_api::{Config, ConfigDef, Converter, RecordPart, Result};

mod avro;
mod json;
mod primitive;
mod serializer;

pub use serializer::{Serializer, SerializerType, serializers};

/// What a converter is built with.
#[derive(Clone, Debug)]
pub struct ConverterContext {
    /// Converters run on a plain thread; what must wait for a Schema Registry blocks on this.
    pub runtime: tokio::runtime::Handle,
    /// The part of the record that the converter is for.
    pub part: RecordPart,
}

/// A kind of converter.
#[derive(Clone, Copy, Debug)]
pub struct ConverterType {
    /// The classes that a config may name it by, its own first.
    pub classes: &'static [&'static str],
    /// Its options.
    pub config_def: fn() -> ConfigDef,
    /// Makes one.
    pub build: fn(&Config, &ConverterContext) -> Result<Box<dyn Converter>>,
}

/// Every converter.
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
        ]
    }
}

/// The converter of a class, by its full name or by its simple name such as `JsonConverter`.
pub fn converter(class: &str) -> Option<&'static ConverterType> {
    converters().iter().find(|converter| {
        converter
            .classes
            .iter()
            .any(|known| *known == class || known.rsplit('.').next() == Some(class))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect_api::Properties;

    #[test]
    fn converters_are_found_by_both_names() {
        for (class, expect) in [
            (
                "JsonConverter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            (
                "io.confluent.connect.avro.AvroConverter",
                "io.confluent.connect.avro.AvroConverter",
            ),
            (
                "LongConverter",
                "org.apache.kafka.connect.converters.LongConverter",
            ),
        ] {
            assert_eq!(
                converter(class).map(|c| c.classes[0]),
                Some(expect),
                "{class}"
            );
        }
        assert!(converter("jsonconverter").is_none());
        assert!(converter("json.JsonConverter").is_none());
    }

    #[test]
    fn a_converter_knows_its_class() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let context = ConverterContext {
            runtime: runtime.handle().clone(),
            part: RecordPart::Value,
        };
        let url = (
            "schema.registry.url".to_owned(),
            "http://localhost:8081".to_owned(),
        );
        for converter in converters() {
            let config = (converter.config_def)()
                .parse(&Properties::from([url.clone()]))
                .unwrap();
            let built = (converter.build)(&config, &context).unwrap();
            assert_eq!(built.class_name(), converter.classes[0]);
        }
    }
}
