//! Tests of Avro: its schemas, its bytes, and the wire format around them.

use std::collections::HashMap;
use std::sync::Arc;

use apache_avro::types::Value as Avro;
use connect_api::{Decimal, ErrorKind, Kind, Schema, Value};
use proptest::prelude::*;

use super::schema::compile;
use super::*;

mod memory;
mod recursion;

fn decoded(schema: &str, bytes: &[u8]) -> std::result::Result<Value, String> {
    let compiled = compile(&[], schema).map_err(|e| e.to_string())?;
    decode::decode(&compiled.plan, bytes).map_err(|e| {
        assert_eq!(e.kind(), ErrorKind::Data);
        e.to_string()
    })
}

fn encoded(schema: &str, value: Avro) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    let writer = apache_avro::writer::datum::GenericDatumWriter::builder(&schema)
        .build()
        .unwrap();
    writer.write_value_to_vec(value).unwrap()
}

fn check(schema: &str, value: Avro, expect: Value) {
    let bytes = encoded(schema, value);
    assert_eq!(decoded(schema, &bytes), Ok(expect), "{schema}");
    for cut in 0..bytes.len() {
        assert!(
            decoded(schema, &bytes[..cut]).is_err(),
            "{schema} cut at {cut}"
        );
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = decoded(schema, &longer).unwrap_err();
    assert_eq!(error, "1 bytes are left after the Avro value", "{schema}");
}

fn nullable(at: u32, value: Avro) -> Avro {
    Avro::Union(at, Box::new(value))
}

#[test]
fn primitive_types_are_read() {
    for (name, value, expect) in [
        ("boolean", Avro::Boolean(true), Value::Boolean(true)),
        ("int", Avro::Int(i32::MIN), Value::Int(i32::MIN.into())),
        ("long", Avro::Long(i64::MIN), Value::Int(i64::MIN)),
        ("float", Avro::Float(0.1), Value::Float(0.1_f32.into())),
        ("double", Avro::Double(-1.5), Value::Float(-1.5)),
        (
            "bytes",
            Avro::Bytes(vec![0, 255]),
            Value::Bytes(vec![0, 255].into()),
        ),
        (
            "string",
            Avro::String("\u{e9}".into()),
            Value::from("\u{e9}"),
        ),
    ] {
        check(&format!("\"{name}\""), value, expect);
    }
}

#[test]
fn logical_types_are_read() {
    for (of, name, value, expect) in [
        ("int", "date", Avro::Date(-1), Value::Date(-1)),
        ("int", "time-millis", Avro::TimeMillis(5), Value::Time(5000)),
        ("long", "time-micros", Avro::TimeMicros(5), Value::Time(5)),
        (
            "long",
            "timestamp-millis",
            Avro::TimestampMillis(-5),
            Value::Timestamp(-5000),
        ),
        (
            "long",
            "timestamp-micros",
            Avro::TimestampMicros(5),
            Value::Timestamp(5),
        ),
        (
            "long",
            "local-timestamp-millis",
            Avro::LocalTimestampMillis(5),
            Value::Timestamp(5000),
        ),
        (
            "long",
            "local-timestamp-micros",
            Avro::LocalTimestampMicros(5),
            Value::Timestamp(5),
        ),
        (
            "long",
            "timestamp-nanos",
            Avro::TimestampNanos(5),
            Value::Int(5),
        ),
    ] {
        let schema = format!(r#"{{"type":"{of}","logicalType":"{name}"}}"#);
        check(&schema, value, expect);
    }
}

#[test]
fn named_types_are_read() {
    check(
        r#"{"type":"enum","name":"Suit","symbols":["A","B"]}"#,
        Avro::Enum(1, "B".into()),
        Value::from("B"),
    );
    check(
        r#"{"type":"fixed","name":"Two","size":2}"#,
        Avro::Fixed(2, vec![1, 2]),
        Value::Bytes(vec![1, 2].into()),
    );
    check(
        r#"{"type":"fixed","name":"Span","size":12,"logicalType":"duration"}"#,
        Avro::Duration([1; 12].into()),
        Value::Bytes(vec![1; 12].into()),
    );
}

#[test]
fn decimals_and_uuids_are_read() {
    let number = |text: &str| Value::Decimal(Box::new(text.parse::<Decimal>().unwrap()));
    let schema = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    assert_eq!(decoded(schema, &[4, 0x30, 0x39]), Ok(number("123.45")));
    let compiled = compile(&[], schema).unwrap();
    assert_eq!(compiled.schema.kind, Kind::Decimal(Some(2)));
    let precision = ("connect.decimal.precision".into(), "9".into());
    assert_eq!(compiled.schema.parameters, [precision]);

    let schema = r#"{"type":"fixed","name":"D","size":2,"logicalType":"decimal","precision":4}"#;
    assert_eq!(decoded(schema, &[0xff, 0xff]), Ok(number("-1")));

    let schema = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
    let bytes: Vec<u8> = (0..16).collect();
    let expect = Value::from("00010203-0405-0607-0809-0a0b0c0d0e0f");
    assert_eq!(decoded(schema, &bytes), Ok(expect));
}

#[test]
fn unions_arrays_and_maps_are_read() {
    check(r#"["null","int"]"#, nullable(0, Avro::Null), Value::Null);
    check(
        r#"["int","null"]"#,
        nullable(0, Avro::Int(7)),
        Value::Int(7),
    );
    check(r#"["int","null"]"#, nullable(1, Avro::Null), Value::Null);
    check(
        r#"{"type":"array","items":"long"}"#,
        Avro::Array(vec![Avro::Long(1), Avro::Long(2)]),
        Value::Array(vec![Value::Int(1), Value::Int(2)]),
    );
    check(
        r#"{"type":"map","values":"string"}"#,
        Avro::Map([("k".into(), Avro::String("v".into()))].into()),
        Value::Map(vec![("k".into(), "v".into())]),
    );
    let several = decoded(r#"["null","int","string"]"#, &[4, 2, b'x']).unwrap();
    let row = several.as_struct().unwrap();
    assert_eq!(
        row.schema().name.as_deref(),
        Some("io.confluent.connect.avro.Union")
    );
    assert_eq!(
        (row.get("int"), row.get("string")),
        (Some(&Value::Null), Some(&"x".into()))
    );
    // A block with its size in bytes, then an ordinary one.
    let longs = decoded(r#"{"type":"array","items":"long"}"#, &[3, 4, 2, 4, 2, 6, 0]).unwrap();
    assert_eq!(
        longs,
        Value::Array(vec![Value::Int(1), Value::Int(2), Value::Int(3)])
    );
    let entry = r#"{"type":"array","items":{"type":"record","name":"E",
        "connect.internal.type":"MapEntry","fields":[{"name":"key","type":"int"},
        {"name":"value","type":"string"}]}}"#;
    let map = decoded(entry, &[2, 2, 2, b'x', 0]).unwrap();
    assert_eq!(map, Value::Map(vec![(Value::Int(1), "x".into())]));
}

const LONGS: &str = r#"{"type":"array","items":"long"}"#;
const NULLS: &str = r#"{"type":"array","items":"null"}"#;
const ROW: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array",
    "items":{"type":"record","name":"S","fields":[{"name":"b","type":"boolean"}]}}}]}"#;
