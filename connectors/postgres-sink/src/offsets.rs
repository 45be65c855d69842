//! Where each partition stands, in the target itself: the fence between owners, and the offsets
//! that move with the rows.
//!
//! The row of a partition in `ferrule.offsets` counts its owners (`epoch`). A transaction first
//! compares and sets the rows of its partitions, so one of a former owner fails before it has
//! written anything, and a new owner waits for one that is under way (Invariants 1, 2 and 5).

mod alter;

use std::collections::BTreeMap;

use connect_api::{Error, Offset, Result, Timestamp, TopicPartition};
use sqlx::Row;
use sqlx::error::DatabaseError;
use sqlx::postgres::PgRow;

use crate::error::to_error;
use crate::session::Session;

pub(crate) use alter::alter;

/// How often a former owner that holds the row's lock is ended before the call is given back.
const TAKEOVERS: usize = 3;
const LOCK_NOT_AVAILABLE: &str = "55P03";

const INSERT: &str = r#"INSERT INTO ferrule.offsets (connector, topic, "partition", epoch)
    SELECT $1, topic, "partition", 0
    FROM unnest($2::text[], $3::int[]) AS p(topic, "partition")
    ORDER BY topic, "partition"
    ON CONFLICT DO NOTHING"#;

const LOCK: &str = r#"SELECT 1 FROM ferrule.offsets o
    JOIN unnest($2::text[], $3::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE o.connector = $1 ORDER BY o.topic, o."partition" FOR UPDATE OF o"#;

const TAKE: &str = r#"UPDATE ferrule.offsets o
    SET epoch = o.epoch + 1, owner = $4, updated_at = now()
    FROM unnest($2::text[], $3::int[]) AS p(topic, "partition")
    WHERE o.connector = $1 AND o.topic = p.topic AND o."partition" = p."partition"
    RETURNING o.topic, o."partition", o.next_offset, o.epoch, o.version,
        CASE WHEN o.last_offset = o.next_offset - 1 THEN o.last_timestamp END AS last_timestamp"#;

/// An owner since then is left to stand: it is whose session a new owner may have to end.
const KEEP: &str = r#"UPDATE ferrule.offsets o
    SET owner = CASE WHEN o.epoch = p.epoch THEN $4 ELSE o.owner END
    FROM unnest($2::text[], $3::int[], $5::bigint[]) AS p(topic, "partition", epoch)
    WHERE o.connector = $1 AND o.topic = p.topic AND o."partition" = p."partition"
    RETURNING o.topic, o."partition", o.next_offset, o.epoch, o.version,
        CASE WHEN o.last_offset = o.next_offset - 1 THEN o.last_timestamp END AS last_timestamp"#;

const START: &str = r#"UPDATE ferrule.offsets o SET next_offset = p.next, updated_at = now()
    FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[])
        AS p(topic, "partition", epoch, next)
    WHERE o.connector = $1 AND o.topic = p.topic AND o."partition" = p."partition"
        AND o.epoch = p.epoch AND o.next_offset IS NULL"#;

const ADVANCE: &str = r#"UPDATE ferrule.offsets o
    SET next_offset = p.next, version = o.version + 1, updated_at = now(),
        last_offset = CASE WHEN p.last IS NULL THEN o.last_offset ELSE p.next - 1 END,
        last_timestamp = coalesce(p.last, o.last_timestamp)
    FROM unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        AS p(topic, "partition", epoch, expected, next, last)
    WHERE o.connector = $1 AND o.topic = p.topic AND o."partition" = p."partition"
        AND o.epoch = p.epoch AND o.next_offset = p.expected"#;

/// Where partitions are kept, only a session that had them in the same epoch is ended: this task's
/// own, which was lost. Whoever has them since is not.
const END_OWNERS: &str = r#"SELECT pg_terminate_backend(a.pid)
    FROM ferrule.offsets o
    JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS p(topic, "partition", epoch)
        USING (topic, "partition")
    JOIN pg_stat_activity a
        ON o.owner = concat_ws('/', a.application_name, a.pid, extract(epoch FROM a.backend_start))
    WHERE o.connector = $1 AND a.pid <> pg_backend_pid()
        AND (p.epoch IS NULL OR p.epoch = o.epoch)
    GROUP BY a.pid"#;

