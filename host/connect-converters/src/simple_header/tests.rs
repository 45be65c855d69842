//! Tests of SimpleHeaderConverter.

use std::sync::Arc;

use connect_api::{Decimal, Field, Schema, Struct};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn written(datum: &Datum) -> Option<Vec<u8>> {
    let written = SimpleHeaderConverter.from_connect_header("topic", "name", datum);
    written.unwrap().map(Cow::into_owned)
}

fn read(bytes: Option<Vec<u8>>) -> Datum {
    let bytes = bytes.map(Bytes::from);
    let read = SimpleHeaderConverter.to_connect_header("topic", "name", bytes.as_ref());
    read.unwrap()
}

/// The texts of `Values.convertToString`.
#[test]
fn texts_are_kafkas() {
    let item = |kind| Arc::new(Schema::optional(kind));
    let fields = vec![
        Field::new("a", Schema::new(Kind::String)),
        Field::new("b", Schema::any()),
    ];
    let row = Struct::new(
        Arc::new(Schema::new(Kind::Struct(fields.clone()))),
        vec![Value::from("x"), Value::Date(0)],
    );
    for (kind, value, expect) in [
        (Kind::String, Value::from("a \"b\""), "a \"b\""),
        (Kind::Boolean, Value::Boolean(false), "false"),
        (Kind::Int64, Value::Int(-5), "-5"),
        (Kind::Float32, Value::Float(0.1_f32.into()), "0.1"),
        (Kind::Float64, Value::Float(2.0), "2.0"),
        (
            Kind::Decimal(Some(2)),
            Value::Decimal(Box::new(Decimal::new(150.into(), 2))),
            "1.50",
        ),
        (Kind::Date, Value::Date(11_016), "2000-02-29"),
        (Kind::Time, Value::Time(37_425_000_000), "10:23:45.000Z"),
        (
            Kind::Timestamp,
            Value::Timestamp(951_782_400_001_000),
            "2000-02-29T00:00:00.001Z",
        ),
        (
            Kind::Array(item(Kind::Float32)),
            Value::Array(vec![Value::Float(0.1_f32.into()), Value::Null]),
            "[0.1,null]",
        ),
        (
            Kind::Map(item(Kind::String), item(Kind::String)),
            Value::Map(vec![(Value::from("k"), Value::from("\\\"\n"))]),
            "{\"k\":\"\\\\\\\"\n\"}",
        ),
        (
            Kind::Struct(fields),
            Value::Struct(Box::new(row)),
            "{\"a\":\"x\",\"b\":1970-01-01}",
        ),
    ] {
        let datum = Datum::new(Schema::new(kind), value);
        let found = String::from_utf8(written(&datum).unwrap()).unwrap();
        assert_eq!(found, expect);
    }
}

#[test]
fn nothing_finer_is_lost() {
    let finer = Datum::new(Schema::new(Kind::Time), Value::Time(1));
    assert_eq!(written(&finer).unwrap(), b"00:00:00.000001Z");
    let bytes = Datum::new(
        Schema::new(Kind::Bytes),
        Value::Bytes(Bytes::from_static(b"\xfe")),
    );
    assert_eq!(written(&bytes).unwrap(), b"\xfe");
    assert_eq!(read(Some(vec![0xfe])), bytes);
}

/// The narrowest kind: nothing else is told by the text.
fn integer(number: i64) -> (Kind, Value) {
    let kind = match number {
        -128..=127 => Kind::Int8,
        -32_768..=32_767 => Kind::Int16,
        -2_147_483_648..=2_147_483_647 => Kind::Int32,
        _ => Kind::Int64,
    };
    (kind, Value::Int(number))
}

fn numbers() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i8>().prop_map(i64::from),
        any::<i16>().prop_map(i64::from),
        any::<i64>(),
    ]
}

fn scalars() -> impl Strategy<Value = (Kind, Value)> {
    const DAY: i64 = 86_400_000;
    prop_oneof![
        numbers().prop_map(integer),
        any::<bool>().prop_map(|flag| (Kind::Boolean, Value::Boolean(flag))),
        // A whole number is an integer when it is read.
        any::<f32>()
            .prop_filter("whole", |n| n.is_finite() && n.fract() != 0.0)
            .prop_map(|n| (Kind::Float32, Value::Float(n.into()))),
        (0i32..2_000_000).prop_map(|days| (Kind::Date, Value::Date(days))),
        (0i64..DAY).prop_map(|time| (Kind::Time, Value::Time(time * 1000))),
        (0i64..DAY * 2_000_000).prop_map(|at| (Kind::Timestamp, Value::Timestamp(at * 1000))),
        "[a-zA-Z_ é][^\u{0}]{0,12}"
            .prop_filter("not a string alone", |text| {
                values::parse(Some(text.as_bytes())).value == Value::from(&**text)
            })
            .prop_map(|text| (Kind::String, Value::from(&*text))),
    ]
}

fn cases() -> impl Strategy<Value = Datum> {
    let scalar = scalars().prop_map(|(kind, value)| Datum::new(Schema::new(kind), value));
    let array = vec("[a-z\"\\\\,:{}\n]{1,6}", 1..5).prop_map(|texts| {
        let item = Schema::optional(Kind::String);
        let items = texts.iter().map(|text| Value::from(&**text)).collect();
        Datum::new(Schema::new(Kind::Array(item.into())), Value::Array(items))
    });
    let map = vec(any::<i8>(), 1..5).prop_map(|numbers| {
        let (key, item) = (Schema::optional(Kind::String), Schema::optional(Kind::Int8));
        let entries = numbers.iter().enumerate();
        let entries =
            entries.map(|(at, n)| (Value::from(&*format!("k{at}")), Value::Int((*n).into())));
        let kind = Kind::Map(key.into(), item.into());
        Datum::new(Schema::new(kind), Value::Map(entries.collect()))
    });
    prop_oneof![4 => scalar, 1 => array, 1 => map, 1 => Just(Datum::NULL)]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(datum in cases()) {
        prop_assert_eq!(read(written(&datum)), datum);
    }
}
