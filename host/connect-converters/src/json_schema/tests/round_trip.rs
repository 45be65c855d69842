//! What is written is read back, whatever the schema is.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// A schema, and a value of it.
type Case = (Schema, Value);

fn leaves() -> impl Strategy<Value = Case> {
    let of = |kind: Kind, value: Value| (Schema::new(kind), value);
    prop_oneof![
        any::<i8>().prop_map(move |n| of(Kind::Int8, Value::Int(n.into()))),
        any::<i16>().prop_map(move |n| of(Kind::Int16, Value::Int(n.into()))),
        any::<i32>().prop_map(move |n| of(Kind::Int32, Value::Int(n.into()))),
        any::<i64>().prop_map(move |n| of(Kind::Int64, Value::Int(n))),
        any::<f32>().prop_map(move |n| of(Kind::Float32, Value::Float(n.into()))),
        any::<f64>().prop_map(move |n| of(Kind::Float64, Value::Float(n))),
        any::<bool>().prop_map(move |n| of(Kind::Boolean, Value::Boolean(n))),
        "[ -~é]{0,12}".prop_map(move |t| of(Kind::String, Value::from(&*t))),
        vec(any::<u8>(), 0..9).prop_map(move |b| of(Kind::Bytes, Value::Bytes(Bytes::from(b)))),
        any::<i64>().prop_map(move |n| {
            let decimal = Value::Decimal(Box::new(Decimal::new(n.into(), 3)));
            of(Kind::Decimal(Some(3)), decimal)
        }),
        any::<i32>().prop_map(move |n| of(Kind::Date, Value::Date(n))),
        (0i64..86_400_000).prop_map(move |n| of(Kind::Time, Value::Time(n * 1000))),
        any::<i32>().prop_map(move |n| of(Kind::Timestamp, Value::Timestamp(i64::from(n) * 1000))),
    ]
}

fn optional(cases: impl Strategy<Value = Case>) -> impl Strategy<Value = Case> {
    (cases, 0u8..4).prop_map(|((schema, value), choice)| {
        let optional = Schema {
            optional: choice > 0,
            ..schema
        };
        match choice {
            3 => (optional, Value::Null),
            _ => (optional, value),
        }
    })
}

fn cases() -> impl Strategy<Value = Case> {
    optional(leaves()).prop_recursive(3, 24, 4, |inner| {
        let array = (inner.clone(), 0usize..3).prop_map(|((schema, value), count)| {
            let kind = Kind::Array(Arc::new(schema));
            (Schema::new(kind), Value::Array(vec![value; count]))
        });
        let map = (inner.clone(), any::<bool>()).prop_map(|((schema, value), is_text)| {
            let (key, name) = match is_text {
                true => (Kind::String, Value::from("k")),
                false => (Kind::Int32, Value::Int(5)),
            };
            let kind = Kind::Map(Arc::new(Schema::new(key)), Arc::new(schema));
            (Schema::new(kind), Value::Map(vec![(name, value)]))
        });
        let row = vec(inner, 0..4).prop_map(|cases| {
            let (schemas, values): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
            let fields = schemas.into_iter().enumerate();
            let fields = fields.map(|(at, schema)| Field::new(format!("f{at}"), schema));
            let schema = Schema::new(Kind::Struct(fields.collect())).named("demo.Row");
            let row = Struct::new(Arc::new(schema.clone()), values);
            (schema, Value::Struct(Box::new(row)))
        });
        optional(prop_oneof![array, map, row])
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((given, value) in cases(), numeric in any::<bool>()) {
        let settings = settings(|s| if numeric { s.decimals = DecimalFormat::Numeric });
        let text = write::schema::text(&given, settings).unwrap();
        let registered = Registered { text: text.clone(), references: Vec::new() };
        let found = schema::compile(&registered, settings).unwrap();
        // Of one type, whatever has no form of its own in JSON Schema.
        let again = write::schema::text(&found, settings).unwrap();
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        prop_assert_eq!(parsed(&again), parsed(&text));
        let mut json = String::new();
        write::value(&given, &value, settings, &mut json).unwrap();
        let read = payload::read_confluent(json.as_bytes(), &Arc::new(found.clone())).unwrap();
        let mut written = String::new();
        write::value(&found, &read, settings, &mut written).unwrap();
        prop_assert_eq!(written, json, "{}", text);
    }

    #[test]
    fn no_text_is_read_as_a_schema_by_accident(text in r#"[\[\]{}:,"$a-z#/ 0-9]{0,60}"#) {
        let registered = Registered { text, references: Vec::new() };
        let _ = schema::compile(&registered, settings(|_| {}));
    }
}
