//! Tests of Protobuf: what messages become, and what is read and written.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Datum, Decimal, ErrorKind, Field, Kind, Schema, Struct, Value};
use protox::prost::Message as _;
use protox::prost_reflect::DynamicMessage;
use serde_json::json;

use super::*;
use crate::registry::Reference;
use crate::registry::tests::{Fixture, framed, registry};

mod hostile;
mod registered;
mod round_trip;

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings {
        optional_for_proto2: true,
        raw_primitives: true,
        index_for_unions: true,
        ..Settings::default()
    };
    change(&mut settings);
    settings
}

fn registered(text: &str) -> Registered {
    Registered {
        text: text.to_owned(),
        references: Vec::new(),
    }
}

fn proto3(body: &str) -> String {
    format!("syntax = \"proto3\"; package demo; {body}")
}

fn compiled_with(text: &str, settings: Settings) -> Compiled {
    let file = ProtoFile::parse(&registered(text)).unwrap();
    schema::compile(&file, &file.message(&[0]).unwrap(), settings).unwrap()
}

fn compiled(text: &str) -> Compiled {
    compiled_with(text, settings(|_| {}))
}

fn read(compiled: &Compiled, bytes: &[u8]) -> std::result::Result<Value, String> {
    decode::decode(&compiled.plan, bytes).map_err(|e| e.chain())
}

/// The bytes that the library makes of a message in its text form: an oracle.
fn encoded(text: &str, value: &str) -> Vec<u8> {
    let file = ProtoFile::parse(&registered(text)).unwrap();
    let message = file.message(&[0]).unwrap();
    DynamicMessage::parse_text_format(message, value)
        .unwrap()
        .encode_to_vec()
}

fn value(compiled: &Compiled, bytes: &[u8], path: &[&str]) -> Value {
    let mut value = read(compiled, bytes).unwrap();
    for name in path {
        value = value.as_struct().unwrap().get(name).unwrap().clone();
    }
    value
}

#[test]
fn types_are_those_of_confluents_converter() {
    let int = |number: i64| Value::Int(number);
    for (kind, given, expect, connect) in [
        ("int32", "-7", int(-7), Kind::Int32),
        ("sint32", "-7", int(-7), Kind::Int32),
        ("sfixed32", "-7", int(-7), Kind::Int32),
        ("uint32", "4294967295", int(4_294_967_295), Kind::Int64),
        ("fixed32", "4294967295", int(4_294_967_295), Kind::Int64),
        ("int64", "-7", int(-7), Kind::Int64),
        ("sint64", "-9223372036854775808", int(i64::MIN), Kind::Int64),
        ("sfixed64", "-7", int(-7), Kind::Int64),
        // As Java, which has no unsigned numbers.
        ("uint64", "18446744073709551615", int(-1), Kind::Int64),
        ("fixed64", "18446744073709551615", int(-1), Kind::Int64),
        ("float", "0.5", Value::Float(0.5), Kind::Float32),
        ("double", "-0.1", Value::Float(-0.1), Kind::Float64),
        ("bool", "true", Value::Boolean(true), Kind::Boolean),
        ("string", "\"é\"", Value::from("é"), Kind::String),
        (
            "bytes",
            "\"\\000\\377\"",
            Value::Bytes(vec![0, 255].into()),
            Kind::Bytes,
        ),
        ("Color", "RED", Value::from("RED"), Kind::String),
        (
            "google.protobuf.Timestamp",
            "{ seconds: -1 nanos: 123456789 }",
            Value::Timestamp(-876_544),
            Kind::Timestamp,
        ),
        (
            "google.type.Date",
            "{ year: 2000 month: 2 day: 29 }",
            Value::Date(11_016),
            Kind::Date,
        ),
        (
            "google.type.TimeOfDay",
            "{ hours: 14 minutes: 30 nanos: 1000 }",
            Value::Time(52_200_000_001),
            Kind::Time,
        ),
    ] {
        let text = proto3(&format!(
            "import \"google/protobuf/timestamp.proto\"; import \"google/type/date.proto\";
             import \"google/type/timeofday.proto\";
             enum Color {{ NONE = 0; RED = 5; }} message Row {{ {kind} v = 3; }}"
        ));
        let compiled = compiled(&text);
        let field = &compiled.schema.fields().unwrap()[0];
        assert_eq!(
            (&field.schema.kind, field.schema.optional),
            (&connect, true),
            "{kind}"
        );
        let (tag, number) = field.schema.parameters.last().unwrap();
        assert_eq!(
            (&**tag, &**number),
            ("io.confluent.connect.protobuf.Tag", "3")
        );
        let bytes = encoded(&text, &format!("v: {given}"));
        assert_eq!(value(&compiled, &bytes, &["v"]), expect, "{kind}");
    }
}

