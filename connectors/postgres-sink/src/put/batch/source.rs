//! Where the columns' values come from, and what the record's schemas say about them.

use std::sync::Arc;

use connect_api::{Error, Kind, Result, Schema, SinkRecord, Struct, Value};

use crate::config::{EpochUnit, PkMode, PostgresSinkConfig};
use crate::put::encode::Meaning;

/// The columns that Confluent's sink gives `pk.mode=kafka`.
const KAFKA_COLUMNS: [&str; 3] = ["__connect_topic", "__connect_partition", "__connect_offset"];

/// Where the value of a column comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The record has none: null, where that is what the column's default is.
    Absent,
    Field(usize),
    KeyField(usize),
    Key,
    Header(String),
    Topic,
    Partition,
    Offset,
}

impl Source {
    /// The schema of the value, where the record has one.
    pub fn schema(&self, record: &SinkRecord) -> Option<Arc<Schema>> {
        match self {
            Self::Absent => None,
            Self::Field(at) => field(&record.record.value.value, *at),
            Self::KeyField(at) => field(&record.record.key.value, *at),
            Self::Key => record.record.key.schema.clone(),
            Self::Header(name) => {
                let mut headers = record.record.headers.iter().rev();
                let header = headers.find(|header| header.name == *name)?;
                header.value.schema.clone()
            }
            Self::Topic => Some(Arc::new(Schema::new(Kind::String))),
            Self::Partition => Some(Arc::new(Schema::new(Kind::Int32))),
            Self::Offset => Some(Arc::new(Schema::new(Kind::Int64))),
        }
    }

    /// The schema of a field of a struct: the same for all records of a plan.
    pub fn fixed_schema(&self, record: &SinkRecord) -> Option<Arc<Schema>> {
        match self {
            Self::Field(_) | Self::KeyField(_) => self.schema(record),
            _ => None,
        }
    }
}

fn field(value: &Value, at: usize) -> Option<Arc<Schema>> {
    let field = value.as_struct()?.schema().fields()?.get(at)?;
    Some(Arc::clone(&field.schema))
}

/// What values of a schema mean; plain integers count by `timestamp.epoch.unit` where the column is
/// a timestamp or a date.
pub(crate) fn meaning(schema: &Schema, configured: Option<EpochUnit>) -> Option<Meaning> {
    match (&schema.kind, schema.name.as_deref()) {
        (Kind::Any, _) | (Kind::Int64, None) => configured.map(Meaning::Epoch),
        (Kind::Array(of), _) if schema.name.is_none() => meaning(of, configured),
        _ => Meaning::of(schema),
    }
}

/// A column that a record would fill.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub name: String,
    pub is_key: bool,
    /// None: the record does not tell the type.
    pub schema: Option<Arc<Schema>>,
}

/// The columns that a record would fill: those of the primary key, then its other fields.
///
/// # Errors
/// When the record has no such key.
pub(crate) fn wanted(config: &PostgresSinkConfig, record: &SinkRecord) -> Result<Vec<Wanted>> {
    let keys = keys(config, record)?.into_iter();
    let mut wanted: Vec<Wanted> = keys
        .map(|(name, source)| Wanted {
            name,
            is_key: true,
            schema: source.schema(record),
        })
        .collect();
    let keys = wanted.len();
    let row = record.record.value.value.as_struct();
    let fields = row
        .and_then(|row| row.schema().fields())
        .unwrap_or_default();
    for field in fields {
        let name = field.name.as_str();
        let is_chosen = config.fields.allow(&record.record.topic, name);
        if is_chosen && !wanted[..keys].iter().any(|key| key.name == name) {
            wanted.push(Wanted {
                name: name.to_owned(),
                is_key: false,
                schema: Some(Arc::clone(&field.schema)),
            });
        }
    }
    Ok(wanted)
}

pub(super) fn header<'a>(record: &'a SinkRecord, name: &str) -> &'a Value {
    const NULL: &Value = &Value::Null;
    let last = record
        .record
        .headers
        .iter()
        .rev()
        .find(|header| header.name == name);
    last.map_or(NULL, |header| &header.value.value)
}

/// The names of the key's columns and where their values come from.
pub(super) fn keys(
    config: &PostgresSinkConfig,
    record: &SinkRecord,
) -> Result<Vec<(String, Source)>> {
    let names = &config.pk_fields;
    let missing = |field: &str, part: &str| {
        let text = format!("the record's {part} has no field {field} of pk.fields");
        // A schema is the same for all records; a schemaless record speaks for itself.
        match record.record.value.schema.is_some() {
            true => Error::config(text),
            false => Error::data(text),
        }
    };
    let of_struct = |row: &Struct, part: &str, source: fn(usize) -> Source| {
        let fields = row.schema().fields().unwrap_or_default();
        if names.is_empty() {
            let all = fields.iter().enumerate();
            return Ok(all
                .map(|(at, field)| (field.name.to_string(), source(at)))
                .collect());
        }
        let found = names.iter().map(|name| match row.schema().index_of(name) {
            Some(at) => Ok((name.clone(), source(at))),
            None => Err(missing(name, part)),
        });
        found.collect()
    };
    match config.pk_mode {
        PkMode::None => Ok(Vec::new()),
        PkMode::Kafka => {
            let given = names.iter().cloned();
            let names: Vec<String> = match names.len() {
                3 => given.collect(),
                _ => KAFKA_COLUMNS
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect(),
            };
            let sources = [Source::Topic, Source::Partition, Source::Offset];
            Ok(names.into_iter().zip(sources).collect())
        }
        PkMode::RecordHeader => {
            let sources = names
                .iter()
                .map(|name| (name.clone(), Source::Header(name.clone())));
            Ok(sources.collect())
        }
        PkMode::RecordValue => match record.record.value.value.as_struct() {
            Some(row) => of_struct(row, "value", Source::Field),
            None => Err(Error::data("a record without a value has no key in it")),
        },
        PkMode::RecordKey => match (&record.record.key.value, names.as_slice()) {
            (Value::Struct(row), _) => of_struct(row, "key", Source::KeyField),
            (Value::Null, _) => Err(Error::data("pk.mode=record_key takes a record with a key")),
            (_, [name]) => Ok(vec![(name.clone(), Source::Key)]),
            _ => Err(Error::config(
                "a primitive key takes exactly one column name in pk.fields",
            )),
        },
    }
}
