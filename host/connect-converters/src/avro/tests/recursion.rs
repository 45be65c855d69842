//! Records that hold themselves.

use apache_avro::types::Value as Avro;
use connect_api::Kind;

use super::{compile, decoded, encoded, nullable};

pub(super) const TREE: &str = r#"{"type":"record","name":"a.Tree","fields":[{"name":"n","type":"int"},
    {"name":"next","type":["null","Tree"]},
    {"name":"more","type":{"type":"array","items":"a.Tree"}}]}"#;

/// A tree of the value, and as JSON.
fn tree(n: i32, next: Option<Avro>, more: Vec<Avro>) -> Avro {
    let next = next.map_or(nullable(0, Avro::Null), |next| nullable(1, next));
    Avro::Record(vec![
        ("n".to_owned(), Avro::Int(n)),
        ("next".to_owned(), next),
        ("more".to_owned(), Avro::Array(more)),
    ])
}

#[test]
fn a_record_may_hold_itself() {
    let inner = tree(3, None, Vec::new());
    let value = tree(
        1,
        Some(tree(2, None, vec![inner.clone(), inner])),
        Vec::new(),
    );
    let value = decoded(TREE, &encoded(TREE, value)).unwrap();
    let mut text = String::new();
    connect_api::json::write(&value, &mut text).unwrap();
    let three = r#"{"n":3,"next":null,"more":[]}"#;
    assert_eq!(
        text,
        format!(r#"{{"n":1,"next":{{"n":2,"next":null,"more":[{three},{three}]}},"more":[]}}"#)
    );
    let schema = compile(&[], TREE).unwrap().schema;
    let next = &schema.fields().unwrap()[1].schema;
    assert_eq!((&next.kind, next.optional), (&Kind::Any, true));
    assert_eq!(next.name.as_deref(), Some("a.Tree"));
    // Another record that has one twice.
    let pair = format!(
        r#"{{"type":"record","name":"P","fields":[{{"name":"l","type":{TREE}}},
        {{"name":"r","type":"a.Tree"}}]}}"#
    );
    let one = || tree(1, Some(tree(2, None, Vec::new())), Vec::new());
    let both = Avro::Record(vec![("l".to_owned(), one()), ("r".to_owned(), one())]);
    let value = decoded(&pair, &encoded(&pair, both)).unwrap();
    let values = value.as_struct().unwrap().values();
    assert_eq!(values[0], values[1]);
}

#[test]
fn a_record_within_itself_ends_somewhere() {
    // n is 0, and next is another.
    let bytes = |levels: usize| [[0, 2].repeat(levels), vec![0, 0], vec![0; levels + 1]].concat();
    assert!(decoded(TREE, &bytes(80)).is_ok());
    let error = decoded(TREE, &bytes(100_000)).unwrap_err();
    assert!(
        error.contains("nested too deeply within themselves"),
        "{error}"
    );
    let endless = r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#;
    let error = decoded(endless, b"").unwrap_err();
    assert!(
        error.contains("nested too deeply within themselves"),
        "{error}"
    );
}
