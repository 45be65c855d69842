//! Several workers of one group.

mod databases;
mod jvm;
mod members;
mod requests;
mod restarts;
mod rolling;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::names;
use harness::record::Received;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// Workers of one group, each with a port of its own.
struct Cluster<'a> {
    kafka: &'a TestKafka,
    config: WorkerConfig,
    workers: Vec<TestWorker>,
}

impl Cluster<'static> {
    async fn start(count: usize) -> Result<Self> {
        Self::on(TestKafka::shared().await?, count).await
    }
}

impl<'a> Cluster<'a> {
    /// Workers of this Kafka.
    async fn on(kafka: &'a TestKafka, count: usize) -> Result<Self> {
        let config = WorkerConfig::new(&kafka.bootstrap())?;
        let mut cluster = Self {
            kafka,
            config: config
                .set("plugin.path", "")
                .set("offset.flush.interval.ms", "100")
                .set("session.timeout.ms", "5000"),
            workers: Vec::new(),
        };
        for _ in 0..count {
            cluster.add().await?;
        }
        Ok(cluster)
    }

    async fn add(&mut self) -> Result<()> {
        self.add_as(self.config.clone()).await
    }

    /// Adds a worker that may differ from the others.
    async fn add_as(&mut self, config: WorkerConfig) -> Result<()> {
        let listener = format!("http://127.0.0.1:{}", names::free_port()?);
        let config = config.set("listeners", &listener);
        self.workers.push(TestWorker::start(config).await?);
        Ok(())
    }

    /// Which worker runs each task of a connector, as one of them says; none while not all run.
    async fn runs(&self, asked: usize, name: &str) -> Result<Option<Vec<String>>> {
        let status = self.workers[asked].rest().status(name).await?;
        let tasks = status["tasks"].as_array().context("no tasks")?;
        let running = tasks.iter().all(|task| task["state"] == "RUNNING");
        let on = |task: &Value| task["worker_id"].as_str().map(str::to_owned);
        Ok(running
            .then(|| tasks.iter().filter_map(on).collect::<Vec<_>>())
            .filter(|on| !on.is_empty()))
    }

    /// The starts of each task of a connector, as the status topic tells them: their generations.
    async fn starts(&self, name: &str) -> Result<BTreeMap<String, BTreeSet<u64>>> {
        let mut starts: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for (task, status) in self.statuses(name).await? {
            let generation = status["generation"].as_u64().context("no generation")?;
            starts.entry(task).or_default().insert(generation);
        }
        Ok(starts)
    }

    /// All that the status topic says of the tasks of a connector, of each in its order.
    async fn statuses(&self, name: &str) -> Result<Vec<(String, Value)>> {
        let topic = self.config.get("status.storage.topic")?;
        let prefix = format!("status-task-{name}-");
        let records = self.kafka.read(&topic).await?;
        let status = |record: &Received| {
            let key = String::from_utf8_lossy(record.key.as_deref()?);
            let task = key.strip_prefix(&prefix)?.to_owned();
            Some((task, serde_json::from_str(&record.text()).ok()?))
        };
        Ok(records.iter().filter_map(status).collect())
    }

    /// Waits until all tasks of a connector run, spread over so many workers as evenly as can be.
    async fn balanced(&self, asked: usize, name: &str, workers: usize) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let what = format!("{name} to be spread over {workers} workers");
        wait_until(LIMIT, &what, async || {
            let on = self.runs(asked, name).await?.context("not all run")?;
            let mut loads: BTreeMap<&str, usize> = BTreeMap::new();
            for worker in &on {
                *loads.entry(worker).or_default() += 1;
            }
            let spread = loads.values().max().zip(loads.values().min());
            let spread = spread.map_or(0, |(most, least)| most - least);
            ensure!(loads.len() == workers && spread <= 1, "they are on {on:?}");
            found = on;
            Ok(true)
        })
        .await?;
        Ok(found)
    }
}
