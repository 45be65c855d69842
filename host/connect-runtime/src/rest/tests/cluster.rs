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

    pub(super) async fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
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
    let paused = |s: &Value| s["connector"]["state"] == "PAUSED";
    let status = worker.until(path, paused).await;
    assert_eq!(status["tasks"], json!([]));
    let config = worker.get("/connectors/a/config").await.json;
    assert_eq!(config["tasks.max"], "3");
    worker.herder.shutdown().await;
}

/// A worker that does not lead, and on which the leader counts.
fn follower() -> TestWorker {
    let worker = TestWorker::of_role(Role::Follower, &[], Vec::new());
    let workers = json!({ "workers": [worker.others.instance.to_string()] });
    let record = StoredRecord {
        key: "workers".into(),
        value: Some(workers),
    };
    worker.others.cluster.send(record).unwrap();
    worker
}

fn put_request(url: &str) -> Request<Body> {
    let mut wanted = config();
    wanted["url"] = json!(url);
    let request = Request::builder()
        .method(Method::PUT)
        .uri("/connectors/a/config")
        .header(header::CONTENT_TYPE, "application/json");
    request.body(wanted.to_string().into()).unwrap()
}

impl TestWorker {
    /// Waits until the worker has written a record of this kind to the cluster topic: the rest of
    /// its key.
    pub(super) async fn wrote(&mut self, kind: &str) -> String {
        let written = async {
            loop {
                let record = self.others.appended.recv().await.unwrap();
                if let Some(rest) = record.key.strip_prefix(kind) {
                    return rest.to_owned();
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), written).await;
        waited.unwrap_or_else(|_| panic!("no {kind} is written"))
    }

    /// Waits until the worker has sent an order to the leader.
    async fn sent_order(&mut self) -> String {
        self.wrote("order-").await
    }

    fn leads_from_now_on(&self) {
        let alone = Membership::alone(self.others.instance.clone());
        self.others.membership.send_replace(alone);
    }
}

#[tokio::test]
async fn a_config_goes_on_behind_one_whose_caller_has_gone() {
    let mut worker = follower();
    // Nobody leads, and the first caller does not wait for it.
    let first = tokio::spawn(send(worker.app.clone(), put_request("1")));
    let abandoned = worker.sent_order().await;
    first.abort();
    let _ = first.await;
    let second = tokio::spawn(send(worker.app.clone(), put_request("2")));
    let sent = worker.sent_order().await;
    assert_ne!(sent, abandoned);
    worker.leads_from_now_on();
    let answer = tokio::time::timeout(Duration::from_secs(30), second).await;
    let answer = answer.expect("it is never answered").unwrap();
    assert!(answer.status.is_success(), "{}", answer.text);
    let config = worker.get("/connectors/a/config").await.json;
    assert_eq!(config["url"], "2");
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn any_order_lets_go_what_waits_behind_an_abandoned_config() {
    let mut worker = follower();
    let first = tokio::spawn(send(worker.app.clone(), put_request("1")));
    let second = tokio::spawn(send(worker.app.clone(), put_request("2")));
    worker.sent_order().await;
    first.abort();
    let _ = first.await;
    let delete = Request::delete("/connectors/b").body(Body::empty());
    let other = tokio::spawn(send(worker.app.clone(), delete.unwrap()));
    worker.sent_order().await;
    worker.leads_from_now_on();
    let answered = async { (second.await.unwrap(), other.await.unwrap()) };
    let answered = tokio::time::timeout(Duration::from_secs(30), answered).await;
    let (second, other) = answered.expect("they are never answered");
    assert!(second.status.is_success(), "{}", second.text);
    assert_eq!(other.status.as_u16(), 404, "{}", other.text);
    worker.herder.shutdown().await;
}

/// An order of another worker, for a connector.
fn order(id: &str, name: &str) -> StoredRecord {
    let mut config = config();
    config["name"] = json!(name);
    config["tasks.max"] = json!("1");
    let order = json!({
        "type": "configure", "connector": name, "config": config, "expected": "absent",
    });
    StoredRecord {
        key: format!("order-{id}"),
        value: Some(json!({ "order": order, "at": 0 })),
    }
}

/// The task is another worker's, so that nothing else happens here which the order could wait for.
#[tokio::test]
async fn an_order_that_is_read_behind_a_write_of_the_leader_waits_for_nothing() {
    let mut worker = TestWorker::new();
    let own = worker.others.instance.clone();
    let other = WorkerInstance("0.0.0.0:1/other".to_owned());
    let leaving = StoredRecord {
        key: format!("leaving-{own}"),
        value: Some(json!({})),
    };
    worker.others.cluster.send(leaving).unwrap();
    let mut both = Membership::alone(own);
    both.members.insert(other);
    worker.others.membership.send_replace(both);
    worker.wrote("workers").await;
    let late = order("late", "b");
    *worker.others.in_front_of_placement.lock().unwrap() = Some(late);
    worker.others.cluster.send(order("first", "a")).unwrap();
    assert_eq!(worker.wrote("answer-").await, "first");
    assert_eq!(worker.wrote("answer-").await, "late");
    let status = worker.get("/connectors/a/status").await.json;
    assert_eq!(status["tasks"][0]["state"], "UNASSIGNED", "{status}");
    worker.herder.shutdown().await;
}

/// By what it knew before, it would run what others run by now.
#[tokio::test]
async fn a_worker_that_is_back_starts_nothing_before_it_has_read_what_was_decided() {
    let worker = TestWorker::new();
    let own = worker.others.instance.clone();
    worker
        .post("/connectors", json!({ "name": "a", "config": config() }))
        .await;
    let path = "/connectors/a/status";
    let all_are = |status: &Value, state: &str| {
        let tasks = status["tasks"].as_array().unwrap();
        tasks.len() == 2 && tasks.iter().all(|task| task["state"] == state)
    };
    worker.until(path, |s| all_are(s, "RUNNING")).await;
    let follower = Membership {
        role: Role::Follower,
        ..Membership::alone(own)
    };
    let lost = Membership {
        session: Session::Lost,
        losses: 1,
        ..follower.clone()
    };
    worker.others.membership.send_replace(lost);
    worker.until(path, |s| all_are(s, "UNASSIGNED")).await;

    worker.others.reads_nothing.store(true, Ordering::Release);
    let back = Membership {
        losses: 1,
        ..follower
    };
    worker.others.membership.send_replace(back);
    // It asks for the next record anew.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let elsewhere = StoredRecord {
        key: "placement-a".into(),
        value: Some(json!({ "tasks": ["other:8083/1", "other:8083/1"] })),
    };
    worker.others.cluster.send(elsewhere).unwrap();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let status = worker.get(path).await.json;
        assert!(all_are(&status, "UNASSIGNED"), "{status}");
    }
    worker.others.reads_nothing.store(false, Ordering::Release);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let status = worker.get(path).await.json;
    assert!(all_are(&status, "UNASSIGNED"), "others run them: {status}");
    let home = StoredRecord {
        key: "placement-a".into(),
        value: Some(json!({ "tasks": [worker.others.instance.0, worker.others.instance.0] })),
    };
    worker.others.cluster.send(home).unwrap();
    worker.until(path, |s| all_are(s, "RUNNING")).await;
    worker.herder.shutdown().await;
}
