//! A schema's JSON becomes what is checked.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

use super::format::Format;
use super::{Bound, Count, JsonSchema, MAX_DEPTH, Node, Type};

/// Keywords that say nothing of which values are good.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// What is wrong with a schema.
type Compiled<T> = Result<T, String>;

struct Compiler<'a> {
    root: &'a Value,
    /// What references name, and the place of each in the list.
    places: HashMap<String, usize>,
    waiting: Vec<(usize, &'a Value)>,
    depth: usize,
}

pub(super) fn compile(schema: &Value) -> Compiled<JsonSchema> {
    let mut compiler = Compiler {
        root: schema,
        places: HashMap::new(),
        waiting: Vec::new(),
        depth: 0,
    };
    let root = compiler.node(schema)?;
    let mut definitions = Vec::new();
    // Compiling one may find more.
    while let Some((at, definition)) = compiler.waiting.pop() {
        let node = compiler.node(definition)?;
        if definitions.len() <= at {
            definitions.resize_with(at + 1, Node::default);
        }
        definitions[at] = node;
    }
    Ok(JsonSchema { root, definitions })
}

fn invalid<T>(keyword: &str, why: &str) -> Compiled<T> {
    Err(format!("{keyword}: {why}"))
}

impl<'a> Compiler<'a> {
    fn node(&mut self, schema: &'a Value) -> Compiled<Node> {
        let object = match schema {
            Value::Bool(good) => {
                return Ok(Node {
                    never: !good,
                    ..Node::default()
                });
            }
            Value::Object(object) => object,
            _ => return Err("a schema is an object, true or false".into()),
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("schemas are nested deeper than {MAX_DEPTH}"));
        }
        let mut node = Node::default();
        for (keyword, value) in object {
            if !ANNOTATIONS.contains(&keyword.as_str())
                && !scalar(&mut node, keyword, value)?
                && !counts(&mut node, keyword, value)?
            {
                self.nested(&mut node, keyword, value)?;
            }
        }
        self.depth -= 1;
        Ok(node)
    }

    fn nested(&mut self, node: &mut Node, keyword: &str, value: &'a Value) -> Compiled<()> {
        match keyword {
            "$ref" => node.reference = Some(self.reference(value)?),
            "items" => node.items = Some(Box::new(self.node(value)?)),
            "additionalProperties" => node.others = Some(Box::new(self.node(value)?)),
            "not" => node.not = Some(Box::new(self.node(value)?)),
            "properties" => node.properties = self.properties(value)?,
            "allOf" => node.all_of = self.list(keyword, value)?,
            "anyOf" => node.any_of = self.list(keyword, value)?,
            "oneOf" => node.one_of = self.list(keyword, value)?,
            _ => return invalid(keyword, "the keyword is not supported"),
        }
        Ok(())
    }

    fn properties(&mut self, value: &'a Value) -> Compiled<Vec<(String, Node)>> {
        let Some(properties) = value.as_object() else {
            return invalid("properties", "an object is expected");
        };
        let compile = |(name, schema): (&String, &'a Value)| {
            let node = self.node(schema).map_err(|why| format!("{name}: {why}"))?;
            Ok((name.clone(), node))
        };
        properties.iter().map(compile).collect()
    }

    fn list(&mut self, keyword: &str, value: &'a Value) -> Compiled<Vec<Node>> {
        match value.as_array() {
            Some(schemas) if !schemas.is_empty() => {
                schemas.iter().map(|schema| self.node(schema)).collect()
            }
            _ => invalid(keyword, "a list of schemas is expected"),
        }
    }

    /// A place within the same schema: `#`, or `#/$defs/name`.
    fn reference(&mut self, value: &Value) -> Compiled<usize> {
        let pointer = value.as_str().and_then(|text| text.strip_prefix('#'));
        let found = pointer.and_then(|pointer| Some((pointer, self.root.pointer(pointer)?)));
        let Some((pointer, definition)) = found else {
            return invalid("$ref", "only #/$defs/… of the same schema is supported");
        };
        if let Some(place) = self.places.get(pointer) {
            return Ok(*place);
        }
        let place = self.places.len();
        self.places.insert(pointer.to_owned(), place);
        self.waiting.push((place, definition));
        Ok(place)
    }
}

/// Takes a keyword about a value alone; false when it is none of these.
fn scalar(node: &mut Node, keyword: &str, value: &Value) -> Compiled<bool> {
    match keyword {
        "type" => node.types = types(value)?,
        "enum" => match value.as_array() {
            Some(allowed) if !allowed.is_empty() => node.allowed = Some(allowed.clone()),
            _ => return invalid(keyword, "a list of values is expected"),
        },
        "const" => node.allowed = Some(vec![value.clone()]),
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
            let Some(bound) = value.as_f64() else {
                return invalid(keyword, "a number is expected");
            };
            node.bounds.push(match keyword {
                "minimum" => Bound::AtLeast(bound),
                "maximum" => Bound::AtMost(bound),
                "exclusiveMinimum" => Bound::Above(bound),
                _ => Bound::Below(bound),
            });
        }
        "pattern" => {
            let pattern = value.as_str().map(Regex::new);
            match pattern {
                Some(Ok(pattern)) => node.pattern = Some(pattern),
                _ => return invalid(keyword, "a regular expression is expected"),
            }
        }
        "format" => {
            let known = Format::ALL
                .iter()
                .find(|format| Some(format.name()) == value.as_str());
            match known {
                Some(format) => node.format = Some(*format),
                None => return invalid(keyword, "date-time, date and uuid are supported"),
            }
        }
        "uniqueItems" => match value.as_bool() {
            Some(unique) => node.unique = unique,
            None => return invalid(keyword, "true or false is expected"),
        },
        _ => return Ok(false),
    }
    Ok(true)
}

/// Takes a keyword that counts, and the list of what is required; false when it is none of these.
fn counts(node: &mut Node, keyword: &str, value: &Value) -> Compiled<bool> {
    let count: &mut Count = match keyword {
        "minLength" | "maxLength" => &mut node.characters,
        "minItems" | "maxItems" => &mut node.item_count,
        "minProperties" | "maxProperties" => &mut node.property_count,
        "required" => {
            node.required =
                texts(value).ok_or_else(|| "required: a list of names is expected".to_owned())?;
            return Ok(true);
        }
        _ => return Ok(false),
    };
    let number = value
        .as_u64()
        .and_then(|number| usize::try_from(number).ok());
    let Some(number) = number else {
        return invalid(keyword, "a number of things is expected");
    };
    match keyword.starts_with("min") {
        true => count.least = Some(number),
        false => count.most = Some(number),
    }
    Ok(true)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let texts = value.as_array()?.iter();
    texts.map(|text| text.as_str().map(str::to_owned)).collect()
}

fn types(value: &Value) -> Compiled<Vec<Type>> {
    let names = match value {
        Value::String(name) => Some(vec![name.clone()]),
        other => texts(other),
    };
    let named = |name: &String| {
        let found = Type::ALL.iter().find(|(known, _)| known == name);
        found.map(|(_, of)| *of)
    };
    let types = names.and_then(|names| names.iter().map(named).collect::<Option<Vec<_>>>());
    match types {
        Some(types) if !types.is_empty() => Ok(types),
        _ => invalid("type", "a type of JSON, or a list of some, is expected"),
    }
}