#[test]
fn what_is_left_out_is_zero_or_null_by_its_presence() {
    let text = proto3(
        "message Row { int32 a = 1; optional int32 b = 2; string c = 3; E e = 4; Row m = 5;
         repeated int32 r = 6; map<string, int32> p = 7; enum E { ZERO = 0; }
         oneof o { int32 x = 8; string y = 9; } }",
    );
    let compiled = compiled(&text);
    let row = read(&compiled, &[]).unwrap();
    let row = row.as_struct().unwrap();
    let names: Vec<_> = compiled
        .schema
        .fields()
        .unwrap()
        .iter()
        .map(|f| &*f.name)
        .collect();
    assert_eq!(names, ["o_0", "a", "b", "c", "e", "m", "r", "p"]);
    let (none, zero) = (Value::Null, Value::Int(0));
    let expect = [
        none.clone(),
        zero,
        none.clone(),
        Value::from(""),
        Value::from("ZERO"),
        none,
        Value::Array(vec![]),
        Value::Map(vec![]),
    ];
    assert_eq!(row.values(), expect);
    let proto2 = "message Row { optional int32 a = 1; optional int32 b = 2 [default = 7];
                  required int32 c = 3; }";
    let compiled2 = compiled_with(proto2, settings(|_| {}));
    assert_eq!(
        read(&compiled2, &[]).unwrap_err(),
        "a required field is missing"
    );
    let expect = [Value::Null, Value::Null, Value::Int(1)];
    assert_eq!(
        read(&compiled2, &[24, 1])
            .unwrap()
            .as_struct()
            .unwrap()
            .values(),
        expect
    );
    let without = compiled_with(proto2, settings(|s| s.optional_for_proto2 = false));
    let expect = [Value::Int(0), Value::Int(7), Value::Int(1)];
    assert_eq!(
        read(&without, &[24, 1])
            .unwrap()
            .as_struct()
            .unwrap()
            .values(),
        expect
    );
}

#[test]
fn oneofs_are_unions_and_the_last_one_set_counts() {
    let text = proto3(
        "message Row { oneof kind { int32 n = 1; string s = 2; Sub m = 3; }
         message Sub { int32 a = 1; int32 b = 2; } }",
    );
    let found = compiled(&text);
    let union = &found.schema.fields().unwrap()[0];
    let named = (&*union.name, union.schema.name.as_deref());
    assert_eq!(
        named,
        ("kind_0", Some("io.confluent.connect.protobuf.Union.kind"))
    );
    let set = |bytes: &[u8]| {
        value(&found, bytes, &["kind_0"])
            .as_struct()
            .unwrap()
            .values()
            .to_vec()
    };
    assert_eq!(set(&[8, 7]), [Value::Int(7), Value::Null, Value::Null]);
    assert_eq!(
        set(&[8, 7, 18, 1, b'x']),
        [Value::Null, Value::from("x"), Value::Null]
    );
    // A message that comes twice is merged; one that another member follows is gone.
    let merged = &set(&[26, 2, 8, 1, 26, 2, 16, 2])[2];
    assert_eq!(
        merged.as_struct().unwrap().values(),
        [Value::Int(1), Value::Int(2)]
    );
    assert_eq!(
        set(&[26, 2, 8, 1, 8, 7]),
        [Value::Int(7), Value::Null, Value::Null]
    );
    let flat = compiled_with(&text, settings(|s| s.flatten_unions = true));
    let names: Vec<_> = flat
        .schema
        .fields()
        .unwrap()
        .iter()
        .map(|f| &*f.name)
        .collect();
    assert_eq!(names, ["n", "s", "m"]);
    let row = read(&flat, &[8, 7, 18, 1, b'x']).unwrap();
    let expect = [Value::Null, Value::from("x"), Value::Null];
    assert_eq!(row.as_struct().unwrap().values(), expect);
    let general = compiled_with(
        &text,
        settings(|s| {
            s.generalized_sum_types = true;
            s.index_for_unions = false;
        }),
    );
    let union = &general.schema.fields().unwrap()[0];
    assert_eq!(
        (&*union.name, union.schema.name.as_deref()),
        ("kind", Some("kind"))
    );
}

