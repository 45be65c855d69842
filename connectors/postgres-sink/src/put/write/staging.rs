//! Staging tables: temporary tables for rows that are merged into their table, and for values that
//! only Postgres can read, which are copied as text and cast.
//!
//! A table for each shape of rows is made once in a session and emptied by each transaction's end.

use std::collections::HashSet;

use super::execute;
use crate::put::catalog::{Column, Table};
use crate::put::encode::{Run, is_merge};
use crate::session::Session;
use crate::sql;

/// Staging tables that a session keeps.
const MAX_STAGING: usize = 64;

/// Stands in a statement for the name of the staging table and for what becomes of it at a
/// transaction's end. No quoted name can hold it at a statement's start.
const PLACE: &str = "{staging}";

/// Makes the staging tables that the runs need: before their transaction begins, as a table
/// outlives the transactions that use it, or within it where a pooler takes the session away at
/// the transaction's end.
pub(super) async fn prepare(session: &mut Session, runs: &[Run]) -> sqlx::Result<()> {
    if !session.may_stage {
        return Ok(());
    }
    let wanted: Vec<String> = runs.iter().flat_map(statements).collect();
    if session.staging.len() + wanted.len() > MAX_STAGING {
        drop_all(session).await?;
    }
    for key in wanted {
        if session.staging.contains_key(&key) {
            continue;
        }
        let name = format!("ferrule_{}", session.staged);
        session.staged += 1;
        let end = if session.is_pooled {
            "DROP"
        } else {
            "DELETE ROWS"
        };
        let place = format!("{name} ON COMMIT {end}");
        execute(session, key.replacen(PLACE, &place, 1)).await?;
        session.staging.insert(key, format!("pg_temp.{name}"));
    }
    Ok(())
}

/// Drops the staging tables: there are too many, or columns of their tables have changed.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn drop_all(session: &mut Session) -> sqlx::Result<()> {
    if session.staging.is_empty() || session.is_pooled {
        session.staging.clear();
        return Ok(());
    }
    let tables = sql::list("", session.staging.values().map(String::as_str));
    execute(session, format!("DROP TABLE {tables}")).await?;
    session.staging.clear();
    Ok(())
}

/// The statements that make the staging tables of a run. They are also the keys by which a session
/// finds its staging tables.
fn statements(run: &Run) -> Vec<String> {
    let mut needed = Vec::new();
    if !run.deletes.is_empty() {
        needed.push(statement(&run.table, &run.keys));
    }
    if let Some(columns) = &run.columns
        && is_staged(run, columns)
        && !run.writes.is_empty()
    {
        needed.push(statement(&run.table, columns));
    }
    needed
}

/// Whether the writes of a run go through a staging table.
pub(super) fn is_staged(run: &Run, columns: &[usize]) -> bool {
    // Postgres copies into no table whose policies hold for the role.
    is_merge(run.merging.mode) || has_inputs(&run.table, columns) || run.table.has_policies
}

fn has_inputs(table: &Table, columns: &[usize]) -> bool {
    columns.iter().any(|&at| table.columns[at].is_input())
}

/// The statement that makes the staging table for these columns of a table.
fn statement(table: &Table, columns: &[usize]) -> String {
    let expressions = casts(table, columns, |_| "text");
    sql::create_staging(PLACE, &table.quoted, expressions.iter().map(String::as_str))
}

/// What to select from a staging table: the columns that it has as text are cast to their types.
pub(super) fn selection(staging: &str, table: &Table, columns: &[usize]) -> String {
    if !has_inputs(table, columns) {
        return staging.to_owned();
    }
    let expressions = casts(table, columns, |column| &column.shown);
    sql::derived(staging, expressions.iter().map(String::as_str))
}

/// The columns by name. Columns whose values only Postgres can read are cast to a type.
fn casts<'a>(
    table: &'a Table,
    columns: &[usize],
    to: impl Fn(&'a Column) -> &'a str,
) -> Vec<String> {
    let columns = columns.iter().map(|&at| &table.columns[at]);
    let cast = |column: &'a Column| match column.is_input() {
        true => format!("{0}::{1} AS {0}", column.quoted, to(column)),
        false => column.quoted.clone(),
    };
    columns.map(cast).collect()
}

/// The name of the staging table for these columns, without the rows of an earlier run of the
/// transaction. `filled` has the tables that a run of the transaction has filled.
pub(super) async fn emptied(
    session: &mut Session,
    table: &Table,
    columns: &[usize],
    filled: &mut HashSet<String>,
) -> sqlx::Result<String> {
    let key = statement(table, columns);
    let Some(staging) = session.staging.get(&key).cloned() else {
        let missing = "a staging table is missing".to_owned();
        return Err(sqlx::Error::InvalidArgument(missing));
    };
    if !filled.insert(key) {
        execute(session, format!("TRUNCATE {staging}")).await?;
    }
    Ok(staging)
}
