//! Any value for any type: bytes of the length that they say, or an error; never a panic.

use bytes::Bytes;
use connect_api::Decimal;
use connect_api::json::Shapes;
use proptest::prelude::*;

use super::*;
use crate::config::{EpochUnit, ExcessDigits, Zone};
use crate::put::catalog::{Form, NumericLimits};

mod hostile;

fn limits(precision: i32, scale: i32) -> NumericLimits {
    NumericLimits { precision, scale }
}

fn types() -> Vec<Type> {
    let scalars = [
        Type::Bool,
        Type::Int2,
        Type::Int4,
        Type::Int8,
        Type::Float4,
        Type::Float8,
        Type::Numeric(None),
        Type::Numeric(Some(limits(6, 2))),
        Type::Numeric(Some(limits(3, -2))),
        Type::Text(None),
        Type::Text(Some(3)),
        Type::Name,
        Type::Bytea,
        Type::Json,
        Type::Jsonb,
        Type::Timestamptz(6),
        Type::Timestamp(0),
        Type::Date,
        Type::Time(3),
        Type::Timetz(6),
        Type::Interval(2),
        Type::Uuid,
        Type::Inet,
        Type::Cidr,
        Type::Macaddr,
        Type::Macaddr8,
        Type::Bit(4),
        Type::Varbit(None),
        Type::Enum(vec!["sad".to_owned()].into()),
        Type::Xml,
        Type::Hstore,
        Type::Versioned,
        Type::Input(Form::Text),
        Type::Input(Form::Point),
        Type::Vector,
    ];
    let arrays = scalars.iter().cloned();
    let arrays = arrays.map(|of| Type::Array(Box::new(of), 1));
    scalars.iter().cloned().chain(arrays).collect()
}

fn meanings() -> Vec<Meaning> {
    let units = [
        EpochUnit::Days,
        EpochUnit::Seconds,
        EpochUnit::Milliseconds,
        EpochUnit::Microseconds,
        EpochUnit::Nanoseconds,
    ];
    let counts = units.into_iter().flat_map(|unit| {
        [
            Meaning::Epoch(unit),
            Meaning::TimeOfDay(unit),
            Meaning::Duration(unit),
        ]
    });
    let bits = [Meaning::Bits(None), Meaning::Bits(Some(5)), Meaning::Single];
    counts.chain(bits).collect()
}

/// What was written has the length that it says.
fn is_whole(out: &[u8]) -> bool {
    let Some((length, value)) = out.split_first_chunk() else {
        return false;
    };
    match i32::from_be_bytes(*length) {
        -1 => value.is_empty(),
        length => usize::try_from(length) == Ok(value.len()),
    }
}

fn check(value: &Value) -> Result<(), TestCaseError> {
    for data_type in types() {
        let mut out = Vec::new();
        if super::value(&data_type, value, Rules::default(), &mut out).is_ok() {
            prop_assert!(is_whole(&out), "{:?} of {:?}", data_type, value);
        }
        for meaning in meanings() {
            let mut out = Vec::new();
            let rules = Rules {
                reads_texts: false,
                excess_digits: ExcessDigits::Truncate,
                rounds_decimals: true,
                nul_characters: NulCharacters::Replace,
                zone: Zone::named("America/New_York").unwrap(),
                date_zone: Zone::named("America/New_York").unwrap(),
            };
            if meant(meaning, &data_type, value, rules, &mut out).is_ok() {
                prop_assert!(is_whole(&out), "{:?} of {:?}", data_type, value);
            }
        }
    }
    Ok(())
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Int),
        prop_oneof![Just(i64::MIN), Just(i64::MAX), -9..9_i64].prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        ".{0,8}".prop_map(|text| Value::from(text.as_str())),
        "[-+0-9:TZPYMDHSW.,/ e]{0,24}".prop_map(|text| Value::from(text.as_str())),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,9})?)?Z?"
            .prop_map(|text| Value::from(text.as_str())),
        any::<Vec<u8>>().prop_map(|bytes| Value::Bytes(bytes.into())),
        (any::<i128>(), any::<i32>())
            .prop_map(|(digits, scale)| Decimal::new(digits.into(), scale % 200_000))
            .prop_map(|decimal| Value::Decimal(Box::new(decimal))),
        any::<i32>().prop_map(Value::Date),
        any::<i64>().prop_map(Value::Time),
        any::<i64>().prop_map(Value::Timestamp),
        "\\[(\\[1,2\\],|\\[\\]|1|,|\"x\"|null|\\{\\}| )*\\]"
            .prop_filter("JSON", |text| {
                serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
            })
            .prop_map(|text| Value::Json(text.as_str().into())),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let pairs = proptest::collection::vec((inner.clone(), inner.clone()), 0..3);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
            pairs.prop_map(Value::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_value_is_whole_or_refused(value in values()) {
        check(&value)?;
    }

    #[test]
    fn json_text_is_written_as_its_value_is(text in json_texts()) {
        let text = Bytes::from(format!("{{\"f\":{text}}}"));
        let mut shapes = Shapes::default();
        // The second time the shape is known, and the row stays text.
        for _ in 0..2 {
            let row = shapes.read_shared(&text).unwrap();
            let row = row.as_struct().unwrap();
            for data_type in types() {
                let (mut by_text, mut by_value) = (Vec::new(), Vec::new());
                let rules = Rules::default();
                let fits = value_ref(&data_type, row.value(0), rules, &mut by_text);
                let value = row.clone().into_parts().1.remove(0);
                prop_assert_eq!(fits.clone(), value_of(&data_type, &value, &mut by_value));
                if fits.is_ok() {
                    let by_text = significant(&data_type, by_text);
                    let keeps_more = by_text != by_value
                        && Some(&by_text) == digits(&data_type, row.value(0)).as_ref();
                    prop_assert!(keeps_more || by_text == by_value, "{:?}", data_type);
                }
            }
        }
    }
}

