//! What a plugin answers: outcomes, records, rows, shapes.

use std::rc::Rc;

use crate::bindings::ferrule::transform::data::{self, Pool, Shape, Span};
use crate::pool::narrow;
use crate::record::{Origin, Part};
use crate::value::OfKind;
use crate::{Header, Kind, Value};

/// What becomes of a record that did not fail.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It goes on as it is.
    Keep,
    /// It goes no further; its offset counts as done.
    Drop,
    /// These take its place, in this order.
    Replace(Vec<OutRecord>),
}

impl Outcome {
    /// One record takes the place of the input.
    pub fn replace(record: impl Into<OutRecord>) -> Outcome {
        Outcome::Replace(vec![record.into()])
    }
}

/// A record as the plugin makes it. What it does not name is taken from the input.
#[derive(Clone, Debug, PartialEq)]
pub struct OutRecord {
    topic: Option<String>,
    timestamp: Option<i64>,
    key: Option<OutPayload>,
    value: Option<OutPayload>,
    headers: Option<Vec<Header>>,
}

impl OutRecord {
    /// A record of this value.
    pub fn new(value: impl Into<OutPayload>) -> OutRecord {
        OutRecord {
            value: Some(value.into()),
            ..OutRecord::of_input()
        }
    }

    /// The input itself, to be given another topic, key, timestamp or other headers. Its value need
    /// not cross.
    pub fn of_input() -> OutRecord {
        OutRecord {
            topic: None,
            timestamp: None,
            key: None,
            value: None,
            headers: None,
        }
    }

    /// Sends the record to another topic.
    pub fn topic(mut self, topic: impl Into<String>) -> OutRecord {
        self.topic = Some(topic.into());
        self
    }

    /// Gives the record another timestamp, in milliseconds since 1970.
    pub fn timestamp(mut self, timestamp: i64) -> OutRecord {
        self.timestamp = Some(timestamp);
        self
    }

    /// Gives the record another key.
    pub fn key(mut self, key: impl Into<OutPayload>) -> OutRecord {
        self.key = Some(key.into());
        self
    }

    /// Gives the record other headers, in place of all that the input has.
    pub fn headers(mut self, headers: Vec<Header>) -> OutRecord {
        self.headers = Some(headers);
        self
    }
}

impl<T: Into<OutPayload>> From<T> for OutRecord {
    fn from(value: T) -> OutRecord {
        OutRecord::new(value)
    }
}

/// The key or the value of a record that the plugin makes.
#[derive(Clone, Debug, PartialEq)]
pub enum OutPayload {
    /// A single value.
    Scalar(Value),
    /// A row.
    Row(OutRow),
}

impl From<Value> for OutPayload {
    fn from(value: Value) -> OutPayload {
        OutPayload::Scalar(value)
    }
}

impl From<OutRow> for OutPayload {
    fn from(row: OutRow) -> OutPayload {
        OutPayload::Row(row)
    }
}

/// A row that the plugin makes, by [`RowShape::row`], [`crate::Row::with`] or
/// [`crate::Row::reshaped`].
#[derive(Clone, Debug, PartialEq)]
pub struct OutRow {
    shape: ShapeOf,
    taken: Option<Taken>,
    values: Vec<Value>,
}

/// The row that values are taken from, and where they stand in it.
#[derive(Clone, Debug, PartialEq)]
struct Taken {
    origin: Origin,
    sources: Vec<i32>,
}

impl OutRow {
    /// A row of a shape of the batch at hand.
    pub(crate) fn edited(
        shape: u32,
        origin: Origin,
        sources: Vec<i32>,
        values: Vec<Value>,
    ) -> OutRow {
        OutRow {
            shape: ShapeOf::Input(shape),
            taken: Some(Taken { origin, sources }),
            values,
        }
    }

