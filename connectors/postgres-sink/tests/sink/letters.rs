//! The dead letter table: exactly once, as the rows.

use anyhow::Result;
use connect_api::{
    DeadLetter, DeadLetterStorage, ErrorKind, Offset, RawHeader, RecordBatch, SinkTask, Timestamp,
};
use harness_postgres::postgres::TestDatabase;

use crate::fixture::{
    Maker, Reports, database, end_sessions, letter, opened, put, put_until, rows, stored, task,
};

const TABLE: &str = "CREATE TABLE events (id bigserial, n int CHECK (n <> 13))";
const OPTIONS: [(&str, &str); 2] = [
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.table.name", "letters"),
];

fn kept() -> Reports {
    Reports {
        kept: true,
        ..Reports::default()
    }
}

/// Ten offsets: those of the numbers reach the sink, 1 and 8 failed before.
fn ten(maker: &mut Maker, first: i64, numbers: &[(i64, &str)]) -> Result<RecordBatch> {
    let records = numbers
        .iter()
        .map(|(offset, number)| maker.record(0, first + offset, &format!(r#"{{"n":{number}}}"#)));
    let records: Result<Vec<_>> = records.collect();
    let mut batch = crate::fixture::batch(0, first, records?)?;
    batch.next_offset = Offset(first + 10);
    batch.dead_letters = [1, 8]
        .map(|offset| letter(0, first + offset, "before"))
        .into();
    Ok(batch)
}

async fn letters(database: &TestDatabase) -> Result<Vec<String>> {
    let query = "SELECT concat_ws(' ', \"offset\", convert_from(value, 'UTF8')) FROM letters \
                 ORDER BY \"offset\", id";
    rows(database, query).await
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_committed_with_their_offsets() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &OPTIONS)?;
    assert_eq!(task.dead_letters(), DeadLetterStorage::Sink);
    opened(&mut *task, &[0]).await?;
    assert_eq!(database.count("letters").await?, 0);
    let mut maker = Maker::default();
    // 2 cannot be encoded; Postgres refuses 5, and takes the batch apart to find it.
    let numbers = [(0, "1"), (2, "\"x\""), (4, "2"), (5, "13"), (9, "3")];
    let mut reports = kept();
    task.put(&[ten(&mut maker, 0, &numbers)?], &mut reports)
        .await?;
    assert_eq!(reports.offsets(), [2, 5]);
    assert_eq!(
        letters(&database).await?,
        ["1 before", "2 value 2", "5 value 5", "8 before"]
    );
    assert_eq!(database.count("events").await?, 3);
    assert_eq!(stored(&database, 0).await?, Some(10));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_has_the_very_bytes_and_says_why() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &OPTIONS)?;
    opened(&mut *task, &[0]).await?;
    let mut batch = Maker::default().batch(0, 0, &[r#"{"n":1}"#])?;
    batch.next_offset = Offset(3);
    let mut odd: DeadLetter = letter(0, 1, "");
    odd.record.key = Some(vec![0, 255].into());
    odd.record.value = None;
    // Kafka keeps whatever a producer calls a time.
    odd.record.timestamp = Some(Timestamp(i64::MAX));
    let header = |name: &str, value: Option<&[u8]>| RawHeader {
        name: name.into(),
        value: value.map(|bytes| bytes.to_vec().into()),
    };
    odd.record.headers = vec![header("a\0b", Some(&[0])), header("c", None)];
    batch.dead_letters = vec![odd, letter(0, 2, "two")];
    put(&mut *task, &[batch]).await?;
    let query = "SELECT concat_ws(' | ', connector, task, topic, partition, \"offset\", \
        coalesce(extract(epoch FROM timestamp)::text, '-'), stage, class, exception, error, \
        coalesce(key::text, '-'), coalesce(value::text, '-'), header_names, header_values, \
        failed_at <= now()) FROM letters ORDER BY id";
    assert_eq!(
        rows(&database, query).await?,
        [
            "test | 0 | events | 0 | 1 | - | TASK_PUT | FerrulePostgresSink | \
             org.apache.kafka.connect.errors.DataException | it is bad | \\x00ff | - | \
             {a\u{fffd}b,c} | {\"\\\\x00\",NULL} | t",
            "test | 0 | events | 0 | 2 | 1736173800.123000 | TASK_PUT | FerrulePostgresSink | \
             org.apache.kafka.connect.errors.DataException | it is bad | - | \\x74776f | {} | {} | \
             t",
        ]
    );
    Ok(())
}

async fn put_again(task: &mut dyn SinkTask, batch: &RecordBatch) -> Result<()> {
    put_until(task, std::slice::from_ref(batch), &mut kept()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repetition_doubles_no_letter() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &OPTIONS)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let numbers = [(0, "1"), (2, "\"x\""), (5, "13")];
    for first in [0, 10, 20] {
        let batch = ten(&mut maker, first, &numbers)?;
        put_again(&mut *task, &batch).await?;
        // As when the answer to the COMMIT was lost.
        put_again(&mut *task, &batch).await?;
        end_sessions(&database).await?;
        put_again(&mut *task, &batch).await?;
        end_sessions(&database).await?;
    }
    assert_eq!(letters(&database).await?.len(), 12);
    assert_eq!(database.count("events").await?, 3);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_letter_holds_rows_and_offsets() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &OPTIONS)?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    for (change, expect) in [
        (
            "ALTER TABLE letters ADD CHECK (\"offset\" < 0)",
            "cannot write to the dead letter table: Postgres reports 23514",
        ),
        (
            "ALTER TABLE letters RENAME error TO err",
            "the dead letter table letters has no column error",
        ),
    ] {
        database.execute(change).await?;
        let given = ten(&mut maker, 0, &[(0, "1")])?;
        let error = task
            .put(&[given], &mut kept())
            .await
            .expect_err("no letters");
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains(expect), "{error}");
        assert_eq!(database.count("events").await?, 0);
        assert_eq!(stored(&database, 0).await?, Some(0));
    }
    // It is made anew when it is gone.
    database.execute("DROP TABLE letters").await?;
    put(&mut *task, &[ten(&mut maker, 0, &[(0, "1")])?]).await?;
    assert_eq!(letters(&database).await?, ["1 before", "8 before"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_owner_writes_no_letter() -> Result<()> {
    let database = database(TABLE).await?;
    let mut former = task(&database, &OPTIONS)?;
    opened(&mut *former, &[0]).await?;
    let mut owner = task(&database, &OPTIONS)?;
    opened(&mut *owner, &[0]).await?;
    let given = ten(&mut Maker::default(), 0, &[(2, "\"x\"")])?;
    let error = former
        .put(std::slice::from_ref(&given), &mut kept())
        .await
        .expect_err("it is fenced");
    assert_eq!(error.kind(), ErrorKind::Fenced);
    owner.put(&[given], &mut kept()).await?;
    assert_eq!(
        letters(&database).await?,
        ["1 before", "2 value 2", "8 before"]
    );
    Ok(())
}
