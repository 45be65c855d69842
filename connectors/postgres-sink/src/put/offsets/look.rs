//! What a connector's tasks will go on from, for a person who asks over REST.

use connect_api::{Offset, Result, TopicPartition};
use sqlx::Row;

use crate::error::to_error;
use crate::session::Session;

const PRESENT: &str = "SELECT to_regclass('ferrule.offsets') IS NOT NULL";

const STORED: &str = r#"SELECT topic, "partition", next_offset FROM ferrule.offsets
    WHERE connector = $1 AND next_offset IS NOT NULL ORDER BY topic, "partition""#;

/// The stored offsets of a connector, by topic and partition. A table that is not there has none,
/// and is not made.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn stored(
    session: &mut Session,
    connector: &str,
) -> Result<Vec<(TopicPartition, Offset)>> {
    let looking = async {
        let mut transaction = session.begin().await?;
        let present = sqlx::query_scalar(PRESENT).persistent(false);
        let rows = match present.fetch_one(&mut *transaction).await? {
            false => Vec::new(),
            true => {
                let rows = sqlx::query(STORED).persistent(false).bind(connector);
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
