//! A connector that goes from one kind of worker to the other: its topic, its table, its group.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::kafka_connect::KafkaConnect;
use harness::postgres::{PASSWORD, TestDatabase, TestPostgres, USER};
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{install, names};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// How long rows may take, beside other tests that start Java.
const LIMIT: Duration = Duration::from_secs(120);
/// The partitions of the topic.
const PARTITIONS: i32 = 3;

/// Offsets by partition.
pub type Offsets = BTreeMap<i32, i64>;
/// How often a record is in the table, by partition and offset.
pub type Times = BTreeMap<(i32, i64), i64>;

/// A partition whose group was set elsewhere than where the target has come to.
#[derive(Debug)]
pub struct Moved {
    pub partition: i32,
    pub group: i64,
    pub target: i64,
}

/// The table has no key, so that it shows each record that is lost or doubled. `id` is the order in
/// which rows were written.
const TABLE: &str = "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY, part int, \
                     seq bigint)";

/// Rows that do not come behind the one before them in their partition.
const OUT_OF_PLACE: &str = "SELECT concat_ws(' ', part, seq, place) FROM (SELECT part, seq, \
    row_number() OVER (PARTITION BY part ORDER BY id) - 1 AS place FROM orders) placed \
    WHERE seq <> place ORDER BY part, place LIMIT 20";

/// The connector and what is around it.
pub struct Stand {
    /// The connector's name, and its topic's.
    pub name: String,
    /// The `group.id` of the workers; their topics have its name.
    group: String,
    /// The properties that Kafka Connect was started with, once it was.
    properties: Mutex<Option<PathBuf>>,
    kafka: &'static TestKafka,
    database: TestDatabase,
    /// How many records of each partition there are.
    produced: Mutex<Offsets>,
}

impl Stand {
    pub async fn new(stem: &str) -> Result<Self> {
        let (kafka, name) = (TestKafka::shared().await?, names::unique(stem));
        kafka.create_topic(&name, PARTITIONS).await?;
        let database = TestPostgres::shared().await?.database(stem).await?;
        database.execute(TABLE).await?;
        Ok(Self {
            group: names::unique("to-and-fro"),
            properties: Mutex::default(),
            produced: Mutex::new((0..PARTITIONS).map(|at| (at, 0)).collect()),
            name,
            kafka,
            database,
        })
    }

    /// As it is written for Kafka Connect. A consumer that was killed is soon missed.
    fn config(&self) -> Value {
        json!({
            "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
            "tasks.max": "2",
            "topics": self.name,
            "connection.url": self.database.jdbc_url(),
            "connection.username": USER,
            "connection.password": PASSWORD,
            "collection.name.format": "public.orders",
            "insert.mode": "insert",
            "primary.key.mode": "none",
            "schema.evolution": "none",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "true",
            "consumer.override.session.timeout.ms": "3000",
            "consumer.override.heartbeat.interval.ms": "500",
            "consumer.override.max.poll.records": "50",
        })
    }

    /// Starts Kafka Connect with Debezium's JDBC sink.
    pub async fn kafka_connect(&self) -> Result<KafkaConnect> {
        let plugins = install::cache()?.join("peers/connect");
        ensure!(
            plugins.is_dir(),
            "{} is missing: run `make test-compat`",
            plugins.display()
        );
        self.group_is_empty().await?;
        let worker = KafkaConnect::start(self.kafka, &self.group, &plugins).await?;
        *self.properties.lock().await = Some(worker.properties().to_owned());
        Ok(worker)
    }

    /// A worker that was killed is a member of their group until its session is over, and one of
    /// the other kind does not start where it finds it.
    async fn group_is_empty(&self) -> Result<()> {
        wait_until(LIMIT, "the group of workers to be empty", async || {
            Ok(self.kafka.members(&self.group).await? == 0)
        })
        .await
    }

    /// Makes the connector. It is never changed.
    pub async fn create(&self, rest: &ConnectClient) -> Result<()> {
        let body = json!({ "name": self.name, "config": self.config() });
        rest.create(&body).await.map(drop)
    }

    /// Starts Ferrule with the properties file of Kafka Connect.
    pub async fn ferrule(&self) -> Result<TestWorker> {
        let file = self.properties.lock().await.clone();
        let file = file.context("Kafka Connect was not started")?;
        self.group_is_empty().await?;
        // The harness's own default is not Kafka Connect's.
        let config = WorkerConfig::new(&self.kafka.bootstrap())?
            .set("value.converter.schemas.enable", "true");
        TestWorker::start(with_properties(config, &file)?).await
    }

