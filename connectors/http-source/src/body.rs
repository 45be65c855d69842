//! The body of a request: what it must be, and the record's key in it.

use connect_api::Value;
use connect_http::Problem;
use hyper::StatusCode;

use crate::schema::JsonSchema;

/// Checks a body by the schema, and takes the record's key out of it.
pub(crate) fn check(
    body: &[u8],
    schema: Option<&JsonSchema>,
    key_field: Option<&[String]>,
) -> Result<Value, Problem> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        let why = "the body must be a JSON object";
        return Err(Problem::new(StatusCode::BAD_REQUEST, why));
    }
    if schema.is_none() && key_field.is_none() {
        return Ok(Value::Null);
    }
    let parsed: serde_json::Value = serde_json::from_slice(body).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let why = format!("the body is not valid JSON: line {line}, column {column}");
        Problem::new(StatusCode::BAD_REQUEST, why)
    })?;
    if let Some(schema) = schema {
        schema
            .check(&parsed)
            .map_err(|broken| match broken.field.as_str() {
                "" => Problem::new(StatusCode::BAD_REQUEST, broken.reason),
                _ => Problem::at_field(broken.field, broken.reason),
            })?;
    }
    match key_field {
        None => Ok(Value::Null),
        Some(names) => key_of(&parsed, names),
    }
}

/// The field of this path, as a key.
fn key_of(body: &serde_json::Value, names: &[String]) -> Result<Value, Problem> {
    let found = names.iter().try_fold(body, |value, name| value.get(name));
    let wrong = |why| Problem::at_field(names.join("."), why);
    match found {
        None | Some(serde_json::Value::Null) => Err(wrong("is required: it is the record's key")),
        Some(serde_json::Value::String(text)) => Ok(Value::from(text.as_str())),
        Some(serde_json::Value::Bool(flag)) => Ok(Value::Boolean(*flag)),
        Some(serde_json::Value::Number(number)) => match number.as_i64() {
            Some(number) => Ok(Value::Int(number)),
            None => Err(wrong("must be a text, an integer or a boolean")),
        },
        Some(_) => Err(wrong("must be a text, an integer or a boolean")),
    }
}