    pub(crate) fn reshaped(
        shape: &RowShape,
        origin: Origin,
        sources: Vec<i32>,
        values: Vec<Value>,
    ) -> OutRow {
        OutRow {
            shape: ShapeOf::Made(shape.clone()),
            taken: Some(Taken { origin, sources }),
            values,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum ShapeOf {
    /// A shape of the batch at hand.
    Input(u32),
    Made(RowShape),
}

/// The fields of the rows that a plugin makes. Make it once, in `configure`, and keep it: it
/// crosses to the worker once a batch, however many rows have it.
#[derive(Clone, Debug, PartialEq)]
pub struct RowShape(Rc<Shape>);

impl RowShape {
    /// A shape without fields; the name is that of the schema.
    pub fn new(name: &str) -> RowShape {
        RowShape(Rc::new(Shape {
            name: Some(name.to_owned()),
            fields: Vec::new(),
        }))
    }

    /// Adds a field that is never null.
    pub fn required(self, name: &str, kind: Kind) -> RowShape {
        self.field(name, kind, false)
    }

    /// Adds a field that may be null.
    pub fn optional(self, name: &str, kind: Kind) -> RowShape {
        self.field(name, kind, true)
    }

    /// Adds a field that holds a Rust type; one of an `Option` may be null.
    pub fn of<T: OfKind>(self, name: &str) -> RowShape {
        self.field(name, T::KIND, T::OPTIONAL)
    }

    /// A row: one value for each field, in their order.
    ///
    /// # Panics
    /// If the number of values is not the number of fields.
    pub fn row(&self, values: impl Into<Vec<Value>>) -> OutRow {
        let values = values.into();
        assert_eq!(
            values.len(),
            self.0.fields.len(),
            "one value for each field of the shape"
        );
        OutRow {
            shape: ShapeOf::Made(self.clone()),
            taken: None,
            values,
        }
    }

    pub(crate) fn fields(&self) -> &[data::Field] {
        &self.0.fields
    }

    fn field(mut self, name: &str, kind: Kind, optional: bool) -> RowShape {
        let field = data::Field {
            name: name.to_owned(),
            kind,
            optional,
        };
        Rc::make_mut(&mut self.0).fields.push(field);
        self
    }
}

/// The records of a reply, in their order, and what they point into.
pub(crate) struct ReplyBuilder {
    /// How many shapes the batch itself has.
    base: usize,
    /// The shapes of the reply, each once.
    shapes: Vec<RowShape>,
    records: Vec<data::OutRecord>,
    sources: Vec<i32>,
    /// The sources of the last edited row: those of the next are mostly the same.
    last: Span,
    pool: Pool,
}

impl ReplyBuilder {
    pub(crate) fn after(base: usize) -> ReplyBuilder {
        ReplyBuilder {
            base,
            shapes: Vec::new(),
            records: Vec::new(),
            sources: Vec::new(),
            last: Span::of(0, 0),
            pool: Pool::EMPTY,
        }
    }

    /// Adds these records of the answer to the record of this offset and place; a tick answers to
    /// none. How many they are.
    pub(crate) fn add(&mut self, records: Vec<OutRecord>, to: Option<(i64, usize)>) -> u32 {
        let count = narrow(records.len());
        for record in records {
            let key = record.key.map(|key| self.payload(key, Part::Key, to));
            let value = record
                .value
                .map(|value| self.payload(value, Part::Value, to));
            let pool = &mut self.pool;
            self.records.push(data::OutRecord {
                topic: record.topic.map(|topic| pool.add_text(&topic)),
                timestamp: record.timestamp,
                key,
                value,
                headers: record.headers.map(|headers| pool.add_headers(&headers)),
            });
        }
        count
    }

    /// The reply with these outcomes.
    pub(crate) fn reply(self, outcomes: Vec<data::Outcome>) -> data::Reply {
        data::Reply {
            outcomes,
            records: self.records,
            sources: self.sources,
            pool: with_shapes(self.pool, self.shapes),
        }
    }

    /// What a tick makes.
    pub(crate) fn emission(self) -> data::Emission {
        data::Emission {
            records: self.records,
            pool: with_shapes(self.pool, self.shapes),
        }
    }

    fn payload(
        &mut self,
        payload: OutPayload,
        part: Part,
        to: Option<(i64, usize)>,
    ) -> data::OutPayload {
        let row = match payload {
            OutPayload::Scalar(value) => {
                return data::OutPayload::Scalar(self.pool.add((&value).into()));
            }
            OutPayload::Row(row) => row,
        };
        let shape = match row.shape {
            ShapeOf::Input(index) => index,
            ShapeOf::Made(shape) => self.index_of(shape),
        };
        let first = self.pool.add_row(row.values.iter().map(Into::into));
        let Some(Taken { origin, sources }) = row.taken else {
            return data::OutPayload::Row(data::Row { shape, first });
        };
        let own = to.map(|(offset, at)| Origin { offset, at, part });
        assert!(own == Some(origin), "the row is of another record or part");
        data::OutPayload::Edited(data::EditedRow {
            shape,
            sources: self.sources_at(&sources),
            first,
        })
    }

    fn sources_at(&mut self, sources: &[i32]) -> u32 {
        let Span { start, len } = self.last;
        if self.sources[start as usize..][..len as usize] != *sources {
            self.last = Span::of(self.sources.len(), sources.len());
            self.sources.extend_from_slice(sources);
        }
        self.last.start
    }

    fn index_of(&mut self, shape: RowShape) -> u32 {
        // The same shape is nearly always the same allocation; comparing fields is the fallback
        // for a plugin that makes its shape anew for each record.
        let mut shapes = self.shapes.iter();
        let known = shapes.position(|known| Rc::ptr_eq(&known.0, &shape.0));
        let known = known.or_else(|| self.shapes.iter().position(|known| *known == shape));
        let place = known.unwrap_or_else(|| {
            self.shapes.push(shape);
            self.shapes.len() - 1
        });
        narrow(self.base + place)
    }
}

fn with_shapes(pool: Pool, shapes: Vec<RowShape>) -> Pool {
    let shapes = shapes.into_iter();
    Pool {
        shapes: shapes.map(|shape| Rc::unwrap_or_clone(shape.0)).collect(),
        ..pool
    }
}
