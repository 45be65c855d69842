//! A look at the state of a connector's transforms, for people.

use connect_api::{Result, StateQuery, StateRow, Timestamp};
use sqlx::{PgConnection, Row};

use crate::config::PostgresSinkConfig;
use crate::error::to_error;
use crate::session::{Keeps, Session};

const PRESENT: &str = "SELECT to_regclass('ferrule.state') IS NOT NULL";

const LOOK: &str = r#"SELECT s.transform, s.topic, s."partition", s.clock, e.key, e.value,
        e.expires_at
    FROM ferrule.stores s JOIN ferrule.state e ON e.store = s.id
    WHERE s.connector = $1 AND ($2::text IS NULL OR s.transform = $2)
        AND ($3::text IS NULL OR s.topic = $3) AND ($4::int IS NULL OR s."partition" = $4)
        AND e.key >= $5 AND substring(e.key FROM 1 FOR length($5)) = $5
    ORDER BY s.transform, s.topic, s."partition", e.key LIMIT $6"#;

/// Entries of the state, in the order of transform, partition and key.
///
/// # Errors
/// As of a task: what the server or the connection says.
pub(crate) async fn state(
    config: &PostgresSinkConfig,
    connector: &str,
    query: &StateQuery,
) -> Result<Vec<StateRow>> {
    let keeps = Keeps {
        offsets: false,
        state: false,
    };
    let servers = config.servers.named(&format!("ferrule:{connector}"));
    let mut session = Session::connect(&servers, keeps, false).await?;
    let looking = async {
        let mut transaction = session.begin().await?;
        let rows = look(&mut transaction, connector, query).await?;
        transaction.commit().await?;
        Ok(rows)
    };
    let rows: sqlx::Result<_> = looking.await;
    rows.map_err(|error| to_error("cannot read the state of the transforms", &error))
}

async fn look(
    connection: &mut PgConnection,
    connector: &str,
    query: &StateQuery,
) -> sqlx::Result<Vec<StateRow>> {
    if !sqlx::query_scalar(PRESENT)
        .persistent(false)
        .fetch_one(&mut *connection)
        .await?
    {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(LOOK)
        .persistent(false)
        .bind(connector)
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
