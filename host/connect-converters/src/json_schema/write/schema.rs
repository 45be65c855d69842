//! Connect schemas as JSON Schemas, the way Confluent's JsonSchemaData maps them.

use connect_api::{Error, Kind, Result, Schema};
use serde_json::{Map, Value as Json, json};

use super::Settings;
use crate::json::DecimalFormat;
use crate::json::payload::union::is_union;

/// Parameters of Confluent's own are not told: they stand for what the schema is.
const NAMESPACE: &str = "io.confluent.connect.json";
const ENUMS: [&str; 2] = [
    "org.apache.kafka.connect.data.Enum",
    "io.confluent.connect.json.Enum",
];
const NULL_MARKER: &str = "<NULL>";

/// The text of the JSON Schema.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when a default has no form in JSON.
pub(in crate::json_schema) fn text(schema: &Schema, settings: Settings) -> Result<String> {
    Ok(of(schema, None, settings)?.to_string())
}

/// A schema, of the field at this place.
fn of(schema: &Schema, index: Option<usize>, settings: Settings) -> Result<Json> {
    let mut own = match &schema.kind {
        Kind::Struct(fields) if is_union(schema) => {
            let mut members = Vec::new();
            if schema.optional {
                members.push(json!({ "type": "null" }));
            }
            for (at, field) in fields.iter().enumerate() {
                members.push(Json::Object(required(&field.schema, Some(at), settings)?));
            }
            return Ok(indexed(json!({ "oneOf": members }), index));
        }
        _ => required(schema, None, settings)?,
    };
    if !schema.optional || schema.kind == Kind::Any {
        if let Some(index) = index {
            own.insert("connect.index".into(), index.into());
        }
        return Ok(Json::Object(own));
    }
    Ok(indexed(
        json!({ "oneOf": [{ "type": "null" }, own] }),
        index,
    ))
}

fn indexed(mut json: Json, index: Option<usize>) -> Json {
    if let (Some(index), Some(all)) = (index, json.as_object_mut()) {
        all.insert("connect.index".into(), index.into());
    }
    json
}

/// The schema without null, with all of its attributes.
fn required(
    schema: &Schema,
    index: Option<usize>,
    settings: Settings,
) -> Result<Map<String, Json>> {
    let mut all = Map::new();
    let logical = typed(schema, settings, &mut all)?;
    let own = logical.map(|name| format!("org.apache.kafka.connect.data.{name}"));
    if let Some(name) = own.as_deref().or(schema.name.as_deref()) {
        all.insert("title".into(), name.into());
    }
    let version = schema.version.or(logical.map(|_| 1));
    if let Some(version) = version {
        all.insert("connect.version".into(), version.into());
    }
    if let Some(doc) = schema.doc.as_deref() {
        all.insert("description".into(), doc.into());
    }
    let mut parameters = Map::new();
    if let Kind::Decimal(Some(scale)) = schema.kind {
        parameters.insert("scale".into(), scale.to_string().into());
    }
    for (name, value) in &schema.parameters {
        if !name.starts_with(NAMESPACE) {
            parameters.insert(name.to_string(), json!(**value));
        }
    }
    if !parameters.is_empty() {
        all.insert("connect.parameters".into(), Json::Object(parameters));
    }
    if let Some(default) = schema.default.as_ref().filter(|default| !default.is_null()) {
        let mut text = String::new();
        super::value(schema, default, settings, &mut text)?;
        let default: Json = serde_json::from_str(&text)
            .map_err(|_| Error::data("the default has no form in JSON"))?;
        all.insert("default".into(), default);
    }
    if let Some(index) = index {
        all.insert("connect.index".into(), index.into());
    }
    Ok(all)
}

/// The type, and Kafka Connect's word for its meaning.
fn typed(
    schema: &Schema,
    settings: Settings,
    all: &mut Map<String, Json>,
) -> Result<Option<&'static str>> {
    if let Some(scalar) = scalar(&schema.kind, settings) {
        all.insert("type".into(), scalar.json.into());
        if let Some(connect) = scalar.connect {
            all.insert("connect.type".into(), connect.into());
        }
        return Ok(scalar.logical);
    }
    let mut put = |name: &str, value: Json| all.insert(name.into(), value);
    match &schema.kind {
        Kind::String => match symbols(schema) {
            Some(symbols) => put("enum", symbols.into()),
            None => put("type", "string".into()),
        },
        Kind::Array(item) => {
            put("type", "array".into());
            put("items", of(item, None, settings)?)
        }
        Kind::Map(key, item) if key.kind == Kind::String && !key.optional => {
            put("type", "object".into());
            put("connect.type", "map".into());
            put("additionalProperties", of(item, None, settings)?)
        }
        Kind::Map(key, item) => {
            put("type", "array".into());
            put("connect.type", "map".into());
            let entry = json!({
                "type": "object",
                "properties": {
                    "key": of(key, Some(0), settings)?,
                    "value": of(item, Some(1), settings)?,
                },
            });
            put("items", entry)
        }
        Kind::Struct(fields) => {
            put("type", "object".into());
            let mut properties = Map::new();
            for (at, field) in fields.iter().enumerate() {
                let schema = of(&field.schema, Some(at), settings);
                let schema = schema.map_err(|e| e.context(format!("field {}", field.name)))?;
                properties.insert(field.name.to_string(), schema);
            }
            if !settings.additional_properties {
                put("additionalProperties", false.into());
            }
            put("properties", Json::Object(properties))
        }
        // Whatever JSON it is.
        _ => None,
    };
    Ok(None)
}

/// A type that holds no other.
struct Scalar {
    json: &'static str,
    connect: Option<&'static str>,
    logical: Option<&'static str>,
}

fn scalar(kind: &Kind, settings: Settings) -> Option<Scalar> {
    let is_numeric = settings.decimals == DecimalFormat::Numeric;
    let (json, connect, logical) = match kind {
        Kind::Int8 => ("integer", Some("int8"), None),
        Kind::Int16 => ("integer", Some("int16"), None),
        Kind::Int32 => ("integer", Some("int32"), None),
        Kind::Int64 => ("integer", Some("int64"), None),
        Kind::Float32 => ("number", Some("float32"), None),
        Kind::Float64 | Kind::Decimal(None) => ("number", Some("float64"), None),
        Kind::Boolean => ("boolean", None, None),
        Kind::Bytes => ("string", Some("bytes"), None),
        Kind::Date => ("integer", Some("int32"), Some("Date")),
        Kind::Time => ("integer", Some("int32"), Some("Time")),
        Kind::Timestamp => ("integer", Some("int64"), Some("Timestamp")),
        Kind::Decimal(Some(_)) if is_numeric => ("number", Some("bytes"), Some("Decimal")),
        Kind::Decimal(Some(_)) => ("string", Some("bytes"), Some("Decimal")),
        _ => return None,
    };
    Some(Scalar {
        json,
        connect,
        logical,
    })
}

/// The values of an enum.
fn symbols(schema: &Schema) -> Option<Vec<Json>> {
    let parameters = &schema.parameters;
    let parameter = ENUMS
        .iter()
        .find(|name| parameters.iter().any(|(key, _)| key == *name))?;
    let symbol = |key: &str| {
        let symbol = key.strip_prefix(parameter)?.strip_prefix('.')?;
        Some(match symbol {
            NULL_MARKER => Json::Null,
            _ => symbol.into(),
        })
    };
    Some(
        parameters
            .iter()
            .filter_map(|(key, _)| symbol(key))
            .collect(),
    )
}
