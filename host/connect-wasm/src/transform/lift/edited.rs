//! Rows that take values of the record's own row.

use std::sync::Arc;

use connect_api::{Datum, Kind, Schema, Struct, Value, json};

use super::content::{described, is_nested};
use super::{Checked, Lift, datum, in_field};
use crate::bindings::ferrule::transform::data::EditedRow;

/// The part of the record that a part of the reply takes the place of.
pub(super) enum Own<'a> {
    /// Others need it too.
    Lent(&'a Datum),
    /// It may be taken.
    Given(&'a mut Datum),
}

impl Own<'_> {
    pub(super) fn get(&self) -> &Datum {
        match self {
            Self::Lent(own) => own,
            Self::Given(own) => own,
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Lent(own) => own.value.clone(),
            Self::Given(own) => std::mem::take(&mut own.value),
        }
    }
}

impl Lift<'_> {
    pub(super) fn edited(&mut self, own: Own<'_>, made: EditedRow) -> Checked<Datum> {
        let (schema, schemaless) = self.shape(made.shape)?;
        let fields = schema.fields().unwrap_or_default();
        let sources = self.sources.get(made.sources as usize..);
        let sources = sources.and_then(|sources| sources.get(..fields.len()));
        let sources = sources.ok_or("an edited row has not one source for each field")?;
        let given = sources.iter().filter(|source| **source < 0).count();
        let given = self.values(made.first, given)?;
        let Some(before) = own.get().value.as_struct() else {
            return Err("an edited row takes the place of what is no row".into());
        };
        let mut given = given.iter();
        let mut set = |field| match given.next() {
            Some(made) => self.content.typed(*made, field, None),
            None => Ok(Value::Null),
        };
        if Arc::ptr_eq(before.schema(), &schema) && in_place(sources) {
            let Value::Struct(mut row) = own.into_value() else {
                return Err("an edited row takes the place of what is no row".into());
            };
            for (at, (field, source)) in fields.iter().zip(sources).enumerate() {
                if *source < 0 {
                    row.set(at, set(field)?);
                }
            }
            return Ok(datum(*row, schemaless));
        }
        let mut all = Vec::with_capacity(fields.len());
        for (field, source) in fields.iter().zip(sources) {
            all.push(match place(*source) {
                Some(source) => {
                    let taken = take(before, source, &field.schema);
                    taken.map_err(|why| in_field(&field.name, &why))?
                }
                None => set(field)?,
            });
        }
        Ok(datum(Struct::new(schema, all), schemaless))
    }
}

/// Whether no value goes to another field.
fn in_place(sources: &[i32]) -> bool {
    let mut sources = sources.iter().enumerate();
    sources.all(|(at, source)| place(*source).is_none_or(|source| source == at))
}

/// The field of the own row.
pub(super) fn place(source: i32) -> Option<usize> {
    usize::try_from(source).ok()
}

/// A value of the own row, in a field of this schema.
fn take(row: &Struct, at: usize, schema: &Schema) -> Checked<Value> {
    let own = row.schema().fields().and_then(|fields| fields.get(at));
    let own = own.ok_or("its source is a field that the record does not have")?;
    let value = row.value(at).to_value();
    match &schema.kind {
        // What is nested, where no schema describes it any more, is its text.
        Kind::Any if matches!(value, Value::Array(_) | Value::Map(_) | Value::Struct(_)) => {
            let mut text = String::new();
            json::write(&value, &mut text).map_err(|error| error.to_string())?;
            Ok(Value::Json(text.into()))
        }
        kind if is_nested(kind) && *kind == own.schema.kind && !value.is_null() => Ok(value),
        _ => described(value, schema),
    }
}
