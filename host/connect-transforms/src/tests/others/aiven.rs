//! Aiven's transforms.

use super::*;

fn class(name: &str) -> String {
    format!("io.aiven.kafka.connect.transforms.{name}")
}

fn person() -> Datum {
    row(vec![
        ("name", optional(Kind::String), Value::from("Ann")),
        ("age", required(Kind::Int32), Value::Int(40)),
        ("none", optional(Kind::String), Value::Null),
    ])
}

const ANN: &str = "Order: name String? \"Ann\", age Int32 40, none String? null";

#[test]
fn strings_are_hashed() {
    let hash = class("Hash$Value");
    let whole = record(
        Datum::NULL,
        Datum::new(required(Kind::String), "abc".into()),
    );
    for (function, expect) in [
        ("md5", "900150983cd24fb0d6963f7d28e17f72"),
        ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "sha256",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
    ] {
        let told = told(&hash, &[("function", function)], &whole);
        assert_eq!(told, format!("String \"{expect}\""));
    }
    let md5 = ("function", "md5");
    let row = record(Datum::NULL, person());
    let told = |options: &[(&str, &str)]| told(&hash, options, &row);
    let hashed = told(&[md5, ("field.name", "name")]);
    assert!(
        hashed.starts_with("Order: name String? \"82e335f7"),
        "{hashed}"
    );
    let missing = "error: none in value can't be null or missing";
    assert_eq!(told(&[md5, ("field.name", "none")]), missing);
    let skip = ("skip.missing.or.null", "true");
    assert_eq!(told(&[md5, skip, ("field.name", "none")]), ANN);
    assert_eq!(told(&[md5, skip, ("field.name", "zz")]), ANN);
    let wrong = "error: age schema type in value must be STRING";
    assert_eq!(told(&[md5, ("field.name", "age")]), wrong);
    assert!(told(&[("function", "md4")]).contains("function"));
}

