//! Plans: how records of one shape become rows of a table. A plan is made once for each shape.

mod unsent;

use std::sync::Arc;

use connect_api::{Error, Field, Kind, Result, Schema, SinkRecord, Struct, Value, ValueRef};

use super::columns::{MAX_COLUMNS, ValuePath, check_width, header, keys, meaning};
use super::event;
use super::value::{self, Meaning, Misfit};
use crate::config::{
    ChangeEvents, InsertMode, PostgresSinkConfig, Rules, Unavailable, UnknownFields,
};
use crate::put::catalog::{Catalog, Column, Table, Type};

/// A column of a plan, and the part of the record that is its value.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    path: ValuePath,
    /// The position in the table.
    column: usize,
    data_type: Type,
    /// Null is refused here: Postgres would refuse the whole transaction.
    required: bool,
    is_key: bool,
    /// What the field's schema says about the value beyond its type.
    meaning: Option<Meaning>,
    /// Replaces null.
    default: Option<Value>,
}

/// How rows are merged with those that the table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Merging {
    pub mode: InsertMode,
    /// `upsert.condition`, if it is set.
    pub newer: Option<Newer>,
    /// Whether a null leaves the column as it is.
    pub keeps_nulls: bool,
    /// Whether rows that are there are updated by a statement of their own: an upsert would want
    /// all columns that must not be null, also where it updates.
    pub updates_first: bool,
}

impl Merging {
    /// Rows are appended.
    pub const INSERT: Self = Self {
        mode: InsertMode::Insert,
        newer: None,
        keeps_nulls: false,
        updates_first: false,
    };
}

/// `upsert.condition`: a row is written only if it is newer than the table's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Newer {
    /// The position of the column whose value must be greater.
    pub column: usize,
    /// Whether an equal value is enough.
    pub or_equal: bool,
}

/// Which part of a record fills a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    No,
    ByKey,
    ByValue,
}

/// What a plan is made for.
struct Target<'a> {
    config: &'a PostgresSinkConfig,
    table: &'a Arc<Table>,
    /// The table's name in the configuration.
    name: &'a str,
    /// A record of the shape.
    record: &'a SinkRecord,
}

/// How records of one shape become rows.
#[derive(Debug)]
pub(super) struct Plan {
    pub table: Arc<Table>,
    /// The columns that the rows have, by their positions in the table.
    pub columns: Arc<[usize]>,
    /// The columns of the primary key, by their positions in the table.
    pub keys: Arc<[usize]>,
    /// Whether the records delete, as they have no value.
    pub deletes: bool,
    pub merging: Merging,
    cells: Vec<Cell>,
    rules: Rules,
    change_events: ChangeEvents,
    /// What stands for a value that the source did not send.
    unavailable: Unavailable,
    /// The schemas of value and key. They are kept so that no other schema gets their addresses.
    schemas: [Option<Arc<Schema>>; 2],
}

impl Plan {
    /// The plan for records of the shape of `record`.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the table or the configuration does not go with
    /// the shape, [`connect_api::ErrorKind::Data`] when the record itself does not.
    pub fn new(
        config: &PostgresSinkConfig,
        catalog: &Catalog,
        record: &SinkRecord,
    ) -> Result<Self> {
        let name = table_name(config, record)?;
        // First what is wrong with the record alone: its table may be missing for that reason.
        check_width(config, record)?;
        let keys = keys(config, record)?;
        let table = catalog
            .get(&name)
            .ok_or_else(|| Error::fatal(format!("table {name} was not read")))?;
        let target = Target {
            config,
            table,
            name: &name,
            record,
        };
        let row = event::row(config.change_events, record);
        let mut cells = target.key_cells(&keys)?;
        let key_columns = cells.iter().map(|cell| cell.column);
        let keys: Arc<[usize]> = key_columns.collect();
        let mut newer = None;
        if let Some(row) = row {
            target.add_value_cells(row, &mut cells)?;
            newer = target.complete(&mut cells)?;
        }
        let key_row = record.record.key.value.as_struct();
        Ok(Self {
            table: Arc::clone(table),
            merging: Merging {
                mode: config.insert_mode,
                newer,
                keeps_nulls: config.keeps_nulls,
                updates_first: false,
            },
            columns: cells.iter().map(|cell| cell.column).collect(),
            keys,
            deletes: row.is_none(),
            cells,
            rules: config.rules,
            change_events: config.change_events,
            unavailable: config.unavailable.clone(),
            schemas: [row, key_row].map(|row| row.map(|row| Arc::clone(row.schema()))),
        })
    }

    /// About how many bytes of memory it takes, with the schemas that it keeps.
    pub fn memory(&self) -> usize {
        let kept = self.schemas.iter().flatten();
        let kept: usize = kept.map(|schema| schema.memory()).sum();
        kept + self.cells.len() * size_of::<Cell>()
    }

