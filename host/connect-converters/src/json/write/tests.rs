//! What is written is read back by the converter of the same class.

use bytes::Bytes;
use connect_api::{Converter, Decimal, Field, Properties, Struct};
use proptest::prelude::*;

use super::*;
use crate::json::JsonConverter;

fn serializer(format: &str) -> Box<dyn Serializer> {
    let given = Properties::from([(DECIMAL_FORMAT.to_owned(), format.to_owned())]);
    let config = (SERIALIZER.config_def)().parse(&given).unwrap();
    (SERIALIZER.build)(&config, RecordPart::Value).unwrap()
}

fn read(bytes: &[u8]) -> Datum {
    let config = (SERIALIZER.config_def)().parse(&Properties::new()).unwrap();
    let mut converter = JsonConverter::new(&config).unwrap();
    let bytes = Bytes::copy_from_slice(bytes);
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
        let serializer = serializer(if numeric { "NUMERIC" } else { "BASE64" });
        let datum = Datum::row(Struct::new(schema(), values));
        for _ in 0..2 {
            let bytes = serializer.serialize("topic", &datum).unwrap().unwrap();
            prop_assert_eq!(read(&bytes), datum.clone());
        }
    }
}

#[test]
fn what_no_schema_describes_is_text() {
    let fields = ["a", "b"].map(|name| Field::new(name, Schema::any()));
    let schema = Arc::new(Schema::new(Kind::Struct(fields.into())).named("any"));
    let values = vec![Value::Json("[1,\"x\"]".into()), Value::Int(7)];
    let datum = Datum::row(Struct::new(schema, values));
    let bytes = serializer("BASE64")
        .serialize("topic", &datum)
        .unwrap()
        .unwrap();
    let found: Json = serde_json::from_slice(&bytes).unwrap();
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
    let bare = Datum::schemaless(Value::Int(7));
    let bytes = serializer("BASE64").serialize("topic", &bare).unwrap();
    assert_eq!(
        bytes.as_deref(),
        Some(&b"{\"schema\":null,\"payload\":7}"[..])
    );
    let none = serializer("BASE64")
        .serialize("topic", &Datum::NULL)
        .unwrap();
    assert_eq!(none, None);
}

#[test]
fn a_finer_time_is_refused() {
    let datum = Datum::new(Schema::new(Kind::Timestamp), Value::Timestamp(1_500));
    let error = serializer("BASE64").serialize("topic", &datum).unwrap_err();
    assert!(
        error.chain().contains("finer than a millisecond"),
        "{error}"
    );
}
