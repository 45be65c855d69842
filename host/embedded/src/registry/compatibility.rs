//! Which changes of a schema a level allows, by Avro's own rules.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};
use serde::{Deserialize, Serialize};

use super::content::{Content, SchemaType};
use super::refusal::Refusal;

/// What must be able to read what.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Level {
    None,
    #[default]
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

impl Level {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let name = serde_json::Value::String(text.to_ascii_uppercase());
        serde_json::from_value(name).map_err(|_| Refusal::InvalidLevel)
    }

    /// Whether every earlier version counts, not only the last.
    pub(super) fn is_transitive(self) -> bool {
        matches!(
            self,
            Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive
        )
    }

    fn new_reads_old(self) -> bool {
        !matches!(self, Self::None | Self::Forward | Self::ForwardTransitive)
    }

    fn old_reads_new(self) -> bool {
        !matches!(self, Self::None | Self::Backward | Self::BackwardTransitive)
    }
}

/// Why `new` may not follow `old`; empty where it may.
pub(super) fn objections(
    level: Level,
    new: &Content,
    old: &Content,
) -> Result<Vec<String>, Refusal> {
    if level == Level::None || new == old {
        return Ok(Vec::new());
    }
    if new.schema_type != old.schema_type {
        return Ok(vec!["the schema type changed".to_owned()]);
    }
    let (new, old) = (checkable(new)?, checkable(old)?);
    let mut found = Vec::new();
    if level.new_reads_old() {
        found.extend(cannot_read("the new schema", &new, "old", &old));
    }
    if level.old_reads_new() {
        found.extend(cannot_read("the old schema", &old, "new", &new));
    }
    Ok(found)
}

fn checkable(content: &Content) -> Result<Schema, Refusal> {
    match content.schema_type {
        SchemaType::Json => Err(Refusal::Unchecked("JSON schemas")),
        SchemaType::Protobuf => Err(Refusal::Unchecked("Protobuf schemas")),
        // The checker compares a reference by its name and does not look behind it.
        SchemaType::Avro if !content.references.is_empty() => {
            Err(Refusal::Unchecked("schemas with references"))
        }
        SchemaType::Avro => parse(content, &[]),
    }
}

/// Parses an Avro schema with the texts it refers to, dependencies first.
pub(super) fn parse(content: &Content, references: &[String]) -> Result<Schema, Refusal> {
    let parsed = if references.is_empty() {
        Schema::parse_str(&content.schema)
    } else {
        Schema::parse_str_with_list(&content.schema, references).map(|(schema, _)| schema)
    };
    parsed.map_err(|error| Refusal::InvalidSchema(error.to_string()))
}

fn cannot_read(reader: &str, with: &Schema, writer: &str, written: &Schema) -> Option<String> {
    match SchemaCompatibility::can_read(written, with) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some(format!(
            "{reader} reads only some of what the {writer} one writes"
        )),
        Err(error) => Some(format!(
            "{reader} cannot read what the {writer} one writes: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> Content {
        Content {
            schema: format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#),
            schema_type: SchemaType::Avro,
            references: Vec::new(),
        }
    }

    #[test]
    fn each_level_looks_its_own_way() {
        let a = record(r#"{"name":"a","type":"int"}"#);
        let with_default = r#"{"name":"a","type":"int"},{"name":"b","type":"int","default":0}"#;
        let without = r#"{"name":"a","type":"int"},{"name":"b","type":"int"}"#;
        let (optional, required) = (record(with_default), record(without));
        for (level, new, old, allowed) in [
            (Level::Backward, &optional, &a, true),
            (Level::Backward, &required, &a, false),
            (Level::Backward, &a, &required, true),
            (Level::Forward, &required, &a, true),
            (Level::Forward, &a, &required, false),
            (Level::Full, &optional, &a, true),
            (Level::Full, &required, &a, false),
            (Level::Full, &a, &required, false),
            (Level::None, &required, &a, true),
        ] {
            let found = objections(level, new, old).expect("Avro is checked");
            assert_eq!(found.is_empty(), allowed, "{level:?}: {found:?}");
        }
    }

    #[test]
    fn what_cannot_be_checked_is_not_called_compatible() {
        let json = |schema: &str| Content {
            schema: schema.to_owned(),
            schema_type: SchemaType::Json,
            references: Vec::new(),
        };
        let (a, b) = (json("{}"), json(r#"{"type":"object"}"#));
        assert_eq!(
            objections(Level::Backward, &a, &b),
            Err(Refusal::Unchecked("JSON schemas"))
        );
        assert_eq!(objections(Level::Backward, &a, &a), Ok(Vec::new()));
        assert_eq!(objections(Level::None, &a, &b), Ok(Vec::new()));
    }

    #[test]
    fn levels_are_read_in_any_case() {
        assert_eq!(Level::parse("full_transitive"), Ok(Level::FullTransitive));
        assert_eq!(Level::parse("SIDEWAYS"), Err(Refusal::InvalidLevel));
    }
}
