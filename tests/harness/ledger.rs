//! A stream of numbered records, and a table without any key: it shows each record that is lost,
//! doubled or out of its order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::connect::{ConnectClient, sink_config};
use crate::kafka::TestKafka;
use crate::names;
use crate::postgres::{TestDatabase, TestPostgres};
use crate::record::Record;
use crate::wait::wait_until;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// The rows get their `id` in the order in which they are written.
const TABLE: &str = "CREATE TABLE ledger (id bigint GENERATED ALWAYS AS IDENTITY, part int, \
                     seq bigint, pad text, at_partition int, at_offset bigint)";

/// Of each partition: its rows, those with a number that is not their place, the numbers that there
/// are, the first wrong one, and the rows whose partition or offset is not in order.
const AUDIT: &str = "SELECT part, count(*), count(*) FILTER (WHERE seq IS DISTINCT FROM place), \
    count(DISTINCT seq), min(place) FILTER (WHERE seq IS DISTINCT FROM place), \
    count(*) FILTER (WHERE at_partition IS DISTINCT FROM part OR at_offset <= before) \
    FROM (SELECT part, seq, at_partition, at_offset, row_number() OVER w - 1 AS place, \
        lag(at_offset) OVER w AS before \
        FROM ledger WINDOW w AS (PARTITION BY part ORDER BY id)) placed \
    GROUP BY part ORDER BY part";

/// What [`AUDIT`] says of a partition.
type Line = (i32, i64, i64, i64, Option<i64>, i64);

const OWN: &[(&str, &str)] = &[
    ("table.name.format", "ledger"),
    ("insert.mode", "insert"),
    ("transforms", "place"),
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

const LIMIT: Duration = Duration::from_secs(60);

/// A topic, a table, and what is to be in it.
pub struct Ledger<'a> {
    /// The topic's name, and the connector's.
    pub name: String,
    /// Where the table is.
    pub database: TestDatabase,
    kafka: &'a TestKafka,
    /// How many records of each partition there are.
    produced: Mutex<BTreeMap<i32, i64>>,
}

impl<'a> Ledger<'a> {
    /// A new topic and a new database.
    pub async fn new(
        kafka: &'a TestKafka,
        postgres: &TestPostgres,
        stem: &str,
        partitions: i32,
    ) -> Result<Self> {
        let name = names::unique(stem);
        kafka.create_topic(&name, partitions).await?;
        let database = postgres.database(stem).await?;
        database.execute(TABLE).await?;
        let produced = Mutex::new((0..partitions).map(|partition| (partition, 0)).collect());
        Ok(Self {
            name,
            database,
            kafka,
            produced,
        })
    }

