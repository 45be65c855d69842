//! How records of one shape become rows of a table: resolved once for each schema.

use std::sync::Arc;

use connect_api::{Error, Field, Kind, Result, Schema, SinkRecord, Struct, Value, ValueRef};

use super::source::{Source, header, keys, meaning};
use crate::config::{InsertMode, PostgresSinkConfig, Rules, UnknownFields};
use crate::put::catalog::{Catalog, Column, Table, Type};
use crate::put::encode::{self, Meaning, Misfit};

/// A column and where its value comes from.
#[derive(Debug)]
pub(super) struct Cell {
    source: Source,
    /// The position in the table.
    column: usize,
    data_type: Type,
    /// A null is refused here, rather than by Postgres for the whole batch.
    required: bool,
    is_key: bool,
    /// What the schema of the field tells that the column's type does not.
    meaning: Option<Meaning>,
    /// Stands for null.
    default: Option<Value>,
}

/// What becomes of rows that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merging {
    pub mode: InsertMode,
    /// The position of the column that must be greater than that of the row, and whether equal is
    /// enough.
    pub newer: Option<(usize, bool)>,
    /// Whether a null leaves the column as it is.
    pub keeps_nulls: bool,
}

/// How records of one shape become rows.
#[derive(Debug)]
pub(super) struct Plan {
    pub table: Arc<Table>,
    /// The columns that the rows have, by their positions in the table.
    pub columns: Arc<[usize]>,
    /// Those of the primary key.
    pub keys: Arc<[usize]>,
    /// Whether the records have no value: they delete.
    pub deletes: bool,
    pub merging: Merging,
    cells: Vec<Cell>,
    rules: Rules,
    /// Kept so that their addresses stay theirs.
    _schemas: (Option<Arc<Schema>>, Option<Arc<Schema>>),
}

impl Plan {
    pub fn new(
        config: &PostgresSinkConfig,
        catalog: &Catalog,
        record: &SinkRecord,
    ) -> Result<Self> {
        let name = config.tables.table(&record.record.topic)?;
        // First what is wrong with the record alone: its table may not be there for that reason.
        let keys = keys(config, record)?;
        let table = catalog
            .get(&name)
            .ok_or_else(|| Error::fatal(format!("table {name} was not read")))?;
        let row = record.record.value.value.as_struct();
        let mut cells = Vec::new();
        for (field, source) in &keys {
            let column = column(table, field)?.ok_or_else(|| {
                Error::config(format!(
                    "table {name} has no column for the key field {field}"
                ))
            })?;
            let mut cell = cell(table, column, source.clone(), true)?;
            cell.follow(config, record);
            cells.push(cell);
        }
        if let Some(row) = row {
            fields(config, record, (table, &name), row, &mut cells)?;
        }
        let key_columns = cells
            .iter()
            .filter(|cell| cell.is_key)
            .map(|cell| cell.column);
        let keys: Arc<[usize]> = key_columns.collect();
        let inserts = matches!(
            config.insert_mode,
            InsertMode::Insert | InsertMode::InsertIgnore
        );
        if inserts && row.is_some() {
            absent(table, &mut cells);
        }
        let settable = |cell: &Cell| !cell.is_key && !table.columns[cell.column].fixed;
        let is_update = config.insert_mode == InsertMode::Update && row.is_some();
        if is_update && !cells.iter().any(settable) {
            return Err(Error::config(
                "update has no field to set besides the primary key",
            ));
        }
        let merging = Merging {
            mode: config.insert_mode,
            newer: match row {
                Some(_) => newer(config, record, (table, &name), &mut cells)?,
                None => None,
            },
            keeps_nulls: config.keeps_nulls,
        };
        Ok(Self {
            table: Arc::clone(table),
            merging,
            columns: cells.iter().map(|cell| cell.column).collect(),
            keys,
            deletes: row.is_none(),
            cells,
            rules: config.rules,
            _schemas: (
                row.map(|row| Arc::clone(row.schema())),
                record
                    .record
                    .key
                    .value
                    .as_struct()
                    .map(|key| Arc::clone(key.schema())),
            ),
        })
    }

