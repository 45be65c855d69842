//! Values as they cross: texts and bytes as spans.

use std::ops::Range;

use crate::bindings::ferrule::transform::data::{self, Pool, Span};
use crate::{Header, ValueRef};

impl Pool {
    /// One that holds nothing.
    pub const EMPTY: Pool = Pool {
        shapes: Vec::new(),
        values: Vec::new(),
        headers: Vec::new(),
        texts: String::new(),
        bytes: Vec::new(),
    };

    /// What a value says.
    ///
    /// # Panics
    /// If the value is not of this pool.
    #[inline(always)]
    pub fn value(&self, value: data::Value) -> ValueRef<'_> {
        match value {
            data::Value::Null => ValueRef::Null,
            data::Value::Boolean(it) => ValueRef::Boolean(it),
            data::Value::Int(it) => ValueRef::Int(it),
            data::Value::Float(it) => ValueRef::Float(it),
            data::Value::Text(it) => ValueRef::Text(self.text(it)),
            data::Value::Bytes(it) => ValueRef::Bytes(&self.bytes[it.range()]),
            data::Value::Decimal(it) => ValueRef::Decimal(self.text(it)),
            data::Value::Date(it) => ValueRef::Date(it),
            data::Value::Time(it) => ValueRef::Time(it),
            data::Value::Timestamp(it) => ValueRef::Timestamp(it),
            data::Value::Json(it) => ValueRef::Json(self.text(it)),
        }
    }

    /// The text that a span is.
    ///
    /// # Panics
    /// If the span is not that of a text of this pool.
    #[inline]
    pub fn text(&self, span: Span) -> &str {
        &self.texts[span.range()]
    }

    /// The values of a row of so many fields.
    ///
    /// # Panics
    /// If the row is not of this pool.
    pub fn values_of(&self, row: data::Row, fields: usize) -> &[data::Value] {
        &self.values[row.first as usize..][..fields]
    }

    /// The headers that a span is.
    ///
    /// # Panics
    /// If the headers are not of this pool.
    pub fn headers_of(&self, span: Span) -> &[data::Header] {
        &self.headers[span.range()]
    }

    /// The same value, with its text or bytes in this pool.
    pub fn add(&mut self, value: ValueRef<'_>) -> data::Value {
        match value {
            ValueRef::Null => data::Value::Null,
            ValueRef::Boolean(it) => data::Value::Boolean(it),
            ValueRef::Int(it) => data::Value::Int(it),
            ValueRef::Float(it) => data::Value::Float(it),
            ValueRef::Text(it) => data::Value::Text(self.add_text(it)),
            ValueRef::Bytes(it) => data::Value::Bytes(self.add_bytes(it)),
            ValueRef::Decimal(it) => data::Value::Decimal(self.add_text(it)),
            ValueRef::Date(it) => data::Value::Date(it),
            ValueRef::Time(it) => data::Value::Time(it),
            ValueRef::Timestamp(it) => data::Value::Timestamp(it),
            ValueRef::Json(it) => data::Value::Json(self.add_text(it)),
        }
    }

    /// The span of this text.
    pub fn add_text(&mut self, text: &str) -> Span {
        let span = Span::of(self.texts.len(), text.len());
        self.texts.push_str(text);
        span
    }

    /// The span of these bytes.
    pub fn add_bytes(&mut self, bytes: &[u8]) -> Span {
        let span = Span::of(self.bytes.len(), bytes.len());
        self.bytes.extend_from_slice(bytes);
        span
    }

    /// The place of the first of a row's values.
    pub fn add_row<'v>(&mut self, values: impl IntoIterator<Item = ValueRef<'v>>) -> u32 {
        let first = narrow(self.values.len());
        for value in values {
            let value = self.add(value);
            self.values.push(value);
        }
        first
    }

    /// The span of a record's headers.
    pub fn add_headers(&mut self, headers: &[Header]) -> Span {
        for header in headers {
            let name = self.add_text(&header.name);
            let value = self.add((&header.value).into());
            self.headers.push(data::Header { name, value });
        }
        let start = self.headers.len() - headers.len();
        Span::of(start, headers.len())
    }
}

impl Span {
    /// So many, from this place on.
    ///
    /// # Panics
    /// If that is more than 32 bits count, which memory does not hold either.
    pub fn of(start: usize, len: usize) -> Span {
        Span {
            start: narrow(start),
            len: narrow(len),
        }
    }

    #[inline]
    fn range(self) -> Range<usize> {
        // Too great a sum is past the end of any list.
        self.start as usize..(self.start as usize).saturating_add(self.len as usize)
    }
}

/// A place or a number as it crosses.
pub(crate) fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or_else(|_| panic!("more in one reply than 32 bits count"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::Value;

    fn values() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Int),
            proptest::num::f64::NORMAL.prop_map(Value::Float),
            any::<String>().prop_map(Value::Text),
            vec(any::<u8>(), 0..9).prop_map(Value::Bytes),
            any::<String>().prop_map(Value::Decimal),
            any::<i32>().prop_map(Value::Date),
            any::<i64>().prop_map(Value::Time),
            any::<i64>().prop_map(Value::Timestamp),
            any::<String>().prop_map(Value::Json),
        ]
    }

    proptest! {
        #[test]
        fn what_is_added_is_found_where_it_was_put(
            rows in vec(vec(values(), 0..5), 0..5),
            headers in vec((any::<String>(), values()), 0..5),
        ) {
            let mut pool = Pool::EMPTY;
            let header = |(name, value)| Header { name, value };
            let headers: Vec<_> = headers.into_iter().map(header).collect();
            let mut firsts = Vec::new();
            for row in &rows {
                firsts.push(pool.add_row(row.iter().map(Into::into)));
            }
            let span = pool.add_headers(&headers);
            for (first, row) in firsts.into_iter().zip(rows) {
                let shape = 0;
                let found = pool.values_of(data::Row { shape, first }, row.len()).iter();
                let found = found.map(|value| pool.value(*value).into());
                prop_assert_eq!(found.collect::<Vec<Value>>(), row);
            }
            let found = pool.headers_of(span).iter().map(|found| Header {
                name: pool.text(found.name).to_owned(),
                value: pool.value(found.value).into(),
            });
            prop_assert_eq!(found.collect::<Vec<_>>(), headers);
        }
    }
}
