//! Connect schemas as Avro's, the way Confluent's AvroData maps them; times keep their
//! microseconds. The text of a field stands at the field, and so does its default.

use std::collections::HashMap;

use connect_api::{Error, Kind, Result, Schema, Value};
use serde_json::{Map, Value as Json, json};

/// Confluent's name for a struct that has none; the second one is numbered.
const DEFAULT: &str = "io.confluent.connect.avro.ConnectDefault";
/// Confluent's precision, as Connect's decimals have none.
const PRECISION: u32 = 64;

/// The text of the Avro schema.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it has a name or a type that is none in Avro.
pub(in crate::avro) fn text(schema: &Schema) -> Result<String> {
    let mut names = Names::default();
    Ok(names.of(schema)?.to_string())
}

/// The full name of the Avro record that a struct becomes; none for any other schema.
pub(super) fn record_name(schema: &Schema) -> Option<&str> {
    schema.fields()?;
    Some(schema.name.as_deref().unwrap_or(DEFAULT))
}

/// The records that were defined so far.
#[derive(Default)]
struct Names<'a> {
    defined: HashMap<String, &'a Schema>,
    defaults: u32,
}

impl<'a> Names<'a> {
    fn of(&mut self, schema: &'a Schema) -> Result<Json> {
        let bare = self.bare(schema)?;
        Ok(match is_union(schema) {
            true => json!(["null", bare]),
            false => bare,
        })
    }

    fn bare(&mut self, schema: &'a Schema) -> Result<Json> {
        let mut all = Map::new();
        match &schema.kind {
            Kind::Struct(_) => return self.record(schema),
            Kind::Array(item) => {
                all.insert("items".into(), self.of(item)?);
            }
            Kind::Map(key, item) => {
                if key.kind != Kind::String || key.optional {
                    return Err(refused("a map whose keys are no strings"));
                }
                all.insert("values".into(), self.of(item)?);
            }
            Kind::Decimal(Some(scale)) => {
                let scale = u32::try_from(*scale)
                    .ok()
                    .filter(|scale| *scale <= PRECISION);
                let scale = scale.ok_or_else(|| refused("a decimal of such a scale"))?;
                all.insert("scale".into(), json!(scale));
                all.insert("precision".into(), json!(PRECISION));
                all.insert(
                    "connect.parameters".into(),
                    json!({ "scale": scale.to_string() }),
                );
            }
            _ => {}
        }
        let (name, logical) = avro_type(&schema.kind);
        let mut set = |key: &str, value: Option<Json>| {
            if let Some(value) = value {
                all.insert(key.into(), value);
            }
        };
        set("logicalType", logical.map(Json::from));
        set("connect.name", connect_name(schema).map(Json::from));
        set("connect.version", schema.version.map(Json::from));
        set("connect.doc", schema.doc.as_deref().map(Json::from));
        let narrow = match schema.kind {
            Kind::Int8 => Some("int8"),
            Kind::Int16 => Some("int16"),
            _ => None,
        };
        set("connect.type", narrow.map(Json::from));
        if !schema.parameters.is_empty() {
            let parameters = all.entry("connect.parameters").or_insert_with(|| json!({}));
            for (name, value) in &schema.parameters {
                parameters[&**name] = json!(**value);
            }
        }
        if all.is_empty() {
            return Ok(name.into());
        }
        all.insert("type".into(), name.into());
        Ok(Json::Object(all))
    }

