//! Tests of text, bytes and numbers.

use connect_api::{ErrorKind, Properties, RecordPart};
use proptest::prelude::*;

use super::*;
use crate::{ConverterContext, build, build_header};

fn converter(kind: &ConverterType) -> Box<dyn Converter> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let context = ConverterContext {
        runtime: runtime.handle().clone(),
        part: RecordPart::Key,
    };
    build(kind.class, &Properties::new(), &context).unwrap()
}

fn convert(kind: &ConverterType, bytes: Option<&[u8]>) -> std::result::Result<Value, String> {
    let bytes = bytes.map(Bytes::copy_from_slice);
    let datum = converter(kind)
        .to_connect_data("topic", bytes.as_ref())
        .map_err(|e| {
            assert_eq!(e.kind(), ErrorKind::Data);
            e.to_string()
        })?;
    assert!(datum.schema.unwrap().optional);
    Ok(datum.value)
}

fn written(kind: &ConverterType, datum: &Datum) -> std::result::Result<Option<Vec<u8>>, String> {
    let mut converter = converter(kind);
    let bytes = converter.from_connect_data("topic", datum).map_err(|e| {
        assert_eq!(e.kind(), ErrorKind::Data);
        e.to_string()
    })?;
    Ok(bytes.map(Cow::into_owned))
}

#[test]
fn bytes_are_read_by_their_class() {
    for (kind, bytes, expect) in [
        (STRING, &b"h\xc3\xa9"[..], Ok(Value::from("h\u{e9}"))),
        (STRING, b"a\xff", Err("invalid UTF-8 after 1 bytes")),
        (
            BYTES,
            b"\x00\xff",
            Ok(Value::Bytes(Bytes::from_static(b"\x00\xff"))),
        ),
        (BOOLEAN, b"\x01", Ok(Value::Boolean(true))),
        (BOOLEAN, b"\x02", Err("a boolean is a byte of 0 or 1")),
        (BOOLEAN, b"", Err("size of data is 0 bytes, not 1")),
        (SHORT, b"\xff\xfe", Ok(Value::Int(-2))),
        (INTEGER, b"\x00\x00\x01\x00", Ok(Value::Int(256))),
        (
            INTEGER,
            b"\x00\x01\x00",
            Err("size of data is 3 bytes, not 4"),
        ),
        (LONG, b"\x80\0\0\0\0\0\0\0", Ok(Value::Int(i64::MIN))),
        (FLOAT, b"\x3f\xc0\0\0", Ok(Value::Float(1.5))),
        (DOUBLE, b"\x3f\xf8\0\0\0\0\0\0", Ok(Value::Float(1.5))),
    ] {
        let found = convert(&kind, Some(bytes));
        assert_eq!(found, expect.map_err(str::to_owned), "{}", kind.class);
        assert_eq!(convert(&kind, None), Ok(Value::Null), "{}", kind.class);
    }
}

/// Checks what is written of a value, without its schema and with it.
fn assert_written(kind: &ConverterType, of: Kind, value: Value, expect: &[u8]) {
    for datum in [
        Datum::schemaless(value.clone()),
        Datum::new(Schema::new(of), value),
    ] {
        // The width of a float is told by its schema alone.
        if datum.schema.is_none() && matches!(datum.value, Value::Float(_)) {
            continue;
        }
        let found = written(kind, &datum);
        assert_eq!(found, Ok(Some(expect.to_vec())), "{} {datum:?}", kind.class);
    }
    let null = Datum::new(Schema::optional(Kind::String), Value::Null);
    assert_eq!(written(kind, &null), Ok(None), "{}", kind.class);
}

#[test]
fn values_are_written_as_text() {
    for (of, value, expect) in [
        (
            Kind::String,
            Value::from("h\u{e9} \"x\""),
            &b"h\xc3\xa9 \"x\""[..],
        ),
        (Kind::Int32, Value::Int(-7), b"-7"),
        (Kind::Boolean, Value::Boolean(true), b"true"),
        (Kind::Float32, Value::Float(0.1_f32.into()), b"0.1"),
        (Kind::Float64, Value::Float(1.0), b"1.0"),
        (Kind::Float64, Value::Float(f64::INFINITY), b"Infinity"),
        (Kind::Date, Value::Date(19_737), b"2024-01-15"),
        (
            Kind::Bytes,
            Value::Bytes(Bytes::from_static(b"\0\x01\x02")),
            b"AAEC",
        ),
        (Kind::Any, Value::Json("[1, 2]".into()), b"[1, 2]"),
    ] {
        assert_written(&STRING, of, value, expect);
    }
}

/// The bytes of Java's serialisers.
#[test]
fn values_are_written_by_their_class() {
    for (kind, of, value, expect) in [
        (
            BYTES,
            Kind::Bytes,
            Value::Bytes(Bytes::from_static(b"\0\xff")),
            &b"\0\xff"[..],
        ),
        (BOOLEAN, Kind::Boolean, Value::Boolean(true), b"\x01"),
        (BOOLEAN, Kind::Boolean, Value::Boolean(false), b"\x00"),
        (SHORT, Kind::Int16, Value::Int(-2), b"\xff\xfe"),
        (SHORT, Kind::Int64, Value::Int(300), b"\x01\x2c"),
        (INTEGER, Kind::Int32, Value::Int(256), b"\0\0\x01\0"),
        (
            LONG,
            Kind::Int64,
            Value::Int(i64::MIN),
            b"\x80\0\0\0\0\0\0\0",
        ),
        (FLOAT, Kind::Float32, Value::Float(1.5), b"\x3f\xc0\0\0"),
        (
            FLOAT,
            Kind::Float32,
            Value::Float(f64::NAN),
            b"\x7f\xc0\0\0",
        ),
        (
            DOUBLE,
            Kind::Float64,
            Value::Float(1.5),
            b"\x3f\xf8\0\0\0\0\0\0",
        ),
    ] {
        assert_written(&kind, of, value, expect);
    }
}

