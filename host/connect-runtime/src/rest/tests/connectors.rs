//! `/connectors` and what is below.

use axum::http::Request;

use super::*;

const INVALID: &str = "Connector configuration is invalid and contains the following";
const SEE: &str = "You can also find the above list of errors at the endpoint \
                   `/connector-plugins/{connectorType}/config/validate`";

#[tokio::test]
async fn a_connector_lives_through_its_codes() {
    let worker = TestWorker::new();
    assert_eq!(worker.get("/connectors").await.json, json!([]));
    let created = worker.create("a").await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.headers[header::LOCATION], "/connectors/a");
    // Scalars became texts, the name was added, and nothing else.
    let config = json!({
        "connector.class": "TestSink", "name": "a", "tasks.max": "2", "topics": "t", "url": "x",
    });
    let info = json!({ "name": "a", "config": config, "tasks": [], "type": "sink" });
    assert_eq!(created.json, info);
    assert_eq!(worker.get("/connectors/").await.json, json!(["a"]));
    assert_eq!(worker.get("/connectors/a/").await.json, info);
    assert_eq!(worker.get("/connectors/a/config").await.json, config);
    let status = json!({
        "name": "a",
        "connector": { "state": "STOPPED", "worker_id": "127.0.0.1:8083", "version": "9.9" },
        "tasks": [],
        "type": "sink",
    });
    assert_eq!(worker.get("/connectors/a/status").await.json, status);
    let expanded = worker
        .get("/connectors?expand=info&expand=status&expand=tasks")
        .await;
    assert_eq!(
        expanded.json,
        json!({ "a": { "info": info, "status": status } })
    );
    assert_eq!(
        worker.get("/connectors/a/topics").await.json,
        json!({ "a": { "topics": [] } })
    );
    assert_eq!(
        worker.get("/connectors/a/offsets").await.json,
        json!({ "offsets": [] })
    );
    let again = worker.create("a").await;
    assert_error(&again, 409, "Connector a already exists");
    assert_eq!(
        worker.delete("/connectors/a").await.status,
        StatusCode::NO_CONTENT
    );
    assert_error(
        &worker.get("/connectors/a").await,
        404,
        "Connector a not found",
    );
    let gone = worker.get("/connectors/a/status").await;
    assert_error(&gone, 404, "No status found for connector a");
    assert_error(
        &worker.delete("/connectors/a").await,
        404,
        "Connector a not found",
    );
}

