//! Reads the state of transforms when partitions are taken over, and drops it where it belongs to
//! no offset.

use std::collections::BTreeMap;

use bytes::Bytes;
use connect_api::{Error, Result, StateEntry, StateStore, StoredState, Timestamp, TopicPartition};
use sqlx::{PgConnection, Row};

use super::StateStores;
use crate::error::to_error;
use crate::session::Session;

const CREATE: &str = r#"INSERT INTO ferrule.stores (connector, topic, "partition", transform)
    SELECT $1, topic, "partition", transform
    FROM unnest($2::text[], $3::int[]) AS p(topic, "partition"), unnest($4::text[]) AS t(transform)
    ON CONFLICT DO NOTHING"#;

const FIND: &str = r#"SELECT s.id, s.clock, s.topic, s."partition", s.transform
    FROM ferrule.stores s
    JOIN unnest($2::text[], $3::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE s.connector = $1 AND s.transform = ANY($4)"#;

const READ: &str = "SELECT key, value, expires_at FROM ferrule.state
    WHERE store = $1 AND key >= $2 ORDER BY key LIMIT $3";

const EMPTY: &str = r#"DELETE FROM ferrule.state e USING ferrule.stores s
    JOIN unnest($2::text[], $3::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE s.connector = $1 AND e.store = s.id"#;

const DROP: &str = r#"DELETE FROM ferrule.stores s
    USING unnest($2::text[], $3::int[]) AS p(topic, "partition")
    WHERE s.connector = $1 AND s.topic = p.topic AND s."partition" = p."partition""#;

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
        let reading = async {
            let mut transaction = session.begin().await?;
            drop_state(&mut transaction, &self.connector, fresh).await?;
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

    async fn find(
        &self,
        connection: &mut PgConnection,
        partitions: &[TopicPartition],
    ) -> sqlx::Result<Vec<Store>> {
        let (topics, numbers) = columns(partitions);
        let transforms = self.kept.iter().map(|kept| kept.transform.to_string());
        let transforms: Vec<String> = transforms.collect();
        sqlx::query(CREATE)
            .persistent(false)
            .bind(&self.connector)
            .bind(&topics)
            .bind(&numbers)
            .bind(&transforms)
            .execute(&mut *connection)
            .await?;
        let rows = sqlx::query(FIND)
            .persistent(false)
            .bind(&self.connector)
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

/// Drops the state of partitions, of all transforms.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn drop_state(
    connection: &mut PgConnection,
    connector: &str,
    partitions: &[TopicPartition],
) -> sqlx::Result<()> {
    if partitions.is_empty() {
        return Ok(());
    }
    let (topics, numbers) = columns(partitions);
    for statement in [EMPTY, DROP] {
        sqlx::query(statement)
            .persistent(false)
            .bind(connector)
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
