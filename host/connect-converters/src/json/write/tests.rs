//! What is written is read back by the converter of the same class.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Converter, Decimal, Field, Properties, Struct};
use proptest::prelude::*;

use super::*;
use crate::json::{DECIMAL_FORMAT, JsonConverter, SCHEMAS_ENABLE, TYPE};

fn converter(options: &[(&str, &str)]) -> JsonConverter {
    let given = options.iter();
    let given: Properties = given
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let config = (TYPE.config_def)().parse(&given).unwrap();
    JsonConverter::new(&config).unwrap()
}

fn with_schemas(format: &str) -> JsonConverter {
    converter(&[(DECIMAL_FORMAT, format)])
}

fn plain() -> JsonConverter {
    converter(&[(SCHEMAS_ENABLE, "false")])
}

fn written(converter: &mut JsonConverter, datum: &Datum) -> Option<String> {
    let bytes = converter.from_connect_data("topic", datum).unwrap();
    bytes.map(|bytes| String::from_utf8(bytes.into_owned()).unwrap())
}

fn read(converter: &mut JsonConverter, text: String) -> Datum {
    let bytes = Bytes::from(text);
    converter.to_connect_data("topic", Some(&bytes)).unwrap()
}

fn schema() -> Arc<Schema> {
    let item = Arc::new(Schema::optional(Kind::Int16));
    let text = Arc::new(Schema::new(Kind::String));
    let number = Arc::new(Schema::new(Kind::Int32));
    let inner = Schema::new(Kind::Struct(vec![Field::new("x", Schema::new(Kind::Int8))]));
    let kinds = [
        Kind::Int64,
        Kind::Float64,
        Kind::String,
        Kind::Bytes,
        Kind::Decimal(Some(2)),
        Kind::Date,
        Kind::Time,
        Kind::Timestamp,
        Kind::Boolean,
        Kind::Array(Arc::clone(&item)),
        Kind::Map(text, Arc::clone(&item)),
        Kind::Map(number, item),
        inner.kind,
    ];
    let fields = kinds.into_iter().enumerate();
    let fields = fields.map(|(at, kind)| {
        let mut schema = Schema::optional(kind);
        // Kafka Connect's logical types are of version 1.
        if (4..8).contains(&at) {
            schema.version = Some(1);
        }
        Field::new(format!("f{at}"), schema)
    });
    let mut schema = Schema::new(Kind::Struct(fields.collect())).named("row");
    schema.parameters.push(("a".into(), "b".into()));
    schema.doc = Some("what it is".into());
    Arc::new(schema)
}

