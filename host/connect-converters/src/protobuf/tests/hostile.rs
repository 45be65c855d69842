//! Tests of texts and bytes that are none, or more than they seem.

use connect_api::{MemoryLimit, memory};

use super::*;

#[test]
fn texts_that_are_no_schema_are_refused() {
    for (text, why) in [
        ("{\"type\": \"int\"}", ""),
        ("message Row { optional Missing m = 1; }", "Missing"),
        ("import \"other.proto\"; message Row { }", "other.proto"),
        (
            "syntax = \"proto3\"; message Row { int32 a = 1; int32 b = 1; }",
            "",
        ),
    ] {
        let error = ProtoFile::parse(&registered(text)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.chain().contains(why), "{error}");
    }
    let deep = format!("{}{}", "message M { ".repeat(5000), "}".repeat(5000));
    let error = ProtoFile::parse(&registered(&deep)).err().unwrap();
    assert!(
        error.chain().ends_with("it is nested too deeply"),
        "{error}"
    );
    let group = "message Row { repeated group G = 1 { optional int32 a = 1; } }";
    let file = ProtoFile::parse(&registered(group)).unwrap();
    let message = file.message(&[0]).unwrap();
    let error = schema::compile(&file, &message, settings(|_| {}))
        .err()
        .unwrap();
    assert!(
        error.chain().contains("a group has no Connect schema"),
        "{error}"
    );
    // Each message stands twice in the next one.
    let mut doubling = String::from("message M0 { int32 a = 1; }");
    for level in 1..40 {
        let before = level - 1;
        doubling += &format!("message M{level} {{ M{before} a = 1; M{before} b = 2; }}");
    }
    let text = proto3(&doubling);
    let file = ProtoFile::parse(&registered(&text)).unwrap();
    let last = file.message(&[39]).unwrap();
    let error = schema::compile(&file, &last, settings(|_| {}))
        .err()
        .unwrap();
    assert!(error.chain().contains("too large"), "{error}");
}

#[test]
fn bytes_that_are_cut_or_wrong_are_refused() {
    let text = proto3(
        "message Row { int32 a = 1; string s = 2; repeated fixed32 f = 3; map<string, Row> m = 4;
         Row r = 5; double d = 6; }",
    );
    let found = compiled(&text);
    let value = "a: 300 s: \"text\" f: [1, 2] m { key: \"k\" value { a: 1 } } r { d: 1 } d: 2";
    let bytes = encoded(&text, value);
    assert!(read(&found, &bytes).is_ok());
    for cut in 0..bytes.len() {
        // Cut between fields, it is a message, too.
        let _ = read(&found, &bytes[..cut]);
    }
    for (bytes, why) in [
        (&[8][..], "the bytes end within the value"),
        (&[18, 5, 1], "a length beyond the end of the bytes"),
        (&[18, 1, 0xff], "a string that is no UTF-8"),
        (&[0, 1], "a field number that Protobuf does not have"),
        (&[15, 1], "a wire type that Protobuf does not have"),
        (&[12], "a group that ends before it begins"),
        (&[0x80; 11], "a number beyond 64 bits"),
        (&[0x7b, 0x74], "a group that ends as another"),
    ] {
        let error = read(&found, bytes).unwrap_err();
        assert!(error.contains(why), "{bytes:?}: {error}");
    }
    // What is not known is passed over: another number, another wire type, a group.
    for bytes in [
        &[0x78, 5][..],
        &[10, 1, 0],
        &[0x7b, 8, 1, 0x7c],
        &[0x79, 0, 0, 0, 0, 0, 0, 0, 0],
    ] {
        assert!(read(&found, bytes).is_ok(), "{bytes:?}");
    }
    let mut deep = Vec::new();
    for _ in 0..120 {
        let mut head = vec![42];
        let mut length = deep.len();
        while length >= 0x80 {
            head.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        head.push(length as u8);
        deep = [head, deep].concat();
    }
    let error = read(&found, &deep).unwrap_err();
    assert!(error.ends_with("messages nested too deeply"), "{error}");
    let groups = [0x7b].repeat(200);
    assert!(read(&found, &groups).is_err());
}

#[test]
fn many_values_are_paid_for() {
    let fields: String = (1..200).map(|n| format!("string f{n} = {n};")).collect();
    let text = proto3(&format!(
        "message Row {{ repeated Wide w = 1; repeated int32 i = 2; map<int32, Wide> m = 3;
         repeated Union u = 4; message Wide {{ {fields} }}
         message Union {{ oneof o {{ {fields} }} }} }}"
    ));
    let found = compiled(&text);
    for part in [&[10, 0][..], &[16, 1], &[26, 0], &[34, 2, 10, 0]] {
        let read = |count: usize| {
            let bytes = part.repeat(count);
            MemoryLimit(1 << 20).measure(|| read(&found, &bytes)).made
        };
        assert!(read(10).is_ok(), "{part:?}");
        let why = read(200_000).unwrap_err();
        assert!(why.ends_with(memory::EXCEEDED), "{part:?}: {why}");
    }
}

#[test]
fn indexes_that_are_none_are_refused() {
    for bytes in [
        &[][..],
        &[1],
        &[2],
        &[0xff, 0xff, 0xff, 0xff, 0x0f],
        &[2, 1],
    ] {
        assert!(decode::indexes(bytes).is_err(), "{bytes:?}");
    }
}
