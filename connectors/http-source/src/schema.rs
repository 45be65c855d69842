//! JSON Schema (2020-12): the keywords that describe records. A schema with any other keyword is
//! refused, because a rule that is not checked is worse than none.

mod compile;
mod format;
mod unique;

use std::fmt;

use regex::Regex;
use serde_json::{Map, Value};

use format::Format;

/// How deep one schema may stand in another, and one reference lead to another.
const MAX_DEPTH: usize = 64;
/// How many schemas may be looked at for one value. Alternatives that refer to alternatives could
/// else go on for ever.
const MOST_STEPS: u32 = 5_000_000;

/// A schema, compiled.
#[derive(Debug)]
pub(crate) struct JsonSchema {
    root: Node,
    /// What `$ref` names, by its place in this list.
    definitions: Vec<Node>,
}

/// What a value breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The path of the field, such as `properties.altitude_ft` or `tags[2]`; empty for the whole.
    pub(crate) field: String,
    /// What is wrong with it. It tells nothing of the value.
    pub(crate) reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field.as_str() {
            "" => f.write_str(&self.reason),
            field => write!(f, "{field}: {}", self.reason),
        }
    }
}

/// A type of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

impl Type {
    const ALL: &'static [(&'static str, Self)] = &[
        ("null", Self::Null),
        ("boolean", Self::Boolean),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("string", Self::String),
        ("array", Self::Array),
        ("object", Self::Object),
    ];

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, of)| *of == self);
        found.map_or("", |(name, _)| name)
    }

    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            // 1.0 is an integer, as the specification has it.
            Self::Integer => value.as_number().is_some_and(|number| {
                number.is_i64()
                    || number.is_u64()
                    || number.as_f64().is_some_and(|float| float.fract() == 0.0)
            }),
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }
}

/// How many there may be: characters, items, fields.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    least: Option<usize>,
    most: Option<usize>,
}

impl Count {
    fn broken(self, count: usize, of: &str) -> Option<String> {
        if self.least.is_some_and(|least| count < least) {
            let least = self.least.unwrap_or_default();
            return Some(format!("must have at least {least} {of}"));
        }
        if self.most.is_some_and(|most| count > most) {
            let most = self.most.unwrap_or_default();
            return Some(format!("must have at most {most} {of}"));
        }
        None
    }
}

/// A bound of numbers.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Above(f64),
    Below(f64),
}

impl Bound {
    fn broken(self, number: f64) -> Option<String> {
        let (holds, what, bound) = match self {
            Self::AtLeast(bound) => (number >= bound, "at least", bound),
            Self::AtMost(bound) => (number <= bound, "at most", bound),
            Self::Above(bound) => (number > bound, "greater than", bound),
            Self::Below(bound) => (number < bound, "less than", bound),
        };
        (!holds).then(|| format!("must be {what} {bound}"))
    }
}

/// A schema.
#[derive(Debug, Default)]
struct Node {
    /// `false`: nothing is good.
    never: bool,
    reference: Option<usize>,
    types: Vec<Type>,
    allowed: Option<Vec<Value>>,
    bounds: Vec<Bound>,
    characters: Count,
    pattern: Option<Regex>,
    format: Option<Format>,
    items: Option<Box<Node>>,
    item_count: Count,
    unique: bool,
    properties: Vec<(String, Node)>,
    required: Vec<String>,
    others: Option<Box<Node>>,
    property_count: Count,
    all_of: Vec<Node>,
    any_of: Vec<Node>,
    one_of: Vec<Node>,
    not: Option<Box<Node>>,
}

