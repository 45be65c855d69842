//! Partitions that are made ahead and dropped behind, while a sink writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use connect_api::ErrorKind;
use harness_postgres::postgres::TestDatabase;
use postgres_sink::maintain::{Address, Maintainer, Plan, Schedule, Step};

use crate::fixture::{Maker, database, opened, put, rows, task};

const TABLE: &str = "CREATE TABLE events (n bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(), \
     v int GENERATED ALWAYS AS (n::int + 1) STORED, PRIMARY KEY (n, at), CHECK (n >= 0)) \
     PARTITION BY RANGE (at); CREATE INDEX ON events (at)";

fn schedule(interval: &str, ahead: u32, retention: Option<&str>) -> Schedule {
    Schedule {
        table: "events".to_owned(),
        interval: interval.to_owned(),
        ahead,
        behind: 0,
        retention: retention.map(str::to_owned),
    }
}

fn address(database: &TestDatabase) -> Address {
    Address {
        url: database.url(),
        user: None,
        password: None,
        lock_timeout: Duration::from_secs(20),
    }
}

async fn run(database: &TestDatabase, schedule: &Schedule) -> connect_api::Result<Plan> {
    let mut maintainer = Maintainer::connect(&address(database)).await?;
    maintainer.run(schedule, |_| ()).await
}

async fn plan(database: &TestDatabase, schedule: &Schedule) -> connect_api::Result<Plan> {
    let mut maintainer = Maintainer::connect(&address(database)).await?;
    maintainer.plan(schedule).await
}

/// A partition of so many days ago until so many days ago.
async fn partition(database: &TestDatabase, name: &str, from: i32, to: i32) -> Result<()> {
    let statement = format!(
        "DO $$ BEGIN EXECUTE format('CREATE TABLE {name} PARTITION OF events FOR VALUES FROM (%L) \
         TO (%L)', now()::date - {from}, now()::date - {to}); END $$"
    );
    database.execute(&statement).await
}

async fn partitions(database: &TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT c.relname::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid \
                 WHERE inhparent = 'events'::regclass ORDER BY 1";
    rows(database, query).await
}

