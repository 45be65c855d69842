//! Nested data that does not fit: the failure has the path of the field.

use super::*;

const GOOD: &str = r#"{"magnitude":1}"#;

/// What a record with this in one of its fields fails with.
fn failure(field: &str, json: String) -> (Option<String>, String) {
    let mut fields = Shot::new(1).fields();
    fields.retain(|(name, _)| name != field);
    fields.push((field.to_owned(), Value::Json(json)));
    runner(&[]).one(fields).failure()
}

/// Telemetry with this velocity, and more fields.
fn moving(velocity: &str, more: &str) -> String {
    format!(r#"{{"velocity":{velocity},"acceleration":{GOOD}{more}}}"#)
}

#[test]
fn what_does_not_fit_in_a_vector_is_named_with_its_path() {
    for (velocity, path, reason) in [
        (r#""fast""#, "", "must be an object, not text"),
        ("[1,2]", "", "must be an object, not an array"),
        ("null", "", "is required"),
        (r#"{"x":1}"#, "", "needs a magnitude, or x and y"),
        (r#"{"y":"1"}"#, ".y", "must be a number, not text"),
        (r#"{"z":true}"#, ".z", "must be a number, not a boolean"),
        (
            r#"{"magnitude":{}}"#,
            ".magnitude",
            "must be a number, not an object",
        ),
    ] {
        let path = format!("telemetry.velocity{path}");
        let failure = failure("telemetry", moving(velocity, ""));
        assert_eq!(failure, (Some(path), reason.to_owned()), "{velocity}");
    }
}

#[test]
fn what_does_not_fit_in_nested_data_is_named_with_its_path() {
    let without = |field: &str| format!(r#"{{"{field}":{GOOD}}}"#);
    let yaw = "telemetry.yaw_rate";
    let label = "telemetry.label_probability";
    for (json, path, reason) in [
        (without("velocity"), "telemetry.acceleration", "is required"),
        (without("acceleration"), "telemetry.velocity", "is required"),
        (
            moving(GOOD, r#","yaw_rate":"0.1""#),
            yaw,
            "must be a number, not text",
        ),
        (
            moving(GOOD, r#","label_probability":[]"#),
            label,
            "must be a number, not an array",
        ),
        (
            moving(GOOD, r#","yaw_rate":1,"yaw_rate":2"#),
            "telemetry",
            "has a field twice",
        ),
        (
            "17".to_owned(),
            "telemetry",
            "must be an object, not a number",
        ),
        ("[1".to_owned(), "metadata", "is not valid JSON (column 2)"),
        (
            r#""s""#.to_owned(),
            "metadata",
            "must be an object, not text",
        ),
    ] {
        let field = path.split('.').next().unwrap();
        let failure = failure(field, json.clone());
        assert_eq!(
            failure,
            (Some(path.to_owned()), reason.to_owned()),
            "{json}"
        );
    }
}