prop_compose! {
    fn rows()(
        int in any::<i64>(),
        // Of digits that any reader takes exactly.
        float in proptest::num::f64::NORMAL,
        text in any::<String>(),
        bytes in any::<Vec<u8>>(),
        unscaled in any::<i64>(),
        date in any::<i32>(),
        time in 0i64..86_400_000,
        timestamp in -10_000_000_000_000i64..10_000_000_000_000,
        flag in any::<bool>(),
        items in any::<Vec<Option<i16>>>(),
        absent in 0usize..20,
    ) -> Vec<Value> {
        let item = |n: &Option<i16>| n.map_or(Value::Null, |n| Value::Int(n.into()));
        let keyed = |key: fn(usize) -> Value| {
            let entries = items.iter().enumerate();
            Value::Map(entries.map(|(at, n)| (key(at), item(n))).collect())
        };
        let inner = Schema::new(Kind::Struct(vec![Field::new("x", Schema::new(Kind::Int8))]));
        let inner = Struct::new(Arc::new(Schema::optional(inner.kind)), vec![Value::Int(5)]);
        let mut values = vec![
            Value::Int(int),
            Value::Float(float),
            Value::String(text.into()),
            Value::Bytes(Bytes::from(bytes)),
            Value::Decimal(Box::new(Decimal::new(unscaled.into(), 2))),
            Value::Date(date),
            Value::Time(time * 1000),
            Value::Timestamp(timestamp * 1000),
            Value::Boolean(flag),
            Value::Array(items.iter().map(item).collect()),
            keyed(|at| Value::from(&*format!("k{at}"))),
            keyed(|at| Value::Int(at as i64)),
            Value::Struct(Box::new(inner)),
        ];
        if let Some(value) = values.get_mut(absent) {
            *value = Value::Null;
        }
        values
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(values in rows(), numeric in any::<bool>()) {
        let mut converter = with_schemas(if numeric { "NUMERIC" } else { "BASE64" });
        let datum = Datum::row(Struct::new(schema(), values));
        for _ in 0..2 {
            let text = written(&mut converter, &datum).unwrap();
            prop_assert_eq!(read(&mut converter, text), datum.clone());
        }
    }

    #[test]
    fn plain_json_is_read_back(
        int in any::<i64>(),
        float in proptest::num::f64::NORMAL,
        text in any::<String>(),
        flag in any::<bool>(),
        absent in 0usize..8,
    ) {
        let mut values = vec![
            Value::Int(int),
            Value::Float(float),
            Value::String(text.into()),
            Value::Boolean(flag),
            Value::Json("[1, {\"a\":null}]".into()),
            Value::Decimal(Box::new("123456789012345678901".parse().unwrap())),
        ];
        if let Some(value) = values.get_mut(absent) {
            *value = Value::Null;
        }
        let fields = (0..values.len()).map(|at| Field::new(format!("f{at}"), Schema::any()));
        let shape = Arc::new(Schema::new(Kind::Struct(fields.collect())));
        let row = Datum::schemaless_row(Struct::new(shape, values.clone()));
        // Nested data stays text in a row alone; a null is no JSON but a null of Kafka.
        let stays = |value: &Value| !matches!(value, Value::Json(_) | Value::Null);
        let alone = values.into_iter().filter(stays).map(Datum::schemaless);
        for datum in alone.chain([row]) {
            let text = written(&mut plain(), &datum).unwrap();
            prop_assert_eq!(read(&mut plain(), text), datum);
        }
    }
}

#[test]
fn what_no_schema_describes_is_text() {
    let fields = ["a", "b"].map(|name| Field::new(name, Schema::any()));
    let schema = Arc::new(Schema::new(Kind::Struct(fields.into())).named("any"));
    let values = vec![Value::Json("[1,\"x\"]".into()), Value::Int(7)];
    let datum = Datum::row(Struct::new(schema, values));
    let mut converter = with_schemas("BASE64");
    let found: Json = serde_json::from_str(&written(&mut converter, &datum).unwrap()).unwrap();
    let field = |name| json!({ "type": "string", "optional": true, "field": name });
    let expected = json!({
        "schema": {
            "type": "struct",
            "optional": false,
            "name": "any",
            "fields": [field("a"), field("b")],
        },
        "payload": { "a": "[1,\"x\"]", "b": "7" },
    });
    assert_eq!(found, expected);
}

/// The texts of Java's converter, of the same data.
#[test]
fn payloads_are_javas() {
    let decimal = || Value::Decimal(Box::new("156.4".parse().unwrap()));
    for (kind, value, payload) in [
        (Kind::Boolean, Value::Boolean(true), "true"),
        (Kind::Int8, Value::Int(12), "12"),
        (Kind::Float32, Value::Float(12.34_f32.into()), "12.34"),
        (Kind::Float32, Value::Float(f64::NAN), r#""NaN""#),
        (
            Kind::Float64,
            Value::Float(f64::NEG_INFINITY),
            r#""-Infinity""#,
        ),
        (Kind::Float64, Value::Float(12.34), "12.34"),
        (
            Kind::Bytes,
            Value::Bytes(Bytes::from_static(b"test-string")),
            r#""dGVzdC1zdHJpbmc=""#,
        ),
        (Kind::String, Value::from("test-string"), r#""test-string""#),
        (Kind::Decimal(Some(1)), decimal(), r#""Bhw=""#),
        (Kind::Date, Value::Date(10_000), "10000"),
        (Kind::Time, Value::Time(14_400_000_000), "14400000"),
        (
            Kind::Timestamp,
            Value::Timestamp(4_000_000_000_000),
            "4000000000",
        ),
    ] {
        let datum = Datum::new(Schema::new(kind), value);
        let text = written(&mut with_schemas("BASE64"), &datum).unwrap();
        let found = text.rsplit_once(",\"payload\":").unwrap().1;
        assert_eq!(found, format!("{payload}}}"), "{text}");
    }
    let datum = Datum::new(Schema::new(Kind::Decimal(Some(1))), decimal());
    let text = written(&mut with_schemas("numeric"), &datum).unwrap();
    assert!(text.ends_with(",\"payload\":156.4}"), "{text}");
    let bare = Datum::schemaless(Value::Int(7));
    let text = written(&mut with_schemas("BASE64"), &bare).unwrap();
    assert_eq!(text, r#"{"schema":null,"payload":7}"#);
}

#[test]
fn a_null_is_a_null_of_kafka() {
    let typed = Datum::new(Schema::optional(Kind::Int32), Value::Null);
    for datum in [Datum::NULL, typed] {
        for mut converter in [plain(), with_schemas("BASE64")] {
            assert_eq!(written(&mut converter, &datum), None);
        }
    }
}

#[test]
fn plain_json_has_no_envelope() {
    let date = Datum::new(Schema::new(Kind::Date), Value::Date(0));
    assert_eq!(written(&mut plain(), &date).unwrap(), r#""1970-01-01""#);
    let quoted = Datum::schemaless(Value::from("x\"y"));
    assert_eq!(written(&mut plain(), &quoted).unwrap(), r#""x\"y""#);
    let object = json::parse(r#"{"a": 1, "b": ["z"]}"#).unwrap();
    let object = Datum::schemaless(object);
    assert_eq!(
        written(&mut plain(), &object).unwrap(),
        r#"{"a":1,"b":["z"]}"#
    );
    // What came as text goes as the very text, and is not copied.
    let text = Datum::schemaless(Value::Json(r#"{"a": [1 ,2]}"#.into()));
    let mut converter = plain();
    let bytes = converter.from_connect_data("topic", &text).unwrap();
    assert_eq!(bytes, Some(Cow::Borrowed(&br#"{"a": [1 ,2]}"#[..])));
    assert!(matches!(bytes, Some(Cow::Borrowed(_))));
    let nan = Datum::schemaless(Value::Float(f64::NAN));
    assert!(converter.from_connect_data("topic", &nan).is_err());
}

#[test]
fn a_finer_time_is_refused() {
    let datum = Datum::new(Schema::new(Kind::Timestamp), Value::Timestamp(1_500));
    let mut converter = with_schemas("BASE64");
    let error = converter.from_connect_data("topic", &datum).unwrap_err();
    assert!(
        error.chain().contains("finer than a millisecond"),
        "{error}"
    );
}
