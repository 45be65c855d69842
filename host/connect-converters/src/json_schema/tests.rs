//! Tests of JSON with JSON Schemas: what schemas become, and what is read and written.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{
    Datum, Decimal, ErrorKind, Field, Kind, MemoryLimit, Schema, Struct, Value, memory,
};
use serde_json::json;

use super::*;
use crate::registry::Reference;
use crate::registry::tests::{Fixture, framed, registry};

mod registered;
mod round_trip;

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        additional_properties: true,
        optional_for_nonrequired: false,
        generalized_sum_types: false,
        flatten_singletons: true,
        ignore_default: false,
        decimals: DecimalFormat::Base64,
    };
    change(&mut settings);
    settings
}

fn registered(schema: &serde_json::Value) -> Registered {
    Registered {
        text: schema.to_string(),
        references: Vec::new(),
    }
}

fn compiled(schema: serde_json::Value) -> Schema {
    schema::compile(&registered(&schema), settings(|_| {})).unwrap()
}

fn read(schema: &Schema, json: &str) -> std::result::Result<Value, String> {
    let schema = Arc::new(schema.clone());
    payload::read_confluent(json.as_bytes(), &schema).map_err(|e| e.chain())
}

#[test]
fn types_are_those_of_confluents_converter() {
    for (schema, expect) in [
        (json!({"type": "integer"}), Kind::Int64),
        (json!({"type": "number"}), Kind::Float64),
        (
            json!({"type": "integer", "connect.type": "int8"}),
            Kind::Int8,
        ),
        (
            json!({"type": "integer", "connect.type": "int16"}),
            Kind::Int16,
        ),
        (
            json!({"type": "integer", "connect.type": "int32"}),
            Kind::Int32,
        ),
        (
            json!({"type": "number", "connect.type": "float32"}),
            Kind::Float32,
        ),
        (json!({"type": "boolean"}), Kind::Boolean),
        (json!({"type": "string", "maxLength": 3}), Kind::String),
        (json!({"minLength": 3}), Kind::String),
        (json!({"minimum": 3}), Kind::Float64),
        (
            json!({"type": "string", "connect.type": "bytes"}),
            Kind::Bytes,
        ),
        (
            json!({"type": "integer", "connect.type": "int32",
                   "title": "org.apache.kafka.connect.data.Date"}),
            Kind::Date,
        ),
        (
            json!({"type": "integer", "connect.type": "int64", "connect.version": 1,
                   "title": "org.apache.kafka.connect.data.Timestamp"}),
            Kind::Timestamp,
        ),
        (
            json!({"type": "number", "connect.type": "bytes", "connect.parameters": {"scale": "2"},
                   "title": "org.apache.kafka.connect.data.Decimal"}),
            Kind::Decimal(Some(2)),
        ),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            Kind::Array(Arc::new(Schema::new(Kind::String))),
        ),
        (
            json!({"type": "object", "connect.type": "map",
                   "additionalProperties": {"type": "integer"}}),
            Kind::Map(
                Arc::new(Schema::new(Kind::String)),
                Arc::new(Schema::new(Kind::Int64)),
            ),
        ),
        (
            json!({"allOf": [{"type": "string"}, {"maxLength": 3}]}),
            Kind::String,
        ),
        (json!({"type": ["string"]}), Kind::String),
    ] {
        let found = compiled(schema.clone());
        assert_eq!((&found.kind, found.optional), (&expect, false), "{schema}");
    }
}

#[test]
fn what_may_be_null_is_optional() {
    for schema in [
        json!({"oneOf": [{"type": "null"}, {"type": "integer", "connect.type": "int64"}]}),
        json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        json!({"type": ["null", "integer"]}),
    ] {
        let found = compiled(schema.clone());
        assert_eq!(
            (&found.kind, found.optional),
            (&Kind::Int64, true),
            "{schema}"
        );
        assert_eq!(read(&found, "null"), Ok(Value::Null));
        assert_eq!(
            read(&found, "9007199254740993"),
            Ok(Value::Int(9_007_199_254_740_993))
        );
    }
}

