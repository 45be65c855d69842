//! JSON Schema.

use serde_json::{Value, json};

use crate::schema::JsonSchema;

fn check(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = JsonSchema::new(schema).unwrap();
    schema.check(value).map_err(|broken| broken.to_string())
}

#[test]
fn the_first_broken_rule_is_told_with_the_path_of_its_field() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "required": ["track_id", "domain"],
        "properties": {
            "track_id": {"type": "string", "minLength": 1, "maxLength": 5},
            "domain": {"enum": ["AIR", "MARITIME"]},
            "latitude": {"type": ["number", "null"], "minimum": -90, "maximum": 90},
            "event_timestamp": {"type": "string", "format": "date-time"},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "maxItems": 2, "uniqueItems": true},
            "nested": {"type": "object", "additionalProperties": {"type": "integer"}},
            "code": {"pattern": "^[A-F]+$"}
        },
        "additionalProperties": false,
        "$defs": {"tag": {"type": "string"}}
    });
    let good = json!({"track_id": "T-1", "domain": "AIR", "latitude": null, "tags": ["a", "b"],
        "event_timestamp": "2025-01-06T14:30:00.5+01:00", "nested": {"a": 1.0}, "code": "AB"});
    assert_eq!(check(&schema, &good), Ok(()));
    for (field, value, expect) in [
        (
            "domain",
            json!("LAND"),
            "domain: must be one of \"AIR\", \"MARITIME\"",
        ),
        (
            "track_id",
            json!(""),
            "track_id: must have at least 1 characters",
        ),
        (
            "track_id",
            json!("ÄÄÄÄÄÄ"),
            "track_id: must have at most 5 characters",
        ),
        ("latitude", json!(91), "latitude: must be at most 90"),
        ("latitude", json!("1"), "latitude: must be number or null"),
        (
            "event_timestamp",
            json!("2025-02-30T14:30:00Z"),
            "event_timestamp: must be a date-time",
        ),
        ("tags", json!(["a", 1]), "tags[1]: must be string"),
        (
            "tags",
            json!(["a", "a"]),
            "tags: must not have an item twice",
        ),
        (
            "tags",
            json!(["a", "b", "c"]),
            "tags: must have at most 2 items",
        ),
        ("nested", json!({"a": 1.5}), "nested.a: must be integer"),
        ("code", json!("AX"), "code: must match the pattern ^[A-F]+$"),
        ("other", json!(1), "other: is not allowed"),
    ] {
        let mut value_of = good.clone();
        value_of[field] = value;
        assert_eq!(check(&schema, &value_of), Err(expect.to_owned()));
    }
    assert_eq!(
        check(&schema, &json!({"domain": "AIR"})),
        Err("track_id: is required".to_owned())
    );
}

#[test]
fn forms_are_combined() {
    let any = json!({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert!(check(&any, &json!({"b": 1})).is_ok());
    assert!(check(&any, &json!({})).is_err());
    let one = json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    assert!(check(&one, &json!({"a": 1})).is_ok());
    assert!(check(&one, &json!({"a": 1, "b": 1})).is_err());
    let not = json!({"not": {"required": ["a"]}, "allOf": [{"minProperties": 1}]});
    assert!(check(&not, &json!({"b": 1})).is_ok());
    assert!(check(&not, &json!({})).is_err() && check(&not, &json!({"a": 1})).is_err());
    let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {
        "properties": {"next": {"$ref": "#/$defs/node"}, "n": {"const": 1}}}}});
    assert!(check(&tree, &json!({"n": 1, "next": {"n": 1}})).is_ok());
    assert_eq!(
        check(&tree, &json!({"n": 1, "next": {"n": 2}})),
        Err("next.n: must be one of 1".to_owned())
    );
}

#[test]
fn a_schema_with_a_rule_that_would_not_be_checked_is_refused() {
    for schema in [
        json!({"properties": {"a": {"dependentRequired": {}}}}),
        json!({"patternProperties": {}}),
        json!({"$ref": "https://example.com/other"}),
        json!({"$ref": "#/$defs/none"}),
        json!({"format": "email"}),
        json!({"type": "text"}),
        json!({"minimum": "1"}),
        json!({"required": "a"}),
        json!({"pattern": "("}),
        json!([]),
    ] {
        assert!(JsonSchema::new(&schema).is_err(), "{schema}");
    }
    let mut deep = json!(true);
    for _ in 0..100 {
        deep = json!({"not": deep});
    }
    assert!(JsonSchema::new(&deep).is_err());
    let endless = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
    assert!(check(&endless, &json!({})).is_err());
}

/// Alternatives of alternatives double with each level, and this has 64.
#[test]
fn a_schema_that_goes_on_for_ever_refuses_the_value() {
    for schema in [
        r##"{"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}"##,
        r##"{"oneOf": [{"$ref": "#"}, {"$ref": "#"}]}"##,
    ] {
        let schema = JsonSchema::new(&serde_json::from_str(schema).unwrap()).unwrap();
        let broken = schema.check(&json!({"a": 1})).unwrap_err();
        assert!(broken.reason.contains("takes too long"), "{broken}");
    }
}

#[test]
fn an_item_is_found_twice_in_a_list_of_any_length() {
    let schema = json!({"properties": {"a": {"uniqueItems": true}}});
    let schema = JsonSchema::new(&schema).unwrap();
    // One by one these would be compared 20 thousand million times.
    let mut long: Vec<Value> = (0..200_000)
        .map(|n| json!({"n": n, "m": [n, "x"]}))
        .collect();
    assert_eq!(schema.check(&json!({ "a": long })), Ok(()));
    long.push(serde_json::from_str(r#"{"m": [17, "x"], "n": 17}"#).unwrap());
    assert!(schema.check(&json!({ "a": long })).is_err());
    for (short, is_good) in [
        (json!([1, "1", [1], null]), true),
        (json!([[1], 2, [1]]), false),
    ] {
        assert_eq!(
            schema.check(&json!({ "a": short })).is_ok(),
            is_good,
            "{short}"
        );
    }
}
