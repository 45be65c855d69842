//! Fields of a message that are none of a measurement, for columns that a table was given later.

use std::collections::BTreeMap;

use ferrule_plugin::{Failure, Json, Kind, OutRow, Result, Row, RowShape, Value};
use serde_json::value::RawValue;

use crate::COLUMNS;
use crate::input::FIELDS;

/// Where the message's other fields are.
pub(crate) enum Source<'a> {
    Row(Row<'a>),
    Json(&'a [u8]),
}

/// Adds other fields to measurements.
#[derive(Default)]
pub(crate) struct Extra(Option<Wider>);

/// The shape that the last message led to, as most have the same fields.
struct Wider {
    names: Vec<String>,
    shape: RowShape,
}

impl Extra {
    /// A measurement's row with the other fields of its message.
    pub(crate) fn row(
        &mut self,
        columns: &RowShape,
        values: [Value; COLUMNS.len()],
        source: Source<'_>,
    ) -> Result<OutRow> {
        match source {
            Source::Row(row) => {
                let names = row.fields().map(|(name, _)| name).filter(is_other);
                let names: Vec<_> = names.collect();
                let shape = self.wider(columns, names.iter().copied());
                let named = COLUMNS.iter().map(|(name, _)| *name).zip(values);
                row.reshaped(shape, named)
            }
            Source::Json(json) => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(json)
                    .map_err(|_| Failure::new("the value is not a JSON object"))?;
                let others = || fields.iter().filter(|(name, _)| is_other(&name.as_str()));
                let shape = self.wider(columns, others().map(|(name, _)| name.as_str()));
                let others = others().map(|(_, json)| value(json.get()));
                Ok(shape.row(values.into_iter().chain(others).collect::<Vec<_>>()))
            }
        }
    }

    fn wider<'n>(
        &mut self,
        columns: &RowShape,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> &RowShape {
        let known = self.0.take().filter(|last| names.clone().eq(&last.names));
        let last = known.unwrap_or_else(|| Wider {
            // Of no kind: each value has its own.
            shape: names.clone().fold(columns.clone(), |shape, name| {
                shape.optional(name, Kind::Any)
            }),
            names: names.map(str::to_owned).collect(),
        });
        &self.0.insert(last).shape
    }
}

/// The sink takes a field for the column of its name in any case, and a column takes one field.
fn is_other(name: &&str) -> bool {
    !FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// A value of valid JSON.
fn value(json: &str) -> Value {
    match serde_json::from_str::<serde_json::Value>(json) {
        Ok(serde_json::Value::Null) => Value::Null,
        Ok(serde_json::Value::Bool(it)) => it.into(),
        Ok(serde_json::Value::String(it)) => it.into(),
        Ok(serde_json::Value::Number(it)) => match (it.as_i64(), it.as_f64()) {
            (Some(it), _) => it.into(),
            (None, Some(it)) => it.into(),
            (None, None) => Value::from(Json(json)),
        },
        _ => Value::from(Json(json)),
    }
}
