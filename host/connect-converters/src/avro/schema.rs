//! Avro schemas to Connect schemas and decode plans, as Confluent's AvroData maps them.
//!
//! It reads the schema's JSON itself: apache-avro's tree drops the attributes of primitive types,
//! and `connect.name`, `connect.type` and `connect.parameters` are what Debezium and others say
//! the meaning of an int or a string with.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connect_api::json::FieldNames;
use connect_api::{Error, Field, Kind, Result, Schema, Str};
use serde_json::{Map, Value as Json};

use crate::text::charge_tree;

use super::plan::{Again, Branch, Fields, Item, Plan};

mod default;
mod logical;

/// Deeper schemas are refused: a value must not exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Schemas of more types are refused, each counted as often as it is named: a few names, each of
/// which stands in the next one twice, would else be more types than can be counted.
const MAX_SIZE: usize = 200_000;

/// An Avro schema, ready to decode.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub schema: Arc<Schema>,
    pub plan: Plan,
}

/// Compiles a schema; the texts of those that it refers to come first.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it is no Avro schema.
pub(super) fn compile(references: &[String], text: &str) -> Result<Compiled> {
    let mut compiler = Compiler::default();
    for reference in references {
        compiler.text(reference)?;
    }
    let typed = compiler.text(text)?;
    Ok(typed.finish())
}

/// A type whose schema can still be made optional, or be given a default.
#[derive(Clone, Debug)]
struct Typed {
    schema: Schema,
    plan: Plan,
    depth: usize,
    /// The types and attributes within it, and itself.
    size: usize,
}

impl Typed {
    fn new(kind: Kind, plan: Plan) -> Self {
        Self {
            schema: Schema::new(kind),
            plan,
            depth: 1,
            size: 1,
        }
    }

    fn finish(mut self) -> Compiled {
        let schema = Arc::new(self.schema);
        self.plan.set_schema(&schema);
        Compiled {
            schema,
            plan: self.plan,
        }
    }
}

#[derive(Default)]
struct Compiler {
    /// By full name.
    names: HashMap<String, Named>,
}

enum Named {
    /// The type is being defined.
    Open(Arc<Again>),
    Defined(Box<Typed>),
}

impl Compiler {
    fn text(&mut self, text: &str) -> Result<Typed> {
        charge_tree(text)?;
        // A primitive type may be registered as its bare name.
        let json = match serde_json::from_str(text) {
            Ok(json) => json,
            Err(_) if primitive(text.trim()).is_some() => Json::String(text.trim().into()),
            Err(_) => return Err(refused("it is no JSON")),
        };
        self.read(&json, "")
    }

    fn read(&mut self, json: &Json, namespace: &str) -> Result<Typed> {
        let typed = match json {
            Json::String(name) => self.named(name, namespace)?,
            Json::Array(branches) => self.union(branches, namespace)?,
            Json::Object(attributes) => self.object(attributes, namespace)?,
            _ => return Err(refused("a type is neither a name, a list nor an object")),
        };
        if typed.depth > MAX_DEPTH {
            return Err(refused("it is nested too deeply"));
        }
        checked_size(typed.size)?;
        Ok(typed)
    }

    fn named(&self, name: &str, namespace: &str) -> Result<Typed> {
        if let Some(typed) = primitive(name) {
            return Ok(typed);
        }
        let qualified = qualify(name, namespace);
        let known = self.names.get(&qualified).or_else(|| self.names.get(name));
        match known {
            Some(Named::Defined(typed)) => Ok((**typed).clone()),
            // Schemas of Kafka Connect cannot hold themselves: within itself a record's schema is
            // only its name, and each value has its own.
            Some(Named::Open(again)) => {
                let mut typed = Typed::new(Kind::Any, Plan::Again(Arc::clone(again)));
                typed.schema.name = Some(qualified.into());
                Ok(typed)
            }
            None => Err(refused(&format!("the type {name} is not defined"))),
        }
    }

