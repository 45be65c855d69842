//! The transaction: the offsets move, and the rows, the dead letters and the state of transforms go
//! in, all or nothing (Invariant 2).

pub(crate) mod dead_letters;
pub(crate) mod staging;
pub(crate) mod state;
mod values;

use std::collections::HashSet;

use sqlx::Executor as _;

use super::catalog::{self, Columns, Table};
use super::encode::Run;
use super::offsets::{Advance, Offsets, Step};
use crate::config::InsertMode;
use crate::error::{Policy, policy_of};
use crate::session::Session;
use crate::sql;
use dead_letters::DeadLetterRows;
use state::StateChanges;

/// Large enough that the cost of a message does not count, small enough to stay in the cache.
const FRAME: usize = 128 * 1024;

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is durable.
    Durable,
    /// A partition has another owner, or its offset is not what this task knew. Nothing was
    /// written.
    Fenced,
    /// The columns of a table have changed since they were read. Nothing was written.
    TableChanged,
    /// Postgres refuses the dead letters; the records of the runs are not the cause.
    DeadLettersRefused(sqlx::Error),
    /// Postgres refuses the state; the records of the runs are not the cause.
    StateRefused(sqlx::Error),
}

/// What is committed together.
pub(crate) struct Transaction<'a> {
    /// `None`: Kafka keeps the offsets.
    pub offsets: Option<&'a Offsets>,
    pub steps: &'a [Step<'a>],
    pub runs: &'a [Run],
    pub dead_letters: Option<&'a DeadLetterRows>,
    pub state: Option<&'a StateChanges<'a>>,
}

/// Moves the offsets, writes the runs, the dead letters and the state, and commits them together
/// (Invariant 2).
///
/// # Errors
/// Whatever the server or the connection says. The transaction is then open, ended or unknown:
/// the caller rolls it back or drops the connection.
pub(crate) async fn commit_transaction(
    session: &mut Session,
    transaction: &Transaction<'_>,
) -> sqlx::Result<Outcome> {
    let Transaction {
        offsets,
        steps,
        runs,
        dead_letters,
        state,
    } = *transaction;
    let tables = begin_with_locks(session, runs, dead_letters).await?;
    // The offsets go first: a fenced task must find out before doing any work.
    if let Some(offsets) = offsets
        && offsets.advance(session, steps).await? == Advance::Fenced
    {
        execute(session, "ROLLBACK".to_owned()).await?;
        return Ok(Outcome::Fenced);
    }
    if !tables.is_empty() && catalog::compare(session, &tables).await? == Columns::Changed {
        execute(session, "ROLLBACK".to_owned()).await?;
        return Ok(Outcome::TableChanged);
    }
    write_runs(session, runs).await?;
    if let Some(dead_letters) = dead_letters
        && let Err(error) = copy_dead_letters(session, dead_letters).await
    {
        return match policy_of(&error) {
            Policy::Reconnect | Policy::Retry => Err(error),
            _ => Ok(Outcome::DeadLettersRefused(error)),
        };
    }
    if let Some(state) = state {
        match state.write(session).await {
            Ok(Advance::Advanced) => {}
            Ok(Advance::Fenced) => {
                execute(session, "ROLLBACK".to_owned()).await?;
                return Ok(Outcome::Fenced);
            }
            Err(error) => {
                return match policy_of(&error) {
                    Policy::Reconnect | Policy::Retry => Err(error),
                    _ => Ok(Outcome::StateRefused(error)),
                };
            }
        }
    }
    execute(session, "COMMIT".to_owned()).await?;
    Ok(Outcome::Durable)
}

/// Writes the runs in a transaction that is rolled back, to see whether Postgres takes them.
///
/// # Errors
/// As [`commit_transaction`].
pub(crate) async fn try_runs(session: &mut Session, runs: &[Run]) -> sqlx::Result<()> {
    begin_with_locks(session, runs, None).await?;
    write_runs(session, runs).await?;
    // Deferred constraints would be checked only by a COMMIT.
    execute(session, "SET CONSTRAINTS ALL IMMEDIATE".to_owned()).await?;
    execute(session, "ROLLBACK".to_owned()).await
}

/// Begins a transaction with the locks that its writes take anyway: from here on no column changes.
async fn begin_with_locks<'a>(
    session: &mut Session,
    runs: &'a [Run],
    dead_letters: Option<&'a DeadLetterRows>,
) -> sqlx::Result<Vec<&'a Table>> {
    let mut tables: Vec<&Table> = Vec::new();
    let mut statements = session.begin_statement().to_owned();
    if !session.is_pooled {
        staging::prepare(session, runs).await?;
    }
    let written = runs.iter().map(|run| &*run.table);
    for table in written.chain(dead_letters.map(|rows| &*rows.table)) {
        if !tables.iter().any(|known| known.quoted == table.quoted) {
            statements.push_str(&sql::lock(&table.quoted));
            tables.push(table);
        }
    }
    execute(session, statements).await?;
    if session.is_pooled {
        session.staging.clear();
        staging::prepare(session, runs).await?;
    }
    Ok(tables)
}

