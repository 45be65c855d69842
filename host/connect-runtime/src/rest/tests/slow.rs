//! Validations and config providers that take long, and what other requests notice of it.

use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::*;
use crate::config_provider::tests::server::{Asked, Reply, Server};

/// What an answer may take while another request waits; it takes milliseconds.
const AT_ONCE: Duration = Duration::from_secs(2);

/// One request of each kind, in an order in which they make sense, and its status.
const REQUESTS: [(&str, &str, u16); 14] = [
    ("GET", "/health", 200),
    ("GET", "/connectors", 200),
    ("PUT", "/connectors/b/config", 201),
    ("GET", "/connectors/b", 200),
    ("GET", "/connectors/b/status", 200),
    ("PUT", "/connectors/b/config", 200),
    ("PATCH", "/connectors/b/config", 200),
    ("PUT", "/connectors/b/pause", 202),
    ("PUT", "/connectors/b/resume", 202),
    ("POST", "/connectors/b/restart", 204),
    ("POST", "/connectors/b/tasks/0/restart", 204),
    ("PUT", "/connectors/b/stop", 204),
    ("GET", "/connectors/b/offsets", 200),
    ("DELETE", "/connectors/b", 204),
];

impl TestWorker {
    /// Sends a request whose answer is waited for later.
    pub(super) fn later(&self, method: Method, path: &str, body: &Value) -> JoinHandle<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        tokio::spawn(send(self.app.clone(), request))
    }

    /// A connector's config comes by the config topic.
    pub(super) fn stores(&self, name: &str, mut config: Value) {
        config["name"] = json!(name);
        let record = StoredRecord {
            key: format!("connector-{name}"),
            value: Some(json!({ "properties": config })),
        };
        self.others.configs.send(record).unwrap();
    }

    /// The status of the connector whose own state, or that of its first task, is this one.
    pub(super) async fn waits_for(&self, name: &str, state: &str) -> Value {
        for _ in 0..3000 {
            let status = self.get(&format!("/connectors/{name}/status")).await.json;
            if status["connector"]["state"] == state || status["tasks"][0]["state"] == state {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{name} is never {state}");
    }

    /// Every kind of request, for connectors other than `a`, is answered at once.
    async fn answers_all_others(&self) {
        // The herder answers once it has read its topics.
        self.get("/connectors").await;
        for (method, path, status) in REQUESTS {
            let body = match (method, path.ends_with("/config")) {
                ("PUT", true) => config(),
                ("PATCH", true) => json!({ "url": "y" }),
                _ => Value::Null,
            };
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let asked = self.request(method.clone(), path, body.to_string());
            let answered = tokio::time::timeout(AT_ONCE, asked).await;
            let answer = answered.unwrap_or_else(|_| panic!("{method} {path} is not answered"));
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        }
    }
}

fn gated() -> Value {
    let mut config = config();
    config["url"] = json!("gated");
    config
}

fn create(name: &str, config: Value) -> Value {
    json!({ "name": name, "config": config, "initial_state": "STOPPED" })
}

async fn answer(request: JoinHandle<Answer>) -> Answer {
    let answered = tokio::time::timeout(Duration::from_secs(30), request).await;
    answered.unwrap().unwrap()
}

#[tokio::test]
async fn a_validation_that_takes_long_holds_up_no_other_request() {
    let worker = TestWorker::new();
    let slow = worker.later(Method::POST, "/connectors", &create("a", gated()));
    worker.gate.wait_for(1).await;
    worker.answers_all_others().await;
    assert_error(
        &worker.get("/connectors/a").await,
        404,
        "Connector a not found",
    );
    assert!(!slow.is_finished());
    worker.gate.open();
    assert_eq!(answer(slow).await.status, StatusCode::CREATED);
    assert_eq!(worker.get("/connectors").await.json, json!(["a"]));
}

#[tokio::test]
async fn changes_of_one_connector_apply_in_their_order() {
    let worker = TestWorker::new();
    let first = worker.later(Method::POST, "/connectors", &create("a", gated()));
    worker.gate.wait_for(1).await;
    let path = "/connectors/a/config";
    let mut other = gated();
    other["topics"] = json!("u");
    let requests = [
        worker.later(Method::POST, "/connectors", &create("a", config())),
        worker.later(Method::PUT, path, &other),
        worker.later(Method::PATCH, path, &json!({ "tasks.max": 7, "url": null })),
        worker.later(Method::PATCH, path, &json!({ "tasks.max": 3 })),
    ];
    // All have reached the herder before this one is answered.
    tokio::time::sleep(Duration::from_millis(50)).await;
    worker.get("/health").await;
    worker.gate.open();
    assert_eq!(answer(first).await.status, StatusCode::CREATED);
    let [again, put, refused, patch] = requests;
    assert_error(&answer(again).await, 409, "Connector a already exists");
    assert_eq!(answer(put).await.status, StatusCode::OK);
    assert_eq!(answer(refused).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer(patch).await.status, StatusCode::OK);
    let stored = worker.get(path).await.json;
    assert_eq!(
        (&stored["topics"], &stored["tasks.max"], &stored["url"]),
        (&json!("u"), &json!("3"), &json!("gated"))
    );
}

#[tokio::test]
async fn a_patch_is_validated_again_when_the_config_has_changed_meanwhile() {
    let worker = TestWorker::new();
    let path = "/connectors/a/config";
    worker.create("a").await;
    let patch = worker.later(Method::PATCH, path, &json!({ "url": "gated" }));
    worker.gate.wait_for(1).await;
    let mut theirs = config();
    theirs["name"] = json!("a");
    theirs["tasks.max"] = json!("5");
    let record = StoredRecord {
        key: "connector-a".into(),
        value: Some(json!({ "properties": theirs })),
    };
    worker.others.configs.send(record).unwrap();
    while worker.get(path).await.json["tasks.max"] != "5" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.gate.open();
    assert_eq!(answer(patch).await.status, StatusCode::OK);
    assert_eq!(worker.gate.reached(), 2);
    let stored = worker.get(path).await.json;
    assert_eq!(
        (&stored["tasks.max"], &stored["url"]),
        (&json!("5"), &json!("gated"))
    );
}

#[tokio::test]
async fn a_patch_of_a_connector_that_is_deleted_meanwhile_changes_nothing() {
    let worker = TestWorker::new();
    worker.create("a").await;
    let path = "/connectors/a/config";
    let patch = worker.later(Method::PATCH, path, &json!({ "url": "gated" }));
    worker.gate.wait_for(1).await;
    let deleted = worker.delete("/connectors/a").await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    worker.gate.open();
    assert_error(&answer(patch).await, 404, "Connector a not found");
    assert_eq!(worker.get("/connectors").await.json, json!([]));
}

#[tokio::test]
async fn a_change_whose_caller_has_gone_makes_way_for_the_next() {
    let worker = TestWorker::new();
    let gone = worker.later(Method::POST, "/connectors", &create("a", gated()));
    worker.gate.wait_for(1).await;
    gone.abort();
    let next = worker.post("/connectors", create("a", config()));
    let next = tokio::time::timeout(AT_ONCE, next).await.unwrap();
    assert_eq!(next.status, StatusCode::CREATED);
    worker.gate.open();
    assert_eq!(
        worker.get("/connectors/a/config").await.json["url"],
        json!("x")
    );
}

#[tokio::test]
async fn no_more_validations_run_at_once_than_may() {
    let worker = TestWorker::new();
    let name = |number| format!("a{number}");
    let requests: Vec<_> = (0..20)
        .map(|number| worker.later(Method::POST, "/connectors", &create(&name(number), gated())))
        .collect();
    worker.gate.wait_for(16).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(worker.gate.reached(), 16);
    worker.gate.open();
    for request in requests {
        assert_eq!(answer(request).await.status, StatusCode::CREATED);
    }
    assert_eq!(worker.gate.reached(), 20);
}

/// A file whose reader would wait until somebody writes to it.
fn fifo(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("secrets.properties");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.unwrap().success());
    path
}

