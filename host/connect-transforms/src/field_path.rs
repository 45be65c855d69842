//! Paths to fields (KIP-821): `a.b`, with backticks around names that hold dots. Of Kafka 4.4's
//! transforms `ExtractField` and `ValueToKey` have them.

use std::borrow::Cow;
use std::result::Result as Read;
use std::sync::Arc;

use connect_api::{
    Config, ConfigKey, ConfigType, Error, Importance, Result, Schema, Str, Validator, Value,
};

use crate::{json_path, rows};

/// The option that tells the syntax.
const VERSION: &str = "field.syntax.version";

/// A path as it was written, and its steps.
#[derive(Debug)]
pub(crate) struct FieldPath {
    pub text: Str,
    pub steps: Vec<String>,
}

/// Where a path leads in rows of a schema.
pub(crate) struct Place {
    /// Positions, from the row on.
    pub at: Vec<usize>,
    pub schema: Arc<Schema>,
}

/// The option [`VERSION`].
pub(crate) fn syntax_key() -> ConfigKey {
    ConfigKey::new(
        VERSION,
        ConfigType::String,
        "V1",
        "Defines the version of the syntax to access fields. If set to V1, then the field paths \
         are limited to access the elements at the root level of the struct or map. If set to V2, \
         the syntax will support accessing nested elements. To access nested elements, dotted \
         notation is used. If dots are already included in the field name, then backtick pairs \
         can be used to wrap field names containing dots. E.g. to access the subfield baz from a \
         field named \"foo.bar\" in a struct/map the following format can be used to access its \
         elements: \"`foo.bar`.baz\".",
    )
    .validator(Validator::OneOfIgnoreCase(vec!["V1".into(), "V2".into()]))
    .importance(Importance::High)
}

impl FieldPath {
    /// The path that a text is in the syntax that the config asks for.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] where a backtick has no other.
    pub(crate) fn new(text: &str, config: &Config) -> Result<Self> {
        let steps = match config.text(VERSION).eq_ignore_ascii_case("V2") {
            true => parse(text).map_err(Error::config)?,
            false => vec![text.to_owned()],
        };
        let text = text.into();
        Ok(Self { text, steps })
    }

    /// Where it leads; none where rows of the schema have no such field.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] where it goes through what is no struct.
    pub(crate) fn find(&self, schema: &Arc<Schema>) -> Result<Option<Place>> {
        let mut at = Vec::with_capacity(self.steps.len());
        let mut schema = Arc::clone(schema);
        for step in &self.steps {
            if schema.fields().is_none() {
                return Err(Error::data("Cannot look up fields on non-struct type"));
            }
            let Some(next) = schema.index_of(step) else {
                return Ok(None);
            };
            at.push(next);
            schema = Arc::clone(&rows::fields(&schema)[next].schema);
        }
        Ok(Some(Place { at, schema }))
    }

    /// The position of the first step in maps of a shape.
    pub(crate) fn first_in(&self, shape: &Schema) -> Option<usize> {
        shape.index_of(self.steps.first()?)
    }

    /// The value that it leads to in schemaless data, from the value of its first step on; null
    /// where there is none.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] where it goes through what is no map.
    pub(crate) fn value_from<'a>(&self, first: &'a Value) -> Result<Cow<'a, Value>> {
        let mut found = Cow::Borrowed(first);
        for step in self.steps.iter().skip(1) {
            let within = json_path::opened(found)?;
            if within.is_null() {
                return Ok(within);
            }
            if !matches!(&*within, Value::Struct(_) | Value::Map(_)) {
                return Err(rows::not_a_map(&within, "nested field access"));
            }
            found = match within {
                Cow::Borrowed(within) => json_path::member(within, step).map(Cow::Borrowed),
                Cow::Owned(within) => json_path::member(&within, step).cloned().map(Cow::Owned),
            }
            .unwrap_or(Cow::Owned(Value::Null));
        }
        Ok(found)
    }
}

/// The steps of a path in the syntax V2.
fn parse(path: &str) -> Read<Vec<String>, String> {
    let mut steps = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let rest = &path[at..];
        if let Some(after) = rest.strip_prefix('`') {
            let (step, used) = quoted(after).ok_or_else(|| {
                format!(
                    "Incomplete backtick pair in path: [{path}], consider adding a backslash \
                     before backtick at position {at} to escape it"
                )
            })?;
            steps.push(step);
            at += 1 + used;
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            steps.push(rest[..end].to_owned());
            at += end + 1;
        }
    }
    if path.is_empty() || path.ends_with('.') {
        steps.push(String::new());
    }
    Ok(steps)
}

/// A name up to the backtick that ends it, and how much of the text is used, with the dot behind.
/// A backtick ends the name only before a dot or at the end of the path.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut start = 0;
    for (at, _) in text.match_indices('`') {
        let escaped = text[..at].ends_with('\\');
        match text.as_bytes().get(at + 1) {
            None if escaped => return None,
            Some(b'.') if escaped => {
                name.push_str(&text[start..at - 1]);
                name.push('`');
                start = at + 1;
            }
            None | Some(b'.') => {
                name.push_str(&text[start..at]);
                return Some((name, at + 2));
            }
            Some(_) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_read_as_kafka_reads_them() {
        for (path, expect) in [
            ("", vec![""]),
            ("foo", vec!["foo"]),
            ("foo.bar.baz", vec!["foo", "bar", "baz"]),
            ("`foo.bar`", vec!["foo.bar"]),
            ("foo.`bar.baz`", vec!["foo", "bar.baz"]),
            ("`foo.bar`.baz", vec!["foo.bar", "baz"]),
            ("`foo`bar.baz`", vec!["foo`bar.baz"]),
            ("`foo\\`.bar`.baz", vec!["foo`.bar", "baz"]),
            ("foo.", vec!["foo", ""]),
        ] {
            assert_eq!(parse(path).unwrap(), expect, "{path}");
        }
        for path in ["`foo.bar", "`foo`bar", "foo.`bar\\`"] {
            let why = parse(path).unwrap_err();
            assert!(
                why.starts_with("Incomplete backtick pair in path: ["),
                "{why}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read_or_refused(path in r"[a`.\\é]{0,12}") {
            if let Ok(steps) = parse(&path) {
                prop_assert!(!steps.is_empty());
            }
        }
    }
}
