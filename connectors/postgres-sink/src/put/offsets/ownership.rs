//! How a task becomes the owner of partitions, stores their first offsets, and finds out what is
//! durable after a lost connection.

use std::collections::BTreeMap;

use connect_api::{Error, Offset, Result, Timestamp, TopicPartition};
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Executor as _, Postgres, Row};

use super::clusters::{self, admit_others};
use super::{Offsets, Position};
use crate::error::to_error;
use crate::reader::Reader;
use crate::session::Session;

/// How often the sessions of former owners that hold the rows' locks are ended before the call
/// fails as retriable.
const MAX_TAKEOVERS: usize = 3;
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// A table that still has the key of one cluster takes no second row of a partition.
const INSERT: &str = r#"INSERT INTO ferrule.offsets
        (connector, cluster, consumer_group, topic, "partition", epoch)
    SELECT $1, $2, $3, topic, "partition", 0
    FROM unnest($4::text[], $5::int[]) AS p(topic, "partition")
    ORDER BY topic, "partition"
    ON CONFLICT DO NOTHING"#;

const LOCK: &str = r#"SELECT 1 FROM ferrule.offsets o
    JOIN unnest($4::text[], $5::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3
    ORDER BY o.topic, o."partition" FOR UPDATE OF o"#;

const TAKE_OVER: &str = r#"UPDATE ferrule.offsets o
    SET epoch = o.epoch + 1, scoped_epoch = o.epoch + 1, owner = $6, updated_at = now()
    FROM unnest($4::text[], $5::int[]) AS p(topic, "partition")
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3
        AND o.topic = p.topic AND o."partition" = p."partition"
    RETURNING o.topic, o."partition", o.next_offset, o.epoch, o.version,
        CASE WHEN o.last_offset = o.next_offset - 1 THEN o.last_timestamp END AS last_timestamp"#;

/// The owner stays where another task has taken the partition since: a new owner may have to end
/// that task's session.
const KEEP: &str = r#"UPDATE ferrule.offsets o
    SET owner = CASE WHEN o.epoch = p.epoch THEN $6 ELSE o.owner END
    FROM unnest($4::text[], $5::int[], $7::bigint[]) AS p(topic, "partition", epoch)
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3
        AND o.topic = p.topic AND o."partition" = p."partition"
    RETURNING o.topic, o."partition", o.next_offset, o.epoch, o.version,
        CASE WHEN o.last_offset = o.next_offset - 1 THEN o.last_timestamp END AS last_timestamp"#;

const START: &str = r#"UPDATE ferrule.offsets o SET next_offset = p.next, updated_at = now()
    FROM unnest($4::text[], $5::int[], $6::bigint[], $7::bigint[])
        AS p(topic, "partition", epoch, next)
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3
        AND o.topic = p.topic AND o."partition" = p."partition"
        AND o.epoch = p.epoch AND o.next_offset IS NULL"#;

const FORGET: &str = r#"UPDATE ferrule.offsets o
    SET next_offset = NULL, last_offset = NULL, last_timestamp = NULL, updated_at = now()
    FROM unnest($4::text[], $5::int[], $6::bigint[]) AS p(topic, "partition", epoch)
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3
        AND o.topic = p.topic AND o."partition" = p."partition" AND o.epoch = p.epoch"#;

/// With epochs, only sessions that own the partitions in these epochs are ended: this task's own
/// lost session, but none of a later owner.
const END_OWNERS: &str = r#"SELECT pg_terminate_backend(a.pid)
    FROM ferrule.offsets o
    JOIN unnest($4::text[], $5::int[], $6::bigint[]) AS p(topic, "partition", epoch)
        USING (topic, "partition")
    JOIN pg_stat_activity a
        ON o.owner = concat_ws('/', a.application_name, a.pid, extract(epoch FROM a.backend_start))
    WHERE o.connector = $1 AND (o.cluster, o.consumer_group) IN (($2, $3), ('', ''))
        AND a.pid <> pg_backend_pid() AND (p.epoch IS NULL OR p.epoch = o.epoch)
    GROUP BY a.pid"#;

/// Who owns a partition, and where it starts, is on disk before a record is written: a crash of the
/// server then takes rows and their offset, and never the row of the offset.
const SYNCHRONOUS: &str = "SELECT set_config('synchronous_commit', 'on', true) \
    WHERE current_setting('synchronous_commit') = 'off'";

/// What a task does with the rows that it locks.
enum Claim {
    /// Takes the partitions over: a new epoch fences the former owner.
    TakeOver,
    /// Keeps the partitions that it owns, in these epochs; they are in the order of the partitions.
    Keep { epochs: Vec<i64> },
}

impl Claim {
    /// The epochs of partitions that are kept.
    fn epochs(&self) -> Option<&[i64]> {
        match self {
            Self::TakeOver => None,
            Self::Keep { epochs } => Some(epochs),
        }
    }
}

/// Partitions of a reader, as the parameters of a statement.
pub(super) struct Partitions<'a> {
    pub(super) reader: &'a Reader,
    pub(super) topics: Vec<String>,
    pub(super) numbers: Vec<i32>,
}