    fn object(&mut self, json: &Map<String, Json>, namespace: &str) -> Result<Typed> {
        let Some(type_name) = json.get("type") else {
            return Err(refused("an object has no type"));
        };
        let mut typed = match type_name.as_str() {
            Some("record" | "error") => return self.define(json, namespace, Self::record),
            Some("enum") => {
                return self.define(json, namespace, |_, json, name, _| symbols(json, name));
            }
            Some("fixed") => return self.define(json, namespace, |_, json, _, _| fixed(json)),
            Some("array") => self.array(json, namespace)?,
            Some("map") => {
                let value = self.read(part(json, "values")?, namespace)?;
                let (depth, size) = (value.depth + 1, value.size + 1);
                let (schema, item) = item(value);
                let key = Schema::new(Kind::String).into();
                Typed {
                    depth,
                    size,
                    ..Typed::new(Kind::Map(key, schema), Plan::Map(item))
                }
            }
            Some(name) => self.named(name, namespace)?,
            None => self.read(type_name, namespace)?,
        };
        logical::apply(&mut typed, json);
        attributes(&mut typed.schema, json)?;
        Ok(typed)
    }

    /// Defines a named type.
    fn define(
        &mut self,
        json: &Map<String, Json>,
        namespace: &str,
        read: impl FnOnce(&mut Self, &Map<String, Json>, &str, &str) -> Result<Typed>,
    ) -> Result<Typed> {
        let name = json.get("name").and_then(Json::as_str);
        let name = name.ok_or_else(|| refused("a named type has no name"))?;
        let namespace = json
            .get("namespace")
            .and_then(Json::as_str)
            .unwrap_or(namespace);
        let name = qualify(name, namespace);
        let namespace = name
            .rsplit_once('.')
            .map_or("", |(namespace, _)| namespace)
            .to_owned();
        let again = Arc::new(Again::default());
        let open = Named::Open(Arc::clone(&again));
        if self.names.insert(name.clone(), open).is_some() {
            return Err(refused(&format!("the type {name} is defined twice")));
        }
        let mut typed = read(self, json, &name, &namespace)?;
        logical::apply(&mut typed, json);
        attributes(&mut typed.schema, json)?;
        again.define(&typed.plan, typed.depth);
        let defined = Named::Defined(Box::new(typed.clone()));
        self.names.insert(name, defined);
        Ok(typed)
    }

    fn record(&mut self, json: &Map<String, Json>, name: &str, namespace: &str) -> Result<Typed> {
        let given = json.get("fields").and_then(Json::as_array);
        let given = given.ok_or_else(|| refused(&format!("the record {name} has no fields")))?;
        let mut fields: Vec<Field> = Vec::with_capacity(given.len());
        let mut plans = Vec::with_capacity(given.len());
        let mut names = FieldNames::default();
        let (mut depth, mut size) = (0, 1);
        for field in given {
            let field_name = field.get("name").and_then(Json::as_str);
            let (Some(field_name), Some(json)) = (field_name, field.as_object()) else {
                return Err(refused(&format!("a field of {name} has no name")));
            };
            let known = names.find_or_add(field_name, |at| &fields[at].name);
            if known.is_some() {
                return Err(refused(&format!("{name} has two fields {field_name}")));
            }
            let mut typed = self.read(part(json, "type")?, namespace)?;
            depth = depth.max(typed.depth);
            size = checked_size(size + typed.size)?;
            if let Some(doc) = json.get("doc").and_then(Json::as_str)
                && !has_connect_doc(json)
            {
                typed.schema.doc = Some(doc.into());
            }
            if let Some(default) = json.get("default").filter(|d| !d.is_null()) {
                typed.schema.default = default::value(&typed.plan, default);
            }
            let compiled = typed.finish();
            fields.push(Field::new(field_name, compiled.schema));
            plans.push((Str::from(field_name), compiled.plan));
        }
        let mut schema = Schema::new(Kind::Struct(fields));
        // Confluent's name for a struct that had none.
        if name != "io.confluent.connect.avro.ConnectDefault" {
            schema.name = Some(name.into());
        }
        schema.doc = json.get("doc").and_then(Json::as_str).map(Str::from);
        let plan = Plan::Record {
            schema: Arc::new(schema.clone()),
            fields: Arc::new(Fields::new(plans)),
        };
        Ok(Typed {
            schema,
            plan,
            depth: depth + 1,
            size,
        })
    }

