//! Three workers of one cluster with hundreds of connectors that have nothing to do: how long it
//! takes until all tasks run, what they cost, how long requests take meanwhile, and how long it
//! takes until the tasks of a killed worker run elsewhere.

mod full_read;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka_connect::KafkaConnect;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{names, run};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use crate::contender::{Contender, ferrule};
use crate::drain::Case;
use crate::events::Format;
use crate::events::fill::Topic;
use crate::stand::Stand;
use crate::target::Target;
use crate::{meter, table};

const TARGET: Target = Target {
    indexes: false,
    upsert: false,
};
const WORKERS: usize = 3;
/// How many clients create connectors at once.
const CLIENTS: usize = 4;
const SETTLE: Duration = Duration::from_secs(10);
const WATCH: Duration = Duration::from_secs(20);
/// Kafka Connect waits for a worker that is gone for five minutes.
const LIMIT: Duration = Duration::from_secs(600);
/// Between two requests that are measured.
const PAUSE: Duration = Duration::from_millis(50);

/// Measures and prints what is asked for.
pub async fn report(stand: &Stand) -> Result<()> {
    let title = format!(
        "{WORKERS} workers, {} tasks a connector, nothing to do",
        stand.options.tasks
    );
    let columns = [
        "cluster",
        "connectors",
        "tasks",
        "s for all POSTs",
        "s until all run",
        "RSS MiB of a worker",
        "threads",
        "open files",
        "CPU % of a core",
        "Postgres connections",
        "GET p50/p99 ms while placing",
        "s until all run after kill -9",
        "GET p50/p99 ms meanwhile",
    ];
    table::head(&title, &columns);
    for contender in [Contender::Ferrule, Contender::Connect] {
        let name = match contender {
            Contender::Ferrule => "Ferrule, Postgres sink",
            _ => "Kafka Connect, file sink",
        };
        if stand.options.wants(name) {
            measure(stand, contender, name).await?;
        }
    }
    match stand.options.wants("full read") {
        true => full_read::report(stand).await,
        false => Ok(()),
    }
}

/// A worker's properties.
fn worker_config(stand: &Stand, group: &str) -> Result<WorkerConfig> {
    Ok(WorkerConfig::new(&stand.kafka.bootstrap())?
        .set("group.id", group)
        .set("config.storage.topic", &format!("{group}-configs"))
        .set("offset.storage.topic", &format!("{group}-offsets"))
        .set("status.storage.topic", &format!("{group}-status")))
}

async fn measure(stand: &Stand, contender: Contender, name: &str) -> Result<()> {
    let topic = Topic::new(Format::Json, stand.options.tasks, 0);
    topic.create(stand).await?;
    TARGET.create(stand, "drained").await?;
    let connectors = connectors(stand, contender, &topic)?;
    let mut cluster = Cluster::start(stand, contender).await?;
    let wanted = connectors.len() * usize::try_from(stand.options.tasks)?;
    let (begin, probe) = (Instant::now(), Probe::begin(&cluster, &connectors));
    cluster.create(&connectors).await?;
    let posted = begin.elapsed();
    cluster.all_run(wanted, None).await?;
    let placed = begin.elapsed();
    let placing = probe.end().await?;
    tokio::time::sleep(SETTLE).await;
    let cost = cluster.cost(stand).await?;
    let probe = Probe::begin(&cluster, &connectors);
    let killed = Instant::now();
    let gone = cluster.kill_last()?;
    cluster.all_run(wanted, Some(&gone)).await?;
    let again = killed.elapsed();
    let meanwhile = probe.end().await?;
    let [rss, threads, files, cpu, sessions] = cost;
    table::row(&[
        name.to_owned(),
        connectors.len().to_string(),
        wanted.to_string(),
        seconds(posted),
        seconds(placed),
        rss,
        threads,
        files,
        cpu,
        sessions,
        placing,
        seconds(again),
        meanwhile,
    ]);
    match contender {
        Contender::Ferrule => cluster.internal(stand).await,
        _ => Ok(()),
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1}", took.as_secs_f64())
}

/// The records of a compacted topic that count, as text of their keys and values.
async fn live(stand: &Stand, topic: &str) -> Result<BTreeMap<String, usize>> {
    let mut live = BTreeMap::new();
    for record in stand.kafka.read(topic).await? {
        let key = String::from_utf8_lossy(record.key.as_deref().unwrap_or_default()).into_owned();
        match record.value {
            Some(value) => live.insert(key, value.len()),
            None => live.remove(&key),
        };
    }
    Ok(live)
}

