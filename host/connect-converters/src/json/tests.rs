//! Tests of JsonConverter.

use super::*;
use connect_api::{ErrorKind, Properties, Value};
use proptest::prelude::*;

mod memory;

fn converter(options: &[(&str, &str)]) -> Result<JsonConverter> {
    let given: Properties = options
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    JsonConverter::new(&config_def().parse(&given)?)
}

fn convert(text: &str) -> std::result::Result<Datum, String> {
    let datum = converter(&[])
        .unwrap()
        .to_connect_data("topic", Some(&Bytes::copy_from_slice(text.as_bytes())));
    datum.map_err(|e| {
        assert_eq!(e.kind(), ErrorKind::Data);
        e.to_string()
    })
}

fn typed(schema: &str, payload: &str) -> std::result::Result<Value, String> {
    let found = convert(&format!(r#"{{"schema":{schema},"payload":{payload}}}"#));
    let swapped = convert(&format!(r#"{{"payload":{payload},"schema":{schema}}}"#));
    let found = found.map(|d| d.value);
    // NaN is no value that equals itself.
    assert_eq!(
        format!("{found:?}"),
        format!("{:?}", swapped.map(|d| d.value))
    );
    found
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Box::new(text.parse().unwrap()))
}

#[test]
fn an_envelope_has_two_fields() {
    for text in [
        "null",
        "7",
        "[]",
        "{}",
        r#"{"schema":null}"#,
        r#"{"payload":1}"#,
        r#"{"schema":{"type":"int32"},"payload":1,"more":2}"#,
        r#"{"schema":null,"payload":1,"more":2}"#,
    ] {
        assert_eq!(convert(text).unwrap_err(), ENVELOPE, "{text}");
    }
    let malformed = convert(r#"{"schema":null,"payload":"#).unwrap_err();
    assert_eq!(malformed, "malformed JSON at line 1 column 25");
    assert!(convert("").unwrap_err().starts_with("malformed JSON"));
    let trailing = convert(r#"{"schema":{"type":"int32"},"payload":1} x"#).unwrap_err();
    assert!(trailing.starts_with("malformed JSON"), "{trailing}");
}

#[test]
fn no_bytes_are_null() {
    let mut converter = converter(&[]).unwrap();
    assert_eq!(
        converter.to_connect_data("topic", None).unwrap(),
        Datum::NULL
    );
}

#[test]
fn a_null_schema_is_schemaless() {
    let datum = convert(r#"{"schema":null,"payload":{"a":1}}"#).unwrap();
    assert!(datum.schema.is_none());
    assert_eq!(
        datum.value.as_struct().unwrap().get("a"),
        Some(&Value::Int(1))
    );
}

const DECIMAL: &str = r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal",
    "parameters":{"scale":"2"}}"#;

fn of_type(kind: &str) -> String {
    format!(r#"{{"type":"{kind}"}}"#)
}

#[test]
fn scalars_are_of_their_schema() {
    for (kind, payload, expect) in [
        ("boolean", "true", Value::Boolean(true)),
        ("int8", "-128", Value::Int(-128)),
        ("int32", "3.0", Value::Int(3)),
        ("int64", "9223372036854775807", Value::Int(i64::MAX)),
        ("float", "0.1", Value::Float(0.1_f32.into())),
        ("double", "7", Value::Float(7.0)),
        ("double", r#""-Infinity""#, Value::Float(f64::NEG_INFINITY)),
        ("string", r#""a\n\u00e9""#, Value::from("a\n\u{e9}")),
        ("bytes", r#""AP8=""#, Value::Bytes(vec![0, 255].into())),
    ] {
        let found = typed(&of_type(kind), payload);
        assert_eq!(found, Ok(expect), "{kind} {payload}");
    }
}

#[test]
fn logical_types_are_read() {
    for (payload, expect) in [
        (r#""MDk=""#, "123.45"),
        ("123.4", "123.40"),
        ("1e2", "100.00"),
    ] {
        assert_eq!(typed(DECIMAL, payload), Ok(decimal(expect)), "{payload}");
    }
    for (kind, name, payload, expect) in [
        ("int32", "Date", "-1", Value::Date(-1)),
        ("int32", "Time", "86399999", Value::Time(86_399_999_000)),
        ("int64", "Timestamp", "1500", Value::Timestamp(1_500_000)),
    ] {
        let name = format!("org.apache.kafka.connect.data.{name}");
        let schema = format!(r#"{{"type":"{kind}","name":"{name}"}}"#);
        assert_eq!(typed(&schema, payload), Ok(expect), "{schema} {payload}");
    }
}

/// A type, a payload that is not of it, and what is wrong with it.
const MISTYPED: &[(&str, &str, &str)] = &[
    ("boolean", "0", "expected BOOLEAN, found a number"),
    ("int8", "128", "a number out of the range of INT8"),
    ("int16", "40000", "a number out of the range of INT16"),
    (
        "int32",
        "3.5",
        "expected INT32, found a number with a fraction",
    ),
    ("int32", r#""3""#, "expected INT32, found a string"),
    ("int32", "{}", "expected INT32, found an object"),
    ("int32", "[1]", "expected INT32, found an array"),
    (
        "int32",
        "null",
        "Invalid null value for required INT32 field",
    ),
    (
        "int64",
        "9223372036854775808",
        "a number out of the range of INT64",
    ),
    ("float", "1e39", "a number out of the range of FLOAT32"),
    (
        "bytes",
        r#""?""#,
        "expected BYTES, found a string that is no base64",
    ),
];

#[test]
fn what_is_not_of_its_schema_is_refused() {
    for (kind, payload, expect) in MISTYPED {
        let error = typed(&of_type(kind), payload).unwrap_err();
        assert_eq!(error, *expect, "{kind} {payload}");
    }
    assert_eq!(
        typed(DECIMAL, "1.234"),
        Err("a decimal with more than 2 digits of fraction".to_owned())
    );
}

#[test]
fn structs_arrays_and_maps_are_typed() {
    let schema = r#"{"type":"struct","name":"Row","fields":[
        {"field":"id","type":"int64"},
        {"field":"tags","type":"array","items":{"type":"string"},"optional":true},
        {"field":"at","type":"struct","fields":[{"field":"x","type":"int8"}]},
        {"field":"named","type":"map","keys":{"type":"string"},"values":{"type":"int32"},
         "default":{"a":1}},
        {"field":"counted","type":"map","keys":{"type":"int32"},"values":{"type":"string"},
         "optional":true}]}"#;
    let value = typed(
        schema,
        r#"{"unknown":{"x":[1]},"at":{"x":3},"counted":[[1,"a"]],"id":7,"tags":["x","y"]}"#,
    );
    let value = value.unwrap();
    let row = value.as_struct().unwrap();
    assert_eq!(row.schema().name.as_deref(), Some("Row"));
    assert_eq!(row.get("id"), Some(&Value::Int(7)));
    assert_eq!(
        row.get("tags"),
        Some(&Value::Array(vec!["x".into(), "y".into()]))
    );
    assert_eq!(
        row.get("at").unwrap().as_struct().unwrap().values(),
        [Value::Int(3)]
    );
    assert_eq!(
        row.get("named"),
        Some(&Value::Map(vec![("a".into(), Value::Int(1))]))
    );
    assert_eq!(
        row.get("counted"),
        Some(&Value::Map(vec![(Value::Int(1), "a".into())]))
    );

    for (payload, expect) in [
        (
            "{}",
            "field id: Invalid null value for required INT64 field",
        ),
        (
            r#"{"id":1,"at":{"x":300}}"#,
            "field at.x: a number out of the range of INT8",
        ),
        (
            r#"{"id":1,"tags":["a",1]}"#,
            "field tags.1: expected STRING, found a number",
        ),
        (
            r#"{"id":1,"named":{"k":"v"}}"#,
            "field named.*: expected INT32, found a string",
        ),
        (
            r#"{"id":1,"at":null}"#,
            "field at: Invalid null value for required STRUCT field",
        ),
        ("7", "expected STRUCT, found a number"),
        (
            r#"{"id":1,"counted":[7]}"#,
            "field counted.0: expected a key and a value of a MAP",
        ),
        (
            r#"{"id":1,"counted":[[1]]}"#,
            "field counted.0: expected a key and a value of a MAP",
        ),
    ] {
        assert_eq!(typed(schema, payload).unwrap_err(), expect, "{payload}");
    }
}

#[test]
fn a_float_is_the_nearest_to_its_text() {
    for text in [
        "5.938982885146584e-264",
        "4.35",
        "0.1",
        "1.7976931348623157e308",
        "9e-324",
    ] {
        let nearest = Value::Float(text.parse().unwrap());
        assert_eq!(typed(r#"{"type":"double"}"#, text), Ok(nearest), "{text}");
    }
}

#[test]
fn nulls_become_defaults_where_asked() {
    let schema = r#"{"type":"struct","fields":[
        {"field":"n","type":"int32","optional":true,"default":5}]}"#;
    let text = format!(r#"{{"schema":{schema},"payload":{{"n":null}}}}"#);
    for (replace, expect) in [("true", Value::Int(5)), ("false", Value::Null)] {
        let mut converter = converter(&[(REPLACE_NULL, replace)]).unwrap();
        let datum = converter
            .to_connect_data("topic", Some(&Bytes::copy_from_slice(text.as_bytes())))
            .unwrap();
        assert_eq!(datum.value.as_struct().unwrap().values(), [expect]);
    }
}

#[test]
fn schemas_that_are_none_are_refused() {
    for (schema, expect) in [
        ("{}", "Schema must contain 'type' field"),
        ("7", "Schema must contain 'type' field"),
        (r#"{"type":"int"}"#, "Unknown schema type: int"),
        (
            r#"{"type":"array"}"#,
            "Array schema did not specify the element type",
        ),
        (
            r#"{"type":"map"}"#,
            "Map schema did not specify the key type",
        ),
        (
            r#"{"type":"struct"}"#,
            "Struct schema's \"fields\" argument is not an array.",
        ),
        (
            r#"{"type":"struct","fields":[{"field":"a","type":"x"}]}"#,
            "field a: Unknown schema type: x",
        ),
        (
            r#"{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal"}"#,
            "Invalid Decimal schema: scale parameter not found.",
        ),
        (
            r#"{"type":"int32","default":"x"}"#,
            "Invalid schema default: expected INT32, found a string",
        ),
    ] {
        assert_eq!(typed(schema, "1").unwrap_err(), expect, "{schema}");
    }
}

#[test]
fn one_schema_text_is_one_schema() {
    let mut converter = converter(&[(SCHEMAS_CACHE_SIZE, "1")]).unwrap();
    let mut read = |text: &str| {
        let datum = converter
            .to_connect_data("topic", Some(&Bytes::copy_from_slice(text.as_bytes())))
            .unwrap();
        datum.schema.unwrap()
    };
    let int = r#"{"schema":{"type":"int32"},"payload":1}"#;
    let first = read(int);
    assert!(Arc::ptr_eq(&first, &read(int)));
    read(r#"{"schema":{"type":"string"},"payload":"x"}"#);
    assert_eq!(first, read(int));
}

#[test]
fn envelopes_that_begin_alike_are_still_whole() {
    let mut converter = converter(&[]).unwrap();
    let mut read = |rest: &str| {
        let text = format!(r#"{{"schema":{{"type":"int32"}}{rest}"#);
        let datum =
            converter.to_connect_data("topic", Some(&Bytes::copy_from_slice(text.as_bytes())));
        datum.map(|d| d.value).map_err(|e| e.to_string())
    };
    for (rest, expect) in [
        (r#","payload":1}"#, Ok(Value::Int(1))),
        (r#" , "payload" : 2 } "#, Ok(Value::Int(2))),
        (r#","payload":3,"more":{}}"#, Err(ENVELOPE)),
        (r#","payload":"x"}"#, Err("expected INT32, found a string")),
        (r#","payload":}"#, Err("malformed JSON at line 1 column 38")),
        (
            r#","payload":1}}"#,
            Err("malformed JSON at line 1 column 40"),
        ),
        (r#","other":1}"#, Err(ENVELOPE)),
        ("}", Err(ENVELOPE)),
        (r#","payload":4}"#, Ok(Value::Int(4))),
    ] {
        assert_eq!(read(rest), expect.map_err(str::to_owned), "{rest}");
    }
}

#[test]
fn a_schema_in_the_configuration_needs_no_envelope() {
    let content = r#"{"type":"struct","fields":[{"field":"n","type":"int32"}]}"#;
    let mut made = converter(&[(SCHEMA_CONTENT, content)]).unwrap();
    let datum = made
        .to_connect_data("topic", Some(&Bytes::from_static(br#"{"n":1}"#)))
        .unwrap();
    assert_eq!(datum.value.as_struct().unwrap().values(), [Value::Int(1)]);
    let error = converter(&[(SCHEMA_CONTENT, "{}")]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
}

#[test]
fn schemaless_objects_are_rows() {
    let mut converter = converter(&[(SCHEMAS_ENABLE, "false")]).unwrap();
    let datum = converter
        .to_connect_data(
            "topic",
            Some(&Bytes::from_static(br#"{"a":{"b":1},"c":2.5}"#)),
        )
        .unwrap();
    assert!(datum.schema.is_none());
    let row = datum.value.as_struct().unwrap();
    assert_eq!(
        row.values(),
        [Value::Json(r#"{"b":1}"#.into()), Value::Float(2.5)]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let _ = converter(&[]).unwrap().to_connect_data("topic", Some(&bytes.into()));
    }

    #[test]
    fn longs_and_strings_round_trip(number in any::<i64>(), text in ".*") {
        let schema = r#"{"type":"struct","fields":[
            {"field":"n","type":"int64"},{"field":"t","type":"string"}]}"#;
        let payload = serde_json::json!({"t": text, "n": number}).to_string();
        let value = typed(schema, &payload).unwrap();
        let expect = [Value::Int(number), Value::from(text.as_str())];
        prop_assert_eq!(value.as_struct().unwrap().values(), expect);
    }

    #[test]
    fn any_payload_is_read_or_refused(payload in r#"[\[\]{}:,"na1.\\ -]{0,40}"#) {
        let schema = r#"{"type":"struct","fields":[{"field":"a","type":"array",
            "items":{"type":"int32"}},{"field":"n","type":"bytes",
            "name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"1"}}]}"#;
        let _ = convert(&format!(r#"{{"schema":{schema},"payload":{payload}}}"#));
    }
}
