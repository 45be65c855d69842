//! A connector whose plugin keeps state: it numbers the records of each partition. Whatever
//! happens, the state is what the offsets say, or a number would come twice or be left out.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use harness::connect::sink_config;
use harness::kafka::TestKafka;
use harness::names;
use harness::postgres::TestDatabase;
use harness::record::Record;
use serde_json::{Value, json};

const PARTITIONS: i32 = 2;

/// The rows get their `id` in the order in which they are written.
const TABLE: &str = "CREATE TABLE counts (id bigint GENERATED ALWAYS AS IDENTITY, count bigint, \
                     at_partition int, at_offset bigint)";

/// Of each partition: its rows, and those whose count is not their place.
const AUDIT: &str = "SELECT at_partition, count(*), count(*) FILTER (WHERE count <> place) \
    FROM (SELECT at_partition, count, \
        row_number() OVER (PARTITION BY at_partition ORDER BY id) AS place FROM counts) placed \
    GROUP BY at_partition ORDER BY at_partition";

const OWN: &[(&str, &str)] = &[
    ("table.name.format", "counts"),
    ("transforms", "count,place"),
    ("transforms.count.type", "test-guest"),
    (
        "transforms.place.type",
        "org.apache.kafka.connect.transforms.InsertField$Value",
    ),
    ("transforms.place.partition.field", "at_partition"),
    ("transforms.place.offset.field", "at_offset"),
    ("consumer.override.max.poll.records", "100"),
    ("consumer.override.session.timeout.ms", "1500"),
    ("consumer.override.heartbeat.interval.ms", "300"),
];

/// A topic of records to count, and how many there are of each partition.
pub(super) struct Counter<'a> {
    /// The connector's name, and the topic's.
    pub name: String,
    kafka: &'a TestKafka,
    produced: i64,
}

impl<'a> Counter<'a> {
    pub async fn new(kafka: &'a TestKafka, database: &TestDatabase) -> Result<Self> {
        let name = names::unique("counter");
        kafka.create_topic(&name, PARTITIONS).await?;
        database.execute(TABLE).await?;
        Ok(Self {
            name,
            kafka,
            produced: 0,
        })
    }

    /// The connector's config, with settings changed or added.
    pub fn config(&self, settings: &[(&str, &str)]) -> Value {
        let place = [("name", self.name.as_str()), ("topics", &self.name)];
        sink_config(&[OWN, &place, settings])
    }

    /// Produces one more record to each partition.
    pub async fn produce(&mut self) -> Result<()> {
        let records = (0..PARTITIONS)
            .map(|partition| Record::json(&json!({ "cmd": "count" })).partition(partition));
        self.kafka.produce(&self.name, records).await?;
        self.produced += 1;
        Ok(())
    }

    /// Whether each partition has come further.
    pub fn has_moved(before: &BTreeMap<i32, i64>, now: &BTreeMap<i32, i64>) -> bool {
        (0..PARTITIONS).all(|partition| now.get(&partition) > before.get(&partition))
    }

    /// Checks the numbers of the rows that are there, and whether all are.
    pub async fn audit(&self, database: &TestDatabase) -> Result<bool> {
        let query = sqlx::query_as(AUDIT);
        let lines: Vec<(i32, i64, i64)> = query.fetch_all(database.pool()).await?;
        let wrong: Vec<_> = lines.iter().filter(|line| line.2 != 0).collect();
        ensure!(
            wrong.is_empty(),
            "partition, rows, rows with a wrong count: {wrong:?}"
        );
        let rows: i64 = lines.iter().map(|line| line.1).sum();
        Ok(rows == self.produced * i64::from(PARTITIONS))
    }
}