    /// Checks that `ferrule migrate` tells of a worker of Ferrule that was killed just now: Kafka
    /// Connect does not start before it has left.
    pub async fn ensure_member_is_told(&self) -> Result<()> {
        let file = self.properties.lock().await.clone();
        let mut migrate = Command::new(install::ferrule()?);
        migrate.arg("migrate").args(file);
        let output = tokio::task::spawn_blocking(move || migrate.output()).await??;
        let told = String::from_utf8_lossy(&output.stdout);
        let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(
            words.contains("1 worker of Ferrule in the group already"),
            "{told}"
        );
        ensure!(words.contains("until all of them have left"), "{told}");
        Ok(())
    }

    /// Writes so many more records to each of these partitions.
    pub async fn produce(&self, partitions: &[i32], count: i64) -> Result<()> {
        let mut produced = self.produced.lock().await;
        let mut records = Vec::new();
        for partition in partitions {
            let next = produced.entry(*partition).or_default();
            records.extend((*next..*next + count).map(|seq| record(*partition, seq)));
            *next += count;
        }
        self.kafka.produce(&self.name, records).await
    }

    /// Does `work` while records are written to all partitions.
    pub async fn meanwhile<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let done = AtomicBool::new(false);
        let working = async {
            let outcome = work.await;
            done.store(true, Ordering::Relaxed);
            outcome
        };
        let producing = async {
            while !done.load(Ordering::Relaxed) {
                self.produce(&[0, 1, 2], 40).await?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        };
        let (outcome, produced): (_, Result<()>) = tokio::join!(working, producing);
        produced?;
        outcome
    }

    /// Waits until the target has more of each partition than the group. A worker that is killed
    /// then has not committed what it has written.
    pub async fn target_is_ahead(&self) -> Result<()> {
        wait_until(LIMIT, "the target to be ahead", async || {
            let (group, stored) = (self.group().await?, self.stored().await?);
            let is_ahead = |partition: i32| {
                let committed = group.get(&partition).map_or(0, |(at, _)| *at);
                stored.get(&partition).is_some_and(|at| *at > committed)
            };
            Ok((0..PARTITIONS).all(is_ahead))
        })
        .await
    }

    /// Waits until there are more rows than now.
    pub async fn progress(&self) -> Result<()> {
        let before = self.database.count("orders").await?;
        wait_until(LIMIT, "more rows", async || {
            Ok(self.database.count("orders").await? > before)
        })
        .await
    }

    /// Waits until each record is in the table so many times, or more. A task that fails ends the
    /// wait.
    pub async fn arrived(&self, rest: &ConnectClient, wanted: &Times) -> Result<()> {
        let mut failed = None;
        let outcome = wait_until(LIMIT, "all rows", async || {
            failed = rest.trace(&self.name).await?;
            let found = self.times().await?;
            let is_there = |(at, times): (_, &i64)| found.get(at).is_some_and(|it| it >= times);
            let missing = wanted.iter().filter(|it| !is_there(*it)).count();
            ensure!(
                missing == 0 || failed.is_some(),
                "{missing} of {} are missing",
                wanted.len()
            );
            Ok(true)
        });
        let outcome = outcome.await;
        match failed {
            Some(trace) => bail!("{} has a failed task: {trace}", self.name),
            None => outcome,
        }
    }

    /// Each record one time.
    pub async fn once(&self) -> Times {
        let produced = self.produced.lock().await;
        let all = produced.iter();
        all.flat_map(|(at, count)| (0..*count).map(|seq| ((*at, seq), 1)))
            .collect()
    }

    /// How often each record is in the table.
    pub async fn times(&self) -> Result<Times> {
        let query = "SELECT concat_ws(' ', part, seq, count(*)) FROM orders GROUP BY part, seq";
        let rows = self.database.texts(query).await?.into_iter();
        let counted = rows.map(|row| {
            let row = row.context("a row is null")?;
            let [part, seq, times] = row.split(' ').collect::<Vec<_>>()[..] else {
                bail!("a row is {row}");
            };
            Ok(((part.parse()?, seq.parse()?), times.parse()?))
        });
        counted.collect()
    }

    /// Checks that each record is in the table once, in the order of its partition.
    pub async fn ensure_once(&self) -> Result<()> {
        let (wanted, found) = (self.once().await, self.times().await?);
        ensure_same(&wanted, &found)?;
        let misplaced = self.database.texts(OUT_OF_PLACE).await?;
        ensure!(misplaced.is_empty(), "out of place: {misplaced:?}");
        Ok(())
    }

