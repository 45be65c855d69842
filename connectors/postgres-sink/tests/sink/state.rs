//! The state of transforms: it follows the batches, whole or not at all.

use std::sync::Arc;

use anyhow::Result;
use connect_api::{
    ErrorKind, Offset, RecordBatch, SinkTask, StateChanges, StateDelta, StateEntry, StateStore,
    StoredState, Timestamp,
};
use harness_postgres::postgres::TestDatabase;

use crate::fixture::{
    Maker, Reports, batch, database, end_sessions, keep_state, open, open_state, opened, partition,
    put, rows, stored, task,
};

const TABLE: &str = "CREATE TABLE events (id bigserial, n numeric CHECK (n <> 13))";

/// A task that keeps the state of the transforms `a` and `b`.
fn keeping(database: &TestDatabase, options: &[(&str, &str)]) -> Result<Box<dyn SinkTask>> {
    let mut task = task(database, options)?;
    let store = |transform: &str| StateStore {
        transform: transform.into(),
        limit: 10_000,
    };
    keep_state(&mut *task, vec![store("a"), store("b")])?;
    Ok(task)
}

/// Changes of a transform: keys and their values, none where one is deleted.
fn delta(transform: &str, clock: i64, changes: &[(&str, Option<&str>)]) -> StateDelta {
    let entry = |value: &&str| StateEntry {
        value: value.as_bytes().to_vec().into(),
        expires: Some(Timestamp(clock + 100)),
    };
    let entries = changes
        .iter()
        .map(|(key, value)| (key.as_bytes().to_vec().into(), value.as_ref().map(entry)));
    StateDelta {
        transform: transform.into(),
        changes: StateChanges {
            entries: entries.collect(),
            clock: Some(Timestamp(clock)),
        },
    }
}