impl JsonSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn new(schema: &Value) -> Result<Self, String> {
        compile::compile(schema)
    }

    /// The first rule that a value breaks.
    pub(crate) fn check(&self, value: &Value) -> Result<(), Violation> {
        let mut path = Path {
            text: String::new(),
            steps: MOST_STEPS,
        };
        let checked = self.node(&self.root, value, &mut path, 0);
        match path.steps {
            // Whatever was found out until then.
            0 => Err(path.broken("takes too long to be checked by value.schema")),
            _ => checked,
        }
    }

    fn node(
        &self,
        node: &Node,
        value: &Value,
        path: &mut Path,
        depth: usize,
    ) -> Result<(), Violation> {
        path.steps = path.steps.saturating_sub(1);
        if depth > MAX_DEPTH || path.steps == 0 {
            return Err(path.broken("is nested too deep"));
        }
        if node.never {
            return Err(path.broken("is not allowed"));
        }
        if let Some(definition) = node.reference.and_then(|at| self.definitions.get(at)) {
            self.node(definition, value, path, depth + 1)?;
        }
        scalar(node, value).map_err(|reason| path.broken(&reason))?;
        if let Value::Object(object) = value {
            self.object(node, object, path, depth)?;
        }
        if let Value::Array(items) = value {
            self.array(node, items, path, depth)?;
        }
        self.combined(node, value, path, depth)
    }

    fn object(
        &self,
        node: &Node,
        object: &Map<String, Value>,
        path: &mut Path,
        depth: usize,
    ) -> Result<(), Violation> {
        if let Some(missing) = node
            .required
            .iter()
            .find(|name| !object.contains_key(*name))
        {
            return path.within(missing, |path| Err(path.broken("is required")));
        }
        if let Some(reason) = node.property_count.broken(object.len(), "fields") {
            return Err(path.broken(&reason));
        }
        if node.properties.is_empty() && node.others.is_none() {
            return Ok(());
        }
        for (name, value) in object {
            let own = node.properties.iter().find(|(known, _)| known == name);
            let schema = own.map(|(_, schema)| schema).or(node.others.as_deref());
            if let Some(schema) = schema {
                path.within(name, |path| self.node(schema, value, path, depth + 1))?;
            }
        }
        Ok(())
    }

    fn array(
        &self,
        node: &Node,
        items: &[Value],
        path: &mut Path,
        depth: usize,
    ) -> Result<(), Violation> {
        if let Some(reason) = node.item_count.broken(items.len(), "items") {
            return Err(path.broken(&reason));
        }
        if node.unique && unique::has_twice(items) {
            return Err(path.broken("must not have an item twice"));
        }
        let Some(schema) = &node.items else {
            return Ok(());
        };
        for (at, item) in items.iter().enumerate() {
            path.at(at, |path| self.node(schema, item, path, depth + 1))?;
        }
        Ok(())
    }

    fn combined(
        &self,
        node: &Node,
        value: &Value,
        path: &mut Path,
        depth: usize,
    ) -> Result<(), Violation> {
        for schema in &node.all_of {
            self.node(schema, value, path, depth + 1)?;
        }
        let mut good = |schema: &Node| self.node(schema, value, path, depth + 1).is_ok();
        let any = node.any_of.is_empty() || node.any_of.iter().any(&mut good);
        let one = node.one_of.is_empty() || node.one_of.iter().filter(|s| good(s)).count() == 1;
        let not = node.not.as_deref().is_some_and(&mut good);
        match (any, one, not) {
            (false, ..) => Err(path.broken("matches none of the forms of anyOf")),
            (_, false, _) => Err(path.broken("must match exactly one of the forms of oneOf")),
            (.., true) => Err(path.broken("has a form that is not allowed")),
            (true, true, false) => Ok(()),
        }
    }
}

/// The rules that look at a value alone, and not at what is in it.
fn scalar(node: &Node, value: &Value) -> Result<(), String> {
    if !node.types.is_empty() && !node.types.iter().any(|one| one.holds(value)) {
        let names: Vec<&str> = node.types.iter().map(|one| one.name()).collect();
        return Err(format!("must be {}", names.join(" or ")));
    }
    if let Some(allowed) = &node.allowed
        && !allowed.contains(value)
    {
        let words: Vec<String> = allowed.iter().map(Value::to_string).collect();
        return Err(format!("must be one of {}", words.join(", ")));
    }
    if let Some(number) = value.as_f64()
        && let Some(reason) = node.bounds.iter().find_map(|bound| bound.broken(number))
    {
        return Err(reason);
    }
    if let Value::String(text) = value {
        let count = node.characters;
        if (count.least.is_some() || count.most.is_some())
            && let Some(reason) = count.broken(text.chars().count(), "characters")
        {
            return Err(reason);
        }
        if let Some(pattern) = &node.pattern
            && !pattern.is_match(text)
        {
            return Err(format!("must match the pattern {}", pattern.as_str()));
        }
        if let Some(format) = node.format
            && !format.holds(text)
        {
            return Err(format!("must be a {}", format.name()));
        }
    }
    Ok(())
}

/// Where in a value the check is.
#[derive(Debug)]
struct Path {
    text: String,
    /// How many schemas may still be looked at.
    steps: u32,
}

impl Path {
    fn broken(&self, reason: &str) -> Violation {
        Violation {
            field: self.text.clone(),
            reason: reason.to_owned(),
        }
    }

    fn within<T>(&mut self, name: &str, check: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.text.len();
        if length > 0 {
            self.text.push('.');
        }
        self.text.push_str(name);
        let checked = check(self);
        self.text.truncate(length);
        checked
    }

    fn at<T>(&mut self, item: usize, check: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.text.len();
        self.text.push_str(&format!("[{item}]"));
        let checked = check(self);
        self.text.truncate(length);
        checked
    }
}
