//! Tests of writing: what is asked of the registry, and the bytes in their frame.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Datum, ErrorKind, Field, Kind, Schema, Struct, Value};

use super::{Fixture, registry};

fn id(id: u32) -> (u16, String) {
    (200, serde_json::json!({ "id": id }).to_string())
}

fn error(status: u16, code: u32) -> (u16, String) {
    let body = serde_json::json!({ "error_code": code, "message": "secret" });
    (status, body.to_string())
}

/// A row of a schema of its own, which is the same each time.
fn row(name: Option<&str>) -> Datum {
    let fields = vec![
        Field::new("id", Schema::new(Kind::Int32)),
        Field::new("at", Schema::optional(Kind::Timestamp)),
    ];
    let mut schema = Schema::new(Kind::Struct(fields));
    schema.name = name.map(Into::into);
    let values = vec![Value::Int(7), Value::Timestamp(-1)];
    Datum::row(Struct::new(Arc::new(schema), values))
}

/// The frame, and the Avro of [`row`].
const ROW: &[u8] = &[0, 0, 0, 1, 2, 14, 2, 1];

#[test]
fn a_schema_is_registered_once_for_a_topic() {
    let (url, requests) = registry(vec![id(258), id(258)]);
    let fixture = Fixture::new(&url);
    let mut converter = fixture.build().unwrap();
    let datum = row(Some("demo.Reading"));
    for (topic, datum) in [
        ("a", &datum),
        ("a", &datum),
        ("a", &row(Some("demo.Reading"))),
        ("b", &datum),
        ("b", &datum),
    ] {
        let written = converter.from_connect_data(topic, datum).unwrap();
        assert_eq!(written.as_deref(), Some(ROW));
    }
    let asked: Vec<_> = requests.try_iter().collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for (topic, asked) in ["a", "b"].iter().zip(&asked) {
        let head = format!("POST /subjects/{topic}-value/versions ");
        assert!(asked.starts_with(&head), "{asked}");
        assert!(asked.contains(r#"\"name\":\"Reading\""#), "{asked}");
    }
}

#[test]
fn what_is_written_is_read_back_by_the_same_converter() {
    let fields = vec![Field::new("n", Schema::optional(Kind::Int64))];
    let schema = Schema::new(Kind::Struct(fields)).named("demo.Row");
    let datum = Datum::row(Struct::new(Arc::new(schema), vec![Value::Int(-3)]));
    let (url, requests) = registry(vec![id(5)]);
    let fixture = Fixture::new(&url);
    let mut converter = fixture.build().unwrap();
    let written = converter.from_connect_data("t", &datum).unwrap();
    let written = Bytes::from(written.unwrap().into_owned());
    let request = requests.recv().unwrap();
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let (url, _requests) = registry(vec![super::schema(body["schema"].as_str().unwrap())]);
    let reading = Fixture::new(&url);
    let mut reader = reading.build().unwrap();
    assert_eq!(reader.to_connect_data("t", Some(&written)).unwrap(), datum);
}

#[test]
fn values_without_a_schema_have_one_by_their_kind() {
    let (url, requests) = registry(vec![id(1), id(2)]);
    let fixture = Fixture::new(&url);
    let mut converter = fixture.build().unwrap();
    for (value, expect) in [
        (Value::from("x"), &[0, 0, 0, 0, 1, 2, b'x'][..]),
        (Value::from("y"), &[0, 0, 0, 0, 1, 2, b'y']),
        (Value::Int(-1), &[0, 0, 0, 0, 2, 1]),
    ] {
        let datum = Datum::schemaless(value);
        let written = converter.from_connect_data("t", &datum).unwrap();
        assert_eq!(written.as_deref(), Some(expect));
    }
    assert_eq!(requests.try_iter().count(), 2);
    let typed = Datum::new(Schema::optional(Kind::Int32), Value::Null);
    for null in [Datum::NULL, typed] {
        assert_eq!(converter.from_connect_data("t", &null).unwrap(), None);
    }
    let nested = Datum::schemaless(Value::Json("[1]".into()));
    let error = converter.from_connect_data("t", &nested).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[test]
fn subjects_are_named_by_the_strategy() {
    let package = "io.confluent.kafka.serializers.subject.";
    for (strategy, name, expect) in [
        ("TopicNameStrategy", Some("demo.Row"), "t-value"),
        ("RecordNameStrategy", Some("demo.Row"), "demo.Row"),
        ("TopicRecordNameStrategy", Some("demo.Row"), "t-demo.Row"),
        (
            "RecordNameStrategy",
            None,
            "io.confluent.connect.avro.ConnectDefault",
        ),
    ] {
        for class in [strategy.to_owned(), format!("{package}{strategy}")] {
            let (url, requests) = registry(vec![id(1)]);
            let fixture = Fixture::new(&url).with("value.subject.name.strategy", &class);
            let mut converter = fixture.build().unwrap();
            converter.from_connect_data("t", &row(name)).unwrap();
            let asked = requests.recv().unwrap();
            let head = format!("POST /subjects/{expect}/versions ");
            assert!(asked.starts_with(&head), "{asked}");
        }
    }
    let fixture = Fixture::new("http://127.0.0.1:9");
    let records = fixture.with("value.subject.name.strategy", "RecordNameStrategy");
    let mut converter = records.build().unwrap();
    let number = Datum::schemaless(Value::Int(7));
    let error = converter.from_connect_data("t", &number).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.chain().contains("INT64"), "{error}");
    let own = records.with("value.subject.name.strategy", "com.example.OwnStrategy");
    assert_eq!(own.build().err().unwrap().kind(), ErrorKind::Config);
}

#[test]
fn a_schema_that_may_not_be_registered_is_looked_for() {
    let (url, requests) = registry(vec![id(258), error(404, 40403), error(404, 40401)]);
    let fixture = Fixture::new(&url).with("auto.register.schemas", "false");
    let mut converter = fixture.build().unwrap();
    let datum = row(None);
    let written = converter.from_connect_data("a", &datum).unwrap();
    assert_eq!(written.as_deref(), Some(ROW));
    for topic in ["b", "c"] {
        let error = converter.from_connect_data(topic, &row(None)).unwrap_err();
        // Someone may register it; it is asked again before a record is blamed.
        assert_eq!(error.kind(), ErrorKind::Retriable);
        let told = format!(
            "subject {topic}-value: the Schema Registry does not have it; it is asked again"
        );
        assert_eq!(error.chain(), told);
    }
    for asked in requests.try_iter() {
        assert!(asked.starts_with("POST /subjects/"), "{asked}");
        assert!(!asked.contains("/versions "), "{asked}");
    }
}

#[test]
fn a_refusal_is_blamed_on_the_record_and_silence_is_not() {
    for (answer, kind) in [
        (error(409, 409), ErrorKind::Data),
        (error(422, 42201), ErrorKind::Data),
        (error(401, 401), ErrorKind::Config),
        (error(500, 50001), ErrorKind::Retriable),
    ] {
        let (url, _requests) = registry(vec![answer, id(258)]);
        let fixture = Fixture::new(&url);
        let mut converter = fixture.build().unwrap();
        let datum = row(None);
        let error = converter.from_connect_data("t", &datum).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.chain().contains("secret"), "{error}");
        // Nothing is remembered of it.
        let written = converter.from_connect_data("t", &datum).unwrap();
        assert_eq!(written.as_deref(), Some(ROW));
    }
}

/// A sink's thread runs the sink's futures, and blocks in them.
#[test]
fn a_thread_that_runs_a_future_may_write() {
    let (url, _requests) = registry(vec![id(258)]);
    let fixture = Fixture::new(&url);
    let mut converter = fixture.build().unwrap();
    let datum = row(None);
    let written = fixture
        .runtime
        .block_on(async { converter.from_connect_data("t", &datum) });
    assert_eq!(written.unwrap().as_deref(), Some(ROW));
}
