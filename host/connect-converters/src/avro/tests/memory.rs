//! Bytes that are many values, and schemas that are many types.

use connect_api::{MemoryLimit, memory};

use super::{Value, compile, decode};

/// What becomes of bytes where a record may take a mebibyte.
fn limited(schema: &str, bytes: &[u8]) -> Result<Value, String> {
    let compiled = compile(&[], schema).unwrap();
    let decoded = MemoryLimit(1 << 20).measure(|| decode::decode(&compiled.plan, bytes));
    decoded.made.map_err(|e| e.to_string())
}

fn long(number: i64) -> Vec<u8> {
    let mut zigzag = ((number << 1) ^ (number >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while zigzag > 0x7f {
        bytes.push(zigzag.to_le_bytes()[0] | 0x80);
        zigzag >>= 7;
    }
    bytes.push(zigzag.to_le_bytes()[0]);
    bytes
}

/// An array of so many items, each of which is these bytes.
fn array(count: usize, item: &[u8]) -> Vec<u8> {
    [long(count as i64), item.repeat(count), long(0)].concat()
}

#[test]
fn values_of_few_bytes_are_paid_for() {
    let fields = (0..50).map(|n| format!(r#"{{"name":"f{n}","type":"null"}}"#));
    let nulls = fields.collect::<Vec<_>>().join(",");
    let record = format!(r#"{{"type":"record","name":"R","fields":[{nulls}]}}"#);
    let enums = (0..400).map(|n| format!(r#"{{"type":"enum","name":"E{n}","symbols":["A"]}}"#));
    let union = format!("[{}]", enums.collect::<Vec<_>>().join(","));
    let symbol = "s".repeat(10_000);
    let symbols = format!(r#"{{"type":"enum","name":"E","symbols":["{symbol}"]}}"#);
    let empty = r#"{"type":"record","name":"R","fields":[]}"#;
    for (item, bytes) in [
        ("\"null\"", &[][..]),
        (empty, &[]),
        (&record, &[]),
        (&union, &[0, 0]),
        (&symbols, &[0]),
        (r#"["null","long"]"#, &[0]),
        (r#"{"type":"array","items":"null"}"#, &[0]),
        (r#"{"type":"map","values":"null"}"#, &[0]),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":4}"#,
            &[2, 1],
        ),
        (r#"{"type":"fixed","name":"F","size":0}"#, &[]),
    ] {
        let schema = format!(r#"{{"type":"array","items":{item}}}"#);
        let few = limited(&schema, &array(10, bytes));
        assert!(few.is_ok(), "{item}: {few:?}");
        let many = array(60_000, bytes);
        let error = limited(&schema, &many).unwrap_err();
        assert!(error.ends_with(memory::EXCEEDED), "{item}: {error}");
    }
}

#[test]
fn a_size_that_the_schema_names_is_not_asked_for_before_the_bytes_are_there() {
    for item in [
        r#"{"type":"fixed","name":"F","size":2147483647}"#,
        r#"{"type":"fixed","name":"F","size":9223372036854775807}"#,
        r#"{"type":"fixed","name":"F","size":2147483647,"logicalType":"decimal","precision":9}"#,
    ] {
        let error = limited(item, &[0; 100]).unwrap_err();
        assert_eq!(error, "the bytes end within the value");
        let schema = format!(r#"{{"type":"array","items":{item}}}"#);
        let error = limited(&schema, &[2, 0, 0]).unwrap_err();
        assert_eq!(error, "a block of more items than its bytes can hold");
    }
}

#[test]
fn entries_of_maps_are_paid_for() {
    let entries = array(60_000, &[0]);
    let error = limited(r#"{"type":"map","values":"null"}"#, &entries).unwrap_err();
    assert!(error.ends_with(memory::EXCEEDED), "{error}");
}

#[test]
fn a_schema_of_names_within_names_is_refused() {
    let mut schema = r#"{"type":"record","name":"R0","fields":[]}"#.to_owned();
    for level in 1..40 {
        let below = level - 1;
        schema = format!(
            r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{schema}}},
                {{"name":"b","type":"R{below}"}},{{"name":"c","type":"R{below}"}}]}}"#
        );
    }
    let error = compile(&[], &schema).unwrap_err().to_string();
    assert!(error.ends_with("it is too large"), "{error}");
    let enums: String = (0..50_000).map(|n| format!("\"S{n}\",")).collect();
    let again = r#",{"name":"NAME","type":"E"}"#;
    let fields: String = (0..50)
        .map(|n| again.replace("NAME", &format!("f{n}")))
        .collect();
    let schema = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{{"type":"enum","name":"E",
            "symbols":[{enums}"Z"]}}}}{fields}]}}"#
    );
    let error = compile(&[], &schema).unwrap_err().to_string();
    assert!(error.ends_with("it is too large"), "{error}");
}

#[test]
fn the_tree_of_a_schema_is_paid_for() {
    let fields = r#"{"":0},"#.repeat(10_000);
    let schema = format!(r#"{{"type":"record","name":"R","fields":[],"doc":[{fields}0]}}"#);
    let compiled = MemoryLimit(1 << 20).measure(|| compile(&[], &schema).map(drop));
    let error = compiled.made.unwrap_err();
    assert!(error.to_string().ends_with(memory::EXCEEDED), "{error}");
}
