//! What monitoring asks while Kafka is away.

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
