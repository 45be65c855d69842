//! Payloads that are JSON as text, as structs: `table.expand.json.payload`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use connect_api::{
    Choice, Datum, Error, Field, Kind, Result, Schema, Str, Struct, Value, WordCase, json, memory,
};

use crate::debezium::adjustment::{Adjustment, NameOf};
use crate::plans::Plans;
use crate::rows;

/// `table.json.payload.null.behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nulls {
    Ignore,
    OptionalBytes,
}

impl Choice for Nulls {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ignore", Self::Ignore),
        ("optional_bytes", Self::OptionalBytes),
    ];
    const CASE: WordCase = WordCase::Any;
}

/// `table.json.payload.empty.array.behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EmptyArrays {
    Ignore,
    OptionalString,
}

impl Choice for EmptyArrays {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("ignore", Self::Ignore),
        ("optional_string", Self::OptionalString),
    ];
    const CASE: WordCase = WordCase::Any;
}

/// How the JSON becomes a schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expansion {
    pub nulls: Nulls,
    pub empty_arrays: EmptyArrays,
    pub names: Adjustment,
}

/// What says that the JSON has no schema: it stays text, and nobody reads why.
fn no_schema() -> Error {
    Error::data("the JSON has no one schema")
}

impl Expansion {
    /// The struct of a JSON object's text, its schema named as the field that it was in; none where
    /// the text is no JSON object, or its arrays hold values of several types. Equal schemas are
    /// one in `schemas`.
    ///
    /// Debezium then goes on with the text, as here, but at times with a schema that is not the
    /// text's, which no converter takes.
    pub(super) fn expand(
        self,
        text: &str,
        name: &str,
        schemas: &mut Plans<Arc<Schema>>,
    ) -> Option<Datum> {
        if !text.starts_with('{') {
            return None;
        }
        let mut expanded = || -> Result<Option<Datum>> {
            let object = json::parse(text)?;
            let Some(schema) = self.schema(&object, Some(name))? else {
                return Ok(None);
            };
            let schema = schemas.plan(&Arc::new(schema), |schema| Ok(Arc::clone(schema)))?;
            let value = self.value(object, schema)?;
            Ok(Some(Datum::new(Arc::clone(schema), value)))
        };
        expanded().ok().flatten()
    }

    /// The schema of a value, which is called `name`; none where it is left out.
    fn schema(self, value: &Value, name: Option<&str>) -> Result<Option<Schema>> {
        memory::charge(size_of::<Schema>())?;
        let kind = match value {
            Value::Null if self.nulls == Nulls::OptionalBytes => Kind::Bytes,
            Value::Null => return Ok(None),
            Value::Boolean(_) => Kind::Boolean,
            Value::Int(number) if i32::try_from(*number).is_ok() => Kind::Int32,
            Value::Int(_) => Kind::Int64,
            Value::Float(_) | Value::Decimal(_) => Kind::Float64,
            Value::String(_) => Kind::String,
            Value::Array(items) if items.is_empty() => match self.empty_arrays {
                EmptyArrays::Ignore => return Ok(None),
                EmptyArrays::OptionalString => {
                    Kind::Array(Arc::new(Schema::optional(Kind::String)))
                }
            },
            Value::Array(items) => Kind::Array(Arc::new(self.item_schema(items, name)?)),
            Value::Struct(object) => return self.object_schema(object, name).map(Some),
            _ => return Err(no_schema()),
        };
        Ok(Some(Schema::optional(kind)))
    }

    fn object_schema(self, object: &Struct, name: Option<&str>) -> Result<Schema> {
        let name = name.filter(|name| !name.trim().is_empty());
        let mut fields: Vec<Field> = Vec::new();
        let mut known: HashSet<Str> = HashSet::new();
        for (field, value) in rows::fields(object.schema()).iter().zip(object.values()) {
            let own = self.names.adjusted(&field.name, NameOf::Field);
            if own.is_empty() {
                return Err(no_schema());
            }
            let path = match name {
                Some(name) => format!("{name}.{own}"),
                None => own.clone().into_owned(),
            };
            // The names of what is nested deeply are long.
            memory::charge(path.len())?;
            let Some(schema) = self.schema(value, Some(&path))? else {
                continue;
            };
            // Names that differ may be adjusted to one: the first counts.
            let is_new = self.names == Adjustment::None || known.insert(own.as_ref().into());
            if is_new {
                memory::push(&mut fields, Field::new(own.as_ref(), schema))?;
            }
        }
        Ok(Schema {
            name: name.map(Str::from),
            ..Schema::optional(Kind::Struct(fields))
        })
    }

    /// The one schema of an array's items: that of all objects in it together, or of the first
    /// item that is not null.
    fn item_schema(self, items: &[Value], name: Option<&str>) -> Result<Schema> {
        let some = || items.iter().filter(|item| !item.is_null());
        let first = some().next();
        if let Some(Value::Struct(_)) = first {
            let mut merged: Option<Merged> = None;
            for item in some() {
                let Value::Struct(object) = item else {
                    return Err(no_schema());
                };
                let schema = self.object_schema(object, name)?;
                match &mut merged {
                    None => merged = Some(Merged::new(schema)),
                    Some(merged) => merged.add(schema)?,
                }
            }
            return merged.map(Merged::into_schema).ok_or_else(no_schema);
        }
        let first = first.unwrap_or(&Value::Null);
        let of_first = self.schema(first, None)?.ok_or_else(no_schema)?;
        for item in some() {
            let is_same = match (first, item) {
                (Value::Array(_), Value::Array(_)) => true,
                (Value::Array(_), _) | (_, Value::Array(_) | Value::Struct(_)) => false,
                _ => self.schema(item, None)?.as_ref() == Some(&of_first),
            };
            if !is_same {
                return Err(no_schema());
            }
        }
        Ok(of_first)
    }

