//! What one worker sees of others on the same topics.

use std::time::Duration;

use super::*;

fn status(worker: &str, generation: u64, state: &str) -> Value {
    json!({
        "state": state, "trace": null, "worker_id": worker, "generation": generation,
    })
}

impl TestWorker {
    fn other_says(&self, key: &str, value: Value) {
        let record = StoredRecord {
            key: key.into(),
            value: Some(value),
        };
        self.others.statuses.send(record).unwrap();
    }

    async fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let seen = async {
            loop {
                let json = self.get(path).await.json;
                if is(&json) {
                    return json;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), seen).await;
        waited.unwrap_or_else(|_| panic!("{path} never shows it"))
    }
}

#[tokio::test]
async fn what_another_worker_says_of_a_connector_is_shown() {
    let worker = TestWorker::new();
    worker.create("a").await;
    let key = "status-connector-a";
    worker.other_says(key, status("other:8083", 1_000, "FAILED"));
    let path = "/connectors/a/status";
    let theirs = worker
        .until(path, |s| s["connector"]["state"] == "FAILED")
        .await;
    assert_eq!(theirs["connector"]["worker_id"], "other:8083");
    // Late news of a third that has lost the connector hides nothing. The mark behind it shows that
    // it was read.
    worker.create("mark").await;
    worker.other_says(key, status("third:8083", 999, "UNASSIGNED"));
    worker.other_says(
        "status-connector-mark",
        status("third:8083", 1_001, "RUNNING"),
    );
    worker
        .until("/connectors/mark/status", |s| {
            s["connector"]["state"] == "RUNNING"
        })
        .await;
    assert_eq!(worker.get(path).await.json, theirs);
    // A start that is made after all of these is newer.
    worker.put("/connectors/a/config", config()).await;
    let own = worker.get(path).await.json;
    assert_eq!(own["connector"]["worker_id"], "127.0.0.1:8083");
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn a_config_that_cannot_be_run_fails_its_connector_alone() {
    let record = |name: &str, config: Value| StoredRecord {
        key: format!("connector-{name}"),
        value: Some(json!({ "properties": config })),
    };
    let mut unknown = config();
    unknown["connector.class"] = json!("Nope");
    let mut panics = config();
    panics["url"] = json!("panics");
    let stored = vec![record("a", unknown), record("b", panics)];
    let worker = TestWorker::with(&[], stored);
    worker.create("c").await;
    for (name, why) in [
        ("a", "connector.class Nope is not known"),
        ("b", "the connector panicked"),
    ] {
        let status = worker.get(&format!("/connectors/{name}/status")).await.json;
        assert_eq!(status["connector"]["state"], "FAILED", "{status}");
        let trace = status["connector"]["trace"].as_str().unwrap();
        assert!(trace.contains(why), "{trace}");
        assert_eq!(status["tasks"], json!([]));
    }
    let healthy = worker.get("/connectors/c/status").await.json;
    assert_eq!(healthy["connector"]["state"], "STOPPED");
    // A config that can be run mends it.
    worker.put("/connectors/a/config", config()).await;
    let status = worker.get("/connectors/a/status").await.json;
    assert_eq!(status["connector"]["state"], "RUNNING");
    assert_eq!(status["connector"]["trace"], Value::Null);
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn what_another_worker_writes_is_acted_upon() {
    let worker = TestWorker::new();
    let mut theirs = config();
    theirs["name"] = json!("a");
    theirs["tasks.max"] = json!("3");
    for (key, value) in [
        ("target-state-a", json!({ "state": "PAUSED" })),
        ("connector-a", json!({ "properties": theirs })),
    ] {
        let record = StoredRecord {
            key: key.into(),
            value: Some(value),
        };
        worker.others.configs.send(record).unwrap();
    }
    let path = "/connectors/a/status";
    let status = worker.until(path, |s| s["tasks"][2]["id"] == 2).await;
    assert_eq!(status["connector"]["state"], "PAUSED");
    worker.herder.shutdown().await;
}
