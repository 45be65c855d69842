//! Configs that would take the worker, by REST and by the config topic: each is refused by its key,
//! or fails its own connector, and the worker goes on.

use super::*;

/// Settings that load code, run commands, read files or break delivery.
const DENIED: &[(&str, &str)] = &[
    ("plugin.library.paths", "/tmp/evil.so"),
    ("ssl.engine.location", "/tmp/evil.so"),
    ("ssl.engine.id", "x"),
    ("ssl.providers", "legacy"),
    ("ssl.provider", "x"),
    ("security.providers", "x"),
    ("sasl.kerberos.kinit.cmd", "touch /tmp/evil"),
    ("sasl.oauthbearer.assertion.file", "/etc/passwd"),
    ("sasl.login.callback.handler.class", "x"),
    ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
    ("builtin.features", "plugins"),
    ("log_cb", "x"),
    ("opaque", "x"),
    ("interceptors", "x"),
    ("debug", "all"),
    ("enable.auto.commit", "true"),
    ("enable.auto.offset.store", "true"),
    ("group.instance.id", "x"),
    ("transactional.id", "x"),
    ("enable.idempotence", "false"),
    ("topic.plugin.library.paths", "/tmp/evil.so"),
    ("PLUGIN.LIBRARY.PATHS", "/tmp/evil.so"),
    ("plugin-library-paths", "/tmp/evil.so"),
];

/// Configs beyond the bounds, and what names the key.
fn beyond() -> Vec<(&'static str, Value, &'static str)> {
    let names = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("n{n}")).collect();
        json!(names.join(","))
    };
    vec![
        ("tasks.max", json!("2147483647"), "tasks.max"),
        ("tasks.max", json!("1001"), "tasks.max"),
        ("transforms", names(40_000), "transforms"),
        ("predicates", names(101), "predicates"),
        ("topics", names(1001), "topics"),
        ("topics", json!("a\u{0}b"), "topics"),
        ("topics", json!("x".repeat(100_000)), "topics"),
        ("topics", json!("a b"), "topics"),
        ("topics.regex", json!("a\u{0}"), "topics.regex"),
        ("url", json!("\u{0}"), "url"),
        ("url", json!("x".repeat(950_000)), "url"),
        (
            "errors.deadletterqueue.topic.name",
            json!("configs"),
            "errors.deadletterqueue",
        ),
        (
            "errors.deadletterqueue.topic.name",
            json!("status"),
            "errors.deadletterqueue",
        ),
        (
            "errors.deadletterqueue.topic.name",
            json!("__consumer_offsets"),
            "errors.dead",
        ),
        (
            "errors.deadletterqueue.topic.name",
            json!("a/b"),
            "errors.deadletterqueue",
        ),
    ]
}

#[tokio::test]
async fn settings_that_load_code_or_break_delivery_are_400_whatever_the_policy() {
    for policy in ["All", "Allowlist"] {
        let worker = TestWorker::with(
            &[("connector.client.config.override.policy", policy)],
            Vec::new(),
        );
        for (setting, value) in DENIED {
            for client in ["consumer", "producer", "admin"] {
                let key = format!("{client}.override.{setting}");
                let mut config = config();
                config[&key] = json!(value);
                let path = "/connectors/a/config";
                let refused = worker.put(path, config).await;
                assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{policy} {key}");
                let named = if policy == "All" { &*key } else { setting };
                assert!(refused.text.contains(named), "{}", refused.text);
            }
        }
        assert_eq!(worker.get("/connectors").await.json, json!([]));
    }
}

#[tokio::test]
async fn a_stored_config_that_names_such_a_setting_fails_its_connector() {
    let worker = TestWorker::with(
        &[("connector.client.config.override.policy", "All")],
        Vec::new(),
    );
    for (number, (setting, value)) in DENIED.iter().enumerate() {
        let client = ["consumer", "producer", "admin"][number % 3];
        let key = format!("{client}.override.{setting}");
        let mut config = config();
        config[&key] = json!(value);
        let name = format!("a{number}");
        worker.stores(&name, config);
        let status = worker.waits_for(&name, "FAILED").await;
        assert!(status.to_string().contains(&key), "{key}: {status}");
    }
    assert_eq!(worker.get("/health").await.status, StatusCode::OK);
}

/// Whoever writes to the config topic can write the configs of tasks, too.
#[tokio::test]
async fn a_stored_task_that_names_such_a_setting_fails() {
    let worker = TestWorker::new();
    worker.create("a").await;
    let key = "producer.override.plugin.library.paths";
    let mut task = config();
    task[key] = json!("/tmp/evil.so");
    task["name"] = json!("a");
    for (key, value) in [
        ("task-a-0", json!({ "properties": task })),
        ("commit-a", json!({ "tasks": 1 })),
    ] {
        let record = StoredRecord {
            key: key.into(),
            value: Some(value),
        };
        worker.others.configs.send(record).unwrap();
    }
    let status = worker.waits_for("a", "FAILED").await;
    assert!(
        status["tasks"][0]["trace"].as_str().unwrap().contains(key),
        "{status}"
    );
}

#[tokio::test]
async fn configs_beyond_the_bounds_are_400_and_name_the_key() {
    let worker = TestWorker::new();
    for (key, value, named) in beyond() {
        let mut given = config();
        given[key] = value;
        let refused = worker.put("/connectors/a/config", given).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{key}: {}",
            refused.text
        );
        let start: String = refused.text.chars().take(500).collect();
        assert!(refused.text.contains(named), "{key}: {start}");
    }
    let mut many = config();
    for number in 0..3000 {
        many[format!("key{number}")] = json!("x");
    }
    let refused = worker.put("/connectors/a/config", many).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let long = "x".repeat(2000);
    let refused = worker
        .put(&format!("/connectors/{long}/config"), config())
        .await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(worker.get("/connectors").await.json, json!([]));
}

#[tokio::test]
async fn stored_configs_beyond_the_bounds_fail_their_own_connectors() {
    let worker = TestWorker::new();
    for (number, (key, value, named)) in beyond().into_iter().enumerate() {
        let mut given = config();
        given[key] = value;
        let name = format!("a{number}");
        worker.stores(&name, given);
        let status = worker.waits_for(&name, "FAILED").await;
        assert!(status.to_string().contains(named), "{key}: {status}");
    }
    for name in ["nul\u{0}", "line\n", &"x".repeat(100_000)] {
        worker.stores(name, config());
        let task = json!({ "properties": config() });
        for (key, value) in [
            (format!("task-{name}-0"), task),
            (format!("commit-{name}"), json!({ "tasks": 1 })),
            (format!("commit-{name}"), json!({ "tasks": u64::MAX })),
        ] {
            worker
                .others
                .configs
                .send(StoredRecord {
                    key,
                    value: Some(value),
                })
                .unwrap();
        }
    }
    let status = StoredRecord {
        key: "status-task-a-0".into(),
        value: Some(json!({
            "state": "RUNNING", "worker_id": "x", "generation": u64::MAX, "trace": null
        })),
    };
    worker.others.statuses.send(status).unwrap();
    assert_eq!(worker.create("b").await.status, StatusCode::CREATED);
    assert_eq!(worker.get("/health").await.status, StatusCode::OK);
}
