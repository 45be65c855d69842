//! Bodies of requests, for the fuzz targets.

use connect_api::Value;

use crate::body;
use crate::schema::JsonSchema;

/// The record's key of a body that keeps a schema, which is text; none where the schema is refused,
/// or the body, or it has no such field.
pub fn key_of(schema: &str, field: &str, body: &[u8]) -> Option<Value> {
    let schema = serde_json::from_str(schema).ok()?;
    let schema = JsonSchema::new(&schema).ok()?;
    let names: Vec<String> = field.split('.').map(str::to_owned).collect();
    body::check(body, Some(&schema), Some(&names)).ok()
}
