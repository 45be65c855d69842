//! The values of the matrix: each of Kafka Connect's types, JSON's, and Debezium's.

use std::sync::Arc;

use connect_api::{Decimal, Field, Kind, Schema, Struct, Value};

use crate::fixture::nested;

/// A value, its schema, and what to call it.
#[derive(Clone)]
pub struct Source {
    pub label: String,
    pub schema: Schema,
    pub value: Value,
}

impl Source {
    /// A value of schemaless JSON.
    pub fn any(label: &str, value: Value) -> Self {
        Self::of("JSON", label, Schema::any(), value)
    }

    fn of(kind: &str, label: &str, schema: Schema, value: Value) -> Self {
        Self {
            label: format!("{kind} {label}"),
            schema,
            value,
        }
    }
}

/// All of them.
pub fn sources() -> Vec<Source> {
    let groups = [
        integers(),
        fractions(),
        texts(),
        texts_of_types(),
        bytes_and_times(),
        arrays_within_arrays(),
        arrays(),
        nested_values(),
        json(),
        debezium_times(),
        debezium_texts(),
        debezium_structs(),
    ];
    groups.into_iter().flatten().collect()
}

fn decimal(text: &str) -> Value {
    Value::Decimal(Box::new(text.parse::<Decimal>().unwrap()))
}

fn text(text: &str) -> Value {
    Value::from(text)
}

fn integers() -> Vec<Source> {
    let of = |kind: &str, number: i64, schema: Kind| {
        Source::of(
            kind,
            &number.to_string(),
            Schema::new(schema),
            Value::Int(number),
        )
    };
    vec![
        of("INT8", i8::MIN.into(), Kind::Int8),
        of("INT16", i16::MAX.into(), Kind::Int16),
        of("INT32", i32::MIN.into(), Kind::Int32),
        of("INT32", 1, Kind::Int32),
        of("INT64", i64::MAX, Kind::Int64),
        of("INT64", i64::MIN, Kind::Int64),
        of("INT64", 86_400_000, Kind::Int64),
        of("INT64", (1 << 53) + 1, Kind::Int64),
    ]
}

fn fractions() -> Vec<Source> {
    let single = |label: &str, number: f32| {
        let value = Value::Float(number.into());
        Source::of("FLOAT32", label, Schema::new(Kind::Float32), value)
    };
    let double = |label: &str, number: f64| {
        let value = Value::Float(number);
        Source::of("FLOAT64", label, Schema::new(Kind::Float64), value)
    };
    let exact = |label: &str, scale: i32| {
        let schema = Schema::new(Kind::Decimal(Some(scale)));
        Source::of("Decimal", label, schema, decimal(label))
    };
    let boolean = Schema::new(Kind::Boolean);
    vec![
        Source::of("BOOLEAN", "true", boolean.clone(), Value::Boolean(true)),
        Source::of("BOOLEAN", "false", boolean, Value::Boolean(false)),
        single("0.1", 0.1),
        single("infinity", f32::INFINITY),
        double("0.1", 0.1),
        double("-0.125", -0.125),
        double("9999.995", 9999.995),
        double("-0", -0.0),
        double("7", 7.0),
        double("1e300", 1e300),
        double("5e-324", 5e-324),
        double("NaN", f64::NAN),
        double("-infinity", f64::NEG_INFINITY),
        exact("1.50", 2),
        exact("12.00", 2),
        exact("-0.125", 3),
        exact("12345678901234567890123456789012345678", 0),
        exact("-0.000000000000000001", 18),
    ]
}

fn texts() -> Vec<Source> {
    let of = |label: &str, value: &str| {
        Source::of("STRING", label, Schema::new(Kind::String), text(value))
    };
    vec![
        Source::of(
            "STRING",
            "null",
            Schema::optional(Kind::String),
            Value::Null,
        ),
        of("empty", ""),
        of("blank", " "),
        of("\"true\"", "true"),
        of("\"12.50\"", "12.50"),
        of("\"0.125\"", "0.125"),
        of("\"sad\"", "sad"),
        of("of 5 characters", "äöü\u{1F600}z"),
        of("of 64 bytes", &"x".repeat(64)),
        of("with NUL", "a\0b"),
        of("\"NaN\"", "NaN"),
        of("\"infinity\"", "infinity"),
    ]
}