/// The smallest long.
const HUGE: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
/// The largest, as the length of something.
const MANY: &[u8] = &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];

const TOO_SHORT: &str = "a length beyond the end of the bytes";
const TOO_MANY: &str = "a block of more items than its bytes can hold";
const NO_BRANCH: &str = "a union branch that the schema does not have";

/// A schema, bytes that are not of it, and what is wrong with them.
const HOSTILE: &[(&str, &[u8], &str)] = &[
    (r#""string""#, &[1], TOO_SHORT),
    (r#""string""#, MANY, TOO_SHORT),
    (r#""string""#, &[2, 0xff], "a string that is no UTF-8"),
    (r#""boolean""#, &[2], "a boolean that is neither 0 nor 1"),
    (r#""int""#, HUGE, "an int beyond 32 bits"),
    (r#""long""#, &[0xff; 11], "a number beyond 64 bits"),
    (r#""long""#, &[0xff; 3], "the bytes end within the value"),
    (
        r#"{"type":"int","connect.type":"int8"}"#,
        &[0x80, 2],
        "an integer out of the range of its Connect type",
    ),
    (r#"["null","int"]"#, &[4], NO_BRANCH),
    (r#"["null","int","string"]"#, &[1], NO_BRANCH),
    (
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        &[2],
        "an enum symbol that the schema does not have",
    ),
    (LONGS, MANY, TOO_MANY),
    (LONGS, &[3, 100, 2], TOO_SHORT),
    (
        LONGS,
        &[3, 2, 2, 2, 0],
        "a block of another size than it says",
    ),
    (NULLS, MANY, TOO_MANY),
    (
        ROW,
        &[2, 7, 0],
        "field a.[].b: a boolean that is neither 0 nor 1",
    ),
    (
        r#"{"type":"long","logicalType":"timestamp-millis"}"#,
        HUGE,
        "a timestamp beyond 64 bits of microseconds",
    ),
];

#[test]
fn hostile_bytes_are_refused() {
    for (schema, bytes, expect) in HOSTILE {
        let error = decoded(schema, bytes).unwrap_err();
        assert_eq!(error, *expect, "{schema} {bytes:?}");
    }
}

#[test]
fn values_without_bytes_are_limited() {
    let two_blocks = [0x80, 0xfa, 1, 0x80, 0xfa, 1, 0];
    assert!(decoded(NULLS, &two_blocks).is_ok());
    // Few items, of many values each.
    let field = |i: usize| format!(r#"{{"name":"f{i}","type":"null"}}"#);
    let fields = (0..30).map(field).collect::<Vec<_>>().join(",");
    let record = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let schema = format!(r#"{{"type":"array","items":{record}}}"#);
    let error = decoded(&schema, &[0x80, 0xfa, 1, 0]).unwrap_err();
    assert!(
        error.ends_with("too many values that take no bytes"),
        "{error}"
    );
}

#[test]
fn attributes_of_types_are_kept() {
    let schema = r#"{"type":"record","name":"Row","namespace":"a.b","doc":"rows","fields":[
        {"name":"at","doc":"when","type":{"type":"long","connect.version":1,
         "connect.name":"io.debezium.time.MicroTimestamp"}},
        {"name":"day","type":["null",{"type":"int","logicalType":"date",
         "connect.name":"org.apache.kafka.connect.data.Date"}],"default":null},
        {"name":"small","type":{"type":"int","connect.type":"int16"},"default":3},
        {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["X"]}},
        {"name":"again","type":["null","Kind"]},
        {"name":"source","type":{"type":"string","connect.parameters":{"p":"q"}}}]}"#;
    let compiled = compile(&[], schema).unwrap();
    let schema = &compiled.schema;
    assert_eq!(
        (schema.name.as_deref(), schema.doc.as_deref()),
        (Some("a.b.Row"), Some("rows"))
    );
    let field =
        |name: &str| Arc::clone(&schema.fields().unwrap()[schema.index_of(name).unwrap()].schema);
    let at = field("at");
    assert_eq!(
        (at.version, at.doc.as_deref(), &at.kind),
        (Some(1), Some("when"), &Kind::Int64)
    );
    assert_eq!(at.name.as_deref(), Some("io.debezium.time.MicroTimestamp"));
    let day = field("day");
    assert_eq!(
        (&day.kind, day.optional, &day.name),
        (&Kind::Date, true, &None)
    );
    let small = field("small");
    assert_eq!(
        (&small.kind, &small.default),
        (&Kind::Int16, &Some(Value::Int(3)))
    );
    assert_eq!(field("kind").name.as_deref(), Some("a.b.Kind"));
    assert_eq!(
        (field("again").optional, field("kind").optional),
        (true, false)
    );
    assert_eq!(field("source").parameters, [("p".into(), "q".into())]);
    // The struct carries the very schema that the datum has.
    let value = decode::decode(&compiled.plan, &[2, 0, 0, 0, 0, 2, b's']).unwrap();
    assert!(Arc::ptr_eq(value.as_struct().unwrap().schema(), schema));
}

#[test]
fn schemas_refer_to_others() {
    let other = r#"{"type":"record","name":"x.Other","fields":[{"name":"n","type":"int"}]}"#;
    let schema = r#"{"type":"record","name":"Row","namespace":"x","fields":[
        {"name":"a","type":"Other"},{"name":"b","type":["null","x.Other"]}]}"#;
    let compiled = compile(&[other.to_owned()], schema).unwrap();
    let value = decode::decode(&compiled.plan, &[2, 2, 4]).unwrap();
    let fields = value.as_struct().unwrap().values();
    for (field, expect) in fields.iter().zip([1, 2]) {
        assert_eq!(field.as_struct().unwrap().values(), [Value::Int(expect)]);
    }
}

#[test]
fn schemas_that_are_none_are_refused() {
    let deep = format!(
        "{}\"int\"{}",
        r#"{"type":"array","items":"#.repeat(60),
        "}".repeat(60)
    );
    assert!(compile(&[], &deep).is_ok());
    let deeper = format!(
        "{}\"int\"{}",
        r#"{"type":"array","items":"#.repeat(70),
        "}".repeat(70)
    );
    for (schema, expect) in [
        ("{", "it is no JSON"),
        ("7", "a type is neither a name, a list nor an object"),
        ("[]", "a union is empty"),
        (r#"[["int"],"null"]"#, "a union stands in a union"),
        (r#""Missing""#, "the type Missing is not defined"),
        (r#"{"type":"array"}"#, "an object has no items"),
        (
            r#"{"type":"fixed","name":"F","size":-1}"#,
            "a fixed has no size",
        ),
        (&deeper, "it is nested too deeply"),
    ] {
        let error = compile(&[], schema).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the Avro schema cannot be used: {expect}")
        );
        assert_eq!(error.kind(), ErrorKind::Data);
    }
    assert_eq!(compile(&[], "int").unwrap().schema.kind, Kind::Int32);
}

fn optional(schema: &str) -> String {
    format!(r#"["null",{schema}]"#)
}

/// A schema, a value for apache-avro to encode, and what it is here.
fn typed() -> impl Strategy<Value = (String, Avro, Value)> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(|n| (r#""int""#.to_owned(), Avro::Int(n), Value::Int(n.into()))),
        any::<i64>().prop_map(|n| (r#""long""#.to_owned(), Avro::Long(n), Value::Int(n))),
        any::<bool>().prop_map(|b| (
            r#""boolean""#.to_owned(),
            Avro::Boolean(b),
            Value::Boolean(b)
        )),
        ".*".prop_map(|t: String| {
            let value = Value::from(t.as_str());
            (r#""string""#.to_owned(), Avro::String(t), value)
        }),
        any::<Vec<u8>>().prop_map(|b| {
            (
                r#""bytes""#.to_owned(),
                Avro::Bytes(b.clone()),
                Value::Bytes(b.into()),
            )
        }),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let array = (inner.clone(), 0..4_usize).prop_map(|((schema, avro, value), n)| {
            let schema = format!(r#"{{"type":"array","items":{schema}}}"#);
            (
                schema,
                Avro::Array(vec![avro; n]),
                Value::Array(vec![value; n]),
            )
        });
        let map = (inner, any::<bool>(), ".*").prop_map(
            |((schema, avro, value), filled, key): (_, _, String)| {
                let schema = format!(r#"{{"type":"map","values":{schema}}}"#);
                let mut entries = HashMap::new();
                let mut expect = Vec::new();
                if filled {
                    expect.push((Value::from(key.as_str()), value));
                    entries.insert(key, avro);
                }
                (schema, Avro::Map(entries), Value::Map(expect))
            },
        );
        prop_oneof![array, map]
    })
}

proptest! {
    #[test]
    fn what_apache_avro_encodes_is_read(
        fields in proptest::collection::vec((typed(), any::<Option<bool>>()), 1..5),
    ) {
        let (mut schemas, mut record, mut expect) = (Vec::new(), Vec::new(), Vec::new());
        for (i, ((schema, avro, value), set)) in fields.into_iter().enumerate() {
            let name = format!("f{i}");
            // None: required. Some: optional, and whether it is set.
            let (schema, avro, value) = match set {
                None => (schema, avro, value),
                Some(true) => (optional(&schema), nullable(1, avro), value),
                Some(false) => (optional(&schema), nullable(0, Avro::Null), Value::Null),
            };
            schemas.push(format!(r#"{{"name":"{name}","type":{schema}}}"#));
            record.push((name, avro));
            expect.push(value);
        }
        let schema = format!(r#"{{"type":"record","name":"R","fields":[{}]}}"#, schemas.join(","));
        let value = decoded(&schema, &encoded(&schema, Avro::Record(record))).unwrap();
        prop_assert_eq!(value.as_struct().unwrap().values(), expect);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let schema = r#"{"type":"record","name":"R","fields":[
            {"name":"a","type":{"type":"array","items":["null","string","double"]}},
            {"name":"m","type":{"type":"map","values":{"type":"array","items":"null"}}},
            {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4}}]}"#;
        let _ = decoded(schema, &bytes);
        let array = r#"{"type":"array","items":"long"}"#;
        for schema in [array, r#"{"type":"map","values":"int"}"#, recursion::TREE] {
            let _ = decoded(schema, &bytes);
        }
    }
}

#[test]
fn a_default_that_is_none_is_left_out() {
    let schema = |default: &str| -> Schema {
        let text = format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"n",
            "type":{{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}},
            "default":{default}}}]}}"#
        );
        let compiled = compile(&[], &text).unwrap();
        (*compiled.schema.fields().unwrap()[0].schema).clone()
    };
    let expect = Value::Decimal(Box::new("0.7".parse().unwrap()));
    assert_eq!(schema("\"\\u0007\"").default, Some(expect));
    assert_eq!(schema("7").default, None);
}

#[test]
fn a_logical_type_beside_a_type_says_nothing() {
    let text = r#"{"type":"record","name":"R","fields":[
        {"name":"seen","type":"long","logicalType":"timestamp-millis"},
        {"name":"stored","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"day","type":["null","int"],"logicalType":"date"}]}"#;
    let compiled = compile(&[], text).unwrap();
    let fields = compiled.schema.fields().unwrap();
    let kinds: Vec<_> = fields
        .iter()
        .map(|field| field.schema.kind.clone())
        .collect();
    assert_eq!(kinds, [Kind::Int64, Kind::Timestamp, Kind::Int32]);
}
