//! What a record does to its table: a row is written, or a change event of Debezium's sources says
//! what to do, by the rules of Debezium's JDBC sink.

use connect_api::{Error, Result, Schema, SinkRecord, Struct, Value};

use crate::config::{ChangeEvents, PostgresSinkConfig};

/// What a record does to its table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change<'a> {
    /// The row is written.
    Write(&'a Struct),
    /// The row of the record's key is deleted.
    Delete,
    /// All rows are deleted.
    Truncate,
    /// Nothing: the record tells of a change that the configuration passes over.
    Nothing,
}

/// What the record does.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when it is neither a row nor a change that can be made.
pub(crate) fn change<'a>(
    config: &PostgresSinkConfig,
    record: &'a SinkRecord,
) -> Result<Change<'a>> {
    let value = &record.record.value;
    match (config.change_events, &value.value) {
        (ChangeEvents::Plain, Value::Struct(row)) => Ok(Change::Write(row)),
        (ChangeEvents::Debezium, Value::Struct(row)) => match form(row, value.schema.as_deref())? {
            Form::Row => Ok(Change::Write(row)),
            Form::Event => of_event(config, row),
        },
        // Without a source nobody can tell the table of a tombstone.
        (ChangeEvents::Debezium, Value::Null) if config.tables.depends_on_source() => {
            Ok(Change::Nothing)
        }
        (_, Value::Null) if config.delete_enabled => Ok(Change::Delete),
        (ChangeEvents::Debezium, Value::Null) => Ok(Change::Nothing),
        (_, other) => Err(Error::data(format!(
            "the sink with delete.enabled={} takes a struct or an object, but the value is {}",
            config.delete_enabled,
            other.type_name()
        ))),
    }
}

/// The row that a record writes; none where it writes none.
pub(crate) fn row(events: ChangeEvents, record: &SinkRecord) -> Option<&Struct> {
    let value = &record.record.value;
    let row = value.value.as_struct()?;
    match events {
        ChangeEvents::Plain => Some(row),
        ChangeEvents::Debezium => match form(row, value.schema.as_deref()).ok()? {
            Form::Row => Some(row),
            Form::Event => match operation(row)? {
                "d" | "t" => None,
                _ => row.get("after")?.as_struct(),
            },
        },
    }
}

/// The source of a change event.
pub(crate) fn source(events: ChangeEvents, record: &SinkRecord) -> Option<&Struct> {
    let value = &record.record.value;
    let row = value.value.as_struct()?;
    match (events, form(row, value.schema.as_deref())) {
        (ChangeEvents::Debezium, Ok(Form::Event)) => row.get("source")?.as_struct(),
        _ => None,
    }
}

/// What a struct is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Row,
    Event,
}

/// As Debezium tells its events: by the name of the schema or, without one, by the field `op`.
fn form(row: &Struct, schema: Option<&Schema>) -> Result<Form> {
    let has = |field: &str| row.schema().index_of(field).is_some();
    let Some(schema) = schema else {
        if has("op") && has("source") && (has("after") || has("before")) {
            return Err(Error::data(
                "it is a change event without a schema: use a converter with schemas \
                 (value.converter.schemas.enable=true at the source and here), or flatten it by \
                 ExtractNewRecordState",
            ));
        }
        return Ok(Form::Row);
    };
    match schema.name.as_deref() {
        Some(name) if name.ends_with("CloudEvents.Envelope") => Err(Error::data(
            "it is a CloudEvent, which is not read: let the source send its own change events",
        )),
        Some(name) if name.ends_with(".Envelope") || name == "Envelope" => Ok(Form::Event),
        Some(name) if name.contains("SchemaChangeValue") => Err(Error::data(
            "it is a schema change, which no table takes: leave its topic out of topics or \
             topics.regex",
        )),
        Some(_) => Ok(Form::Row),
        None if has("op") => Ok(Form::Event),
        None => Ok(Form::Row),
    }
}

fn operation(event: &Struct) -> Option<&str> {
    match event.get("op")? {
        Value::String(operation) => Some(operation),
        _ => None,
    }
}

fn of_event<'a>(config: &PostgresSinkConfig, event: &'a Struct) -> Result<Change<'a>> {
    Ok(match operation(event) {
        Some("c" | "r" | "u") => match event.get("after").and_then(Value::as_struct) {
            Some(row) => Change::Write(row),
            None => return Err(Error::data("it is a change event without a row in after")),
        },
        Some("d") if config.delete_enabled => Change::Delete,
        Some("t") if config.truncate_enabled => Change::Truncate,
        Some("d" | "t") => Change::Nothing,
        _ => {
            return Err(Error::data(
                "it is a change event whose op is none of c, r, u, d and t",
            ));
        }
    })
}
