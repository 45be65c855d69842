//! Tests of the converters that a config names.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Error, ErrorKind, Offset, Properties, RawHeader, RawRecord, Result, TimestampType,
    TopicPartition, Value,
};

use super::converters;
use crate::connector_config::ConverterConfigs;
use crate::errors::Stage;
use crate::sink_task::Converters;

fn build(given: &[(&str, &str)]) -> Result<Converters> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let given = given.iter();
    let config: Properties = given
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let unnamed = |key: &str| match key {
        "value.converter" => Err(Error::config("value.converter is missing")),
        _ => Ok(("StringConverter", Properties::new())),
    };
    let configs = ConverterConfigs::new(&config, unnamed)?;
    converters(&configs, runtime.handle())
}

fn record(header: &'static [u8]) -> RawRecord {
    RawRecord {
        offset: Offset(3),
        key: Some(Bytes::from_static(b"k")),
        value: None,
        headers: vec![RawHeader {
            name: "trace".into(),
            value: Some(Bytes::from_static(header)),
        }],
        timestamp: None,
        timestamp_type: TimestampType::None,
    }
}

#[test]
fn what_a_config_does_not_name_is_asked_for() {
    let missing = build(&[]).err().unwrap();
    assert_eq!(missing.chain(), "value.converter is missing");
    let mut converters = build(&[("value.converter", "LongConverter")]).unwrap();
    assert_eq!(
        converters.header.class_name(),
        "org.apache.kafka.connect.storage.StringConverter"
    );
    let partition = Arc::new(TopicPartition::new("t", 0));
    let converted = converters.convert(&partition, &record(b"7"));
    let headers = converted.ok().unwrap().record.headers;
    assert_eq!(headers[0].value.value, Value::from("7"));
}

#[test]
fn a_class_is_found_in_the_one_list_or_refused() {
    for (key, class) in [
        ("value.converter", "SimpleHeaderConverter"),
        ("header.converter", "com.example.SimpleHeaderConverter"),
        (
            "header.converter",
            "io.confluent.connect.avro.AvroConverter",
        ),
    ] {
        let given = [("value.converter", "LongConverter"), (key, class)];
        let error = build(&given).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.chain(),
            format!("{key}: class {class} could not be found")
        );
    }
}

#[test]
fn a_header_that_cannot_be_read_is_blamed_by_its_name() {
    let given = [
        ("value.converter", "LongConverter"),
        ("header.converter", "JsonConverter"),
        ("header.converter.schemas.enable", "false"),
    ];
    let mut converters = build(&given).unwrap();
    let partition = Arc::new(TopicPartition::new("t", 0));
    let converted = converters.convert(&partition, &record(b"[1"));
    let failed = converted.err().unwrap();
    assert_eq!(failed.stage, Stage::HeaderConverter);
    assert_eq!(failed.class, "org.apache.kafka.connect.json.JsonConverter");
    let told = failed.error.chain();
    assert!(told.starts_with("header trace: malformed JSON"), "{told}");
    assert_eq!(failed.error.kind(), ErrorKind::Data);
}