/// Texts of the types that JSON has no values for.
fn texts_of_types() -> Vec<Source> {
    let texts = [
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "{\"a\":1}",
        "{\"a\":null,\"b\":\"x\"}",
        "[1,2]",
        "[\"\\ud800\"]",
        "2024-02-29",
        "-0043-03-15",
        "2023-02-29",
        "23:59:60",
        "24:00:00",
        "12:34:56.789",
        "12:34:56+05:30",
        "12:34Z",
        "2024-02-29T12:34:56.123456789Z",
        "2024-02-29 12:34:56.5+01",
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00Z",
        "-4712-01-01T00:00:00Z",
        "+294276-12-31T23:59:59.999999Z",
        "P1Y2M3DT4H5M6.5S",
        "PT-36H",
        "10.1.2.3/8",
        "10.0.0.0/8",
        "fe80::1",
        "08:00:2b:01:02:03",
        "08-00-2b-01-02-03-04-05",
        "1010",
        "<a>b</a>",
        "<a>",
        "top.sub",
        "$.a[*]",
        "(1.5,-2)",
        "[1,5)",
        "'a':1 'b':2A",
        "16/B374D848",
    ];
    let of = |value: &&str| {
        let label = format!("\"{value}\"");
        Source::of("STRING", &label, Schema::new(Kind::String), text(value))
    };
    texts.iter().map(of).collect()
}

fn bytes_and_times() -> Vec<Source> {
    const DAY: i64 = 86_400_000_000;
    let bytes = |label: &str, bytes: &[u8]| {
        let value = Value::Bytes(bytes.to_vec().into());
        Source::of("BYTES", label, Schema::new(Kind::Bytes), value)
    };
    let date = |label: &str, days: i32| {
        Source::of("Date", label, Schema::new(Kind::Date), Value::Date(days))
    };
    let time = |label: &str, micros: i64| {
        Source::of("Time", label, Schema::new(Kind::Time), Value::Time(micros))
    };
    let timestamp = |label: &str, micros: i64| {
        let value = Value::Timestamp(micros);
        Source::of("Timestamp", label, Schema::new(Kind::Timestamp), value)
    };
    vec![
        bytes("00 ff", &[0, 255]),
        bytes("of 16", &[7; 16]),
        bytes("of none", &[]),
        date("1970-01-02", 1),
        date("0001-01-01", -719_162),
        date("of the greatest number", i32::MAX),
        time("01:02:03.004", 3_723_004_000),
        time("of microseconds", 1),
        time("of a whole day", DAY),
        time("of less than none", -1),
        timestamp("1970-01-01T00:00:00.001Z", 1_000),
        timestamp("9999-12-31T23:59:59.999Z", 253_402_300_799_999_000),
        timestamp("of the greatest number", i64::MAX),
        timestamp("of the smallest number", i64::MIN),
    ]
}

fn array(of: Schema, items: &[Value]) -> (Schema, Value) {
    (
        Schema::new(Kind::Array(of.into())),
        Value::Array(items.to_vec()),
    )
}

fn row(fields: Vec<(&str, Schema, Value)>, name: Option<&str>) -> (Schema, Value) {
    let (fields, values) = fields
        .into_iter()
        .map(|(name, schema, value)| (Field::new(name, schema), value))
        .unzip();
    let mut schema = Schema::new(Kind::Struct(fields));
    schema.name = name.map(Into::into);
    let row = Struct::new(Arc::new(schema.clone()), values);
    (schema, Value::Struct(Box::new(row)))
}

fn map(key: Kind, value: Kind, entries: &[(Value, Value)]) -> (Schema, Value) {
    let (key, value) = (Schema::new(key), Schema::optional(value));
    (
        Schema::new(Kind::Map(key.into(), value.into())),
        Value::Map(entries.to_vec()),
    )
}

fn shaped(label: &str, (schema, value): (Schema, Value)) -> Source {
    Source {
        label: label.to_owned(),
        schema,
        value,
    }
}

fn arrays_within_arrays() -> Vec<Source> {
    let int = || Schema::optional(Kind::Int32);
    let ints = |items: &[i64]| Value::Array(items.iter().map(|n| Value::Int(*n)).collect());
    let inner = || array(int(), &[]).0;
    let of = |label: &str, of: Schema, items: &[Value]| shaped(label, array(of, items));
    vec![
        of(
            "ARRAY of INT32",
            int(),
            &[Value::Int(1), Value::Null, Value::Int(-3)],
        ),
        of("ARRAY of INT32, empty", int(), &[]),
        of("ARRAY of ARRAY", inner(), &[ints(&[1, 2]), ints(&[3, 4])]),
        of(
            "ARRAY of ARRAY, ragged",
            inner(),
            &[ints(&[1, 2]), ints(&[3])],
        ),
        of("ARRAY of ARRAY, empty", inner(), &[ints(&[]), ints(&[])]),
    ]
}

