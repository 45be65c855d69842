//! Tests of the list of converters.

use connect_api::ErrorKind;

use super::*;

const URL: (&str, &str) = ("schema.registry.url", "http://localhost:8081");

fn options(given: &[(&str, &str)]) -> Properties {
    let given = given.iter();
    given
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn classes_are_found_by_both_names() {
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
            " LongConverter ",
            "org.apache.kafka.connect.converters.LongConverter",
        ),
    ] {
        assert_eq!(converter(class).map(|c| c.class), Some(expect), "{class}");
    }
    for class in [
        "jsonconverter",
        "json.JsonConverter",
        "org.example.JsonConverter",
        "SimpleHeaderConverter",
    ] {
        assert!(converter(class).is_none(), "{class}");
    }
}

#[test]
fn classes_of_headers_are_kafkas() {
    let simple = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
    let found = header_converter("SimpleHeaderConverter").map(|c| c.class);
    assert_eq!(found, Some(simple));
    // Java's AvroConverter implements Converter alone.
    for class in ["AvroConverter", "org.example.SimpleHeaderConverter"] {
        assert!(header_converter(class).is_none(), "{class}");
        let error = build_header(class, &options(&[URL])).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(
            error.chain(),
            format!("class {class} could not be found"),
            "{class}"
        );
    }
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
    for known in converters() {
        assert!(known.build.is_some() || known.build_header.is_some());
        if known.build.is_some() {
            let built = build(known.class, &options(&[URL]), &context).unwrap();
            assert_eq!(built.class_name(), known.class);
        }
        if known.build_header.is_some() {
            let built = build_header(known.class, &options(&[])).unwrap();
            assert_eq!(built.class_name(), known.class);
        }
    }
}

#[test]
fn an_option_that_is_refused_is_told() {
    let given = options(&[("schemas.enable", "perhaps")]);
    let error = build_header("JsonConverter", &given).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.chain().contains("schemas.enable"), "{error}");
}
