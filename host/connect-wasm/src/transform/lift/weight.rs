//! How much a reply comes to where it gives something twice, or takes something of its records
//! again: some bytes of it can so become many, and they count as output (Invariant 8).

use connect_api::{Datum, Record, Struct, Value, ValueRef};

use super::edited::place;
use crate::bindings::ferrule::transform::data::{
    EditedRow, Emission, OutPayload, OutRecord, Outcome, PoolResult, Reply, Span, Value as WitValue,
};
use crate::transform::lower::InputShape;

/// Whether that of a reply is more than so many bytes.
pub(in crate::transform) fn gives_more_than<'a>(
    most: u64,
    records: impl Iterator<Item = &'a Record>,
    inputs: &[InputShape],
    reply: &Reply,
) -> bool {
    let weighing = Weighing {
        inputs,
        pool: &reply.pool,
        sources: &reply.sources,
    };
    let left = most.checked_sub(weighing.twice(&reply.records));
    left.and_then(|left| weighing.again(left, records, reply))
        .is_none()
}

/// Whether that of what a tick makes is more than so many bytes.
pub(in crate::transform) fn emits_more_than(most: u64, emission: &Emission) -> bool {
    let weighing = Weighing {
        inputs: &[],
        pool: &emission.pool,
        sources: &[],
    };
    weighing.twice(&emission.records) > most
}

struct Weighing<'a> {
    inputs: &'a [InputShape],
    pool: &'a PoolResult,
    sources: &'a [i32],
}

impl Weighing<'_> {
    /// Bytes of the pool beyond what it has once.
    fn twice(&self, records: &[OutRecord]) -> u64 {
        let scalars = |record: &OutRecord| {
            let parts = [&record.key, &record.value].into_iter();
            let parts = parts.map(|part| match part {
                Some(OutPayload::Scalar(value)) => spanned(value),
                _ => 0,
            });
            record.topic.map_or(0, long) + parts.sum::<u64>()
        };
        let values = self.pool.values.iter().map(spanned).sum::<u64>();
        let headers = self.pool.headers.iter();
        let headers = headers.map(|header| long(header.name) + spanned(&header.value));
        let all = values + headers.sum::<u64>() + records.iter().map(scalars).sum::<u64>();
        let once = self.pool.texts.len() + self.pool.bytes.len();
        all.saturating_sub(once as u64)
    }

    /// What is left when the bytes that the reply takes of its records, beyond what each has once,
    /// are taken off; none: not enough.
    fn again<'a>(
        &self,
        mut left: u64,
        records: impl Iterator<Item = &'a Record>,
        reply: &Reply,
    ) -> Option<u64> {
        let mut made = reply.records.iter();
        for (record, outcome) in records.zip(&reply.outcomes) {
            let Outcome::Replace(count) = *outcome else {
                continue;
            };
            for made in made.by_ref().take(count as usize) {
                left = self.taken(left, record, made, count == 1)?;
            }
        }
        Some(left)
    }

    /// If it is the only record that takes the record's place, what stays where it is costs
    /// nothing.
    fn taken(&self, left: u64, record: &Record, made: &OutRecord, once: bool) -> Option<u64> {
        let part = |left: u64, own: &Datum, made: &Option<OutPayload>| match made {
            None if once => Some(left),
            None => left.checked_sub(weight(ValueRef::Value(&own.value))),
            Some(OutPayload::Edited(row)) => match own.value.as_struct() {
                Some(own) => self.edited(left, own, row, once),
                None => Some(left),
            },
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

    /// The row itself counts too: its sources may be those of others.
    fn edited(&self, left: u64, own: &Struct, made: &EditedRow, once: bool) -> Option<u64> {
        let fields = own.schema().fields().map_or(0, <[_]>::len);
        let width = self.width(made.shape);
        let left = match once && width == fields {
            true => left,
            false => left.checked_sub(room(width))?,
        };
        let sources = self.sources.iter().skip(made.sources as usize).take(width);
        let mut sources = sources.enumerate();
        sources.try_fold(left, |left, (at, source)| match place(*source) {
            Some(source) if source < fields && !(once && source == at) => {
                left.checked_sub(weight(own.value(source)))
            }
            _ => Some(left),
        })
    }

    /// How many fields a shape has; none, if there is no such shape.
    fn width(&self, shape: u32) -> usize {
        let shape = shape as usize;
        match self.inputs.get(shape) {
            Some(input) => input.schema.fields().map_or(0, <[_]>::len),
            None => {
                let made = self.pool.shapes.get(shape - self.inputs.len());
                made.map_or(0, |made| made.fields.len())
            }
        }
    }
}

fn long(span: Span) -> u64 {
    u64::from(span.len)
}

fn spanned(value: &WitValue) -> u64 {
    match value {
        WitValue::Text(span)
        | WitValue::Bytes(span)
        | WitValue::Decimal(span)
        | WitValue::Json(span) => long(*span),
        _ => 0,
    }
}

/// That of so many values.
fn room(count: usize) -> u64 {
    (count * size_of::<Value>()) as u64
}

/// Bytes that a copy of the value takes beside itself.
fn weight(value: ValueRef<'_>) -> u64 {
    let value = match value {
        ValueRef::String(text) | ValueRef::Json(text) => return text.len() as u64,
        ValueRef::Value(value) => value,
        _ => return 0,
    };
    let inner = |value| weight(ValueRef::Value(value));
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
