//! Replies of any kind: what a plugin may answer, and how it crosses.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::super::content::DAY_MICROS;
use super::super::*;
use crate::bindings::ferrule::transform::data::{
    EditedRow, FieldResult, Kind as WitKind, Reply, ShapeResult,
};

/// Texts that are numbers, dates, names, JSON, or nothing of all that.
pub(super) fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[-+]?[0-9]{0,40}(\\.[0-9]{0,40})?([eE][-+]?[0-9]{1,10})?",
        "[\\[\\]{}\":,0-9a-z\\\\ ]{0,60}",
        "[a-c._-]{0,4}",
        (0usize..400).prop_map(|deep| "[".repeat(deep) + &"]".repeat(deep)),
        (0usize..300_000).prop_map(|long| "9".repeat(long)),
        Just("null".to_owned()),
        Just(r#"{"a":1,"b":"x","c":[1,2]}"#.to_owned()),
        Just(r#"[{"a":1.5},null,"2024-01-01"]"#.to_owned()),
    ]
}

fn extremes() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        -3i64..3,
        Just(i64::MIN),
        Just(i64::MAX),
        Just(DAY_MICROS),
        any::<i32>().prop_map(i64::from),
    ]
}

/// Values that hold their texts themselves, until a pool takes them.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Bare(WitValue),
    Text(String),
    Bytes(Vec<u8>),
    Decimal(String),
    Json(String),
}

fn wire_values() -> impl Strategy<Value = Told> {
    prop_oneof![
        Just(Told::Bare(WitValue::Null)),
        any::<bool>().prop_map(|flag| Told::Bare(WitValue::Boolean(flag))),
        extremes().prop_map(|number| Told::Bare(WitValue::Int(number))),
        proptest::num::f64::ANY.prop_map(|number| Told::Bare(WitValue::Float(number))),
        texts().prop_map(Told::Text),
        vec(any::<u8>(), 0..40).prop_map(Told::Bytes),
        texts().prop_map(Told::Decimal),
        any::<i32>().prop_map(|days| Told::Bare(WitValue::Date(days))),
        extremes().prop_map(|micros| Told::Bare(WitValue::Time(micros))),
        extremes().prop_map(|micros| Told::Bare(WitValue::Timestamp(micros))),
        texts().prop_map(Told::Json),
        texts().prop_map(Told::Json),
        spans().prop_map(|span| Told::Bare(WitValue::Text(span))),
        spans().prop_map(|span| Told::Bare(WitValue::Bytes(span))),
        spans().prop_map(|span| Told::Bare(WitValue::Json(span))),
    ]
}

/// Spans of anything, mostly of nothing.
fn spans() -> impl Strategy<Value = Span> {
    let place = || prop_oneof![0u32..50, any::<u32>(), Just(u32::MAX)];
    (place(), place()).prop_map(|(start, len)| Span { start, len })
}

fn wire_kinds() -> impl Strategy<Value = WitKind> {
    prop_oneof![
        Just(WitKind::Any),
        Just(WitKind::Boolean),
        Just(WitKind::Int8),
        Just(WitKind::Int16),
        Just(WitKind::Int32),
        Just(WitKind::Int64),
        Just(WitKind::Float32),
        Just(WitKind::Float64),
        Just(WitKind::Text),
        Just(WitKind::Bytes),
        Just(WitKind::Decimal),
        Just(WitKind::Date),
        Just(WitKind::Time),
        Just(WitKind::Timestamp),
        Just(WitKind::Json),
    ]
}

pub(super) fn wire_shapes() -> impl Strategy<Value = ShapeResult> {
    let field = ("[a-d]{0,2}", wire_kinds(), any::<bool>());
    let field = field.prop_map(|(name, kind, optional)| FieldResult {
        name,
        kind,
        optional,
    });
    (of(texts()), vec(field, 0..4)).prop_map(|(name, fields)| ShapeResult { name, fields })
}

/// A key or a value.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Scalar(Told),
    Row(u32, Vec<Told>),
    Edited(u32, Vec<i32>, Vec<Told>),
    /// A row whose places are made up.
    Wild(OutPayload),
}

