//! The state of transforms, in tables of the target: the transaction of the rows changes it too
//! (Invariant 2). How it is read when a partition is taken over is in `state/open.rs`.
//!
//! A store is the state of one transform for one partition: a row of `ferrule.stores`. Its entries
//! are rows of `ferrule.state`.

mod open;

use std::collections::BTreeMap;

use connect_api::{Error, OffsetScope, Result, StateDelta, StateEntry, StateStore, TopicPartition};
use sqlx::PgConnection;

use crate::put::offsets::Advance;
use crate::reader::Reader;
use crate::session::Session;

pub(crate) use open::{adopt_state, drop_state};

const SET: &str = "INSERT INTO ferrule.state (store, key, value, expires_at)
    SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::bigint[])
    ON CONFLICT (store, key)
    DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at";

const DELETE: &str = "DELETE FROM ferrule.state s
    USING unnest($1::bigint[], $2::bytea[]) AS d(store, key)
    WHERE s.store = d.store AND s.key = d.key";

const CLOCK: &str = "UPDATE ferrule.stores s SET clock = p.clock
    FROM unnest($1::bigint[], $2::bigint[]) AS p(id, clock) WHERE s.id = p.id";

/// The most entries that one statement takes.
const MAX_STATEMENT_ENTRIES: usize = 10_000;
/// The most bytes of entries that one statement takes.
const MAX_STATEMENT_BYTES: usize = 8 << 20;

/// The stores of a task's partitions.
#[derive(Debug)]
pub(crate) struct StateStores {
    reader: Reader,
    /// The transforms whose state is kept.
    kept: Vec<StateStore>,
    /// The ids of the stores of open partitions, by the name of the transform.
    ids: BTreeMap<TopicPartition, BTreeMap<String, i64>>,
}

impl StateStores {
    pub fn new(connector: &str) -> Self {
        Self {
            reader: Reader::new(connector),
            kept: Vec::new(),
            ids: BTreeMap::new(),
        }
    }

    /// Tells whose state it is.
    pub fn set_scope(&mut self, scope: &OffsetScope) {
        self.reader.scope = scope.clone();
    }

    /// Keeps the state of these transforms from now on.
    pub fn keep(&mut self, stores: Vec<StateStore>) {
        self.kept = stores;
    }

    /// Whether there is no state to keep.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for topic_partition in partitions {
            self.ids.remove(topic_partition);
        }
    }

    /// The changes of the stores' rows. `None` if nothing changes.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fenced`] when a partition is not open, or the state of a
    /// transform is not kept.
    pub fn changes<'a>(
        &self,
        deltas: impl Iterator<Item = (&'a TopicPartition, &'a StateDelta)>,
    ) -> Result<Option<StateChanges<'a>>> {
        let mut changes = StateChanges::default();
        for (topic_partition, delta) in deltas {
            let transform = &delta.transform;
            let ids = self.ids.get(topic_partition);
            let store = ids.and_then(|ids| ids.get(&**transform)).copied();
            let store = store.ok_or_else(|| {
                Error::fenced(format!(
                    "the state of {transform} for {topic_partition} is not open"
                ))
            })?;
            let clock = delta.changes.clock.map(|at| at.0);
            changes.clocks.push(Clock { store, clock });
            for (key, entry) in &delta.changes.entries {
                match entry {
                    Some(entry) => changes.set.push(SetEntry { store, key, entry }),
                    None => changes.deleted.push(DeletedEntry { store, key }),
                }
            }
        }
        Ok(Some(changes).filter(|changes| !changes.clocks.is_empty()))
    }
}

/// What a transaction changes of the state.
#[derive(Debug, Default)]
pub(crate) struct StateChanges<'a> {
    clocks: Vec<Clock>,
    set: Vec<SetEntry<'a>>,
    deleted: Vec<DeletedEntry<'a>>,
}

/// The record time that a store has come to, in milliseconds since 1970.
#[derive(Debug)]
struct Clock {
    store: i64,
    clock: Option<i64>,
}

#[derive(Debug)]
struct SetEntry<'a> {
    store: i64,
    key: &'a [u8],
    entry: &'a StateEntry,
}

#[derive(Debug)]
struct DeletedEntry<'a> {
    store: i64,
    key: &'a [u8],
}

impl StateChanges<'_> {
    /// Writes the changes, as part of the session's transaction. [`Advance::Fenced`] if a store is
    /// gone.
    ///
    /// # Errors
    /// Whatever the server or the connection says.
    pub async fn write(&self, session: &mut Session) -> sqlx::Result<Advance> {
        let persistent = !session.is_pooled;
        let connection = &mut session.connection;
        for deleted in self.deleted.chunks(MAX_STATEMENT_ENTRIES) {
            let stores: Vec<i64> = deleted.iter().map(|entry| entry.store).collect();
            let keys: Vec<&[u8]> = deleted.iter().map(|entry| entry.key).collect();
            sqlx::query(DELETE)
                .persistent(persistent)
                .bind(stores)
                .bind(keys)
                .execute(&mut *connection)
                .await?;
        }
        let mut left = &self.set[..];
        while !left.is_empty() {
            let (chunk, rest) = left.split_at(statement_length(left));
            left = rest;
            set(connection, chunk, persistent).await?;
        }
        let stores: Vec<i64> = self.clocks.iter().map(|clock| clock.store).collect();
        let clocks: Vec<Option<i64>> = self.clocks.iter().map(|clock| clock.clock).collect();
        let updated = sqlx::query(CLOCK)
            .persistent(persistent)
            .bind(stores)
            .bind(clocks)
            .execute(connection)
            .await?;
        Ok(match updated.rows_affected() == self.clocks.len() as u64 {
            true => Advance::Advanced,
            false => Advance::Fenced,
        })
    }
}

/// How many of the entries one statement takes: at least one.
fn statement_length(entries: &[SetEntry<'_>]) -> usize {
    let mut bytes = 0;
    let most = entries.iter().take(MAX_STATEMENT_ENTRIES);
    let fitting = most.take_while(|set| {
        bytes += set.key.len() + set.entry.value.len();
        bytes <= MAX_STATEMENT_BYTES
    });
    fitting.count().max(1)
}

async fn set(
    connection: &mut PgConnection,
    entries: &[SetEntry<'_>],
    persistent: bool,
) -> sqlx::Result<()> {
    let stores: Vec<i64> = entries.iter().map(|set| set.store).collect();
    let keys: Vec<&[u8]> = entries.iter().map(|set| set.key).collect();
    let values: Vec<&[u8]> = entries.iter().map(|set| &*set.entry.value).collect();
    let expires = entries.iter().map(|set| set.entry.expires);
    let expires: Vec<Option<i64>> = expires.map(|at| at.map(|at| at.0)).collect();
    sqlx::query(SET)
        .persistent(persistent)
        .bind(stores)
        .bind(keys)
        .bind(values)
        .bind(expires)
        .execute(connection)
        .await?;
    Ok(())
}
