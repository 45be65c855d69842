//! Requests that wait while Kafka is slow: they are carried out together.

use std::time::Duration;

use tokio::task::JoinSet;

use super::*;

const MANY: usize = 40;

fn request(method: Method, path: &str, body: &Value) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::CONTENT_TYPE, "application/json");
    request.body(body.to_string().into()).unwrap()
}

impl TestWorker {
    /// Sends requests while Kafka takes no write; then it does. Their answers, in order.
    async fn while_kafka_is_slow(&self, requests: Vec<Request<Body>>) -> Vec<Answer> {
        self.others.commits_nothing.store(true, Ordering::Release);
        let mut sent = JoinSet::new();
        for (number, request) in requests.into_iter().enumerate() {
            let app = self.app.clone();
            sent.spawn(async move { (number, send(app, request).await) });
        }
        // All have reached the herder, which waits for the first.
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.others.commits.transactions.store(0, Ordering::Relaxed);
        self.others.commits_nothing.store(false, Ordering::Release);
        let answers = tokio::time::timeout(Duration::from_secs(30), sent.join_all()).await;
        let mut answers = answers.expect("the requests are never answered");
        answers.sort_by_key(|(number, _)| *number);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    /// An order of another worker's caller comes.
    fn is_ordered(&self, id: &str, order: Value) {
        let record = StoredRecord {
            key: format!("order-{id}"),
            value: Some(json!({ "order": order, "at": 1 })),
        };
        self.others.cluster.send(record).unwrap();
    }
}

#[tokio::test]
async fn what_waits_is_written_in_a_few_transactions() {
    let mut worker = TestWorker::new();
    for number in 0..MANY {
        worker.create(&format!("here-{number}")).await;
        worker.create(&format!("there-{number}")).await;
    }
    for number in 0..MANY {
        let order = json!({ "type": "delete", "connector": format!("there-{number}") });
        worker.is_ordered(&number.to_string(), order);
    }
    let delete = |number| {
        let path = format!("/connectors/here-{number}");
        request(Method::DELETE, &path, &Value::Null)
    };
    let answers = worker
        .while_kafka_is_slow((0..MANY).map(delete).collect())
        .await;
    for answer in answers {
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    }
    for _ in 0..MANY {
        worker.wrote("answer-").await;
    }
    let transactions = worker.others.commits.transactions.load(Ordering::Relaxed);
    assert!(transactions <= 8, "{transactions}");
    assert_eq!(worker.get("/connectors").await.json, json!([]));
}

#[tokio::test]
async fn requests_for_one_connector_keep_their_order() {
    let worker = TestWorker::new();
    worker.create("a").await;
    let order = |kind: &str| json!({ "type": kind, "connector": "a" });
    worker.is_ordered("1", order("delete"));
    let mut again = order("configure");
    again["config"] = json!({
        "name": "a", "connector.class": "TestSink", "topics": "t", "url": "again", "tasks.max": "1",
    });
    again["expected"] = json!("absent");
    again["initial_state"] = json!("STOPPED");
    worker.is_ordered("2", again);
    worker
        .until("/connectors/a/config", |config| config["url"] == "again")
        .await;
}

#[tokio::test]
async fn what_cannot_be_written_keeps_nothing_else_from_it() {
    let worker = TestWorker::new();
    let names = ["a", "b", "c"];
    for name in names {
        worker.create(name).await;
    }
    // In the first transaction of those that wait, and in one of task configs.
    for (refused, resumed) in [("target-state-b", 500), ("commit-b", 202)] {
        *worker.others.commits.refused_key.lock().unwrap() = Some(refused);
        let resume = |name: &str| {
            let path = format!("/connectors/{name}/resume");
            request(Method::PUT, &path, &Value::Null)
        };
        let answers = worker.while_kafka_is_slow(names.map(resume).into()).await;
        let seen = answers.iter().map(|answer| answer.status.as_u16());
        assert_eq!(seen.collect::<Vec<_>>(), [202, resumed, 202], "{refused}");
        for (name, state) in [("a", "RUNNING"), ("c", "RUNNING")] {
            worker.waits_for(name, state).await;
        }
        for name in names {
            worker
                .put(&format!("/connectors/{name}/stop"), Value::Null)
                .await;
        }
    }
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn what_was_lost_with_the_lead_is_decided_anew() {
    let worker = TestWorker::new();
    for name in ["a", "b"] {
        worker.create(name).await;
    }
    *worker.others.commits.lost_key.lock().unwrap() = Some("commit-b");
    let resume = |name: &str| {
        let path = format!("/connectors/{name}/resume");
        request(Method::PUT, &path, &Value::Null)
    };
    let answers = worker
        .while_kafka_is_slow(["a", "b"].map(resume).into())
        .await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == StatusCode::ACCEPTED)
    );
    for name in ["a", "b"] {
        let path = format!("/connectors/{name}/status");
        let runs = |status: &Value| {
            let tasks = status["tasks"].as_array().map_or(0, Vec::len);
            status["connector"]["state"] == "RUNNING" && tasks == 2
        };
        worker.until(&path, runs).await;
    }
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn what_was_asked_for_before_the_end_is_carried_out() {
    let worker = TestWorker::new();
    for name in ["a", "b"] {
        worker.create(name).await;
    }
    let slow = &worker.others.commits_nothing;
    slow.store(true, Ordering::Release);
    let mut sent = JoinSet::new();
    for path in ["/connectors/a", "/connectors/b"] {
        let request = request(Method::DELETE, path, &Value::Null);
        sent.spawn(send(worker.app.clone(), request));
        // The second comes while the first is written.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let herder = worker.herder.clone();
    let ended = tokio::spawn(async move { herder.shutdown().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    slow.store(false, Ordering::Release);
    for answer in sent.join_all().await {
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    }
    ended.await.unwrap();
}
