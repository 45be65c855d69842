//! The state of transforms, in the target itself: changed by the transaction that writes the rows
//! which the state belongs to (Invariant 2), and given back when a partition is taken over.

use std::collections::BTreeMap;

use bytes::Bytes;
use connect_api::{
    Error, Result, StateDelta, StateEntry, StateStore, StoredState, Timestamp, TopicPartition,
};
use sqlx::{PgConnection, Row};

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

const SET: &str = "INSERT INTO ferrule.state (store, key, value, expires_at)
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])
    ON CONFLICT (store, key)
    DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at";

const DELETE: &str = "DELETE FROM ferrule.state s
    USING unnest($1::bigint[], $2::bytea[]) AS d(store, key)
    WHERE s.store = d.store AND s.key = d.key";

const CLOCK: &str = "UPDATE ferrule.stores s SET clock = p.clock
    FROM unnest($1::bigint[], $2::bigint[]) AS p(id, clock) WHERE s.id = p.id";

/// What one statement takes at most: entries, and bytes of them.
const CHUNK: (usize, usize) = (10_000, 8 << 20);

/// Entries that are read at a time.
const PAGE: i64 = 10_000;

/// The state that a task keeps.
#[derive(Debug)]
pub(crate) struct Stores {
    connector: String,
    wanted: Vec<StateStore>,
    /// By partition and transform.
    ids: BTreeMap<TopicPartition, BTreeMap<String, i64>>,
}

impl Stores {
    pub fn new(connector: &str) -> Self {
        Self {
            connector: connector.to_owned(),
            wanted: Vec::new(),
            ids: BTreeMap::new(),
        }
    }

    /// Keeps the state of these transforms from now on.
    pub fn keep(&mut self, stores: Vec<StateStore>) {
        self.wanted = stores;
    }

    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for topic_partition in partitions {
            self.ids.remove(topic_partition);
        }
    }

    /// Reads the state of partitions that were taken over; that of `fresh` ones, which no offset is
    /// known of any more, belongs to nothing and is dropped first.
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
                wanted,
            } = store;
            let Some(entries) = entries else {
                return Err(too_large(&topic_partition, &wanted));
            };
            let ids = self.ids.entry(topic_partition.clone()).or_default();
            ids.insert(wanted.transform.to_string(), id);
            opened
                .entry(topic_partition)
                .or_default()
                .push(StoredState {
                    transform: wanted.transform,
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
        let transforms = self
            .wanted
            .iter()
            .map(|wanted| wanted.transform.to_string());
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
            if let Some(wanted) = self.wanted.iter().find(|w| *w.transform == *transform) {
                found.push(Store {
                    id: row.try_get("id")?,
                    topic_partition: TopicPartition::new(topic, row.try_get("partition")?),
                    clock: (row.try_get::<Option<i64>, _>("clock")?).map(Timestamp),
                    wanted: wanted.clone(),
                });
            }
        }
        Ok(found)
    }

    /// The rows that the changes come to.
    ///
    /// # Errors
    /// When a partition is not open, or a transform is none of those whose state is kept.
    pub fn changes<'a>(
        &self,
        deltas: impl Iterator<Item = (&'a TopicPartition, &'a StateDelta)>,
    ) -> Result<Option<Changes<'a>>> {
        let mut changes = Changes::default();
        for (
            topic_partition,
            StateDelta {
                transform,
                changes: delta,
            },
        ) in deltas
        {
            let id = self
                .ids
                .get(topic_partition)
                .and_then(|ids| ids.get(&**transform));
            let id = *id.ok_or_else(|| {
                Error::fenced(format!(
                    "the state of {transform} for {topic_partition} is not open"
                ))
            })?;
            changes.clocks.push((id, delta.clock.map(|at| at.0)));
            for (key, entry) in &delta.entries {
                match entry {
                    Some(entry) => changes.set.push((id, key, entry)),
                    None => changes.deleted.push((id, key)),
                }
            }
        }
        Ok(Some(changes).filter(|changes| !changes.clocks.is_empty()))
    }
}

