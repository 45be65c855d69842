//! From records to what a plugin gets. Texts and bytes are borrowed; the rest goes into an arena.

use std::collections::HashMap;
use std::sync::Arc;

use bumpalo::Bump;
use bumpalo::collections::Vec as BumpVec;
use connect_api::{
    Datum, Error, Kind, Result, Schema, SinkRecord, Struct, TopicPartition, Value, ValueRef, json,
};

use crate::bindings::ferrule::transform::data::{
    Batch, FieldParam, HeaderParam, InRecord, Kind as WitKind, Payload, RowParam, ShapeParam,
    ValueParam,
};
use crate::plugins::Reads;

/// The most digits before or after the point: text of a few bytes must not become gigabytes.
pub(super) const MAX_DIGITS: usize = 131_072;

/// A schema behind a shape of a batch.
pub(super) struct InputShape {
    pub(super) schema: Arc<Schema>,
    /// Whether its rows came without a schema.
    pub(super) schemaless: bool,
}

/// A batch for a plugin, and the schemas behind its shapes.
pub(super) struct Lowered<'a> {
    pub(super) batch: Batch<'a>,
    pub(super) shapes: Vec<InputShape>,
}

/// # Errors
/// With the place of a record that has no form in the contract.
pub(super) fn lower<'a>(
    bump: &'a Bump,
    reads: &'a Reads,
    source: &'a TopicPartition,
    records: &'a [SinkRecord],
) -> std::result::Result<Lowered<'a>, (usize, Error)> {
    let mut lowering = Lowering {
        bump,
        reads,
        shapes: BumpVec::new_in(bump),
        inputs: Vec::new(),
        unread: BumpVec::new_in(bump),
        places: HashMap::new(),
        last: None,
    };
    let mut lowered = BumpVec::with_capacity_in(records.len(), bump);
    for (at, record) in records.iter().enumerate() {
        lowered.push(lowering.record(record).map_err(|e| (at, e))?);
    }
    Ok(Lowered {
        batch: Batch {
            topic: &source.topic,
            partition: source.partition,
            shapes: lowering.shapes.into_bump_slice(),
            records: lowered.into_bump_slice(),
        },
        shapes: lowering.inputs,
    })
}

struct Lowering<'a> {
    bump: &'a Bump,
    reads: &'a Reads,
    shapes: BumpVec<'a, ShapeParam<'a>>,
    inputs: Vec<InputShape>,
    /// For each shape, for each field, whether the plugin does not look at it in a value; empty
    /// where it looks at all.
    unread: BumpVec<'a, &'a [bool]>,
    /// Shapes by the pointer of their schema, which the records keep alive.
    places: HashMap<(*const Schema, bool), u32>,
    /// The last one found: most batches have only one.
    last: Option<((*const Schema, bool), u32)>,
}

