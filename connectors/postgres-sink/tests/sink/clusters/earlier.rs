//! Tables and workers of an earlier release, beside those of this one.

use anyhow::{Context as _, Result, ensure};
use connect_api::{ErrorKind, Offset, SinkConnector as _};
use harness_postgres::postgres::TestDatabase;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::{ONE, OTHERS, connector, reader, reader_with, take, whole, write};
use crate::fixture::{Maker, Reports, database, open, partition, rows};

/// The tables as they were.
const TABLES: &str = r#"CREATE TABLE events (id bigserial, n int);
    CREATE SCHEMA ferrule;
    CREATE TABLE ferrule.offsets (
        connector text NOT NULL, topic text NOT NULL, "partition" int NOT NULL,
        next_offset bigint, epoch bigint NOT NULL, version bigint NOT NULL DEFAULT 0,
        last_offset bigint, last_timestamp bigint, owner text,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (connector, topic, "partition"));
    CREATE TABLE ferrule.stores (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, connector text NOT NULL,
        transform text NOT NULL, topic text NOT NULL, "partition" int NOT NULL, clock bigint,
        UNIQUE (connector, topic, "partition", transform));
    CREATE TABLE ferrule.state (store bigint NOT NULL, key bytea NOT NULL, value bytea NOT NULL,
        expires_at bigint, PRIMARY KEY (store, key))"#;

/// A partition that a worker of that time had come to offset 5 of, with a state.
const ROWS: &str = r#"INSERT INTO ferrule.offsets (connector, topic, "partition", next_offset, epoch)
        VALUES ('test', 'events', 0, 5, 3);
    INSERT INTO ferrule.stores (connector, transform, topic, "partition", clock)
        VALUES ('test', 'a', 'events', 0, 5);
    INSERT INTO ferrule.state (store, key, value) SELECT id, 'n', '5' FROM ferrule.stores"#;

/// How a worker of that time takes a partition over.
const TAKE_OVER: [&str; 2] = [
    r#"INSERT INTO ferrule.offsets (connector, topic, "partition", epoch)
        SELECT 'test', topic, "partition", 0
        FROM unnest('{events}'::text[], $1::int[]) AS p(topic, "partition")
        ON CONFLICT DO NOTHING"#,
    r#"UPDATE ferrule.offsets o SET epoch = o.epoch + 1, updated_at = now(),
            owner = (SELECT concat_ws('/', application_name, pid, extract(epoch FROM backend_start))
                FROM pg_stat_activity WHERE pid = pg_backend_pid())
        FROM unnest('{events}'::text[], $1::int[]) AS p(topic, "partition")
        WHERE o.connector = 'test' AND o.topic = p.topic AND o."partition" = p."partition"
        RETURNING o.next_offset, o.epoch"#,
];

/// How it moves an offset.
const ADVANCE: &str = r#"UPDATE ferrule.offsets o
    SET next_offset = $1, version = o.version + 1, updated_at = now()
    WHERE o.connector = 'test' AND o.topic = 'events' AND o."partition" = $2
        AND o.epoch = $3 AND o.next_offset IS NOT DISTINCT FROM $4"#;

/// A worker of that time.
struct Earlier(PgConnection);

impl Earlier {
    async fn new(database: &TestDatabase) -> Result<Self> {
        let mut session = PgConnection::connect(&database.url()).await?;
        let named = "SET application_name = 'ferrule:test:0'";
        sqlx::raw_sql(named).execute(&mut session).await?;
        Ok(Self(session))
    }

    /// The offset and the epoch of a partition; it is an error where that is not one row.
    async fn take_over(&mut self, number: i32) -> Result<(Option<i64>, i64)> {
        let mut found = Vec::new();
        for statement in TAKE_OVER {
            let statement = sqlx::query(statement).bind(vec![number]);
            found = statement.fetch_all(&mut self.0).await?;
        }
        ensure!(found.len() == 1, "{} rows", found.len());
        Ok((found[0].try_get(0)?, found[0].try_get(1)?))
    }