/// The connectors to be created.
fn connectors(stand: &Stand, contender: Contender, topic: &Topic) -> Result<Vec<Value>> {
    let case = Case {
        contender,
        topic,
        table: "drained",
        target: TARGET,
        tasks: stand.options.tasks,
        connectors: 1,
        settings: &[],
    };
    let folder = run::folder("files")?;
    let connector = |number: u32| {
        let name = format!("idle-{number}");
        if contender == Contender::Ferrule {
            return ferrule(stand, &case, &name);
        }
        let class = "org.apache.kafka.connect.file.FileStreamSinkConnector";
        json!({ "name": name, "config": {
            "connector.class": class,
            "topics": topic.name,
            "tasks.max": stand.options.tasks.to_string(),
            "file": folder.join(&name).display().to_string(),
        } })
    };
    Ok((0..stand.options.connectors).map(connector).collect())
}

/// A worker's process.
enum Worker {
    Ferrule(TestWorker),
    Connect(KafkaConnect),
}

impl Worker {
    fn rest(&self) -> &ConnectClient {
        match self {
            Self::Ferrule(worker) => worker.rest(),
            Self::Connect(worker) => worker.rest(),
        }
    }

    fn pid(&self) -> Result<u32> {
        match self {
            Self::Ferrule(worker) => worker.pid().context("the worker is not running"),
            Self::Connect(worker) => Ok(worker.pid()),
        }
    }
}

struct Cluster {
    workers: Vec<Worker>,
    config: WorkerConfig,
    group: String,
}

impl Cluster {
    async fn start(stand: &Stand, contender: Contender) -> Result<Self> {
        let (mut workers, group) = (Vec::new(), names::unique("connect"));
        let plugins = run::folder("plugins")?;
        let config = worker_config(stand, &group)?;
        for _ in 0..WORKERS {
            workers.push(match contender {
                Contender::Ferrule => Worker::Ferrule(one_more(&config).await?),
                _ => {
                    let worker = KafkaConnect::start(&stand.kafka, &group, &plugins);
                    Worker::Connect(worker.await?)
                }
            });
        }
        Ok(Self {
            workers,
            config,
            group,
        })
    }

    /// Creates the connectors by clients that ask all workers in turn.
    async fn create(&self, connectors: &[Value]) -> Result<()> {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let own = connectors.iter().enumerate().skip(client).step_by(CLIENTS);
            let order =
                |(at, it): (usize, &Value)| (self.workers[at % WORKERS].rest().clone(), it.clone());
            let orders: Vec<_> = own.map(order).collect();
            clients.spawn(async move {
                for (rest, connector) in orders {
                    create(&rest, &connector).await?;
                }
                Ok(())
            });
        }
        clients.join_all().await.into_iter().collect()
    }

    /// Waits until so many tasks run, none of them on the worker that is gone.
    async fn all_run(&self, wanted: usize, gone: Option<&str>) -> Result<()> {
        wait_until(LIMIT, "all to run", async || {
            let all = self.workers[0]
                .rest()
                .get("/connectors?expand=status")
                .await?;
            let all = all.as_object().context("no list of connectors")?;
            let tasks = all
                .values()
                .filter_map(|it| it["status"]["tasks"].as_array());
            let runs =
                |task: &&Value| task["state"] == "RUNNING" && task["worker_id"].as_str() != gone;
            let running = tasks.flatten().filter(runs).count();
            ensure!(running == wanted, "{running} of {wanted} run");
            Ok(true)
        })
        .await
    }

    /// The greatest of the workers: memory, threads, open files and CPU; and Postgres's sessions.
    async fn cost(&self, stand: &Stand) -> Result<[String; 5]> {
        let (mut most, mut before) = ([0.0_f64; 4], Vec::new());
        for worker in &self.workers {
            before.push(meter::cpu_seconds(worker.pid()?)?);
        }
        let at = Instant::now();
        tokio::time::sleep(WATCH).await;
        for (worker, before) in self.workers.iter().zip(before) {
            let pid = worker.pid()?;
            let share = (meter::cpu_seconds(pid)? - before) / at.elapsed().as_secs_f64();
            let files = meter::open_files(pid)?;
            let one = [meter::rss(pid)?, meter::threads(pid)?, files, share * 100.0];
            for (most, one) in most.iter_mut().zip(one) {
                *most = most.max(one);
            }
        }
        let sessions = "pg_stat_activity WHERE application_name LIKE 'ferrule:%'";
        let sessions = stand.database.count(sessions).await?;
        let [rss, threads, files, cpu] = most;
        Ok([
            format!("{rss:.0}"),
            threads.to_string(),
            files.to_string(),
            format!("{cpu:.1}"),
            sessions.to_string(),
        ])
    }

    /// What stands in the workers' own topics, and how long a worker takes that starts: it reads
    /// them in full.
    async fn internal(&self, stand: &Stand) -> Result<()> {
        let title = "The internal topics then: records that count, after compaction";
        table::head(title, &["topic", "written", "records", "bytes"]);
        for kind in ["configs", "configs-cluster", "status"] {
            let topic = format!("{}-{kind}", self.group);
            let written: i64 = stand.kafka.end_offsets(&topic).await?.values().sum();
            let live = live(stand, &topic).await?;
            let bytes: usize = live.iter().map(|(key, value)| key.len() + value).sum();
            table::row(&[
                kind.to_owned(),
                written.to_string(),
                live.len().to_string(),
                bytes.to_string(),
            ]);
        }
        let begin = Instant::now();
        drop(one_more(&self.config).await?);
        println!(
            "\nA worker that starts is ready after {} s.",
            seconds(begin.elapsed())
        );
        Ok(())
    }

    /// Kills the last worker, and says its id in statuses.
    fn kill_last(&mut self) -> Result<String> {
        let worker = self.workers.pop().context("no worker")?;
        let base = worker.rest().base();
        let id = base.trim_start_matches("http://").to_owned();
        let pid = worker.pid()?.to_string();
        let killed = std::process::Command::new("kill")
            .args(["-9", &pid])
            .status()?;
        ensure!(killed.success(), "cannot kill {pid}");
        Ok(id)
    }
}

