//! Where nested data is not what it should be: the path of the field, for its record's failure.
//! Looked for only in data that could not be read.

use ferrule_plugin::Failure;
use serde_json::Value;

/// What is expected of a value.
pub(crate) enum Shape {
    Number,
    /// Any value.
    Any,
    /// An object with these fields, among others.
    Object(&'static [Field]),
}

/// A field of an object.
pub(crate) struct Field {
    name: &'static str,
    shape: &'static Shape,
    presence: Presence,
}

#[derive(PartialEq, Eq)]
enum Presence {
    Required,
    /// It may be missing, or null.
    Optional,
}

impl Field {
    pub(crate) const fn required(name: &'static str, shape: &'static Shape) -> Field {
        Field {
            name,
            shape,
            presence: Presence::Required,
        }
    }

    pub(crate) const fn optional(name: &'static str, shape: &'static Shape) -> Field {
        Field {
            name,
            shape,
            presence: Presence::Optional,
        }
    }
}

impl Shape {
    /// What is wrong with JSON that does not have this shape. `field` is where it stands.
    pub(crate) fn fault(&self, field: &str, json: &str) -> Failure {
        match serde_json::from_str(json) {
            // Its own text may tell values.
            Err(error) => {
                let column = error.column();
                Failure::at(field, format_args!("is not valid JSON (column {column})"))
            }
            Ok(value) => {
                let fault = self.search(field, &value);
                fault.unwrap_or_else(|| Failure::at(field, "has a field twice"))
            }
        }
    }

    fn search(&self, path: &str, value: &Value) -> Option<Failure> {
        let fields = match self {
            Shape::Any => return None,
            Shape::Number if value.is_number() => return None,
            Shape::Number => {
                let kind = kind(value);
                return Some(Failure::at(
                    path,
                    format_args!("must be a number, not {kind}"),
                ));
            }
            Shape::Object(fields) => fields,
        };
        let Value::Object(object) = value else {
            let kind = kind(value);
            return Some(Failure::at(
                path,
                format_args!("must be an object, not {kind}"),
            ));
        };
        fields.iter().find_map(|field| {
            let path = format!("{path}.{}", field.name);
            match object.get(field.name) {
                None | Some(Value::Null) => (field.presence == Presence::Required)
                    .then(|| Failure::at(&path, "is required")),
                Some(value) => field.shape.search(&path, value),
            }
        })
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
