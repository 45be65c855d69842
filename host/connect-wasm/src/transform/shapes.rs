//! Shapes that plugins make, as schemas: one for each content, for as long as the transform lives,
//! so that what others derive from a schema's pointer stays good from batch to batch.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connect_api::{Field, Kind, Schema, Str};

use crate::bindings::ferrule::transform::data::{Kind as WitKind, ShapeResult as Shape};

/// Shapes that are kept, and their bytes (Invariant 8); what is beyond is made anew in each batch.
const MAX_SHAPES: usize = 1024;
const MAX_BYTES: usize = 4 << 20;
/// What a field takes beside its name.
const FIELD_BYTES: usize = 128;

type Content = (Option<String>, Vec<(String, u8, bool)>);

/// The shapes of one transform.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    kept: HashMap<Content, Arc<Schema>>,
    bytes: usize,
}

impl Shapes {
    /// The schema of a shape.
    ///
    /// # Errors
    /// When two fields have one name.
    pub(super) fn intern(&mut self, shape: &Shape) -> Result<Arc<Schema>, String> {
        let fields = shape.fields.iter();
        let content: Content = (
            shape.name.clone(),
            fields
                .map(|f| (f.name.clone(), f.kind as u8, f.optional))
                .collect(),
        );
        if let Some(known) = self.kept.get(&content) {
            return Ok(Arc::clone(known));
        }
        let schema = Arc::new(schema(shape)?);
        let fields = content.1.iter().map(|(name, ..)| name.len() + FIELD_BYTES);
        // Twice: here, and in the schema.
        let bytes = 2 * (content.0.as_ref().map_or(0, String::len) + fields.sum::<usize>());
        let after = self.bytes.saturating_add(bytes);
        if self.kept.len() < MAX_SHAPES && after <= MAX_BYTES {
            self.bytes = after;
            self.kept.insert(content, Arc::clone(&schema));
        }
        Ok(schema)
    }

    /// What is kept.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn schema(shape: &Shape) -> Result<Schema, String> {
    let mut names = HashSet::new();
    let mut fields = Vec::with_capacity(shape.fields.len());
    for field in &shape.fields {
        if !names.insert(field.name.as_str()) {
            return Err("two fields of a shape have one name".into());
        }
        let kind = kind(field.kind);
        let schema = Schema {
            // What has no schema may be null.
            optional: field.optional || kind == Kind::Any,
            ..Schema::new(kind)
        };
        fields.push(Field::new(field.name.as_str(), schema));
    }
    let schema = Schema::new(Kind::Struct(fields));
    Ok(match &shape.name {
        Some(name) => schema.named(Str::from(name.as_str())),
        None => schema,
    })
}

/// Nested JSON has no kind of its own among schemas: its field is one without a schema.
fn kind(kind: WitKind) -> Kind {
    match kind {
        WitKind::Any | WitKind::Json => Kind::Any,
        WitKind::Boolean => Kind::Boolean,
        WitKind::Int8 => Kind::Int8,
        WitKind::Int16 => Kind::Int16,
        WitKind::Int32 => Kind::Int32,
        WitKind::Int64 => Kind::Int64,
        WitKind::Float32 => Kind::Float32,
        WitKind::Float64 => Kind::Float64,
        WitKind::Text => Kind::String,
        WitKind::Bytes => Kind::Bytes,
        WitKind::Decimal => Kind::Decimal(None),
        WitKind::Date => Kind::Date,
        WitKind::Time => Kind::Time,
        WitKind::Timestamp => Kind::Timestamp,
    }
}

/// Whether rows of this shape count as schemaless: no field says what it holds.
pub(super) fn is_schemaless(schema: &Schema) -> bool {
    let fields = schema.fields().unwrap_or_default();
    fields.iter().all(|field| field.schema.kind == Kind::Any)
}
