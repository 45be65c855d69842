//! The input as a plugin sees it: records, rows, fields.

use crate::bindings::ferrule::transform::data::{self, Batch, InRecord, Pool, Shape};
use crate::coerce::Coerce;
use crate::output::{OutRow, RowShape};
use crate::value::FromValue;
use crate::{Failure, FromRow, Result, Value, ValueRef};

use sealed::Place as _;

/// No such field in the shape.
const ABSENT: u32 = u32::MAX;
/// The source of a field that is set.
const SET: i32 = -1;

/// Which row a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// That of its record, and the record's place in its batch: a transform before may have made
    /// several records of one offset.
    pub(crate) offset: i64,
    pub(crate) at: usize,
    pub(crate) part: Part,
}

/// The part of a record that a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

/// A batch and its shapes.
pub(crate) struct View<'a> {
    batch: &'a Batch,
    layouts: Vec<Layout<'a>>,
}

/// A shape, and where the plugin's fields stand in it.
struct Layout<'a> {
    pool: &'a Pool,
    /// The place of the shape in the pool.
    index: u32,
    shape: &'a Shape,
    /// The names of the plugin's fields.
    names: &'static [&'static str],
    /// For each of them its place in a row.
    places: Box<[u32]>,
}

impl<'a> View<'a> {
    pub(crate) fn new(batch: &'a Batch, names: &'static [&'static str]) -> View<'a> {
        let pool = &batch.pool;
        let layout = |(index, shape)| Layout {
            pool,
            index,
            shape,
            names,
            places: names.iter().map(|name| place_of(shape, name)).collect(),
        };
        View {
            batch,
            layouts: (0..).zip(&pool.shapes).map(layout).collect(),
        }
    }

    /// The records, in their order.
    pub(crate) fn records(&'a self) -> impl Iterator<Item = Record<'a>> {
        let records = self.batch.records.iter().enumerate();
        records.map(|(at, record)| Record {
            view: self,
            record,
            at,
        })
    }
}

fn place_of(shape: &Shape, name: &str) -> u32 {
    let place = shape.fields.iter().position(|field| field.name == name);
    place
        .and_then(|place| u32::try_from(place).ok())
        .unwrap_or(ABSENT)
}

/// One input record.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    view: &'a View<'a>,
    record: &'a InRecord,
    at: usize,
}

impl<'a> Record<'a> {
    /// The topic of the batch.
    pub fn topic(&self) -> &'a str {
        &self.view.batch.topic
    }

    /// The partition of the batch.
    pub fn partition(&self) -> i32 {
        self.view.batch.partition
    }

    /// The offset of the record.
    pub fn offset(&self) -> i64 {
        self.record.offset
    }

    /// The timestamp of the record, in milliseconds since 1970.
    pub fn timestamp(&self) -> Option<i64> {
        self.record.timestamp
    }

    /// The key; null unless the description reads keys.
    pub fn key(&self) -> Payload<'a> {
        self.payload(self.record.key, Part::Key)
    }

    /// The value.
    pub fn value(&self) -> Payload<'a> {
        self.payload(self.record.value, Part::Value)
    }

    /// The value as a row, or a failure.
    pub fn row(&self) -> Result<Row<'a>> {
        match self.value() {
            Payload::Row(row) => Ok(row),
            Payload::Scalar(_) => Err(Failure::new("the value is not a struct or a JSON object")),
        }
    }

    /// Names and values of the headers; none unless the description reads them.
    pub fn headers(&self) -> impl DoubleEndedIterator<Item = (&'a str, ValueRef<'a>)> + use<'a> {
        let pool = self.pool();
        let headers = pool.headers_of(self.record.headers).iter();
        headers.map(|header| (pool.text(header.name), pool.value(header.value)))
    }

    /// The value of the last header of this name.
    pub fn header(&self, name: &str) -> Option<ValueRef<'a>> {
        let mut headers = self.headers().rev();
        headers.find_map(|(other, value)| (other == name).then_some(value))
    }

    fn pool(&self) -> &'a Pool {
        &self.view.batch.pool
    }

    fn payload(&self, payload: data::Payload, part: Part) -> Payload<'a> {
        match payload {
            data::Payload::Scalar(value) => Payload::Scalar(self.pool().value(value)),
            data::Payload::Row(row) => {
                let layout = &self.view.layouts[row.shape as usize];
                let fields = layout.shape.fields.len();
                Payload::Row(Row {
                    layout,
                    values: layout.pool.values_of(row, fields),
                    record: *self,
                    part,
                })
            }
        }
    }
}

