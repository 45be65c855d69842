//! What crossing into a plugin costs: microseconds per record, the least of many runs.
//!
//! `cargo bench -p connect-wasm`, after `make plugins`; `cargo bench -p connect-wasm --bench host
//! -- 'row out'` for the cases whose name holds a text.

mod stand;

use std::env;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use connect_api::{
    Datum, Field, Kind, Offset, Origin, Record, Schema, SinkRecord, Struct, Timestamp,
    TimestampType, TopicPartition, Transformation, Value,
};
use connect_wasm::Reads;
use tempfile::NamedTempFile;

const RECORDS: i64 = 500;
const RUNS: u32 = 2000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut guest = stand::transform("test-guest")?;
    let mut all = keeps_each(None)?;
    let mut two = keeps_each(Some(["cmd", "field_6"]))?;
    let heavy = |command: &str| format!("{command} {}", "x".repeat(400));
    println!("| what crosses | µs a record |\n|---|---|");
    let only: Vec<_> = env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let case = |name: &str, transform: &mut Box<dyn Transformation>, value| {
        if only.is_empty() || only.iter().any(|part| name.contains(part.as_str())) {
            report(name, transform, value)
        } else {
            Ok(())
        }
    };
    case("bytes in, verdict out", &mut guest, bytes(&heavy("keep")))?;
    case("bytes in, not looked at", &mut all, bytes(&heavy("keep")))?;
    case(
        "bytes in, bytes out (identity)",
        &mut guest,
        bytes(&heavy("replace")),
    )?;
    case("row of 13 fields in, verdict out", &mut guest, row("keep"))?;
    case("row of 13 fields in, row out", &mut guest, row("replace"))?;
    case(
        "row of 13 fields in, edited row out",
        &mut guest,
        row("same"),
    )?;
    case("row of 13 fields in, none looked at", &mut all, row("keep"))?;
    case(
        "row of 13 fields of which 2 are read, none looked at",
        &mut two,
        row("keep"),
    )?;
    case(
        "state get and set, bytes in, verdict out",
        &mut guest,
        bytes(&heavy("remember")),
    )?;
    Ok(())
}

/// A plugin that is given these fields, and looks at nothing.
fn keeps_each(
    fields: Option<[&str; 2]>,
) -> Result<Box<dyn Transformation>, Box<dyn std::error::Error>> {
    let mut file = NamedTempFile::new()?;
    file.write_all(&connect_wasm::identity(&Reads {
        key: false,
        value: true,
        headers: false,
        fields: fields.map(|fields| fields.map(str::to_owned).into()),
    })?)?;
    stand::build(file.path())
}

fn report(
    name: &str,
    transform: &mut Box<dyn Transformation>,
    value: Datum,
) -> Result<(), connect_api::Error> {
    let topic_partition = Arc::new(TopicPartition::new("topic", 0));
    let records: Vec<_> = (0..RECORDS)
        .map(|offset| SinkRecord {
            record: Record {
                topic: Arc::clone(&topic_partition.topic),
                partition: Some(topic_partition.partition),
                key: Datum::NULL,
                value: value.clone(),
                headers: Vec::new(),
                timestamp: Some(Timestamp(offset)),
            },
            origin: Origin::new(&topic_partition, Offset(offset)),
            timestamp_type: TimestampType::CreateTime,
        })
        .collect();
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let mut batch = records.clone();
        let begin = Instant::now();
        black_box(transform.apply(&topic_partition, &mut batch)?);
        black_box(transform.state_changes(&topic_partition));
        least = least.min(begin.elapsed().as_secs_f64());
        transform.durable(&topic_partition, Offset(RECORDS));
    }
    println!("| {name} | {:.2} |", least * 1e6 / RECORDS as f64);
    Ok(())
}

fn bytes(command: &str) -> Datum {
    Datum::schemaless(Value::Bytes(Bytes::copy_from_slice(command.as_bytes())))
}

fn row(command: &str) -> Datum {
    let text = || (Kind::String, Value::from("a text of thirty-odd characters"));
    let columns = [
        (Kind::String, Value::from(command)),
        text(),
        text(),
        text(),
        text(),
        text(),
        (Kind::Int64, Value::Int(1_700_000_000_000)),
        (Kind::Int32, Value::Int(38_000)),
        (Kind::Float64, Value::Float(52.3)),
        (Kind::Float64, Value::Float(4.9)),
        (Kind::Boolean, Value::Boolean(true)),
        (Kind::Timestamp, Value::Timestamp(1_700_000_000_000_000)),
        (Kind::Bytes, Value::Bytes(vec![7; 128].into())),
    ];
    let mut values = Vec::new();
    let mut fields = Vec::new();
    for (at, (kind, value)) in columns.into_iter().enumerate() {
        let name = if at == 0 {
            "cmd".to_owned()
        } else {
            format!("field_{at}")
        };
        fields.push(Field::new(name, Schema::new(kind)));
        values.push(value);
    }
    let schema = Arc::new(Schema::new(Kind::Struct(fields)));
    Datum::row(Struct::new(schema, values))
}
