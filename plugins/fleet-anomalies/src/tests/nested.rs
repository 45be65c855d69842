//! Nested data that does not fit: the failure has the path of the field.

use super::*;

/// A velocity in `telemetry`, what stands beside it and a whole acceleration, the path of what is
/// wrong, and what is wrong with it.
const TELEMETRY: &[[&str; 4]] = &[
    [r#""fast""#, "", ".velocity", "must be an object, not text"],
    ["[1,2]", "", ".velocity", "must be an object, not an array"],
    ["null", "", ".velocity", "is required"],
    [
        r#"{"x":1}"#,
        "",
        ".velocity",
        "needs a magnitude, or x and y",
    ],
    [r#"{"y":"1"}"#, "", ".velocity.y", NOT_TEXT],
    [
        r#"{"z":true}"#,
        "",
        ".velocity.z",
        "must be a number, not a boolean",
    ],
    [
        r#"{"magnitude":{}}"#,
        "",
        ".velocity.magnitude",
        "must be a number, not an object",
    ],
    [GOOD, r#","yaw_rate":"0.1""#, ".yaw_rate", NOT_TEXT],
    [
        GOOD,
        r#","label_probability":[]"#,
        ".label_probability",
        "must be a number, not an array",
    ],
    [
        GOOD,
        r#","yaw_rate":1,"yaw_rate":2"#,
        "",
        "has a field twice",
    ],
];
/// A whole field, the path of what is wrong, and what is wrong with it.
const WHOLE: &[[&str; 4]] = &[
    [
        "telemetry",
        r#"{"velocity":{"magnitude":1}}"#,
        "telemetry.acceleration",
        "is required",
    ],
    [
        "telemetry",
        r#"{"acceleration":{"magnitude":1}}"#,
        "telemetry.velocity",
        "is required",
    ],
    [
        "telemetry",
        "17",
        "telemetry",
        "must be an object, not a number",
    ],
    ["metadata", "[1", "metadata", "is not valid JSON (column 2)"],
    [
        "metadata",
        r#""s""#,
        "metadata",
        "must be an object, not text",
    ],
];
const GOOD: &str = r#"{"magnitude":1}"#;
const NOT_TEXT: &str = "must be a number, not text";

#[test]
fn what_does_not_fit_in_nested_data_is_named_with_its_path() {
    for [velocity, beside, path, reason] in TELEMETRY {
        let json = format!(r#"{{"velocity":{velocity},"acceleration":{GOOD}{beside}}}"#);
        refused("telemetry", &json, &format!("telemetry{path}"), reason);
    }
    for [field, json, path, reason] in WHOLE {
        refused(field, json, path, reason);
    }
}

fn refused(field: &str, json: &str, path: &str, reason: &str) {
    let mut fields = Shot::new(1).fields();
    fields.retain(|(name, _)| name != field);
    fields.push((field.to_owned(), Value::Json(json.to_owned())));
    let failure = runner(&[]).one(fields).failure();
    assert_eq!(
        failure,
        (Some(path.to_owned()), reason.to_owned()),
        "{json}"
    );
}
