//! Envelopes that are small as text and large as data.

use connect_api::{MemoryLimit, memory};

use super::converter;
use crate::json::{Bytes, Converter as _};

/// What becomes of an envelope where a record may take a mebibyte.
fn limited(schema: &str, payload: &str) -> Result<(), String> {
    let text = Bytes::from(format!(r#"{{"schema":{schema},"payload":{payload}}}"#));
    let mut converter = converter(&[]).unwrap();
    let convert = || converter.to_connect_data("topic", Some(&text)).map(drop);
    let converted = MemoryLimit(1 << 20).measure(convert);
    converted.made.map_err(|e| e.to_string())
}

fn refused(schema: &str, payload: &str) {
    let error = limited(schema, payload).unwrap_err();
    assert!(error.ends_with(memory::EXCEEDED), "{error}");
}

fn array(item: &str) -> String {
    format!(r#"{{"type":"array","items":{item}}}"#)
}

fn items(item: &str, count: usize) -> String {
    format!("[{}{item}]", format!("{item},").repeat(count))
}

#[test]
fn values_of_few_letters_are_paid_for() {
    let field = r#"{"field":"NAME","type":"int8","optional":true}"#;
    let fields = (0..100).map(|n| field.replace("NAME", &n.to_string()));
    let fields: Vec<_> = fields.collect();
    let row = format!(r#"{{"type":"struct","fields":[{}]}}"#, fields.join(","));
    let default = format!(
        r#"{{"type":"string","optional":true,"default":"{}"}}"#,
        "d".repeat(10_000)
    );
    let numbers = r#"{"type":"map","keys":{"type":"int8"},"values":{"type":"int8"}}"#;
    for (item, value) in [
        (r#"{"type":"int8"}"#, "0"),
        (&array(r#"{"type":"int8"}"#), "[]"),
        (&row, "{}"),
        (&default, "null"),
        (numbers, "[]"),
    ] {
        assert_eq!(limited(&array(item), &items(value, 10)), Ok(()), "{item}");
        refused(&array(item), &items(value, 50_000));
    }
}

#[test]
fn the_tree_of_a_schema_is_paid_for() {
    let doc = items(r#"{"":0}"#, 10_000);
    refused(&format!(r#"{{"type":"int8","parameters":{doc}}}"#), "1");
}

#[test]
fn a_new_schema_in_each_record_is_not_kept_for_ever() {
    let mut converter = converter(&[]).unwrap();
    for n in 0..200 {
        let doc = format!("{n}{}", "d".repeat(100_000));
        let text = format!(r#"{{"schema":{{"type":"int8","doc":"{doc}"}},"payload":1}}"#);
        converter
            .to_connect_data("topic", Some(&Bytes::from(text)))
            .unwrap();
        let kept: usize = converter.schemas.known.keys().map(|text| text.len()).sum();
        assert!(kept <= memory::KeptBytes::MOST, "{kept}");
    }
}

#[test]
fn fields_out_of_order_are_found_at_once() {
    let field = r#"{"field":"fNAME","type":"int32","optional":true}"#;
    let fields = (0..20_000).map(|n| field.replace("NAME", &n.to_string()));
    let fields: Vec<_> = fields.collect();
    let values = (0..20_000).rev().map(|n| format!("\"f{n}\":{n}"));
    let values: Vec<_> = values.collect();
    let text = format!(
        r#"{{"schema":{{"type":"struct","fields":[{}]}},"payload":{{{}}}}}"#,
        fields.join(","),
        values.join(",")
    );
    let datum = converter(&[])
        .unwrap()
        .to_connect_data("topic", Some(&Bytes::from(text)))
        .unwrap();
    let row = datum.value.as_struct().unwrap();
    assert_eq!(row.values()[19_999], connect_api::Value::Int(19_999));
}
