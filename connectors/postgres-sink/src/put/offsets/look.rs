//! What a connector's tasks will go on from, for a person who asks over REST.

use connect_api::{Offset, Result, TopicPartition};
use sqlx::Row;

use crate::error::to_error;
use crate::reader::Reader;
use crate::session::Session;

const PRESENT: &str = "SELECT to_regclass('ferrule.offsets') IS NOT NULL";

/// Also of a table without the cluster, or of rows that were written without one: a task will take
/// them over.
const STORED: &str = r#"SELECT DISTINCT ON (o.topic, o."partition") o.topic, o."partition",
        o.next_offset
    FROM ferrule.offsets o,
        LATERAL (SELECT to_jsonb(o) ->> 'cluster', to_jsonb(o) ->> 'consumer_group')
            AS of(cluster, consumer_group)
    WHERE o.connector = $1 AND o.next_offset IS NOT NULL
        AND (coalesce(of.cluster, '') = '' OR of.cluster = $2 AND of.consumer_group = $3)
    ORDER BY o.topic, o."partition", coalesce(of.cluster, '') = ''"#;

/// The stored offsets of a reader, by topic and partition. A table that is not there has none,
/// and is not made.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn stored(
    session: &mut Session,
    reader: &Reader,
) -> Result<Vec<(TopicPartition, Offset)>> {
    let looking = async {
        let mut transaction = session.begin().await?;
        let present = sqlx::query_scalar(PRESENT).persistent(false);
        let rows = match present.fetch_one(&mut *transaction).await? {
            false => Vec::new(),
            true => {
                let rows = reader.query(STORED).persistent(false);
                rows.fetch_all(&mut *transaction).await?
            }
        };
        transaction.commit().await?;
        let stored = rows.iter().map(|row| {
            let topic: String = row.try_get("topic")?;
            let topic_partition = TopicPartition::new(topic, row.try_get("partition")?);
            Ok((topic_partition, Offset(row.try_get("next_offset")?)))
        });
        stored.collect::<sqlx::Result<Vec<_>>>()
    };
    looking
        .await
        .map_err(|error| to_error("cannot read the offsets of ferrule.offsets", &error))
}