/// What a `numeric` has for the digits of JSON text. A float that prints as they are may have
/// fewer.
fn digits(data_type: &Type, value: ValueRef<'_>) -> Option<Vec<u8>> {
    let (Type::Numeric(_), ValueRef::Literal(number)) = (data_type, value) else {
        return None;
    };
    let text = number.to_string();
    let decimal = text.trim_end_matches('0').parse().ok()?;
    let mut out = Vec::new();
    value_of(data_type, &Value::Decimal(Box::new(decimal)), &mut out).ok()?;
    Some(out)
}

#[test]
fn numeric_has_each_digit_of_json_text() {
    for text in [
        "10000000.4382246137",
        "12345678901234.501",
        "0.10000000000000001",
        "-89.99989999999999",
    ] {
        let json = Bytes::from(format!("{{\"f\":{text}}}"));
        let mut shapes = Shapes::default();
        shapes.read_shared(&json).unwrap();
        let row = shapes.read_shared(&json).unwrap();
        let number = row.as_struct().unwrap().value(0);
        let unlimited = Type::Numeric(None);
        let mut by_text = Vec::new();
        value_ref(&unlimited, number, Rules::default(), &mut by_text).unwrap();
        assert_eq!(Some(by_text), digits(&unlimited, number), "{text}");
    }
}

fn value_of(data_type: &Type, value: &Value, out: &mut Vec<u8>) -> Fit {
    let fits = super::value(data_type, value, Rules::default(), out);
    *out = significant(data_type, std::mem::take(out));
    fits
}

/// Without the number of digits to show, which a column with a scale has its own of.
fn significant(data_type: &Type, mut bytes: Vec<u8>) -> Vec<u8> {
    if let (Type::Numeric(Some(_)), Some(shown)) = (data_type, bytes.get_mut(10..12)) {
        shown.fill(0);
    }
    bytes
}

/// JSON values as texts.
fn json_texts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        "-?(0|[1-9][0-9]{0,3})",
        "-?(0|[1-9][0-9]{0,9})\\.[0-9]{1,12}",
        "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,3}(00|50|49999999|99999999|5)?",
        "-?[1-9]\\.[0-9]{1,3}e-?[0-9]{1,2}",
        (-1e4..1e4_f64).prop_map(|number| format!("{number:?}")),
        (-1e8..1e8_f64, 7..12_usize).prop_map(|(number, scale)| format!("{number:.scale$}")),
        "\"[-+0-9:TZ. a-zé\\n]{0,24}\"".prop_map(|text| text.replace('\n', "\\n")),
        "\"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9](:[0-6][0-9](\\.[0-9]{1,9})?)?Z?\"",
        "\\[(1|2\\.50|\"x\"|null)?(,1|,\"y\"|,\\[\\]){0,2}\\]".prop_filter("JSON", |text| {
            serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
        }),
        Just(r#"{"a":[1,{"b":"\\u0000"}]}"#.to_owned()),
    ]
}

#[test]
fn what_is_too_long_for_postgres_is_refused_before_it_is_copied() {
    // Pages that are never touched are never there.
    let zeros = Value::Bytes(vec![0; MAX_LENGTH + 1].into());
    let mut out = Vec::new();
    let refused = value(&Type::Bytea, &zeros, Rules::default(), &mut out);
    assert_eq!(
        refused,
        Err(Misfit::new("cannot take a value of 1 GiB or more"))
    );
    assert_eq!(out.capacity(), 0);
}