    /// Appends the record as a row, and the bytes of its key to `key`.
    pub fn encode(
        &self,
        record: &SinkRecord,
        out: &mut Vec<u8>,
        key: &mut Vec<u8>,
    ) -> Result<Encoding> {
        let (row, key_row) = (
            event::row(self.change_events, record),
            record.record.key.value.as_struct(),
        );
        let rules = self.rules;
        // Postgres has at most 1600 columns.
        out.extend_from_slice(&(self.cells.len() as i16).to_be_bytes());
        for cell in &self.cells {
            let start = out.len();
            let fit = match &cell.path {
                ValuePath::Field(at) => {
                    let value = field(row, *at);
                    if self.unavailable.is(value) {
                        return Ok(Encoding::Unavailable);
                    }
                    cell.encode(value, rules, out)
                }
                ValuePath::Absent => cell.encode(ValueRef::Null, rules, out),
                ValuePath::KeyField(at) => cell.encode(field(key_row, *at), rules, out),
                ValuePath::Key => {
                    cell.encode(ValueRef::Value(&record.record.key.value), rules, out)
                }
                ValuePath::Header(name) => {
                    cell.encode(ValueRef::Value(header(record, name)), rules, out)
                }
                ValuePath::Topic => cell.encode(ValueRef::String(&record.record.topic), rules, out),
                ValuePath::Partition => cell.encode(
                    ValueRef::Int(record.origin.topic_partition.partition.into()),
                    rules,
                    out,
                ),
                ValuePath::Offset => cell.encode(ValueRef::Int(record.origin.offset.0), rules, out),
            };
            if let Err(Misfit(why)) = fit {
                let Column { name, shown, .. } = &self.table.columns[cell.column];
                return Err(Error::data(format!("column {name} of type {shown} {why}")));
            }
            if cell.is_key {
                key.extend_from_slice(&out[start..]);
            }
        }
        Ok(Encoding::Whole)
    }
}

/// What became of a record that was to be a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// It is one.
    Whole,
    /// Its source did not send a value: [`Plan::without`] makes it one.
    Unavailable,
}

/// The table of a record.
///
/// # Errors
/// As [`crate::config::TableNaming::table`].
pub(crate) fn table_name(config: &PostgresSinkConfig, record: &SinkRecord) -> Result<String> {
    let source = match config.tables.depends_on_source() {
        true => event::source(config.change_events, record),
        false => None,
    };
    config.tables.table(&record.record.topic, source)
}

/// The value of a field; null where there is no row.
fn field(row: Option<&Struct>, at: usize) -> ValueRef<'_> {
    row.map_or(ValueRef::Null, |row| row.value(at))
}

impl Cell {
    fn new(table: &Table, column: usize, path: ValuePath) -> Self {
        let Column {
            data_type,
            required,
            ..
        } = &table.columns[column];
        Self {
            path,
            column,
            data_type: data_type.clone(),
            required: *required && !table.has_triggers,
            is_key: false,
            meaning: None,
            default: None,
        }
    }

    /// Takes from the field's schema what the column's type does not tell.
    fn apply_schema(&mut self, config: &PostgresSinkConfig, record: &SinkRecord) {
        let Some(schema) = self.path.fixed_schema(config.change_events, record) else {
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
            (None, _) => value::value_ref(&self.data_type, value, rules, out),
            (Some(meaning), ValueRef::Value(value)) => {
                value::meant(meaning, &self.data_type, value, rules, out)
            }
            (Some(meaning), _) => {
                value::meant(meaning, &self.data_type, &value.to_value(), rules, out)
            }
        }
    }
}

