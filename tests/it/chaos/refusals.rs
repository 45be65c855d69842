//! What Postgres refuses for reasons that no record is to blame for: it is waited for or tried
//! again, nothing is passed over, and no record gets a dead letter.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use sqlx::PgConnection;

const LIMIT: Duration = Duration::from_secs(30);

/// Raises what the table `fault` holds, as the server itself would.
const FAULTS: &str = "CREATE TABLE fault (code text);
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE found text;
    BEGIN
        SELECT code INTO found FROM fault;
        IF found IS NOT NULL THEN RAISE EXCEPTION 'injected' USING ERRCODE = found; END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER fail BEFORE INSERT ON ledger FOR EACH STATEMENT EXECUTE FUNCTION fail()";

/// A connector that would tolerate errors of records.
async fn tolerant(ledger: &Ledger<'_>) -> Result<()> {
    let letters = format!("{}-dlq", ledger.name);
    let settings = [
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", letters.as_str()),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
    ];
    let rest = TestWorker::shared().await?.rest();
    ledger.deploy(rest, &settings).await
}

/// Checks that all rows are there, and no dead letter.
async fn whole(ledger: &Ledger<'_>) -> Result<()> {
    ledger.complete(TestWorker::shared().await?.rest()).await?;
    let letters = format!("{}-dlq", ledger.name);
    let letters = TestKafka::shared().await?.read(&letters).await?;
    ensure!(letters.is_empty(), "{} dead letters", letters.len());
    Ok(())
}

/// Waits until the task's status tells of a failure with this SQLSTATE, while it runs on.
async fn waits(ledger: &Ledger<'_>, code: &str) -> Result<()> {
    let rest = TestWorker::shared().await?.rest();
    wait_until(
        LIMIT,
        &format!("the status to tell of {code}"),
        async || {
            let status = rest.status(&ledger.name).await?;
            let task = &status["tasks"][0];
            ensure!(task["state"] == "RUNNING", "{status}");
            Ok(task["message"]
                .as_str()
                .is_some_and(|message| message.contains(code)))
        },
    )
    .await
}

/// Waits until the log tells of a failure with this SQLSTATE.
async fn logged(ledger: &Ledger<'_>, code: &str) -> Result<()> {
    let worker = TestWorker::shared().await?;
    wait_until(LIMIT, &format!("the log to tell of {code}"), async || {
        let log = worker.log()?;
        Ok(log
            .lines()
            .any(|line| line.contains(&ledger.name) && line.contains(code)))
    })
    .await
}

async fn run(connection: &mut PgConnection, statements: &str) -> Result<()> {
    sqlx::raw_sql(statements).execute(connection).await?;
    Ok(())
}

/// Waits until a session of the sink waits for a lock.
async fn blocked(ledger: &Ledger<'_>) -> Result<()> {
    let waiting = "pg_stat_activity WHERE datname = current_database() \
                   AND application_name LIKE 'ferrule:%' AND wait_event_type = 'Lock'";
    wait_until(LIMIT, "the sink to wait for a lock", async || {
        Ok(ledger.database.count(waiting).await? > 0)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_its_like_are_waited_for() -> Result<()> {
    let ledger = Ledger::shared("disk_full", 2).await?;
    ledger.database.execute(FAULTS).await?;
    tolerant(&ledger).await?;
    let failing = async {
        for code in [
            "53100", "53200", "53000", "58030", "57P01", "40001", "40P01",
        ] {
            ledger.progress().await?;
            let raise = format!("INSERT INTO fault VALUES ('{code}')");
            ledger.database.execute(&raise).await?;
            waits(&ledger, code).await?;
            let before = (ledger.rows().await?, ledger.stored().await?);
            tokio::time::sleep(Duration::from_millis(300)).await;
            let after = (ledger.rows().await?, ledger.stored().await?);
            ensure!(before == after, "it wrote on: {before:?}, {after:?}");
            ledger.database.execute("TRUNCATE fault").await?;
        }
        ledger.progress().await
    };
    ledger.meanwhile(failing).await?;
    whole(&ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_connections_are_waited_for() -> Result<()> {
    let ledger = Ledger::shared("connections", 2).await?;
    tolerant(&ledger).await?;
    let mut admin = ledger.database.superuser().await?;
    let limit = |most| {
        format!(
            "ALTER DATABASE {} CONNECTION LIMIT {most}",
            ledger.database.name()
        )
    };
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name LIKE 'ferrule:%'";
    let failing = async {
        ledger.progress().await?;
        run(&mut admin, &limit(0)).await?;
        run(&mut admin, end).await?;
        waits(&ledger, "53300").await?;
        run(&mut admin, &limit(-1)).await?;
        ledger.progress().await
    };
    ledger.meanwhile(failing).await?;
    whole(&ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_with_a_foreign_transaction_is_survived() -> Result<()> {
    let ledger = Ledger::shared("deadlock", 2).await?;
    tolerant(&ledger).await?;
    let mut foreign = ledger.database.superuser().await?;
    let deadlocking = async {
        for _ in 0..2 {
            ledger.progress().await?;
            // It takes the rows first and the table next, the sink the other way round. The
            // server looks for deadlocks on the sink's behalf first, and so gives the sink up.
            run(
                &mut foreign,
                "SET deadlock_timeout = '1min'; BEGIN; SELECT FROM ferrule.offsets FOR UPDATE",
            )
            .await?;
            blocked(&ledger).await?;
            run(
                &mut foreign,
                "LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE; COMMIT",
            )
            .await?;
        }
        logged(&ledger, "40P01").await?;
        ledger.progress().await
    };
    ledger.meanwhile(deadlocking).await?;
    whole(&ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serialization_failure_is_survived() -> Result<()> {
    let ledger = Ledger::shared("serialization", 2).await?;
    let stricter = format!(
        "ALTER DATABASE {} SET default_transaction_isolation = 'repeatable read'",
        ledger.database.name()
    );
    ledger.database.execute(&stricter).await?;
    tolerant(&ledger).await?;
    let mut foreign = ledger.database.superuser().await?;
    let failing = async {
        for _ in 0..3 {
            ledger.progress().await?;
            run(
                &mut foreign,
                "BEGIN ISOLATION LEVEL READ COMMITTED; UPDATE ferrule.offsets SET updated_at = now()",
            )
            .await?;
            blocked(&ledger).await?;
            run(&mut foreign, "COMMIT").await?;
        }
        logged(&ledger, "40001").await?;
        ledger.progress().await
    };
    ledger.meanwhile(failing).await?;
    whole(&ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_timeout_shrinks_the_batch() -> Result<()> {
    let ledger = Ledger::shared("statement", 1).await?;
    // A hundred rows take a second; the database lets no statement have more than a third of one.
    let slow = format!(
        "ALTER DATABASE {} SET statement_timeout = '350ms';
         CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
         CREATE TRIGGER slow BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION slow()",
        ledger.database.name()
    );
    ledger.database.execute(&slow).await?;
    ledger.produce(300).await?;
    tolerant(&ledger).await?;
    whole(&ledger).await
}