fn wire_parts() -> impl Strategy<Value = Part> {
    let shape = || prop_oneof![0u32..6, any::<u32>()];
    let place = || prop_oneof![0u32..9, any::<u32>(), Just(u32::MAX)];
    let values = || vec(wire_values(), 0..5);
    let sources = vec(prop_oneof![-2i32..5, any::<i32>()], 0..5);
    // Mostly as many values as are asked for.
    let edited = (shape(), sources, values(), any::<bool>());
    let edited = edited.prop_map(|(shape, sources, mut values, fit)| {
        if fit {
            let places = sources.iter().filter(|source| **source < 0).count();
            values.resize(places, Told::Bare(WitValue::Null));
        }
        Part::Edited(shape, sources, values)
    });
    let wild = (shape(), place(), place(), any::<bool>());
    let wild = wild.prop_map(|(shape, sources, first, edited)| match edited {
        true => OutPayload::Edited(EditedRow {
            shape,
            sources,
            first,
        }),
        false => OutPayload::Row(Row { shape, first }),
    });
    prop_oneof![
        4 => wire_values().prop_map(Part::Scalar),
        4 => (shape(), values()).prop_map(|(shape, values)| Part::Row(shape, values)),
        4 => edited,
        1 => wild.prop_map(Part::Wild),
    ]
}

/// A record as a plugin makes it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) topic: Option<String>,
    pub(super) timestamp: Option<i64>,
    pub(super) key: Option<Part>,
    pub(super) value: Option<Part>,
    pub(super) headers: Option<Vec<(String, Told)>>,
    /// Headers in the place of those.
    pub(super) wild: Option<Span>,
}

pub(super) fn wire_records() -> impl Strategy<Value = Made> {
    let parts = (of(wire_parts()), of(wire_parts()));
    let headers = of(vec((texts(), wire_values()), 0..3));
    let wild = prop_oneof![9 => Just(None), 1 => spans().prop_map(Some)];
    (of(texts()), of(extremes()), parts, headers, wild).prop_map(
        |(topic, timestamp, (key, value), headers, wild)| Made {
            topic,
            timestamp,
            key,
            value,
            headers,
            wild,
        },
    )
}

/// The records as they cross.
pub(super) fn replied(shapes: Vec<ShapeResult>, made: &[Made]) -> Reply {
    let mut reply = Reply {
        outcomes: Vec::new(),
        records: Vec::new(),
        sources: Vec::new(),
        pool: PoolResult {
            shapes,
            values: Vec::new(),
            headers: Vec::new(),
            texts: String::new(),
            bytes: Vec::new(),
        },
    };
    for made in made {
        let record = OutRecord {
            topic: made.topic.as_ref().map(|it| span(&mut reply.pool, it)),
            timestamp: made.timestamp,
            key: made.key.as_ref().map(|part| payload(&mut reply, part)),
            value: made.value.as_ref().map(|part| payload(&mut reply, part)),
            headers: made.headers.as_ref().map(|headers| {
                let start = reply.pool.headers.len() as u32;
                for (name, told) in headers {
                    let name = span(&mut reply.pool, name);
                    let value = wire(&mut reply.pool, told);
                    reply.pool.headers.push(WitHeader { name, value });
                }
                let len = headers.len() as u32;
                made.wild.unwrap_or(Span { start, len })
            }),
        };
        reply.records.push(record);
    }
    reply
}

fn span(pool: &mut PoolResult, text: &str) -> Span {
    let start = pool.texts.len() as u32;
    pool.texts.push_str(text);
    let len = text.len() as u32;
    Span { start, len }
}

fn wire(pool: &mut PoolResult, told: &Told) -> WitValue {
    match told {
        Told::Bare(value) => *value,
        Told::Text(text) => WitValue::Text(span(pool, text)),
        Told::Bytes(bytes) => {
            let (start, len) = (pool.bytes.len() as u32, bytes.len() as u32);
            pool.bytes.extend(bytes);
            WitValue::Bytes(Span { start, len })
        }
        Told::Decimal(text) => WitValue::Decimal(span(pool, text)),
        Told::Json(text) => WitValue::Json(span(pool, text)),
    }
}

fn payload(reply: &mut Reply, part: &Part) -> OutPayload {
    let row = |pool: &mut PoolResult, values: &[Told]| {
        let first = pool.values.len() as u32;
        for told in values {
            let value = wire(pool, told);
            pool.values.push(value);
        }
        first
    };
    match part {
        Part::Scalar(told) => OutPayload::Scalar(wire(&mut reply.pool, told)),
        Part::Row(shape, values) => OutPayload::Row(Row {
            shape: *shape,
            first: row(&mut reply.pool, values),
        }),
        Part::Edited(shape, sources, values) => {
            let from = reply.sources.len() as u32;
            reply.sources.extend(sources);
            OutPayload::Edited(EditedRow {
                shape: *shape,
                sources: from,
                first: row(&mut reply.pool, values),
            })
        }
        Part::Wild(payload) => *payload,
    }
}