    fn array(&mut self, json: &Map<String, Json>, namespace: &str) -> Result<Typed> {
        let given = part(json, "items")?;
        let value = self.read(given, namespace)?;
        let (depth, size) = (value.depth + 1, value.size + 1);
        let entry = given.get("connect.internal.type").and_then(Json::as_str) == Some("MapEntry")
            || value.schema.name.as_deref() == Some("io.confluent.connect.avro.MapEntry");
        if let (true, Plan::Record { schema, fields }) = (entry, &value.plan)
            && let Some([key, value]) = schema.fields()
        {
            let kind = Kind::Map(Arc::clone(&key.schema), Arc::clone(&value.schema));
            let plan = Plan::Entries(Arc::clone(fields));
            return Ok(Typed {
                depth,
                size,
                ..Typed::new(kind, plan)
            });
        }
        let (schema, item) = item(value);
        Ok(Typed {
            depth,
            size,
            ..Typed::new(Kind::Array(schema), Plan::Array(item))
        })
    }

    fn union(&mut self, branches: &[Json], namespace: &str) -> Result<Typed> {
        let mut types = Vec::with_capacity(branches.len());
        let mut size = 0;
        for branch in branches {
            if branch.is_array() {
                return Err(refused("a union stands in a union"));
            }
            let typed = self.read(branch, namespace)?;
            size = checked_size(size + typed.size)?;
            types.push((branch, typed));
        }
        let null = types.iter().position(|(_, t)| matches!(t.plan, Plan::Null));
        match (types.as_mut_slice(), null) {
            ([], _) => Err(refused("a union is empty")),
            ([(_, single)], _) => {
                let plan = Plan::Single(Box::new(single.plan.clone()));
                Ok(Typed {
                    plan,
                    ..single.clone()
                })
            }
            ([first, second], Some(null)) => {
                let (_, other) = if null == 0 { second } else { first };
                let mut typed = other.clone();
                typed.schema.optional = true;
                typed.plan = Plan::Nullable {
                    null: i64::from(null == 1),
                    inner: Box::new(typed.plan),
                };
                Ok(typed)
            }
            _ => Ok(several(types)),
        }
    }
}

/// A union of several types is a struct with an optional field for each.
fn several(types: Vec<(&Json, Typed)>) -> Typed {
    let mut fields: Vec<Field> = Vec::new();
    let mut branches = Vec::new();
    let mut names: HashSet<String> = HashSet::new();
    let (mut depth, mut size) = (0, 1);
    let mut optional = false;
    for (json, mut typed) in types {
        depth = depth.max(typed.depth);
        size += typed.size;
        if matches!(typed.plan, Plan::Null) {
            optional = true;
            branches.push(Branch::Null);
            continue;
        }
        let full = branch_name(json, &typed.schema);
        let simple = full.rsplit('.').next().unwrap_or(&full).to_owned();
        let name = if names.contains(&simple) {
            full
        } else {
            simple
        };
        names.insert(name.clone());
        typed.schema.optional = true;
        let compiled = typed.finish();
        branches.push(Branch::Field(fields.len(), compiled.plan));
        fields.push(Field::new(name, compiled.schema));
    }
    let mut schema = Schema::new(Kind::Struct(fields)).named("io.confluent.connect.avro.Union");
    schema.optional = optional;
    let plan = Plan::Union {
        schema: Arc::new(schema.clone()),
        branches: branches.into(),
    };
    Typed {
        schema,
        plan,
        depth: depth + 1,
        size,
    }
}

/// What the field of a union's branch is called after: its type's name.
fn branch_name(json: &Json, schema: &Schema) -> String {
    match json {
        Json::String(name) => name.clone(),
        Json::Object(attributes) => match attributes.get("type").and_then(Json::as_str) {
            Some("record" | "error" | "enum" | "fixed") => {
                let name = attributes.get("name").and_then(Json::as_str);
                schema
                    .name
                    .as_deref()
                    .or(name)
                    .unwrap_or_default()
                    .to_owned()
            }
            Some(name) => name.to_owned(),
            None => schema.type_name().to_lowercase(),
        },
        _ => schema.type_name().to_lowercase(),
    }
}

