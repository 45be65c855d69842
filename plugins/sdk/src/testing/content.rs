//! What goes into a plugin and what comes out, with the names of fields in the rows.

use crate::bindings::ferrule::transform::data::{self, Kind, Pool, Shape};
use crate::{Failure, Header, Value, ValueRef};

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

/// A key or a value as it goes into a batch: of a row those fields that the plugin sees.
pub(super) fn payload(
    content: &Content,
    sees: impl Fn(&str) -> bool,
    pool: &mut Pool,
) -> data::Payload {
    let fields = match content {
        Content::Scalar(value) => return data::Payload::Scalar(pool.add(value.into())),
        Content::Row(fields) => fields,
    };
    let field = |(name, _): &(String, Value)| data::Field {
        name: name.clone(),
        kind: Kind::Any,
        optional: true,
    };
    let shape = Shape {
        name: None,
        fields: fields.iter().map(field).collect(),
    };
    let known = pool.shapes.iter().position(|known| *known == shape);
    let index = known.unwrap_or_else(|| {
        pool.shapes.push(shape);
        pool.shapes.len() - 1
    });
    let first = pool.add_row(fields.iter().map(|(name, value)| match sees(name) {
        true => value.into(),
        false => ValueRef::Null,
    }));
    data::Payload::Row(data::Row {
        shape: index as u32,
        first,
    })
}

/// A reply, and what it answers to.
pub(super) struct Reply<'a> {
    /// The shapes of the batch.
    pub(super) shapes: &'a [Shape],
    pub(super) sources: &'a [i32],
    pub(super) pool: &'a Pool,
}

impl Reply<'_> {
    /// What a record of the reply says; a record of a tick has no input.
    pub(super) fn made(
        &self,
        record: data::OutRecord,
        input: Option<(&Content, &Content)>,
    ) -> Made {
        let (key, value) = input.unzip();
        Made {
            topic: record.topic.map(|topic| self.pool.text(topic).to_owned()),
            timestamp: record.timestamp,
            key: record.key.map(|made| self.content(made, key)),
            value: match (record.value, value) {
                (Some(made), _) => self.content(made, value),
                (None, Some(value)) => value.clone(),
                (None, None) => Content::Scalar(Value::Null),
            },
            headers: record.headers.map(|span| self.headers(span)),
        }
    }

    fn headers(&self, span: data::Span) -> Vec<Header> {
        let headers = self.pool.headers_of(span).iter();
        headers
            .map(|header| Header {
                name: self.pool.text(header.name).to_owned(),
                value: self.pool.value(header.value).into(),
            })
            .collect()
    }

    fn content(&self, payload: data::OutPayload, own: Option<&Content>) -> Content {
        match payload {
            data::OutPayload::Scalar(value) => Content::Scalar(self.pool.value(value).into()),
            data::OutPayload::Row(row) => {
                let shape = self.shape(row.shape);
                let values = self.pool.values_of(row, shape.fields.len()).iter();
                let values = values.map(|value| self.pool.value(*value).into());
                named(shape, values.collect())
            }
            data::OutPayload::Edited(row) => {
                let Some(Content::Row(own)) = own else {
                    panic!("an edited row takes the place of what is no row");
                };
                let shape = self.shape(row.shape);
                let sources = &self.sources[row.sources as usize..][..shape.fields.len()];
                let mut set = self.pool.values[row.first as usize..].iter();
                let values = sources.iter().map(|source| match usize::try_from(*source) {
                    Ok(place) => own[place].1.clone(),
                    Err(_) => match set.next() {
                        Some(value) => self.pool.value(*value).into(),
                        None => panic!("a value for each field that has no source"),
                    },
                });
                named(shape, values.collect())
            }
        }
    }

    fn shape(&self, index: u32) -> &Shape {
        let mut shapes = self.shapes.iter().chain(&self.pool.shapes);
        match shapes.nth(index as usize) {
            Some(shape) => shape,
            None => panic!("no shape {index}"),
        }
    }
}

fn named(shape: &Shape, values: Vec<Value>) -> Content {
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
