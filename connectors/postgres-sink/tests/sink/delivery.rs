//! Exactly once: lost connections, lost answers, other owners.

use anyhow::Result;
use connect_api::{
    Connector as _, ErrorKind, Offset, OffsetChange, RecordBatch, SinkConnector, SinkTask,
    Timestamp,
};
use harness_postgres::postgres::TestDatabase;
use postgres_sink::PostgresSinkConnector;

use crate::fixture::{
    Maker, Reports, batch, context, database, end_sessions, open, opened, partition, put,
    put_until, rows, start_at, stored, task, verify,
};

const TABLE: &str = "CREATE TABLE events (id bigserial, n int CHECK (n <> 13))";

async fn numbers(database: &TestDatabase) -> Result<Vec<String>> {
    rows(database, "SELECT n::text FROM events ORDER BY id").await
}

fn counted(maker: &mut Maker, numbers: std::ops::Range<i64>) -> Result<RecordBatch> {
    let first = numbers.start;
    let records: Result<Vec<_>> = numbers
        .map(|n| maker.record(0, n, &format!(r#"{{"n":{n}}}"#)))
        .collect();
    batch(0, first, records?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_task_goes_on_where_the_database_says() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut first = task(&database, &[])?;
    assert_eq!(
        open(&mut *first, &[partition(0)]).await?[0].next_offset,
        None
    );
    start_at(&mut *first, &[(partition(0), Offset(5))]).await?;
    put(&mut *first, &[counted(&mut maker, 5..8)?]).await?;
    first.stop().await;
    let mut second = task(&database, &[])?;
    assert_eq!(
        open(&mut *second, &[partition(0)]).await?[0].next_offset,
        Some(Offset(8))
    );
    assert_eq!(numbers(&database).await?, ["5", "6", "7"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_put_writes_nothing_twice() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let given = [counted(&mut maker, 0..3)?];
    put(&mut *task, &given).await?;
    // As when the answer to the COMMIT was lost, on the same connection and on a new one.
    put(&mut *task, &given).await?;
    end_sessions(&database).await?;
    let next = [counted(&mut maker, 3..5)?];
    assert_eq!(
        put_until(&mut *task, &next, &mut Reports::default()).await?,
        1
    );
    end_sessions(&database).await?;
    put_until(&mut *task, &next, &mut Reports::default()).await?;
    assert_eq!(numbers(&database).await?, ["0", "1", "2", "3", "4"]);
    assert_eq!(stored(&database, 0).await?, Some(5));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_the_task_never_heard_of_is_not_repeated() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let given = [counted(&mut maker, 0..3)?];
    // The transaction of the put as the server saw it, without its answer.
    database
        .execute(
            "INSERT INTO events (n) VALUES (0), (1), (2); \
             UPDATE ferrule.offsets SET next_offset = 3",
        )
        .await?;
    end_sessions(&database).await?;
    put_until(&mut *task, &given, &mut Reports::default()).await?;
    assert_eq!(numbers(&database).await?, ["0", "1", "2"]);
    // A part of the batch, as when the task was on its way to a bad record.
    database
        .execute(
            "INSERT INTO events (n) VALUES (3), (4); \
             UPDATE ferrule.offsets SET next_offset = 5",
        )
        .await?;
    end_sessions(&database).await?;
    let next = [counted(&mut maker, 3..8)?];
    put_until(&mut *task, &next, &mut Reports::default()).await?;
    assert_eq!(
        numbers(&database).await?,
        ["0", "1", "2", "3", "4", "5", "6", "7"]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_owner_cannot_write() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let (mut old, mut new) = (task(&database, &[])?, task(&database, &[])?);
    opened(&mut *old, &[0]).await?;
    put(&mut *old, &[counted(&mut maker, 0..2)?]).await?;
    opened(&mut *new, &[0]).await?;
    let late = [counted(&mut maker, 2..4)?];
    let mut reports = Reports::default();
    let error = old.put(&late, &mut reports).await.expect_err("fenced");
    assert_eq!(error.kind(), ErrorKind::Fenced);
    // Also when it has lost its connection, and comes back.
    let error = put_until(&mut *old, &late, &mut reports)
        .await
        .expect_err("fenced");
    assert_eq!(error.kind(), ErrorKind::Fenced);
    put(&mut *new, &late).await?;
    assert_eq!(numbers(&database).await?, ["0", "1", "2", "3"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_that_was_moved_by_hand_is_noticed() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    put(&mut *task, &[counted(&mut maker, 0..2)?]).await?;
    database
        .execute("UPDATE ferrule.offsets SET next_offset = 1")
        .await?;
    let given = [counted(&mut maker, 2..4)?];
    let mut reports = Reports::default();
    // The connection that was fenced is given up; a new one is compared with what was durable.
    for expect in [
        ErrorKind::Fenced,
        ErrorKind::OffsetsLost,
        ErrorKind::OffsetsLost,
    ] {
        let error = task.put(&given, &mut reports).await.expect_err("moved");
        assert_eq!(error.kind(), expect, "{error}");
    }
    assert_eq!(
        open(&mut *task, &[partition(0)]).await?[0].next_offset,
        Some(Offset(1))
    );
    put(&mut *task, &[counted(&mut maker, 1..4)?]).await?;
    assert_eq!(numbers(&database).await?, ["0", "1", "1", "2", "3"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_owner_is_ended_by_the_next() -> Result<()> {
    let database = database("CREATE TABLE events (id bigserial, n int UNIQUE)").await?;
    let mut maker = Maker::default();
    let mut frozen = task(&database, &[])?;
    opened(&mut *frozen, &[0]).await?;
    // The put waits for the fate of another's row, and holds the lock of its offset's row.
    let mut holder = database.pool().begin().await?;
    sqlx::query("INSERT INTO events (n) VALUES (0)")
        .execute(&mut *holder)
        .await?;
    let given = [counted(&mut maker, 0..2)?];
    let handed = given.clone();
    let putting = tokio::spawn(async move {
        let outcome = frozen.put(&handed, &mut Reports::default()).await;
        (frozen, outcome)
    });
    harness_postgres::wait::wait_until(std::time::Duration::from_secs(10), "the put to wait", async || {
        let waiting = "SELECT count(*)::text FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                       AND datname = current_database()";
        Ok(rows(&database, waiting).await? == ["1"])
    })
    .await?;
    let mut next = task(&database, &[("lock.timeout.ms", "200")])?;
    opened(&mut *next, &[0]).await?;
    holder.rollback().await?;
    let (mut frozen, outcome) = putting.await?;
    assert_eq!(outcome.expect_err("ended").kind(), ErrorKind::Retriable);
    let error = put_until(&mut *frozen, &given, &mut Reports::default()).await;
    assert_eq!(error.expect_err("fenced").kind(), ErrorKind::Fenced);
    put(&mut *next, &given).await?;
    assert_eq!(numbers(&database).await?, ["0", "1"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_end_at_any_moment_lose_and_double_nothing() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let mut reports = Reports::default();
    let (done, mut is_done) = tokio::sync::oneshot::channel::<()>();
    let chaos = async {
        let mut ended = 0;
        while is_done.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            tokio::time::sleep(std::time::Duration::from_millis(ended % 7)).await;
            end_sessions(&database).await?;
            ended += 1;
        }
        Ok::<_, anyhow::Error>(ended)
    };
    let putting = async {
        let (mut retries, mut count) = (0, 0);
        // Where all is over before a session has ended, there is more to put.
        while count < 2_000 || (retries == 0 && count < 200_000) {
            let given = [counted(&mut maker, count..count + 50)?];
            retries += put_until(&mut *task, &given, &mut reports).await?;
            count += 50;
        }
        let _ = done.send(());
        Ok::<_, anyhow::Error>((retries, count))
    };
    let (put, ended) = tokio::join!(putting, chaos);
    let ((retries, count), ended) = (put?, ended?);
    assert!(retries > 0, "no put was hit by any of {ended} ends");
    let expect: Vec<_> = (0..count)
        .filter(|n| *n != 13)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(numbers(&database).await?, expect);
    assert_eq!(reports.offsets(), [13]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_least_once_leaves_the_offsets_to_kafka() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = task(&database, &[("delivery.guarantee", "at_least_once")])?;
    opened(&mut *task, &[0]).await?;
    put(&mut *task, &[counted(&mut maker, 0..2)?]).await?;
    assert_eq!(numbers(&database).await?, ["0", "1"]);
    let absent = rows(&database, "SELECT to_regclass('ferrule.offsets')::text").await?;
    assert_eq!(absent, ["null"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tasks_may_create_the_table_of_offsets_at_once() -> Result<()> {
    let database = database(TABLE).await?;
    let mut tasks = Vec::new();
    for number in 0..6 {
        let mut task = task(&database, &[])?;
        tasks.push(tokio::spawn(async move {
            open(&mut *task, &[partition(number)]).await
        }));
    }
    for task in tasks {
        assert_eq!(task.await??.len(), 1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_server_is_waited_for_up_to_the_limit() -> Result<()> {
    let port = harness_postgres::names::free_port()?;
    let url = format!("postgres://nobody:canary@127.0.0.1:{port}/none");
    let mut task = crate::fixture::task_at(&url, &[("max.retries", "2")])?;
    let error = open(&mut *task, &[partition(0)])
        .await
        .expect_err("nobody listens");
    assert_eq!(error.kind(), ErrorKind::Retriable);
    assert!(!error.chain().contains("canary"), "{}", error.chain());
    let given = [counted(&mut Maker::default(), 0..1)?];
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let error = task
            .put(&given, &mut Reports::default())
            .await
            .expect_err("away");
        kinds.push(error.kind());
    }
    assert_eq!(
        kinds,
        [ErrorKind::Retriable, ErrorKind::Retriable, ErrorKind::Fatal]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_size_bounds_the_rows_of_a_transaction() -> Result<()> {
    let database =
        database("CREATE TABLE events (n int, tx xid8 DEFAULT pg_current_xact_id())").await?;
    let mut task = task(&database, &[("batch.size", "3")])?;
    opened(&mut *task, &[0, 1]).await?;
    let mut maker = Maker::default();
    // Four records come of one offset: they stay together.
    let mut records = Vec::new();
    for (offset, n) in [
        (0, 0),
        (1, 1),
        (2, 2),
        (2, 3),
        (2, 4),
        (2, 5),
        (3, 6),
        (4, 7),
    ] {
        records.push(maker.record(0, offset, &format!(r#"{{"n":{n}}}"#))?);
    }
    let batches = [
        batch(0, 0, records)?,
        maker.batch(1, 0, &[r#"{"n":8}"#, r#"{"n":9}"#])?,
    ];
    put(&mut *task, &batches).await?;
    let query =
        "SELECT string_agg(n::text, ' ' ORDER BY n) FROM events GROUP BY tx ORDER BY min(n)";
    assert_eq!(
        rows(&database, query).await?,
        ["0 1", "2 3 4 5", "6 7 8", "9"]
    );
    assert_eq!(
        (stored(&database, 0).await?, stored(&database, 1).await?),
        (Some(5), Some(2))
    );
    // A repetition writes nothing.
    put(&mut *task, &batches).await?;
    assert_eq!(database.count("events").await?, 10);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_in_front_of_the_offset_is_known_by_its_timestamp() -> Result<()> {
    let database = database("CREATE TABLE events (n int CHECK (n <> 3))").await?;
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let mut given = |numbers: std::ops::Range<i64>| {
        let mut given = counted(&mut maker, numbers)?;
        for record in &mut given.records {
            record.record.timestamp = Some(Timestamp(1000 + record.origin.offset.0));
        }
        given.last_timestamp = given
            .records
            .last()
            .and_then(|record| record.record.timestamp);
        anyhow::Ok(given)
    };
    put(&mut *task, &[given(0..2)?]).await?;
    let known = async |task: &mut dyn SinkTask| {
        let opened = open(task, &[partition(0)]).await?;
        anyhow::Ok((
            opened[0].next_offset.map(|at| at.0),
            opened[0].last_timestamp.map(|at| at.0),
        ))
    };
    assert_eq!(known(&mut *task).await?, (Some(2), Some(1001)));
    // Taken apart for a record at fault, and as a whole.
    let mut reports = Reports::default();
    task.put(&[given(2..6)?], &mut reports).await?;
    assert_eq!(reports.offsets(), [3]);
    assert_eq!(known(&mut *task).await?, (Some(6), Some(1005)));
    // What comes without one says nothing of the record that is now in front.
    let mut unknown = given(6..7)?;
    unknown.last_timestamp = None;
    put(&mut *task, &[unknown]).await?;
    assert_eq!(known(&mut *task).await?, (Some(7), None));
    put(&mut *task, &[given(7..9)?]).await?;
    assert_eq!(known(&mut *task).await?, (Some(9), Some(1008)));
    // Moved by hand, and back.
    for (next, expect) in [(8, None), (9, Some(1008))] {
        let moved = format!("UPDATE ferrule.offsets SET next_offset = {next}");
        database.execute(&moved).await?;
        assert_eq!(known(&mut *task).await?, (Some(next), expect));
    }
    let connector = PostgresSinkConnector::new();
    let properties = [("connection.url".to_owned(), database.url())];
    let config = connector.config_def().parse(&properties.into())?;
    let change = OffsetChange::Alter(vec![(partition(0), Some(Offset(9)))]);
    // What is not committed is rolled back.
    drop(
        connector
            .alter_offsets(&config, &context(), &change)
            .await?,
    );
    assert_eq!(known(&mut *task).await?, (Some(9), Some(1008)));
    let pending = connector
        .alter_offsets(&config, &context(), &change)
        .await?;
    pending.expect("a change to commit").commit().await?;
    assert_eq!(known(&mut *task).await?, (Some(9), None));
    let stored = connector.offsets(&config, &context()).await?;
    assert_eq!(stored, Some(vec![(partition(0), Offset(9))]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_has_lost_is_noticed_while_nothing_is_put() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = task(&database, &[])?;
    opened(&mut *task, &[0, 1]).await?;
    put(&mut *task, &[counted(&mut maker, 0..4)?]).await?;
    verify(&mut *task).await?;
    let lost = [
        "UPDATE ferrule.offsets SET next_offset = 2 WHERE \"partition\" = 0",
        // A transaction that moved no offset.
        "UPDATE ferrule.offsets SET version = version - 1 WHERE \"partition\" = 0",
        // The row of a partition that has brought nothing.
        "DELETE FROM ferrule.offsets WHERE \"partition\" = 1",
        "UPDATE ferrule.offsets SET next_offset = NULL WHERE \"partition\" = 1",
        "UPDATE ferrule.offsets SET epoch = epoch - 1",
    ];
    for statement in lost {
        for reconnects in [false, true] {
            database
                .execute("UPDATE ferrule.offsets SET version = 5, next_offset = 4")
                .await?;
            opened(&mut *task, &[0, 1]).await?;
            verify(&mut *task).await?;
            database.execute(statement).await?;
            if reconnects {
                end_sessions(&database).await?;
                let away = verify(&mut *task)
                    .await
                    .expect_err("the connection is gone");
                assert_eq!(away.kind(), ErrorKind::Retriable, "{away}");
            }
            for _ in 0..2 {
                let error = verify(&mut *task).await.expect_err("lost");
                assert_eq!(error.kind(), ErrorKind::OffsetsLost, "{statement}: {error}");
            }
            // Batches of a partition that lost nothing wait for the others to be opened again.
            let given = counted(&mut maker, 2..4)?;
            let error = task.put(&[given], &mut Reports::default()).await;
            assert_eq!(error.expect_err("lost").kind(), ErrorKind::OffsetsLost);
        }
    }
    opened(&mut *task, &[0, 1]).await?;
    verify(&mut *task).await?;
    // Another owner is no loss.
    database
        .execute("UPDATE ferrule.offsets SET epoch = epoch + 1")
        .await?;
    let error = verify(&mut *task).await.expect_err("another owner");
    assert_eq!(error.kind(), ErrorKind::Fenced, "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_has_a_name_that_another_one_does_not_have() -> Result<()> {
    let (one, other) = (database(TABLE).await?, database(TABLE).await?);
    let name =
        async |database: &TestDatabase, options: &[(&str, &str)]| -> Result<Option<String>> {
            let mut task = task(database, options)?;
            opened(&mut *task, &[0]).await?;
            let offsets = task.offsets().expect("the sink keeps offsets");
            Ok(offsets.target().map(str::to_owned))
        };
    let first = name(&one, &[]).await?;
    assert!(
        first
            .as_deref()
            .is_some_and(|name| name.split('/').count() == 2),
        "{first:?}"
    );
    assert_eq!(name(&one, &[]).await?, first);
    assert_ne!(name(&other, &[]).await?, first);
    let unkept = [("delivery.guarantee", "at_least_once")];
    assert_eq!(
        name(&one, &unkept).await?,
        None,
        "the group has the offsets"
    );
    Ok(())
}
