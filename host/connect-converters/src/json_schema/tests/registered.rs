//! Tests of the converter with a registry: frames, subjects, versions, and what it asks for.

use super::*;

fn text(schema: serde_json::Value) -> (u16, String) {
    let answer = json!({"schema": schema.to_string(), "schemaType": "JSON", "id": 7});
    (200, answer.to_string())
}

fn row() -> Datum {
    let fields = vec![
        Field::new("id", Schema::new(Kind::Int32)),
        Field::new("day", Schema::optional(Kind::Date)),
    ];
    let schema = Schema::new(Kind::Struct(fields)).named("demo.Row");
    Datum::row(Struct::new(
        Arc::new(schema),
        vec![Value::Int(7), Value::Date(3)],
    ))
}

#[test]
fn a_record_is_read_by_the_schema_of_its_id() {
    let meter = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let avro = json!({"schema": "\"int\""}).to_string();
    let (url, requests) = registry(vec![text(meter), (200, avro)]);
    let fixture = Fixture::of(TYPE.class, &url);
    let mut converter = fixture.build().unwrap();
    for n in [1, 2] {
        let bytes = framed(7, format!("{{\"n\":{n}}}").as_bytes());
        let datum = converter.to_connect_data("t", Some(&bytes)).unwrap();
        assert_eq!(datum.value.as_struct().unwrap().values(), [Value::Int(n)]);
    }
    assert_eq!(requests.try_iter().count(), 1);
    let error = converter.to_connect_data("t", Some(&framed(8, b"1")));
    let why = error.unwrap_err().chain();
    assert!(why.ends_with("the schema is not of type JSON"), "{why}");
    let plain = Bytes::from_static(b"{}");
    let error = converter.to_connect_data("t", Some(&plain)).unwrap_err();
    assert!(error.chain().starts_with("Unknown magic byte!"), "{error}");
    assert_eq!(converter.to_connect_data("t", None).unwrap(), Datum::NULL);
}

#[test]
fn a_schema_is_registered_as_json_schema() {
    let id = (200, json!({"id": 258}).to_string());
    let (url, requests) = registry(vec![id]);
    let fixture = Fixture::of(TYPE.class, &url)
        .with("value.subject.name.strategy", "TopicRecordNameStrategy")
        .with("normalize.schemas", "true")
        .with("object.additional.properties", "false");
    let mut converter = fixture.build().unwrap();
    let datum = row();
    for _ in 0..2 {
        let written = converter.from_connect_data("t", &datum).unwrap().unwrap();
        assert_eq!(&*written, b"\0\0\0\x01\x02{\"id\":7,\"day\":3}");
    }
    let asked: Vec<_> = requests.try_iter().collect();
    let [asked] = &asked[..] else {
        panic!("{asked:?}")
    };
    let head = "POST /subjects/t-demo.Row/versions?normalize=true ";
    assert!(asked.starts_with(head), "{asked}");
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["schemaType"], "JSON");
    let schema: serde_json::Value = serde_json::from_str(body["schema"].as_str().unwrap()).unwrap();
    let expect = json!({
        "type": "object", "title": "demo.Row", "additionalProperties": false,
        "properties": {
            "id": {"type": "integer", "connect.type": "int32", "connect.index": 0},
            "day": {"oneOf": [{"type": "null"}, {"type": "integer", "connect.type": "int32",
                "connect.version": 1, "title": "org.apache.kafka.connect.data.Date"}],
                "connect.index": 1},
        },
    });
    assert_eq!(schema, expect);
}

#[test]
fn the_last_version_is_written_under_where_it_can_read() {
    let version = |extra: &str, required: bool| {
        let mut fields = json!({"id": {"type": "integer"}});
        fields[extra] = match required {
            true => json!({"type": "string"}),
            false => json!({"oneOf": [{"type": "null"}, {"type": "string"}]}),
        };
        text(json!({"type": "object", "properties": fields}))
    };
    for (required, strict, is_written) in [
        (false, "true", true),
        (true, "true", false),
        (true, "false", true),
    ] {
        let latest = version("note", required);
        let (url, requests) = registry(vec![latest.clone(), latest]);
        let fixture = Fixture::of(TYPE.class, &url)
            .with("auto.register.schemas", "false")
            .with("use.latest.version", "true")
            .with("latest.compatibility.strict", strict);
        let mut converter = fixture.build().unwrap();
        let datum = row();
        let written = converter.from_connect_data("t", &datum);
        let asked = requests.recv().unwrap();
        assert!(
            asked.starts_with("GET /subjects/t-value/versions/latest "),
            "{asked}"
        );
        match is_written {
            true => assert_eq!(&written.unwrap().unwrap()[..5], [0, 0, 0, 0, 7]),
            false => {
                let error = written.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Data);
                let why = error.chain();
                let expect = "subject t-value: field note: the last version of the subject cannot \
                              read what is written: the last version asks for it";
                assert!(why.starts_with(expect), "{why}");
            }
        }
    }
}

#[test]
fn options_that_are_not_followed_are_refused_by_their_key() {
    for (name, value) in [
        ("json.fail.invalid.schema", "true"),
        ("preserve.additional.properties", "true"),
        ("ignore.modern.dialects", "true"),
        ("use.schema.id", "5"),
        ("value.subject.name.strategy", "com.example.Own"),
    ] {
        let fixture = Fixture::of(TYPE.class, "http://localhost").with(name, value);
        let error = fixture.build().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.chain().contains(name), "{error}");
    }
}
