//! Connectors of one name in two clusters with one database, and tables of an earlier release,
//! which knew no clusters.

mod earlier;

use anyhow::{Context as _, Result, ensure};
use connect_api::{
    Config, Connector as _, ErrorKind, Offset, OffsetChange, OffsetScope, SinkConnector, SinkTask,
    StateChanges, StateDelta, StateEntry, StateQuery, StateStore, TaskContext, Timestamp,
};
use harness_postgres::postgres::TestDatabase;
use postgres_sink::PostgresSinkConnector;

use crate::fixture::{
    Maker, Reports, context, database, keep_state, open, open_state, opened, partition, put, rows,
    start_at, task, verify,
};

const TABLE: &str = "CREATE TABLE events (id bigserial, n int)";
const ONE: [&str; 2] = ["kafka-1", "connect-test"];
/// Readers that are not [`ONE`]: of another Kafka, and of another group.
const OTHERS: [[&str; 2]; 2] = [["kafka-2", "connect-test"], ["kafka-1", "of-another"]];

fn scope([cluster, group]: [&str; 2]) -> OffsetScope {
    OffsetScope {
        cluster: cluster.to_owned(),
        group: group.to_owned(),
    }
}

/// The task 0 of a connector `test`, which keeps the state of a transform `a`.
fn reader(database: &TestDatabase, of: [&str; 2]) -> Result<Box<dyn SinkTask>> {
    reader_with(database, of, &[])
}

fn reader_with(
    database: &TestDatabase,
    of: [&str; 2],
    options: &[(&str, &str)],
) -> Result<Box<dyn SinkTask>> {
    let mut task = task(database, options)?;
    let store = StateStore {
        transform: "a".into(),
        limit: 10_000,
    };
    keep_state(&mut *task, vec![store])?;
    let offsets = task.offsets().context("the sink keeps offsets")?;
    offsets.set_scope(&scope(of));
    Ok(task)
}

/// Writes a row, and a state that is its number.
async fn write(task: &mut dyn SinkTask, at: i64, n: i64) -> Result<()> {
    let mut batch = Maker::default().batch(0, at, &[&format!(r#"{{"n":{n}}}"#)])?;
    let entry = StateEntry {
        value: n.to_string().into_bytes().into(),
        expires: None,
    };
    let changes = StateChanges {
        entries: [(b"n".to_vec().into(), Some(entry))].into(),
        clock: Some(Timestamp(n)),
    };
    batch.state = vec![StateDelta {
        transform: "a".into(),
        changes,
    }];
    put(task, &[batch]).await
}

/// The offset and the state of partition 0, which is taken over.
async fn take(task: &mut dyn SinkTask) -> Result<(Option<i64>, String)> {
    let found = open(task, &[partition(0)]).await?;
    let state = open_state(task, 0).await?;
    let entries = state.iter().flat_map(|store| &store.entries);
    let values = entries.map(|(_, entry)| String::from_utf8_lossy(&entry.value).into_owned());
    let next = found[0].next_offset.map(|next| next.0);
    Ok((next, values.collect::<Vec<_>>().join(" ")))
}

fn connector(database: &TestDatabase) -> Result<(PostgresSinkConnector, Config)> {
    let connector = PostgresSinkConnector::new();
    let properties = [("connection.url".to_owned(), database.url())];
    let config = connector.config_def().parse(&properties.into())?;
    Ok((connector, config))
}

fn whole(of: [&str; 2]) -> TaskContext {
    TaskContext {
        scope: scope(of),
        ..context()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_share_no_offset_and_no_state() -> Result<()> {
    for other in OTHERS {
        let database = database(TABLE).await?;
        let (mut one, mut two) = (reader(&database, ONE)?, reader(&database, other)?);
        opened(&mut *one, &[0]).await?;
        write(&mut *one, 0, 10).await?;
        assert_eq!(take(&mut *two).await?, (None, String::new()));
        start_at(&mut *two, &[(partition(0), Offset(100))]).await?;
        // Neither fences the other.
        write(&mut *two, 100, 200).await?;
        write(&mut *one, 1, 11).await?;
        verify(&mut *one).await?;
        verify(&mut *two).await?;
        write(&mut *two, 101, 201).await?;
        one.stop().await;
        two.stop().await;
        let (mut one, mut two) = (reader(&database, ONE)?, reader(&database, other)?);
        assert_eq!(take(&mut *one).await?, (Some(2), "11".to_owned()));
        assert_eq!(take(&mut *two).await?, (Some(102), "201".to_owned()));
        assert_eq!(
            rows(&database, "SELECT n::text FROM events ORDER BY n").await?,
            ["10", "11", "200", "201"]
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_over_rest_is_that_of_one_cluster() -> Result<()> {
    for other in OTHERS {
        let database = database(TABLE).await?;
        let (connector, config) = connector(&database)?;
        let whole_other = whole(other);
        let mut one = reader(&database, ONE)?;
        opened(&mut *one, &[0]).await?;
        write(&mut *one, 0, 10).await?;
        // The other has none yet, and is given one before a task of it was there.
        let stored = connector.offsets(&config, &whole_other).await?;
        assert_eq!(stored, Some(vec![]));
        let change = OffsetChange::Alter(vec![(partition(0), Some(Offset(7)))]);
        let pending = connector.alter_offsets(&config, &whole_other, &change);
        pending.await?.context("a change")?.commit().await?;
        let mut two = reader(&database, other)?;
        assert_eq!(take(&mut *two).await?, (Some(7), String::new()));
        write(&mut *two, 7, 20).await?;
        write(&mut *one, 1, 11).await?;
        let query = StateQuery {
            limit: 10,
            ..StateQuery::default()
        };
        let state = connector.state(&config, &whole_other, &query).await?;
        let values: Vec<_> = state.iter().map(|row| &row.value[..]).collect();
        assert_eq!(values, [b"20"]);
        let pending = connector.alter_offsets(&config, &whole_other, &OffsetChange::Reset);
        pending.await?.context("a change")?.commit().await?;
        // It fences its own cluster, and nobody else.
        write(&mut *one, 2, 12).await?;
        let late = Maker::default().batch(0, 8, &[r#"{"n":21}"#])?;
        let fenced = two.put(&[late], &mut Reports::default()).await;
        let error = fenced.expect_err("its offsets were reset");
        ensure!(error.kind() == ErrorKind::Fenced, "{error}");
        let stored = connector.offsets(&config, &whole(ONE)).await?;
        assert_eq!(stored, Some(vec![(partition(0), Offset(3))]));
        assert_eq!(take(&mut *two).await?, (None, String::new()));
        assert_eq!(take(&mut *one).await?, (Some(3), "12".to_owned()));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn state_without_offsets_is_that_of_one_cluster() -> Result<()> {
    let options = [("delivery.guarantee", "at_least_once")];
    for other in OTHERS {
        let database = database(TABLE).await?;
        let one = reader_with(&database, ONE, &options)?;
        let two = reader_with(&database, other, &options)?;
        for (mut task, n) in [(one, 10), (two, 20)] {
            assert_eq!(take(&mut *task).await?.1, "");
            write(&mut *task, 0, n).await?;
            assert_eq!(take(&mut *task).await?.1, n.to_string());
        }
        let mut one = reader_with(&database, ONE, &options)?;
        assert_eq!(take(&mut *one).await?.1, "10");
    }
    Ok(())
}