impl<'a> Lowering<'a> {
    fn record(&mut self, record: &'a SinkRecord) -> Result<InRecord<'a>> {
        let null = Payload::Scalar(ValueParam::Null);
        // An empty list would cost a call into the guest.
        let headers = if self.reads.headers && !record.headers.is_empty() {
            Some(self.headers(record)?)
        } else {
            None
        };
        Ok(InRecord {
            offset: record.offset,
            timestamp: record.timestamp,
            key: if self.reads.key {
                self.payload(&record.key, false)?
            } else {
                null.clone()
            },
            value: if self.reads.value {
                self.payload(&record.value, true)?
            } else {
                null
            },
            headers,
        })
    }

    fn headers(&self, record: &'a SinkRecord) -> Result<&'a [HeaderParam<'a>]> {
        let mut headers = BumpVec::with_capacity_in(record.headers.len(), self.bump);
        for header in &record.headers {
            headers.push(HeaderParam {
                name: &header.name,
                value: self.value(&header.value.value)?,
            });
        }
        Ok(headers.into_bump_slice())
    }

    /// A part; of a row all fields, or those that are read.
    fn payload(&mut self, datum: &'a Datum, only_read: bool) -> Result<Payload<'a>> {
        match &datum.value {
            Value::Struct(row) => self.row(row, datum.schema.is_none(), only_read),
            value => Ok(Payload::Scalar(self.value(value)?)),
        }
    }

    fn row(&mut self, row: &'a Struct, schemaless: bool, only_read: bool) -> Result<Payload<'a>> {
        let shape = self.shape(row.schema(), schemaless);
        let unread = match only_read {
            true => self.unread[shape as usize],
            false => &[],
        };
        let fields = row.schema().fields().map_or(0, <[_]>::len);
        let mut values = BumpVec::with_capacity_in(fields, self.bump);
        for at in 0..fields {
            if unread.get(at) == Some(&true) {
                values.push(ValueParam::Null);
                continue;
            }
            // Each kind straight into its place: a value that passes through results on its way is
            // copied each time, and each copy waits for the one before.
            match row.value(at) {
                ValueRef::Null => values.push(ValueParam::Null),
                ValueRef::Boolean(flag) => values.push(ValueParam::Boolean(flag)),
                ValueRef::Int(number) => values.push(ValueParam::Int(number)),
                ValueRef::String(text) => values.push(ValueParam::Text(text)),
                ValueRef::Json(text) => values.push(ValueParam::Json(text)),
                ValueRef::Literal(number) => match number.to_float() {
                    Some(number) => values.push(ValueParam::Float(number)),
                    None => values.push(self.value(self.bump.alloc(number.to_value()))?),
                },
                ValueRef::Value(Value::Null) => values.push(ValueParam::Null),
                ValueRef::Value(Value::Boolean(flag)) => values.push(ValueParam::Boolean(*flag)),
                ValueRef::Value(Value::Int(number)) => values.push(ValueParam::Int(*number)),
                ValueRef::Value(Value::Float(number)) => values.push(ValueParam::Float(*number)),
                ValueRef::Value(Value::String(text)) => values.push(ValueParam::Text(text)),
                ValueRef::Value(Value::Timestamp(micros)) => {
                    values.push(ValueParam::Timestamp(*micros));
                }
                ValueRef::Value(value) => values.push(self.value(value)?),
            }
        }
        Ok(Payload::Row(RowParam {
            shape,
            values: values.into_bump_slice(),
        }))
    }

    fn shape(&mut self, schema: &'a Arc<Schema>, schemaless: bool) -> u32 {
        let key = (Arc::as_ptr(schema), schemaless);
        if let Some((_, place)) = self.last.filter(|(last, _)| *last == key) {
            return place;
        }
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                // There are no more shapes than records, and no more of these than an i32 has.
                let place = self.inputs.len() as u32;
                self.shapes.push(shape(self.bump, schema));
                self.unread.push(match self.reads.fields {
                    Some(_) => {
                        let fields = schema.fields().unwrap_or_default().iter();
                        let unread = fields.map(|field| !self.reads.field(&field.name));
                        self.bump.alloc_slice_fill_iter(unread)
                    }
                    None => &[],
                });
                self.inputs.push(InputShape {
                    schema: Arc::clone(schema),
                    schemaless,
                });
                self.places.insert(key, place);
                place
            }
        };
        self.last = Some((key, place));
        place
    }

    fn value(&self, value: &'a Value) -> Result<ValueParam<'a>> {
        Ok(match value {
            Value::Null => ValueParam::Null,
            Value::Boolean(flag) => ValueParam::Boolean(*flag),
            Value::Int(number) => ValueParam::Int(*number),
            Value::Float(number) => ValueParam::Float(*number),
            Value::String(text) => ValueParam::Text(text),
            Value::Bytes(bytes) => ValueParam::Bytes(bytes),
            Value::Decimal(decimal) => {
                if decimal.scale.unsigned_abs() as usize > MAX_DIGITS {
                    return Err(Error::data(
                        "a decimal has too great a scale to be given to a plugin",
                    ));
                }
                ValueParam::Decimal(self.bump.alloc_str(&decimal.to_string()))
            }
            Value::Date(days) => ValueParam::Date(*days),
            Value::Time(micros) => ValueParam::Time(*micros),
            Value::Timestamp(micros) => ValueParam::Timestamp(*micros),
            Value::Json(text) => ValueParam::Json(text),
            Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
                let mut text = String::new();
                json::write(value, &mut text)?;
                ValueParam::Json(self.bump.alloc_str(&text))
            }
        })
    }
}

fn shape<'a>(bump: &'a Bump, schema: &'a Schema) -> ShapeParam<'a> {
    let fields = schema.fields().unwrap_or_default();
    let fields = fields.iter().map(|field| FieldParam {
        name: &field.name,
        kind: kind(&field.schema.kind),
        optional: field.schema.optional,
    });
    ShapeParam {
        name: schema.name.as_deref(),
        fields: bump.alloc_slice_fill_iter(fields),
    }
}

fn kind(kind: &Kind) -> WitKind {
    match kind {
        Kind::Any => WitKind::Any,
        Kind::Int8 => WitKind::Int8,
        Kind::Int16 => WitKind::Int16,
        Kind::Int32 => WitKind::Int32,
        Kind::Int64 => WitKind::Int64,
        Kind::Float32 => WitKind::Float32,
        Kind::Float64 => WitKind::Float64,
        Kind::Boolean => WitKind::Boolean,
        Kind::String => WitKind::Text,
        Kind::Bytes => WitKind::Bytes,
        Kind::Decimal(_) => WitKind::Decimal,
        Kind::Date => WitKind::Date,
        Kind::Time => WitKind::Time,
        Kind::Timestamp => WitKind::Timestamp,
        Kind::Array(_) | Kind::Map(..) | Kind::Struct(_) => WitKind::Json,
    }
}

#[cfg(test)]
mod tests {
    use connect_api::{Field, TimestampType};

    use super::*;

    #[test]
    fn only_the_fields_that_are_read_cross_and_keys_cross_whole() {
        let fields = ["a", "b"].map(|name| Field::new(name, Schema::optional(Kind::Int64)));
        let schema = Arc::new(Schema::new(Kind::Struct(fields.into())));
        let row = || {
            let values = vec![Value::Int(1), Value::Int(2)];
            Datum::row(Struct::new(Arc::clone(&schema), values))
        };
        let source = Arc::new(TopicPartition::new("topic", 0));
        let record = SinkRecord {
            topic: Arc::clone(&source.topic),
            source: Arc::clone(&source),
            offset: 0,
            key: row(),
            value: row(),
            headers: Vec::new(),
            timestamp: None,
            timestamp_type: TimestampType::CreateTime,
        };
        let reads = |fields: Option<&str>| Reads {
            key: true,
            value: true,
            headers: false,
            fields: fields.map(|field| [field.to_owned(), "absent".to_owned()].into()),
        };
        for (reads, expect) in [
            (reads(None), [Some(1), Some(2)]),
            (reads(Some("b")), [None, Some(2)]),
        ] {
            let bump = Bump::new();
            let records = std::slice::from_ref(&record);
            let lowered = lower(&bump, &reads, &source, records);
            let Ok(Lowered { batch, shapes }) = lowered else {
                panic!("not lowered");
            };
            let numbers = |payload: &Payload<'_>| match payload {
                Payload::Row(row) => [0, 1].map(|at| match row.values[at] {
                    ValueParam::Int(number) => Some(number),
                    _ => None,
                }),
                Payload::Scalar(_) => panic!("not a row"),
            };
            let crossed = &batch.records[0];
            assert_eq!(numbers(&crossed.value), expect);
            assert_eq!(numbers(&crossed.key), [Some(1), Some(2)]);
            assert_eq!((batch.shapes.len(), shapes.len()), (1, 1));
        }
    }
}
