//! One transaction: the offsets move, the rows go in, both or neither.

use std::collections::HashSet;

use sqlx::Executor as _;

use super::batch::{Run, is_merge};
use super::catalog::{Column, Table, is_current};
use crate::config::InsertMode;
use crate::error::{Policy, policy_of};
use crate::letters::Letters;
use crate::offsets::{Offsets, Step};
use crate::session::Session;
use crate::sql;
use crate::stores::Changes;

/// Large enough that the cost of a message does not count, small enough to stay in the cache.
const FRAME: usize = 128 * 1024;
/// Staging tables that a session keeps; each shape of the records has one.
const MAX_STAGING: usize = 64;

/// Stands for the name of a staging table and what becomes of it at a transaction's end. No
/// quoted name can hold it at a statement's start.
const PLACE: &str = "{staging}";

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is durable.
    Durable,
    /// A partition has another owner, or its offset is not what this task knew. Nothing was
    /// written.
    Fenced,
    /// A table has changed since its columns were read. Nothing was written.
    Stale,
    /// The dead letters are refused. No record of the runs is at fault.
    Unposted(sqlx::Error),
    /// The state is refused. No record of the runs is at fault.
    Unkept(sqlx::Error),
}

/// What is committed together.
pub(crate) struct Transaction<'a> {
    /// None: the offsets are left to Kafka.
    pub fence: Option<&'a Offsets>,
    pub steps: &'a [Step<'a>],
    pub runs: &'a [Run],
    pub letters: Option<&'a Letters>,
    pub state: Option<&'a Changes<'a>>,
}

/// Makes the steps and writes the runs, the dead letters and the state in one transaction
/// (Invariant 2).
///
/// # Errors
/// Whatever the server or the connection says. The transaction is then open, ended or unknown:
/// the caller rolls it back or lets go of the connection.
pub(crate) async fn transaction(
    session: &mut Session,
    transaction: &Transaction<'_>,
) -> sqlx::Result<Outcome> {
    let Transaction {
        fence,
        steps,
        runs,
        letters,
        state,
    } = *transaction;
    let tables = begin(session, runs, letters).await?;
    // The offsets go first: whoever has been fenced finds out before doing any work.
    if let Some(offsets) = fence
        && !offsets.advance(session, steps).await?
    {
        execute(session, "ROLLBACK".to_owned()).await?;
        return Ok(Outcome::Fenced);
    }
    if !tables.is_empty() && !is_current(session, &tables).await? {
        execute(session, "ROLLBACK".to_owned()).await?;
        return Ok(Outcome::Stale);
    }
    write_all(session, runs).await?;
    if let Some(letters) = letters
        && let Err(error) = post(session, letters).await
    {
        return match policy_of(&error) {
            Policy::Reconnect | Policy::Retry => Err(error),
            _ => Ok(Outcome::Unposted(error)),
        };
    }
    if let Some(state) = state {
        match state.write(session).await {
            Ok(true) => {}
            Ok(false) => {
                execute(session, "ROLLBACK".to_owned()).await?;
                return Ok(Outcome::Fenced);
            }
            Err(error) => {
                return match policy_of(&error) {
                    Policy::Reconnect | Policy::Retry => Err(error),
                    _ => Ok(Outcome::Unkept(error)),
                };
            }
        }
    }
    execute(session, "COMMIT".to_owned()).await?;
    Ok(Outcome::Durable)
}

/// Begins a transaction with the locks that its writes take anyway: from here on no column changes.
async fn begin<'a>(
    session: &mut Session,
    runs: &'a [Run],
    letters: Option<&'a Letters>,
) -> sqlx::Result<Vec<&'a Table>> {
    let mut tables: Vec<&Table> = Vec::new();
    let mut statements = session.begin_statement().to_owned();
    if !session.is_pooled {
        prepare(session, runs).await?;
    }
    let written = runs.iter().map(|run| &*run.table);
    for table in written.chain(letters.map(|letters| &*letters.table)) {
        if !tables.iter().any(|known| known.quoted == table.quoted) {
            statements.push_str(&sql::lock(&table.quoted));
            tables.push(table);
        }
    }
    execute(session, statements).await?;
    if session.is_pooled {
        session.staging.clear();
        prepare(session, runs).await?;
    }
    Ok(tables)
}

async fn execute(session: &mut Session, statement: String) -> sqlx::Result<()> {
    session.connection.execute(&*statement).await?;
    Ok(())
}