#[test]
fn fields_come_by_their_index_and_what_is_left_out_is_null() {
    let schema = json!({
        "type": "object", "title": "Meter", "required": ["subject"],
        "properties": {
            "n": {"connect.index": 2, "oneOf": [{"type": "null"}, {"type": "integer"}]},
            "used": {"connect.index": 1, "type": "number"},
            "subject": {"connect.index": 0, "type": "string"},
            "grade": {"connect.index": 3, "type": "string", "default": "B"},
        },
    });
    let found = compiled(schema.clone());
    let names: Vec<_> = found.fields().unwrap().iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["subject", "used", "n", "grade"]);
    assert_eq!(found.name.as_deref(), Some("Meter"));
    let row = read(&found, r#"{"more": [1], "subject": "c1"}"#).unwrap();
    let values = row.as_struct().unwrap().values().to_vec();
    let expect = [
        Value::from("c1"),
        Value::Null,
        Value::Null,
        Value::from("B"),
    ];
    assert_eq!(values, expect);
    let why = read(&found, r#"{"subject": null}"#).unwrap_err();
    assert_eq!(
        why,
        "field subject: Invalid null value for required STRING field"
    );
    let optional = settings(|s| s.optional_for_nonrequired = true);
    let found = schema::compile(&registered(&schema), optional).unwrap();
    let flags: Vec<_> = found
        .fields()
        .unwrap()
        .iter()
        .map(|f| f.schema.optional)
        .collect();
    assert_eq!(flags, [false, true, true, true]);
}

#[test]
fn unions_are_structs_of_which_one_field_is_set() {
    let schema = json!({"oneOf": [
        {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
        {"type": "object", "properties": {"a": {"type": "integer"}, "c": {"type": "string"}}},
        {"type": "integer"}, {"type": "string"}, {"type": "null"},
    ]});
    let found = compiled(schema.clone());
    assert_eq!(
        found.name.as_deref(),
        Some("io.confluent.connect.json.OneOf")
    );
    assert!(found.optional);
    let names: Vec<_> = found.fields().unwrap().iter().map(|f| &*f.name).collect();
    let first = "io.confluent.connect.json.OneOf.field.0";
    assert_eq!((names[0], names.len()), (first, 4));
    for (json, at) in [
        (r#"{"a": 1, "c": "x"}"#, 1),
        (r#"{"a": 1}"#, 0),
        ("7", 2),
        (r#""7""#, 3),
    ] {
        let row = read(&found, json).unwrap();
        let row = row.as_struct().unwrap();
        let set = row.values().iter().position(|value| !value.is_null());
        assert_eq!(set, Some(at), "{json}");
        let mut written = String::new();
        let value = Value::Struct(Box::new(row.clone()));
        write::value(&found, &value, settings(|_| {}), &mut written).unwrap();
        let same: serde_json::Value = serde_json::from_str(&written).unwrap();
        // What a struct leaves out is left out again.
        assert_eq!(
            same,
            serde_json::from_str::<serde_json::Value>(json).unwrap()
        );
    }
    let why = read(&found, "1.5").unwrap_err();
    assert_eq!(why, "it is of none of the types of its oneOf or anyOf");
    let generalized = settings(|s| s.generalized_sum_types = true);
    let found = schema::compile(&registered(&schema), generalized).unwrap();
    assert_eq!(found.name.as_deref(), Some("connect_union_0"));
    assert_eq!(&*found.fields().unwrap()[1].name, "connect_union_field_1");
    let row = read(&found, "7").unwrap();
    assert_eq!(row.as_struct().unwrap().values()[2], Value::Int(7));
}

#[test]
fn enums_are_strings_that_tell_their_symbols() {
    let schema = json!({"enum": ["red", null, 3]});
    let found = compiled(schema.clone());
    let told: Vec<_> = found.parameters.iter().map(|(n, v)| (&**n, &**v)).collect();
    let name = "io.confluent.connect.json.Enum";
    let (red, null, three) = (
        format!("{name}.red"),
        format!("{name}.<NULL>"),
        format!("{name}.3"),
    );
    let expect = [
        (name, ""),
        (&*red, "red"),
        (&*null, "<NULL>"),
        (&*three, "3"),
    ];
    assert_eq!((&found.kind, &told[..]), (&Kind::String, &expect[..]));
    let generalized = settings(|s| s.generalized_sum_types = true);
    let found = schema::compile(&registered(&schema), generalized).unwrap();
    let (name, tag) = &found.parameters[1];
    assert_eq!(
        (&**name, &**tag),
        ("org.apache.kafka.connect.data.Enum.red", "0")
    );
    let number = compiled(json!({"type": "integer", "enum": [1, 2]}));
    assert_eq!(number.kind, Kind::Int64);
    let text = write::schema::text(&found, settings(|_| {})).unwrap();
    assert!(text.contains(r#""enum":["red",null,"3"]"#), "{text}");
}

#[test]
fn all_of_has_the_properties_of_all() {
    let found = compiled(json!({
        "definitions": {"base": {"type": "object", "properties": {"id": {"type": "integer"}}}},
        "allOf": [
            {"$ref": "#/definitions/base"},
            {"type": "object", "properties": {"name": {"type": "string"}}},
        ],
    }));
    let names: Vec<_> = found.fields().unwrap().iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["id", "name"]);
}

#[test]
fn references_are_found_in_the_text_and_beside_it() {
    let item = |of: &str| json!({"type": "array", "items": {"$ref": of}});
    let text = json!({
        "$id": "http://example.com/schemas/order.json",
        "definitions": {"a b": {"$id": "#named", "type": "integer"}},
        "type": "object",
        "properties": {
            "pointer": item("#/definitions/a%20b"), "anchor": item("#named"),
            "beside": item("line.json"), "within": item("line.json#/definitions/sku"),
            "url": item("http://example.com/schemas/line.json"),
        },
    });
    let line = json!({"type": "object", "properties": {"sku": {"$ref": "#/definitions/sku"}},
                      "definitions": {"sku": {"type": "string"}}});
    let reference = |name: &str| Reference {
        name: name.to_owned(),
        text: line.to_string(),
    };
    for name in ["line.json", "http://example.com/schemas/line.json"] {
        let mut whole = registered(&text);
        whole.references = vec![reference(name)];
        let found = schema::compile(&whole, settings(|_| {})).unwrap();
        let item = |at: usize| match &found.fields().unwrap()[at].schema.kind {
            Kind::Array(item) => item.kind.clone(),
            other => other.clone(),
        };
        assert_eq!((item(0), item(1)), (Kind::Int64, Kind::Int64), "{name}");
        assert!(matches!(item(2), Kind::Struct(_)), "{name}");
        assert_eq!(item(3), Kind::String, "{name}");
        assert!(matches!(item(4), Kind::Struct(_)), "{name}");
    }
    let error = schema::compile(&registered(&text), settings(|_| {})).unwrap_err();
    assert!(error.chain().contains("not registered with"), "{error}");
}

#[test]
fn what_is_within_itself_is_read_as_it_is() {
    let found = compiled(json!({
        "type": "object", "title": "Node",
        "properties": {"n": {"type": "integer"}, "next": {"$ref": "#"}},
    }));
    let next = &found.fields().unwrap()[1].schema;
    assert_eq!((&next.kind, next.optional), (&Kind::Any, true));
    let row = read(&found, r#"{"n": 1, "next": {"n": 2, "next": null}}"#).unwrap();
    let mut written = String::new();
    write::value(&found, &row, settings(|_| {}), &mut written).unwrap();
    assert_eq!(written, r#"{"n":1,"next":{"n":2,"next":null}}"#);
    // Each half of a schema that doubles stands for twice as much.
    let mut doubling = serde_json::Map::new();
    for level in 0..28 {
        let next = json!({"$ref": format!("#/definitions/d{}", level + 1)});
        let twice = json!({"type": "object", "properties": {"a": next, "b": next}});
        doubling.insert(format!("d{level}"), twice);
    }
    doubling.insert("d28".into(), json!({"type": "integer"}));
    let text = json!({"definitions": doubling, "$ref": "#/definitions/d0"});
    let error = schema::compile(&registered(&text), settings(|_| {})).unwrap_err();
    assert!(error.chain().contains("too large"), "{error}");
    let mut deep = json!({"type": "integer"});
    for _ in 0..60 {
        deep = json!({"type": "array", "items": deep});
    }
    let error = schema::compile(&registered(&deep), settings(|_| {}));
    assert!(error.is_ok());
    for _ in 0..6 {
        deep = json!({"type": "array", "items": deep});
    }
    let error = schema::compile(&registered(&deep), settings(|_| {})).unwrap_err();
    // The text's own limit of 128 levels comes first where it is reached.
    assert_eq!(error.kind(), ErrorKind::Data);
}

#[test]
fn what_is_no_schema_or_not_of_it_is_refused() {
    for schema in [
        json!([]),
        json!(false),
        json!({"type": "void"}),
        json!({"type": "null"}),
        json!({"type": "array"}),
        json!({"type": "array", "items": [{"type": "string"}]}),
        json!({"type": "integer", "connect.type": "int128"}),
        json!({"type": "object", "connect.type": "map"}),
        json!({"$ref": "#/nowhere"}),
        json!({"type": "integer", "default": "x"}),
        json!({"type": "string", "title": "org.apache.kafka.connect.data.Decimal"}),
    ] {
        let error = schema::compile(&registered(&schema), settings(|_| {})).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "{schema}");
    }
    let small = compiled(json!({"type": "integer", "connect.type": "int8"}));
    assert_eq!(
        read(&small, "128").unwrap_err(),
        "a number out of the range of INT8"
    );
    let array = compiled(json!({"type": "array", "items": {"type": "integer"}}));
    assert!(read(&array, "[1, null]").is_err());
    assert!(
        read(&array, "[1")
            .unwrap_err()
            .starts_with("malformed JSON")
    );
}

#[test]
fn many_values_are_paid_for() {
    let fields = (0..200).map(|n| (format!("f{n}"), json!({"type": "integer"})));
    let fields: serde_json::Map<String, serde_json::Value> = fields.collect();
    let item = json!({"type": "object", "properties": fields});
    let union = json!({"oneOf": [item, {"type": "integer"}]});
    for item in [item, union] {
        let found = compiled(json!({"type": "array", "items": item}));
        let json = format!("[{}]", vec![r#"{"f1":1}"#; 20_000].join(","));
        let read = MemoryLimit(4 << 20).measure(|| read(&found, &json));
        let why = read.made.unwrap_err();
        assert!(why.ends_with(memory::EXCEEDED), "{why}");
    }
}
