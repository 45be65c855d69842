//! One step after the other, each a transaction of its own.

use connect_api::{Error, Result};
use sqlx::{Executor as _, Row};

use super::plan::{Drop, Plan, Range, Step, Table, quoted};
use crate::error::{describe, to_error};
use crate::session::Session;

/// What a partition's comment says from when it is about to be detached, before the table's name. A
/// run that is interrupted then is known by it.
pub(super) const COMMENT: &str = "ferrule maintain: past its time, to be dropped; was of ";

/// Of the locks of runs: "ferm" in ASCII.
const LOCK: i32 = 0x6665_726d;

/// Waits until no other run works on the table.
///
/// # Errors
/// When the other takes longer than a statement may wait for a lock.
pub(super) async fn lock(session: &mut Session, table: &Table) -> Result<()> {
    let locking = sqlx::query("SELECT pg_advisory_lock($1, ($2 % 2147483648)::int)")
        .persistent(false)
        .bind(LOCK)
        .bind(table.oid)
        .execute(&mut session.connection);
    locking.await.map(drop).map_err(|error| {
        let doing = format!(
            "another run works on {}, or the lock cannot be taken",
            table.shown
        );
        to_error(&doing, &error)
    })
}

/// Lets other runs work on the table.
///
/// # Errors
/// When the connection is lost: then the lock is, too.
pub(super) async fn unlock(session: &mut Session, table: &Table) -> sqlx::Result<()> {
    let unlocking = sqlx::query("SELECT pg_advisory_unlock($1, ($2 % 2147483648)::int)")
        .persistent(false)
        .bind(LOCK)
        .bind(table.oid)
        .execute(&mut session.connection);
    unlocking.await.map(drop)
}

/// Does one step.
///
/// # Errors
/// Why it could not be done.
pub(super) async fn step(session: &mut Session, plan: &Plan, step: &Step) -> Result<()> {
    match step {
        Step::Create { name, range } => create(session, &plan.table, name, range).await,
        Step::Drop(old) => drop_old(session, plan, old).await,
    }
}

/// Makes a table like the whole, and attaches it: that locks the whole against other changes of its
/// definition alone, not against writers.
async fn create(session: &mut Session, table: &Table, name: &str, range: &Range) -> Result<()> {
    let (Some(from), Some(to)) = (&range.from, &range.to) else {
        return Err(Error::fatal("a partition without bounds is not made"));
    };
    let whole = table.quoted();
    let part = format!("{}.{}", quoted(&table.schema), quoted(name));
    let (from, to) = (&from.text, &to.text);
    // Without indexes: attaching makes those of the whole.
    let make = format!(
        "CREATE TABLE {part} (LIKE {whole} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING \
         CONSTRAINTS INCLUDING STORAGE); ALTER TABLE {whole} ATTACH PARTITION {part} FOR VALUES \
         FROM ('{from}') TO ('{to}')"
    );
    let making = async {
        let mut transaction = session.begin().await?;
        transaction.execute(&*make).await?;
        transaction.commit().await
    };
    making
        .await
        .map_err(|error: sqlx::Error| refused("make the partition", &error))
}

/// Detaches a partition and drops it.
async fn drop_old(session: &mut Session, plan: &Plan, old: &Drop) -> Result<()> {
    let (table, part) = (&plan.table, &old.quoted);
    // The bounds say that it cannot be; a table that was detached has none any more.
    if old.range.is_none() {
        check_age(session, plan, part).await?;
    } else if old.is_pending {
        execute(
            session,
            &format!(
                "ALTER TABLE {} DETACH PARTITION {part} FINALIZE",
                table.quoted()
            ),
        )
        .await?;
    } else {
        let whole = table.quoted();
        let comment = format!("{COMMENT}{whole}").replace('\'', "''");
        execute(session, &format!("COMMENT ON TABLE {part} IS '{comment}'")).await?;
        // Postgres detaches concurrently only where no default partition is.
        let how = match table.is_recent && table.default.is_none() {
            true => " CONCURRENTLY",
            false => "",
        };
        execute(
            session,
            &format!("ALTER TABLE {whole} DETACH PARTITION {part}{how}"),
        )
        .await?;
    }
    execute(session, &format!("DROP TABLE {part}")).await
}

/// Someone may have written to the table since it was detached.
async fn check_age(session: &mut Session, plan: &Plan, part: &str) -> Result<()> {
    let Some(cutoff) = &plan.cutoff else {
        return Err(Error::config(format!(
            "{part} was detached by a run with a retention; this one has none, and leaves it"
        )));
    };
    let (column, cutoff) = (&plan.table.column.quoted, &cutoff.text);
    let query = format!("SELECT EXISTS (SELECT FROM {part} WHERE {column} >= '{cutoff}')");
    let row = session.connection.fetch_one(&*query).await;
    let is_newer: sqlx::Result<bool> = row.and_then(|row| row.try_get(0));
    match is_newer {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::config(format!(
            "{part} has rows that are newer than {cutoff}: it is kept"
        ))),
        Err(error) => Err(refused("look at the rows", &error)),
    }
}

async fn execute(session: &mut Session, statement: &str) -> Result<()> {
    let executed = session.connection.execute(statement).await;
    executed.map(drop).map_err(|error| {
        refused(
            statement.split(" PARTITION").next().unwrap_or(statement),
            &error,
        )
    })
}

/// Why a step failed: whatever Postgres says, the next run tries again.
fn refused(doing: &str, error: &sqlx::Error) -> Error {
    Error::retriable(format!("cannot {doing}: {}", describe(error)))
}
