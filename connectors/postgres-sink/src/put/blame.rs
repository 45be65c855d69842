//! Which column an error of the server is about.

use super::batch::Run;
use super::catalog::Column;
use crate::error::{Policy, copied_column, policy_of};

/// What could not be written, as far as the error and the runs tell.
pub(super) fn doing(error: &sqlx::Error, runs: &[Run]) -> String {
    let columns = blamed(error, runs);
    if columns.is_empty() {
        return "cannot write to Postgres".to_owned();
    }
    let named = columns
        .iter()
        .map(|Column { name, shown, .. }| format!("column {name} of type {shown}"));
    let named: Vec<_> = named.collect();
    format!("cannot write to Postgres, {}", named.join(" or "))
}

fn blamed<'a>(error: &sqlx::Error, runs: &'a [Run]) -> Vec<&'a Column> {
    if policy_of(error) != Policy::Record {
        return Vec::new();
    }
    let columns = runs.iter().flat_map(|run| &run.table.columns);
    if let Some(name) = copied_column(error) {
        return columns
            .filter(|column| column.name == name)
            .take(1)
            .collect();
    }
    // A text that went through a staging table: Postgres does not tell which.
    let is_text = crate::error::is_data(error);
    let written = runs.iter().flat_map(|run| {
        let columns = run.columns.as_deref().unwrap_or(&run.keys);
        columns.iter().map(|&at| &run.table.columns[at])
    });
    let inputs = written.filter(|column| is_text && column.is_input());
    let mut inputs: Vec<_> = inputs.collect();
    inputs.dedup_by_key(|column| &column.name);
    inputs
}
