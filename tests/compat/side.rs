//! A worker with all that it needs of its own, and how the calls are sent to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::kafka_connect::KafkaConnect;
use harness::postgres::{TestDatabase, TestPostgres};
use harness::record::Record;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{install, names, run};
use reqwest::{Client, StatusCode};
use serde_json::Value;

use crate::call::{Call, Step, Until};

/// How long a wait may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How long an answer may ask to try again.
const AGAIN_LIMIT: Duration = Duration::from_secs(5);
/// The headers that are compared.
const HEADERS: [&str; 3] = ["content-type", "location", "allow"];
/// What Kafka Connect answers where a client is to try again.
const AGAIN: [&str; 3] = [
    "conflicting operation",
    "no known leader",
    "stale configuration",
];

/// What came of a step.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; of a wait 200, or 0 when it took too long.
    pub status: u16,
    pub headers: BTreeMap<&'static str, String>,
    /// Null when there is none; a text when it is no JSON.
    pub body: Value,
}

enum Worker {
    KafkaConnect(KafkaConnect),
    Ferrule(TestWorker),
}

/// One of the two workers.
pub struct Side {
    kafka: TestKafka,
    database: TestDatabase,
    group: String,
    file: PathBuf,
    worker: Worker,
    client: Client,
}

impl Side {
    /// Kafka Connect with the JDBC sink, both as `tests/services/install.sh` fetches them.
    pub async fn kafka_connect() -> Result<Self> {
        let cache = install::cache()?;
        let (jars, plugins) = (cache.join("connect/worker"), cache.join("peers/connect"));
        for folder in [&jars, &plugins] {
            ensure!(
                folder.is_dir(),
                "{} is missing: run `make test-compat`",
                folder.display()
            );
        }
        // The connector of files is of a version that takes a class from where it was before.
        let (all, former) = (jars.join("*"), former_clients()?);
        let class_path = format!("{}:{}", all.display(), former.display());
        let (kafka, group) = (broker().await?, names::unique("compat"));
        let worker = KafkaConnect::start_from(&class_path, &kafka, &group, &plugins).await?;
        Self::new(kafka, group, Worker::KafkaConnect(worker)).await
    }

    /// Ferrule with the same settings.
    pub async fn ferrule() -> Result<Self> {
        let (kafka, group) = (broker().await?, names::unique("compat"));
        let config = WorkerConfig::new(&kafka.bootstrap())?
            .set("plugin.path", "")
            .set("group.id", &group)
            .set("value.converter.schemas.enable", "true");
        let worker = TestWorker::start(config).await?;
        Self::new(kafka, group, Worker::Ferrule(worker)).await
    }

