//! Three workers of one cluster, each with a way of its own to the brokers and to Postgres, and a
//! fourth that comes and goes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::names;
use harness::postgres::TestDatabase;
use harness::proxy::FaultProxy;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};

/// How many workers there are as a rule.
pub(super) const WORKERS: usize = 3;
/// The address of Postgres, which each worker has in its environment.
pub(super) const URL: &str = "${env:STORM_URL}";
/// What a worker logs when it leads.
const LEADS: &str = "this worker leads";

pub(super) struct Cluster {
    /// The ways to the brokers; the last is that of the guest.
    pub brokers: Vec<FaultProxy>,
    /// The ways to Postgres.
    pub ways: Vec<FaultProxy>,
    pub workers: Vec<TestWorker>,
    guest: Option<TestWorker>,
    /// The properties of each.
    configs: Vec<WorkerConfig>,
}

impl Cluster {
    /// Starts the workers behind these ways to the brokers.
    pub async fn start(
        brokers: Vec<FaultProxy>,
        postgres: u16,
        database: &TestDatabase,
    ) -> Result<Self> {
        let provider = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";
        let config = WorkerConfig::new("")?
            .set("session.timeout.ms", "4000")
            .set("config.providers", "env")
            .set("config.providers.env.class", provider);
        let (mut ways, mut configs) = (Vec::new(), Vec::new());
        for broker in &brokers {
            let way = FaultProxy::to(postgres).await?;
            let listener = format!("http://127.0.0.1:{}", names::free_port()?);
            let config = config
                .clone()
                .set("bootstrap.servers", &format!("127.0.0.1:{}", broker.port()))
                .set("listeners", &listener)
                .env("STORM_URL", &database.jdbc_url_through(&way));
            configs.push(config);
            ways.push(way);
        }
        let mut workers = Vec::new();
        for config in &configs[..WORKERS] {
            workers.push(TestWorker::start(config.clone()).await?);
        }
        Ok(Self {
            brokers,
            ways,
            workers,
            guest: None,
            configs,
        })
    }

    /// The worker that has last said that it leads.
    pub fn leader(&self) -> Result<usize> {
        let mut last = None;
        for (number, worker) in self.workers.iter().enumerate() {
            let log = worker.log()?;
            // Each line begins with its time.
            let said = log.lines().rfind(|line| line.contains(LEADS));
            last = last.max(said.map(|line| (line.to_owned(), number)));
        }
        last.map(|(_, number)| number).context("nobody leads")
    }

    /// The fourth worker joins.
    pub async fn invite(&mut self) -> Result<()> {
        let config = self.configs[WORKERS].clone();
        self.guest = Some(TestWorker::start(config).await?);
        Ok(())
    }

    /// It goes, in order or without a word.
    pub async fn part(&mut self, in_order: bool) -> Result<()> {
        let Some(mut guest) = self.guest.take() else {
            return Ok(());
        };
        match in_order {
            true => {
                let status = guest.stop().await?;
                ensure!(status.success(), "the fourth worker ended with {status}");
            }
            false => guest.kill()?,
        }
        guest.be_quiet();
        Ok(())
    }

    /// All connections work again, those that sleep wake, and those that are gone come back.
    pub async fn heal(&mut self) -> Result<()> {
        self.brokers.iter().for_each(FaultProxy::restore);
        self.ways.iter().for_each(FaultProxy::restore);
        for worker in self.workers.iter().filter(|it| it.pid().is_some()) {
            worker.signal("CONT")?;
        }
        for worker in self.workers.iter_mut().filter(|it| it.pid().is_none()) {
            worker.start_again().await?;
        }
        Ok(())
    }

    /// Waits until all tasks of a connector run, spread evenly, and all workers say the same.
    pub async fn settled(&self, name: &str, limit: Duration) -> Result<()> {
        wait_until(
            limit,
            "the tasks to be spread over the workers",
            async || {
                let mut said = Vec::new();
                for worker in &self.workers {
                    said.push(tasks(&worker.rest().status(name).await?)?);
                }
                let on = &said[0];
                ensure!(said.iter().all(|other| other == on), "they say {said:?}");
                let mut loads: BTreeMap<&str, usize> = BTreeMap::new();
                for (state, worker) in on {
                    ensure!(state == "RUNNING", "{on:?}");
                    *loads.entry(worker).or_default() += 1;
                }
                let even = on.len().div_ceil(WORKERS);
                ensure!(loads.values().all(|load| *load <= even), "{on:?}");
                Ok(true)
            },
        )
        .await
    }
}

/// The state of each task, and its worker.
fn tasks(status: &serde_json::Value) -> Result<Vec<(String, String)>> {
    let tasks = status["tasks"].as_array().context("no tasks")?;
    let text = |task: &serde_json::Value, key: &str| task[key].as_str().map(str::to_owned);
    let pair = |task| text(task, "state").zip(text(task, "worker_id"));
    tasks
        .iter()
        .map(|task| pair(task).context("a task without a state"))
        .collect()
}
