//! The REST API against a herder in memory.

mod bounds;
mod certificates;
mod cluster;
mod connectors;
mod gate;
mod hostile;
mod https;
mod plugins;
mod probes;
mod protection;
mod secrets;
mod server;
mod slow;
mod together;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::{Extension, Router};
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Connector, ErrantRecordReporter,
    Properties, RecordBatch, Result, SinkConnector, SinkTask, TaskContext,
};
use connect_wasm::{WasmOptions, WasmPlugins};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt;

use super::auth::Caller;
use super::{Api, Surface, router};
use crate::config::WorkerConfig;
use crate::config::tests::minimal;
use crate::connectors::{RegisteredConnector, RegisteredSink};
use crate::group::{Membership, Role, Session};
use crate::herder::{Cluster, Herder, HerderHandle, Shared, WorkerInstance};
use crate::logging::Loggers;
use crate::metrics::exposition;
use crate::plugins::Plugins;
use crate::storage::{
    Appended, BackingStore, ClusterLog, ClusterRecord, ClusterTopic, MemoryClusterLog, MemoryLog,
    NoConsumerGroups, SourceOffsets, StoredRecord, Transaction,
};
use gate::Gate;

/// A sink that takes everything; no test here gets as far as to give it a record. The validation of
/// a config whose `url` is `gated` waits at the gate, and `panics` panics.
struct TestSink {
    def: ConfigDef,
    gate: Arc<Gate>,
}

impl TestSink {
    fn new(gate: Arc<Gate>) -> Self {
        let url = ConfigKey::required("url", ConfigType::String, "Where to.").group("Connection");
        let password = ConfigKey::nullable("password", ConfigType::Password, "The secret.");
        let def = ConfigDef::new(vec![url, password.group("Connection")]);
        Self { def, gate }
    }
}

impl Connector for TestSink {
    fn classes(&self) -> &'static [&'static str] {
        &["org.example.TestSinkConnector"]
    }

    fn version(&self) -> &'static str {
        "9.9"
    }

    fn config_def(&self) -> &ConfigDef {
        &self.def
    }

    fn validate(&self, properties: &Properties, _: &mut Vec<ConfigValue>) {
        if properties.get("url").is_some_and(|url| url == "gated") {
            self.gate.pass();
        }
    }

    fn task_configs(&self, properties: &Properties, max: usize) -> Result<Vec<Properties>> {
        assert_ne!(properties["url"], "panics");
        Ok(vec![properties.clone(); max])
    }
}

impl SinkConnector for TestSink {
    fn task(&self, config: &Config, _: &TaskContext) -> Result<Box<dyn SinkTask>> {
        if config.optional_text("url") == Some("gated") {
            self.gate.pass();
        }
        Ok(Box::new(TestTask))
    }
}

struct TestTask;

#[async_trait]
impl SinkTask for TestTask {
    async fn put(&mut self, _: &[RecordBatch], _: &mut dyn ErrantRecordReporter) -> Result<()> {
        Ok(())
    }
}

/// A worker without Kafka: its tasks fail or wait, its herder and REST are the real ones.
struct TestWorker {
    app: Router,
    api: Api,
    herder: HerderHandle,
    gate: Arc<Gate>,
    others: OtherWorkers,
}

/// Writes to the topics of the worker as other workers do, and reads what it tells them.
struct OtherWorkers {
    configs: mpsc::UnboundedSender<StoredRecord>,
    cluster: mpsc::UnboundedSender<StoredRecord>,
    statuses: mpsc::UnboundedSender<StoredRecord>,
    appended: mpsc::UnboundedReceiver<StoredRecord>,
    /// What another worker writes just in front of the first placement of this one.
    in_front_of_placement: Arc<Mutex<Option<StoredRecord>>>,
    membership: watch::Sender<Membership>,
    instance: WorkerInstance,
    /// The worker reads nothing of the cluster's topics while this is so: it is slow.
    reads_nothing: Arc<AtomicBool>,
    /// What the worker writes as the leader takes until this is no longer so.
    commits_nothing: Arc<AtomicBool>,
    commits: Arc<Commits>,
}

/// What the worker has written as the leader.
#[derive(Default)]
struct Commits {
    begun: AtomicUsize,
    transactions: AtomicUsize,
    /// A transaction with a record of this key is refused, as one with too large a record is.
    refused_key: Mutex<Option<&'static str>>,
    /// What becomes of a transaction with a record of this key is not known, once: the worker has
    /// to take the lead again.
    lost_key: Mutex<Option<&'static str>>,
    has_lost: AtomicBool,
}

