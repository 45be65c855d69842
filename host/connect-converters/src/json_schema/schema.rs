//! JSON Schemas to Connect schemas, as Confluent's JsonSchemaData maps them.

mod combined;

use std::sync::Arc;

use connect_api::{Error, Field, Kind, Result, Schema, Str};
use serde_json::{Map, Value as Json};

use super::Settings;
use super::references::{Documents, Place};
use crate::json::{payload, schema as connect};
use crate::registry::Registered;
use crate::text::charge_tree;

/// Deeper schemas are refused: a value must not exhaust the stack.
const MAX_DEPTH: usize = 64;
/// Schemas of more parts are refused, each counted as often as it is referred to.
const MAX_SIZE: usize = 200_000;

/// The parameter of an enum, with `generalized.sum.type.support` and without.
const ENUM: &str = "org.apache.kafka.connect.data.Enum";
const OWN_ENUM: &str = "io.confluent.connect.json.Enum";
/// What stands for null among the symbols of an enum.
const NULL_MARKER: &str = "<NULL>";

/// The Connect schema of a JSON Schema.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it is none, or one that Connect has no schema for.
pub(super) fn compile(registered: &Registered, settings: Settings) -> Result<Schema> {
    let parse = |text: &str| -> Result<Json> {
        charge_tree(text)?;
        serde_json::from_str(text).map_err(|e| payload::malformed(&e))
    };
    let root = parse(&registered.text)?;
    let references = registered.references.iter();
    let parsed = references.map(|reference| Ok((&*reference.name, parse(&reference.text)?)));
    let parsed = parsed.collect::<Result<Vec<_>>>()?;
    let mut compiler = Compiler {
        documents: Documents::new(parsed.iter().map(|(name, json)| (*name, json))),
        settings,
        open: Vec::new(),
        depth: 0,
        size: 0,
        unions: 0,
    };
    let place = Place {
        json: &root,
        document: &root,
    };
    compiler.schema(place, false)
}

struct Compiler<'a> {
    documents: Documents<'a>,
    settings: Settings,
    /// Addresses of what is being compiled and was referred to, or holds that.
    open: Vec<usize>,
    depth: usize,
    size: usize,
    unions: usize,
}

fn address(json: &Json) -> usize {
    std::ptr::from_ref(json).addr()
}

impl<'a> Compiler<'a> {
    /// The schema of a part, which is optional where `is_optional` asks for it.
    fn schema(&mut self, place: Place<'a>, is_optional: bool) -> Result<Schema> {
        self.size += 1;
        if self.size > MAX_SIZE {
            return Err(refused("it is too large"));
        }
        if self.depth >= MAX_DEPTH {
            return Err(refused("it is nested too deeply"));
        }
        // What is within itself has no Connect schema: it is read as the JSON that it is.
        if self.open.contains(&address(place.json)) {
            return Ok(Schema::any());
        }
        self.open.push(address(place.json));
        self.depth += 1;
        let schema = self.typed(place, is_optional);
        self.depth -= 1;
        self.open.pop();
        schema
    }

    fn typed(&mut self, place: Place<'a>, is_optional: bool) -> Result<Schema> {
        let all = match place.json {
            Json::Object(all) => all,
            Json::Bool(true) => return Ok(Schema::any()),
            _ => return Err(refused("a part of it is no object")),
        };
        if let Some(reference) = text(all, "$ref") {
            let found = self.documents.find(reference, place.document)?;
            return self.schema(found, is_optional);
        }
        let parts = combined::parts(all);
        if !parts.is_empty() {
            return self.combined(place, all, &parts, is_optional);
        }
        if let Some(values) = values_of(all) {
            let mut schema = self.symbols(&values);
            self.attributes(&mut schema, all)?;
            schema.optional |= is_optional;
            return Ok(schema);
        }
        let mut schema = match type_of(all) {
            Some(name) => self.simple(name, all, place)?,
            None => Schema::any(),
        };
        self.attributes(&mut schema, all)?;
        schema.optional |= is_optional;
        Ok(schema)
    }

    /// A schema of one type, without its attributes.
    fn simple(&mut self, name: &str, all: &'a Map<String, Json>, at: Place<'a>) -> Result<Schema> {
        let connect = text(all, "connect.type");
        let kind = match (name, connect) {
            ("boolean", _) => Kind::Boolean,
            ("integer", None) => Kind::Int64,
            ("number", None) => Kind::Float64,
            ("integer" | "number", Some(connect)) => match connect {
                "int8" => Kind::Int8,
                "int16" => Kind::Int16,
                "int32" => Kind::Int32,
                "int64" => Kind::Int64,
                "float32" => Kind::Float32,
                "float64" => Kind::Float64,
                "bytes" => Kind::Bytes,
                _ => return Err(refused("a connect.type that is none of a number")),
            },
            ("string", Some("bytes")) => Kind::Bytes,
            ("string", _) => Kind::String,
            ("array", _) => self.array(all, at, connect == Some("map"))?,
            ("object", Some("map")) => {
                let values = all.get("additionalProperties");
                let values = values.filter(|values| values.is_object());
                let values = values.ok_or_else(|| refused("a map without additionalProperties"))?;
                let values = self.within(values, at, false)?;
                Kind::Map(Arc::new(Schema::new(Kind::String)), Arc::new(values))
            }
            ("object", _) => Kind::Struct(self.fields(all, at)?),
            ("null", _) => return Err(refused("a part of it can only be null")),
            _ => return Err(refused("a type that JSON does not have")),
        };
        Ok(Schema::new(kind))
    }

