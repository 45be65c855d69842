//! What monitoring asks while Kafka is away, and what the numbers of starts are.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::*;

impl TestWorker {
    /// Kafka goes away: what the worker writes from now on takes. A request that writes is under
    /// way once this is done.
    async fn kafka_goes_away(&self) -> JoinHandle<Answer> {
        self.others.commits_nothing.store(true, Ordering::Release);
        let begun = self.begun();
        let body = json!({ "name": "b", "config": config(), "initial_state": "STOPPED" });
        let written = self.later(Method::POST, "/connectors", &body);
        while self.begun() == begun {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        written
    }

    fn begun(&self) -> usize {
        self.others.commits.begun.load(Ordering::Acquire)
    }

    /// A number of the worker's metrics.
    async fn number(&self, name: &str) -> Option<f64> {
        let metrics = self.get("/metrics?names=short").await.text;
        let mut lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.next()?.rsplit(' ').next()?.parse().ok()
    }
}

const CONNECTORS: &str = "kafka_connect_worker_connector_count";

#[tokio::test]
async fn probes_are_answered_in_front_of_what_waits_for_a_write() {
    let worker = TestWorker::new();
    worker.create("a").await;
    let written = worker.kafka_goes_away().await;
    // It waits until the write has taken long: its answer may follow from it.
    let reads = worker.later(Method::GET, "/connectors", &Value::Null);
    assert_eq!(worker.number(CONNECTORS).await, Some(1.0));
    let health = worker.get("/health").await;
    assert_eq!(health.status, StatusCode::OK, "{}", health.text);
    assert_eq!(worker.get("/").await.status, StatusCode::OK);
    assert!(!reads.is_finished() && !written.is_finished());
    worker
        .others
        .commits_nothing
        .store(false, Ordering::Release);
    assert_eq!(written.await.unwrap().status, StatusCode::CREATED);
    assert_eq!(reads.await.unwrap().json, json!(["a", "b"]));
    assert_eq!(worker.number(CONNECTORS).await, Some(2.0));
}

#[tokio::test]
async fn what_only_reads_waits_for_no_write_behind_one_that_has_failed() {
    let worker = TestWorker::new();
    worker.create("a").await;
    *worker.others.commits.refused_key.lock().unwrap() = Some("connector-c");
    let body = json!({ "name": "c", "config": config(), "initial_state": "STOPPED" });
    let refused = worker.post("/connectors", body).await;
    assert_eq!(refused.status, StatusCode::INTERNAL_SERVER_ERROR);
    let written = worker.kafka_goes_away().await;
    // In milliseconds; behind a write that might succeed it takes two seconds.
    let read = tokio::time::timeout(Duration::from_secs(1), worker.get("/connectors")).await;
    assert_eq!(read.unwrap().json, json!(["a"]));
    assert!(!written.is_finished());
    // Once Kafka is there again, a read waits as before.
    worker
        .others
        .commits_nothing
        .store(false, Ordering::Release);
    assert_eq!(written.await.unwrap().status, StatusCode::CREATED);
    let body = json!({ "name": "b" });
    let deleted = worker.later(Method::DELETE, "/connectors/b", &body);
    assert_eq!(deleted.await.unwrap().status, StatusCode::NO_CONTENT);
    assert_eq!(worker.get("/connectors").await.json, json!(["a"]));
}

#[tokio::test]
async fn each_connector_starts_once_when_a_worker_takes_the_lead() {
    let mut unknown = config();
    unknown["connector.class"] = json!("Nope");
    let stored = [("a", config()), ("b", unknown), ("c", config())];
    let stored = stored.map(|(name, config)| StoredRecord {
        key: format!("connector-{name}"),
        value: Some(json!({ "properties": config })),
    });
    let worker = TestWorker::of_role(Role::Follower, &[], stored.to_vec());
    // The worker that led says that two have failed; the config of one is good here.
    for name in ["a", "b"] {
        let status = json!({
            "state": "FAILED", "trace": null, "worker_id": "other:8083", "generation": 1_000,
        });
        let record = StoredRecord {
            key: format!("status-connector-{name}"),
            value: Some(status),
        };
        worker.others.statuses.send(record).unwrap();
        worker
            .until(&format!("/connectors/{name}/status"), |status| {
                status["connector"]["state"] == "FAILED"
            })
            .await;
    }
    let starts = async || {
        let outcomes = ["attempts", "success", "failure"].map(async |outcome| {
            let name = format!("kafka_connect_worker_connector_startup_{outcome}_total");
            worker.number(&name).await
        });
        let [attempts, success, failure] = outcomes;
        (attempts.await, success.await, failure.await)
    };
    assert_eq!(starts().await, (Some(0.0), Some(0.0), Some(0.0)));
    let alone = Membership::alone(worker.others.instance.clone());
    worker.others.membership.send_replace(alone);
    worker
        .until("/connectors/a/status", |status| {
            status["connector"]["state"] == "RUNNING"
        })
        .await;
    while worker.number(CONNECTORS).await != Some(3.0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(starts().await, (Some(3.0), Some(2.0), Some(1.0)));
    // A restart of one that has failed is another start of it.
    let restarted = worker.post("/connectors/b/restart", Value::Null).await;
    assert_eq!(restarted.status, StatusCode::NO_CONTENT);
    assert_eq!(starts().await, (Some(4.0), Some(2.0), Some(2.0)));
}