/// The key or the value of a record.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// A single value; null for a tombstone or no key.
    Scalar(ValueRef<'a>),
    /// A struct or a JSON object.
    Row(Row<'a>),
}

/// A struct or a JSON object: values by name.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    layout: &'a Layout<'a>,
    values: &'a [data::Value],
    record: Record<'a>,
    part: Part,
}

impl<'a> Row<'a> {
    /// The value of a field, null too; none if the row has no such field.
    // Who asks for one kind then looks at that kind alone.
    #[inline(always)]
    pub fn value(&self, column: impl Column) -> Option<ValueRef<'a>> {
        let value = self.values.get(column.place(self)?)?;
        Some(self.layout.pool.value(*value))
    }

    /// The value of a field as a Rust type; none if it is absent or null. A value of another kind
    /// is a failure that names the field.
    #[inline]
    pub fn optional<T: FromValue<'a>>(&self, column: impl Column) -> Result<Option<T>> {
        match self.value(column) {
            None | Some(ValueRef::Null) => Ok(None),
            Some(value) => match T::from_value(value) {
                Some(it) => Ok(Some(it)),
                None => Err(mismatch(column.name(), T::EXPECTED, value)),
            },
        }
    }

    /// The value of a field as a Rust type. An absent field and null are failures.
    #[inline]
    pub fn required<T: FromValue<'a>>(&self, column: impl Column) -> Result<T> {
        match self.optional(column)? {
            Some(it) => Ok(it),
            None => Err(Failure::at(column.name(), "is required")),
        }
    }

    /// The value of a field as a Rust type, also of what reads as one; none if it is absent or
    /// null. A value that does not read as the type is a failure that names the field.
    pub fn coerced<T: Coerce<'a>>(&self, column: impl Column) -> Result<Option<T>> {
        match self.value(column) {
            None | Some(ValueRef::Null) => Ok(None),
            Some(value) => match T::coerce(value) {
                Some(it) => Ok(Some(it)),
                None => Err(unreadable(column.name(), T::READABLE, value)),
            },
        }
    }

    /// The row as a struct that derives [`FromRow`].
    pub fn read<T: FromRow<'a>>(&self) -> Result<T> {
        T::from_row(*self)
    }

    /// Names and values, in the order of the shape.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, ValueRef<'a>)> + use<'a> {
        let pool = self.layout.pool;
        let fields = self.layout.shape.fields.iter().zip(self.values);
        fields.map(|(field, value)| (field.name.as_str(), pool.value(*value)))
    }

    /// The name of the row's schema, where it has one.
    pub fn schema_name(&self) -> Option<&'a str> {
        self.layout.shape.name.as_deref()
    }

    fn origin(&self) -> Origin {
        Origin {
            offset: self.record.offset(),
            at: self.record.at,
            part: self.part,
        }
    }

    /// This row with some values set. It belongs into the answer to its record, as the key if this
    /// is the key and as the value if this is the value. Only what is set crosses to the worker;
    /// the rest stays what it is. A field that the row does not have is a failure that names it.
    pub fn with(&self, values: impl IntoIterator<Item = (&'a str, Value)>) -> Result<OutRow> {
        // A shape has fewer fields than an i32 counts.
        let mut sources: Vec<i32> = (0..self.values.len() as i32).collect();
        let mut set: Vec<(usize, Value)> = Vec::new();
        for (name, value) in values {
            let place = name.place(self).filter(|place| *place < sources.len());
            let place = place.ok_or_else(|| Failure::at(name, "is not a field of the record"))?;
            sources[place] = SET;
            match set.binary_search_by_key(&place, |(place, _)| *place) {
                Ok(known) => set[known].1 = value,
                Err(next) => set.insert(next, (place, value)),
            }
        }
        let set = set.into_iter().map(|(_, value)| value).collect();
        Ok(OutRow::edited(
            self.layout.index,
            self.origin(),
            sources,
            set,
        ))
    }

    /// A row of another shape: what is named here is set, and the other fields are those of this
    /// row that have their names; an optional field that this row does not have is null. Otherwise
    /// as [`Row::with`]. A required field that is neither set nor there is a failure that names it.
    pub fn reshaped<'v>(
        &self,
        shape: &RowShape,
        values: impl IntoIterator<Item = (&'v str, Value)>,
    ) -> Result<OutRow> {
        let mut values: Vec<_> = values.into_iter().collect();
        let mut sources = Vec::with_capacity(shape.fields().len());
        let mut set = Vec::new();
        for field in shape.fields() {
            let name = field.name.as_str();
            if let Some(given) = values.iter().position(|(given, _)| *given == name) {
                sources.push(SET);
                set.push(values.swap_remove(given).1);
            } else if let Some(place) = name.place(self) {
                sources.push(place as i32);
            } else if field.optional {
                sources.push(SET);
                set.push(Value::Null);
            } else {
                return Err(Failure::at(name, "is required"));
            }
        }
        match values.first() {
            Some((name, _)) => Err(Failure::at(name, "is not a field of the shape")),
            None => Ok(OutRow::reshaped(shape, self.origin(), sources, set)),
        }
    }
}

