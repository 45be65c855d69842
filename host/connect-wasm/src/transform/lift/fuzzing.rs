//! Replies of any kind, for the fuzz targets.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use connect_api::{Datum, Field, Kind, Outcome, Record, Schema, Struct, Timestamp, Value};

use super::{InputShape, Lift, Secrets, Shapes, gives_more_than};
use crate::bindings::ferrule::transform::data::{
    EditedRow, Failure, FieldResult, Header, Kind as WitKind, OutPayload, OutRecord,
    Outcome as WitOutcome, PoolResult, Reply, Row, ShapeResult, Span, Value as WitValue,
};
use crate::plugins::Reads;

const KINDS: [WitKind; 15] = [
    WitKind::Any,
    WitKind::Boolean,
    WitKind::Int8,
    WitKind::Int16,
    WitKind::Int32,
    WitKind::Int64,
    WitKind::Float32,
    WitKind::Float64,
    WitKind::Text,
    WitKind::Bytes,
    WitKind::Decimal,
    WitKind::Date,
    WitKind::Time,
    WitKind::Timestamp,
    WitKind::Json,
];

/// What the host makes of a reply to some records: each as it is left, and what becomes of it.
/// None, when the reply gives more than a reply may.
///
/// # Errors
/// When the bytes are at their end.
pub fn lift(u: &mut Unstructured<'_>, most: u64) -> Result<Option<Vec<(Record, Outcome)>>> {
    let reply = reply(u)?;
    let record = input();
    let records = vec![record; reply.outcomes.len()];
    let inputs = [shape_of(&records)];
    if gives_more_than(most, records.iter(), &inputs, &reply) {
        return Ok(None);
    }
    let secrets = Secrets::new(["secret".to_owned()]);
    let mut shapes = Shapes::default();
    let says = (&"plugin" as _, &secrets);
    let mut lift = Lift::new(says, &inputs, &mut shapes, &reply.pool, &reply.sources);
    let mut made = reply.records.iter();
    let outcomes = records.into_iter().zip(&reply.outcomes);
    let outcomes = outcomes.map(|(mut record, outcome)| {
        let outcome = lift.outcome(&mut record, outcome, &mut made);
        (record, outcome)
    });
    Ok(Some(outcomes.collect()))
}

/// A record with something nested, so that there is something to keep.
fn input() -> Record {
    let list = Kind::Array(Arc::new(Schema::new(Kind::Int16)));
    let text = || Arc::new(Schema::new(Kind::String));
    let map = Kind::Map(text(), Arc::new(Schema::optional(Kind::Timestamp)));
    let inner = Kind::Struct(vec![
        Field::new("a", Schema::optional(Kind::Int64)),
        Field::new("b", Schema::optional(Kind::String)),
        Field::new("c", Schema::optional(list.clone())),
    ]);
    let kinds = [list, map, inner, Kind::Decimal(Some(2))];
    let fields = ["list", "map", "inner", "price"].into_iter().zip(kinds);
    let fields = fields.map(|(name, kind)| Field::new(name, Schema::optional(kind)));
    let schema = Arc::new(Schema::new(Kind::Struct(fields.collect())));
    let list = Value::Array(vec![Value::Int(1), Value::Int(2)]);
    let values = vec![list, Value::Null, Value::Null, Value::Null];
    Record {
        topic: "topic".into(),
        partition: Some(0),
        key: Datum::new(Arc::new(Schema::new(Kind::Int32)), Value::Int(1)),
        value: Datum::row(Struct::new(schema, values)),
        headers: Vec::new(),
        timestamp: Some(Timestamp(1)),
    }
}

fn shape_of(records: &[Record]) -> InputShape {
    let reads = Reads {
        key: true,
        value: true,
        headers: true,
        fields: None,
    };
    let row = records.first().and_then(|it| it.value.value.as_struct());
    let empty = || Arc::new(Schema::new(Kind::Struct(Vec::new())));
    let schema = row.map_or_else(empty, |row| Arc::clone(row.schema()));
    InputShape::new(&schema, false, &reads)
}