const FILE_PROVIDER: [(&str, &str); 2] = [
    ("config.providers", "file"),
    (
        "config.providers.file.class",
        "org.apache.kafka.common.config.provider.FileConfigProvider",
    ),
];

#[tokio::test]
async fn a_file_without_an_end_is_refused_and_holds_up_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = fifo(folder.path()).display().to_string();
    let worker = TestWorker::with(&FILE_PROVIDER, Vec::new());
    for path in [&*secrets, "/dev/zero", "/proc/self/environ"] {
        let mut config = config();
        config["url"] = json!(format!("${{file:{path}:url}}"));
        let refused = worker.later(Method::POST, "/connectors", &create("a", config));
        let refused = answer(refused).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(
            refused.text.contains("url: could not read"),
            "{}",
            refused.text
        );
        worker.answers_all_others().await;
    }
    // One that is stored already fails its own tasks.
    let mut stored = config();
    stored["url"] = json!(format!("${{file:{secrets}:url}}"));
    worker.stores("a", stored);
    worker.waits_for("a", "FAILED").await;
    worker.answers_all_others().await;
}

#[tokio::test]
async fn what_only_reads_is_answered_while_kafka_takes_long_to_write() {
    let worker = TestWorker::new();
    worker.create("a").await;
    let others = &worker.others;
    others.commits_nothing.store(true, Ordering::Release);
    let written = worker.later(Method::POST, "/connectors", &create("b", config()));
    for path in [
        "/connectors",
        "/connectors?expand=status&expand=info",
        "/connectors/a",
        "/connectors/a/config",
        "/connectors/a/status",
        "/connectors/a/tasks",
        "/connectors/a/topics",
    ] {
        let answered = tokio::time::timeout(5 * AT_ONCE, worker.get(path)).await;
        let answer = answered.unwrap_or_else(|_| panic!("{path} is not answered"));
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    assert!(!written.is_finished());
    assert_error(
        &worker.get("/connectors/b").await,
        404,
        "Connector b not found",
    );
    others.commits_nothing.store(false, Ordering::Release);
    assert_eq!(answer(written).await.status, StatusCode::CREATED);
    assert_eq!(worker.get("/connectors/b").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_vault_that_does_not_answer_holds_up_no_request_and_may_come_back() {
    let (answers, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let path = "/v1/secret/data/db";
    let vault = Server::start(move |asked: &Asked| {
        if asked.path == path {
            let gate = gate.lock().unwrap();
            let _ = gate.recv_timeout(Duration::from_secs(60));
        }
        Reply::json(503, r#"{"errors":["Vault is sealed"]}"#)
    });
    let url = vault.url();
    let worker = TestWorker::with(
        &[
            ("config.providers", "vault"),
            (
                "config.providers.vault.class",
                "io.lenses.connect.secrets.providers.VaultSecretProvider",
            ),
            ("config.providers.vault.param.vault.addr", &url),
            ("config.providers.vault.param.vault.token", "hvs.a-token"),
        ],
        Vec::new(),
    );
    let mut config = config();
    config["url"] = json!("${vault:secret/db:url}");
    let slow = worker.later(Method::POST, "/connectors", &create("a", config.clone()));
    let asked = tokio::task::spawn_blocking(move || {
        vault.waits_for(path, 1);
        vault
    });
    let vault = asked.await.unwrap();
    worker.answers_all_others().await;
    answers.send(()).unwrap();
    let refused = answer(slow).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    for part in [
        "url: Vault at http://127.0.0.1",
        "secret/db",
        "Vault is sealed",
    ] {
        assert!(refused.text.contains(part), "{}", refused.text);
    }
    assert!(!refused.text.contains("hvs.a-token"), "{}", refused.text);
    // One that is stored already fails its own tasks.
    worker.stores("a", config);
    drop(answers);
    let status = worker.waits_for("a", "FAILED").await;
    assert!(status.to_string().contains("Vault is sealed"), "{status}");
    worker.answers_all_others().await;
    drop(vault);
}

#[tokio::test]
async fn tasks_that_take_long_to_start_hold_up_no_request() {
    let mut stored = config();
    stored["name"] = json!("a");
    stored["tasks.max"] = json!("2");
    stored["url"] = json!("gated");
    let record = StoredRecord {
        key: "connector-a".into(),
        value: Some(json!({ "properties": stored })),
    };
    let worker = TestWorker::with(&[], vec![record]);
    worker.gate.wait_for(2).await;
    worker.answers_all_others().await;
    let status = worker.get("/connectors/a/status").await.json;
    assert_eq!(status["connector"]["state"], "RUNNING");
    assert_eq!(status["tasks"][1]["state"], "UNASSIGNED");
    for (method, path, expect) in [
        (Method::PUT, "/connectors/a/pause", StatusCode::ACCEPTED),
        (
            Method::POST,
            "/connectors/a/tasks/0/restart",
            StatusCode::NO_CONTENT,
        ),
        (Method::PUT, "/connectors/a/stop", StatusCode::NO_CONTENT),
        (Method::DELETE, "/connectors/a", StatusCode::NO_CONTENT),
    ] {
        let asked = worker.request(method, path, Body::empty());
        let answered = tokio::time::timeout(AT_ONCE, asked).await;
        assert_eq!(answered.unwrap().status, expect, "{path}");
    }
    worker.gate.open();
    worker.herder.shutdown().await;
}
