//! One topic drained into two databases by the same connector: once in peace, and once by workers
//! that are killed.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};

use harness::dice::Dice;

const LIMIT: Duration = Duration::from_secs(90);

/// A topic, a connector in peace, and one whose workers are killed.
pub struct Twice {
    /// The one in peace. The topic has its name.
    calm: Pipeline,
    /// The other one.
    shaken: Pipeline,
    workers: Vec<TestWorker>,
    produced: i64,
}

/// What of `connectors/` is deployed, and over which tables.
pub struct System {
    /// The connector's file.
    pub connector: &'static str,
    /// The file of the tables.
    pub tables: &'static str,
    /// How many partitions the topic has.
    pub partitions: i32,
    /// What is changed or added in the file.
    pub settings: &'static [(&'static str, &'static str)],
}

impl Twice {
    /// Deploys the connector of a file twice: on the shared worker, and on so many of its own.
    pub async fn deploy(system: System, stem: &str, workers: usize) -> Result<Self> {
        let calm = Pipeline::shared(stem, system.partitions).await?;
        let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
        let first = TestWorker::start(config).await?;
        let shaken = Pipeline::on(&first, &format!("{stem}_shaken"), 1).await?;
        for pipeline in [&calm, &shaken] {
            pipeline.database.apply(system.tables).await?;
        }
        let own = [
            ("topics", calm.name.as_str()),
            // A transaction takes a few records, and who vanishes is soon missed.
            ("consumer.override.max.poll.records", "50"),
            ("consumer.override.fetch.message.max.bytes", "10000"),
            ("consumer.override.session.timeout.ms", "1500"),
            ("consumer.override.heartbeat.interval.ms", "300"),
        ];
        let settings = [&own[..], system.settings].concat();
        calm.deploy_file(system.connector, &settings).await?;
        shaken.deploy_file(system.connector, &settings).await?;
        let mut all = vec![first];
        for _ in 1..workers {
            // Each worker knows of itself alone: they are one group of consumers all the same.
            let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
            let next = TestWorker::start(config).await?;
            let config = shaken
                .rest()
                .get(&format!("/connectors/{}/config", shaken.name))
                .await?;
            let body = json!({ "name": shaken.name, "config": config });
            next.rest().create(&body).await?;
            all.push(next);
        }
        Ok(Self {
            calm,
            shaken,
            workers: all,
            produced: 0,
        })
    }

    /// Produces records to the topic.
    pub async fn produce(&mut self, records: Vec<Record>) -> Result<()> {
        self.produced += i64::try_from(records.len())?;
        self.calm.produce(records).await
    }

    /// Produces records in portions, and kills a worker in the midst of each, in turns.
    pub async fn shake(&mut self, dice: &mut Dice, portions: Vec<Vec<Record>>) -> Result<()> {
        let (mut amidst, kills) = (0, portions.len());
        for (kill, portion) in portions.into_iter().enumerate() {
            let before = self.done(&self.shaken).await.unwrap_or_default();
            self.produce(portion).await?;
            wait_until(LIMIT, "some records to be done", async || {
                Ok(self.done(&self.shaken).await? > before)
            })
            .await?;
            tokio::time::sleep(dice.time(50)).await;
            let victim = kill % self.workers.len();
            if let Some(worker) = self.workers.get_mut(victim) {
                worker.kill()?;
            }
            let done = self.done(&self.shaken).await?;
            println!("kill {kill} at {done} of {}", self.produced);
            amidst += usize::from(done < self.produced);
            if let Some(worker) = self.workers.get_mut(victim) {
                worker.start_again().await?;
            }
        }
        ensure!(
            amidst * 2 >= kills,
            "only {amidst} of {kills} kills came in the midst of a drain"
        );
        Ok(())
    }

    /// Waits until both have done all of the topic, and gives the rows of a query from the one in
    /// peace and from the other.
    pub async fn rows(&self, query: &str) -> Result<(Vec<Value>, Vec<Value>)> {
        for pipeline in [&self.calm, &self.shaken] {
            let mut failed = None;
            wait_until(LIMIT, "all records to be done", async || {
                failed = failure(pipeline.rest(), &pipeline.name).await?;
                let (done, all) = (self.done(pipeline).await?, self.produced);
                ensure!(failed.is_some() || done == all, "{done} of {all} are");
                Ok(true)
            })
            .await?;
            if let Some(trace) = failed {
                bail!("{} has a failed task: {trace}", pipeline.name);
            }
        }
        let calm = self.calm.rows(query).await?;
        Ok((calm, self.shaken.rows(query).await?))
    }

    /// How many records the database says are done.
    async fn done(&self, pipeline: &Pipeline) -> Result<i64> {
        let query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM ferrule.offsets \
                     WHERE connector = $1 AND topic = $2";
        Ok(sqlx::query_scalar(query)
            .bind(&pipeline.name)
            .bind(&self.calm.name)
            .fetch_one(pipeline.database.pool())
            .await?)
    }
}

/// The trace of a failed task.
async fn failure(rest: &ConnectClient, name: &str) -> Result<Option<String>> {
    let status = rest.status(name).await?;
    let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
    let failed = tasks.iter().find(|task| task["state"] == "FAILED");
    Ok(failed.map(|task| task["trace"].to_string()))
}
