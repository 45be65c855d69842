//! Whether the database still has what had become durable in it.
//!
//! A standby that was behind is promoted, a backup is restored, or the server crashes with
//! `synchronous_commit=off`: rows and offsets are then lost together. What is lost is read again
//! from Kafka, once it is known.

use std::collections::BTreeMap;

use connect_api::{Result, TopicPartition};

use super::ownership::{Partitions, position};
use super::{Offsets, Position};
use crate::error::to_error;
use crate::session::Session;

const LOOK: &str = r#"SELECT o.topic, o."partition", o.next_offset, o.epoch, o.version,
        CASE WHEN o.last_offset = o.next_offset - 1 THEN o.last_timestamp END AS last_timestamp
    FROM ferrule.offsets o
    JOIN unnest($4::text[], $5::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3"#;

/// How a partition stands.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// The database has what was durable, and perhaps a transaction whose answer was lost.
    Kept(Position),
    /// Another task took it over.
    OthersNow,
    /// The database has less; what it has.
    Lost(String),
}

impl Offsets {
    /// Compares what the database has with what is known, over a session that is in no transaction.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::OffsetsLost`] when the database has less,
    /// [`connect_api::ErrorKind::Fenced`] when another task took a partition over; else whatever
    /// the server or the connection says.
    pub async fn verify(&mut self, session: &mut Session) -> Result<()> {
        let known: Vec<_> = self.positions.keys().cloned().collect();
        let stored = self.look(session).await;
        let stored = stored.map_err(|e| {
            to_error(
                "cannot compare the offsets with those of ferrule.offsets",
                &e,
            )
        })?;
        self.compare(&stored);
        self.check_lost()?;
        match known
            .iter()
            .find(|partition| self.position(partition).is_none())
        {
            Some(taken) => Err(self.not_open(taken)),
            None => Ok(()),
        }
    }

    async fn look(
        &self,
        session: &mut Session,
    ) -> sqlx::Result<BTreeMap<TopicPartition, Position>> {
        let partitions = Partitions::new(&self.reader, self.positions.keys());
        let look = partitions.query(LOOK);
        let rows = look.fetch_all(&mut session.connection).await?;
        rows.iter().map(position).collect()
    }

    /// Takes over what the database has. A partition that has another owner by now is forgotten:
    /// only a put of that partition is fenced, because the worker may not have told the sink of its
    /// loss yet, and the other partitions go on. So is one of which the database has less, and
    /// that is remembered.
    pub(super) fn compare(&mut self, stored: &BTreeMap<TopicPartition, Position>) {
        let Self {
            positions, lost, ..
        } = self;
        positions.retain(|topic_partition, position| {
            match standing(*position, stored.get(topic_partition).copied()) {
                Standing::Kept(now) => *position = now,
                Standing::OthersNow => return false,
                Standing::Lost(what) => {
                    let what = format!(
                        "the database has lost offsets of {topic_partition}, by a failover, a \
                         restored backup or a crash: {what}"
                    );
                    lost.insert(topic_partition.clone(), what);
                    return false;
                }
            }
            true
        });
    }
}

fn standing(known: Position, stored: Option<Position>) -> Standing {
    let shown = |position: Position| {
        let next = position.next_offset;
        next.map_or_else(|| "none".to_owned(), |next| next.to_string())
    };
    let was = shown(known);
    let Some(now) = stored else {
        return Standing::Lost(format!(
            "offset {was} was durable, and there is no row for it"
        ));
    };
    if now.epoch > known.epoch {
        return Standing::OthersNow;
    }
    // Nothing but the past has a lower epoch or version.
    if now.epoch < known.epoch || now.version < known.version || now.next_offset < known.next_offset
    {
        let now = shown(now);
        return Standing::Lost(format!("offset {was} was durable, and it has {now}"));
    }
    Standing::Kept(now)
}

#[cfg(test)]
mod tests {
    use connect_api::Offset;

    use super::*;

    fn at(epoch: i64, version: i64, next: Option<i64>) -> Position {
        Position {
            epoch,
            version,
            next_offset: next.map(Offset),
            last_timestamp: None,
        }
    }

    #[test]
    fn less_than_was_durable_is_lost() {
        let known = at(3, 7, Some(600));
        for same_or_more in [known, at(3, 8, Some(600)), at(3, 8, Some(700))] {
            let expect = Standing::Kept(same_or_more);
            assert_eq!(standing(known, Some(same_or_more)), expect);
        }
        for others in [at(4, 7, Some(600)), at(9, 1, None)] {
            assert_eq!(standing(known, Some(others)), Standing::OthersNow);
        }
        for lost in [
            None,
            Some(at(3, 6, Some(400))),
            // A transaction that moved no offset.
            Some(at(3, 6, Some(600))),
            // The task took the partition over later than the database knows.
            Some(at(2, 7, Some(600))),
            Some(at(2, 9, Some(900))),
            Some(at(3, 7, None)),
        ] {
            let found = standing(known, lost);
            assert!(matches!(found, Standing::Lost(_)), "{lost:?}: {found:?}");
        }
    }
}