    async fn advance(
        &mut self,
        number: i32,
        from: Option<i64>,
        to: i64,
        epoch: i64,
    ) -> Result<u64> {
        let advance = sqlx::query(ADVANCE).bind(to).bind(number);
        let done = advance.bind(epoch).bind(from).execute(&mut self.0).await?;
        Ok(done.rows_affected())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_cluster_are_taken_over_once() -> Result<()> {
    for other in OTHERS {
        let database = database(TABLES).await?;
        database.execute(ROWS).await?;
        // As they are, for whoever asks over REST, and the tables stay as they are.
        let (connector, config) = connector(&database)?;
        let stored = connector.offsets(&config, &whole(ONE)).await?;
        assert_eq!(stored, Some(vec![(partition(0), Offset(5))]));
        let (mut one, mut two) = (reader(&database, ONE)?, reader(&database, other)?);
        let partitions = [partition(0)];
        let (first, second) =
            tokio::join!(open(&mut *one, &partitions), open(&mut *two, &partitions));
        let offsets = [first?, second?].map(|found| found[0].next_offset);
        let found: Vec<_> = offsets.iter().flatten().collect();
        assert_eq!(found, [&Offset(5)], "one of them has it");
        let (winner, loser) = match offsets[0] {
            Some(_) => (&mut one, &mut two),
            None => (&mut two, &mut one),
        };
        // The state goes with the offset, whoever asks for it first.
        assert_eq!(take(&mut **loser).await?, (None, String::new()));
        assert_eq!(take(&mut **winner).await?, (Some(5), "5".to_owned()));
        write(&mut **winner, 5, 6).await?;
        assert_eq!(take(&mut **winner).await?, (Some(6), "6".to_owned()));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn state_without_offsets_is_taken_over_beside_an_earlier_table_of_offsets() -> Result<()> {
    let database = database(TABLES).await?;
    database.execute(ROWS).await?;
    let options = [("delivery.guarantee", "at_least_once")];
    let mut one = reader_with(&database, ONE, &options)?;
    assert_eq!(take(&mut *one).await?.1, "5");
    let mut two = reader_with(&database, OTHERS[0], &options)?;
    assert_eq!(take(&mut *two).await?.1, "");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn altering_takes_rows_without_a_cluster_over() -> Result<()> {
    let database = database(TABLES).await?;
    database.execute(ROWS).await?;
    let (connector, config) = connector(&database)?;
    let reset = connect_api::OffsetChange::Reset;
    let pending = connector
        .alter_offsets(&config, &whole(ONE), &reset)
        .await?;
    pending.context("a change")?.commit().await?;
    let mut one = reader(&database, ONE)?;
    assert_eq!(take(&mut *one).await?, (None, String::new()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_of_both_releases_hand_partitions_over() -> Result<()> {
    let database = database(TABLES).await?;
    database.execute(ROWS).await?;
    let mut earlier = Earlier::new(&database).await?;
    assert_eq!(earlier.take_over(0).await?, (Some(5), 4));
    let mut one = reader(&database, ONE)?;
    assert_eq!(take(&mut *one).await?, (Some(5), "5".to_owned()));
    assert_eq!(earlier.advance(0, Some(5), 6, 4).await?, 0, "it is fenced");
    write(&mut *one, 5, 6).await?;
    // And back.
    let (next, epoch) = earlier.take_over(0).await?;
    assert_eq!(next, Some(6));
    assert_eq!(earlier.advance(0, Some(6), 8, epoch).await?, 1);
    let late = Maker::default().batch(0, 6, &[r#"{"n":7}"#])?;
    let fenced = one.put(&[late], &mut Reports::default()).await;
    let error = fenced.expect_err("the other has taken the partition over");
    ensure!(error.kind() == ErrorKind::Fenced, "{error}");
    assert_eq!(take(&mut *one).await?, (Some(8), "6".to_owned()));
    // A partition that the earlier release saw first.
    assert_eq!(earlier.take_over(1).await?, (None, 1));
    assert_eq!(earlier.advance(1, None, 3, 1).await?, 1);
    let found = open(&mut *one, &[partition(1)]).await?;
    assert_eq!(found[0].next_offset, Some(Offset(3)));
    // State of a plugin that the earlier release began to keep.
    let begun = r#"INSERT INTO ferrule.stores (connector, transform, topic, "partition")
            VALUES ('test', 'a', 'events', 1);
        INSERT INTO ferrule.state (store, key, value)
            SELECT id, 'n', '77' FROM ferrule.stores WHERE "partition" = 1"#;
    database.execute(begun).await?;
    let state = crate::fixture::open_state(&mut *one, 1).await?;
    assert_eq!(&state[0].entries[0].1.value[..], b"77");
    let keys = r#"SELECT concat_ws(' ', "partition", cluster, consumer_group)
        FROM ferrule.offsets ORDER BY 1"#;
    let expected = ["0 kafka-1 connect-test", "1 kafka-1 connect-test"];
    assert_eq!(rows(&database, keys).await?, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_cluster_waits_for_workers_of_an_earlier_release() -> Result<()> {
    for other in OTHERS {
        let database = database(TABLES).await?;
        database.execute(ROWS).await?;
        let mut one = reader(&database, ONE)?;
        assert_eq!(take(&mut *one).await?.0, Some(5));
        let mut earlier = Earlier::new(&database).await?;
        earlier.take_over(0).await?;
        let mut two = reader(&database, other)?;
        let waits = open(&mut *two, &[partition(0)]).await;
        let error = waits.expect_err("a worker that knows no clusters is there");
        ensure!(error.kind() == ErrorKind::Retriable, "{error}");
        let text = error.to_string();
        ensure!(text.contains("ferrule:test:0"), "{text}");
        // It goes on meanwhile, alone.
        let (next, epoch) = earlier.take_over(0).await?;
        assert_eq!(earlier.advance(0, next, 6, epoch).await?, 1);
        earlier.0.close().await?;
        assert_eq!(take(&mut *two).await?, (None, String::new()));
        assert_eq!(take(&mut *one).await?, (Some(6), "5".to_owned()));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_alter_the_tables_is_told_which_file_to_run() -> Result<()> {
    let database = database(TABLES).await?;
    let mut admin = database.superuser().await?;
    let taken = "ALTER TABLE ferrule.offsets OWNER TO CURRENT_USER; \
                 GRANT ALL ON ferrule.offsets TO PUBLIC";
    sqlx::raw_sql(taken).execute(&mut admin).await?;
    let mut one = reader(&database, ONE)?;
    let refused = open(&mut *one, &[partition(0)]).await;
    let error = refused.expect_err("the table is another's");
    ensure!(error.kind() == ErrorKind::Config, "{error}");
    let text = error.to_string();
    ensure!(text.contains("sql/001_ferrule.sql"), "{text}");
    Ok(())
}