    fn within(&mut self, json: &'a Json, at: Place<'a>, is_optional: bool) -> Result<Schema> {
        let place = Place {
            json,
            document: at.document,
        };
        self.schema(place, is_optional)
    }

    fn array(&mut self, all: &'a Map<String, Json>, at: Place<'a>, is_map: bool) -> Result<Kind> {
        let items = all.get("items").filter(|items| !items.is_array());
        let items = items.ok_or_else(|| refused("an array that does not tell its items"))?;
        let entry = |name: &str| items.get("properties")?.get(name);
        if let (true, Some(key), Some(value)) = (is_map, entry("key"), entry("value")) {
            let key = self.within(key, at, false)?;
            let value = self.within(value, at, false)?;
            return Ok(Kind::Map(Arc::new(key), Arc::new(value)));
        }
        Ok(Kind::Array(Arc::new(self.within(items, at, false)?)))
    }

    fn fields(&mut self, all: &'a Map<String, Json>, at: Place<'a>) -> Result<Vec<Field>> {
        let required = required(all);
        let properties = all.get("properties").and_then(Json::as_object);
        let mut indexed: Vec<_> = properties.into_iter().flatten().zip(0..).collect();
        let index = |json: &Json, place: i64| {
            let index = json.get("connect.index").and_then(Json::as_i64);
            index.unwrap_or(place)
        };
        indexed.sort_by_key(|((_, json), place)| index(json, *place));
        let fields = indexed.into_iter().map(|((name, json), _)| {
            let is_required = required.contains(&name.as_str());
            let is_optional = self.settings.optional_for_nonrequired && !is_required;
            let schema = self.within(json, at, is_optional);
            let schema = schema.map_err(|e| e.context(format!("property {name}")))?;
            Ok(Field::new(name.as_str(), schema))
        });
        fields.collect()
    }

    /// A string of a few values.
    fn symbols(&self, values: &[&Json]) -> Schema {
        let mut schema = Schema::new(Kind::String);
        let parameter = match self.settings.generalized_sum_types {
            true => ENUM,
            false => OWN_ENUM,
        };
        schema.parameters.push((parameter.into(), "".into()));
        for (at, value) in values.iter().enumerate() {
            let symbol = match value {
                Json::Null => NULL_MARKER.to_owned(),
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            let told = match self.settings.generalized_sum_types {
                true => at.to_string(),
                false => symbol.clone(),
            };
            let name = format!("{parameter}.{symbol}");
            schema.parameters.push((name.into(), told.into()));
        }
        schema
    }

    /// Name, version, text, parameters and default.
    fn attributes(&self, schema: &mut Schema, all: &Map<String, Json>) -> Result<()> {
        if let Some(version) = all.get("connect.version").and_then(Json::as_i64) {
            schema.version = i32::try_from(version).ok();
        }
        schema.doc = text(all, "description").map(Str::from);
        let parameters = all.get("connect.parameters").and_then(Json::as_object);
        for (name, value) in parameters.into_iter().flatten() {
            let value = match value {
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            schema.parameters.push((name.into(), value.into()));
        }
        if let (Some(title), None) = (text(all, "title"), &schema.name) {
            match connect::logical_kind(title, schema)? {
                Some(kind) => schema.kind = kind,
                None => schema.name = Some(title.into()),
            }
        }
        if let Some(default) = all.get("default").filter(|default| !default.is_null()) {
            let default = default.to_string();
            let shared = Arc::new(schema.clone());
            let value = payload::read_confluent(default.as_bytes(), &shared)
                .map_err(|e| e.context("the default"))?;
            schema.default = Some(value);
        }
        Ok(())
    }
}

/// The only type of a schema, which its keywords tell where it does not say it.
fn type_of(all: &Map<String, Json>) -> Option<&str> {
    if let Some(name) = text(all, "type") {
        return Some(name);
    }
    if let Some([Json::String(name)]) = all.get("type").and_then(Json::as_array).map(|a| &**a) {
        return Some(name);
    }
    let has = |names: &[&str]| names.iter().any(|name| all.contains_key(*name));
    if has(&[
        "properties",
        "additionalProperties",
        "required",
        "patternProperties",
    ]) {
        return Some("object");
    }
    if has(&["items", "minItems", "maxItems", "uniqueItems"]) {
        return Some("array");
    }
    if has(&["pattern", "minLength", "maxLength", "format"]) {
        return Some("string");
    }
    let numbers = [
        "minimum",
        "maximum",
        "multipleOf",
        "exclusiveMinimum",
        "exclusiveMaximum",
    ];
    has(&numbers).then_some("number")
}

/// The values of an enum or a const. They do not count where the type is a number.
fn values_of(all: &Map<String, Json>) -> Option<Vec<&Json>> {
    let name = text(all, "type");
    if let Some(values) = all.get("enum").and_then(Json::as_array) {
        return matches!(name, None | Some("string")).then(|| values.iter().collect());
    }
    let value = all.get("const")?;
    name.is_none().then(|| vec![value])
}

fn required(all: &Map<String, Json>) -> Vec<&str> {
    let names = all.get("required").and_then(Json::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect()
}

fn text<'a>(all: &'a Map<String, Json>, name: &str) -> Option<&'a str> {
    all.get(name).and_then(Json::as_str)
}

fn refused(why: &str) -> Error {
    Error::data(format!("the JSON Schema cannot be used: {why}"))
}