async fn execute(session: &mut Session, statement: String) -> sqlx::Result<()> {
    session.connection.execute(&*statement).await?;
    Ok(())
}

async fn write_runs(session: &mut Session, runs: &[Run]) -> sqlx::Result<()> {
    let mut filled = HashSet::new();
    for run in runs {
        write_run(session, run, &mut filled).await?;
    }
    Ok(())
}

/// Deletes the rows of a run's deletes, then copies or merges its writes.
async fn write_run(
    session: &mut Session,
    run: &Run,
    filled: &mut HashSet<String>,
) -> sqlx::Result<()> {
    let table = &*run.table;
    if run.truncates {
        return execute(session, format!("TRUNCATE {}", table.quoted)).await;
    }
    let keys: Vec<&str> = names(table, &run.keys).collect();
    let deletes = |staged: &str| sql::delete(staged, &table.quoted, &keys);
    if !run.deletes.is_empty() && !session.may_stage {
        values::write(session, (table, &run.keys), run.deletes.data(), deletes).await?;
    } else if !run.deletes.is_empty() {
        let staging = staging::emptied(session, table, &run.keys, filled).await?;
        let statement = sql::copy(&staging, names(table, &run.keys));
        copy(session, &statement, run.deletes.data()).await?;
        let selection = staging::selection(&staging, table, &run.keys);
        execute(session, deletes(&selection)).await?;
    }
    let Some(columns) = run.columns.as_ref().filter(|_| !run.writes.is_empty()) else {
        return Ok(());
    };
    if !staging::is_staged(run, columns) {
        let statement = sql::copy(&table.quoted, names(table, columns));
        return copy(session, &statement, run.writes.data()).await;
    }
    if !session.may_stage {
        for step in steps(run) {
            let merge = |staged: &str| merge(run, columns, staged, *step);
            let rows = run.writes.data();
            values::write(session, (table, columns), rows, merge).await?;
        }
        return Ok(());
    }
    let staging = staging::emptied(session, table, columns, filled).await?;
    let statement = sql::copy(&staging, names(table, columns));
    copy(session, &statement, run.writes.data()).await?;
    let selection = staging::selection(&staging, table, columns);
    for step in steps(run) {
        execute(session, merge(run, columns, &selection, *step)).await?;
    }
    Ok(())
}

/// A statement that merges rows into their table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MergeStep {
    /// By the insert mode.
    ByMode,
    Update,
    InsertMissing,
}

/// What merges the writes of a run.
fn steps(run: &Run) -> &'static [MergeStep] {
    let others = |at: &usize| !run.keys.contains(at) && !run.table.columns[*at].fixed;
    match (run.merging.updates_first, run.columns.as_deref()) {
        (true, Some(columns)) if columns.iter().any(others) => {
            &[MergeStep::Update, MergeStep::InsertMissing]
        }
        (true, _) => &[MergeStep::InsertMissing],
        (false, _) => &[MergeStep::ByMode],
    }
}

/// The statement of a step that merges what was staged into the table.
fn merge(run: &Run, columns: &[usize], staged: &str, step: MergeStep) -> String {
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
        staging: staged,
        table: &table.quoted,
        keys: &named(&mut run.keys.iter().copied()),
        others: &named(&mut others()),
        settable: &named(&mut settable.into_iter()),
        newer: newer.map(|newer| {
            let column = &table.columns[newer.column];
            (column.quoted.as_str(), newer.or_equal)
        }),
        keeps_nulls: run.merging.keeps_nulls,
    };
    match (step, run.merging.mode) {
        (MergeStep::Update, _) | (MergeStep::ByMode, InsertMode::Update) => merge.update(),
        (MergeStep::InsertMissing, _) => merge.insert_missing(),
        (MergeStep::ByMode, InsertMode::InsertIgnore) => merge.insert_ignore(),
        (MergeStep::ByMode, InsertMode::Insert) => merge.insert(),
        (MergeStep::ByMode, InsertMode::Upsert) => merge.upsert(),
    }
}

async fn copy_dead_letters(session: &mut Session, rows: &DeadLetterRows) -> sqlx::Result<()> {
    let statement = sql::copy(&rows.table.quoted, names(&rows.table, &rows.columns));
    copy(session, &statement, &rows.data).await
}

/// Sends the whole input of a COPY.
async fn copy(session: &mut Session, statement: &str, data: &[u8]) -> sqlx::Result<()> {
    let mut copy = session.connection.copy_in_raw(statement).await?;
    for frame in data.chunks(FRAME) {
        copy.send(frame).await?;
    }
    copy.finish().await?;
    Ok(())
}

fn names<'a>(table: &'a Table, columns: &'a [usize]) -> impl Iterator<Item = &'a str> {
    columns.iter().map(|&at| table.columns[at].quoted.as_str())
}