#[cold]
fn mismatch(name: &str, expected: &str, value: ValueRef<'_>) -> Failure {
    Failure::at(
        name,
        format_args!("must be {expected}, not {}", crate::kind_of(value)),
    )
}

#[cold]
fn unreadable(name: &str, readable: &str, value: ValueRef<'_>) -> Failure {
    let reason = match value {
        ValueRef::Text(_) => format!("must be {readable}, not other text"),
        value => format!("must be {readable}, not {}", crate::kind_of(value)),
    };
    Failure::at(name, reason)
}

/// What names a field of a row: a [`Field`], found without a search, or its name.
pub trait Column: Copy + sealed::Place {
    /// The name of the field.
    fn name(&self) -> &str;
}

/// A field of [`crate::Transform::FIELDS`]; made by [`crate::fields!`]. One that is not of them is
/// searched for by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    index: usize,
    name: &'static str,
}

impl Field {
    /// The field of this name in a list of names. In a constant, a missing name does not compile.
    ///
    /// # Panics
    /// If the list does not hold the name.
    pub const fn of(names: &[&str], name: &'static str) -> Field {
        let mut index = 0;
        while index < names.len() {
            if same(names[index].as_bytes(), name.as_bytes()) {
                return Field { index, name };
            }
            index += 1;
        }
        panic!("the list of fields does not hold this name")
    }

    /// The field of this name, said to have this place in the list of names.
    #[doc(hidden)]
    pub const fn at(index: usize, name: &'static str) -> Field {
        Field { index, name }
    }

    /// The place of the field in the list of names.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The name of the field.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

impl Field {
    /// Its place among the fields of a shape, if its name is not the text that the list holds.
    #[inline(never)]
    fn searched(&self, layout: &Layout<'_>) -> u32 {
        match layout.names.get(self.index) {
            Some(name) if *name == self.name => layout.places[self.index],
            _ => place_of(layout.shape, self.name),
        }
    }
}

impl Column for Field {
    fn name(&self) -> &str {
        self.name
    }
}

impl Column for &str {
    fn name(&self) -> &str {
        self
    }
}

mod sealed {
    use super::{ABSENT, Field, Row, place_of};

    /// Where a field stands in a row.
    pub trait Place {
        fn place(&self, row: &Row<'_>) -> Option<usize>;
    }

    impl Place for Field {
        #[inline]
        fn place(&self, row: &Row<'_>) -> Option<usize> {
            let layout = row.layout;
            let place = match layout.names.get(self.index) {
                // Mostly the very same text: then its content need not be compared.
                Some(name) if std::ptr::eq(*name, self.name) => layout.places[self.index],
                _ => self.searched(layout),
            };
            (place != ABSENT).then_some(place as usize)
        }
    }

    impl Place for &str {
        fn place(&self, row: &Row<'_>) -> Option<usize> {
            match place_of(row.layout.shape, self) {
                ABSENT => None,
                place => Some(place as usize),
            }
        }
    }
}
