//! The dead letter table: errant records, written by the transaction that moves their offsets.
//!
//! So a dead letter is there exactly once, as the rows are (Invariant 2).

use std::sync::Arc;

use connect_api::{DeadLetter, Error, Result, TaskContext, Value};

use crate::config::Rules;
use crate::put::batch::{COPY_HEADER, COPY_TRAILER};
use crate::put::catalog::Table;
use crate::put::encode;

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
pub(crate) struct Letters {
    pub table: Arc<Table>,
    /// Positions in the table.
    pub columns: Vec<usize>,
    pub rows: Vec<u8>,
}

/// Who writes dead letters, and where to.
#[derive(Debug)]
pub(crate) struct LetterBox {
    pub table: String,
    connector: String,
    task: u32,
}

impl LetterBox {
    pub fn new(table: &str, context: &TaskContext) -> Self {
        Self {
            table: table.to_owned(),
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

    /// The letters as rows of the table.
    ///
    /// # Errors
    /// When the table was made by someone else and cannot hold them.
    pub fn rows(&self, table: &Arc<Table>, letters: &[&DeadLetter]) -> Result<Letters> {
        let columns = COLUMNS.map(|(name, _)| {
            table.column_for(name).ok_or_else(|| {
                let Self { table, .. } = self;
                Error::config(format!(
                    "the dead letter table {table} has no column {name}"
                ))
            })
        });
        let columns: Vec<usize> = columns.into_iter().collect::<Result<_>>()?;
        let mut rows = COPY_HEADER.to_vec();
        for letter in letters {
            rows.extend_from_slice(&(COLUMNS.len() as i16).to_be_bytes());
            for (&at, value) in columns.iter().zip(self.values(letter)) {
                let column = &table.columns[at];
                let start = rows.len();
                let Err(misfit) =
                    encode::value(&column.data_type, &value, Rules::default(), &mut rows)
                else {
                    continue;
                };
                // A timestamp that Postgres does not know must not keep the letter away.
                rows.truncate(start);
                if column.required {
                    let (name, shown, why) = (&column.name, &column.shown, misfit.0);
                    return Err(Error::config(format!(
                        "the dead letter table {}: column {name} of type {shown} {why}",
                        self.table
                    )));
                }
                encode::null(&mut rows);
            }
        }
        rows.extend_from_slice(&COPY_TRAILER);
        Ok(Letters {
            table: Arc::clone(table),
            columns,
            rows,
        })
    }

    fn values(&self, letter: &DeadLetter) -> [Value; COLUMNS.len()] {
        let record = &letter.record;
        let bytes = |bytes: &Option<_>| bytes.clone().map_or(Value::Null, Value::Bytes);
        let headers = record.headers.iter();
        [
            text(&self.connector),
            Value::Int(self.task.into()),
            text(&letter.topic_partition.topic),
            Value::Int(letter.topic_partition.partition.into()),
            Value::Int(record.offset.0),
            match record.timestamp.and_then(|at| at.0.checked_mul(1000)) {
                Some(micros) => Value::Timestamp(micros),
                None => Value::Null,
            },
            text(letter.stage),
            text(&letter.class),
            text(letter.exception),
            text(&letter.error),
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
