//! Values that are small and stand for much: each fits a column within bounds, or is refused.

use connect_api::{Datum, MemoryLimit, Struct};

use super::*;

/// What a record may take here, and what may be written of one value.
const LIMIT: usize = 1 << 20;

fn decimals() -> Vec<Value> {
    let scales = [
        i32::MIN,
        -100_000_000,
        -131_073,
        -131_072,
        -131_071,
        -1,
        16_383,
        16_384,
        1_000_000,
        i32::MAX,
    ];
    let small = scales.map(|scale| Decimal::new((-7).into(), scale));
    let long = [0, 3, 65_537, 400_000, -400_000].map(|scale| {
        // 120,000 and 960,000 digits.
        [50_000, 400_000].map(|bytes| Decimal::from_be_bytes(&vec![0x55; bytes], scale))
    });
    let read = ["3".repeat(70_000), format!("0.{}", "3".repeat(70_000))];
    let read = read.map(|text| text.parse().unwrap());
    let all = small
        .into_iter()
        .chain(long.into_iter().flatten())
        .chain(read);
    all.map(|decimal| Value::Decimal(Box::new(decimal)))
        .collect()
}

fn check(value: &Value) {
    for data_type in types() {
        let mut out = Vec::new();
        let encode = || super::super::value(&data_type, value, Rules::default(), &mut out);
        let encoded = MemoryLimit(LIMIT).measure(encode).made;
        assert!(out.len() <= 2 * LIMIT, "{data_type:?}: {} bytes", out.len());
        if let Err(Misfit(why)) = encoded {
            assert!(why.len() < 200, "{why}");
        }
    }
}

#[test]
fn decimals_of_any_size_and_scale_fit_or_are_refused() {
    for decimal in decimals() {
        check(&decimal);
        check(&Value::Array(vec![decimal.clone(); 20]));
        check(&Value::Map(vec![
            ("a".into(), decimal.clone()),
            (decimal, Value::Null),
        ]));
    }
}

#[test]
fn texts_of_many_digits_fit_or_are_refused() {
    for text in [
        "9".repeat(200_000),
        format!("0.{}", "1".repeat(70_000)),
        "1e131072".into(),
    ] {
        check(&Value::from(text.as_str()));
        let text = format!("[{text}]");
        check(&Value::Json(text.as_str().into()));
    }
}

#[test]
fn a_variable_scale_is_bounded_as_any() {
    let fields = [
        connect_api::Field::new("scale", connect_api::Schema::new(connect_api::Kind::Int32)),
        connect_api::Field::new("value", connect_api::Schema::new(connect_api::Kind::Bytes)),
    ];
    let schema = connect_api::Schema::new(connect_api::Kind::Struct(fields.into()));
    let schema = std::sync::Arc::new(schema.named("io.debezium.data.VariableScaleDecimal"));
    for scale in [
        i64::from(i32::MIN),
        -131_073,
        131_072,
        i64::from(i32::MAX),
        i64::MAX,
    ] {
        let values = vec![Value::Int(scale), Value::Bytes(Bytes::from_static(&[1]))];
        let Datum { value, .. } = Datum::row(Struct::new(std::sync::Arc::clone(&schema), values));
        for data_type in types() {
            let mut out = Vec::new();
            let meaning = Meaning::VariableScale(0, 1);
            let _ = meant(meaning, &data_type, &value, Rules::default(), &mut out);
            assert!(out.len() <= LIMIT, "{data_type:?}: {} bytes", out.len());
        }
    }
}

#[test]
fn bits_that_only_the_schema_has_are_paid_for() {
    let bits = Value::Bytes(Bytes::from_static(&[1]));
    let all = Value::Array(vec![bits; 100]);
    let array = Type::Array(Box::new(Type::Varbit(None)), 1);
    let mut out = Vec::new();
    let encode = || {
        let meaning = Meaning::Bits(Some(8_000_000));
        meant(meaning, &array, &all, Rules::default(), &mut out)
    };
    let encoded = MemoryLimit(LIMIT).measure(encode).made;
    assert!(encoded.is_err());
}
