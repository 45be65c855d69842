//! A look at the state of a connector's transforms, for people.

use connect_api::{Result, StateQuery, StateRow, Timestamp};
use sqlx::{PgConnection, Row};

use crate::config::PostgresSinkConfig;
use crate::error::to_error;
use crate::reader::Reader;
use crate::session::{Keeps, Session};

const PRESENT: &str = "SELECT to_regclass('ferrule.state') IS NOT NULL";

/// Also of a table without the cluster, or of rows that were written without one.
const LOOK: &str = r#"SELECT s.transform, s.topic, s."partition", s.clock, e.key, e.value,
        e.expires_at
    FROM ferrule.stores s JOIN ferrule.state e ON e.store = s.id,
        LATERAL (SELECT to_jsonb(s) ->> 'cluster', to_jsonb(s) ->> 'consumer_group')
            AS of(cluster, consumer_group)
    WHERE s.connector = $1
        AND (coalesce(of.cluster, '') = '' OR of.cluster = $2 AND of.consumer_group = $3)
        AND ($4::text IS NULL OR s.transform = $4)
        AND ($5::text IS NULL OR s.topic = $5) AND ($6::int IS NULL OR s."partition" = $6)
        AND e.key >= $7 AND substring(e.key FROM 1 FOR length($7)) = $7
    ORDER BY s.transform, s.topic, s."partition", e.key LIMIT $8"#;

/// Entries of the state, in the order of transform, partition and key.
///
/// # Errors
/// As of a task: what the server or the connection says.
pub(crate) async fn state(
    config: &PostgresSinkConfig,
    reader: &Reader,
    query: &StateQuery,
) -> Result<Vec<StateRow>> {
    let keeps = Keeps {
        offsets: false,
        state: false,
    };
    let servers = config
        .servers
        .named(&format!("ferrule:{}", reader.connector));
    let mut session = Session::connect(&servers, keeps, false).await?;
    let looking = async {
        let mut transaction = session.begin().await?;
        let rows = look(&mut transaction, reader, query).await?;
        transaction.commit().await?;
        Ok(rows)
    };
    let rows: sqlx::Result<_> = looking.await;
    rows.map_err(|error| to_error("cannot read the state of the transforms", &error))
}

async fn look(
    connection: &mut PgConnection,
    reader: &Reader,
    query: &StateQuery,
) -> sqlx::Result<Vec<StateRow>> {
    if !sqlx::query_scalar(PRESENT)
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?
    {
        return Ok(Vec::new());
    }
    let rows = reader.query(LOOK);
    let rows = rows
        .persistent(false)
        .bind(&query.transform)
        .bind(&query.topic)
        .bind(query.partition)
        .bind(&query.prefix)
        .bind(i64::from(query.limit))
        .fetch_all(connection)
        .await?;
    let row = |row: &sqlx::postgres::PgRow| {
        Ok(StateRow {
            transform: row.try_get("transform")?,
            topic: row.try_get("topic")?,
            partition: row.try_get("partition")?,
            clock: row.try_get::<Option<i64>, _>("clock")?.map(Timestamp),
            key: row.try_get("key")?,
            value: row.try_get("value")?,
            expires: (row.try_get::<Option<i64>, _>("expires_at")?).map(Timestamp),
        })
    };
    rows.iter().map(row).collect()
}