#[test]
fn repeated_fields_and_maps_are_read_packed_or_not() {
    let text = proto3(
        "message Row { repeated sint32 r = 1; map<int32, Sub> sub_items = 2; repeated string s = 3;
         message Sub { int32 a = 1; } }",
    );
    let found = compiled(&text);
    let r = |bytes: &[u8]| value(&found, bytes, &["r"]);
    let expect = Value::Array(vec![Value::Int(-1), Value::Int(1)]);
    assert_eq!(r(&[10, 2, 1, 2]), expect);
    assert_eq!(r(&[8, 1, 8, 2]), expect);
    assert_eq!(r(&[8, 1, 10, 1, 2]), expect);
    let bytes = encoded(
        &text,
        "sub_items { key: 5 value { a: 6 } } s: \"x\" s: \"\"",
    );
    let Value::Map(entries) = value(&found, &bytes, &["sub_items"]) else {
        panic!("no map")
    };
    assert_eq!((entries.len(), &entries[0].0), (1, &Value::Int(5)));
    let expect = Value::Array(vec![Value::from("x"), Value::from("")]);
    assert_eq!(value(&found, &bytes, &["s"]), expect);
    let map = &found.schema.fields().unwrap()[1].schema;
    assert_eq!(map.name.as_deref(), Some("sub_items"));
    // An entry without its parts has zeros, and of two of one key the last counts.
    let Value::Map(entries) = value(&found, &[18, 0, 18, 4, 18, 2, 8, 9], &["sub_items"]) else {
        panic!("no map")
    };
    let [(key, item)] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(*key, Value::Int(0));
    assert_eq!(item.as_struct().unwrap().values(), [Value::Int(9)]);
}

