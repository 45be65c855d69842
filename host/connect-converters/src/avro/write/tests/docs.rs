//! What a field says of itself stands at the field: its text, and its default.

use connect_api::{Field, Value};
use serde_json::{Value as Json, json};

use super::super::schema;
use super::{Arc, Kind, Schema, reading};

fn documented(kind: Kind, optional: bool) -> Schema {
    Schema {
        optional,
        doc: Some("what it is".into()),
        ..Schema::new(kind)
    }
}

fn avro(field: Schema) -> Json {
    let record = Schema::new(Kind::Struct(vec![Field::new("f", field)])).named("a.B");
    let text = schema::text(&record).unwrap();
    apache_avro::Schema::parse_str(&text).unwrap();
    let json: Json = serde_json::from_str(&text).unwrap();
    json["fields"][0].clone()
}

#[test]
fn the_text_and_the_default_stand_at_the_field() {
    let plain = avro(documented(Kind::String, false));
    assert_eq!(
        plain,
        json!({ "name": "f", "type": "string", "doc": "what it is" })
    );
    let union = avro(documented(Kind::Int64, true));
    let expected = json!({
        "name": "f", "type": ["null", "long"], "doc": "what it is", "default": null,
    });
    assert_eq!(union, expected);
    let time = avro(documented(Kind::Timestamp, false));
    assert_eq!(time["type"]["logicalType"], "timestamp-micros");
    assert_eq!(time["type"]["connect.doc"], Json::Null);
    for (kind, value, json) in [
        (Kind::Boolean, Value::Boolean(false), json!(false)),
        (Kind::Int32, Value::Int(7), json!(7)),
        (Kind::Float64, Value::Float(1.5), json!(1.5)),
        (Kind::String, Value::from("x"), json!("x")),
    ] {
        let schema = Schema {
            default: Some(value),
            ..Schema::new(kind)
        };
        assert_eq!(avro(schema)["default"], json);
    }
}

#[test]
fn they_are_read_back() {
    let field = Schema {
        default: Some(Value::Int(7)),
        ..documented(Kind::Int32, false)
    };
    let fields = vec![Field::new("f", field.clone())];
    let record = Schema::new(Kind::Struct(fields)).named("a.B");
    let text = schema::text(&record).unwrap();
    let read: Arc<Schema> = reading::compile(&[], &text).unwrap().schema;
    let read = &read.fields().unwrap()[0].schema;
    assert_eq!(read.doc, field.doc);
    assert_eq!(read.default, field.default);
}