fn reply(u: &mut Unstructured<'_>) -> Result<Reply> {
    let pool = PoolResult {
        shapes: some(u, 4, shape)?,
        values: some(u, 12, value)?,
        headers: some(u, 3, |u| {
            Ok(Header {
                name: span(u)?,
                value: value(u)?,
            })
        })?,
        texts: u.arbitrary()?,
        bytes: u.arbitrary()?,
    };
    Ok(Reply {
        outcomes: some(u, 4, outcome)?,
        records: some(u, 20, record)?,
        sources: some(u, 8, |u| Ok(u.arbitrary::<i8>()?.into()))?,
        pool,
    })
}

fn some<T>(
    u: &mut Unstructured<'_>,
    most: usize,
    mut each: impl FnMut(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = u.int_in_range(0..=most)?;
    (0..count).map(|_| each(u)).collect()
}

fn outcome(u: &mut Unstructured<'_>) -> Result<WitOutcome> {
    Ok(match u.int_in_range(0..=5)? {
        0 => WitOutcome::Keep,
        1 => WitOutcome::Drop,
        2 => WitOutcome::Fail(Failure {
            field: u.arbitrary()?,
            reason: u.arbitrary()?,
        }),
        3 => WitOutcome::Replace(u.arbitrary()?),
        _ => WitOutcome::Replace(u.int_in_range(0..=3)?),
    })
}

fn record(u: &mut Unstructured<'_>) -> Result<OutRecord> {
    Ok(OutRecord {
        topic: maybe(u, span)?,
        timestamp: u.arbitrary()?,
        key: maybe(u, payload)?,
        value: maybe(u, payload)?,
        headers: maybe(u, span)?,
    })
}

fn maybe<T>(
    u: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    match u.arbitrary()? {
        true => make(u).map(Some),
        false => Ok(None),
    }
}

fn payload(u: &mut Unstructured<'_>) -> Result<OutPayload> {
    Ok(match u.int_in_range(0..=2)? {
        0 => OutPayload::Scalar(value(u)?),
        1 => OutPayload::Row(Row {
            shape: place(u)?,
            first: place(u)?,
        }),
        _ => OutPayload::Edited(EditedRow {
            shape: place(u)?,
            sources: place(u)?,
            first: place(u)?,
        }),
    })
}

/// Mostly one that is there.
fn place(u: &mut Unstructured<'_>) -> Result<u32> {
    match u.ratio(1, 16)? {
        true => u.arbitrary(),
        false => u.int_in_range(0..=12),
    }
}

fn span(u: &mut Unstructured<'_>) -> Result<Span> {
    Ok(Span {
        start: place(u)?,
        len: place(u)?,
    })
}

fn value(u: &mut Unstructured<'_>) -> Result<WitValue> {
    Ok(match u.int_in_range(0..=10)? {
        0 => WitValue::Null,
        1 => WitValue::Boolean(u.arbitrary()?),
        2 => WitValue::Int(u.arbitrary()?),
        3 => WitValue::Float(u.arbitrary()?),
        4 => WitValue::Text(span(u)?),
        5 => WitValue::Bytes(span(u)?),
        6 => WitValue::Decimal(span(u)?),
        7 => WitValue::Date(u.arbitrary()?),
        8 => WitValue::Time(u.arbitrary()?),
        9 => WitValue::Timestamp(u.arbitrary()?),
        _ => WitValue::Json(span(u)?),
    })
}

fn shape(u: &mut Unstructured<'_>) -> Result<ShapeResult> {
    let name = u.arbitrary()?;
    let fields = some(u, 4, |u| {
        Ok(FieldResult {
            name: (*u.choose(&["a", "b", "c", "list", "inner"])?).to_owned(),
            kind: *u.choose(&KINDS)?,
            optional: u.arbitrary()?,
        })
    })?;
    Ok(ShapeResult { name, fields })
}