    /// The same on the services that the tests share.
    pub async fn shared(stem: &str, partitions: i32) -> Result<Ledger<'static>> {
        let kafka = TestKafka::shared().await?;
        Ledger::new(kafka, TestPostgres::shared().await?, stem, partitions).await
    }

    /// The connector's config: rows appended, transactions small, errors not tolerated, a worker
    /// that vanishes soon missed.
    pub fn config(&self, settings: &[(&str, &str)]) -> Value {
        let url = self.database.jdbc_url();
        let place = [
            ("name", self.name.as_str()),
            ("topics", &self.name),
            ("connection.url", &url),
        ];
        sink_config(&[OWN, &place, settings])
    }

    /// Creates the connector, whatever becomes of it.
    pub async fn create(&self, rest: &ConnectClient, settings: &[(&str, &str)]) -> Result<()> {
        rest.create(&json!({ "name": self.name, "config": self.config(settings) }))
            .await?;
        Ok(())
    }

    /// Creates the connector and waits until it runs.
    pub async fn deploy(&self, rest: &ConnectClient, settings: &[(&str, &str)]) -> Result<()> {
        self.create(rest, settings).await?;
        rest.wait_for_state(&self.name, "RUNNING").await
    }

    /// The next record of a partition, without it being counted.
    pub fn record(partition: i32, seq: i64) -> Record {
        let pad = "x".repeat(usize::try_from(seq % 97).unwrap_or(0));
        Record::json(&json!({ "part": partition, "seq": seq, "pad": pad })).partition(partition)
    }

    /// Produces so many more records to each partition.
    pub async fn produce(&self, count: i64) -> Result<()> {
        let mut produced = self.produced.lock().await;
        let next = produced.clone();
        let numbers =
            (0..count).flat_map(|more| next.iter().map(move |(at, next)| (*at, next + more)));
        let records = numbers.map(|(partition, seq)| Self::record(partition, seq));
        self.kafka
            .produce(&self.name, records.collect::<Vec<_>>())
            .await?;
        produced.values_mut().for_each(|next| *next += count);
        Ok(())
    }

    /// Counts records that a test has produced by itself; the partition may be new.
    pub async fn count_in(&self, partition: i32, count: i64) {
        *self.produced.lock().await.entry(partition).or_default() += count;
    }

    /// Does `work` while records are produced.
    pub async fn meanwhile<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let done = AtomicBool::new(false);
        let working = async {
            let outcome = work.await;
            done.store(true, Ordering::Relaxed);
            outcome
        };
        let producing = async {
            while !done.load(Ordering::Relaxed) {
                self.produce(20).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        let (outcome, produced): (_, Result<()>) = tokio::join!(working, producing);
        produced?;
        outcome
    }

    /// How many rows there are.
    pub async fn rows(&self) -> Result<i64> {
        self.database.count("ledger").await
    }

    /// Waits until there are more rows than now.
    pub async fn progress(&self) -> Result<()> {
        let before = self.rows().await?;
        wait_until(LIMIT, "more rows", async || Ok(self.rows().await? > before)).await
    }

    /// Waits until the table has as many rows as there are records, and checks each. A task that
    /// fails meanwhile ends the wait with its trace.
    pub async fn complete(&self, rest: &ConnectClient) -> Result<()> {
        let wanted: i64 = self.produced.lock().await.values().sum();
        let mut failed = None;
        let outcome = wait_until(LIMIT, "all rows", async || {
            let rows = self.rows().await?;
            failed = self.trace(rest).await?.filter(|_| rows < wanted);
            ensure!(rows >= wanted || failed.is_some(), "{rows} of {wanted}");
            Ok(true)
        });
        let outcome = outcome.await;
        if let Some(trace) = failed {
            bail!("{} has a failed task: {trace}", self.name);
        }
        self.audit().await?;
        outcome
    }

    /// Checks that the table holds each record once, in the order of its partition.
    pub async fn audit(&self) -> Result<()> {
        let wanted = self.produced.lock().await.clone();
        self.audit_for(wanted).await
    }

    /// Checks that the table holds each record once up to where it says that it is.
    pub async fn audit_so_far(&self) -> Result<()> {
        self.audit_for(self.stored().await?).await
    }

    /// Checks that no record is doubled, left out or out of its order among those that are there.
    pub async fn audit_order(&self) -> Result<()> {
        let lines: Vec<Line> = sqlx::query_as(AUDIT)
            .fetch_all(self.database.pool())
            .await?;
        let wrong = lines.iter().find(|line| (line.2, line.5) != (0, 0));
        wrong.map_or(Ok(()), |line| bail!("partition {}: {line:?}", line.0))
    }

    async fn audit_for(&self, wanted: BTreeMap<i32, i64>) -> Result<()> {
        let lines: Vec<Line> = sqlx::query_as(AUDIT)
            .fetch_all(self.database.pool())
            .await?;
        let mut offences = Vec::new();
        for (part, rows, misplaced, distinct, first, unordered) in &lines {
            let wanted = wanted.get(part).copied().unwrap_or_default();
            if (*rows, *misplaced, *unordered) != (wanted, 0, 0) {
                offences.push(format!(
                    "partition {part}: {rows} rows of {wanted}, {distinct} of them distinct, \
                     {misplaced} out of place, the first at {first:?}, {unordered} by offset"
                ));
            }
        }
        for (part, wanted) in &wanted {
            if *wanted > 0 && !lines.iter().any(|line| line.0 == *part) {
                offences.push(format!("partition {part}: no rows of {wanted}"));
            }
        }
        ensure!(offences.is_empty(), "{}", offences.join("\n"));
        Ok(())
    }

    /// The offsets in the database.
    pub async fn stored(&self) -> Result<BTreeMap<i32, i64>> {
        self.database.stored_offsets(&self.name).await
    }

    /// The offsets of the connector's group.
    pub async fn committed(&self) -> Result<BTreeMap<i32, i64>> {
        self.kafka.sink_offsets(&self.name).await
    }

    /// Waits until another connector, made for this, has written records that are produced now.
    /// What a connector of the worker would have done wrongly by now, it has done.
    pub async fn outlast(rest: &ConnectClient) -> Result<()> {
        let marker = Ledger::shared("marker", 1).await?;
        marker.deploy(rest, &[]).await?;
        marker.produce(1).await?;
        marker.complete(rest).await?;
        rest.delete(&marker.name).await
    }

    /// How many sessions own partitions.
    pub async fn owners(&self) -> Result<i64> {
        let query = "SELECT count(DISTINCT owner) FROM ferrule.offsets WHERE connector = $1";
        Ok(sqlx::query_scalar(query)
            .bind(&self.name)
            .fetch_one(self.database.pool())
            .await?)
    }

    /// The trace of a failed task.
    pub async fn trace(&self, rest: &ConnectClient) -> Result<Option<String>> {
        rest.trace(&self.name).await
    }

    /// Waits until the task has failed, and gives its trace.
    pub async fn failure(&self, rest: &ConnectClient) -> Result<String> {
        rest.wait_for_state(&self.name, "FAILED").await?;
        self.trace(rest)
            .await?
            .context("a failed task has no trace")
    }
}
