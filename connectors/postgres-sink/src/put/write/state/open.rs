//! Reads the state of transforms when partitions are taken over, and drops it where it belongs to
//! no offset.

use std::collections::BTreeMap;

use bytes::Bytes;
use connect_api::{Error, Result, StateEntry, StateStore, StoredState, Timestamp, TopicPartition};
use sqlx::{PgConnection, Row};

use super::StateStores;
use crate::error::to_error;
use crate::put::offsets::{admit_others, has_clusters};
use crate::reader::Reader;
use crate::session::Session;

const CREATE: &str = r#"INSERT INTO ferrule.stores
        (connector, cluster, consumer_group, topic, "partition", transform)
    SELECT $1, $2, $3, topic, "partition", transform
    FROM unnest($4::text[], $5::int[]) AS p(topic, "partition"), unnest($6::text[]) AS t(transform)
    ON CONFLICT DO NOTHING"#;

const FIND: &str = r#"SELECT s.id, s.clock, s.topic, s."partition", s.transform
    FROM ferrule.stores s
    JOIN unnest($4::text[], $5::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE s.connector = $1 AND s.cluster = $2 AND s.consumer_group = $3
        AND s.transform = ANY($6)"#;

const READ: &str = "SELECT key, value, expires_at FROM ferrule.state
    WHERE store = $1 AND key >= $2 ORDER BY key LIMIT $3";

const EMPTY: &str = r#"DELETE FROM ferrule.state e USING ferrule.stores s
    JOIN unnest($4::text[], $5::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE s.connector = $1 AND s.cluster = $2 AND s.consumer_group = $3 AND e.store = s.id"#;

const DROP: &str = r#"DELETE FROM ferrule.stores s
    USING unnest($4::text[], $5::int[]) AS p(topic, "partition")
    WHERE s.connector = $1 AND s.cluster = $2 AND s.consumer_group = $3
        AND s.topic = p.topic AND s."partition" = p."partition""#;

/// State that was written without a cluster is that of whoever has the partition's offset; where
/// none is stored, of the first who asks. What another reader has stays.
const ADOPT: &str = r#"UPDATE ferrule.stores s SET cluster = $2, consumer_group = $3
    FROM unnest($4::text[], $5::int[]) AS p(topic, "partition")
    WHERE s.connector = $1 AND s.cluster = '' AND s.consumer_group = ''
        AND s.topic = p.topic AND s."partition" = p."partition"
        AND NOT EXISTS (SELECT FROM ferrule.stores own WHERE own.connector = $1
            AND own.cluster = $2 AND own.consumer_group = $3 AND own.topic = s.topic
            AND own."partition" = s."partition" AND own.transform = s.transform)"#;

/// The same where no other reader has the partition's offset: workers of an earlier release, beside
/// this one, still write state without a cluster.
const ADOPT_UNCLAIMED: &str = r#"UPDATE ferrule.stores s SET cluster = $2, consumer_group = $3
    FROM unnest($4::text[], $5::int[]) AS p(topic, "partition")
    WHERE s.connector = $1 AND s.cluster = '' AND s.consumer_group = ''
        AND s.topic = p.topic AND s."partition" = p."partition"
        AND NOT EXISTS (SELECT FROM ferrule.stores own WHERE own.connector = $1
            AND own.cluster = $2 AND own.consumer_group = $3 AND own.topic = s.topic
            AND own."partition" = s."partition" AND own.transform = s.transform)
        AND NOT EXISTS (SELECT FROM ferrule.offsets o WHERE o.connector = $1 AND o.cluster <> ''
            AND (o.cluster, o.consumer_group) <> ($2, $3)
            AND o.topic = s.topic AND o."partition" = s."partition")"#;

const HAS_CLUSTER: &str = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attname = 'cluster' \
    AND attrelid = to_regclass('ferrule.stores'))";

const OTHERS: &str = r#"SELECT EXISTS (SELECT FROM ferrule.stores s
    JOIN unnest($4::text[], $5::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE s.connector = $1 AND s.cluster <> '' AND (s.cluster, s.consumer_group) <> ($2, $3))"#;

/// Entries that are read at a time.
const PAGE: i64 = 10_000;

impl StateStores {
    /// Reads the state of partitions that were taken over. The state of `fresh` partitions, which
    /// have no stored offset, is dropped first: it belongs to no offset any more.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a store is larger than its limit.
    pub async fn open(
        &mut self,
        session: &mut Session,
        partitions: &[TopicPartition],
        fresh: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Vec<StoredState>>> {
        if self.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.make_room(session, partitions).await?;
        let reading = async {
            let mut transaction = session.begin().await?;
            self.adopt_unclaimed(&mut transaction, partitions).await?;
            drop_state(&mut transaction, &self.reader, fresh).await?;
            let found = self.find(&mut transaction, partitions).await?;
            let mut entries = Vec::with_capacity(found.len());
            for store in &found {
                entries.push(read(&mut transaction, store).await?);
            }
            transaction.commit().await?;
            Ok((found, entries))
        };
        let read: sqlx::Result<_> = reading.await;
        let (found, entries) =
            read.map_err(|e| to_error("cannot read the state of the transforms", &e))?;
        let mut opened: BTreeMap<_, Vec<StoredState>> = BTreeMap::new();
        for (store, entries) in found.into_iter().zip(entries) {
            let Store {
                id,
                topic_partition,
                clock,
                kept,
            } = store;
            let Some(entries) = entries else {
                return Err(too_large(&topic_partition, &kept));
            };
            let ids = self.ids.entry(topic_partition.clone()).or_default();
            ids.insert(kept.transform.to_string(), id);
            opened
                .entry(topic_partition)
                .or_default()
                .push(StoredState {
                    transform: kept.transform,
                    clock,
                    entries,
                });
        }
        Ok(opened)
    }

    /// The key of a table that knew one cluster lets no other have state of a partition.
    async fn make_room(&self, session: &mut Session, partitions: &[TopicPartition]) -> Result<()> {
        let (topics, numbers) = columns(partitions);
        let others = self.reader.query(OTHERS).persistent(false);
        let others = others.bind(topics).bind(numbers);
        let others = others.fetch_one(&mut session.connection).await;
        let others: sqlx::Result<bool> = others.and_then(|row| row.try_get(0));
        match others.map_err(|e| to_error("cannot look for state of other clusters", &e))? {
            true => admit_others(session, &self.reader).await,
            false => Ok(()),
        }
    }

    async fn adopt_unclaimed(
        &self,
        connection: &mut PgConnection,
        partitions: &[TopicPartition],
    ) -> sqlx::Result<()> {
        let statement = match has_clusters(connection).await? {
            true => ADOPT_UNCLAIMED,
            false => ADOPT,
        };
        let (topics, numbers) = columns(partitions);
        let adopt = self.reader.query(statement).persistent(false);
        let adopt = adopt.bind(topics).bind(numbers);
        adopt.execute(connection).await.map(drop)
    }

    async fn find(
        &self,
        connection: &mut PgConnection,
        partitions: &[TopicPartition],
    ) -> sqlx::Result<Vec<Store>> {
        let (topics, numbers) = columns(partitions);
        let transforms = self.kept.iter().map(|kept| kept.transform.to_string());
        let transforms: Vec<String> = transforms.collect();
        let create = self.reader.query(CREATE);
        create
            .persistent(false)
            .bind(&topics)
            .bind(&numbers)
            .bind(&transforms)
            .execute(&mut *connection)
            .await?;
        let rows = self.reader.query(FIND);
        let rows = rows
            .persistent(false)
            .bind(&topics)
            .bind(&numbers)
            .bind(&transforms)
            .fetch_all(connection)
            .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let (topic, transform): (String, String) =
                (row.try_get("topic")?, row.try_get("transform")?);
            if let Some(kept) = self.kept.iter().find(|kept| *kept.transform == *transform) {
                found.push(Store {
                    id: row.try_get("id")?,
                    topic_partition: TopicPartition::new(topic, row.try_get("partition")?),
                    clock: (row.try_get::<Option<i64>, _>("clock")?).map(Timestamp),
                    kept: kept.clone(),
                });
            }
        }
        Ok(found)
    }
}

/// A row of `ferrule.stores`.
struct Store {
    id: i64,
    topic_partition: TopicPartition,
    clock: Option<Timestamp>,
    kept: StateStore,
}

type Entries = Vec<(Bytes, StateEntry)>;

/// The entries of a store. `None` if it is larger than its limit.
async fn read(connection: &mut PgConnection, store: &Store) -> sqlx::Result<Option<Entries>> {
    let limit = i64::try_from(store.kept.limit).unwrap_or(i64::MAX);
    let (mut entries, mut bytes) = (Entries::new(), 0);
    let mut from = Vec::new();
    loop {
        let rows = sqlx::query(READ)
            .persistent(false)
            .bind(store.id)
            .bind(&from)
            .bind(PAGE)
            .fetch_all(&mut *connection)
            .await?;
        for row in &rows {
            let (key, value): (&[u8], &[u8]) = (row.try_get("key")?, row.try_get("value")?);
            let entry = StateEntry {
                value: Bytes::copy_from_slice(value),
                expires: (row.try_get::<Option<i64>, _>("expires_at")?).map(Timestamp),
            };
            bytes += entry.weight(key);
            if bytes > limit {
                // Nothing more of it is held (Invariant 8).
                return Ok(None);
            }
            entries.push((Bytes::copy_from_slice(key), entry));
        }
        let last = entries.last().filter(|_| rows.len() as i64 == PAGE);
        let Some((last, _)) = last else {
            return Ok(Some(entries));
        };
        // The least key behind the last one.
        from = [last, &b"\0"[..]].concat();
    }
}

fn too_large(topic_partition: &TopicPartition, kept: &StateStore) -> Error {
    let StateStore { transform, limit } = kept;
    Error::config(format!(
        "the stored state of transform {transform} for {topic_partition} is larger than its limit \
         of {limit} bytes: raise transforms.{transform}.state.max.bytes, or reset the connector's \
         offsets, which drops the state"
    ))
}

/// Takes over state that was written without a cluster, with the offsets of these partitions.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn adopt_state(
    connection: &mut PgConnection,
    reader: &Reader,
    partitions: &[TopicPartition],
) -> sqlx::Result<()> {
    let has_cluster = sqlx::query_scalar(HAS_CLUSTER).persistent(false);
    if !has_cluster.fetch_one(&mut *connection).await? {
        return Ok(());
    }
    let (topics, numbers) = columns(partitions);
    let adopt = reader.query(ADOPT).persistent(false);
    let adopt = adopt.bind(topics).bind(numbers);
    adopt.execute(connection).await.map(drop)
}

/// Drops the state of partitions, of all transforms.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn drop_state(
    connection: &mut PgConnection,
    reader: &Reader,
    partitions: &[TopicPartition],
) -> sqlx::Result<()> {
    if partitions.is_empty() {
        return Ok(());
    }
    let (topics, numbers) = columns(partitions);
    for statement in [EMPTY, DROP] {
        let drop = reader.query(statement);
        drop.persistent(false)
            .bind(&topics)
            .bind(&numbers)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn columns(which: &[TopicPartition]) -> (Vec<String>, Vec<i32>) {
    let pairs = which.iter().map(|s| (s.topic.to_string(), s.partition));
    pairs.unzip()
}