/// A row of `ferrule.stores`.
struct Store {
    id: i64,
    topic_partition: TopicPartition,
    clock: Option<Timestamp>,
    wanted: StateStore,
}

/// What a transaction changes of the state.
#[derive(Debug, Default)]
pub(crate) struct Changes<'a> {
    clocks: Vec<(i64, Option<i64>)>,
    set: Vec<(i64, &'a [u8], &'a StateEntry)>,
    deleted: Vec<(i64, &'a [u8])>,
}

impl Changes<'_> {
    /// Writes the changes. False: a store is gone.
    pub async fn write(&self, session: &mut Session) -> sqlx::Result<bool> {
        let persistent = !session.is_pooled;
        let connection = &mut session.connection;
        for deleted in self.deleted.chunks(CHUNK.0) {
            let (ids, keys): (Vec<i64>, Vec<&[u8]>) = deleted.iter().copied().unzip();
            sqlx::query(DELETE)
                .persistent(persistent)
                .bind(ids)
                .bind(keys)
                .execute(&mut *connection)
                .await?;
        }
        let mut left = &self.set[..];
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(fitting(left));
            left = rest;
            set(connection, chunk, persistent).await?;
        }
        let (ids, clocks): (Vec<i64>, Vec<Option<i64>>) = self.clocks.iter().copied().unzip();
        let stores = ids.len() as u64;
        let updated = sqlx::query(CLOCK)
            .persistent(persistent)
            .bind(ids)
            .bind(clocks)
            .execute(connection)
            .await?;
        Ok(updated.rows_affected() == stores)
    }
}

/// How many of the entries one statement takes.
fn fitting(entries: &[(i64, &[u8], &StateEntry)]) -> usize {
    let mut bytes = 0;
    let fits = entries.iter().take(CHUNK.0).take_while(|(_, key, entry)| {
        bytes += key.len() + entry.value.len();
        bytes <= CHUNK.1
    });
    fits.count().max(1)
}

async fn set(
    connection: &mut PgConnection,
    entries: &[(i64, &[u8], &StateEntry)],
    persistent: bool,
) -> sqlx::Result<()> {
    let ids: Vec<i64> = entries.iter().map(|(id, ..)| *id).collect();
    let keys: Vec<&[u8]> = entries.iter().map(|(_, key, _)| *key).collect();
    let values: Vec<&[u8]> = entries.iter().map(|(.., entry)| &*entry.value).collect();
    let expires = entries.iter().map(|(.., entry)| entry.expires);
    let expires: Vec<Option<i64>> = expires.map(|at| at.map(|at| at.0)).collect();
    sqlx::query(SET)
        .persistent(persistent)
        .bind(ids)
        .bind(keys)
        .bind(values)
        .bind(expires)
        .execute(connection)
        .await?;
    Ok(())
}

type Entries = Vec<(Bytes, StateEntry)>;

/// The entries of a store; none when it is larger than its limit.
async fn read(connection: &mut PgConnection, store: &Store) -> sqlx::Result<Option<Entries>> {
    let limit = i64::try_from(store.wanted.limit).unwrap_or(i64::MAX);
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
        // The least key that is greater.
        from = [last, &b"\0"[..]].concat();
    }
}

fn too_large(topic_partition: &TopicPartition, wanted: &StateStore) -> Error {
    let StateStore { transform, limit } = wanted;
    Error::config(format!(
        "the stored state of transform {transform} for {topic_partition} is larger than its limit of \
         {limit} bytes: raise transforms.{transform}.state.max.bytes, or reset the connector's \
         offsets, which drops the state"
    ))
}

/// Drops the state of partitions, of all transforms: it stays and goes with the offsets.
///
/// # Errors
/// What the server says.
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