#[test]
fn wrappers_and_meta_say_what_a_field_means() {
    let text = proto3(
        "import \"google/protobuf/wrappers.proto\"; import \"confluent/meta.proto\";
         import \"confluent/type/decimal.proto\";
         message Row { google.protobuf.StringValue w = 1;
         confluent.type.Decimal d = 2 [(confluent.field_meta) = { params: [
           { key: \"precision\", value: \"8\" }, { key: \"scale\", value: \"3\" }] }];
         int32 i = 3 [(confluent.field_meta) = { params: [{ key: \"connect.type\", value: \"int8\" }] }];
         confluent.type.Decimal any = 4; }",
    );
    let found = compiled(&text);
    let kinds: Vec<_> = found
        .schema
        .fields()
        .unwrap()
        .iter()
        .map(|f| f.schema.kind.clone())
        .collect();
    assert!(matches!(&kinds[0], Kind::Struct(_)));
    assert_eq!(
        kinds[1..],
        [Kind::Decimal(Some(3)), Kind::Int8, Kind::Decimal(None)]
    );
    let bytes = encoded(
        &text,
        "w { value: \"x\" } d { value: \"\\005\" scale: 1 } i: 7 \
                                any { value: \"\\005\" scale: 1 }",
    );
    assert_eq!(value(&found, &bytes, &["w", "value"]), Value::from("x"));
    let decimal = |digits: i64, scale| Value::Decimal(Box::new(Decimal::new(digits.into(), scale)));
    assert_eq!(value(&found, &bytes, &["d"]), decimal(500, 3));
    assert_eq!(value(&found, &bytes, &["any"]), decimal(5, 1));
    let finer = encoded(&text, "d { value: \"\\005\" scale: 4 }");
    let why = read(&found, &finer).unwrap_err();
    assert_eq!(
        why,
        "field d: a decimal with more than 3 digits of fraction"
    );
    let why = read(&found, &encoded(&text, "i: 128")).unwrap_err();
    assert_eq!(
        why,
        "field i: an integer out of the range of its Connect type"
    );
    let wrapped = compiled_with(&text, settings(|s| s.wrapper_for_nullables = true));
    let field = &wrapped.schema.fields().unwrap()[0].schema;
    assert_eq!((&field.kind, field.optional), (&Kind::String, true));
    assert_eq!(value(&wrapped, &bytes, &["w"]), Value::from("x"));
    assert_eq!(value(&wrapped, &[10, 0], &["w"]), Value::from(""));
    assert_eq!(value(&wrapped, &[], &["w"]), Value::Null);
    // Plain numbers are required then, as in Confluent's converter.
    assert!(!wrapped.schema.fields().unwrap()[2].schema.optional);
}

#[test]
fn enums_tell_their_symbols_and_numbers() {
    let text = proto3("message Row { Color c = 1; enum Color { NONE = 0; RED = 5; } }");
    let found = compiled(&text);
    let schema = &found.schema.fields().unwrap()[0].schema;
    let told: Vec<_> = schema
        .parameters
        .iter()
        .map(|(n, v)| (&**n, &**v))
        .collect();
    let name = "io.confluent.connect.protobuf.Enum";
    let (none, red) = (format!("{name}.NONE"), format!("{name}.RED"));
    assert_eq!(told[..3], [(name, "Color"), (&*none, "0"), (&*red, "5")]);
    assert_eq!(schema.name.as_deref(), Some("Color"));
    assert_eq!(
        value(&found, &[8, 9], &["c"]),
        Value::from("UNKNOWN_ENUM_VALUE_Color_9")
    );
    let number = compiled_with(&text, settings(|s| s.int_for_enums = true));
    assert_eq!(value(&number, &[8, 9], &["c"]), Value::Int(9));
    let full = compiled_with(&text, settings(|s| s.enhanced = true));
    assert_eq!(full.schema.name.as_deref(), Some("demo.Row"));
    let schema = &full.schema.fields().unwrap()[0].schema;
    assert_eq!(schema.name.as_deref(), Some("demo.Row.Color"));
}

#[test]
fn messages_within_themselves_are_rows_all_the_same() {
    let text = proto3("message Node { int32 n = 1; Node next = 2; repeated Node more = 3; }");
    let found = compiled(&text);
    let next = &found.schema.fields().unwrap()[1].schema;
    assert_eq!((&next.kind, next.optional), (&Kind::Any, true));
    let bytes = encoded(&text, "n: 1 next { n: 2 next { n: 3 } } more { n: 4 }");
    assert_eq!(value(&found, &bytes, &["next", "next", "n"]), Value::Int(3));
}

#[test]
fn message_indexes_name_a_message_of_the_text() {
    let text = proto3(
        "message A { map<string, int32> m = 1; message B { message C { int32 c = 1; } } }
         message D { int32 d = 1; message E { int32 e = 1; } }",
    );
    let file = ProtoFile::parse(&registered(&text)).unwrap();
    for (indexes, name) in [
        (&[0][..], "demo.A"),
        (&[0, 0], "demo.A.B"),
        (&[0, 0, 0], "demo.A.B.C"),
        (&[1], "demo.D"),
        (&[1, 0], "demo.D.E"),
    ] {
        assert_eq!(file.message(indexes).unwrap().full_name(), name);
        assert_eq!(file.indexes(name).as_deref(), Some(indexes));
        let written = write::indexes(indexes);
        let read = decode::indexes(&written).unwrap();
        assert_eq!(read, (indexes.to_vec(), &[][..]));
    }
    assert_eq!(write::indexes(&[0]), [0]);
    // As Confluent's documentation has it: the length first, each a zigzag varint.
    assert_eq!(write::indexes(&[1, 0]), [4, 2, 0]);
    assert!(file.message(&[0, 1]).is_err());
    assert!(file.message(&[2]).is_err());
    assert_eq!(file.indexes("demo.A.MEntry"), None);
}
