//! What is added to a row, or to the headers, of the change event around it.

use std::sync::Arc;

use connect_api::{Result, Schema, Str, Value, memory};

use crate::rows;

/// A field of a change event, and what it is called where it is added.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FieldReference {
    /// The struct that the field is in; none for those of the event itself.
    parent: Option<Str>,
    field: Str,
    pub new_name: Str,
}

impl FieldReference {
    /// A reference such as `op`, `source.ts_ms` or `lsn:position`; none where it is none.
    pub(super) fn new(prefix: &str, text: &str) -> Option<Self> {
        let (path, name) = match text.trim().split_once(':') {
            Some((_, name)) if name.contains(':') => return None,
            Some((path, name)) => (path, Some(name)),
            None => (text.trim(), None),
        };
        let mut steps = path.split('.');
        let first = steps.next().unwrap_or_default();
        let (parent, field) = match steps.next() {
            Some(field) => (Some(first), field),
            None => (parent_of(first), first),
        };
        if steps.next().is_some() {
            return None;
        }
        let is_path = path.contains('.');
        let new_name = match (name, parent) {
            (Some(name), _) => format!("{prefix}{name}"),
            (None, Some(parent)) if is_path => format!("{prefix}{parent}_{field}"),
            (None, _) => format!("{prefix}{field}"),
        };
        Some(Self {
            parent: parent.map(Str::from),
            field: field.into(),
            new_name: new_name.into(),
        })
    }

    pub(super) fn is_operation(&self) -> bool {
        self.field == "op"
    }

    /// Where it is in events of a schema; none where they do not have it.
    fn find(&self, event: &Schema) -> Option<Added> {
        let own = event.index_of(&self.field);
        let (place, schema) = match &self.parent {
            None => (Addition::Own(own?), &rows::fields(event)[own?].schema),
            Some(parent) => {
                let at = event.index_of(parent)?;
                let within = &rows::fields(event)[at].schema;
                match within.index_of(&self.field) {
                    Some(field) => (
                        Addition::Within { parent: at, field },
                        &rows::fields(within)[field].schema,
                    ),
                    // Another transform may have put it beside.
                    None => (Addition::Own(own?), &rows::fields(event)[own?].schema),
                }
            }
        };
        Some(Added {
            name: self.new_name.clone(),
            schema: Arc::new(Schema {
                optional: true,
                default: None,
                ..(**schema).clone()
            }),
            place,
        })
    }
}

/// The struct of a field that is named alone.
fn parent_of(field: &str) -> Option<&'static str> {
    match field {
        "id" | "data_collection_order" | "total_order" => Some("transaction"),
        "op" | "ts_ms" | "ts_us" | "ts_ns" => None,
        "updateDescription" => Some("updateDescription"),
        _ => Some("source"),
    }
}

/// A field that is added to rows of one schema.
#[derive(Debug)]
pub(super) struct Added {
    pub name: Str,
    pub schema: Arc<Schema>,
    place: Addition,
}

/// Where an event has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Addition {
    Own(usize),
    Within { parent: usize, field: usize },
}

impl Added {
    /// Its value in an event; null where the struct around it is not there.
    ///
    /// # Errors
    /// When the record has no memory left for it.
    pub(super) fn value(&self, event: &[Value]) -> Result<Value> {
        let found = match self.place {
            Addition::Own(at) => event.get(at),
            Addition::Within { parent, field } => {
                let parent = event.get(parent).and_then(Value::as_struct);
                parent.and_then(|parent| parent.values().get(field))
            }
        };
        let found = found.unwrap_or(&Value::Null);
        memory::charge(found.memory())?;
        Ok(found.clone())
    }
}

/// Those of the references that events of a schema have.
pub(super) fn all(references: &[FieldReference], event: &Schema) -> Vec<Added> {
    references.iter().filter_map(|it| it.find(event)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_debezium_reads_them() {
        for (text, parent, field, name) in [
            ("op", None, "op", "__op"),
            (" source.ts_ms ", Some("source"), "ts_ms", "__source_ts_ms"),
            ("lsn", Some("source"), "lsn", "__lsn"),
            ("id", Some("transaction"), "id", "__id"),
            (
                "transaction.id",
                Some("transaction"),
                "id",
                "__transaction_id",
            ),
            ("source.lsn:position", Some("source"), "lsn", "__position"),
            ("ts_ms:at", None, "ts_ms", "__at"),
        ] {
            let expect = FieldReference {
                parent: parent.map(Str::from),
                field: field.into(),
                new_name: name.into(),
            };
            assert_eq!(FieldReference::new("__", text), Some(expect), "{text}");
        }
        for text in ["a:b:c", "a.b.c"] {
            assert_eq!(FieldReference::new("__", text), None, "{text}");
        }
    }
}
