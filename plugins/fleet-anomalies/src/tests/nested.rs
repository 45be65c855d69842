//! Nested data that does not fit: the failure has the path of the field.

use super::*;

#[test]
fn what_does_not_fit_in_nested_data_is_named_with_its_path() {
    const GOOD: &str = r#"{"magnitude":1}"#;
    let both = |velocity: &str, more: &str| {
        format!(r#"{{"velocity":{velocity},"acceleration":{GOOD}{more}}}"#)
    };
    let without = |field: &str| format!(r#"{{"{field}":{GOOD}}}"#);
    let text = "must be a number, not text";
    for (field, json, path, reason) in [
        (
            "telemetry",
            both(r#""fast""#, ""),
            "telemetry.velocity",
            "must be an object, not text",
        ),
        (
            "telemetry",
            both("[1,2]", ""),
            "telemetry.velocity",
            "must be an object, not an array",
        ),
        (
            "telemetry",
            both("null", ""),
            "telemetry.velocity",
            "is required",
        ),
        (
            "telemetry",
            without("velocity"),
            "telemetry.acceleration",
            "is required",
        ),
        (
            "telemetry",
            without("acceleration"),
            "telemetry.velocity",
            "is required",
        ),
        (
            "telemetry",
            both(r#"{"x":1}"#, ""),
            "telemetry.velocity",
            "needs a magnitude, or x and y",
        ),
        (
            "telemetry",
            both(r#"{"y":"1"}"#, ""),
            "telemetry.velocity.y",
            text,
        ),
        (
            "telemetry",
            both(r#"{"z":true}"#, ""),
            "telemetry.velocity.z",
            "must be a number, not a boolean",
        ),
        (
            "telemetry",
            both(r#"{"magnitude":{}}"#, ""),
            "telemetry.velocity.magnitude",
            "must be a number, not an object",
        ),
        (
            "telemetry",
            both(GOOD, r#","yaw_rate":"0.1""#),
            "telemetry.yaw_rate",
            text,
        ),
        (
            "telemetry",
            both(GOOD, r#","label_probability":[]"#),
            "telemetry.label_probability",
            "must be a number, not an array",
        ),
        (
            "telemetry",
            both(GOOD, r#","yaw_rate":1,"yaw_rate":2"#),
            "telemetry",
            "has a field twice",
        ),
        (
            "telemetry",
            "17".to_owned(),
            "telemetry",
            "must be an object, not a number",
        ),
        (
            "metadata",
            "[1".to_owned(),
            "metadata",
            "is not valid JSON (column 2)",
        ),
        (
            "metadata",
            r#""s""#.to_owned(),
            "metadata",
            "must be an object, not text",
        ),
    ] {
        let mut fields = Shot::new(1).fields();
        fields.retain(|(name, _)| name != field);
        fields.push((field.to_owned(), Value::Json(json.clone())));
        let failure = runner(&[]).one(fields).failure();
        assert_eq!(
            failure,
            (Some(path.to_owned()), reason.to_owned()),
            "{json}"
        );
    }
}
