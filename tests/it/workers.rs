//! Several workers of one group.

mod addresses;
mod crowd;
mod cut_off;
mod damaged;
mod dashboards;
mod databases;
mod hanging;
mod internal_topics;
mod jvm;
mod members;
mod requests;
mod restarts;
mod rolling;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::names;
use harness::record::Received;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// A sink that writes nothing, for tests of what a cluster does with connectors.
fn blackhole(topics: &str, tasks: usize) -> Value {
    json!({
        "connector.class": "FerruleBlackholeSink",
        "topics": topics,
        "tasks.max": tasks.to_string(),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })
}

/// The time below which this share of all is.
fn quantile(times: &[Duration], share: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).ceil() as usize;
    sorted.get(at.min(last)).copied().unwrap_or_default()
}

/// What a test prints of many times: how they were measured is its own matter.
fn figures(what: &str, times: &[Duration]) {
    let [half, most, all] = [0.5, 0.99, 1.0].map(|share| quantile(times, share));
    println!(
        "{what}: {} times, p50 {half:?}, p99 {most:?}, most {all:?}",
        times.len()
    );
}

/// Workers of one group, each with a port of its own.
struct Cluster<'a> {
    kafka: &'a TestKafka,
    group: String,
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
        let mut cluster = Self::none_yet(kafka)?;
        for _ in 0..count {
            cluster.add().await?;
        }
        Ok(cluster)
    }

    /// A group without workers so far.
    fn none_yet(kafka: &'a TestKafka) -> Result<Self> {
        let group = names::unique("cluster");
        let mut config = WorkerConfig::new(&kafka.bootstrap())?
            .set("group.id", &group)
            .set("plugin.path", "")
            .set("offset.flush.interval.ms", "100")
            .set("session.timeout.ms", "5000")
            // A crowd of clients is one peer here.
            .set("ferrule.rest.max.connections", "2000")
            .set("ferrule.rest.max.connections.per.peer", "2000");
        for kind in ["config", "offset", "status"] {
            let topic = match kind {
                "config" => format!("{group}-configs"),
                "offset" => format!("{group}-offsets"),
                _ => format!("{group}-status"),
            };
            config = config.set(&format!("{kind}.storage.topic"), &topic);
        }
        Ok(Self {
            kafka,
            group,
            config,
            workers: Vec::new(),
        })
    }

    async fn add(&mut self) -> Result<()> {
        self.add_of(self.config.clone()).await
    }

    /// One more worker, of this config but for its port.
    async fn add_of(&mut self, config: WorkerConfig) -> Result<()> {
        let listener = format!("http://127.0.0.1:{}", names::free_port()?);
        let config = config.set("listeners", &listener);
        self.workers.push(TestWorker::start(config).await?);
        Ok(())
    }

    /// The REST API of the worker whose turn it is.
    fn rest(&self, turn: usize) -> &ConnectClient {
        self.workers[turn % self.workers.len()].rest()
    }

    /// The records of the status topic: key and value, of each key in their order.
    async fn status_records(&self, kafka: &TestKafka) -> Result<Vec<(String, Value)>> {
        let records = kafka.read(&format!("{}-status", self.group)).await?;
        let records = records.into_iter().filter_map(|record| {
            let value = record.value.map(|value| serde_json::from_slice(&value));
            let value = value.and_then(Result::ok).unwrap_or_default();
            Some((String::from_utf8(record.key?).ok()?, value))
        });
        Ok(records.collect())
    }

    /// Waits until the last status of each connector and task is of its newest start: none has
    /// stayed over a newer one.
    async fn statuses_are_the_newest(&self, kafka: &TestKafka) -> Result<()> {
        wait_until(LIMIT, "the newest statuses", async || {
            let mut known: BTreeMap<String, (u64, u64)> = BTreeMap::new();
            for (key, value) in self.status_records(kafka).await? {
                let Some(generation) = value["generation"].as_u64() else {
                    known.remove(&key);
                    continue;
                };
                let (most, last) = known.entry(key).or_default();
                (*most, *last) = ((*most).max(generation), generation);
            }
            let older = known.iter().find(|(_, (most, last))| last < most);
            ensure!(older.is_none(), "an older status is the last: {older:?}");
            Ok(true)
        })
        .await
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
