//! Schemas as JsonConverter writes them.

use std::sync::Arc;

use connect_api::json::FieldNames;
use connect_api::{Error, Field, Kind, Result, Schema, Str};
use serde_json::{Map, Value as Json};

use super::payload;
use crate::text::charge_tree;

/// The schema of a JSON text; none for `null`, which stands for schemaless data.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the text is no schema.
pub(super) fn parse(text: &str, replace_null: bool) -> Result<Option<Arc<Schema>>> {
    charge_tree(text)?;
    let json: Json = serde_json::from_str(text).map_err(|e| payload::malformed(&e))?;
    if json.is_null() {
        return Ok(None);
    }
    read(&json, replace_null).map(|schema| Some(Arc::new(schema)))
}

fn read(json: &Json, replace_null: bool) -> Result<Schema> {
    let json = json.as_object().ok_or_else(no_type)?;
    let type_name = json
        .get("type")
        .and_then(Json::as_str)
        .ok_or_else(no_type)?;
    let mut schema = Schema::new(kind(type_name, json, replace_null)?);
    schema.optional = json
        .get("optional")
        .and_then(Json::as_bool)
        .unwrap_or(false);
    schema.version = match json.get("version") {
        None | Some(Json::Null) => None,
        Some(version) => Some(
            version
                .as_i64()
                .and_then(|v| i32::try_from(v).ok())
                .ok_or_else(|| Error::data("Invalid schema version is not integer"))?,
        ),
    };
    schema.doc = text(json, "doc")?.map(Str::from);
    if let Some(parameters) = json.get("parameters").filter(|p| !p.is_null()) {
        let parameters = parameters
            .as_object()
            .ok_or_else(|| Error::data("Schema parameters must be a map"))?;
        for (name, value) in parameters {
            let value = value
                .as_str()
                .ok_or_else(|| Error::data("Schema parameters must have string values"))?;
            schema.parameters.push((name.into(), value.into()));
        }
    }
    if let Some(name) = text(json, "name")? {
        let logical = logical_kind(name, &mut schema)?;
        match logical {
            Some(kind) => schema.kind = kind,
            None => schema.name = Some(name.into()),
        }
    }
    if let Some(default) = json.get("default").filter(|d| !d.is_null()) {
        let default = default.to_string();
        let value = payload::read(default.as_bytes(), &schema, replace_null)
            .map_err(|e| e.context("Invalid schema default"))?;
        schema.default = Some(value);
    }
    Ok(schema)
}

fn no_type() -> Error {
    Error::data("Schema must contain 'type' field")
}

fn text<'a>(json: &'a Map<String, Json>, key: &str) -> Result<Option<&'a str>> {
    match json.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::data(format!("Invalid schema {key}: not a string"))),
    }
}

fn kind(type_name: &str, json: &Map<String, Json>, replace_null: bool) -> Result<Kind> {
    let part = |key: &str, what: &str| {
        let part = json.get(key).filter(|p| !p.is_null());
        let part = part.ok_or_else(|| Error::data(what))?;
        read(part, replace_null).map(Arc::new)
    };
    Ok(match type_name {
        "boolean" => Kind::Boolean,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float" => Kind::Float32,
        "double" => Kind::Float64,
        "bytes" => Kind::Bytes,
        "string" => Kind::String,
        "array" => Kind::Array(part(
            "items",
            "Array schema did not specify the element type",
        )?),
        "map" => Kind::Map(
            part("keys", "Map schema did not specify the key type")?,
            part("values", "Map schema did not specify the value type")?,
        ),
        "struct" => Kind::Struct(fields(json, replace_null)?),
        _ => return Err(Error::data(format!("Unknown schema type: {type_name}"))),
    })
}

fn fields(json: &Map<String, Json>, replace_null: bool) -> Result<Vec<Field>> {
    let given = json
        .get("fields")
        .and_then(Json::as_array)
        .ok_or_else(|| Error::data("Struct schema's \"fields\" argument is not an array."))?;
    let mut fields: Vec<Field> = Vec::with_capacity(given.len());
    let mut names = FieldNames::default();
    for field in given {
        let name = field
            .get("field")
            .and_then(Json::as_str)
            .ok_or_else(|| Error::data("Struct schema's field name not specified properly"))?;
        if names.find_or_add(name, |at| &fields[at].name).is_some() {
            return Err(Error::data(format!(
                "Cannot create field because of field name duplication {name}"
            )));
        }
        let schema = read(field, replace_null).map_err(|e| e.context(format!("field {name}")))?;
        fields.push(Field::new(name, schema));
    }
    Ok(fields)
}

/// The kind that one of Kafka Connect's own names stands for.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the schema is not of the type that the name asks for.
pub(crate) fn logical_kind(name: &str, schema: &mut Schema) -> Result<Option<Kind>> {
    let Some(logical) = name.strip_prefix("org.apache.kafka.connect.data.") else {
        return Ok(None);
    };
    Ok(Some(match (logical, &schema.kind) {
        ("Decimal", Kind::Bytes) => {
            let scale = schema.parameters.iter().position(|(key, _)| key == "scale");
            let scale = scale.map(|at| schema.parameters.remove(at).1.parse());
            let Some(Ok(scale)) = scale else {
                return Err(Error::data(
                    "Invalid Decimal schema: scale parameter not found.",
                ));
            };
            Kind::Decimal(Some(scale))
        }
        ("Date", Kind::Int32) => Kind::Date,
        ("Time", Kind::Int32) => Kind::Time,
        ("Timestamp", Kind::Int64) => Kind::Timestamp,
        ("Decimal" | "Date" | "Time" | "Timestamp", _) => {
            return Err(Error::data(format!("Schema {name} has the wrong type")));
        }
        _ => return Ok(None),
    }))
}