fn arrays() -> Vec<Source> {
    let of = |kind: Kind, items: &[Value]| {
        let schema = Schema::optional(kind);
        let label = format!("ARRAY of {}", schema.type_name());
        shaped(&label, array(schema, items))
    };
    let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec().into());
    vec![
        of(
            Kind::String,
            &[text("a"), text(""), text("\"{}\\"), text("null")],
        ),
        of(Kind::Boolean, &[Value::Boolean(true), Value::Null]),
        of(Kind::Bytes, &[bytes(&[0]), bytes(&[])]),
        of(Kind::Float32, &[Value::Float(0.1_f32.into())]),
        shaped(
            "ARRAY of Decimal",
            array(Schema::new(Kind::Decimal(Some(2))), &[decimal("1.50")]),
        ),
        shaped(
            "ARRAY of Date",
            array(Schema::new(Kind::Date), &[Value::Date(1)]),
        ),
        shaped(
            "ARRAY of Timestamp",
            array(Schema::new(Kind::Timestamp), &[Value::Timestamp(1)]),
        ),
    ]
}

fn nested_values() -> Vec<Source> {
    let bytes = || Value::Bytes(vec![1].into());
    let fields = vec![
        ("x", Schema::optional(Kind::Int32), Value::Int(1)),
        ("y", Schema::new(Kind::Bytes), bytes()),
    ];
    let (schema, value) = row(fields, None);
    let entries = [(text("k"), text("v")), (text(""), Value::Null)];
    vec![
        shaped(
            "ARRAY of STRUCT",
            array(schema.clone(), std::slice::from_ref(&value)),
        ),
        shaped("STRUCT", (schema, value)),
        shaped(
            "MAP of STRING to STRING",
            map(Kind::String, Kind::String, &entries),
        ),
        shaped(
            "MAP of STRING to INT32",
            map(Kind::String, Kind::Int32, &[(text("k"), Value::Int(1))]),
        ),
        shaped(
            "MAP of INT32 to STRING",
            map(Kind::Int32, Kind::String, &[(Value::Int(1), text("v"))]),
        ),
        shaped(
            "MAP of BYTES to STRING",
            map(Kind::Bytes, Kind::String, &[(bytes(), text("v"))]),
        ),
    ]
}

fn json() -> Vec<Source> {
    vec![
        Source::any("null", Value::Null),
        Source::any("true", Value::Boolean(true)),
        Source::any("7", Value::Int(7)),
        Source::any("1700000000123", Value::Int(1_700_000_000_123)),
        Source::any("1.5", Value::Float(1.5)),
        Source::any("18446744073709551616", decimal("18446744073709551616")),
        Source::any("0.1000000000000000055", decimal("0.1000000000000000055")),
        Source::any("12345678901234567.89", decimal("12345678901234567.89")),
        Source::any("1e400", decimal("1e400")),
        Source::any("\"text\"", text("text")),
        Source::any("{\"a\": [1.50]}", nested("{\"a\": [1.50]}")),
        Source::any("{\"a\": \"\\u0000\"}", nested("{\"a\": \"\\u0000\"}")),
        Source::any(
            "{\"a\": \"\\ud83d\\ude00\"}",
            nested("{\"a\": \"\\ud83d\\ude00\"}"),
        ),
        Source::any("[1, null]", nested("[1, null]")),
        Source::any("[[1, 2], [3, 4]]", nested("[[1, 2], [3, 4]]")),
        Source::any("[\"sad\"]", nested("[\"sad\"]")),
        Source::any("[1700000000000]", nested("[1700000000000]")),
        Source::any(
            "[{\"a\": 1}, \"x\", [2]]",
            nested("[{\"a\": 1}, \"x\", [2]]"),
        ),
    ]
}

fn named(kind: Kind, name: &str) -> Schema {
    Schema::new(kind).named(format!("io.debezium.{name}"))
}

