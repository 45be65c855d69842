//! Rows of other readers: connectors of the same name in other clusters, and those of earlier
//! releases, which knew no clusters.
//!
//! For as long as one cluster alone writes to a database, its tables keep the key that they had, as
//! a second one: workers of an earlier release, which name rows by connector, topic and partition,
//! then still meet one row, whichever release has made it. The first task that needs a second row
//! drops that key, unless such a worker is there.

use connect_api::{Error, Result, TopicPartition};
use sqlx::{Executor as _, PgConnection, Row};

use super::ownership::{Partitions, position};
use crate::error::{Policy, describe, policy_of, to_error};
use crate::put::write::state::adopt_state;
use crate::reader::Reader;
use crate::session::{CREATION_LOCK, Session};

/// Rows that were written without a cluster belong to whoever takes the partition first. Another
/// who wants them at the same time waits for the locks, and then finds none.
const ADOPT: &str = r#"WITH found AS (
        SELECT o.topic, o."partition" FROM ferrule.offsets o
        JOIN unnest($4::text[], $5::int[]) AS p(topic, "partition") USING (topic, "partition")
        WHERE o.connector = $1 AND o.cluster = '' AND o.consumer_group = ''
        ORDER BY o.topic, o."partition" FOR UPDATE OF o)
    UPDATE ferrule.offsets o SET cluster = $2, consumer_group = $3 FROM found f
    WHERE o.connector = $1 AND o.cluster = '' AND o.consumer_group = ''
        AND o.topic = f.topic AND o."partition" = f."partition"
        AND NOT EXISTS (SELECT FROM ferrule.offsets own WHERE own.connector = $1
            AND own.cluster = $2 AND own.consumer_group = $3
            AND own.topic = o.topic AND own."partition" = o."partition")
    RETURNING o.topic, o."partition", o.next_offset, o.epoch, o.version, o.last_timestamp"#;

const WITHOUT_CLUSTER: &str = r#"SELECT topic, "partition", next_offset, epoch, version,
        last_timestamp FROM ferrule.offsets
    WHERE connector = $1 AND cluster = '' AND consumer_group = '' AND ($2 <> '' OR $3 <> '')"#;

const OTHERS: &str = r#"SELECT EXISTS (SELECT FROM ferrule.offsets o
    JOIN unnest($4::text[], $5::int[]) AS p(topic, "partition") USING (topic, "partition")
    WHERE o.connector = $1 AND o.cluster <> '' AND (o.cluster, o.consumer_group) <> ($2, $3))"#;

const HAS_KEY_OF_ONE: &str = "SELECT EXISTS (SELECT FROM pg_constraint \
    WHERE conrelid IN (to_regclass('ferrule.offsets'), to_regclass('ferrule.stores')) \
        AND conname IN ('offsets_of_one_cluster', 'stores_of_one_cluster'))";

const DROP_KEY_OF_ONE: &str = "ALTER TABLE IF EXISTS ferrule.offsets \
        DROP CONSTRAINT IF EXISTS offsets_of_one_cluster; \
    ALTER TABLE IF EXISTS ferrule.stores DROP CONSTRAINT IF EXISTS stores_of_one_cluster";

/// The session of a worker that takes partitions over without telling the cluster.
const EARLIER_RELEASE: &str = "SELECT min(a.application_name) FROM ferrule.offsets o \
    JOIN pg_stat_activity a \
        ON o.owner = concat_ws('/', a.application_name, a.pid, extract(epoch FROM a.backend_start)) \
    WHERE o.scoped_epoch IS DISTINCT FROM o.epoch";

const HAS_CLUSTERS: &str = "SELECT EXISTS (SELECT FROM pg_attribute \
    WHERE attrelid = to_regclass('ferrule.offsets') AND attname = 'scoped_epoch')";

/// Whether there is a table of offsets that knows of clusters. A connector that keeps state alone
/// needs none.
///
/// # Errors
/// Whatever the server or the connection says.
pub(crate) async fn has_clusters(connection: &mut PgConnection) -> sqlx::Result<bool> {
    connection.fetch_one(HAS_CLUSTERS).await?.try_get(0)
}

