//! From records to what a plugin gets: one pool for a batch.

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::{
    Datum, Error, Kind, Result, Schema, SinkRecord, Struct, TopicPartition, Value, ValueRef, json,
    panics,
};

use super::digits;
use crate::bindings::ferrule::transform::data::{
    Batch, FieldParam, Header, InRecord, Kind as WitKind, Payload, PoolParam, Row, ShapeParam,
    Span, Value as WitValue,
};
use crate::plugins::Reads;

/// A schema behind a shape of a batch.
pub(super) struct InputShape {
    pub(super) schema: Arc<Schema>,
    /// Whether its rows came without a schema.
    pub(super) schemaless: bool,
    /// For each field, whether the plugin does not look at it in a value; empty where it looks at
    /// all.
    unread: Vec<bool>,
}

impl InputShape {
    pub(super) fn new(schema: &Arc<Schema>, schemaless: bool, reads: &Reads) -> Self {
        let fields = schema.fields().unwrap_or_default().iter();
        Self {
            schema: Arc::clone(schema),
            schemaless,
            unread: match reads.fields {
                Some(_) => fields.map(|field| !reads.field(&field.name)).collect(),
                None => Vec::new(),
            },
        }
    }
}

/// A batch as it crosses. It is kept from batch to batch, so that its memory is.
#[derive(Default)]
pub(super) struct Lowered {
    shapes: Vec<InputShape>,
    records: Vec<InRecord>,
    values: Vec<WitValue>,
    headers: Vec<Header>,
    texts: String,
    bytes: Vec<u8>,
}

impl Lowered {
    /// Takes these records in, in place of those before.
    ///
    /// # Errors
    /// With the place of a record that has no form in the contract.
    pub(super) fn fill(
        &mut self,
        reads: &Reads,
        records: &[SinkRecord],
    ) -> std::result::Result<(), (usize, Error)> {
        self.shapes.clear();
        self.records.clear();
        self.values.clear();
        self.headers.clear();
        self.texts.clear();
        self.bytes.clear();
        let mut lowering = Lowering {
            to: self,
            reads,
            places: HashMap::new(),
            last: None,
        };
        for (at, record) in records.iter().enumerate() {
            panics::caught(|| lowering.record(record)).map_err(|error| (at, error))?;
        }
        Ok(())
    }

    /// The schemas behind the shapes.
    pub(super) fn shapes(&self) -> &[InputShape] {
        &self.shapes
    }

    /// Lends what has been taken in as a batch of this partition.
    pub(super) fn lend<R>(
        &self,
        partition: &TopicPartition,
        call: impl FnOnce(Batch<'_>) -> R,
    ) -> R {
        let fields: Vec<_> = self.shapes.iter().map(|it| fields(&it.schema)).collect();
        let shapes = self.shapes.iter().zip(&fields);
        let shapes: Vec<_> = shapes
            .map(|(shape, fields)| ShapeParam {
                name: shape.schema.name.as_deref(),
                fields,
            })
            .collect();
        call(Batch {
            topic: &partition.topic,
            partition: partition.partition,
            records: &self.records,
            pool: PoolParam {
                shapes: &shapes,
                values: &self.values,
                headers: &self.headers,
                texts: &self.texts,
                bytes: &self.bytes,
            },
        })
    }
}

struct Lowering<'a> {
    to: &'a mut Lowered,
    reads: &'a Reads,
    /// Shapes by the pointer of their schema, which they keep alive.
    places: HashMap<(*const Schema, bool), u32>,
    /// The last one found: most batches have only one.
    last: Option<((*const Schema, bool), u32)>,
}