impl<'a> Partitions<'a> {
    pub(super) fn new<'b>(
        reader: &'a Reader,
        partitions: impl Iterator<Item = &'b TopicPartition>,
    ) -> Self {
        let pairs = partitions.map(|tp| (tp.topic.to_string(), tp.partition));
        let (topics, numbers) = pairs.unzip();
        Self {
            reader,
            topics,
            numbers,
        }
    }

    /// A statement about the partitions.
    pub(super) fn query(&self, statement: &'static str) -> Query<'_, Postgres, PgArguments> {
        let query = self.reader.query(statement).persistent(false);
        query.bind(&self.topics).bind(&self.numbers)
    }
}

impl Offsets {
    /// Remembers partitions whose offsets Kafka keeps.
    pub fn open_unfenced(&mut self, partitions: &[TopicPartition]) {
        for topic_partition in partitions {
            let position = Position {
                epoch: 0,
                version: 0,
                next_offset: None,
                last_timestamp: None,
            };
            self.positions.insert(topic_partition.clone(), position);
        }
    }

    /// Takes the partitions over: waits for the transactions of their former owners, and ends the
    /// sessions of those that do not let go.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when another session holds on to the rows.
    pub async fn open(
        &mut self,
        session: &mut Session,
        partitions: &[TopicPartition],
    ) -> Result<()> {
        let taken = self.claim(session, partitions, Claim::TakeOver).await?;
        for topic_partition in taken.keys() {
            self.lost.remove(topic_partition);
        }
        self.positions.extend(taken);
        Ok(())
    }

    /// Finds out what is durable after a connection was lost. Locking the rows waits for the
    /// transaction of the lost connection, so that what is read here is final.
    pub async fn resolve(&mut self, session: &mut Session) -> Result<()> {
        let partitions: Vec<_> = self.positions.keys().cloned().collect();
        if partitions.is_empty() {
            return Ok(());
        }
        let epochs = self.positions.values().map(|position| position.epoch);
        let kept = Claim::Keep {
            epochs: epochs.collect(),
        };
        let stored = self.claim(session, &partitions, kept).await?;
        self.compare(&stored);
        Ok(())
    }

    /// Locks the rows, in one order for all tasks, and takes them over or keeps them.
    async fn claim(
        &self,
        session: &mut Session,
        partitions: &[TopicPartition],
        claim: Claim,
    ) -> Result<BTreeMap<TopicPartition, Position>> {
        let mut sorted = partitions.to_vec();
        sorted.sort();
        let partitions = Partitions::new(&self.reader, sorted.iter());
        let mut has_room = false;
        for _ in 0..MAX_TAKEOVERS {
            match lock_and_update(session, &partitions, &claim).await {
                Ok(rows) if rows.len() == sorted.len() || claim.epochs().is_some() => {
                    return Ok(rows.into_iter().collect());
                }
                Ok(_) if has_room => {
                    return Err(Error::fenced("a partition has no stored offset"));
                }
                // The key of the table keeps the partition for another reader.
                Ok(_) => {
                    admit_others(session, &self.reader).await?;
                    has_room = true;
                }
                Err(error) if is_locked(&error) => {
                    tracing::warn!(
                        connector = self.reader.connector,
                        "ending the session of a former owner that holds on to its partitions"
                    );
                    end_owners(session, &partitions, &claim)
                        .await
                        .map_err(|e| to_error("cannot end the session of a former owner", &e))?;
                }
                Err(error) => return Err(to_error("cannot take the partitions over", &error)),
            }
        }
        Err(Error::retriable(
            "another session holds the locks of the partitions' rows in ferrule.offsets",
        ))
    }

    /// Drops the offsets of partitions that are opened again then. It may be repeated.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fenced`] when another task has taken one over.
    pub async fn forget_stored(
        &mut self,
        session: &mut Session,
        partitions: &[TopicPartition],
    ) -> Result<()> {
        let epochs = self.epochs(partitions.iter())?;
        let wanted = Partitions::new(&self.reader, partitions.iter());
        let forgetting = async {
            let mut transaction = session.begin().await?;
            transaction.execute(SYNCHRONOUS).await?;
            let forget = wanted.query(FORGET).bind(epochs);
            let forgotten = forget.execute(&mut *transaction).await?;
            transaction.commit().await?;
            Ok(forgotten)
        };
        let forgotten: sqlx::Result<_> = forgetting.await;
        let forgotten = forgotten.map_err(|e| to_error("cannot drop the stored offsets", &e))?;
        if forgotten.rows_affected() != partitions.len() as u64 {
            return Err(Error::fenced("another task has taken a partition over"));
        }
        for topic_partition in partitions {
            self.lost.remove(topic_partition);
            if let Some(position) = self.positions.get_mut(topic_partition) {
                position.next_offset = None;
            }
        }
        Ok(())
    }

