//! Nested values come back as they went, and nothing that is deep or false gets in.

use std::sync::Arc;

use connect_api::{Decimal, Field};
use proptest::prelude::*;

use super::*;

fn struct_of(columns: &[(&str, Kind)]) -> Schema {
    let field = |(name, kind): &(&str, Kind)| Field::new(*name, Schema::optional(kind.clone()));
    Schema::new(Kind::Struct(columns.iter().map(field).collect()))
}

fn schema() -> Schema {
    let list = Kind::Array(Arc::new(Schema::new(Kind::Int16)));
    struct_of(&[
        ("int", Kind::Int64),
        ("float", Kind::Float64),
        ("text", Kind::String),
        ("bytes", Kind::Bytes),
        ("decimal", Kind::Decimal(Some(4))),
        ("date", Kind::Date),
        ("time", Kind::Time),
        ("timestamp", Kind::Timestamp),
        ("flag", Kind::Boolean),
        ("list", list),
    ])
}

prop_compose! {
    fn values()(
        int in any::<i64>(),
        float in proptest::num::f64::NORMAL,
        text in any::<String>(),
        bytes in any::<Vec<u8>>(),
        unscaled in any::<i64>(),
        date in -100_000i32..100_000,
        time in 0i64..86_400_000_000,
        timestamp in -10_000_000_000_000_000i64..10_000_000_000_000_000,
        flag in any::<bool>(),
        list in any::<Vec<i16>>(),
    ) -> Vec<Value> {
        vec![
            Value::Int(int),
            Value::Float(float),
            Value::String(text.into()),
            Value::Bytes(bytes.into()),
            Value::Decimal(Box::new(Decimal::new(unscaled.into(), 4))),
            Value::Date(date),
            Value::Time(time),
            Value::Timestamp(timestamp),
            Value::Boolean(flag),
            Value::Array(list.into_iter().map(|n| Value::Int(n.into())).collect()),
        ]
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in values()) {
        let row = Value::Struct(Box::new(Struct::new(Arc::new(schema()), values)));
        let mut text = String::new();
        json::write(&row, &mut text).unwrap();
        prop_assert_eq!(lift(&text, &schema(), None).unwrap(), row);
    }

    #[test]
    fn no_text_brings_it_down(text in any::<String>()) {
        let _ = lift(&text, &schema(), None);
        let _ = free(&text);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for text in [
        "{\"int\":1.5}",
        "{\"int\":\"1\"}",
        "{\"unknown\":1}",
        "{\"decimal\":1.5}",
        "{\"decimal\":1e3}",
        "{\"bytes\":\"*\"}",
        "{\"date\":\"2024-02-30\"}",
        "{\"list\":[1,null]}",
        "{\"list\":[40000]}",
        "[]",
        "{} {}",
        "",
    ] {
        assert!(lift(text, &schema(), None).is_err(), "{text}");
    }
    assert!(lift("{\"decimal\":1.5000,\"float\":2}", &schema(), None).is_ok());
}

#[test]
fn free_text_is_checked_and_not_too_deep() {
    let nest = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    assert_eq!(
        free(&nest(DEPTH)).unwrap(),
        Value::Json(nest(DEPTH).as_str().into())
    );
    assert!(free(&nest(DEPTH + 1)).is_err());
    assert!(free(&nest(1_000_000)).is_err());
    assert!(free(&"[".repeat(1_000_000)).is_err());
    assert!(lift(&nest(1_000_000), &Schema::new(Kind::Any), None).is_err());
    assert!(free(&"9".repeat(MAX_DIGITS + 1)).is_err());
    assert!(free("{no").is_err());
    assert_eq!(free(" 1 ").unwrap(), Value::Int(1));
    assert_eq!(free("\"[[\"").unwrap(), Value::from("[["));
    assert_eq!(depth(r#"{"a":"[[\"[[","b":[{}]}"#), 3);
}