impl Lowering<'_> {
    fn record(&mut self, record: &SinkRecord) -> Result<()> {
        const NULL: Payload = Payload::Scalar(WitValue::Null);
        let lowered = InRecord {
            offset: record.origin.offset.0,
            timestamp: record.record.timestamp.map(|at| at.0),
            key: match self.reads.key {
                true => self.payload(&record.record.key, false)?,
                false => NULL,
            },
            value: match self.reads.value {
                true => self.payload(&record.record.value, true)?,
                false => NULL,
            },
            headers: match self.reads.headers {
                true => self.headers(record)?,
                false => Span { start: 0, len: 0 },
            },
        };
        // What does not count in 32 bits would not stand in the plugin's memory either.
        let most = [
            self.to.texts.len(),
            self.to.bytes.len(),
            self.to.values.len(),
            self.to.headers.len(),
        ];
        if most.iter().any(|count| u32::try_from(*count).is_err()) {
            let why = "the records of its batch are too large to be given to a plugin";
            return Err(Error::data(why));
        }
        self.to.records.push(lowered);
        Ok(())
    }

    fn headers(&mut self, record: &SinkRecord) -> Result<Span> {
        let start = self.to.headers.len() as u32;
        for header in &record.record.headers {
            let header = Header {
                name: self.text(&header.name),
                value: self.value(&header.value.value)?,
            };
            self.to.headers.push(header);
        }
        let len = record.record.headers.len() as u32;
        Ok(Span { start, len })
    }

    /// A part; of a row all fields, or those that are read.
    fn payload(&mut self, datum: &Datum, only_read: bool) -> Result<Payload> {
        match &datum.value {
            Value::Struct(row) => self.row(row, datum.schema.is_none(), only_read),
            value => Ok(Payload::Scalar(self.value(value)?)),
        }
    }

    fn row(&mut self, row: &Struct, schemaless: bool, only_read: bool) -> Result<Payload> {
        let shape = self.shape(row.schema(), schemaless);
        let first = self.to.values.len() as u32;
        let fields = row.schema().fields().map_or(0, <[_]>::len);
        self.to.values.reserve(fields);
        for at in 0..fields {
            if only_read && self.to.shapes[shape as usize].unread.get(at) == Some(&true) {
                self.to.values.push(WitValue::Null);
                continue;
            }
            // The frequent kinds here, without a result on the way.
            let value = match row.value(at) {
                ValueRef::Null => WitValue::Null,
                ValueRef::Boolean(flag) => WitValue::Boolean(flag),
                ValueRef::Int(number) => WitValue::Int(number),
                ValueRef::String(text) => WitValue::Text(self.text(text)),
                ValueRef::Json(text) => WitValue::Json(self.text(text)),
                ValueRef::Literal(number) => match number.to_float() {
                    Some(number) => WitValue::Float(number),
                    None => self.value(&number.to_value())?,
                },
                ValueRef::Value(Value::Null) => WitValue::Null,
                ValueRef::Value(Value::Boolean(flag)) => WitValue::Boolean(*flag),
                ValueRef::Value(Value::Int(number)) => WitValue::Int(*number),
                ValueRef::Value(Value::Float(number)) => WitValue::Float(*number),
                ValueRef::Value(Value::String(text)) => WitValue::Text(self.text(text)),
                ValueRef::Value(Value::Timestamp(micros)) => WitValue::Timestamp(*micros),
                ValueRef::Value(value) => self.value(value)?,
            };
            self.to.values.push(value);
        }
        Ok(Payload::Row(Row { shape, first }))
    }

    fn shape(&mut self, schema: &Arc<Schema>, schemaless: bool) -> u32 {
        let key = (Arc::as_ptr(schema), schemaless);
        if let Some((_, place)) = self.last.filter(|(last, _)| *last == key) {
            return place;
        }
        let shapes = &mut self.to.shapes;
        let place = *self.places.entry(key).or_insert_with(|| {
            shapes.push(InputShape::new(schema, schemaless, self.reads));
            // There are no more shapes than records have keys and values.
            (shapes.len() - 1) as u32
        });
        self.last = Some((key, place));
        place
    }

    fn value(&mut self, value: &Value) -> Result<WitValue> {
        Ok(match value {
            Value::Null => WitValue::Null,
            Value::Boolean(flag) => WitValue::Boolean(*flag),
            Value::Int(number) => WitValue::Int(*number),
            Value::Float(number) => WitValue::Float(*number),
            Value::String(text) => WitValue::Text(self.text(text)),
            Value::Bytes(bytes) => WitValue::Bytes(self.bytes(bytes)),
            Value::Decimal(decimal) => WitValue::Decimal(self.text(&digits::write(decimal)?)),
            Value::Date(days) => WitValue::Date(*days),
            Value::Time(micros) => WitValue::Time(*micros),
            Value::Timestamp(micros) => WitValue::Timestamp(*micros),
            Value::Json(text) => WitValue::Json(self.text(text)),
            Value::Array(_) | Value::Map(_) | Value::Struct(_) => {
                let mut text = String::new();
                json::write(value, &mut text)?;
                WitValue::Json(self.text(&text))
            }
        })
    }

    /// Where this text stands among the batch's. That they count in 32 bits is for `record` to see.
    fn text(&mut self, text: &str) -> Span {
        let start = self.to.texts.len() as u32;
        self.to.texts.push_str(text);
        let len = text.len() as u32;
        Span { start, len }
    }

    /// The same of bytes.
    fn bytes(&mut self, bytes: &[u8]) -> Span {
        let start = self.to.bytes.len() as u32;
        self.to.bytes.extend_from_slice(bytes);
        let len = bytes.len() as u32;
        Span { start, len }
    }
}

fn fields(schema: &Schema) -> Vec<FieldParam<'_>> {
    let fields = schema.fields().unwrap_or_default().iter();
    fields
        .map(|field| FieldParam {
            name: &field.name,
            kind: kind(&field.schema.kind),
            optional: field.schema.optional,
        })
        .collect()
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
    use connect_api::{Field, Offset, Origin, Record, TimestampType};

    use super::*;

    #[test]
    fn only_the_fields_that_are_read_cross_and_keys_cross_whole() {
        let fields = ["a", "b"].map(|name| Field::new(name, Schema::optional(Kind::Int64)));
        let schema = Arc::new(Schema::new(Kind::Struct(fields.into())));
        let row = || {
            let values = vec![Value::Int(1), Value::Int(2)];
            Datum::row(Struct::new(Arc::clone(&schema), values))
        };
        let topic_partition = Arc::new(TopicPartition::new("topic", 0));
        let record = SinkRecord {
            record: Record {
                topic: Arc::clone(&topic_partition.topic),
                partition: Some(0),
                key: row(),
                value: row(),
                headers: Vec::new(),
                timestamp: None,
            },
            origin: Origin::new(&topic_partition, Offset(0)),
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
            let mut lowered = Lowered::default();
            let filled = lowered.fill(&reads, std::slice::from_ref(&record));
            assert!(filled.is_ok());
            lowered.lend(&topic_partition, |batch| {
                let numbers = |payload: &Payload| match payload {
                    Payload::Row(row) => {
                        [0, 1].map(|at| match batch.pool.values[row.first as usize + at] {
                            WitValue::Int(number) => Some(number),
                            _ => None,
                        })
                    }
                    Payload::Scalar(_) => panic!("not a row"),
                };
                let crossed = &batch.records[0];
                assert_eq!(numbers(&crossed.value), expect);
                assert_eq!(numbers(&crossed.key), [Some(1), Some(2)]);
                assert_eq!(batch.pool.shapes.len(), 1);
            });
        }
    }
}
