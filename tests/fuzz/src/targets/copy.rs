//! The fields of COPY that values become.

use arbitrary::Unstructured;
use postgres_sink::fuzzing::{columns, field, rules};

use crate::Target;
use crate::generate::any_value;

pub(super) const TARGET: Target = Target {
    name: "copy",
    about: "Any value for a column of any type is refused, or written with the length that it says; \
            `tests/server.rs` gives what is written to a server",
    memory: 4096,
    run: |data| {
        for CopyField { sql, bytes } in fields(data) {
            assert!(is_whole(&bytes), "{sql:?}: {bytes:?}");
        }
    },
};

/// What a column takes of a value.
#[derive(Clone, Debug)]
pub struct CopyField {
    /// The column's type; none for one whose texts go through a staging table.
    pub sql: Option<&'static str>,
    /// A field of COPY's binary format: its length, and the value.
    pub bytes: Vec<u8>,
}

/// The fields of all columns that take the value that an input stands for.
pub(crate) fn fields(data: &[u8]) -> Vec<CopyField> {
    let mut u = Unstructured::new(data);
    let (Ok(rules), Ok(value)) = (rules(&mut u), any_value(&mut u)) else {
        return Vec::new();
    };
    let taken = columns().into_iter().filter_map(|column| {
        let bytes = field(&column, &value, rules)?;
        let sql = column.sql;
        Some(CopyField { sql, bytes })
    });
    taken.collect()
}

fn is_whole(field: &[u8]) -> bool {
    let Some((length, value)) = field.split_first_chunk() else {
        return false;
    };
    match i32::from_be_bytes(*length) {
        -1 => value.is_empty(),
        length => usize::try_from(length) == Ok(value.len()),
    }
}
