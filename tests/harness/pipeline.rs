//! One pipeline of a test: a topic, a connector, a database, and the dead letters.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::connect::{ConnectClient, connector, sink_config};
use crate::kafka::TestKafka;
use crate::letter::{Refused, by_position};
use crate::names;
use crate::postgres::{PASSWORD, TestDatabase, TestPostgres, USER};
use crate::record::{Received, Record};
use crate::wait::wait_until;
use crate::worker::TestWorker;

const TOLERANT: &[(&str, &str)] = &[
    ("errors.tolerance", "all"),
    ("errors.deadletterqueue.topic.replication.factor", "1"),
    ("errors.deadletterqueue.context.headers.enable", "true"),
];

const LIMIT: Duration = Duration::from_secs(40);

/// A topic, a connector of its own, and a database of its own. What the worker logged of the
/// connector is printed when the test ends, which the test runner shows only for one that failed.
pub struct Pipeline {
    /// The connector's name, and the topic's.
    pub name: String,
    /// Where the rows go.
    pub database: TestDatabase,
    kafka: &'static TestKafka,
    rest: ConnectClient,
    log: PathBuf,
}

impl Pipeline {
    /// A topic and a database for a connector on the worker that the tests share.
    pub async fn shared(stem: &str, partitions: i32) -> Result<Self> {
        Self::on(TestWorker::shared().await?, stem, partitions).await
    }

    /// The same for a connector on this worker, which must be one of the shared Kafka.
    pub async fn on(worker: &TestWorker, stem: &str, partitions: i32) -> Result<Self> {
        Self::over(worker, stem, partitions, TestPostgres::shared().await?).await
    }

    /// The same with the database on this server.
    pub async fn over(
        worker: &TestWorker,
        stem: &str,
        partitions: i32,
        postgres: &TestPostgres,
    ) -> Result<Self> {
        let (name, kafka) = (names::unique(stem), TestKafka::shared().await?);
        kafka.create_topic(&name, partitions).await?;
        let database = postgres.database(stem).await?;
        let (rest, log) = (worker.rest().clone(), worker.log_file());
        Ok(Self {
            name,
            database,
            kafka,
            rest,
            log,
        })
    }

    /// The worker's REST API.
    pub fn rest(&self) -> &ConnectClient {
        &self.rest
    }

    /// The dead letter topic.
    pub fn dead_letter_topic(&self) -> String {
        format!("{}-dlq", self.name)
    }

    /// What every connector of a test has: this topic, this database, these dead letters.
    fn place(&self) -> Vec<(&'static str, String)> {
        vec![
            ("topics", self.name.clone()),
            ("connection.url", self.database.jdbc_url()),
            ("connection.user", USER.to_owned()),
            ("connection.password", PASSWORD.to_owned()),
            (
                "errors.deadletterqueue.topic.name",
                self.dead_letter_topic(),
            ),
        ]
    }

    /// The configuration of a sink of plain JSON that tolerates errors, with settings changed or
    /// added.
    pub fn config(&self, settings: &[(&str, &str)]) -> Value {
        let place = self.place();
        let place: Vec<_> = place
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        sink_config(&[TOLERANT, &place, settings])
    }

    /// Creates the connector of [`Pipeline::config`] and waits until it runs.
    pub async fn deploy(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.create(settings).await?;
        self.rest.wait_for_state(&self.name, "RUNNING").await
    }

    /// Creates the connector of [`Pipeline::config`], whatever becomes of it.
    pub async fn create(&self, settings: &[(&str, &str)]) -> Result<()> {
        let body = json!({ "name": self.name, "config": self.config(settings) });
        self.rest.create(&body).await?;
        Ok(())
    }

    /// Creates the connector of a file of `connectors/`, for this topic and this database, and
    /// waits until it runs.
    pub async fn deploy_file(&self, file: &str, settings: &[(&str, &str)]) -> Result<()> {
        let place = self.place();
        let mut all: Vec<_> = place
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        all.extend_from_slice(settings);
        self.rest
            .create(&connector(file, &self.name, &all)?)
            .await?;
        self.rest.wait_for_state(&self.name, "RUNNING").await
    }

