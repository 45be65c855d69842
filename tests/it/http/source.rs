//! The documents' requests, and what is refused.

use harness::worker::TestWorker;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};

use super::*;

const ACTIVITY: &str = "activity-events-http.json";
const USERS: &str = "user-activity-http.json";

/// The body of the curl of the activity storage's document.
fn activity() -> Value {
    json!({
        "track_id": "TEST-001",
        "event_type": "activity_detected",
        "domain": "AIR",
        "mode_s": "A12345",
        "activity_type": "test",
        "latitude": 35.5,
        "longitude": -118.5,
        "properties": {"test": true}
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activity_is_queued_and_a_wrong_one_named() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let inlet = Inlet::new(kafka, "activity-http", "/api/activity/log").await?;
    inlet.deploy_file(worker.rest(), ACTIVITY, &[]).await?;
    inlet.taken(&activity()).await?;
    let records = kafka.read(&inlet.topic).await?;
    ensure!(records.len() == 1, "{records:?}");
    let value: Value = serde_json::from_str(&records[0].text())?;
    ensure!(value == activity(), "{value}");
    ensure!(
        records[0].key.as_deref() == Some(b"TEST-001"),
        "{records:?}"
    );
    for (field, value) in [
        ("domain", json!("LAND")),
        ("event_type", json!("seen")),
        ("latitude", json!(91.0)),
        ("event_timestamp", json!("2025-13-01T00:00:00Z")),
        ("event_timestamp", json!(17)),
        ("properties", json!("text")),
        ("track_id", json!(null)),
    ] {
        let mut wrong = activity();
        wrong[field] = value;
        let answer = answer(inlet.post(&wrong)).await?;
        ensure!(
            answer.status == StatusCode::BAD_REQUEST,
            "{field}: {answer:?}"
        );
        ensure!(answer.body["field"] == field, "{answer:?}");
        ensure!(
            answer.body["reason"]
                .as_str()
                .is_some_and(|r| !r.is_empty()),
            "{answer:?}"
        );
        ensure!(!answer.body.to_string().contains("LAND"), "{answer:?}");
    }
    // The task has taken no harm, though errors are not tolerated.
    inlet.taken(&activity()).await?;
    ensure!(kafka.read(&inlet.topic).await?.len() == 2);
    // A key goes through the plugin.
    for replayed in [None, Some("true")] {
        let again = inlet.post(&activity()).header("Idempotency-Key", "k-1");
        let answer = answer(again).await?;
        ensure!(answer.status == StatusCode::ACCEPTED, "{answer:?}");
        ensure!(
            answer.header("idempotency-replayed") == replayed,
            "{answer:?}"
        );
    }
    let records = kafka.read(&inlet.topic).await?;
    ensure!(records.len() == 3, "{records:?}");
    let keyed = records.iter().filter_map(|r| r.header("idempotency-key"));
    ensure!(keyed.eq(["k-1".to_owned()]), "{records:?}");
    let status = worker.rest().status(&inlet.name).await?;
    ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
    worker.rest().delete(&inlet.name).await?;
    wait_until(LIMIT, "the listener to be closed", async || {
        Ok(inlet.http.get(inlet.url("/health")).send().await.is_err())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_activity_is_queued_beside_others_on_one_listener() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let users = Inlet::new(kafka, "users-http", "/activity").await?;
    users.deploy_file(worker.rest(), USERS, &[]).await?;
    let mut tracks = Inlet::new(kafka, "tracks-http", "/api/activity/log").await?;
    tracks.address = users.address.clone();
    tracks.deploy_file(worker.rest(), ACTIVITY, &[]).await?;
    let event = json!({
        "user_id": "12345",
        "activity_type": "page_view",
        "timestamp": "2024-07-01T12:34:56Z",
        "metadata": {
            "page_url": "https://example.com/home",
            "referrer": "https://google.com"
        }
    });
    users.taken(&event).await?;
    tracks.taken(&activity()).await?;
    let records = kafka.read(&users.topic).await?;
    ensure!(serde_json::from_str::<Value>(&records[0].text())? == event);
    ensure!(records[0].key.as_deref() == Some(b"12345"), "{records:?}");
    for (field, value) in [
        ("user_id", json!(null)),
        ("activity_type", json!("")),
        ("timestamp", json!("yesterday")),
    ] {
        let mut wrong = event.clone();
        wrong[field] = value;
        let answer = answer(users.post(&wrong)).await?;
        ensure!(answer.status == StatusCode::BAD_REQUEST, "{answer:?}");
        ensure!(answer.body["field"] == field, "{answer:?}");
    }
    let health = answer(users.http.get(users.url("/health"))).await?;
    ensure!(health.status == StatusCode::OK, "{health:?}");
    ensure!(health.body["status"] == "UP", "{health:?}");
    ensure!(
        health.body["tasks"]
            .as_array()
            .is_some_and(|t| t.len() == 2),
        "{health:?}"
    );
    for inlet in [&users, &tracks] {
        worker.rest().delete(&inlet.name).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_record_is_refused_and_a_dropped_one_told() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let inlet = Inlet::new(kafka, "refusals-http", "/in").await?;
    let settings = [
        ("http.max.body.bytes", "2000"),
        ("http.rate.limit", "20"),
        ("transforms", "drop"),
        (
            "transforms.drop.type",
            "org.apache.kafka.connect.transforms.Filter",
        ),
        ("transforms.drop.predicate", "spam"),
        ("predicates", "spam"),
        (
            "predicates.spam.type",
            "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
        ),
        ("transforms.drop.negate", "true"),
    ];
    inlet.deploy(worker.rest(), &settings).await?;
    // All of them are dropped: none is a tombstone.
    let dropped = answer(inlet.post(&json!({"n": 1}))).await?;
    ensure!(dropped.status == StatusCode::ACCEPTED, "{dropped:?}");
    ensure!(dropped.body == json!({"status": "dropped"}), "{dropped:?}");
    ensure!(kafka.read(&inlet.topic).await?.is_empty());
    let long = inlet.post(&json!({"text": "x".repeat(2000)}));
    ensure!(answer(long).await?.status == StatusCode::PAYLOAD_TOO_LARGE);
    let form = inlet
        .http
        .post(inlet.url("/in"))
        .header(CONTENT_TYPE, "text/plain");
    ensure!(answer(form.body("{}")).await?.status == StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let half = inlet
        .http
        .post(inlet.url("/in"))
        .header(CONTENT_TYPE, "application/json");
    ensure!(answer(half.body("{\"a\":")).await?.status == StatusCode::BAD_REQUEST);
    ensure!(
        answer(inlet.http.get(inlet.url("/in"))).await?.status == StatusCode::METHOD_NOT_ALLOWED
    );
    ensure!(answer(inlet.http.get(inlet.url("/no"))).await?.status == StatusCode::NOT_FOUND);
    let mut limited = None;
    for _ in 0..200 {
        let answer = answer(inlet.post(&json!({"n": 1}))).await?;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.context("200 requests came through a limit of 20 a second")?;
    ensure!(
        limited.header(RETRY_AFTER.as_str()) == Some("1"),
        "{limited:?}"
    );
    worker.rest().delete(&inlet.name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_with_a_mistake_is_refused_with_its_option() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let (status, body) = worker
        .rest()
        .request(
            reqwest::Method::PUT,
            "/connector-plugins/FerruleHttpSource/config/validate",
            Some(&json!({
                "name": "x", "connector.class": "FerruleHttpSource", "tasks.max": "1",
                "topic": "t", "http.path": "no-slash", "http.listener": "nowhere",
                "value.schema": "{\"patternProperties\":{}}",
            })),
        )
        .await?;
    ensure!(status.is_success(), "{status}: {body}");
    let errors = body["configs"].as_array().context("configs")?.iter();
    let errors = errors.filter(|one| one["value"]["errors"] != json!([]));
    let names: Vec<_> = errors.map(|one| one["value"]["name"].clone()).collect();
    for name in ["http.path", "http.listener", "value.schema"] {
        ensure!(names.contains(&json!(name)), "{name}: {names:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_tasks_share_a_path_and_a_paused_one_says_so() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let inlet = Inlet::new(kafka, "several-http", "/in").await?;
    let settings = [("tasks.max", "3"), ("idempotency.key", "ignored")];
    inlet.deploy(worker.rest(), &settings).await?;
    let status = worker.rest().status(&inlet.name).await?;
    ensure!(
        status["tasks"].as_array().is_some_and(|t| t.len() == 3),
        "{status}"
    );
    for n in 0..30 {
        inlet.taken(&json!({"n": n})).await?;
    }
    ensure!(kafka.read(&inlet.topic).await?.len() == 30);
    let pause = format!("/connectors/{}/pause", inlet.name);
    worker
        .rest()
        .request(reqwest::Method::PUT, &pause, None)
        .await?;
    worker.rest().wait_for_state(&inlet.name, "PAUSED").await?;
    wait_until(LIMIT, "the listener to say that it is paused", async || {
        let health = answer(inlet.http.get(inlet.url("/health"))).await?;
        Ok(health.status == StatusCode::SERVICE_UNAVAILABLE)
    })
    .await?;
    let refused = answer(inlet.post(&json!({}))).await?;
    ensure!(
        refused.status == StatusCode::SERVICE_UNAVAILABLE,
        "{refused:?}"
    );
    let resume = format!("/connectors/{}/resume", inlet.name);
    worker
        .rest()
        .request(reqwest::Method::PUT, &resume, None)
        .await?;
    inlet.is_healthy().await?;
    inlet.taken(&json!({"n": 30})).await?;
    worker.rest().delete(&inlet.name).await
}
