//! Tests of the converter with a registry: frames, indexes, references and versions.

use super::*;

fn text(text: &str) -> (u16, String) {
    let answer = json!({"schema": text, "schemaType": "PROTOBUF", "id": 7});
    (200, answer.to_string())
}

fn row() -> Datum {
    let fields = vec![
        Field::new("id", Schema::new(Kind::Int32)),
        Field::new("at", Schema::optional(Kind::Timestamp)),
    ];
    let schema = Schema::new(Kind::Struct(fields)).named("demo.Row");
    Datum::row(Struct::new(
        Arc::new(schema),
        vec![Value::Int(7), Value::Timestamp(1_500_000)],
    ))
}

#[test]
fn a_record_is_read_by_the_message_that_its_indexes_name() {
    let schema = proto3("message A { int32 a = 1; message B { string b = 1; } }");
    let (url, requests) = registry(vec![text(&schema)]);
    let fixture = Fixture::of(TYPE.class, &url);
    let mut converter = fixture.build().unwrap();
    let a = converter
        .to_connect_data("t", Some(&framed(7, &[0, 8, 5])))
        .unwrap();
    assert_eq!(a.value.as_struct().unwrap().values(), [Value::Int(5)]);
    let b = framed(7, &[4, 0, 0, 10, 1, b'x']);
    let b = converter.to_connect_data("t", Some(&b)).unwrap();
    assert_eq!(b.value.as_struct().unwrap().values(), [Value::from("x")]);
    let error = converter.to_connect_data("t", Some(&framed(7, &[2, 2])));
    let why = error.unwrap_err().chain();
    assert!(
        why.ends_with("the message indexes name no message of the schema"),
        "{why}"
    );
    assert_eq!(requests.try_iter().count(), 1);
}

#[test]
fn imports_are_the_references_of_the_schema() {
    let main = "syntax = \"proto3\"; import \"other.proto\"; message A { other.B b = 1; }";
    let other = "syntax = \"proto3\"; package other; message B { int32 n = 1; }";
    let mut answer = json!({"schema": main, "schemaType": "PROTOBUF"});
    answer["references"] = json!([{"name": "other.proto", "subject": "o", "version": 3}]);
    let (url, requests) = registry(vec![(200, answer.to_string()), text(other)]);
    let fixture = Fixture::of(TYPE.class, &url);
    let mut converter = fixture.build().unwrap();
    let datum = converter
        .to_connect_data("t", Some(&framed(7, &[0, 10, 2, 8, 5])))
        .unwrap();
    let b = datum.value.as_struct().unwrap().get("b").unwrap().clone();
    assert_eq!(b.as_struct().unwrap().values(), [Value::Int(5)]);
    let asked: Vec<_> = requests.try_iter().collect();
    assert!(
        asked[1].starts_with("GET /subjects/o/versions/3"),
        "{asked:?}"
    );
    let whole = Registered {
        text: main.to_owned(),
        references: vec![Reference {
            name: "other.proto".to_owned(),
            text: other.to_owned(),
        }],
    };
    assert!(ProtoFile::parse(&whole).is_ok());
}

#[test]
fn a_schema_is_registered_as_protobuf() {
    let id = (200, json!({"id": 258}).to_string());
    let (url, requests) = registry(vec![id]);
    let fixture =
        Fixture::of(TYPE.class, &url).with("value.subject.name.strategy", "RecordNameStrategy");
    let mut converter = fixture.build().unwrap();
    let datum = row();
    for _ in 0..2 {
        let written = converter.from_connect_data("t", &datum).unwrap().unwrap();
        let expect = [
            &[0, 0, 0, 1, 2, 0, 8, 7, 18, 8, 8, 1, 16][..],
            &[0x80, 0xca, 0xb5, 0xee, 1],
        ];
        assert_eq!(&*written, expect.concat());
    }
    let asked: Vec<_> = requests.try_iter().collect();
    let [asked] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert!(
        asked.starts_with("POST /subjects/demo.Row/versions "),
        "{asked}"
    );
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["schemaType"], "PROTOBUF");
    let expect = "syntax = \"proto3\";\npackage demo;\n\n\
                  import \"google/protobuf/timestamp.proto\";\n\n\
                  message Row {\n  int32 id = 1;\n  google.protobuf.Timestamp at = 2;\n}\n";
    assert_eq!(body["schema"], expect);
}

#[test]
fn the_last_version_has_the_message_somewhere() {
    let at = "google.protobuf.Timestamp at = 2;";
    let import = "import \"google/protobuf/timestamp.proto\";";
    for (latest, is_written) in [
        (
            format!("{import} message Other {{ }} message Row {{ int32 id = 1; {at} }}"),
            true,
        ),
        (
            format!("{import} message Row {{ string id = 1; {at} }}"),
            false,
        ),
        ("message Other { }".to_owned(), false),
    ] {
        let answer = text(&proto3(&latest));
        let (url, _requests) = registry(vec![answer.clone(), answer]);
        let fixture = Fixture::of(TYPE.class, &url)
            .with("auto.register.schemas", "false")
            .with("use.latest.version", "true");
        let mut converter = fixture.build().unwrap();
        let datum = row();
        let written = converter.from_connect_data("t", &datum);
        match is_written {
            true => assert_eq!(&written.unwrap().unwrap()[..7], [0, 0, 0, 0, 7, 2, 2]),
            false => assert_eq!(written.unwrap_err().kind(), ErrorKind::Data),
        }
    }
}

#[test]
fn values_without_a_schema_are_googles_wrappers() {
    let ids = (0..2).map(|_| (200, json!({"id": 1}).to_string()));
    let (url, requests) = registry(ids.collect());
    let fixture = Fixture::of(TYPE.class, &url);
    let mut converter = fixture.build().unwrap();
    let text = Datum::schemaless(Value::from("x"));
    let written = converter.from_connect_data("t", &text).unwrap().unwrap();
    assert_eq!(&*written, [0, 0, 0, 0, 1, 2, 14, 10, 1, b'x']);
    let asked = requests.recv().unwrap();
    let (_, body) = asked.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let whole = registered(body["schema"].as_str().unwrap());
    let file = ProtoFile::parse(&whole).unwrap();
    let message = file.message(&[7]).unwrap();
    let compiled = schema::compile(&file, &message, settings(|_| {})).unwrap();
    assert_eq!(compiled.schema.kind, Kind::String);
    assert_eq!(read(&compiled, &written[7..]), Ok(Value::from("x")));
    let raw = settings(|s| s.raw_primitives = false);
    let compiled = schema::compile(&file, &message, raw).unwrap();
    assert!(matches!(compiled.schema.kind, Kind::Struct(_)));
}

#[test]
fn options_that_are_not_followed_are_refused_by_their_key() {
    for (name, value) in [
        ("generate.struct.for.nulls", "true"),
        ("skip.known.types", "false"),
        ("use.schema.id", "5"),
    ] {
        let fixture = Fixture::of(TYPE.class, "http://localhost").with(name, value);
        let error = fixture.build().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.chain().contains(name), "{error}");
    }
}
