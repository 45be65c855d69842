//! Tests of JSON paths.

use proptest::prelude::*;

use super::*;

fn value() -> Value {
    json::parse(
        r#"{"name": "Ann", "age": 40, "tags": ["a", "b"], "none": null, "flag": true,
            "home": {"city": "Oslo", "no 1": 1.5}, "items": [{"n": 1, "s": "x"}, {"n": 2}]}"#,
    )
    .unwrap()
}

fn shown(path: &str) -> Option<String> {
    let found = JsonPath::parse(path).unwrap().first(&value()).unwrap()?;
    let mut text = String::new();
    json::write(&found, &mut text).unwrap();
    Some(text)
}

#[test]
fn places_are_found() {
    for (path, expect) in [
        ("$.name", Some("\"Ann\"")),
        ("$['home']['no 1']", Some("1.5")),
        ("$.home.city", Some("\"Oslo\"")),
        ("$.tags[1]", Some("\"b\"")),
        ("$.tags[-1]", Some("\"b\"")),
        ("$.tags[*]", Some("\"a\"")),
        ("$.items[1].n", Some("2")),
        ("$.items[?(@.n > 1)].n", Some("2")),
        ("$.items[5]", None),
        ("$.missing", None),
    ] {
        assert_eq!(shown(path).as_deref(), expect, "{path}");
    }
}

#[test]
fn predicates_hold_or_not() {
    for (path, expect) in [
        ("$[?(@.name == 'Ann')]", Matches::Yes),
        ("$[?(@.name == \"Bob\")]", Matches::No),
        ("$[?(@.age >= 40 && @.flag == true)]", Matches::Yes),
        ("$[?(@.age < 40 || @.home.city == 'Oslo')]", Matches::Yes),
        ("$[?(!(@.age == 40))]", Matches::No),
        ("$[?(@.name =~ /an.*/i)]", Matches::Yes),
        ("$[?(@.name =~ /an.*/)]", Matches::No),
        ("$.items[?(@.s == 'x')]", Matches::Yes),
        ("$.items[?(@.n == 3)]", Matches::No),
        ("$[?(@.missing == 1)]", Matches::Missing),
        ("$[?(@.none == 1)]", Matches::Missing),
        ("$[?(@.missing)]", Matches::No),
        ("$[?(@.age)]", Matches::Yes),
        ("$.missing", Matches::Missing),
        ("$.none", Matches::Missing),
        ("$.name", Matches::Yes),
        ("$[?(@.age == '40')]", Matches::No),
        ("$[?(@.age != 41.5)]", Matches::Yes),
    ] {
        let found = JsonPath::parse(path).unwrap().matches(&value()).unwrap();
        assert_eq!(found, expect, "{path}");
    }
}

#[test]
fn what_is_not_supported_is_refused() {
    for path in [
        "",
        "name",
        "$..name",
        "$.tags.length()",
        "$.tags[0:1]",
        "$['a','b']",
        "$[?(@.a in [1])]",
        "$[?(@.a == $.b)]",
        "$[?(@.a == b)]",
        "$[?(@.a",
        "$['a",
        "$[?(@.a =~ 'x')]",
        "$.",
        "$[",
        "$[?(1)]",
    ] {
        assert!(JsonPath::parse(path).is_err(), "{path}");
    }
    let deep = format!("$[?({}@.a{})]", "(".repeat(100), ")".repeat(100));
    assert!(JsonPath::parse(&deep).unwrap_err().contains("too deeply"));
}

proptest! {
    #[test]
    fn any_text_is_a_path_or_none(text in r#"\$[\[\]?()@.'"a1*=<>!&|/~ é-]{0,24}"#) {
        if let Ok(path) = JsonPath::parse(&text) {
            let _ = path.matches(&value());
        }
    }
}