impl Commits {
    fn commit(&self, transaction: &Transaction) -> Result<()> {
        let refused = *self.refused_key.lock().unwrap();
        let has = |wanted: &str| transaction.config.iter().any(|it| it.key == wanted);
        if self.has_lost.load(Ordering::Acquire) {
            return Err(connect_api::Error::fenced("this worker does not lead"));
        }
        if refused.is_some_and(has) {
            return Err(connect_api::Error::retriable("the record is too large"));
        }
        if self
            .lost_key
            .lock()
            .unwrap()
            .take_if(|key| has(key))
            .is_some()
        {
            self.has_lost.store(true, Ordering::Release);
            return Err(connect_api::Error::retriable("Kafka does not answer"));
        }
        self.transactions.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A log in memory that others write to as well.
struct SharedLog {
    own: MemoryLog,
    others: mpsc::UnboundedReceiver<StoredRecord>,
}

impl SharedLog {
    fn new(stored: Vec<StoredRecord>) -> (Self, mpsc::UnboundedSender<StoredRecord>) {
        let (sender, others) = mpsc::unbounded_channel();
        let own = MemoryLog::new(stored);
        (Self { own, others }, sender)
    }
}

#[async_trait]
impl BackingStore for SharedLog {
    async fn start(&mut self) -> Result<Vec<StoredRecord>> {
        self.own.start().await
    }

    async fn write(&mut self, record: StoredRecord) -> Result<Vec<StoredRecord>> {
        self.own.write(record).await
    }

    async fn next(&mut self) -> StoredRecord {
        match self.others.recv().await {
            Some(record) => record,
            None => std::future::pending().await,
        }
    }
}

/// The topics of the cluster in memory, which others write to as well.
struct SharedClusterLog {
    own: MemoryClusterLog,
    configs: mpsc::UnboundedReceiver<StoredRecord>,
    cluster: mpsc::UnboundedReceiver<StoredRecord>,
    appended: mpsc::UnboundedSender<StoredRecord>,
    in_front_of_placement: Arc<Mutex<Option<StoredRecord>>>,
    reads_nothing: Arc<AtomicBool>,
    commits_nothing: Arc<AtomicBool>,
    commits: Arc<Commits>,
    /// Records of others: where the next one stands.
    read: i64,
}

#[async_trait]
impl ClusterLog for SharedClusterLog {
    async fn start(&mut self) -> Result<Vec<ClusterRecord>> {
        self.own.start().await
    }

    async fn lead(&mut self) -> Result<Vec<ClusterRecord>> {
        self.commits.has_lost.store(false, Ordering::Release);
        self.own.lead().await
    }

    fn follow(&mut self) {}

    fn leads(&self) -> bool {
        !self.commits.has_lost.load(Ordering::Acquire)
    }

    async fn commit(&mut self, transaction: Transaction) -> Result<Vec<ClusterRecord>> {
        let written = transaction.cluster.iter().chain(&transaction.answers);
        let mut places = false;
        for record in written {
            places |= record.key.starts_with("placement-");
            // Most tests do not read it.
            let _ = self.appended.send(record.clone());
        }
        let other = self
            .in_front_of_placement
            .lock()
            .unwrap()
            .take_if(|_| places);
        let other = other.map(|record| ClusterRecord {
            topic: ClusterTopic::Cluster,
            offset: 0,
            record,
        });
        self.commits.begun.fetch_add(1, Ordering::Release);
        while self.commits_nothing.load(Ordering::Acquire) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        self.commits.commit(&transaction)?;
        let mut read = Vec::from_iter(other);
        read.extend(self.own.commit(transaction).await?);
        Ok(read)
    }

    fn append(&mut self, record: StoredRecord) -> Result<Appended> {
        // Most tests do not read it.
        let _ = self.appended.send(record.clone());
        self.own.append(record)
    }

    async fn next(&mut self) -> ClusterRecord {
        while self.reads_nothing.load(Ordering::Acquire) {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let (topic, record) = tokio::select! {
            biased;
            Some(record) = self.configs.recv() => (ClusterTopic::Config, record),
            Some(record) = self.cluster.recv() => (ClusterTopic::Cluster, record),
            own = self.own.next() => return own,
        };
        self.read += 1;
        ClusterRecord {
            topic,
            offset: self.read,
            record,
        }
    }
}

/// The test sink alone.
fn plugins(gate: &Arc<Gate>) -> Plugins {
    let sink = Arc::new(TestSink::new(Arc::clone(gate)));
    let sink = RegisteredConnector::Sink(RegisteredSink::Plain(sink));
    let wasm = WasmPlugins::new(WasmOptions::default()).unwrap();
    Plugins::new(vec![sink], wasm)
}

/// What a herder without Kafka is made of.
fn shared(settings: &[(&str, &str)], gate: &Arc<Gate>) -> Shared {
    // Nothing listens there: a task waits for Kafka until it is stopped.
    let mut all = vec![("bootstrap.servers", "127.0.0.1:1")];
    all.extend(settings);
    let config = Arc::new(WorkerConfig::new(&minimal(&all)).unwrap());
    Shared {
        instance: WorkerInstance::new(&config),
        plugins: Arc::new(plugins(gate)),
        groups: Box::new(NoConsumerGroups),
        source_offsets: Arc::new(SourceOffsets::new(&config)),
        cluster_id: Some("cluster".to_owned()),
        config,
    }
}

impl Drop for TestWorker {
    /// A validation that is left at the gate would keep the test from ending.
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// An answer.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
    json: Value,
}

impl TestWorker {
    fn new() -> Self {
        Self::with(&[], Vec::new())
    }

    fn with(settings: &[(&str, &str)], stored: Vec<StoredRecord>) -> Self {
        Self::of_role(Role::Leader, settings, stored)
    }

    fn of_role(role: Role, settings: &[(&str, &str)], stored: Vec<StoredRecord>) -> Self {
        let gate = Arc::new(Gate::default());
        let shared = shared(settings, &gate);
        let (status_log, statuses) = SharedLog::new(Vec::new());
        let (configs, read_configs) = mpsc::unbounded_channel();
        let (cluster, read_cluster) = mpsc::unbounded_channel();
        let (told, appended) = mpsc::unbounded_channel();
        let log = SharedClusterLog {
            own: MemoryClusterLog::new(stored),
            configs: read_configs,
            cluster: read_cluster,
            appended: told,
            in_front_of_placement: Arc::default(),
            reads_nothing: Arc::default(),
            commits_nothing: Arc::default(),
            commits: Arc::default(),
            read: 0,
        };
        let commits = Arc::clone(&log.commits);
        let commits_nothing = Arc::clone(&log.commits_nothing);
        let reads_nothing = Arc::clone(&log.reads_nothing);
        let in_front_of_placement = Arc::clone(&log.in_front_of_placement);
        let instance = shared.instance.clone();
        let (sender, membership) = watch::channel(Membership {
            role,
            ..Membership::alone(instance.clone())
        });
        let others = OtherWorkers {
            configs,
            cluster,
            statuses,
            appended,
            in_front_of_placement,
            membership: sender,
            instance,
            reads_nothing,
            commits_nothing,
            commits,
        };
        let cluster = Cluster {
            log: Box::new(log),
            statuses: Box::new(status_log),
            membership,
            member: None,
        };
        let (herder, _) = Herder::spawn(shared, cluster);
        let loggers = Arc::new(Loggers::detached());
        let metrics = Arc::new(exposition);
        let api = Api {
            herder: herder.clone(),
            loggers,
            metrics,
        };
        let app = router(api.clone(), Surface::All).layer(Extension(Caller::anybody()));
        Self {
            app,
            api,
            herder,
            gate,
            others,
        }
    }

    async fn request(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let kind = (header::CONTENT_TYPE, "application/json");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(kind.0, kind.1);
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        send(self.app.clone(), request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, Body::empty()).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.request(Method::PUT, path, body).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.request(Method::POST, path, body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, Body::empty()).await
    }

    /// Creates a connector that is stopped, so that no task tries to reach Kafka.
    async fn create(&self, name: &str) -> Answer {
        let body = json!({ "name": name, "config": config(), "initial_state": "stopped" });
        self.post("/connectors", body).await
    }
}

async fn send(app: Router, request: Request<Body>) -> Answer {
    let response = app.oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer {
        status,
        headers,
        text,
        json,
    }
}

fn config() -> Value {
    json!({ "connector.class": "TestSink", "topics": "t", "url": "x", "tasks.max": 2 })
}

/// The answer is an error of this code and text, in Kafka Connect's form.
#[track_caller]
fn assert_error(answer: &Answer, code: u16, message: &str) {
    assert_eq!(
        answer.json,
        json!({ "error_code": code, "message": message })
    );
    assert_eq!(answer.status.as_u16(), code);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
}