fn texts(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(Step::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_made_ahead_and_dropped_behind_while_a_sink_writes() -> Result<()> {
    let database = Arc::new(database(TABLE).await?);
    partition(&database, "old_1", 300, 200).await?;
    partition(&database, "old_2", 200, 91).await?;
    // It reaches into the time that is kept.
    partition(&database, "half", 91, 60).await?;
    partition(&database, "now", 60, -3).await?;
    database
        .execute(
            "INSERT INTO events SELECT n, now() - '1 day'::interval * n \
                  FROM generate_series(2, 250) n",
        )
        .await?;

    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (database, stop) = (Arc::clone(&database), Arc::clone(&stop));
        async move {
            let mut task = task(&database, &[])?;
            opened(&mut *task, &[0]).await?;
            let (mut maker, mut offset) = (Maker::default(), 0);
            while !stop.load(Ordering::Relaxed) || offset < 20 {
                let object = format!(r#"{{"n":{}}}"#, 1_000_000 + offset);
                let given = maker.batch(0, offset, &[&object])?;
                put(&mut *task, &[given]).await?;
                offset += 1;
            }
            task.stop().await;
            anyhow::Ok(offset)
        }
    });
    let schedule = schedule("7 days", 3, Some("90 days"));
    let shown = texts(&plan(&database, &schedule).await?);
    let done = texts(&run(&database, &schedule).await?);
    stop.store(true, Ordering::Relaxed);
    let written = writing.await??;

    // What it shows is what it does.
    assert_eq!(shown.len(), done.len());
    let dropped: Vec<_> = done
        .iter()
        .filter(|step| step.starts_with("drop"))
        .collect();
    assert_eq!(dropped.len(), 2, "{done:?}");
    let left = partitions(&database).await?;
    ensure!(left.contains(&"half".to_owned()) && left.contains(&"now".to_owned()));
    ensure!(!left.iter().any(|name| name.starts_with("old")), "{left:?}");
    let tables = "SELECT count(*)::text FROM pg_class WHERE relname LIKE 'old%'";
    assert_eq!(rows(&database, tables).await?, ["0"]);

    // No row is lost that is not past its time, and each one of the sink is there once.
    let kept = database.count("events WHERE n < 1000000").await?;
    assert_eq!(kept, 89 + 1, "those of two to ninety-one days ago");
    assert_eq!(database.count("events WHERE n >= 1000000").await?, written);
    // Three weeks after this one are there, with the columns and indexes of the whole.
    database
        .execute("INSERT INTO events (n, at) VALUES (500000, now() + '21 days')")
        .await?;
    let made = rows(&database, "SELECT v::text FROM events WHERE n = 500000").await?;
    assert_eq!(made, ["500001"]);
    let refused = database
        .execute("INSERT INTO events (n, at) VALUES (-1, now() + '21 days')")
        .await;
    ensure!(refused.is_err(), "the check holds in a new partition");

    assert_eq!(texts(&run(&database, &schedule).await?), [""; 0]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_changes_nothing_and_months_are_whole() -> Result<()> {
    let database = database(TABLE).await?;
    let schedule = schedule("1 month", 2, Some("90 days"));
    let shown = texts(&plan(&database, &schedule).await?);
    assert_eq!(partitions(&database).await?, [""; 0]);
    run(&database, &schedule).await?;
    let query = "SELECT 'create events_p' || to_char(month, 'YYYYMMDD') || ': ' || month || ' to ' \
                 || month + interval '1 month' FROM generate_series(0, 2) n, \
                 LATERAL (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') \
                     + n * interval '1 month' AS month) months";
    assert_eq!(shown, rows(&database, query).await?);
    assert_eq!(partitions(&database).await?.len(), 3);
    // Another interval goes on from where the partitions end.
    let weekly = self::schedule("7 days", 20, None);
    let more = run(&database, &weekly).await?;
    ensure!(!more.steps.is_empty() && more.kept == 3, "{:?}", more.steps);
    assert_eq!(texts(&plan(&database, &weekly).await?), [""; 0]);
    let gaps = "SELECT count(*)::text FROM generate_series(now(), now() + '140 days', '1 day') at \
                WHERE NOT EXISTS (SELECT FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid \
                WHERE inhparent = 'events'::regclass \
                AND at >= (regexp_match(pg_get_expr(relpartbound, c.oid), \
                    'FROM \\(''([^'']+)'))[1]::timestamptz \
                AND at < (regexp_match(pg_get_expr(relpartbound, c.oid), \
                    'TO \\(''([^'']+)'))[1]::timestamptz)";
    assert_eq!(rows(&database, gaps).await?, ["0"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_at_the_same_time_do_it_once() -> Result<()> {
    let database = Arc::new(database(TABLE).await?);
    partition(&database, "old", 300, 200).await?;
    let schedule = Arc::new(schedule("1 day", 5, Some("90 days")));
    let runs = (0..5).map(|_| {
        let (database, schedule) = (Arc::clone(&database), Arc::clone(&schedule));
        tokio::spawn(async move { run(&database, &schedule).await })
    });
    let runs: Vec<_> = runs.collect();
    let mut steps = 0;
    for run in runs {
        steps += run.await??.steps.len();
    }
    assert_eq!(steps, 7, "six days and one drop");
    assert_eq!(partitions(&database).await?.len(), 6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_a_default_partition_are_told_and_it_is_never_dropped() -> Result<()> {
    let database = database(TABLE).await?;
    database
        .execute("CREATE TABLE rest PARTITION OF events DEFAULT")
        .await?;
    partition(&database, "old", 300, 200).await?;
    database
        .execute("INSERT INTO events VALUES (1, now()), (2, now() - '400 days'::interval)")
        .await?;
    let schedule = schedule("1 day", 1, Some("90 days"));
    let plan = run(&database, &schedule).await?;
    // Today's rows are in the default partition; tomorrow has none.
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
    ensure!(
        plan.warnings[0].contains("default partition"),
        "{:?}",
        plan.warnings
    );
    let left = partitions(&database).await?;
    assert_eq!(left.len(), 2, "{left:?}");
    ensure!(left.contains(&"rest".to_owned()) && !left.contains(&"old".to_owned()));
    assert_eq!(database.count("events").await?, 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_interrupted_is_finished_by_the_next() -> Result<()> {
    let database = database(TABLE).await?;
    partition(&database, "pending", 300, 250).await?;
    partition(&database, "detached", 250, 200).await?;
    partition(&database, "written", 200, 150).await?;
    partition(&database, "alien", 150, 100).await?;
    database
        .execute("INSERT INTO events VALUES (1, now() - '300 days'::interval)")
        .await?;
    // A reader of the table keeps the detaching from its end; then the run dies.
    let mut reader = database.pool().begin().await?;
    sqlx::query("SELECT count(*) FROM events")
        .fetch_one(&mut *reader)
        .await?;
    let detach = async {
        let mut connection = database.pool().acquire().await?;
        sqlx::query("SET statement_timeout = '500ms'")
            .execute(&mut *connection)
            .await?;
        let detach = "ALTER TABLE events DETACH PARTITION pending CONCURRENTLY";
        let outcome = sqlx::raw_sql(detach).execute(&mut *connection).await;
        sqlx::query("RESET statement_timeout")
            .execute(&mut *connection)
            .await?;
        anyhow::Ok(outcome.is_err())
    };
    ensure!(detach.await?, "the reader was in its way");
    reader.rollback().await?;
    // Others died between detaching and dropping.
    let comment = "ferrule maintain: past its time, to be dropped; was of \"public\".\"events\"";
    for table in ["detached", "written"] {
        let statements = format!(
            "COMMENT ON TABLE {table} IS '{comment}'; ALTER TABLE events DETACH PARTITION {table}"
        );
        database.execute(&statements).await?;
    }
    // One was detached by hand, and is nobody's business.
    database
        .execute("ALTER TABLE events DETACH PARTITION alien")
        .await?;
    database
        .execute("INSERT INTO written VALUES (9, now())")
        .await?;

    let error = run(&database, &schedule("1 day", 0, Some("90 days"))).await;
    let error = error.expect_err("one has newer rows").chain();
    ensure!(error.contains("has rows that are newer"), "{error}");
    let left = "SELECT relname::text FROM pg_class \
                WHERE relname IN ('pending', 'detached', 'written', 'alien') ORDER BY 1";
    assert_eq!(rows(&database, left).await?, ["alien", "written"]);
    assert_eq!(database.count("written").await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_holds_its_lock_delays_a_step_and_no_other() -> Result<()> {
    let database = database(TABLE).await?;
    partition(&database, "old", 300, 200).await?;
    let mut writer = database.pool().begin().await?;
    sqlx::query("INSERT INTO events VALUES (1, now() - '250 days'::interval)")
        .execute(&mut *writer)
        .await?;
    let mut address = address(&database);
    address.lock_timeout = Duration::from_millis(300);
    let schedule = schedule("1 day", 2, Some("90 days"));
    let mut maintainer = Maintainer::connect(&address).await?;
    let mut done = Vec::new();
    let outcome = maintainer
        .run(&schedule, |step| done.push(step.to_string()))
        .await;
    let error = outcome.expect_err("the writer is in the way").chain();
    ensure!(error.contains("drop") && error.contains("55P03"), "{error}");
    // The days were made beside the writer.
    assert_eq!(done.len(), 3, "{done:?}");
    writer.commit().await?;
    run(&database, &schedule).await?;
    ensure!(!partitions(&database).await?.contains(&"old".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn names_types_and_zones_of_any_kind_are_taken() -> Result<()> {
    for (kind, interval) in [
        ("timestamp", "6 hours"),
        ("date", "1 day"),
        ("timestamptz", "2 months"),
    ] {
        let table = format!(
            "CREATE SCHEMA \"Odd.Schema\"; CREATE TABLE \"Odd.Schema\".\"T\"\"x{}\" (\"At'\" \
             {kind} NOT NULL) PARTITION BY RANGE (\"At'\")",
            "y".repeat(50)
        );
        let database = database(&table).await?;
        let zone = format!(
            "ALTER DATABASE {} SET timezone = 'Asia/Kathmandu'",
            database.name()
        );
        database.execute(&zone).await?;
        let mut schedule = schedule(interval, 2, Some("1 day"));
        schedule.behind = 2;
        schedule.table = format!("\"Odd.Schema\".\"T\"\"x{}\"", "y".repeat(50));
        let made = run(&database, &schedule).await?;
        ensure!(
            (3..=5).contains(&made.steps.len()),
            "{kind}: {:?}",
            made.steps
        );
        let insert = format!(
            "INSERT INTO {} VALUES (now() AT TIME ZONE 'UTC')",
            schedule.table
        );
        database.execute(&insert).await?;
        assert_eq!(texts(&run(&database, &schedule).await?), [""; 0]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_maintained_is_refused_with_the_reason() -> Result<()> {
    let database = database(
        "CREATE TABLE plain (at timestamptz); \
         CREATE TABLE listed (at timestamptz) PARTITION BY LIST (at); \
         CREATE TABLE two (at timestamptz, n int) PARTITION BY RANGE (at, n); \
         CREATE TABLE number (n int) PARTITION BY RANGE (n); \
         CREATE TABLE computed (n int) PARTITION BY RANGE ((n + 1)); \
         CREATE TABLE day (at date) PARTITION BY RANGE (at); \
         CREATE TABLE events (at timestamptz) PARTITION BY RANGE (at)",
    )
    .await?;
    let cases = [
        ("missing", "1 month", "1 day", "there is no table missing"),
        ("plain", "1 month", "1 day", "is not a partitioned table"),
        (
            "listed",
            "1 month",
            "1 day",
            "is not partitioned by the range of one column",
        ),
        (
            "two",
            "1 month",
            "1 day",
            "is not partitioned by the range of one column",
        ),
        (
            "number",
            "1 month",
            "1 day",
            "is not partitioned by the range of one column",
        ),
        (
            "computed",
            "1 month",
            "1 day",
            "is not partitioned by the range of one column",
        ),
        ("day", "6 hours", "1 day", "at least a day"),
        ("day", "36 hours", "1 day", "whole days"),
        ("events", "soon", "1 day", "is no interval"),
        ("events", "1 month", "long", "is no interval"),
        (
            "events",
            "1 month 2 days",
            "1 day",
            "whole months, or of days",
        ),
        ("events", "-1 month", "1 day", "whole months, or of days"),
        ("events", "0", "1 day", "whole months, or of days"),
        ("events", "1 second", "1 day", "at least a minute"),
        ("events", "1 month", "-1 day", "greater than none"),
        ("a.b.c.d", "1 month", "1 day", "more than three parts"),
    ];
    for (table, interval, retention, expected) in cases {
        let mut schedule = schedule(interval, 2, Some(retention));
        schedule.table = table.to_owned();
        let error = plan(&database, &schedule).await.expect_err(expected);
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        ensure!(error.chain().contains(expected), "{}", error.chain());
    }
    let many = plan(&database, &schedule("1 month", 100_000, None)).await;
    ensure!(many.is_err(), "too many at once");
    let nowhere = Address {
        url: "mysql://x".to_owned(),
        ..address(&database)
    };
    ensure!(Maintainer::connect(&nowhere).await.is_err());
    Ok(())
}