    /// Appends the record as a row, and the bytes of its key to `key`.
    pub fn encode(&self, record: &SinkRecord, out: &mut Vec<u8>, key: &mut Vec<u8>) -> Result<()> {
        let (row, key_row) = (
            record.record.value.value.as_struct(),
            record.record.key.value.as_struct(),
        );
        let rules = self.rules;
        // Postgres has at most 1600 columns.
        out.extend_from_slice(&(self.cells.len() as i16).to_be_bytes());
        for cell in &self.cells {
            let start = out.len();
            let fit = match &cell.source {
                Source::Field(at) => cell.encode(field(row, *at), rules, out),
                Source::Absent => cell.encode(ValueRef::Null, rules, out),
                Source::KeyField(at) => cell.encode(field(key_row, *at), rules, out),
                Source::Key => cell.encode(ValueRef::Value(&record.record.key.value), rules, out),
                Source::Header(name) => {
                    cell.encode(ValueRef::Value(header(record, name)), rules, out)
                }
                Source::Topic => cell.encode(ValueRef::String(&record.record.topic), rules, out),
                Source::Partition => cell.encode(
                    ValueRef::Int(record.origin.topic_partition.partition.into()),
                    rules,
                    out,
                ),
                Source::Offset => cell.encode(ValueRef::Int(record.origin.offset.0), rules, out),
            };
            if let Err(Misfit(why)) = fit {
                let Column { name, shown, .. } = &self.table.columns[cell.column];
                return Err(Error::data(format!("column {name} of type {shown} {why}")));
            }
            if cell.is_key {
                key.extend_from_slice(&out[start..]);
            }
        }
        Ok(())
    }
}

/// The value of a field; null where there is no row.
fn field(row: Option<&Struct>, at: usize) -> ValueRef<'_> {
    row.map_or(ValueRef::Null, |row| row.value(at))
}

impl Cell {
    /// Learns from the schema of its field what the type of the column does not tell.
    fn follow(&mut self, config: &PostgresSinkConfig, record: &SinkRecord) {
        let Some(schema) = self.source.fixed_schema(record) else {
            return;
        };
        let meaning = meaning(&schema, config.epoch_unit);
        self.meaning = meaning.and_then(|meaning| meaning.for_column(&self.data_type));
        if config.replace_nulls {
            self.default.clone_from(&schema.default);
        }
    }

    fn encode(
        &self,
        value: ValueRef<'_>,
        rules: Rules,
        out: &mut Vec<u8>,
    ) -> std::result::Result<(), Misfit> {
        let mut value = value;
        if value.is_null() {
            value = self.default.as_ref().map_or(value, ValueRef::Value);
            if self.required && value.is_null() {
                return Err(Misfit("cannot be null".into()));
            }
        }
        match (self.meaning, value) {
            (None, _) => encode::value_ref(&self.data_type, value, rules, out),
            (Some(meaning), ValueRef::Value(value)) => {
                encode::meant(meaning, &self.data_type, value, rules, out)
            }
            (Some(meaning), _) => {
                encode::meant(meaning, &self.data_type, &value.to_value(), rules, out)
            }
        }
    }
}