impl Target<'_> {
    fn key_cells(&self, keys: &[(String, ValuePath)]) -> Result<Vec<Cell>> {
        let Self { name, .. } = self;
        let cells = keys.iter().map(|(field, path)| {
            let column = self.column_for(field)?.ok_or_else(|| {
                let text = format!("table {name} has no column for the key field {field}");
                Error::config(text).transient()
            })?;
            let mut cell = self.cell(column, path.clone())?;
            cell.is_key = true;
            cell.required = true;
            Ok(cell)
        });
        cells.collect()
    }

    /// Adds cells for the value's fields that are not in the key.
    fn add_value_cells(&self, row: &Struct, cells: &mut Vec<Cell>) -> Result<()> {
        let Self { config, table, .. } = self;
        let mut filled = vec![Filled::No; table.columns.len()];
        for key in &*cells {
            filled[key.column] = Filled::ByKey;
        }
        let mut known = 0;
        let mut unknown = Vec::new();
        for (at, field) in row.schema().fields().unwrap_or_default().iter().enumerate() {
            let column = self.column_for(&field.name)?;
            let in_key = column.is_some_and(|column| filled[column] == Filled::ByKey);
            let topic = &self.record.record.topic;
            if in_key || !config.fields.allow(topic, &field.name) {
                known += usize::from(in_key);
                continue;
            }
            match column {
                Some(column) if filled[column] == Filled::ByValue => {
                    let name = &table.columns[column].name;
                    return Err(Error::data(format!("two fields are for column {name}")));
                }
                Some(column) => {
                    filled[column] = Filled::ByValue;
                    cells.push(self.cell(column, ValuePath::Field(at))?);
                }
                None => unknown.push(field),
            }
        }
        if !unknown.is_empty() && config.unknown_fields != UnknownFields::Ignore {
            return Err(self.missing_columns(&unknown));
        }
        if cells.len() + known == 0 {
            return Err(Error::data("no field of the record has a column"));
        }
        Ok(())
    }

    fn missing_columns(&self, fields: &[&Field]) -> Error {
        /// Fields that are named.
        const NAMED: usize = 20;
        if self.table.columns.len() + fields.len() > MAX_COLUMNS {
            return Error::data(format!(
                "table {} is missing {} fields, and has no room for so many columns",
                self.name,
                fields.len()
            ));
        }
        let mut named: Vec<_> = fields.iter().take(NAMED).map(|f| described(f)).collect();
        if fields.len() > NAMED {
            named.push(format!("and {} more", fields.len() - NAMED));
        }
        let why = if self.config.auto_evolve {
            "auto.evolve adds columns only for fields with a schema that are optional or have a \
             default"
        } else {
            "auto-evolution is disabled"
        };
        // An error of the record, also where a schema says that others are like it: a compatible
        // evolution stops no task that tolerates errors, whatever the format.
        Error::data(format!(
            "table {} is missing fields ({}) and {why}; unknown.fields=ignore leaves them out",
            self.name,
            named.join(", ")
        ))
    }

    /// Adds what the insert mode needs to the cells of records with a value.
    fn complete(&self, cells: &mut Vec<Cell>) -> Result<Option<Newer>> {
        let settable = |cell: &Cell| !cell.is_key && !self.table.columns[cell.column].fixed;
        match self.config.insert_mode {
            InsertMode::Insert | InsertMode::InsertIgnore => self.add_absent_cells(cells),
            InsertMode::Update if !cells.iter().any(settable) => {
                return Err(Error::config(
                    "update has no field to set besides the primary key",
                ));
            }
            InsertMode::Update | InsertMode::Upsert => {}
        }
        self.newer(cells)
    }

    /// The column of `upsert.condition`. Null is refused in it, as it cannot be compared.
    fn newer(&self, cells: &mut [Cell]) -> Result<Option<Newer>> {
        let Some(newer) = &self.config.newer else {
            return Ok(None);
        };
        let (name, column) = (self.name, &newer.column);
        let Some(at) = self.table.column_for(column) else {
            let text = format!("table {name} has no column {column} of upsert.condition");
            return Err(Error::config(text).transient());
        };
        let mut others = cells.iter_mut().filter(|cell| !cell.is_key);
        let Some(cell) = others.find(|cell| cell.column == at) else {
            return Err(Error::data(format!(
                "the record has no field for column {column} of upsert.condition besides its key"
            )));
        };
        cell.required = true;
        Ok(Some(Newer {
            column: at,
            or_equal: newer.or_equal,
        }))
    }

    /// Adds a null for each column that the records leave out, where the default is null too, and
    /// brings the cells into the table's order: records of different shapes then share one COPY.
    fn add_absent_cells(&self, cells: &mut Vec<Cell>) {
        let mut filled = vec![Filled::No; self.table.columns.len()];
        for cell in &*cells {
            filled[cell.column] = Filled::ByValue;
        }
        for (at, column) in self.table.columns.iter().enumerate() {
            let given = filled[at] != Filled::No;
            // Values that only Postgres can read go through a staging table, for a null in vain.
            let is_staged = column.is_input() && !column.required;
            if given || column.has_default || column.generated || is_staged {
                continue;
            }
            cells.push(Cell::new(self.table, at, ValuePath::Absent));
        }
        cells.sort_by_key(|cell| cell.column);
    }

    fn cell(&self, column: usize, path: ValuePath) -> Result<Cell> {
        let Column {
            name,
            data_type,
            shown,
            ..
        } = &self.table.columns[column];
        if *data_type == Type::Unsupported {
            return Err(Error::config(format!(
                "column {name} is of type {shown}, which is not supported: leave it out with \
                 fields.whitelist"
            )));
        }
        let mut cell = Cell::new(self.table, column, path);
        cell.apply_schema(self.config, self.record);
        Ok(cell)
    }

    /// The position of the column for a field.
    fn column_for(&self, field: &str) -> Result<Option<usize>> {
        let found = self.table.column_for(&self.config.columns.column(field));
        match found.map(|at| &self.table.columns[at]) {
            Some(column) if column.generated => Err(Error::config(format!(
                "column {} is generated and takes no value: leave it out with fields.whitelist",
                column.name
            ))),
            _ => Ok(found),
        }
    }
}

fn described(field: &Field) -> String {
    // No column has a longer name.
    let name: String = field.name.chars().take(64).collect();
    match field.schema.kind {
        Kind::Any => name,
        _ => format!("{name} {}", field.schema.type_name()),
    }
}