#[test]
fn what_would_be_lost_is_refused() {
    for (kind, value, expect) in [
        (
            BYTES,
            Value::from("secret"),
            "ByteArrayConverter writes bytes, not string",
        ),
        (
            BOOLEAN,
            Value::Int(1),
            "BooleanConverter writes booleans, not integer",
        ),
        (
            SHORT,
            Value::Int(32_768),
            "ShortConverter writes integers of 16 bits, and the number does not fit",
        ),
        (
            INTEGER,
            Value::Int(i64::MAX),
            "IntegerConverter writes integers of 32 bits, and the number does not fit",
        ),
        (
            INTEGER,
            Value::Date(1),
            "IntegerConverter writes integers of 32 bits, not date",
        ),
        (
            LONG,
            Value::from("7"),
            "LongConverter writes integers of 64 bits, not string",
        ),
        (
            FLOAT,
            Value::Float(0.1),
            "FloatConverter writes floats of 32 bits, and the number does not fit",
        ),
        (
            DOUBLE,
            Value::Int(7),
            "DoubleConverter writes floats of 64 bits, not integer",
        ),
    ] {
        let found = written(&kind, &Datum::schemaless(value));
        assert_eq!(found, Err(expect.to_owned()));
    }
    let time = Datum::schemaless(Value::Array(vec![Value::Time(-1)]));
    assert!(written(&STRING, &time).is_err());
}

#[test]
fn text_and_bytes_are_not_copied() {
    let bytes = Value::Bytes(Bytes::from_static(b"x"));
    for (kind, value) in [(STRING, Value::from("x")), (BYTES, bytes)] {
        let datum = Datum::schemaless(value);
        let mut converter = converter(&kind);
        let written = converter.from_connect_data("topic", &datum).unwrap();
        assert!(
            matches!(written, Some(Cow::Borrowed(b"x"))),
            "{}",
            kind.class
        );
    }
}

#[test]
fn headers_are_read_as_values_are_but_for_broken_text() {
    let options = Properties::new();
    let header = |kind: &ConverterType, bytes: &[u8]| {
        let mut converter = build_header(kind.class, &options).unwrap();
        let bytes = Bytes::copy_from_slice(bytes);
        let read = converter.to_connect_header("topic", "name", Some(&bytes));
        read.map(|datum| datum.value)
    };
    assert_eq!(header(&STRING, b"a\xff").unwrap(), Value::from("a\u{fffd}"));
    assert_eq!(header(&SHORT, b"\0\x07").unwrap(), Value::Int(7));
    let error = header(&SHORT, b"\0").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    let mut converter = build_header(SHORT.class, &options).unwrap();
    let value = Datum::schemaless(Value::Int(7));
    let written = converter.from_connect_header("topic", "name", &value);
    assert_eq!(written.unwrap().as_deref(), Some(&b"\0\x07"[..]));
}

/// A class, and a value of the kind that it reads.
fn cases() -> impl Strategy<Value = (ConverterType, Kind, Value)> {
    let float = |number: f64| Value::Float(number);
    prop_oneof![
        any::<String>().prop_map(|text| (STRING, Kind::String, Value::from(&*text))),
        any::<Vec<u8>>().prop_map(|all| (BYTES, Kind::Bytes, Value::Bytes(all.into()))),
        any::<bool>().prop_map(|flag| (BOOLEAN, Kind::Boolean, Value::Boolean(flag))),
        any::<i16>().prop_map(|n| (SHORT, Kind::Int16, Value::Int(n.into()))),
        any::<i32>().prop_map(|n| (INTEGER, Kind::Int32, Value::Int(n.into()))),
        any::<i64>().prop_map(|n| (LONG, Kind::Int64, Value::Int(n))),
        any::<f32>().prop_map(move |n| (FLOAT, Kind::Float32, float(n.into()))),
        any::<f64>().prop_map(move |n| (DOUBLE, Kind::Float64, float(n))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        (kind, of, value) in cases(),
        is_null in prop::bool::weighted(0.1),
    ) {
        let value = if is_null { Value::Null } else { value };
        let datum = Datum::new(Schema::optional(of), value);
        let bytes = written(&kind, &datum).unwrap().map(Bytes::from);
        let read = converter(&kind).to_connect_data("topic", bytes.as_ref()).unwrap();
        prop_assert_eq!(read, datum);
    }
}

#[test]
fn only_utf_8_is_an_encoding() {
    for (encoding, accepted) in [("utf8", true), ("UTF-8", true), ("ISO-8859-1", false)] {
        let given = Properties::from([(ENCODING.to_owned(), encoding.to_owned())]);
        let built = build_header(STRING.class, &given);
        assert_eq!(built.is_ok(), accepted, "{encoding}");
        if let Err(error) = built {
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}
