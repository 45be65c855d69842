//! Clusters that write to one database by connectors of one name.

use anyhow::{Result, ensure};
use harness::connect::sink_config;
use harness::kafka::TestKafka;
use harness::names;
use harness::postgres::{TestDatabase, TestPostgres};
use harness::record::Record;
use harness::wait::wait_until;
use serde_json::json;

use super::{Cluster, LIMIT};

const RECORDS: i64 = 200;
const PARTITIONS: i32 = 2;

/// A cluster, the Kafka that it reads from, and the table that it writes to.
struct Place<'a> {
    kafka: &'a TestKafka,
    cluster: Cluster<'a>,
    table: &'static str,
    produced: i64,
}

impl<'a> Place<'a> {
    /// The connector, in a consumer group of this name.
    async fn new(
        kafka: &'a TestKafka,
        database: &TestDatabase,
        (name, table, group): (&str, &'static str, &str),
    ) -> Result<Self> {
        let cluster = Cluster::on(kafka, 1).await?;
        let url = database.jdbc_url();
        let config = sink_config(&[&[
            ("name", name),
            ("topics", name),
            ("connection.url", &url),
            ("insert.mode", "insert"),
            ("table.name.format", table),
            ("consumer.override.group.id", group),
        ]]);
        let body = json!({ "name": name, "config": config });
        cluster.workers[0].rest().create(&body).await?;
        cluster.workers[0]
            .rest()
            .wait_for_state(name, "RUNNING")
            .await?;
        Ok(Self {
            kafka,
            cluster,
            table,
            produced: 0,
        })
    }

    /// Produces numbers that go on where the last ones ended.
    async fn produce(&mut self, topic: &str) -> Result<()> {
        let numbers = self.produced..self.produced + RECORDS;
        let records = numbers.map(|n| {
            let partition = i32::try_from(n % i64::from(PARTITIONS)).unwrap_or(0);
            Record::json(&json!({ "n": n })).partition(partition)
        });
        self.kafka
            .produce(topic, records.collect::<Vec<_>>())
            .await?;
        self.produced += RECORDS;
        Ok(())
    }

    /// Waits until the table has the numbers up to here, each once.
    async fn complete(&self, database: &TestDatabase, up_to: i64) -> Result<()> {
        let Self { table, .. } = self;
        wait_until(LIMIT, "all rows", async || {
            let rows = database.count(table).await?;
            ensure!(rows >= up_to, "{table} has {rows} of {up_to}");
            Ok(true)
        })
        .await?;
        let distinct = format!("(SELECT DISTINCT n FROM {table}) AS numbers");
        let found = (
            database.count(table).await?,
            database.count(&distinct).await?,
        );
        ensure!(found == (up_to, up_to), "{table} has {found:?} of {up_to}");
        Ok(())
    }
}

async fn database() -> Result<TestDatabase> {
    let database = TestPostgres::shared().await?.database("clusters").await?;
    database
        .execute("CREATE TABLE one (n bigint); CREATE TABLE two (n bigint)")
        .await?;
    Ok(database)
}

/// Neither has taken a partition of the other over: each has rows of its own, of one owner.
async fn each_has_its_own(database: &TestDatabase, clusters: usize, groups: usize) -> Result<()> {
    let query = "SELECT concat_ws(' ', count(*), count(DISTINCT cluster), \
                 count(DISTINCT consumer_group), max(epoch)) FROM ferrule.offsets";
    let found = database.texts(query).await?;
    let rows = 2 * PARTITIONS;
    let expected = format!("{rows} {clusters} {groups} 1");
    ensure!(
        found == [Some(expected.clone())],
        "{found:?}, not {expected}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_groups_with_one_connector_name_both_land_all_rows() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (database, name) = (database().await?, names::unique("twins"));
    kafka.create_topic(&name, PARTITIONS).await?;
    let (first, second) = (format!("{name}-one"), format!("{name}-two"));
    let mut one = Place::new(kafka, &database, (&name, "one", &first)).await?;
    one.produce(&name).await?;
    one.complete(&database, RECORDS).await?;
    let two = Place::new(kafka, &database, (&name, "two", &second)).await?;
    two.complete(&database, RECORDS).await?;
    one.produce(&name).await?;
    one.complete(&database, 2 * RECORDS).await?;
    two.complete(&database, 2 * RECORDS).await?;
    each_has_its_own(&database, 1, 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_kafkas_with_one_connector_name_both_land_all_rows() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let elsewhere = TestKafka::start_as("RWxzZXdoZXJlLXRoZXJlMQ").await?;
    let (database, name) = (database().await?, names::unique("twins"));
    let group = format!("connect-{name}");
    for kafka in [kafka, &elsewhere] {
        kafka.create_topic(&name, PARTITIONS).await?;
    }
    let mut one = Place::new(kafka, &database, (&name, "one", &group)).await?;
    one.produce(&name).await?;
    one.complete(&database, RECORDS).await?;
    let mut two = Place::new(&elsewhere, &database, (&name, "two", &group)).await?;
    two.produce(&name).await?;
    two.complete(&database, RECORDS).await?;
    one.produce(&name).await?;
    two.produce(&name).await?;
    one.complete(&database, 2 * RECORDS).await?;
    two.complete(&database, 2 * RECORDS).await?;
    each_has_its_own(&database, 2, 1).await?;
    // Each goes on where it was.
    for place in [&mut one, &mut two] {
        place.cluster.workers[0].restart().await?;
        place.produce(&name).await?;
        place.complete(&database, 3 * RECORDS).await?;
    }
    Ok(())
}