    async fn new(kafka: TestKafka, group: String, worker: Worker) -> Result<Self> {
        let file = run::folder("lines")?.join("lines.txt");
        File::create(&file)?;
        let database = TestPostgres::shared().await?.database("compat").await?;
        // The harness chose its library for TLS with its first request.
        let client = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            kafka,
            database,
            group,
            file,
            worker,
            client,
        })
    }

    fn rest(&self) -> &ConnectClient {
        match &self.worker {
            Worker::KafkaConnect(worker) => worker.rest(),
            Worker::Ferrule(worker) => worker.rest(),
        }
    }

    /// What `GET /` says.
    pub async fn version(&self) -> Result<String> {
        let root = self.rest().get("/").await?;
        let version = root["version"].as_str().context("no version")?;
        Ok(version.to_owned())
    }

    /// Ends the worker and its Kafka.
    pub async fn stop(self) -> Result<()> {
        match self.worker {
            Worker::KafkaConnect(worker) => drop(worker.stop().await?),
            Worker::Ferrule(mut worker) => {
                let ended = worker.stop().await?;
                ensure!(ended.success(), "the worker ended with {ended}");
            }
        }
        self.kafka.stop().await
    }

    /// Does all steps; the outcome of each, in order.
    pub async fn run(&self, steps: &[Step], version: &str) -> Result<Vec<Answer>> {
        let mut answers = Vec::new();
        for step in steps {
            let answer = match step {
                Step::Call(call) => self
                    .call(call, version)
                    .await
                    .with_context(|| call.name.clone())?,
                Step::Wait { path, until } => self.wait(path, until).await?,
                Step::Lines(lines) => {
                    let mut file = File::options().append(true).open(&self.file)?;
                    for line in *lines {
                        writeln!(file, "{line}")?;
                    }
                    done()
                }
                Step::Records { topic, values } => {
                    let records = values.iter().map(|value| Record::of(*value));
                    self.kafka.produce(topic, records).await?;
                    done()
                }
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn call(&self, call: &Call, version: &str) -> Result<Answer> {
        let start = Instant::now();
        loop {
            let answer = self.send(call, version).await?;
            let text = answer.body["message"].as_str().unwrap_or_default();
            let again = answer.status == 409 && AGAIN.iter().any(|why| text.contains(why));
            if !again || start.elapsed() > AGAIN_LIMIT {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn send(&self, call: &Call, version: &str) -> Result<Answer> {
        let path = self.own(&call.path).replace("@VERSION@", version);
        let url = format!("{}{path}", self.rest().base());
        let mut request = self.client.request(call.method.clone(), url).timeout(LIMIT);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &call.body {
            request = request.body(self.own(body).replace("@VERSION@", version));
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let mut headers = BTreeMap::new();
        for name in HEADERS {
            if let Some(value) = response.headers().get(name) {
                headers.insert(
                    name,
                    self.common(&String::from_utf8_lossy(value.as_bytes())),
                );
            }
        }
        let text = self.common(&response.text().await?);
        let body = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// What both sides call by another name, and its name in the script.
    fn names(&self) -> [(String, &'static str); 4] {
        let address = self.rest().base().trim_start_matches("http://").to_owned();
        [
            (self.file.display().to_string(), "@FILE@"),
            (self.database.jdbc_url(), "@JDBC@"),
            (self.group.clone(), "@GROUP@"),
            (address, "@WORKER@"),
        ]
    }

    fn own(&self, text: &str) -> String {
        let names = self.names();
        let own = |text: String, (own, name): &(String, &str)| text.replace(name, own);
        names.iter().fold(text.to_owned(), own)
    }

    fn common(&self, text: &str) -> String {
        let names = self.names();
        let common = |text: String, (own, name): &(String, &str)| text.replace(own, name);
        names.iter().fold(text.to_owned(), common)
    }

    /// Waits until the answer has been as it should be twice, because a restart begins late.
    async fn wait(&self, path: &str, until: &Until) -> Result<Answer> {
        let (start, mut seen) = (Instant::now(), 0);
        loop {
            let url = format!("{}{path}", self.rest().base());
            let response = self.client.get(url).timeout(LIMIT).send().await?;
            let status = response.status();
            let text = response.text().await?;
            let reached = match until {
                Until::Gone => status == StatusCode::NOT_FOUND,
                Until::Has(wanted) => text.contains(wanted),
                Until::State {
                    connector,
                    task,
                    tasks,
                } => serde_json::from_str(&text)
                    .is_ok_and(|status| is_in(&status, connector, task, *tasks)),
            };
            seen = if reached { seen + 1 } else { 0 };
            if seen == 2 {
                return Ok(done());
            }
            if start.elapsed() > LIMIT {
                println!("{} does not come to {until:?}: {text}", self.common(path));
                let mut late = done();
                late.status = 0;
                late.body = Value::String(self.common(&text));
                return Ok(late);
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }
}

/// The library of clients of the harness's Kafka.
fn former_clients() -> Result<PathBuf> {
    let folder = install::kafka_jars()?;
    for entry in std::fs::read_dir(&folder)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("kafka-clients-")
        {
            return Ok(entry.path());
        }
    }
    anyhow::bail!("{} has no kafka-clients", folder.display())
}

async fn broker() -> Result<TestKafka> {
    let kafka = TestKafka::start().await?;
    for topic in ["lines", "rows", "bad"] {
        kafka.create_topic(topic, 1).await?;
    }
    Ok(kafka)
}

fn done() -> Answer {
    Answer {
        status: 200,
        headers: BTreeMap::new(),
        body: Value::Null,
    }
}

fn is_in(status: &Value, connector: &str, task: &str, tasks: usize) -> bool {
    let states = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
    status["connector"]["state"] == connector
        && states.len() == tasks
        && states.iter().all(|one| one["state"] == task)
}
