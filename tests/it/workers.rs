//! Several workers of one group.

mod databases;
mod jvm;
mod members;
mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::names;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// Workers of one group, each with a port of its own.
struct Cluster {
    config: WorkerConfig,
    workers: Vec<TestWorker>,
}

impl Cluster {
    async fn start(count: usize) -> Result<Self> {
        Self::on(TestKafka::shared().await?, count).await
    }

    /// Workers of this Kafka.
    async fn on(kafka: &TestKafka, count: usize) -> Result<Self> {
        let config = WorkerConfig::new(&kafka.bootstrap())?;
        let mut cluster = Self {
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
        let listener = format!("http://127.0.0.1:{}", names::free_port()?);
        let config = self.config.clone().set("listeners", &listener);
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