    /// Stores the first offsets of partitions that have none.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fenced`] when a partition has a stored offset already.
    pub async fn start_at(
        &mut self,
        session: &mut Session,
        starts: &[(TopicPartition, Offset)],
    ) -> Result<()> {
        let partitions = starts.iter().map(|(topic_partition, _)| topic_partition);
        let epochs = self.epochs(partitions.clone())?;
        let partitions = Partitions::new(&self.reader, partitions);
        let next: Vec<_> = starts.iter().map(|(_, next)| next.0).collect();
        let starting = async {
            let mut transaction = session.begin().await?;
            transaction.execute(SYNCHRONOUS).await?;
            let started = partitions
                .query(START)
                .bind(epochs)
                .bind(next)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok(started)
        };
        let started = starting
            .await
            .map_err(|e| to_error("cannot store the first offsets", &e))?;
        if started.rows_affected() == starts.len() as u64 {
            self.remember_starts(starts);
            return Ok(());
        }
        // The answer to a first attempt may have been lost.
        self.resolve(session).await?;
        for (topic_partition, next) in starts {
            if self.position(topic_partition).and_then(|p| p.next_offset) != Some(*next) {
                return Err(Error::fenced(format!(
                    "{topic_partition} has a stored offset already"
                )));
            }
        }
        Ok(())
    }

    /// Remembers where partitions start.
    pub fn remember_starts(&mut self, starts: &[(TopicPartition, Offset)]) {
        for (topic_partition, next) in starts {
            if let Some(position) = self.positions.get_mut(topic_partition) {
                position.next_offset = Some(*next);
            }
        }
    }

    fn epochs<'a>(
        &self,
        topic_partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Result<Vec<i64>> {
        let epochs = topic_partitions.map(|topic_partition| {
            let position = self.position(topic_partition);
            let position = position.ok_or_else(|| self.not_open(topic_partition));
            position.map(|position| position.epoch)
        });
        epochs.collect()
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.as_deref() == Some(LOCK_NOT_AVAILABLE)
}

async fn lock_and_update(
    session: &mut Session,
    partitions: &Partitions<'_>,
    claim: &Claim,
) -> sqlx::Result<Vec<(TopicPartition, Position)>> {
    let owner = session.owner.clone();
    let mut transaction = session.begin().await?;
    transaction.execute(SYNCHRONOUS).await?;
    // Only a takeover may insert rows: a partition that is kept must still have its row.
    let (statements, update): (&[_], _) = match claim {
        Claim::TakeOver => (&[INSERT, LOCK], TAKE_OVER),
        Claim::Keep { .. } => (&[LOCK], KEEP),
    };
    if claim.epochs().is_none() {
        clusters::adopt(&mut transaction, partitions).await?;
    }
    for statement in statements {
        let statement = partitions.query(statement);
        statement.execute(&mut *transaction).await?;
    }
    let update = partitions.query(update).bind(&owner);
    let update = match claim.epochs() {
        Some(epochs) => update.bind(epochs),
        None => update,
    };
    let rows = update.fetch_all(&mut *transaction).await?;
    if claim.epochs().is_none() && rows.len() < partitions.topics.len() {
        // Nothing is taken over in part.
        transaction.rollback().await?;
        return Ok(Vec::new());
    }
    transaction.commit().await?;
    rows.iter().map(position).collect()
}

async fn end_owners(
    session: &mut Session,
    partitions: &Partitions<'_>,
    claim: &Claim,
) -> sqlx::Result<()> {
    let mut transaction = session.begin().await?;
    let end = partitions.query(END_OWNERS);
    end.bind(claim.epochs()).execute(&mut *transaction).await?;
    transaction.commit().await
}

pub(super) fn position(row: &PgRow) -> sqlx::Result<(TopicPartition, Position)> {
    let topic: String = row.try_get("topic")?;
    let topic_partition = TopicPartition::new(topic, row.try_get("partition")?);
    let position = Position {
        epoch: row.try_get("epoch")?,
        version: row.try_get("version")?,
        next_offset: row.try_get::<Option<i64>, _>("next_offset")?.map(Offset),
        last_timestamp: row
            .try_get::<Option<i64>, _>("last_timestamp")?
            .map(Timestamp),
    };
    Ok((topic_partition, position))
}