#[test]
fn fields_are_concatenated() {
    let concat = class("ConcatFields$Value");
    let options = [
        ("field.names", "name,none,age,zz"),
        ("output.field.name", "all"),
        ("delimiter", "-"),
        ("field.replace.missing", "*"),
    ];
    let expect = format!("{ANN}, all String? \"Ann-*-40-*\"");
    assert_eq!(
        told(&concat, &options, &record(Datum::NULL, person())),
        expect
    );
    let plain = record(Datum::NULL, map(r#"{"name":"Ann","age":1.5}"#));
    let expect = r#"{"name":"Ann","age":1.5,"all":"Ann-*-1.5-*"}"#;
    assert_eq!(told(&concat, &options, &plain), expect);
    let error = told(&concat, &options, &record(Datum::NULL, Datum::NULL));
    assert!(error.starts_with("error: Only Map objects"), "{error}");
}

#[test]
fn timestamps_are_extracted() {
    let extract = class("ExtractTimestamp$Value");
    let of =
        |value: Value, kind: Kind| record(Datum::NULL, row(vec![("at", required(kind), value)]));
    let field = ("field.name", "at");
    let long = of(Value::Int(1_700_000_000), Kind::Int64);
    let shown = told(&extract, &[field], &long);
    assert!(shown.ends_with(" | at Some(1700000000)"), "{shown}");
    let seconds = [field, ("timestamp.resolution", "seconds")];
    let shown = told(&extract, &seconds, &long);
    assert!(shown.ends_with(" | at Some(1700000000000)"), "{shown}");
    let logical = of(Value::Timestamp(1_700_000_000_000_000), Kind::Timestamp);
    let shown = told(&extract, &seconds, &logical);
    assert!(shown.ends_with(" | at Some(1700000000000)"), "{shown}");
    let missing = "error: zz field must be present and its value can't be null";
    assert_eq!(told(&extract, &[("field.name", "zz")], &long), missing);
    let text = of(Value::from("x"), Kind::String);
    let error = told(&extract, &[field], &text);
    assert!(error.contains("must be INT64"), "{error}");
}

#[test]
fn topics_are_extracted() {
    let extract = class("ExtractTopic$Value");
    let row = record(Datum::NULL, person());
    let told = |options: &[(&str, &str)]| told(&extract, options, &row);
    assert_eq!(told(&[("field.name", "name")]), format!("{ANN} | to Ann"));
    assert_eq!(told(&[("field.name", "age")]), format!("{ANN} | to 40"));
    let missing = "error: none in value can't be null or empty";
    assert_eq!(told(&[("field.name", "none")]), missing);
    let skip = ("skip.missing.or.null", "true");
    assert_eq!(told(&[("field.name", "none"), skip]), ANN);
    assert_eq!(told(&[("field.name", "zz"), skip]), ANN);
    assert!(told(&[]).starts_with("error: the topic in value must be"));
}

#[test]
fn records_are_filtered_by_a_value() {
    let filter = class("FilterByFieldValue$Value");
    let row = record(Datum::NULL, person());
    let told = |options: &[(&str, &str)]| told(&filter, options, &row);
    let (name, age, none) = (
        ("field.name", "name"),
        ("field.name", "age"),
        ("field.name", "none"),
    );
    let not = ("field.value.matches", "false");
    assert_eq!(told(&[name, ("field.value", "Ann")]), ANN);
    assert_eq!(told(&[name, ("field.value", "Bob")]), "dropped");
    assert_eq!(told(&[name, ("field.value", "Ann"), not]), "dropped");
    assert_eq!(told(&[age, ("field.value", "40")]), ANN);
    assert_eq!(told(&[age, ("field.value.pattern", "^4")]), ANN);
    assert_eq!(told(&[name, ("field.value.pattern", "nn")]), ANN);
    assert_eq!(told(&[none, ("field.value", "x")]), "dropped");
    assert_eq!(told(&[none, ("field.value", "x"), not]), ANN);
    assert!(told(&[name]).starts_with("error: Either field.value or"));
    assert!(told(&[name, ("field.value.pattern", "(")]).contains("field.value.pattern"));
}

#[test]
fn the_key_goes_into_the_value() {
    let key = row(vec![
        ("a", required(Kind::Int32), Value::Int(1)),
        ("b", optional(Kind::String), Value::from("x")),
    ]);
    let value = || row(vec![("v", required(Kind::Int32), Value::Int(9))]);
    let copy = class("KeyToValue");
    let record_of = |key: Datum| record(key, value());
    let options = [("key.fields", "a,b"), ("value.fields", "key_a")];
    let expect = "Order: v Int32 9, key_a Int32 1, b String? \"x\"";
    assert_eq!(told(&copy, &options, &record_of(key.clone())), expect);
    let whole = told(&copy, &[("key.fields", "*")], &record_of(key));
    assert_eq!(
        whole,
        "Order: v Int32 9, _key {Order: a Int32 1, b String? \"x\"}"
    );
    let plain = record(map(r#"{"a":1}"#), map(r#"{"v":9}"#));
    assert_eq!(
        told(&copy, &options, &plain),
        r#"{"v":9,"key_a":1,"b":null}"#
    );
    let text = record(Datum::schemaless("k".into()), map(r#"{"v":9}"#));
    assert_eq!(
        told(&copy, &[("key.fields", "*")], &text),
        r#"{"v":9,"_key":"k"}"#
    );
    let error = told(&copy, &options, &record_of(person()));
    assert_eq!(error, "error: Key field 'a' not found in key schema");
    let twice = [("key.fields", "a,b"), ("value.fields", "x,x")];
    assert!(told(&copy, &twice, &plain).contains("value field name 'x'"));
}

#[test]
fn cases_are_changed_and_values_made_null() {
    let case = class("CaseTransform$Value");
    let row = record(Datum::NULL, person());
    let options = [("field.names", "name,none,zz"), ("case", "upper")];
    let expect = ANN.replace("Ann", "ANN");
    assert_eq!(told(&case, &options, &row), expect);
    let options = [("field.names", "name"), ("case", "lower")];
    assert_eq!(told(&case, &options, &row), ANN.replace("Ann", "ann"));
    let error = told(&case, &[("field.names", "age"), ("case", "lower")], &row);
    assert!(error.contains("only a STRING has a case"), "{error}");
    assert_eq!(told(&class("MakeTombstone"), &[], &row), "null");
}