    /// How many records of each partition there are.
    pub async fn produced(&self) -> Offsets {
        self.produced.lock().await.clone()
    }

    /// Where the target goes on, of partitions that have come anywhere.
    pub async fn stored(&self) -> Result<Offsets> {
        self.database.stored_offsets(&self.name).await
    }

    /// Where the group goes on, and whether that has Ferrule's mark.
    pub async fn group(&self) -> Result<BTreeMap<i32, (i64, bool)>> {
        let group = format!("connect-{}", self.name);
        let committed = self.kafka.committed_with_metadata(&group, &self.name);
        let committed = committed.await?.into_iter();
        let marked = committed.map(|(partition, (at, metadata))| {
            let is_marked = metadata.starts_with("ferrule/");
            (partition, (at, is_marked))
        });
        Ok(marked.collect())
    }

    /// Checks that the group has the offsets behind all records, and whether each has Ferrule's
    /// mark.
    pub async fn ensure_all_committed(&self, is_marked: bool) -> Result<()> {
        let group = self.group().await?;
        for (partition, end) in self.produced().await {
            // What nobody has written to, nobody need have committed.
            let has_all = end == 0 || group.get(&partition) == Some(&(end, is_marked));
            ensure!(has_all, "{partition} has {end} records: {group:?}");
        }
        Ok(())
    }

    /// Checks that Ferrule has told, of each partition, that it goes on from where the group is
    /// and not from where it has come to itself.
    pub fn ensure_logged(&self, worker: &TestWorker, moved: &[Moved]) -> Result<()> {
        let log = worker.log()?;
        for one in moved {
            let told = self.told(one);
            ensure!(log.contains(&told), "{told} is not in the log");
        }
        Ok(())
    }

    /// Checks that the connector's status tells it too: each task of the first of its partitions,
    /// and of how many others there are.
    pub async fn ensure_shown(&self, worker: &TestWorker, moved: &[Moved]) -> Result<()> {
        let status = worker.rest().status(&self.name).await?;
        let tasks = status["tasks"].to_string();
        let shown = moved.iter().any(|one| tasks.contains(&self.told(one)));
        ensure!(shown, "nothing of {moved:?} is in {status}");
        Ok(())
    }

    fn told(&self, moved: &Moved) -> String {
        let Moved {
            partition,
            group,
            target,
        } = moved;
        format!(
            "the group's offset of {}-{partition} was set to {group} by someone else, and the \
             target has {target}: the task goes on from {group}",
            self.name
        )
    }

    /// Checks that Ferrule does not take an offset for someone else's that is its own.
    pub fn ensure_nothing_moved(&self, worker: &TestWorker) -> Result<()> {
        let log = worker.log()?;
        let told = log.lines().find(|line| line.contains("by someone else"));
        ensure!(told.is_none(), "{told:?}");
        Ok(())
    }
}

/// Counts records that are written once more: those from an offset on to another.
pub fn again(times: &mut Times, from: &Offsets, to: &Offsets) {
    for (partition, from) in from {
        let to = to.get(partition).copied().unwrap_or_default();
        for seq in *from..to {
            *times.entry((*partition, seq)).or_default() += 1;
        }
    }
}

/// Checks that records are in the table so many times.
pub fn ensure_same(wanted: &Times, found: &Times) -> Result<()> {
    let times = |of: &Times, at| of.get(at).copied().unwrap_or_default();
    let all = wanted.keys().chain(found.keys());
    let mut wrong: Vec<_> = all
        .filter(|at| times(wanted, at) != times(found, at))
        .map(|at| (*at, times(found, at), times(wanted, at)))
        .collect();
    wrong.sort_unstable();
    wrong.dedup();
    let shown = &wrong[..wrong.len().min(20)];
    ensure!(
        wrong.is_empty(),
        "{} records, such as (partition, offset), times, wanted: {shown:?}",
        wrong.len()
    );
    Ok(())
}

fn record(partition: i32, seq: i64) -> Record {
    let field = |name: &str, kind: &str| json!({ "field": name, "type": kind, "optional": false });
    let schema = json!({
        "type": "struct",
        "optional": false,
        "fields": [field("part", "int32"), field("seq", "int64")],
    });
    let value = json!({ "schema": schema, "payload": { "part": partition, "seq": seq } });
    Record::json(&value).partition(partition)
}

/// A worker's properties as a file has them.
fn with_properties(config: WorkerConfig, file: &Path) -> Result<WorkerConfig> {
    let text = std::fs::read_to_string(file)?;
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.fold(config, |config, (key, value)| config.set(key, value)))
}