#[tokio::test]
async fn tasks_follow_the_target_state() {
    let worker = TestWorker::new();
    let created = worker.put("/connectors/a/config", config()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let ids = json!([{ "connector": "a", "task": 0 }, { "connector": "a", "task": 1 }]);
    assert_eq!(created.json["tasks"], ids);
    let tasks = worker.get("/connectors/a/tasks").await.json;
    assert_eq!(tasks[1]["id"], ids[1]);
    assert_eq!(tasks[1]["config"]["task.class"], "org.example.TestSinkTask");
    assert_eq!(
        worker.put("/connectors/a/config", config()).await.status,
        StatusCode::OK
    );
    let paused = worker.put("/connectors/a/pause", Value::Null).await;
    assert_eq!(
        (paused.status, paused.text.as_str()),
        (StatusCode::ACCEPTED, "")
    );
    assert!(paused.headers.get(header::CONTENT_TYPE).is_none());
    let status = worker.get("/connectors/a/status").await.json;
    assert_eq!(status["connector"]["state"], "PAUSED");
    assert_eq!(status["tasks"].as_array().map(Vec::len), Some(2));
    let stopped = worker.put("/connectors/a/stop", Value::Null).await;
    assert_eq!(stopped.status, StatusCode::NO_CONTENT);
    let status = worker.get("/connectors/a/status").await.json;
    assert_eq!(
        (&status["connector"]["state"], &status["tasks"]),
        (&json!("STOPPED"), &json!([]))
    );
    let resumed = worker.put("/connectors/a/resume", Value::Null).await;
    assert_eq!(resumed.status, StatusCode::ACCEPTED);
    let status = worker.get("/connectors/a/status").await.json;
    assert_eq!(status["connector"]["state"], "RUNNING");
    assert_eq!(status["tasks"].as_array().map(Vec::len), Some(2));
    let missing = worker.get("/connectors/a/tasks/7/status").await;
    assert_error(&missing, 404, "No status found for task a-7");
    let missing = worker
        .post("/connectors/a/tasks/7/restart", Value::Null)
        .await;
    assert_error(&missing, 404, "Unknown task: a-7");
    let restarted = worker
        .post("/connectors/a/tasks/0/restart", Value::Null)
        .await;
    assert_eq!(restarted.status, StatusCode::NO_CONTENT);
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn a_restart_answers_by_its_flags() {
    let worker = TestWorker::new();
    worker.put("/connectors/a/config", config()).await;
    let plain = worker.post("/connectors/a/restart", Value::Null).await;
    assert_eq!(
        (plain.status, plain.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    let all = worker.post(
        "/connectors/a/restart?includeTasks=True&onlyFailed=False",
        Value::Null,
    );
    let all = all.await;
    assert_eq!(all.status, StatusCode::ACCEPTED);
    assert_eq!(all.json["connector"]["state"], "RESTARTING");
    assert_eq!(all.json["tasks"][1]["state"], "RESTARTING");
    let failed = worker
        .post("/connectors/a/restart?onlyFailed=true", Value::Null)
        .await;
    assert_eq!(failed.status, StatusCode::ACCEPTED);
    assert_eq!(failed.json["connector"]["state"], "RUNNING");
    let unknown = worker.post("/connectors/b/restart", Value::Null).await;
    assert_error(&unknown, 404, "Unknown connector: b");
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn a_config_that_is_refused_changes_nothing() {
    let worker = TestWorker::new();
    worker.create("a").await;
    let before = worker.get("/connectors/a/config").await.json;
    let mut bad = config();
    bad["tasks.max"] = json!("invalid number");
    let refused = worker.put("/connectors/a/config", bad).await;
    let why = format!(
        "{INVALID} 1 error(s):\n\
         Invalid value invalid number for configuration tasks.max: Not a number of type INT\n{SEE}"
    );
    assert_error(&refused, 400, &why);
    let refused = worker
        .request(Method::PATCH, "/connectors/a/config", r#"{"url":null}"#)
        .await;
    let why = format!(
        "{INVALID} 1 error(s):\nMissing required configuration \"url\" which has no default \
         value.\n{SEE}"
    );
    assert_error(&refused, 400, &why);
    assert_eq!(worker.get("/connectors/a/config").await.json, before);
    let patch = r#"{"url":"y","tasks.max":null,"errors.tolerance":"all"}"#;
    let patched = worker
        .request(Method::PATCH, "/connectors/a/config", patch)
        .await;
    assert_eq!(patched.status, StatusCode::OK);
    let expect = json!({
        "connector.class": "TestSink", "errors.tolerance": "all", "name": "a", "topics": "t",
        "url": "y",
    });
    assert_eq!(patched.json["config"], expect);
}

#[tokio::test]
async fn requests_that_make_no_sense_are_told_why() {
    let worker = TestWorker::new();
    let post = |body: &'static str| worker.request(Method::POST, "/connectors", body);
    let malformed = post("{\"name\": \"a\",\n  oops}").await;
    let why = "The request body is not valid JSON: key must be a string, line: 2, column: 3";
    assert_error(&malformed, 400, why);
    let why = "Connector config contains no connector type";
    assert_error(&post(r#"{"name":"a","config":{}}"#).await, 400, why);
    let why = "Failed to find any class that implements Connector and which name matches Nope, \
               available connectors are: org.example.TestSinkConnector";
    let unknown = post(r#"{"name":"a","config":{"connector.class":"Nope"}}"#).await;
    assert_error(&unknown, 400, why);
    let why = "Connector name configuration (b) doesn't match connector name in the URL (a)";
    assert_error(
        &post(r#"{"name":"a","config":{"name":"b"}}"#).await,
        400,
        why,
    );
    assert_eq!(
        post(r#"{"name":"a","more":1}"#).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        post(r#"{"name":"a","config":{"x":{}}}"#).await.status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(post("").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(post("[]").await.status, StatusCode::BAD_REQUEST);
    let large = "x".repeat((1 << 20) + 1);
    let large = worker.request(Method::POST, "/connectors", large).await;
    assert_error(&large, 413, "The request body is larger than 1048576 bytes");
    let text = Request::post("/connectors").header(header::CONTENT_TYPE, "text/plain");
    let text = worker.send(text.body(Body::from("{}")).unwrap()).await;
    assert_error(&text, 415, "HTTP 415 Unsupported Media Type");
    assert_error(&worker.get("/nowhere").await, 404, "HTTP 404 Not Found");
    assert_error(
        &worker.delete("/connectors").await,
        405,
        "HTTP 405 Method Not Allowed",
    );
    assert_eq!(worker.get("/connectors").await.json, json!([]));
}

#[tokio::test]
async fn a_name_may_have_any_letters() {
    let worker = TestWorker::new();
    let body = json!({ "name": " a->b ", "config": config(), "initial_state": "PAUSED" });
    let created = worker.post("/connectors/", body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    assert_eq!(created.headers[header::LOCATION], "/connectors/a-%3Eb");
    assert_eq!(
        worker.get("/connectors/a%2D%3Eb").await.json["name"],
        "a->b"
    );
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn offsets_are_altered_only_while_stopped() {
    let worker = TestWorker::new();
    worker.put("/connectors/a/config", config()).await;
    let element = json!({
        "partition": { "kafka_topic": "t", "kafka_partition": "0" },
        "offset": { "kafka_offset": 5 },
    });
    let alter = json!({ "offsets": [element] }).to_string();
    let path = "/connectors/a/offsets";
    let running = worker.request(Method::PATCH, path, alter.clone()).await;
    let why = "Connectors must be in the STOPPED state before their offsets can be modified. This \
               can be done for the specified connector by issuing a 'PUT' request to the \
               '/connectors/a/stop' endpoint";
    assert_error(&running, 400, why);
    assert_error(&worker.delete(path).await, 400, why);
    worker.put("/connectors/a/stop", Value::Null).await;
    for (method, what) in [(Method::PATCH, "altered"), (Method::DELETE, "reset")] {
        let done = worker.request(method, path, alter.clone()).await;
        let message = format!("The offsets for this connector have been {what} successfully");
        assert_eq!(done.json, json!({ "message": message }));
    }
    let empty = worker
        .request(Method::PATCH, path, r#"{"offsets":[]}"#)
        .await;
    let why = "Partitions / offsets need to be provided for an alter offsets request";
    assert_error(&empty, 400, why);
    assert_error(
        &worker.get("/connectors/b/offsets").await,
        404,
        "Connector b not found",
    );
    worker.herder.shutdown().await;
}

#[tokio::test]
async fn a_new_life_takes_up_what_is_stored() {
    let record = |key: &str, value: Value| StoredRecord {
        key: key.into(),
        value: Some(value),
    };
    let mut stored_config = config();
    stored_config["tasks.max"] = json!("1");
    stored_config["name"] = json!("a");
    let stored = vec![
        record(
            "target-state-a",
            json!({ "state": "PAUSED", "state.v2": "PAUSED" }),
        ),
        record("connector-a", json!({ "properties": stored_config })),
        record(
            "restart-connector-a",
            json!({ "include-tasks": true, "only-failed": false }),
        ),
        record("session-key", json!({ "key": "x" })),
    ];
    let worker = TestWorker::with(&[], stored);
    let status = worker.get("/connectors/a/status").await.json;
    assert_eq!(status["connector"]["state"], "PAUSED");
    // It is given tasks when it is resumed.
    assert_eq!(status["tasks"], json!([]));
    worker.herder.shutdown().await;
}
