//! Records as JSON: what is shown, and what golden files hold.

use connect_api::{Datum, Kind, Record, Value, json};
use serde_json::{Map, Value as Json, json};

/// A record that a plugin made, in whole. The types of fields are there where a schema has them.
pub fn record(record: &Record) -> Json {
    let mut made = Map::new();
    made.insert("topic".into(), json!(&*record.topic));
    made.insert("timestamp".into(), json!(record.timestamp.map(|at| at.0)));
    made.insert("key".into(), value(&record.key.value));
    made.insert("value".into(), value(&record.value.value));
    if let Some(types) = types(&record.value) {
        made.insert("types".into(), types);
    }
    let headers: Vec<_> = record
        .headers
        .iter()
        .map(|header| json!([&*header.name, value(&header.value.value)]))
        .collect();
    if !headers.is_empty() {
        made.insert("headers".into(), Json::Array(headers));
    }
    Json::Object(made)
}

/// A value. What JSON has no form for is told by its name.
pub fn value(value: &Value) -> Json {
    let mut text = String::new();
    match json::write(value, &mut text) {
        Ok(()) => serde_json::from_str(&text).unwrap_or(Json::String(text)),
        Err(_) => Json::String(format!("({})", value.type_name())),
    }
}

/// The types of the fields of a row that came with a schema; the type of a scalar that did.
fn types(datum: &Datum) -> Option<Json> {
    let schema = datum.schema.as_ref()?;
    let Some(fields) = schema.fields() else {
        return Some(json!(word(&schema.kind)));
    };
    let fields = fields.iter();
    let types: Map<_, _> = fields
        .map(|field| (field.name.to_string(), json!(word(&field.schema.kind))))
        .collect();
    Some(Json::Object(types))
}

/// The contract's word for a type.
fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Any => "any",
        Kind::Int8 => "int8",
        Kind::Int16 => "int16",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Float32 => "float32",
        Kind::Float64 => "float64",
        Kind::Boolean => "boolean",
        Kind::String => "text",
        Kind::Bytes => "bytes",
        Kind::Decimal(_) => "decimal",
        Kind::Date => "date",
        Kind::Time => "time",
        Kind::Timestamp => "timestamp",
        Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => "json",
    }
}