fn primitive(name: &str) -> Option<Typed> {
    let (kind, plan) = match name {
        "null" => {
            return Some(Typed {
                schema: Schema::any(),
                plan: Plan::Null,
                depth: 1,
                size: 1,
            });
        }
        "boolean" => (Kind::Boolean, Plan::Boolean),
        "int" => (
            Kind::Int32,
            Plan::Int {
                min: i32::MIN,
                max: i32::MAX,
            },
        ),
        "long" => (Kind::Int64, Plan::Long),
        "float" => (Kind::Float32, Plan::Float),
        "double" => (Kind::Float64, Plan::Double),
        "bytes" => (Kind::Bytes, Plan::Bytes),
        "string" => (Kind::String, Plan::String),
        _ => return None,
    };
    Some(Typed::new(kind, plan))
}

fn symbols(json: &Map<String, Json>, name: &str) -> Result<Typed> {
    const PARAMETER: &str = "io.confluent.connect.avro.Enum";
    let given = json.get("symbols").and_then(Json::as_array);
    let symbols: Option<Vec<Str>> =
        given.and_then(|given| given.iter().map(|s| s.as_str().map(Str::from)).collect());
    let symbols = symbols.ok_or_else(|| refused(&format!("the enum {name} has no symbols")))?;
    let mut schema = Schema::new(Kind::String).named(name);
    schema.doc = json.get("doc").and_then(Json::as_str).map(Str::from);
    schema.parameters.push((PARAMETER.into(), name.into()));
    for symbol in &symbols {
        schema
            .parameters
            .push((format!("{PARAMETER}.{symbol}").into(), symbol.clone()));
    }
    Ok(Typed {
        schema,
        // Whoever names it again has all of its symbols as parameters.
        size: 1 + symbols.len(),
        plan: Plan::Enum(symbols.into()),
        depth: 1,
    })
}

fn fixed(json: &Map<String, Json>) -> Result<Typed> {
    let size = json.get("size").and_then(Json::as_u64);
    let size = size.and_then(|size| usize::try_from(size).ok());
    let size = size.ok_or_else(|| refused("a fixed has no size"))?;
    Ok(Typed::new(Kind::Bytes, Plan::Fixed(size)))
}

fn item(typed: Typed) -> (Arc<Schema>, Arc<Item>) {
    let compiled = typed.finish();
    let min = compiled.plan.min();
    let plan = compiled.plan;
    (compiled.schema, Arc::new(Item { plan, min }))
}

/// The attributes by which Confluent's converter keeps what Avro has no word for.
fn attributes(schema: &mut Schema, json: &Map<String, Json>) -> Result<()> {
    if let Some(Json::Object(parameters)) = json.get("connect.parameters") {
        for (name, value) in parameters {
            let Some(value) = value.as_str() else {
                return Err(refused("connect.parameters are not all strings"));
            };
            // Decimals have it in their kind.
            if !(matches!(schema.kind, Kind::Decimal(_)) && name == "scale") {
                schema.parameters.push((name.into(), value.into()));
            }
        }
    }
    if let Some(doc) = json.get("connect.doc").and_then(Json::as_str) {
        schema.doc = Some(doc.into());
    }
    if let Some(version) = json.get("connect.version").and_then(Json::as_i64) {
        schema.version = i32::try_from(version).ok();
    }
    if let Some(name) = json.get("connect.name").and_then(Json::as_str) {
        schema.name = (!logical::is_connects_own(name)).then(|| name.into());
    }
    Ok(())
}

/// Whether the type of a field has documentation of its own, which goes before the field's.
fn has_connect_doc(field: &Map<String, Json>) -> bool {
    field
        .get("type")
        .and_then(|t| t.get("connect.doc"))
        .is_some()
}

fn part<'a>(json: &'a Map<String, Json>, key: &str) -> Result<&'a Json> {
    json.get(key)
        .ok_or_else(|| refused(&format!("an object has no {key}")))
}

fn qualify(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

fn checked_size(size: usize) -> Result<usize> {
    match size {
        ..=MAX_SIZE => Ok(size),
        _ => Err(refused("it is too large")),
    }
}

fn refused(why: &str) -> Error {
    Error::data(format!("the Avro schema cannot be used: {why}"))
}