    /// Produces records in order.
    pub async fn produce(&self, records: impl IntoIterator<Item = Record>) -> Result<()> {
        self.kafka.produce(&self.name, records).await
    }

    /// How many records the topic has.
    pub async fn produced(&self) -> Result<i64> {
        let ends = self.kafka.end_offsets(&self.name).await?;
        Ok(ends.values().sum())
    }

    /// Waits until the database says that all of the topic is done, and then Kafka's group. A task
    /// that fails meanwhile ends the wait with its trace.
    pub async fn drained(&self) -> Result<()> {
        let mut ends = self.kafka.end_offsets(&self.name).await?;
        ends.retain(|_, end| *end > 0);
        let mut failed = None;
        wait_until(LIMIT, "the database to have all offsets", async || {
            failed = self.trace().await?;
            let stored = self.stored().await?;
            ensure!(
                failed.is_some() || stored == ends,
                "it has {stored:?} of {ends:?}"
            );
            Ok(true)
        })
        .await?;
        if let Some(trace) = failed {
            bail!("{} has a failed task: {trace}", self.name);
        }
        wait_until(LIMIT, "the group to have all offsets", async || {
            let committed = self.committed().await?;
            ensure!(committed == ends, "it has {committed:?} of {ends:?}");
            Ok(true)
        })
        .await
    }

    /// The offsets that the database has, of partitions that have come anywhere.
    pub async fn stored(&self) -> Result<BTreeMap<i32, i64>> {
        self.database.stored_offsets(&self.name).await
    }

    /// The offsets that the connector's group has.
    pub async fn committed(&self) -> Result<BTreeMap<i32, i64>> {
        self.kafka.sink_offsets(&self.name).await
    }

    /// The trace of a failed task.
    pub async fn trace(&self) -> Result<Option<String>> {
        self.rest.trace(&self.name).await
    }

    /// The dead letters by the partition and offset of their records.
    pub async fn letters(&self) -> Result<BTreeMap<(i32, i64), Received>> {
        by_position(self.kafka.read(&self.dead_letter_topic()).await?)
    }

    /// Checks that these records and no others have a dead letter, each with the record's bytes
    /// and the right headers.
    pub async fn assert_refused(&self, expected: &[Refused]) -> Result<()> {
        let letters = self.letters().await?;
        let wanted: Vec<_> = expected.iter().map(|refused| refused.at).collect();
        if let Some((at, letter)) = letters.iter().find(|(at, _)| !wanted.contains(at)) {
            let message = letter.header("__connect.errors.exception.message");
            bail!("the record at {at:?} was refused: {message:?}");
        }
        for refused in expected {
            let at = refused.at;
            let letter = letters.get(&at).with_context(|| {
                format!("the record at {at:?} was not refused: {:?}", refused.reason)
            })?;
            refused
                .check(letter, &self.name, &self.name)
                .with_context(|| format!("the dead letter of the record at {at:?}"))?;
        }
        Ok(())
    }

    /// The lines of the worker's log that name the connector.
    pub fn log(&self) -> Result<Vec<String>> {
        let log = std::fs::read(&self.log)?;
        let log = String::from_utf8_lossy(&log);
        Ok(log
            .lines()
            .filter(|line| line.contains(&self.name))
            .map(str::to_owned)
            .collect())
    }

    /// The rows of a query, each an object of its columns as Postgres's JSON has them, in text:
    /// no digit of a number is lost.
    pub async fn rows(&self, query: &str) -> Result<Vec<Value>> {
        let text = format!(
            "SELECT (SELECT jsonb_object_agg(key, value) \
             FROM jsonb_each_text(to_jsonb(q)))::text FROM ({query}) q"
        );
        let rows = self.database.texts(&text).await?.into_iter();
        rows.map(|row| Ok(serde_json::from_str(&row.context("a row is null")?)?))
            .collect()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let own = self.log().unwrap_or_default();
        let last = &own[own.len().saturating_sub(40)..];
        eprintln!(
            "--- {}, of {}\n{}",
            self.log.display(),
            self.name,
            last.join("\n")
        );
    }
}