    fn record(&mut self, schema: &'a Schema) -> Result<Json> {
        let name = match &schema.name {
            Some(name) => name.to_string(),
            None => {
                self.defaults += 1;
                match self.defaults {
                    1 => DEFAULT.to_owned(),
                    count => format!("{DEFAULT}{count}"),
                }
            }
        };
        if !name.split('.').all(is_name) {
            return Err(refused(&format!("the name {name:?}")));
        }
        if let Some(known) = self.defined.get(&name) {
            return match known.kind == schema.kind {
                true => Ok(name.into()),
                false => Err(refused(&format!(
                    "two different structs of the name {name}"
                ))),
            };
        }
        self.defined.insert(name.clone(), schema);
        let mut fields = Vec::new();
        for field in schema.fields().unwrap_or_default() {
            if !is_name(&field.name) {
                return Err(refused(&format!("the field name {:?}", &*field.name)));
            }
            let mut all = Map::new();
            all.insert("name".into(), json!(*field.name));
            all.insert("type".into(), without_doc(self.of(&field.schema)?));
            if let Some(doc) = field.schema.doc.as_deref() {
                all.insert("doc".into(), doc.into());
            }
            // A reader of another version may do without it.
            if is_union(&field.schema) {
                all.insert("default".into(), Json::Null);
            } else if let Some(default) = field.schema.default.as_ref().and_then(scalar) {
                all.insert("default".into(), default);
            }
            fields.push(Json::Object(all));
        }
        // The whole name: a namespace would be inherited by those within.
        let (space, simple) = name.rsplit_once('.').unwrap_or(("", &name));
        let mut all = Map::new();
        all.insert("type".into(), "record".into());
        all.insert("name".into(), simple.into());
        all.insert("namespace".into(), space.into());
        all.insert("fields".into(), fields.into());
        if let Some(doc) = schema.doc.as_deref() {
            all.insert("doc".into(), doc.into());
        }
        if let Some(version) = schema.version {
            all.insert("connect.version".into(), version.into());
        }
        Ok(Json::Object(all))
    }
}

/// A type without the text of its field, which stands at the field: there any tool shows it.
fn without_doc(typed: Json) -> Json {
    match typed {
        Json::Array(union) => union.into_iter().map(without_doc).collect(),
        Json::Object(mut all) => {
            all.remove("connect.doc");
            match all.get("type") {
                Some(Json::String(name)) if all.len() == 1 => Json::from(name.as_str()),
                _ => Json::Object(all),
            }
        }
        name => name,
    }
}

/// A default as Avro writes it. Others than scalars are left out: a reader then needs the field.
fn scalar(value: &Value) -> Option<Json> {
    Some(match value {
        Value::Boolean(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Float(number) if number.is_finite() => json!(number),
        Value::String(text) => json!(**text),
        _ => return None,
    })
}

/// A type of Avro, and its logical type.
fn avro_type(kind: &Kind) -> (&'static str, Option<&'static str>) {
    match kind {
        Kind::Int8 | Kind::Int16 | Kind::Int32 => ("int", None),
        Kind::Int64 => ("long", None),
        Kind::Float32 => ("float", None),
        Kind::Float64 => ("double", None),
        Kind::Boolean => ("boolean", None),
        Kind::Bytes => ("bytes", None),
        // What has no schema, and a decimal of any scale, are text.
        Kind::String | Kind::Any | Kind::Decimal(None) => ("string", None),
        Kind::Decimal(Some(_)) => ("bytes", Some("decimal")),
        Kind::Date => ("int", Some("date")),
        Kind::Time => ("long", Some("time-micros")),
        Kind::Timestamp => ("long", Some("timestamp-micros")),
        Kind::Array(_) => ("array", None),
        Kind::Map(..) => ("map", None),
        Kind::Struct(_) => ("record", None),
    }
}

/// Whether null is a value of it.
pub(super) fn is_union(schema: &Schema) -> bool {
    schema.optional || schema.kind == Kind::Any
}

fn connect_name(schema: &Schema) -> Option<&str> {
    match schema.kind {
        Kind::Decimal(Some(_)) => Some("org.apache.kafka.connect.data.Decimal"),
        Kind::Date => Some("org.apache.kafka.connect.data.Date"),
        _ => schema.name.as_deref(),
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn refused(what: &str) -> Error {
    Error::data(format!("{what} has no form in Avro"))
}
