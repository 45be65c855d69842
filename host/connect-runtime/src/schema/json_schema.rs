//! Connect schemas as JSON Schema, of the JSON that JsonConverter writes of them without an
//! envelope and that producers of plain JSON write.

use connect_api::{Kind, Schema, Value};
use serde_json::{Map, Value as Json, json};

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Debezium's name for a text that is any JSON.
const ANY_JSON: &str = "io.debezium.data.Json";

/// The JSON Schema of a subject.
pub fn json_schema(subject: &str, schema: &Schema) -> Json {
    let mut all = Map::new();
    all.insert("$schema".into(), DIALECT.into());
    all.insert("$id".into(), format!("urn:ferrule:schema:{subject}").into());
    if let Some(name) = schema.name.as_deref() {
        all.insert("title".into(), name.into());
    }
    if let Json::Object(own) = of(schema) {
        all.extend(own);
    }
    Json::Object(all)
}

fn of(schema: &Schema) -> Json {
    let mut all = Map::new();
    if let Some(doc) = schema.doc.as_deref() {
        all.insert("description".into(), doc.into());
    }
    if schema.name.as_deref() == Some(ANY_JSON) || schema.kind == Kind::Any {
        return Json::Object(all);
    }
    let word = word(&schema.kind);
    let typed = match schema.optional {
        true => json!([word, "null"]),
        false => json!(word),
    };
    all.insert("type".into(), typed);
    match &schema.kind {
        Kind::Int8 => range(&mut all, i8::MIN.into(), i8::MAX.into()),
        Kind::Int16 => range(&mut all, i16::MIN.into(), i16::MAX.into()),
        Kind::Int32 => range(&mut all, i32::MIN.into(), i32::MAX.into()),
        Kind::Int64 => range(&mut all, i64::MIN, i64::MAX),
        Kind::Bytes => {
            all.insert("contentEncoding".into(), "base64".into());
        }
        Kind::Date => all_of(&mut all, "Days since 1970-01-01."),
        Kind::Time => all_of(&mut all, "Milliseconds since midnight."),
        Kind::Timestamp => all_of(&mut all, "Milliseconds since 1970-01-01T00:00:00Z."),
        Kind::Array(item) => {
            all.insert("items".into(), of(item));
        }
        Kind::Map(_, item) => {
            all.insert("additionalProperties".into(), of(item));
        }
        Kind::Struct(fields) => {
            let named = |field: &connect_api::Field| (field.name.to_string(), of(&field.schema));
            all.insert(
                "properties".into(),
                Json::Object(fields.iter().map(named).collect()),
            );
            let needed = fields.iter().filter(|it| is_needed(&it.schema));
            let needed: Vec<Json> = needed.map(|it| it.name.as_str().into()).collect();
            if !needed.is_empty() {
                all.insert("required".into(), needed.into());
            }
        }
        _ => {}
    }
    if let Some(default) = schema.default.as_ref().and_then(scalar) {
        all.insert("default".into(), default);
    }
    Json::Object(all)
}

/// Whether a record must have the field.
pub fn is_needed(schema: &Schema) -> bool {
    !schema.optional && schema.default.is_none() && schema.kind != Kind::Any
}

/// JSON's word for the type.
fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => "integer",
        Kind::Date | Kind::Time | Kind::Timestamp => "integer",
        Kind::Float32 | Kind::Float64 | Kind::Decimal(_) => "number",
        Kind::Boolean => "boolean",
        Kind::String | Kind::Bytes | Kind::Any => "string",
        Kind::Array(_) => "array",
        Kind::Map(..) | Kind::Struct(_) => "object",
    }
}

fn range(all: &mut Map<String, Json>, least: i64, most: i64) {
    all.insert("minimum".into(), least.into());
    all.insert("maximum".into(), most.into());
}

/// What a number counts, behind what its field says.
fn all_of(all: &mut Map<String, Json>, unit: &str) {
    let doc = match all.get("description").and_then(Json::as_str) {
        Some(doc) => format!("{doc} {unit}"),
        None => unit.to_owned(),
    };
    all.insert("description".into(), doc.into());
}

/// A default as JSON.
pub fn scalar(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Boolean(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::String(text) => json!(**text),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use connect_converters::declared_schema;

    use super::*;

    #[test]
    fn optional_fields_may_be_null_and_are_not_required() {
        let text = r#"{"type": "struct", "name": "a.B", "doc": "It.", "fields": [
            {"field": "id", "type": "int32", "optional": false, "doc": "The id."},
            {"field": "note", "type": "string", "optional": true},
            {"field": "unit", "type": "string", "optional": false, "default": ""},
            {"field": "at", "type": "int64", "optional": false,
             "name": "org.apache.kafka.connect.data.Timestamp", "version": 1},
            {"field": "tags", "type": "array", "optional": false,
             "items": {"type": "bytes", "optional": false}},
            {"field": "more", "type": "map", "optional": true,
             "keys": {"type": "string", "optional": false},
             "values": {"type": "string", "optional": true, "name": "io.debezium.data.Json"}}
        ]}"#;
        let schema = json_schema("t-value", &declared_schema(text).unwrap());
        assert_eq!(schema["$schema"], DIALECT);
        assert_eq!(schema["title"], "a.B");
        assert_eq!(schema["required"], json!(["id", "at", "tags"]));
        let fields = &schema["properties"];
        assert_eq!(fields["note"]["type"], json!(["string", "null"]));
        assert_eq!(fields["unit"]["default"], "");
        assert_eq!(fields["id"]["maximum"], i32::MAX);
        assert_eq!(fields["id"]["description"], "The id.");
        assert_eq!(fields["at"]["type"], "integer");
        assert_eq!(fields["tags"]["items"]["contentEncoding"], "base64");
        assert_eq!(fields["more"]["additionalProperties"], json!({}));
    }
}
