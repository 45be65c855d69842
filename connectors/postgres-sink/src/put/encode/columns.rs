//! The columns that a record fills, the part of the record that each value is, and what the
//! record's schemas say about it.

use std::collections::HashSet;
use std::sync::Arc;

use connect_api::{Error, Kind, Result, Schema, SinkRecord, Struct, Value};

use super::event;
use crate::config::{ChangeEvents, EpochUnit, PkMode, PostgresSinkConfig, UnknownFields};
use crate::put::encode::value::Meaning;

/// The columns that Confluent's sink gives `pk.mode=kafka`.
const KAFKA_COLUMNS: [&str; 3] = ["__connect_topic", "__connect_partition", "__connect_offset"];

/// The part of a record that is the value of a column. Fields are by their positions in the struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ValuePath {
    /// None: null, where the column's default is null too.
    Absent,
    Field(usize),
    KeyField(usize),
    Key,
    Header(String),
    Topic,
    Partition,
    Offset,
}

impl ValuePath {
    /// The schema of the value, where the record has one.
    pub fn schema(&self, events: ChangeEvents, record: &SinkRecord) -> Option<Arc<Schema>> {
        match self {
            Self::Absent => None,
            Self::Field(at) => field(event::row(events, record)?, *at),
            Self::KeyField(at) => field(record.record.key.value.as_struct()?, *at),
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

    /// The schema of a field of a struct, which all records of a shape share.
    pub fn fixed_schema(&self, events: ChangeEvents, record: &SinkRecord) -> Option<Arc<Schema>> {
        match self {
            Self::Field(_) | Self::KeyField(_) => self.schema(events, record),
            _ => None,
        }
    }
}

fn field(row: &Struct, at: usize) -> Option<Arc<Schema>> {
    let field = row.schema().fields()?.get(at)?;
    Some(Arc::clone(&field.schema))
}

/// What values of a schema mean. Plain integers in a timestamp or date column count by
/// `timestamp.epoch.unit`.
pub(crate) fn meaning(schema: &Schema, configured: Option<EpochUnit>) -> Option<Meaning> {
    match (&schema.kind, schema.name.as_deref()) {
        (Kind::Any, _) | (Kind::Int64, None) => configured.map(Meaning::Epoch),
        (Kind::Array(element), _) if schema.name.is_none() => meaning(element, configured),
        _ => Meaning::of(schema),
    }
}

/// A column that a record would fill.
#[derive(Debug)]
pub(crate) struct WantedColumn {
    pub name: String,
    pub is_key: bool,
    /// `None`: the record does not tell the type.
    pub schema: Option<Arc<Schema>>,
}

/// The columns that a record would fill: those of the primary key, then its other fields.
///
/// # Errors
/// When the record lacks a field of the primary key.
pub(crate) fn wanted_columns(
    config: &PostgresSinkConfig,
    record: &SinkRecord,
) -> Result<Vec<WantedColumn>> {
    check_width(config, record)?;
    let keys = keys(config, record)?.into_iter();
    let mut wanted: Vec<WantedColumn> = keys
        .map(|(name, path)| WantedColumn {
            name: config.columns.column(&name).into_owned(),
            is_key: true,
            schema: path.schema(config.change_events, record),
        })
        .collect();
    let keys: HashSet<String> = wanted.iter().map(|key| key.name.clone()).collect();
    let row = event::row(config.change_events, record);
    let fields = row
        .and_then(|row| row.schema().fields())
        .unwrap_or_default();
    for field in fields {
        let name = config.columns.column(&field.name);
        let is_chosen = config.fields.allow(&record.record.topic, &field.name);
        if is_chosen && !keys.contains(&*name) {
            wanted.push(WantedColumn {
                name: name.into_owned(),
                is_key: false,
                schema: Some(Arc::clone(&field.schema)),
            });
        }
    }
    Ok(wanted)
}

/// The most columns that a table of Postgres has.
pub(crate) const MAX_COLUMNS: usize = 1600;

/// Checks that a table can have a column for each field of a record, before anything is done for
/// them.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when no table can.
pub(super) fn check_width(config: &PostgresSinkConfig, record: &SinkRecord) -> Result<()> {
    let fields = |row: Option<&Struct>| {
        row.and_then(|row| row.schema().fields())
            .map_or(0, <[_]>::len)
    };
    let row = event::row(config.change_events, record);
    let of_key = match config.pk_mode {
        PkMode::RecordKey if config.pk_fields.is_empty() => {
            fields(record.record.key.value.as_struct())
        }
        _ => 0,
    };
    let of_value = fields(row);
    if of_key.max(of_value) <= MAX_COLUMNS {
        return Ok(());
    }
    // Those that have no column may be left out, and those that have one be chosen.
    let topic = &record.record.topic;
    let chosen = row
        .and_then(|row| row.schema().fields())
        .unwrap_or_default();
    let mut chosen = chosen
        .iter()
        .filter(|f| config.fields.allow(topic, &f.name));
    let is_wide = of_key > MAX_COLUMNS || chosen.nth(MAX_COLUMNS).is_some();
    if !is_wide || of_key <= MAX_COLUMNS && config.unknown_fields == UnknownFields::Ignore {
        return Ok(());
    }
    Err(Error::data(format!(
        "the record has {} fields, and a table has at most {MAX_COLUMNS} columns: choose some with \
         fields.whitelist, or leave out those that have no column with unknown.fields=ignore",
        of_key.max(of_value)
    )))
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

/// The names of the key's columns, and the part of the record that each value is.
pub(super) fn keys(
    config: &PostgresSinkConfig,
    record: &SinkRecord,
) -> Result<Vec<(String, ValuePath)>> {
    let names = &config.pk_fields;
    // Of the record, also where it has a schema: one that evolved may have lost the field.
    let missing = |field: &str, part: &str| {
        Error::data(format!(
            "the record's {part} has no field {field} of pk.fields"
        ))
    };
    let of_struct = |row: &Struct, part: &str, path: fn(usize) -> ValuePath| {
        let fields = row.schema().fields().unwrap_or_default();
        if names.is_empty() {
            let all = fields.iter().enumerate();
            return Ok(all
                .map(|(at, field)| (field.name.to_string(), path(at)))
                .collect());
        }
        let found = names.iter().map(|name| match row.schema().index_of(name) {
            Some(at) => Ok((name.clone(), path(at))),
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
            let paths = [ValuePath::Topic, ValuePath::Partition, ValuePath::Offset];
            Ok(names.into_iter().zip(paths).collect())
        }
        PkMode::RecordHeader => {
            let paths = names
                .iter()
                .map(|name| (name.clone(), ValuePath::Header(name.clone())));
            Ok(paths.collect())
        }
        PkMode::RecordValue => match event::row(config.change_events, record) {
            Some(row) => of_struct(row, "value", ValuePath::Field),
            None => Err(Error::data("a record without a value has no key in it")),
        },
        PkMode::RecordKey => match (&record.record.key.value, names.as_slice()) {
            (Value::Struct(row), _) => of_struct(row, "key", ValuePath::KeyField),
            (Value::Null, _) => Err(Error::data("pk.mode=record_key takes a record with a key")),
            (_, [name]) => Ok(vec![(name.clone(), ValuePath::Key)]),
            _ => Err(Error::config(
                "a primitive key takes exactly one column name in pk.fields",
            )),
        },
    }
}
