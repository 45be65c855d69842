//! What is written is read back, by our reader and under a schema that apache-avro takes.

mod docs;

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Decimal, Field, Kind, Struct, Value};
use proptest::collection::vec;
use proptest::prelude::*;

use super::super::{decode, schema as reading};
use super::*;

/// A schema, a value of it, and the value as it is read back.
type Case = (Schema, Value, Value);

fn same(kind: Kind, value: Value) -> Case {
    (Schema::new(kind), value.clone(), value)
}

fn leaves() -> impl Strategy<Value = Case> {
    let text = "[ -~é]{0,12}";
    prop_oneof![
        any::<i8>().prop_map(|n| same(Kind::Int8, Value::Int(n.into()))),
        any::<i16>().prop_map(|n| same(Kind::Int16, Value::Int(n.into()))),
        any::<i32>().prop_map(|n| same(Kind::Int32, Value::Int(n.into()))),
        any::<i64>().prop_map(|n| same(Kind::Int64, Value::Int(n))),
        any::<f32>().prop_map(|n| same(Kind::Float32, Value::Float(n.into()))),
        any::<f64>().prop_map(|n| same(Kind::Float64, Value::Float(n))),
        any::<bool>().prop_map(|n| same(Kind::Boolean, Value::Boolean(n))),
        text.prop_map(|t| same(Kind::String, Value::from(&*t))),
        vec(any::<u8>(), 0..9).prop_map(|b| same(Kind::Bytes, Value::Bytes(Bytes::from(b)))),
        any::<i64>().prop_map(|n| {
            let decimal = Value::Decimal(Box::new(Decimal::new(n.into(), 3)));
            same(Kind::Decimal(Some(3)), decimal)
        }),
        any::<i32>().prop_map(|n| same(Kind::Date, Value::Date(n))),
        (0i64..86_400_000_000).prop_map(|n| same(Kind::Time, Value::Time(n))),
        any::<i64>().prop_map(|n| same(Kind::Timestamp, Value::Timestamp(n))),
        any::<i64>().prop_map(|n| {
            let read = Value::from(&*n.to_string());
            (Schema::any(), Value::Int(n), read)
        }),
        text.prop_map(|t| (Schema::any(), Value::from(&*t), Value::from(&*t))),
        Just((Schema::any(), Value::Json("[1]".into()), Value::from("[1]"))),
    ]
}

fn optional(case: impl Strategy<Value = Case>) -> impl Strategy<Value = Case> {
    (case, 0..3).prop_map(|((mut schema, given, read), turn)| {
        schema.optional |= turn > 0;
        match turn {
            2 => (schema, Value::Null, Value::Null),
            _ => (schema, given, read),
        }
    })
}

fn cases() -> impl Strategy<Value = Case> {
    optional(leaves()).prop_recursive(3, 16, 4, |inner| {
        let array = (inner.clone(), 0usize..3).prop_map(|((schema, given, read), count)| {
            let kind = Kind::Array(Arc::new(schema));
            let all = |value: Value| Value::Array(vec![value; count]);
            (Schema::new(kind), all(given), all(read))
        });
        let map = inner.clone().prop_map(|(schema, given, read)| {
            let kind = Kind::Map(Arc::new(Schema::new(Kind::String)), Arc::new(schema));
            let one = |value| Value::Map(vec![(Value::from("k"), value)]);
            (Schema::new(kind), one(given), one(read))
        });
        let row = vec(inner, 0..4).prop_map(|cases| {
            let fields = cases
                .iter()
                .enumerate()
                .map(|(at, (schema, ..))| Field::new(format!("f{at}"), schema.clone()));
            let schema = Arc::new(Schema::new(Kind::Struct(fields.collect())));
            let row = |values| Value::Struct(Box::new(Struct::new(Arc::clone(&schema), values)));
            let (given, read) = cases
                .into_iter()
                .map(|(_, given, read)| (given, read))
                .unzip();
            ((*schema).clone(), row(given), row(read))
        });
        optional(prop_oneof![array, map, row])
    })
}

/// Only the values: the schemas that are read have more optional fields and names.
fn plain(value: &Value) -> Value {
    match value {
        Value::Struct(row) => Value::Array(row.values().iter().map(plain).collect()),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        Value::Map(entries) => {
            let entries = entries.iter();
            Value::Map(entries.map(|(k, v)| (k.clone(), plain(v))).collect())
        }
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back((schema, given, read) in cases()) {
        let text = schema::text(&schema).unwrap();
        apache_avro::Schema::parse_str(&text).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
        let compiled = reading::compile(&[], &text).unwrap();
        let mut bytes = Vec::new();
        encode::value(&schema, &given, &mut bytes).unwrap();
        let found = decode::decode(&compiled.plan, &bytes).unwrap();
        prop_assert_eq!(plain(&found), plain(&read), "{}", text);
    }
}

#[test]
fn what_avro_cannot_say_is_refused() {
    let map = Kind::Map(
        Arc::new(Schema::new(Kind::Int32)),
        Arc::new(Schema::new(Kind::Int32)),
    );
    let named = Schema::new(Kind::Struct(Vec::new())).named("a b");
    let field = Kind::Struct(vec![Field::new("a-b", Schema::any())]);
    for schema in [Schema::new(map), named, Schema::new(field)] {
        let error = schema::text(&schema).unwrap_err().chain();
        assert!(error.ends_with(" has no form in Avro"), "{error}");
    }
    let mut out = Vec::new();
    let error = encode::value(&Schema::new(Kind::Int8), &Value::Int(300), &mut out);
    let error = error.unwrap_err().chain();
    assert_eq!(error, "a value of type integer is not of its schema INT8");
}
