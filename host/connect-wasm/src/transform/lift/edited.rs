//! Rows that take values of the record's own row, and what a reply takes of its records in all.

use std::sync::Arc;

use connect_api::{Datum, Kind, Schema, SinkRecord, Struct, Value, ValueRef, json};

use super::{Checked, described, in_field, is_nested, typed};
use crate::bindings::ferrule::transform::data::{
    EditedRow, OutPayload, OutRecord, Outcome as WitOutcome,
};

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

pub(super) fn row(own: Own<'_>, schema: &Arc<Schema>, made: EditedRow) -> Checked<Struct> {
    let fields = schema.fields().unwrap_or_default();
    let given = made.sources.iter().filter(|source| **source < 0).count();
    if fields.len() != made.sources.len() || given != made.values.len() {
        return Err("an edited row has not one source or value for each field".into());
    }
    let Some(before) = own.get().value.as_struct() else {
        return Err("an edited row takes the place of what is no row".into());
    };
    let mut values = made.values.into_iter();
    let in_place = |(at, source): (usize, &i32)| place(*source).is_none_or(|source| source == at);
    if Arc::ptr_eq(before.schema(), schema) && made.sources.iter().enumerate().all(in_place) {
        let Value::Struct(mut row) = own.into_value() else {
            return Err("an edited row takes the place of what is no row".into());
        };
        let set = made.sources.iter().enumerate().filter(|it| *it.1 < 0);
        for ((at, _), made) in set.zip(values) {
            row.set(at, typed(made, &fields[at], None)?);
        }
        return Ok(*row);
    }
    let mut all = Vec::with_capacity(fields.len());
    for (field, source) in fields.iter().zip(&made.sources) {
        all.push(match place(*source) {
            Some(source) => {
                let taken = take(before, source, &field.schema);
                taken.map_err(|why| in_field(&field.name, &why))?
            }
            None => match values.next() {
                Some(made) => typed(made, field, None)?,
                None => Value::Null,
            },
        });
    }
    Ok(Struct::new(Arc::clone(schema), all))
}

/// The field of the own row.
fn place(source: i32) -> Option<usize> {
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

/// Whether the reply takes more than so many bytes of its records beyond what each has once: some
/// bytes of a reply can so become many, and they count as output (Invariant 8).
pub(in crate::transform) fn takes_more_than(
    most: u64,
    records: &[SinkRecord],
    outcomes: &[WitOutcome],
) -> bool {
    let mut left = most;
    for (record, outcome) in records.iter().zip(outcomes) {
        let WitOutcome::Replace(made) = outcome else {
            continue;
        };
        let once = made.len() == 1;
        for made in made {
            match taken(left, record, made, once) {
                Some(rest) => left = rest,
                None => return true,
            }
        }
    }
    false
}

/// What is left after a record of the reply; none: not enough. If it is the only one that takes the
/// record's place, what stays where it is costs nothing.
fn taken(left: u64, record: &SinkRecord, made: &OutRecord, once: bool) -> Option<u64> {
    let part = |left: u64, own: &Datum, made: &Option<OutPayload>| match made {
        None if once => Some(left),
        None => left.checked_sub(weight(ValueRef::Value(&own.value))),
        Some(OutPayload::Edited(row)) => {
            let Some(own) = own.value.as_struct() else {
                return Some(left);
            };
            let fields = own.schema().fields().map_or(0, <[_]>::len);
            let mut sources = row.sources.iter().enumerate();
            sources.try_fold(left, |left, (at, source)| match place(*source) {
                Some(source) if source < fields && !(once && source == at) => {
                    left.checked_sub(weight(own.value(source)))
                }
                _ => Some(left),
            })
        }
        Some(OutPayload::Scalar(_) | OutPayload::Row(_)) => Some(left),
    };
    let left = part(left, &record.key, &made.key)?;
    let left = part(left, &record.value, &made.value)?;
    if once || made.headers.is_some() {
        return Some(left);
    }
    let mut headers = record.headers.iter();
    headers.try_fold(left, |left, header| {
        left.checked_sub(weight(ValueRef::Value(&header.value.value)))
    })
}

/// Bytes that a copy of the value takes beside itself.
fn weight(value: ValueRef<'_>) -> u64 {
    let value = match value {
        ValueRef::String(text) | ValueRef::Json(text) => return text.len() as u64,
        ValueRef::Value(value) => value,
        _ => return 0,
    };
    let inner = |value| weight(ValueRef::Value(value));
    let room = |count: usize| (count * size_of::<Value>()) as u64;
    match value {
        Value::String(text) | Value::Json(text) => text.len() as u64,
        Value::Bytes(bytes) => bytes.len() as u64,
        Value::Decimal(decimal) => decimal.unscaled.bits() / 8,
        Value::Array(items) => room(items.len()) + items.iter().map(inner).sum::<u64>(),
        Value::Map(entries) => {
            let inner = entries.iter().map(|(key, value)| inner(key) + inner(value));
            room(2 * entries.len()) + inner.sum::<u64>()
        }
        Value::Struct(row) => {
            let fields = row.schema().fields().map_or(0, <[_]>::len);
            room(fields) + (0..fields).map(|at| weight(row.value(at))).sum::<u64>()
        }
        _ => 0,
    }
}
