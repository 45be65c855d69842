//! Changes the stored offsets of a stopped connector, as its user asks over REST.

use async_trait::async_trait;
use connect_api::{Error, Offset, OffsetChange, PendingOffsets, Result, TopicPartition};
use sqlx::Executor as _;

use super::clusters;
use super::ownership::Partitions;
use crate::error::to_error;
use crate::put::write::state::drop_state;
use crate::reader::Reader;
use crate::session::Session;

/// The rows stay, with a new epoch: it fences a task that still holds the one before (Invariant 5).
/// A row that was deleted and inserted again would not.
const SET: &str = r#"INSERT INTO ferrule.offsets AS o
        (connector, cluster, consumer_group, topic, "partition", next_offset, epoch)
    SELECT $1, $2, $3, topic, "partition", next, 1
    FROM unnest($4::text[], $5::int[], $6::bigint[]) AS p(topic, "partition", next)
    WHERE next IS NOT NULL ORDER BY topic, "partition"
    ON CONFLICT (connector, topic, "partition", cluster, consumer_group) DO UPDATE
    SET next_offset = EXCLUDED.next_offset, last_offset = NULL, last_timestamp = NULL,
        epoch = o.epoch + 1, owner = NULL, updated_at = now()"#;

/// A partition that has no row is as if it had never been read already.
const UNSET: &str = r#"UPDATE ferrule.offsets o
    SET next_offset = NULL, last_offset = NULL, last_timestamp = NULL,
        epoch = o.epoch + 1, owner = NULL, updated_at = now()
    FROM unnest($4::text[], $5::int[], $6::bigint[]) AS p(topic, "partition", next)
    WHERE o.connector = $1 AND o.cluster = $2 AND o.consumer_group = $3 AND o.topic = p.topic AND o."partition" = p."partition"
        AND p.next IS NULL"#;

const RESET: &str = "UPDATE ferrule.offsets \
    SET next_offset = NULL, last_offset = NULL, last_timestamp = NULL, \
        epoch = epoch + 1, owner = NULL, updated_at = now() \
    WHERE connector = $1 AND cluster = $2 AND consumer_group = $3";

/// The state of transforms, which goes with the offsets, may never have been kept.
const KEEPS_STATE: &str = "SELECT to_regclass('ferrule.state') IS NOT NULL";

/// A change that is made and not committed. The session is closed when it is dropped, which rolls
/// the change back.
struct Pending {
    session: Session,
}

#[async_trait]
impl PendingOffsets for Pending {
    async fn commit(mut self: Box<Self>) -> Result<()> {
        let committed = self.session.connection.execute("COMMIT").await;
        committed.map(drop).map_err(|error| cannot(&error))
    }
}

/// Changes the stored offsets of a connector, all or none, and leaves the transaction open: Kafka's
/// group is to take the change first. The transforms' state of the altered partitions is dropped
/// with it; that of partitions without an offset is dropped when they are opened.
///
/// # Errors
/// Whatever the server or the connection says; then nothing has changed.
pub(crate) async fn alter(
    mut session: Session,
    reader: &Reader,
    change: &OffsetChange,
) -> Result<Box<dyn PendingOffsets>> {
    if let OffsetChange::Alter(offsets) = change {
        let partitions = offsets.iter().map(|(topic_partition, _)| topic_partition);
        clusters::make_room(&mut session, &Partitions::new(reader, partitions)).await?;
    }
    let altered = change_rows(&mut session, reader, change).await;
    altered.map_err(|error| cannot(&error))?;
    Ok(Box::new(Pending { session }))
}

fn cannot(error: &sqlx::Error) -> Error {
    to_error("cannot alter the offsets in ferrule.offsets", error)
}

async fn change_rows(
    session: &mut Session,
    reader: &Reader,
    change: &OffsetChange,
) -> sqlx::Result<()> {
    let begin = session.begin_statement().to_owned();
    let connection = &mut session.connection;
    connection.execute(&*begin).await?;
    clusters::adopt_all(connection, reader).await?;
    let offsets = match change {
        OffsetChange::Reset => {
            let reset = reader.query(RESET).persistent(false);
            reset.execute(connection).await?;
            return Ok(());
        }
        OffsetChange::Alter(offsets) => offsets,
    };
    let new = NewOffsets::new(offsets);
    for statement in [SET, UNSET] {
        let change = reader
            .query(statement)
            .persistent(false)
            .bind(&new.topics)
            .bind(&new.partitions)
            .bind(&new.next);
        change.execute(&mut *connection).await?;
    }
    let keeps = sqlx::query_scalar(KEEPS_STATE).persistent(false);
    if keeps.fetch_one(&mut *connection).await? {
        let altered = offsets.iter().map(|(topic_partition, _)| topic_partition);
        let altered: Vec<_> = altered.cloned().collect();
        drop_state(connection, reader, &altered).await?;
    }
    Ok(())
}

/// Partitions and their new offsets, as the parameters of a statement.
#[derive(Default)]
struct NewOffsets {
    topics: Vec<String>,
    partitions: Vec<i32>,
    next: Vec<Option<i64>>,
}

impl NewOffsets {
    /// Of several offsets for a partition the last counts.
    fn new(offsets: &[(TopicPartition, Option<Offset>)]) -> Self {
        let last: std::collections::BTreeMap<_, _> = offsets.iter().cloned().collect();
        let mut new = Self::default();
        for (topic_partition, next) in last {
            new.topics.push(topic_partition.topic.to_string());
            new.partitions.push(topic_partition.partition);
            new.next.push(next.map(|next| next.0));
        }
        new
    }
}
