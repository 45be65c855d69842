//! The dead letter table: the transaction that moves the offset of an errant record also writes its
//! dead letter, which is so there exactly once, as the rows are (Invariant 2).

use std::sync::Arc;

use connect_api::{DeadLetter, Error, Result, TaskContext, Value};

use crate::config::Rules;
use crate::put::catalog::Table;
use crate::put::encode::{COPY_HEADER, COPY_TRAILER, value};

/// The columns that are filled, with the types of a table that the sink creates.
const COLUMNS: [(&str, &str); 14] = [
    ("connector", "text NOT NULL"),
    ("task", "integer NOT NULL"),
    ("topic", "text NOT NULL"),
    ("partition", "integer NOT NULL"),
    ("offset", "bigint NOT NULL"),
    ("timestamp", "timestamptz"),
    ("stage", "text NOT NULL"),
    ("class", "text NOT NULL"),
    ("exception", "text NOT NULL"),
    ("error", "text NOT NULL"),
    ("key", "bytea"),
    ("value", "bytea"),
    ("header_names", "text[] NOT NULL"),
    ("header_values", "bytea[] NOT NULL"),
];

/// Dead letters of a transaction, in COPY's binary format.
#[derive(Debug)]
pub(crate) struct DeadLetterRows {
    pub table: Arc<Table>,
    /// The columns that are filled, by their positions in the table.
    pub columns: Vec<usize>,
    /// The whole input of a COPY.
    pub data: Vec<u8>,
}

/// The table of `errors.deadletterqueue.table.name`, and the task that writes to it.
#[derive(Debug)]
pub(crate) struct DeadLetterTable {
    /// As the configuration names it.
    pub name: String,
    connector: String,
    task: u32,
}

impl DeadLetterTable {
    pub fn new(name: &str, context: &TaskContext) -> Self {
        Self {
            name: name.to_owned(),
            connector: context.connector.clone(),
            task: context.task,
        }
    }

    /// The statement that creates the table, by its quoted name.
    pub fn definition(quoted: &str) -> String {
        let columns = COLUMNS.map(|(name, data_type)| format!("\"{name}\" {data_type}"));
        format!(
            "CREATE TABLE IF NOT EXISTS {quoted} \
             (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, {}, \
             failed_at timestamptz NOT NULL DEFAULT now())",
            columns.join(", ")
        )
    }

    /// The dead letters as rows of the table.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the table, which its user made, lacks a column or
    /// cannot hold a value.
    pub fn rows(&self, table: &Arc<Table>, dead_letters: &[&DeadLetter]) -> Result<DeadLetterRows> {
        let columns = COLUMNS.map(|(name, _)| {
            table.column_for(name).ok_or_else(|| {
                let Self { name: table, .. } = self;
                let text = format!("the dead letter table {table} has no column {name}");
                Error::config(text).transient()
            })
        });
        let columns: Vec<usize> = columns.into_iter().collect::<Result<_>>()?;
        let mut data = COPY_HEADER.to_vec();
        for dead_letter in dead_letters {
            data.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
            for (&at, value) in columns.iter().zip(self.values(dead_letter)) {
                let column = &table.columns[at];
                let start = data.len();
                let rules = Rules::default();
                let Err(misfit) = value::value(&column.data_type, &value, rules, &mut data) else {
                    continue;
                };
                // A timestamp that Postgres cannot hold must not prevent the dead letter.
                data.truncate(start);
                if column.required {
                    let (name, shown, why) = (&column.name, &column.shown, misfit.0);
                    return Err(Error::config(format!(
                        "the dead letter table {}: column {name} of type {shown} {why}",
                        self.name
                    )));
                }
                value::null(&mut data);
            }
        }
        data.extend_from_slice(&COPY_TRAILER);
        Ok(DeadLetterRows {
            table: Arc::clone(table),
            columns,
            data,
        })
    }

    fn values(&self, dead_letter: &DeadLetter) -> [Value; COLUMNS.len()] {
        let record = &dead_letter.record;
        let bytes = |bytes: &Option<_>| bytes.clone().map_or(Value::Null, Value::Bytes);
        let headers = record.headers.iter();
        [
            text(&self.connector),
            Value::Int(self.task.into()),
            text(&dead_letter.topic_partition.topic),
            Value::Int(dead_letter.topic_partition.partition.into()),
            Value::Int(record.offset.0),
            match record.timestamp.and_then(|at| at.0.checked_mul(1000)) {
                Some(micros) => Value::Timestamp(micros),
                None => Value::Null,
            },
            text(dead_letter.stage),
            text(&dead_letter.class),
            text(dead_letter.exception),
            text(&dead_letter.error),
            bytes(&record.key),
            bytes(&record.value),
            Value::Array(headers.clone().map(|header| text(&header.name)).collect()),
            Value::Array(headers.map(|header| bytes(&header.value)).collect()),
        ]
    }
}

/// Postgres's texts hold no NUL characters; a name may.
fn text(text: &str) -> Value {
    match text.contains('\0') {
        true => Value::from(text.replace('\0', "\u{fffd}").as_str()),
        false => Value::from(text),
    }
}