/// Makes the staging tables that the runs need: outside of their transaction, as a table outlives
/// the transactions that use it, or within it where a pooler takes the session away at its end.
async fn prepare(session: &mut Session, runs: &[Run]) -> sqlx::Result<()> {
    let wanted: Vec<String> = runs.iter().flat_map(staging).collect();
    if session.staging.len() + wanted.len() > MAX_STAGING {
        drop_staging(session).await?;
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

/// Drops the staging tables: there are too many, or their columns may be of the past.
///
/// # Errors
/// As [`transaction`].
pub(crate) async fn drop_staging(session: &mut Session) -> sqlx::Result<()> {
    if session.staging.is_empty() || session.is_pooled {
        session.staging.clear();
        return Ok(());
    }
    let tables = sql::list("", session.staging.values().map(String::as_str));
    execute(session, format!("DROP TABLE {tables}")).await?;
    session.staging.clear();
    Ok(())
}

/// The staging tables of a run, by the statements that make them.
fn staging(run: &Run) -> Vec<String> {
    let mut needed = Vec::new();
    if !run.deletes.is_empty() {
        needed.push(create(&run.table, &run.keys));
    }
    if let Some(columns) = &run.columns
        && is_staged(run, columns)
        && !run.writes.is_empty()
    {
        needed.push(create(&run.table, columns));
    }
    needed
}

/// Whether the writes go through a staging table.
fn is_staged(run: &Run, columns: &[usize]) -> bool {
    is_merge(run.merging.mode) || has_inputs(&run.table, columns)
}

fn has_inputs(table: &Table, columns: &[usize]) -> bool {
    columns.iter().any(|&at| table.columns[at].is_input())
}

fn create(table: &Table, columns: &[usize]) -> String {
    let expressions = casts(table, columns, |_| "text");
    sql::create_staging(PLACE, &table.quoted, expressions.iter().map(String::as_str))
}

/// What to select from a staging table: there, what only Postgres can read is still text.
fn staged(staging: &str, table: &Table, columns: &[usize]) -> String {
    if !has_inputs(table, columns) {
        return staging.to_owned();
    }
    let expressions = casts(table, columns, |column| &column.shown);
    sql::derived(staging, expressions.iter().map(String::as_str))
}

/// The columns by name; those that only Postgres can read are cast to a type.
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

fn names<'a>(table: &'a Table, columns: &'a [usize]) -> impl Iterator<Item = &'a str> {
    columns.iter().map(|&at| table.columns[at].quoted.as_str())
}

async fn write_all(session: &mut Session, runs: &[Run]) -> sqlx::Result<()> {
    let mut filled = HashSet::new();
    for run in runs {
        write(session, run, &mut filled).await?;
    }
    Ok(())
}

async fn write(session: &mut Session, run: &Run, filled: &mut HashSet<String>) -> sqlx::Result<()> {
    let table = &*run.table;
    let keys: Vec<&str> = names(table, &run.keys).collect();
    if !run.deletes.is_empty() {
        let staging = empty_staging(session, create(table, &run.keys), filled).await?;
        let statement = sql::copy(&staging, names(table, &run.keys));
        copy(session, &statement, run.deletes.data()).await?;
        let staging = staged(&staging, table, &run.keys);
        execute(session, sql::delete(&staging, &table.quoted, &keys)).await?;
    }
    let Some(columns) = run.columns.as_ref().filter(|_| !run.writes.is_empty()) else {
        return Ok(());
    };
    if !is_staged(run, columns) {
        let statement = sql::copy(&table.quoted, names(table, columns));
        return copy(session, &statement, run.writes.data()).await;
    }
    let staging = empty_staging(session, create(table, columns), filled).await?;
    let statement = sql::copy(&staging, names(table, columns));
    copy(session, &statement, run.writes.data()).await?;
    let staging = staged(&staging, table, columns);
    execute(session, merge(run, columns, &staging)).await
}

/// The statement that brings what was staged into the table.
fn merge(run: &Run, columns: &[usize], staging: &str) -> String {
    let table = &*run.table;
    let others = || columns.iter().copied().filter(|at| !run.keys.contains(at));
    let settable = others().filter(|&at| !table.columns[at].fixed);
    let named = |columns: &mut dyn Iterator<Item = usize>| -> Vec<&str> {
        columns
            .map(|at| table.columns[at].quoted.as_str())
            .collect()
    };
    let newer = run.merging.newer;
    let merge = sql::Merge {
        staging,
        table: &table.quoted,
        keys: &named(&mut run.keys.iter().copied()),
        others: &named(&mut others()),
        settable: &named(&mut settable.into_iter()),
        newer: newer.map(|(at, or_equal)| (table.columns[at].quoted.as_str(), or_equal)),
        keeps_nulls: run.merging.keeps_nulls,
    };
    match run.merging.mode {
        InsertMode::Update => merge.update(),
        InsertMode::InsertIgnore => merge.insert_ignore(),
        InsertMode::Insert => merge.insert(),
        InsertMode::Upsert => merge.upsert(),
    }
}

/// The name of a staging table without the rows of an earlier run of the transaction.
async fn empty_staging(
    session: &mut Session,
    key: String,
    filled: &mut HashSet<String>,
) -> sqlx::Result<String> {
    let Some(staging) = session.staging.get(&key).cloned() else {
        let missing = "a staging table is missing".to_owned();
        return Err(sqlx::Error::InvalidArgument(missing));
    };
    if !filled.insert(key) {
        execute(session, format!("TRUNCATE {staging}")).await?;
    }
    Ok(staging)
}

async fn post(session: &mut Session, letters: &Letters) -> sqlx::Result<()> {
    let Letters {
        table,
        columns,
        rows,
    } = letters;
    let statement = sql::copy(&table.quoted, names(table, columns));
    copy(session, &statement, rows).await
}

async fn copy(session: &mut Session, statement: &str, data: &[u8]) -> sqlx::Result<()> {
    let mut copy = session.connection.copy_in_raw(statement).await?;
    for frame in data.chunks(FRAME) {
        copy.send(frame).await?;
    }
    copy.finish().await?;
    Ok(())
}

/// Writes the runs in a transaction that is rolled back.
///
/// # Errors
/// As [`transaction`].
pub(crate) async fn probe(session: &mut Session, runs: &[Run]) -> sqlx::Result<()> {
    begin(session, runs, None).await?;
    write_all(session, runs).await?;
    // What is checked at the end of a transaction is checked now.
    execute(session, "SET CONSTRAINTS ALL IMMEDIATE".to_owned()).await?;
    execute(session, "ROLLBACK".to_owned()).await
}