/// The cells of the value's fields that are not in the key.
fn fields(
    config: &PostgresSinkConfig,
    record: &SinkRecord,
    (table, name): (&Arc<Table>, &str),
    row: &Struct,
    cells: &mut Vec<Cell>,
) -> Result<()> {
    let keys = cells.len();
    let mut unknown = Vec::new();
    let mut known = 0;
    for (at, field) in row.schema().fields().unwrap_or_default().iter().enumerate() {
        let column = column(table, &field.name)?;
        let in_key = column.is_some_and(|column| cells[..keys].iter().any(|c| c.column == column));
        let wanted = config.fields.allow(&record.record.topic, &field.name);
        if in_key || !wanted {
            known += usize::from(in_key);
            continue;
        }
        match column {
            Some(column) if cells[keys..].iter().any(|cell| cell.column == column) => {
                let name = &table.columns[column].name;
                return Err(Error::data(format!("two fields are for column {name}")));
            }
            Some(column) => {
                let mut cell = cell(table, column, Source::Field(at), false)?;
                cell.follow(config, record);
                cells.push(cell);
            }
            None => unknown.push(described(field)),
        }
    }
    if unknown.is_empty() || config.unknown_fields == UnknownFields::Ignore {
        if cells.len() + known == 0 {
            return Err(Error::data("no field of the record has a column"));
        }
        return Ok(());
    }
    let fields = unknown.join(", ");
    let why = if config.auto_evolve {
        "auto.evolve adds columns only for fields with a schema, which tells their types"
    } else {
        "auto-evolution is disabled"
    };
    let text = format!(
        "table {name} is missing fields ({fields}) and {why}; unknown.fields=ignore leaves them out"
    );
    Err(match record.record.value.schema {
        Some(_) => Error::config(text),
        None => Error::data(text),
    })
}

/// The position of the column of `upsert.condition`. Without a value a record is not comparable.
fn newer(
    config: &PostgresSinkConfig,
    record: &SinkRecord,
    (table, name): (&Table, &str),
    cells: &mut [Cell],
) -> Result<Option<(usize, bool)>> {
    let Some(newer) = &config.newer else {
        return Ok(None);
    };
    let column = &newer.column;
    let Some(at) = table.column_for(column) else {
        return Err(Error::config(format!(
            "table {name} has no column {column} of upsert.condition"
        )));
    };
    let mut others = cells.iter_mut().filter(|cell| !cell.is_key);
    let Some(cell) = others.find(|cell| cell.column == at) else {
        let text = format!(
            "the record has no field for column {column} of upsert.condition besides its key"
        );
        return Err(match record.record.value.schema {
            Some(_) => Error::config(text),
            None => Error::data(text),
        });
    };
    cell.required = true;
    Ok(Some((at, newer.or_equal)))
}

fn described(field: &Field) -> String {
    match field.schema.kind {
        Kind::Any => field.name.to_string(),
        _ => format!("{} {}", field.name, field.schema.type_name()),
    }
}

fn column(table: &Table, field: &str) -> Result<Option<usize>> {
    let found = table.column_for(field);
    match found.map(|at| &table.columns[at]) {
        Some(column) if column.generated => Err(Error::config(format!(
            "column {} is generated and takes no value: leave it out with fields.whitelist",
            column.name
        ))),
        _ => Ok(found),
    }
}

fn cell(table: &Table, column: usize, source: Source, is_key: bool) -> Result<Cell> {
    let Column {
        name,
        data_type,
        shown,
        required,
        ..
    } = &table.columns[column];
    if *data_type == Type::Unsupported {
        return Err(Error::config(format!(
            "column {name} is of type {shown}, which is not supported: leave it out with \
             fields.whitelist"
        )));
    }
    Ok(Cell {
        source,
        column,
        data_type: data_type.clone(),
        required: is_key || (*required && !table.has_triggers),
        is_key,
        meaning: None,
        default: None,
    })
}

/// Adds a null for each column that the records leave out, where the default is null too, and
/// brings the cells into the table's order: records of different shapes then share one COPY.
fn absent(table: &Table, cells: &mut Vec<Cell>) {
    for (at, column) in table.columns.iter().enumerate() {
        let given = cells.iter().any(|cell| cell.column == at);
        // Texts that Postgres reads take a longer way, which a null need not go.
        let detour = column.is_input() && !column.required;
        if given || column.has_default || column.generated || detour {
            continue;
        }
        cells.push(Cell {
            source: Source::Absent,
            column: at,
            data_type: column.data_type.clone(),
            required: column.required && !table.has_triggers,
            is_key: false,
            meaning: None,
            default: None,
        });
    }
    cells.sort_by_key(|cell| cell.column);
}