/// Takes over what was written of these partitions without a cluster: offsets and state, once.
pub(super) async fn adopt(
    connection: &mut PgConnection,
    partitions: &Partitions<'_>,
) -> sqlx::Result<()> {
    let rows = partitions.query(ADOPT).fetch_all(&mut *connection).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let adopted = rows.iter().map(|row| position(row).map(|(at, _)| at));
    let adopted: Vec<TopicPartition> = adopted.collect::<sqlx::Result<_>>()?;
    tracing::info!(
        connector = partitions.reader.connector,
        partitions = adopted.len(),
        "took over offsets that were stored without a cluster"
    );
    adopt_state(connection, partitions.reader, &adopted).await
}

/// The same for all partitions of the connector.
pub(super) async fn adopt_all(connection: &mut PgConnection, reader: &Reader) -> sqlx::Result<()> {
    let found = reader.query(WITHOUT_CLUSTER).persistent(false);
    let found = found.fetch_all(&mut *connection).await?;
    let found = found.iter().map(|row| position(row).map(|(at, _)| at));
    let found: Vec<TopicPartition> = found.collect::<sqlx::Result<_>>()?;
    match found.is_empty() {
        true => Ok(()),
        false => adopt(connection, &Partitions::new(reader, found.iter())).await,
    }
}

/// Makes sure that there may be rows of these partitions beside those of another reader.
///
/// # Errors
/// As for [`admit_others`].
pub(super) async fn make_room(session: &mut Session, partitions: &Partitions<'_>) -> Result<()> {
    let others = partitions.query(OTHERS);
    let others = others.fetch_one(&mut session.connection).await;
    let others: sqlx::Result<bool> = others.and_then(|row| row.try_get(0));
    match others.map_err(|e| to_error("cannot look for rows of other clusters", &e))? {
        true => admit_others(session, partitions.reader).await,
        false => Ok(()),
    }
}

/// Drops the key that lets one cluster alone have rows of a partition.
///
/// # Errors
/// [`connect_api::ErrorKind::Retriable`] while a worker of an earlier release writes to the
/// database; [`connect_api::ErrorKind::Config`] where the role may not.
pub(crate) async fn admit_others(session: &mut Session, reader: &Reader) -> Result<()> {
    let admitting = async {
        let mut transaction = session.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .persistent(false)
            .bind(CREATION_LOCK)
            .execute(&mut *transaction)
            .await?;
        let has_key: bool = transaction.fetch_one(HAS_KEY_OF_ONE).await?.try_get(0)?;
        if !has_key {
            return Ok(None);
        }
        let earlier: Option<String> = match has_clusters(&mut transaction).await? {
            true => transaction.fetch_one(EARLIER_RELEASE).await?.try_get(0)?,
            false => None,
        };
        if earlier.is_none() {
            transaction.execute(DROP_KEY_OF_ONE).await?;
            transaction.commit().await?;
            tracing::info!(
                connector = reader.connector,
                "another cluster has a connector of this name: both have rows of their own in \
                 ferrule.offsets from now on"
            );
        }
        Ok(earlier)
    };
    let admitted: sqlx::Result<Option<String>> = admitting.await;
    let connector = &reader.connector;
    match admitted {
        Ok(None) => Ok(()),
        Ok(Some(earlier)) => Err(Error::retriable(format!(
            "another cluster has a connector {connector} whose offsets are in this database, and a \
             worker of an earlier release, with the session {earlier}, would mix them: replace that \
             worker, or stop it"
        ))),
        Err(error) if policy_of(&error) == Policy::Config => Err(Error::config(format!(
            "another cluster has a connector {connector} whose offsets are in this database; let \
             an administrator run: {DROP_KEY_OF_ONE}: {}",
            describe(&error)
        ))),
        Err(error) => Err(to_error("cannot make room for a second cluster", &error)),
    }
}
