//! Which fields make an Avro schema incompatible with the one before it: registries often do not
//! say it, or only in the words of their library.

use serde_json::Value as Json;

/// A field, by its path, and what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
pub struct Breaking {
    /// The names from the record down, with dots between.
    pub field: String,
    /// Why.
    pub why: String,
}

/// What a reader of the schema `reader` cannot read of data of the schema `writer`, by the rules of
/// Avro's schema resolution (Avro 1.12, "Schema Resolution"). Only records, unions with null and
/// plain types are compared; what else there may be is left to the registry.
pub fn unreadable(reader: &Json, writer: &Json) -> Vec<Breaking> {
    let mut found = Vec::new();
    compare("", reader, writer, &mut found);
    found
}

fn compare(path: &str, reader: &Json, writer: &Json, found: &mut Vec<Breaking>) {
    let mut wrong = |why: String| {
        found.push(Breaking {
            field: path.to_owned(),
            why,
        });
    };
    let (reads_null, reader) = nullable(reader);
    let (writes_null, writer) = nullable(writer);
    if writes_null && !reads_null {
        wrong("it could be null before, and cannot be any more".into());
    }
    let (Some(new), Some(old)) = (name(reader), name(writer)) else {
        return;
    };
    if new != old && !promoted(old, new) {
        wrong(format!("its type was {old} and is {new}"));
        return;
    }
    match new {
        "record" => fields(path, reader, writer, found),
        "array" => compare(path, &reader["items"], &writer["items"], found),
        "map" => compare(path, &reader["values"], &writer["values"], found),
        _ => {}
    }
}

fn fields(path: &str, reader: &Json, writer: &Json, found: &mut Vec<Breaking>) {
    let list = |schema: &Json| schema["fields"].as_array().cloned().unwrap_or_default();
    let old = list(writer);
    for field in list(reader) {
        let name = field["name"].as_str().unwrap_or_default();
        let at = match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        match old.iter().find(|known| known["name"] == field["name"]) {
            Some(known) => compare(&at, &field["type"], &known["type"], found),
            None if field.get("default").is_some() => {}
            None => found.push(Breaking {
                field: at,
                why: "the other version does not have it, and it has no default".into(),
            }),
        }
    }
}

/// Whether null is of the type, and the type without null.
fn nullable(schema: &Json) -> (bool, &Json) {
    let Some(union) = schema.as_array() else {
        return (false, schema);
    };
    let has_null = union.iter().any(|it| it == "null");
    let mut others = union.iter().filter(|it| *it != "null");
    match (others.next(), others.next()) {
        (Some(only), None) => (has_null, only),
        // Of several types: left to the registry.
        _ => (has_null, &Json::Null),
    }
}

fn name(schema: &Json) -> Option<&str> {
    match schema {
        Json::String(name) => Some(name),
        other => other["type"].as_str(),
    }
}

/// Whether data of one type may be read as another.
fn promoted(from: &str, to: &str) -> bool {
    matches!(
        (from, to),
        ("int", "long" | "float" | "double")
            | ("long", "float" | "double")
            | ("float", "double")
            | ("string", "bytes")
            | ("bytes", "string")
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(fields: &Json) -> Json {
        json!({ "type": "record", "name": "R", "fields": fields })
    }

    #[test]
    fn the_field_at_fault_is_named() {
        let old = record(&json!([
            { "name": "id", "type": "int" },
            { "name": "note", "type": ["null", "string"], "default": null },
            { "name": "at", "type": record(&json!([{ "name": "x", "type": "double" }])) },
        ]));
        let told = |new: &Json| -> Vec<String> {
            let found = unreadable(new, &old).into_iter();
            found.map(|it| it.field).collect()
        };
        assert_eq!(told(&old), [""; 0]);
        let compatible = record(&json!([
            { "name": "id", "type": "long" },
            { "name": "more", "type": ["null", "string"], "default": null },
        ]));
        assert_eq!(told(&compatible), [""; 0]);
        let other = record(&json!([
            { "name": "id", "type": "string" },
            { "name": "note", "type": "string" },
            { "name": "at", "type": record(&json!([{ "name": "y", "type": "double" }])) },
            { "name": "more", "type": "string" },
        ]));
        assert_eq!(told(&other), ["id", "note", "at.y", "more"]);
    }
}