/// Starts a worker of the cluster.
async fn one_more(config: &WorkerConfig) -> Result<TestWorker> {
    let listener = format!("http://127.0.0.1:{}", names::free_port()?);
    let mut worker = TestWorker::start(config.clone().set("listeners", &listener)).await?;
    worker.be_quiet();
    Ok(worker)
}

/// Kafka Connect refuses requests while it rebalances: they are made again.
async fn create(rest: &ConnectClient, connector: &Value) -> Result<()> {
    let until = Instant::now() + LIMIT;
    loop {
        let (status, body) = rest
            .request(Method::POST, "/connectors", Some(connector))
            .await?;
        let exists = body["message"].as_str().unwrap_or_default();
        if status.is_success() || exists.contains("already exists") {
            return Ok(());
        }
        let again = status == StatusCode::CONFLICT || status.is_server_error();
        ensure!(again && Instant::now() < until, "{status}: {body}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks the workers for statuses, one after another, until it is ended.
struct Probe {
    done: Arc<AtomicBool>,
    asking: JoinHandle<Vec<f64>>,
}

impl Probe {
    /// The last worker may be killed meanwhile, and is not asked.
    fn begin(cluster: &Cluster, connectors: &[Value]) -> Self {
        let asked = cluster.workers[..WORKERS - 1].iter();
        let rests: Vec<ConnectClient> = asked.map(|worker| worker.rest().clone()).collect();
        let names = connectors.iter().filter_map(|it| it["name"].as_str());
        let paths: Vec<_> = names.map(|it| format!("/connectors/{it}/status")).collect();
        let done = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&done);
        let asking = tokio::spawn(async move {
            let mut took = Vec::new();
            for (rest, path) in rests.iter().cycle().zip(paths.iter().cycle()) {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                let at = Instant::now();
                // One that is not there yet is answered too.
                if rest.request(Method::GET, path, None).await.is_ok() {
                    took.push(at.elapsed().as_secs_f64() * 1000.0);
                }
                tokio::time::sleep(PAUSE).await;
            }
            took
        });
        Self { done, asking }
    }

    async fn end(self) -> Result<String> {
        self.done.store(true, Ordering::Relaxed);
        let mut took = self.asking.await?;
        took.sort_by(f64::total_cmp);
        let at = |percent: usize| took.get(took.len() * percent / 100).copied();
        let (half, most) = (table::number(at(50), 1), table::number(at(99), 1));
        Ok(format!("{half}/{most}"))
    }
}