    /// A value of JSON as one of a schema.
    fn value(self, value: Value, schema: &Arc<Schema>) -> Result<Value> {
        Ok(match (value, &schema.kind) {
            (Value::Null, _) if schema.optional => Value::Null,
            (value @ Value::Boolean(_), Kind::Boolean)
            | (value @ Value::String(_), Kind::String)
            | (value @ Value::Int(_), Kind::Int64)
            | (value @ Value::Float(_), Kind::Float64) => value,
            (Value::Int(number), Kind::Int32) if i32::try_from(number).is_ok() => {
                Value::Int(number)
            }
            // An integer of more than 64 bits is none, and no float either.
            (Value::Decimal(decimal), Kind::Float64) if decimal.scale > 0 => {
                Value::Float(decimal.to_f64()?)
            }
            (Value::Array(items), Kind::Array(of)) => {
                memory::charge_values(items.len())?;
                let items = items.into_iter().map(|item| self.value(item, of));
                Value::Array(items.collect::<Result<_>>()?)
            }
            (Value::Struct(object), Kind::Struct(fields)) => {
                let values = self.values(*object, fields)?;
                Value::Struct(Box::new(Struct::new(Arc::clone(schema), values)))
            }
            _ => return Err(no_schema()),
        })
    }

    /// The values of an object, in the order of a schema's fields.
    fn values(self, object: Struct, fields: &[Field]) -> Result<Vec<Value>> {
        memory::charge_values(fields.len())?;
        let mut out = vec![Value::Null; fields.len()];
        let (schema, values) = object.into_parts();
        let mut places: Option<HashMap<&str, usize>> = None;
        let mut next = 0;
        for (field, value) in rows::fields(&schema).iter().zip(values) {
            let own = self.names.adjusted(&field.name, NameOf::Field);
            // The fields mostly come as the schema has them.
            let is_next = fields.get(next).is_some_and(|field| *field.name == *own);
            let at = match is_next {
                true => Some(next),
                false => {
                    let all = fields.iter().enumerate();
                    let places =
                        places.get_or_insert_with(|| all.map(|(at, it)| (&*it.name, at)).collect());
                    places.get(own.as_ref()).copied()
                }
            };
            let Some(at) = at else {
                continue;
            };
            next = at + 1;
            if out[at].is_null() {
                out[at] = self.value(value, &fields[at].schema)?;
            }
        }
        Ok(out)
    }
}

/// The schema of several objects: the fields of all of them.
struct Merged {
    first: Schema,
    /// None as long as all are as the first.
    all: Option<Fields>,
}

struct Fields {
    fields: Vec<Field>,
    places: HashMap<Str, usize>,
}

impl Merged {
    fn new(first: Schema) -> Self {
        Self { first, all: None }
    }

    fn add(&mut self, schema: Schema) -> Result<()> {
        if self.all.is_none() && self.first == schema {
            return Ok(());
        }
        let first = &self.first;
        let all = self.all.get_or_insert_with(|| Fields::of(first));
        for field in rows::fields(&schema) {
            match all.places.get(&field.name) {
                None => {
                    all.places.insert(field.name.clone(), all.fields.len());
                    memory::push(&mut all.fields, field.clone())?;
                }
                // Another type than that of nulls counts.
                Some(at) if all.fields[*at].schema.kind == Kind::Bytes => {
                    all.fields[*at] = field.clone();
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Where objects differ, they are not optional: as Debezium has it.
    fn into_schema(self) -> Schema {
        match self.all {
            None => self.first,
            Some(all) => Schema {
                name: self.first.name,
                ..Schema::new(Kind::Struct(all.fields))
            },
        }
    }
}

impl Fields {
    fn of(schema: &Schema) -> Self {
        let fields = rows::fields(schema).to_vec();
        let places = fields.iter().enumerate();
        Self {
            places: places.map(|(at, it)| (it.name.clone(), at)).collect(),
            fields,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect_api::MemoryLimit;
    use proptest::prelude::*;

    fn expand(text: &str) -> Option<Datum> {
        let expansion = Expansion {
            nulls: Nulls::OptionalBytes,
            empty_arrays: EmptyArrays::OptionalString,
            names: Adjustment::Avro,
        };
        expansion.expand(text, "payload", &mut Plans::default())
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_left(text in r#"\{[{}\[\]",:a1.e-]{0,24}"#) {
            expand(&text);
        }
    }

    #[test]
    fn hostile_payloads_stay_text() {
        let nested = 200_000;
        assert!(expand(&format!("{{\"a\":{}", "[".repeat(nested))).is_none());
        assert!(expand(&"{\"a\":".repeat(nested)).is_none());
        // The name of what is nested in a long name is long for each field there.
        let name = "n".repeat(200_000);
        let fields: Vec<String> = (0..10_000).map(|at| format!("\"f{at}\":1")).collect();
        let text = format!("{{\"{name}\":{{{}}}}}", fields.join(","));
        let measured = MemoryLimit::DEFAULT.measure(|| expand(&text));
        assert!(measured.made.is_none());
        let many: Vec<String> = (0..30_000).map(|at| format!("{{\"f{at}\":1}}")).collect();
        let text = format!("{{\"a\":[{}]}}", many.join(","));
        let measured = MemoryLimit::DEFAULT.measure(|| expand(&text));
        assert!(measured.made.is_none());
    }
}