fn counted(
    maker: &mut Maker,
    numbers: std::ops::Range<i64>,
    state: Vec<StateDelta>,
) -> Result<RecordBatch> {
    let first = numbers.start;
    let records: Result<Vec<_>> = numbers
        .map(|n| maker.record(0, n, &format!(r#"{{"n":{n}}}"#)))
        .collect();
    Ok(RecordBatch {
        state,
        ..batch(0, first, records?)?
    })
}

/// What a tick makes: a record at the offset before that of the partition.
fn tick(maker: &mut Maker, next_offset: i64, state: Vec<StateDelta>) -> Result<RecordBatch> {
    let record = maker.record(0, next_offset - 1, r#"{"n":1000}"#)?;
    Ok(RecordBatch {
        topic_partition: Arc::new(partition(0)),
        records: vec![record],
        first_offset: Offset(next_offset),
        next_offset: Offset(next_offset),
        last_timestamp: None,
        dead_letters: Vec::new(),
        state,
    })
}

async fn numbers(database: &TestDatabase) -> Result<Vec<String>> {
    rows(database, "SELECT n::text FROM events ORDER BY id").await
}

/// The state of a transform, as another task gets it.
async fn kept(database: &TestDatabase, transform: &str) -> Result<StoredState> {
    let mut other = keeping(database, &[])?;
    let mut states = open_state(&mut *other, 0).await?;
    other.stop().await;
    states.retain(|state| *state.transform == *transform);
    Ok(states.remove(0))
}

fn texts(state: &StoredState) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let entries = state.entries.iter();
    entries
        .map(|(key, entry)| (text(key), text(&entry.value)))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    expected.iter().map(owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_batches_change_is_given_to_the_next_owner() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = keeping(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let first = vec![
        delta(
            "a",
            10,
            &[("x", Some("1")), ("y", Some("2")), ("", Some("empty"))],
        ),
        delta("b", 10, &[("x", Some("of b"))]),
    ];
    put(&mut *task, &[counted(&mut maker, 0..3, first)?]).await?;
    let second = vec![delta(
        "a",
        20,
        &[("x", None), ("y", Some("3")), ("z", Some("4"))],
    )];
    put(&mut *task, &[counted(&mut maker, 3..5, second)?]).await?;
    let a = kept(&database, "a").await?;
    assert_eq!(a.clock, Some(Timestamp(20)));
    assert_eq!(texts(&a), pairs(&[("", "empty"), ("y", "3"), ("z", "4")]));
    let expires: Vec<_> = a.entries.iter().map(|(_, entry)| entry.expires).collect();
    assert_eq!(expires, [110, 120, 120].map(|at| Some(Timestamp(at))));
    let b = kept(&database, "b").await?;
    assert_eq!(
        (b.clock, texts(&b)),
        (Some(Timestamp(10)), pairs(&[("x", "of b")]))
    );
    // The former owner is fenced: neither its rows nor its state get in.
    let late = vec![delta("a", 30, &[("y", Some("late"))])];
    let late = counted(&mut maker, 5..6, late)?;
    let error = task
        .put(&[late], &mut Reports::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Fenced);
    assert_eq!(
        texts(&kept(&database, "a").await?)[1..],
        pairs(&[("y", "3"), ("z", "4")])
    );
    assert_eq!(numbers(&database).await?.len(), 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn more_entries_than_one_statement_takes_are_kept() -> Result<()> {
    let database = database(TABLE).await?;
    let mut task = task(&database, &[])?;
    let store = StateStore {
        transform: "a".into(),
        limit: 100 << 20,
    };
    keep_state(&mut *task, vec![store])?;
    opened(&mut *task, &[0]).await?;
    let mut maker = Maker::default();
    let keys: Vec<String> = (0..25_000).map(|n| format!("{n:05}")).collect();
    let entries: Vec<_> = keys
        .iter()
        .map(|key| (key.as_str(), Some(key.as_str())))
        .collect();
    let state = vec![delta("a", 1, &entries)];
    put(&mut *task, &[counted(&mut maker, 0..1, state)?]).await?;
    let mut state = open_state(&mut *task, 0).await?.remove(0);
    assert_eq!(state.entries.len(), 25_000);
    state.entries.retain(|(key, entry)| *key != entry.value);
    assert_eq!(state.entries, []);
    let deleted: Vec<_> = keys.iter().map(|key| (key.as_str(), None)).collect();
    let state = vec![delta("a", 2, &deleted)];
    put(&mut *task, &[counted(&mut maker, 1..2, state)?]).await?;
    let state = open_state(&mut *task, 0).await?.remove(0);
    assert_eq!((state.entries.len(), state.clock), (0, Some(Timestamp(2))));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_refused_rows_lands_as_a_whole_without_them() -> Result<()> {
    let database = database(TABLE).await?;
    // Each transaction that moves the offset leaves a trace.
    let trace = "CREATE TABLE trace (next_offset bigint); \
                 CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
                 'BEGIN INSERT INTO trace VALUES (NEW.next_offset); RETURN NEW; END'; \
                 CREATE TRIGGER note AFTER UPDATE OF next_offset ON ferrule.offsets \
                 FOR EACH ROW EXECUTE FUNCTION note()";
    let mut maker = Maker::default();
    let mut task = keeping(&database, &[("batch.size", "5")])?;
    opened(&mut *task, &[0]).await?;
    database.execute(trace).await?;
    let mut reports = Reports::default();
    let state = vec![delta("a", 1, &[("seen", Some("20"))])];
    let mut bad = counted(&mut maker, 0..20, state)?;
    bad.records[7] = maker.record(0, 7, r#"{"n":13}"#)?;
    task.put(&[bad], &mut reports).await?;
    assert_eq!(reports.offsets(), [7, 13]);
    let wanted: Vec<_> = (0..20)
        .filter(|n| *n != 7 && *n != 13)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(numbers(&database).await?, wanted);
    assert_eq!(
        rows(&database, "SELECT next_offset::text FROM trace").await?,
        ["20"]
    );
    assert_eq!(
        texts(&kept(&database, "a").await?),
        pairs(&[("seen", "20")])
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_tolerated_nothing_of_the_batch_lands() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = keeping(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let state = vec![delta("a", 1, &[("seen", Some("20"))])];
    let bad = counted(&mut maker, 0..20, state)?;
    let mut reports = Reports {
        refuses: true,
        ..Reports::default()
    };
    let error = task.put(&[bad], &mut reports).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(numbers(&database).await?, [""; 0]);
    assert_eq!(stored(&database, 0).await?, Some(0));
    let kept = kept(&database, "a").await?;
    assert_eq!((kept.clock, texts(&kept)), (None, pairs(&[])));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_one_to_postgres_alone_are_both_written() -> Result<()> {
    let database = database("CREATE TABLE events (n char(3) PRIMARY KEY, s text)").await?;
    let options = [
        ("insert.mode", "upsert"),
        ("pk.mode", "record_value"),
        ("pk.fields", "n"),
    ];
    let mut maker = Maker::default();
    let mut task = keeping(&database, &options)?;
    opened(&mut *task, &[0]).await?;
    let objects = [
        r#"{"n":"k","s":"a"}"#,
        r#"{"n":"l","s":"b"}"#,
        r#"{"n":"k ","s":"c"}"#,
    ];
    let records: Result<Vec<_>> = (0..)
        .zip(objects)
        .map(|(at, object)| maker.record(0, at, object))
        .collect();
    let given = RecordBatch {
        state: vec![delta("a", 1, &[("seen", Some("3"))])],
        ..batch(0, 0, records?)?
    };
    put(&mut *task, &[given]).await?;
    let query = "SELECT n::text || s FROM events ORDER BY n";
    assert_eq!(rows(&database, query).await?.join(" "), "kc lb");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_whose_commit_was_never_heard_of_is_not_repeated() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = keeping(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    put(&mut *task, &[counted(&mut maker, 0..2, Vec::new())?]).await?;
    // One that is heard of, and one whose transaction never came to its end.
    let first = [tick(
        &mut maker,
        2,
        vec![delta("a", 1, &[("t", Some("1"))])],
    )?];
    end_sessions(&database).await?;
    let lost = task.put(&first, &mut Reports::default()).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::Retriable);
    put(&mut *task, &first).await?;
    assert_eq!(numbers(&database).await?, ["0", "1", "1000"]);
    // The transaction of the tick as the server saw it, without its answer.
    let second = [tick(
        &mut maker,
        2,
        vec![delta("a", 2, &[("t", Some("2"))])],
    )?];
    end_sessions(&database).await?;
    task.put(&second, &mut Reports::default())
        .await
        .unwrap_err();
    database
        .execute(
            "INSERT INTO events (n) VALUES (1000); \
             UPDATE ferrule.offsets SET version = version + 1",
        )
        .await?;
    put(&mut *task, &second).await?;
    assert_eq!(numbers(&database).await?, ["0", "1", "1000", "1000"]);
    // The next one is another.
    let third = [tick(
        &mut maker,
        2,
        vec![delta("a", 3, &[("t", Some("3"))])],
    )?];
    put(&mut *task, &third).await?;
    assert_eq!(numbers(&database).await?.len(), 5);
    assert_eq!(stored(&database, 0).await?, Some(2));
    assert_eq!(texts(&kept(&database, "a").await?), pairs(&[("t", "3")]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_partition_without_an_offset_is_dropped() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = keeping(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let state = vec![delta("a", 1, &[("k", Some("v"))])];
    put(&mut *task, &[counted(&mut maker, 0..2, state)?]).await?;
    task.stop().await;
    database.execute("DELETE FROM ferrule.offsets").await?;
    let kept = kept(&database, "a").await?;
    assert_eq!((kept.clock, texts(&kept)), (None, pairs(&[])));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_beyond_its_limit_is_not_held() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let mut task = keeping(&database, &[])?;
    opened(&mut *task, &[0]).await?;
    let long = "v".repeat(6_000);
    let state = vec![delta("a", 1, &[("k", Some(&long)), ("l", Some(&long))])];
    put(&mut *task, &[counted(&mut maker, 0..2, state)?]).await?;
    let mut other = keeping(&database, &[])?;
    let error = open_state(&mut *other, 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let text = error.chain();
    for part in [
        "transform a",
        "events-0",
        "10000 bytes",
        "transforms.a.state.max.bytes",
    ] {
        assert!(text.contains(part), "{text}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_an_older_version_is_extended() -> Result<()> {
    let last = "DROP COLUMN last_offset, DROP COLUMN last_timestamp";
    for drop in [last.to_owned(), format!("{last}, DROP COLUMN version")] {
        let database = database(TABLE).await?;
        let mut first = task(&database, &[])?;
        opened(&mut *first, &[0]).await?;
        first.stop().await;
        database
            .execute(&format!("ALTER TABLE ferrule.offsets {drop}"))
            .await?;
        let mut second = task(&database, &[])?;
        assert_eq!(
            open(&mut *second, &[partition(0)]).await?[0].next_offset,
            Some(Offset(0))
        );
        let mut maker = Maker::default();
        put(&mut *second, &[counted(&mut maker, 0..2, Vec::new())?]).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_offsets_the_state_is_kept_all_the_same() -> Result<()> {
    let database = database(TABLE).await?;
    let mut maker = Maker::default();
    let options = [("delivery.guarantee", "at_least_once")];
    let mut first = keeping(&database, &options)?;
    opened(&mut *first, &[0]).await?;
    let state = vec![delta("a", 1, &[("k", Some("v"))])];
    put(&mut *first, &[counted(&mut maker, 0..2, state)?]).await?;
    first.stop().await;
    let mut second = keeping(&database, &options)?;
    let opened = open(&mut *second, &[partition(0)]).await?;
    assert_eq!(opened[0].next_offset, None);
    let states = open_state(&mut *second, 0).await?;
    assert_eq!(texts(&states[0]), pairs(&[("k", "v")]));
    Ok(())
}
