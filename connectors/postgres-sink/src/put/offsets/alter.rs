//! Changes the stored offsets of a stopped connector, as its user asks over REST.

use connect_api::{Offset, OffsetChange, Result, TopicPartition};

use crate::error::to_error;
use crate::put::write::state::drop_state;
use crate::session::Session;

/// The rows stay, with a new epoch: it fences a task that still holds the one before (Invariant 5).
/// A row that was deleted and inserted again would not.
const SET: &str = r#"INSERT INTO ferrule.offsets AS o (connector, topic, "partition", next_offset, epoch)
    SELECT $1, topic, "partition", next, 1
    FROM unnest($2::text[], $3::int[], $4::bigint[]) AS p(topic, "partition", next)
    ORDER BY topic, "partition"
    ON CONFLICT (connector, topic, "partition") DO UPDATE
    SET next_offset = EXCLUDED.next_offset, last_offset = NULL, last_timestamp = NULL,
        epoch = o.epoch + 1, owner = NULL, updated_at = now()"#;

const RESET: &str = "UPDATE ferrule.offsets \
    SET next_offset = NULL, last_offset = NULL, last_timestamp = NULL, \
        epoch = epoch + 1, owner = NULL, updated_at = now() \
    WHERE connector = $1";

/// The state of transforms, which goes with the offsets, may never have been kept.
const KEEPS_STATE: &str = "SELECT to_regclass('ferrule.state') IS NOT NULL";

/// Changes the stored offsets of a connector, all or none. The transforms' state of the altered
/// partitions is dropped with it; that of partitions without an offset is dropped when they are
/// opened.
pub(crate) async fn alter(
    session: &mut Session,
    connector: &str,
    change: &OffsetChange,
) -> Result<()> {
    let altering = async {
        let mut transaction = session.begin().await?;
        match change {
            OffsetChange::Reset => {
                let reset = sqlx::query(RESET).persistent(false).bind(connector);
                reset.execute(&mut *transaction).await?;
            }
            OffsetChange::Alter(offsets) => {
                let new = NewOffsets::new(offsets);
                let set = sqlx::query(SET)
                    .persistent(false)
                    .bind(connector)
                    .bind(new.topics)
                    .bind(new.partitions)
                    .bind(new.next);
                set.execute(&mut *transaction).await?;
                let keeps = sqlx::query_scalar(KEEPS_STATE).persistent(false);
                if keeps.fetch_one(&mut *transaction).await? {
                    let altered = offsets
                        .iter()
                        .map(|(topic_partition, _)| topic_partition.clone());
                    let altered: Vec<_> = altered.collect();
                    drop_state(&mut transaction, connector, &altered).await?;
                }
            }
        }
        transaction.commit().await
    };
    altering
        .await
        .map_err(|error| to_error("cannot alter the offsets in ferrule.offsets", &error))
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