/// What this task knows of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    epoch: i64,
    /// Counts the transactions.
    pub version: i64,
    /// None: nothing was ever stored.
    pub next_offset: Option<Offset>,
    /// The timestamp of the record in front of that.
    pub last_timestamp: Option<Timestamp>,
}

/// A partition's step from one offset to another.
#[derive(Clone, Debug)]
pub(crate) struct Step<'a> {
    pub topic_partition: &'a TopicPartition,
    pub from: Offset,
    pub to: Offset,
    /// The timestamp of the record in front of that, where it is known.
    pub last_timestamp: Option<Timestamp>,
}

/// The partitions of a task and their positions.
#[derive(Debug)]
pub(crate) struct Offsets {
    connector: String,
    positions: BTreeMap<TopicPartition, Position>,
}

impl Offsets {
    pub fn new(connector: &str) -> Self {
        Self {
            connector: connector.to_owned(),
            positions: BTreeMap::new(),
        }
    }

    pub fn position(&self, topic_partition: &TopicPartition) -> Option<Position> {
        self.positions.get(topic_partition).copied()
    }

    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        for topic_partition in partitions {
            self.positions.remove(topic_partition);
        }
    }

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

    /// Takes the partitions over: waits for their former owners, and ends those that hold on.
    pub async fn open(&mut self, session: &mut Session, which: &[TopicPartition]) -> Result<()> {
        let taken = self.locked(session, which, None).await?;
        self.positions.extend(taken);
        Ok(())
    }

    /// Finds out what is durable after a connection was lost. Taking the rows' locks waits for the
    /// transaction of the lost connection, so that what is read here is final.
    pub async fn resolve(&mut self, session: &mut Session) -> Result<()> {
        let which: Vec<_> = self.positions.keys().cloned().collect();
        if which.is_empty() {
            return Ok(());
        }
        let epochs = self.positions.values().map(|position| position.epoch);
        let epochs = epochs.collect();
        let stored = self.locked(session, &which, Some(epochs)).await?;
        // What has another owner by now is forgotten. Only a put of it is fenced: it may have been
        // lost and nobody told the sink yet, which is no concern of the other partitions.
        self.positions.retain(|topic_partition, position| {
            let now = stored
                .get(topic_partition)
                .filter(|now| now.epoch == position.epoch);
            *position = now.copied().unwrap_or(*position);
            now.is_some()
        });
        Ok(())
    }

    /// Takes the rows' locks, and the partitions too unless they are kept, in the epochs given for
    /// them in their order.
    async fn locked(
        &self,
        session: &mut Session,
        which: &[TopicPartition],
        kept: Option<Vec<i64>>,
    ) -> Result<BTreeMap<TopicPartition, Position>> {
        let mut which = which.to_vec();
        which.sort();
        let (topics, numbers) = columns(&which);
        for _ in 0..TAKEOVERS {
            let owner = session.owner.clone();
            let attempt = take(
                session,
                kept.as_deref(),
                (&self.connector, &topics, &numbers, &owner),
            );
            match attempt.await {
                Ok(rows) if rows.len() == which.len() || kept.is_some() => {
                    return Ok(rows.into_iter().collect());
                }
                Ok(_) => return Err(Error::fenced("a partition has no stored offset")),
                Err(error) if is_locked(&error) => {
                    tracing::warn!(
                        connector = self.connector,
                        "ending the session of a former owner that holds on to its partitions"
                    );
                    let ending = async {
                        let mut transaction = session.begin().await?;
                        sqlx::query(END_OWNERS)
                            .persistent(false)
                            .bind(&self.connector)
                            .bind(&topics)
                            .bind(&numbers)
                            .bind(&kept)
                            .execute(&mut *transaction)
                            .await?;
                        transaction.commit().await
                    };
                    ending
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

    /// Stores the first offsets of partitions that have none.
    pub async fn start_at(
        &mut self,
        session: &mut Session,
        starts: &[(TopicPartition, Offset)],
    ) -> Result<()> {
        let which: Vec<_> = starts
            .iter()
            .map(|(topic_partition, _)| topic_partition.clone())
            .collect();
        let (topics, numbers) = columns(&which);
        let epochs = self.epochs(starts.iter().map(|(topic_partition, _)| topic_partition))?;
        let next: Vec<_> = starts.iter().map(|(_, next)| next.0).collect();
        let starting = async {
            let mut transaction = session.begin().await?;
            let started = sqlx::query(START)
                .persistent(false)
                .bind(&self.connector)
                .bind(topics)
                .bind(numbers)
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

    /// Makes the steps within the transaction of the rows. False: a partition has another owner,
    /// or its offset is not what this task knew.
    pub async fn advance(&self, session: &mut Session, steps: &[Step<'_>]) -> sqlx::Result<bool> {
        let (mut topics, mut numbers, mut epochs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut from, mut to, mut last) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps {
            let Some(position) = self.position(step.topic_partition) else {
                return Ok(false);
            };
            topics.push(step.topic_partition.topic.to_string());
            numbers.push(step.topic_partition.partition);
            epochs.push(position.epoch);
            from.push(step.from.0);
            to.push(step.to.0);
            last.push(step.last_timestamp.map(|at| at.0));
        }
        let advanced = sqlx::query(ADVANCE)
            .persistent(!session.is_pooled)
            .bind(&self.connector)
            .bind(topics)
            .bind(numbers)
            .bind(epochs)
            .bind(from)
            .bind(to)
            .bind(last)
            .execute(&mut session.connection)
            .await?;
        Ok(advanced.rows_affected() == steps.len() as u64)
    }

    /// Remembers steps that are durable.
    pub fn advanced(&mut self, steps: &[Step<'_>]) {
        for step in steps {
            if let Some(position) = self.positions.get_mut(step.topic_partition) {
                position.next_offset = Some(step.to);
                position.last_timestamp = step.last_timestamp;
                position.version += 1;
            }
        }
    }

    fn epochs<'a>(
        &self,
        topic_partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Result<Vec<i64>> {
        let epochs = topic_partitions.map(|topic_partition| {
            let position = self.position(topic_partition);
            let position =
                position.ok_or_else(|| Error::fenced(format!("{topic_partition} is not open")));
            position.map(|position| position.epoch)
        });
        epochs.collect()
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.as_deref() == Some(LOCK_NOT_AVAILABLE)
}

fn columns(which: &[TopicPartition]) -> (Vec<String>, Vec<i32>) {
    let pairs = which.iter().map(|s| (s.topic.to_string(), s.partition));
    pairs.unzip()
}

type Which<'a> = (&'a str, &'a [String], &'a [i32], &'a str);

async fn take(
    session: &mut Session,
    kept: Option<&[i64]>,
    (connector, topics, numbers, owner): Which<'_>,
) -> sqlx::Result<Vec<(TopicPartition, Position)>> {
    let mut transaction = session.begin().await?;
    for statement in [INSERT, LOCK] {
        // Only a takeover may make rows; whoever keeps a partition must find its row.
        if statement == INSERT && kept.is_some() {
            continue;
        }
        sqlx::query(statement)
            .persistent(false)
            .bind(connector)
            .bind(topics)
            .bind(numbers)
            .execute(&mut *transaction)
            .await?;
    }
    let update = sqlx::query(if kept.is_some() { KEEP } else { TAKE })
        .persistent(false)
        .bind(connector)
        .bind(topics)
        .bind(numbers)
        .bind(owner);
    let update = match kept {
        Some(epochs) => update.bind(epochs),
        None => update,
    };
    let rows = update.fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    rows.iter().map(position).collect()
}

fn position(row: &PgRow) -> sqlx::Result<(TopicPartition, Position)> {
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