#[test]
fn numeric_has_as_many_digits_as_postgres() {
    let fits = |text: &str| {
        let mut out = Vec::new();
        value(
            &Type::Numeric(None),
            &Value::from(text),
            Rules::default(),
            &mut out,
        )
        .is_ok()
    };
    assert!(fits(&"9".repeat(131_072)));
    assert!(!fits(&"9".repeat(131_073)));
    assert!(fits(&format!("0.{}", "9".repeat(16_383))));
    assert!(!fits(&format!("0.{}", "9".repeat(16_384))));
    assert!(fits("1e131071"));
    assert!(!fits("1e131072"));
    assert!(!fits("1e999999999"));
}

#[test]
fn an_end_of_time_is_a_word_or_debeziums_number() {
    use crate::config::EpochUnit::{Days, Microseconds, Milliseconds, Nanoseconds};
    let written = |data_type: &Type, given: &Value, meaning: Option<Meaning>| {
        let mut out = Vec::new();
        let rules = Rules::default();
        match meaning {
            None => value(data_type, given, rules, &mut out),
            Some(meaning) => meant(meaning, data_type, given, rules, &mut out),
        }
        .map(|()| out.split_off(4))
    };
    let (stamp, date) = (Type::Timestamp(3), Type::Date);
    for (word, number, day) in [
        ("infinity", i64::MAX, i32::MAX),
        ("Infinity", i64::MAX, i32::MAX),
        ("+infinity", i64::MAX, i32::MAX),
        ("-infinity", i64::MIN, i32::MIN),
    ] {
        let word = Value::from(word);
        let expect = Ok(number.to_be_bytes().to_vec());
        assert_eq!(written(&stamp, &word, None), expect);
        assert_eq!(written(&Type::Timestamptz(6), &word, None), expect);
        assert_eq!(written(&date, &word, None), Ok(day.to_be_bytes().to_vec()));
    }
    for word in [
        "",
        "-",
        "infinit",
        "infinityy",
        "--infinity",
        "i",
        "-i",
        " infinity",
    ] {
        assert!(written(&stamp, &Value::from(word), None).is_err(), "{word}");
        assert!(written(&date, &Value::from(word), None).is_err(), "{word}");
    }
    for (number, unit, expect) in [
        (9_223_372_036_825_200_000, Microseconds, i64::MAX),
        (9_223_372_036_825_200_000, Milliseconds, i64::MAX),
        (9_223_372_036_825_200, Milliseconds, i64::MAX),
        (-9_223_372_036_832_400_000, Microseconds, i64::MIN),
        (-9_223_372_036_832_400, Milliseconds, i64::MIN),
        (i64::MAX, Nanoseconds, i64::MAX),
    ] {
        let meaning = Some(Meaning::LocalEpoch(unit));
        let given = Value::Int(number);
        let expect = Ok(expect.to_be_bytes().to_vec());
        assert_eq!(written(&stamp, &given, meaning), expect, "{number}");
    }
    let days = Some(Meaning::LocalEpoch(Days));
    let last = written(&date, &Value::Int(i32::MAX.into()), days);
    assert_eq!(last, Ok(i32::MAX.to_be_bytes().to_vec()));
    // A day before the end of Java's numbers is none.
    assert!(written(&date, &Value::Int(i64::from(i32::MAX) - 1), days).is_err());
    // Without Debezium's type it is a number as any other.
    let plain = Some(Meaning::Epoch(Milliseconds));
    assert!(written(&stamp, &Value::Int(9_223_372_036_825_200_000), plain).is_err());
}

#[test]
fn no_number_becomes_an_infinity_of_time() {
    for micros in [i64::MIN, i64::MAX, i64::MAX - 1] {
        for data_type in [Type::Timestamptz(6), Type::Timestamp(6)] {
            let mut out = Vec::new();
            let written = value(
                &data_type,
                &Value::Timestamp(micros),
                Rules::default(),
                &mut out,
            );
            let sentinels = [i64::MIN.to_be_bytes(), i64::MAX.to_be_bytes()];
            let is_sentinel = sentinels.iter().any(|s| out.ends_with(s));
            assert!(written.is_err() || !is_sentinel, "{micros}");
        }
    }
    let extremes = "P178956970Y7M2147483647DT2562047788H54.775807S";
    let mut out = Vec::new();
    let written = value(
        &Type::Interval(6),
        &Value::from(extremes),
        Rules::default(),
        &mut out,
    );
    assert_eq!(
        written,
        Err(Misfit::new("cannot hold a duration of that length"))
    );
}
