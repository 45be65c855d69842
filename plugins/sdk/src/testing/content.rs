//! What goes into a plugin and what comes out, with the names of fields in the rows.

use crate::bindings::ferrule::transform::data::{self, InRecord, Kind, Shape};
use crate::{Failure, Header, Value};

/// What a plugin answered to a record, with the names of fields back in the rows.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The record goes on as it is.
    Keep,
    /// The record goes no further.
    Drop,
    /// These take its place.
    Replace(Vec<Made>),
    /// The record is an errant one.
    Fail(Failure),
}

impl Answer {
    /// Field and reason of a failure.
    ///
    /// # Panics
    /// If the answer is another.
    pub fn failure(self) -> (Option<String>, String) {
        match self {
            Answer::Fail(failure) => (failure.field, failure.reason),
            other => panic!("not a failure: {other:?}"),
        }
    }

    /// The one record that takes the place of the input.
    ///
    /// # Panics
    /// If the answer is another.
    pub fn record(self) -> Made {
        match self {
            Answer::Replace(mut records) if records.len() == 1 => records.remove(0),
            other => panic!("not one record: {other:?}"),
        }
    }
}

/// A record that a plugin made.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The topic, if not that of the input.
    pub topic: Option<String>,
    /// The timestamp, if not that of the input.
    pub timestamp: Option<i64>,
    /// The key, if not that of the input.
    pub key: Option<Content>,
    /// The value: that of the input, unless the plugin gives another.
    pub value: Content,
    /// The headers, if not those of the input.
    pub headers: Option<Vec<Header>>,
}

impl Made {
    /// The value of a field of the value.
    ///
    /// # Panics
    /// If the value is no row or has no such field.
    pub fn field(&self, name: &str) -> &Value {
        match &self.value {
            Content::Row(fields) => match fields.iter().find(|(field, _)| field == name) {
                Some((_, value)) => value,
                None => panic!("no field {name} in {fields:?}"),
            },
            Content::Scalar(value) => panic!("not a row: {value:?}"),
        }
    }
}

/// A key or a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A single value.
    Scalar(Value),
    /// Names and values.
    Row(Vec<(String, Value)>),
}

impl From<Value> for Content {
    fn from(value: Value) -> Content {
        Content::Scalar(value)
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Content {
    fn from(fields: [(&str, Value); N]) -> Content {
        Content::Row(
            fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }
}

impl From<Vec<(String, Value)>> for Content {
    fn from(fields: Vec<(String, Value)>) -> Content {
        Content::Row(fields)
    }
}

pub(super) fn payload(content: Content, shapes: &mut Vec<Shape>) -> data::Payload {
    let fields = match content {
        Content::Scalar(value) => return data::Payload::Scalar(value),
        Content::Row(fields) => fields,
    };
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let field = |name| data::Field {
        name,
        kind: Kind::Any,
        optional: true,
    };
    let shape = Shape {
        name: None,
        fields: names.into_iter().map(field).collect(),
    };
    let known = shapes.iter().position(|known| *known == shape);
    let index = known.unwrap_or_else(|| {
        shapes.push(shape);
        shapes.len() - 1
    });
    data::Payload::Row(data::Row {
        shape: index as u32,
        values,
    })
}

pub(super) fn answer(outcome: data::Outcome, input: &InRecord, shapes: &[Shape]) -> Answer {
    match outcome {
        data::Outcome::Keep => Answer::Keep,
        data::Outcome::Drop => Answer::Drop,
        data::Outcome::Replace(records) => Answer::Replace(
            records
                .into_iter()
                .map(|record| made(record, Some(input), shapes))
                .collect(),
        ),
        data::Outcome::Fail(failure) => Answer::Fail(failure),
    }
}

pub(super) fn made(record: data::OutRecord, input: Option<&InRecord>, shapes: &[Shape]) -> Made {
    let value = match (record.value, input) {
        (Some(value), _) => content(value, input.map(|input| &input.value), shapes),
        (None, Some(input)) => input_content(&input.value, shapes),
        (None, None) => Content::Scalar(Value::Null),
    };
    let key = record.key;
    Made {
        topic: record.topic,
        timestamp: record.timestamp,
        key: key.map(|key| content(key, input.map(|input| &input.key), shapes)),
        value,
        headers: record.headers,
    }
}

fn input_content(payload: &data::Payload, shapes: &[Shape]) -> Content {
    match payload {
        data::Payload::Scalar(value) => Content::Scalar(value.clone()),
        data::Payload::Row(row) => named(row.shape, row.values.clone(), shapes),
    }
}

fn content(payload: data::OutPayload, own: Option<&data::Payload>, shapes: &[Shape]) -> Content {
    match payload {
        data::OutPayload::Scalar(value) => Content::Scalar(value),
        data::OutPayload::Row(row) => named(row.shape, row.values, shapes),
        data::OutPayload::Edited(row) => {
            let Some(data::Payload::Row(own)) = own else {
                panic!("an edited row takes the place of what is no row");
            };
            let mut set = row.values.into_iter();
            let values = row
                .sources
                .iter()
                .map(|source| match usize::try_from(*source) {
                    Ok(place) => own.values[place].clone(),
                    Err(_) => set
                        .next()
                        .expect("a value for each field that has no source"),
                });
            let values = values.collect();
            assert_eq!(set.len(), 0, "a source or a value for each field");
            named(row.shape, values, shapes)
        }
    }
}

fn named(shape: u32, values: Vec<Value>, shapes: &[Shape]) -> Content {
    let shape = &shapes[shape as usize];
    assert_eq!(shape.fields.len(), values.len(), "one value for each field");
    for (field, value) in shape.fields.iter().zip(&values) {
        assert!(fits(field, value), "{} does not hold {value:?}", field.name);
    }
    let names = shape.fields.iter().map(|field| field.name.clone());
    Content::Row(names.zip(values).collect())
}

/// Whether a value is of the kind that its field declares.
fn fits(field: &data::Field, value: &Value) -> bool {
    matches!(
        (field.kind, value),
        (Kind::Any, _)
            | (Kind::Boolean, Value::Boolean(_))
            | (
                Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64,
                Value::Int(_)
            )
            | (Kind::Float32 | Kind::Float64, Value::Float(_))
            | (Kind::Text, Value::Text(_))
            | (Kind::Bytes, Value::Bytes(_))
            | (Kind::Decimal, Value::Decimal(_))
            | (Kind::Date, Value::Date(_))
            | (Kind::Time, Value::Time(_))
            | (Kind::Timestamp, Value::Timestamp(_))
            | (Kind::Json, Value::Json(_))
    ) || field.optional && *value == Value::Null
}
