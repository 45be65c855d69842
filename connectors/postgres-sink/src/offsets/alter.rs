//! Offsets that a person sets, for a connector that is stopped.

use connect_api::{Offset, OffsetChange, Result, TopicPartition};

use crate::error::to_error;
use crate::session::Session;
use crate::stores::drop_state;

/// The rows stay: a new epoch fences whoever may still hold the one before (Invariant 5), which a
/// row that is made anew would not.
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

/// Changes the stored offsets of a connector, all or none. State of transforms at other offsets is
/// dropped; that of a partition without an offset is when it is opened.
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
                let (topics, numbers, next) = columns(offsets);
                let set = sqlx::query(SET)
                    .persistent(false)
                    .bind(connector)
                    .bind(topics)
                    .bind(numbers)
                    .bind(next);
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

type Columns = (Vec<String>, Vec<i32>, Vec<Option<i64>>);

/// Of several offsets for a partition the last counts.
fn columns(offsets: &[(TopicPartition, Option<Offset>)]) -> Columns {
    let last: std::collections::BTreeMap<_, _> = offsets.iter().cloned().collect();
    let mut columns = Columns::default();
    for (topic_partition, next) in last {
        columns.0.push(topic_partition.topic.to_string());
        columns.1.push(topic_partition.partition);
        columns.2.push(next.map(|next| next.0));
    }
    columns
}