fn debezium_times() -> Vec<Source> {
    let of = |kind: Kind, name: &str, number: i64| {
        let schema = named(kind, &format!("time.{name}"));
        Source::of(
            &format!("io.debezium.time.{name}"),
            &number.to_string(),
            schema,
            Value::Int(number),
        )
    };
    let (schema, value) = array(named(Kind::Int32, "time.Date"), &[Value::Int(19_782)]);
    vec![
        of(Kind::Int32, "Date", 19_782),
        of(Kind::Int32, "Date", i32::MAX.into()),
        of(Kind::Int32, "Time", 45_296_789),
        of(Kind::Int64, "MicroTime", 45_296_789_012),
        of(Kind::Int64, "MicroTime", 86_400_000_000),
        of(Kind::Int64, "NanoTime", 45_296_789_012_000),
        of(Kind::Int64, "NanoTime", 45_296_789_012_345),
        of(Kind::Int64, "Timestamp", -1),
        of(Kind::Int64, "MicroTimestamp", 1_700_000_000_123_456),
        of(Kind::Int64, "MicroTimestamp", i64::MAX),
        of(Kind::Int64, "NanoTimestamp", 1_700_000_000_123_456_000),
        of(Kind::Int64, "NanoTimestamp", 1_700_000_000_123_456_789),
        of(Kind::Int64, "MicroDuration", -90_000_000),
        of(Kind::Int64, "NanoDuration", 1_001),
        of(Kind::Int32, "Year", 2024),
        Source::of("ARRAY of io.debezium.time.Date", "19782", schema, value),
    ]
}

fn debezium_texts() -> Vec<Source> {
    let of = |name: &str, value: &str| {
        let schema = named(Kind::String, name);
        Source::of(
            &format!("io.debezium.{name}"),
            &format!("\"{value}\""),
            schema,
            text(value),
        )
    };
    let bits = |length: &str, bytes: &[u8]| {
        let mut schema = named(Kind::Bytes, "data.Bits");
        schema.parameters.push(("length".into(), length.into()));
        let label = format!("of {length}: {bytes:02x?}");
        Source::of(
            "io.debezium.data.Bits",
            &label,
            schema,
            Value::Bytes(bytes.to_vec().into()),
        )
    };
    vec![
        of("time.ZonedTimestamp", "2024-02-29T12:34:56.123456Z"),
        of("time.ZonedTime", "12:34:56.789+02:00"),
        of("time.IsoTimestamp", "2024-02-29T12:34:56Z"),
        of("time.IsoDate", "2024-02-29Z"),
        of("time.IsoTime", "12:34:56Z"),
        of("time.Interval", "P1Y2M3DT4H5M6.78S"),
        of("data.Json", "{\"a\": 1}"),
        of("data.Xml", "<a/>"),
        of("data.Uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        of("data.Enum", "sad"),
        of("data.EnumSet", "sad,ok"),
        of("data.Ltree", "top.sub"),
        of("data.TsVector", "'a':1"),
        bits("4", &[0b0000_1010]),
        bits("4", &[0b0001_1010]),
        bits("8", &[0b1100_0001]),
        bits("2147483647", &[0b0000_0001]),
    ]
}

fn debezium_structs() -> Vec<Source> {
    let of = |name: &str, label: &str, fields: Vec<(&str, Schema, Value)>| {
        let name = format!("io.debezium.data.{name}");
        let (schema, value) = row(fields, Some(&name));
        Source::of(&name, label, schema, value)
    };
    let scaled = |label: &str, scale: i64, digits: &[u8]| {
        let fields = vec![
            ("scale", Schema::new(Kind::Int32), Value::Int(scale)),
            (
                "value",
                Schema::new(Kind::Bytes),
                Value::Bytes(digits.to_vec().into()),
            ),
        ];
        of("VariableScaleDecimal", label, fields)
    };
    let double = || Schema::new(Kind::Float64);
    let point = vec![
        ("x", double(), Value::Float(1.5)),
        ("y", double(), Value::Float(-0.1)),
        ("wkb", Schema::optional(Kind::Bytes), Value::Null),
        ("srid", Schema::optional(Kind::Int32), Value::Null),
    ];
    let (of_scaled, value) = {
        let Source { schema, value, .. } = scaled("", 1, &[25]);
        array(schema, &[value])
    };
    let (mut vector, floats) = array(Schema::new(Kind::Float32), &[Value::Float(0.5)]);
    vector.name = Some("io.debezium.data.FloatVector".into());
    vec![
        scaled("12.345", 3, &[0x30, 0x39]),
        scaled("7e2", -2, &[7]),
        Source::of("ARRAY of VariableScaleDecimal", "2.5", of_scaled, value),
        of("geometry.Point", "(1.5,-0.1)", point),
        Source::of("io.debezium.data.FloatVector", "[0.5]", vector, floats),
    ]
}
