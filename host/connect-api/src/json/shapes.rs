//! Schemaless JSON objects as rows.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::value::RawValue;

use super::names::Names;
use super::scan;
use super::{FieldNames, MAX_DEPTH, Text, any_field, deep, entries, malformed, shallow};
use crate::memory::{self, KeptBytes, Room};
use crate::{Field, Kind, Result, Schema, Str, Struct, Value};

/// What a name costs beside its letters, in all three places.
const PER_FIELD: usize = 2 * size_of::<Str>() + size_of::<Field>() + size_of::<Box<str>>();

/// Shapes that are kept; a topic with more of them pays for a new one each time.
const MAX_SHAPES: usize = 1024;

#[derive(Debug)]
struct Shape {
    schema: Arc<Schema>,
    names: Option<Names>,
}

/// Reads schemaless JSON objects as rows, and shares one shape among those with the same fields.
#[derive(Debug, Default)]
pub struct Shapes {
    last: Option<Shape>,
    known: HashMap<Box<[Str]>, Arc<Schema>>,
    kept: KeptBytes,
}

impl Shapes {
    /// Reads any JSON value. Top-level objects become structs, which share the bytes; what is
    /// nested in them stays text.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] when the text is not one JSON value.
    pub fn read_shared(&mut self, text: &Bytes) -> Result<Value> {
        // Records of a topic mostly have the fields of the one before, in the same order.
        if let Some(Shape {
            schema,
            names: Some(names),
        }) = &self.last
            && let Ok(text) = ByteString::try_from(text.clone())
            && let Some((spans, others)) = scan::row(&text, names)
        {
            let text = Text::new(text, spans, others);
            let row = Struct::of_text(Arc::clone(schema), text);
            return Ok(Value::Struct(Box::new(row)));
        }
        self.read(text)
    }

    /// The same for bytes that are not shared.
    ///
    /// # Errors
    /// As [`Shapes::read_shared`].
    pub fn read(&mut self, text: &[u8]) -> Result<Value> {
        let text = text.trim_ascii();
        if text.first() == Some(&b'{') {
            return Ok(Value::Struct(Box::new(self.read_object(text)?)));
        }
        let raw: &RawValue = serde_json::from_slice(text).map_err(|e| malformed(&e))?;
        deep(raw.get(), MAX_DEPTH)
    }

    fn read_object(&mut self, text: &[u8]) -> Result<Struct> {
        let last = self.last.take();
        let guess = last.as_ref().map(|shape| Arc::clone(&shape.schema));
        let expected = guess
            .as_deref()
            .and_then(Schema::fields)
            .unwrap_or_default();
        let mut values = Vec::with_capacity(expected.len());
        let mut names: Option<Vec<Str>> = None;
        let mut places = FieldNames::default();
        entries(text, |name, raw| {
            let known = match &mut names {
                None => match expected.get(values.len()) {
                    Some(field) if field.name == *name => true,
                    _ => {
                        let seen = expected[..values.len()].iter().map(|f| f.name.clone());
                        let seen: Vec<Str> = seen.collect();
                        for name in &seen {
                            places.find_or_add(name, |at| &seen[at]);
                        }
                        names = Some(seen);
                        false
                    }
                },
                Some(_) => false,
            };
            let value = shallow(raw)?;
            if let (false, Some(names)) = (known, &mut names) {
                // The last of two fields of one name wins, as in Kafka Connect.
                if let Some(at) = places.find_or_add(&name, |at| &names[at]) {
                    values[at] = value;
                    return Ok(());
                }
                // Its name here, in the shape, and in the text that the next row is compared with.
                memory::charge(3 * name.len() + PER_FIELD)?;
                names.push(name.into());
            }
            memory::push(&mut values, value)
        })?;
        let shape = match (names, guess) {
            (None, Some(shape)) if shape.fields().is_some_and(|f| f.len() == values.len()) => shape,
            (None, shape) => {
                let all = shape
                    .as_deref()
                    .and_then(Schema::fields)
                    .unwrap_or_default();
                self.intern(all[..values.len()].iter().map(|f| f.name.clone()).collect())
            }
            (Some(names), _) => self.intern(names),
        };
        let same = last.filter(|last| Arc::ptr_eq(&last.schema, &shape));
        self.last = same.or_else(|| {
            is_kept(&shape).then(|| Shape {
                names: Names::new(shape.fields().unwrap_or_default()),
                schema: Arc::clone(&shape),
            })
        });
        Ok(Struct::new(shape, values))
    }

    /// The shared shape of schemaless rows with these fields.
    pub fn intern(&mut self, names: Vec<Str>) -> Arc<Schema> {
        if let Some(shape) = self.known.get(names.as_slice()) {
            return Arc::clone(shape);
        }
        let fields = names.iter().map(|n| any_field(n.clone())).collect();
        let shape = Arc::new(Schema::new(Kind::Struct(fields)));
        let bytes = names.iter().map(|n| 2 * n.len() + PER_FIELD).sum();
        if self.known.len() < MAX_SHAPES && bytes <= KeptBytes::MOST {
            if self.kept.add(bytes) == Room::AfterClearing {
                self.known.clear();
            }
            self.known.insert(names.into(), Arc::clone(&shape));
        }
        shape
    }
}

/// Whether the shape is small enough to wait for the next row, which may never come.
fn is_kept(shape: &Schema) -> bool {
    let fields = shape.fields().unwrap_or_default().iter();
    let bytes: usize = fields.map(|f| 2 * f.name.len() + PER_FIELD).sum();
    bytes <= KeptBytes::MOST
}
