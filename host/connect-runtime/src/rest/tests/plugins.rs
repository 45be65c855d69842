//! `/connector-plugins`, `/admin/loggers`, `/`, `/health`, `/metrics`.

use super::*;
use crate::plugins::KAFKA_VERSION;

/// What ducktape expects of a sink since 4.1.
const FRAMEWORK: &[&str] = &[
    "config.action.reload",
    "connector.class",
    "connector.plugin.version",
    "errors.deadletterqueue.context.headers.enable",
    "errors.deadletterqueue.topic.name",
    "errors.deadletterqueue.topic.replication.factor",
    "errors.log.enable",
    "errors.log.include.messages",
    "errors.retry.delay.max.ms",
    "errors.retry.timeout",
    "errors.tolerance",
    "header.converter",
    "header.converter.plugin.version",
    "key.converter",
    "key.converter.plugin.version",
    "name",
    "predicates",
    "task.restart.backoff.max.ms",
    "task.restart.backoff.ms",
    "task.restart.max.attempts",
    "task.restart.policy",
    "task.restart.window.ms",
    "tasks.max",
    "tasks.max.enforce",
    "topics",
    "topics.regex",
    "transforms",
    "value.converter",
    "value.converter.plugin.version",
];

async fn validate(worker: &TestWorker, config: Value) -> Value {
    let path = "/connector-plugins/TestSinkConnector/config/validate";
    let answer = worker.put(path, config).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json
}

/// Key and errors of each option that has some.
fn errors(infos: &Value) -> Vec<(&str, Vec<&str>)> {
    let configs = infos["configs"].as_array().unwrap().iter();
    let found = configs.map(|config| {
        let errors = config["value"]["errors"].as_array().unwrap().iter();
        (
            config["value"]["name"].as_str().unwrap(),
            errors.filter_map(Value::as_str).collect(),
        )
    });
    found
        .filter(|(_, errors): &(_, Vec<_>)| !errors.is_empty())
        .collect()
}

#[tokio::test]
async fn the_root_and_health_are_what_probes_expect() {
    let worker = TestWorker::new();
    let root = worker.get("/").await.json;
    assert_eq!(
        (&root["version"], &root["kafka_cluster_id"]),
        (&json!(KAFKA_VERSION), &json!("cluster"))
    );
    worker.get("/connectors").await;
    let health = worker.get("/health").await;
    let message = "Worker has completed startup and is ready to handle requests.";
    assert_eq!(
        health.json,
        json!({ "status": "healthy", "message": message })
    );
    let metrics = worker.get("/metrics").await.text;
    let one = "\nkafka_connect_worker_rebalance_rebalancing 0\n";
    assert!(metrics.contains(one), "{metrics}");
    let short = worker.get("/metrics?names=short").await.text;
    assert!(
        short.contains(one) && !short.contains("_metrics_task_count"),
        "{short}"
    );
    let wrong = worker.get("/metrics?names=long").await;
    assert_eq!(wrong.status.as_u16(), 400);
}

#[tokio::test]
async fn validation_names_every_option_and_its_faults() {
    let worker = TestWorker::new();
    let infos = validate(
        &worker,
        json!({ "connector.class": "TestSink", "name": "a" }),
    )
    .await;
    assert_eq!(infos["name"], "TestSink");
    let why = "Must configure one of topics or topics.regex";
    let url = "Missing required configuration \"url\" which has no default value.";
    assert_eq!(
        errors(&infos),
        [
            ("topics", vec![why]),
            ("topics.regex", vec![why]),
            ("url", vec![url])
        ]
    );
    assert_eq!(infos["error_count"], 3);
    let configs = infos["configs"].as_array().unwrap().iter();
    let mut names: Vec<_> = configs
        .map(|c| c["definition"]["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    let mut expect = FRAMEWORK.to_vec();
    expect.extend(["password", "url"]);
    expect.sort_unstable();
    assert_eq!(names, expect);
    let groups = json!([
        "Common",
        "Transforms",
        "Predicates",
        "Error Handling",
        "Connection"
    ]);
    assert_eq!(infos["groups"], groups);
}

#[tokio::test]
async fn a_converter_has_its_options() {
    let worker = TestWorker::new();
    for key in ["key.converter", "value.converter", "header.converter"] {
        let option = format!("{key}.schemas.enable");
        let mut config = json!({ "connector.class": "TestSink", "name": "a", "url": "x" });
        config["topics"] = json!("t");
        config[key] = json!("JsonConverter");
        config[&option] = json!("perhaps");
        let infos = validate(&worker, config).await;
        let found = errors(&infos);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, option);
    }
}

/// The names, groups and places of what a form shows of options that begin with a prefix.
fn form(infos: &Value, prefix: &str) -> Vec<(String, Value, i64)> {
    let configs = infos["configs"].as_array().unwrap().iter();
    let mut shown: Vec<_> = configs
        .map(|config| &config["definition"])
        .filter_map(|it| {
            let name = it["name"].as_str()?.strip_prefix(prefix)?.to_owned();
            Some((name, it["group"].clone(), it["order_in_group"].as_i64()?))
        })
        .collect();
    shown.sort_by_key(|(name, group, order)| (group.to_string(), *order, name.clone()));
    shown
}

/// What Kafka Connect 4.4 shows of the same classes.
#[tokio::test]
async fn forms_of_kafkas_classes_are_kafka_connects() {
    let worker = TestWorker::new();
    let config = json!({
        "connector.class": "TestSink", "name": "a", "url": "x", "topics": "t",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "transforms": "r,u",
        "transforms.r.type": "org.apache.kafka.connect.transforms.TimestampConverter$Value",
        "transforms.r.target.type": "Date",
        "transforms.u.type": "Nope",
        "key.converter": "Nope",
    });
    let infos = validate(&worker, config).await;
    let configs = infos["configs"].as_array().unwrap().iter();
    let hidden = configs.filter(|config| config["value"]["visible"] == false);
    let hidden: Vec<_> = hidden.map(|config| &config["value"]["name"]).collect();
    // There is no version of a converter that is not there.
    assert_eq!(hidden, ["key.converter.plugin.version"]);
    let of_transform = |alias: &str| {
        let shown = form(&infos, &format!("transforms.{alias}."));
        let group = format!("Transforms: {alias}");
        let names = shown
            .into_iter()
            .zip(0..)
            .map(|((name, of, order), place)| {
                assert_eq!((of, order), (json!(group), place), "{name}");
                name
            });
        names.collect::<Vec<_>>()
    };
    let expect = [
        "type",
        "plugin.version",
        "target.type",
        "field",
        "format",
        "negate",
        "predicate",
        "replace.null.with.default",
        "unix.precision",
    ];
    assert_eq!(of_transform("r"), expect);
    assert_eq!(of_transform("u"), ["type", "plugin.version"]);
    let group = |name: &str, group: Value, order| (name.to_owned(), group, order);
    assert_eq!(
        form(&infos, "value.converter."),
        [
            group("plugin.version", json!("Common"), 9),
            group("schemas.enable", json!("Schemas"), 0),
            group("schemas.cache.size", json!("Schemas"), 1),
            group("schema.content", json!("Schemas"), 2),
            group("decimal.format", json!("Serialization"), 0),
            group("replace.null.with.default", json!("Serialization"), 1),
            group("converter.type", Value::Null, -1),
        ]
    );
}

#[tokio::test]
async fn faults_across_options_have_kafka_connects_texts() {
    let worker = TestWorker::with(&[("group.id", "connect-a")], Vec::new());
    let infos = validate(
        &worker,
        json!({
            "connector.class": "TestSink", "name": "a", "url": "x", "topics": "t,dlq",
            "topics.regex": "t.*", "errors.deadletterqueue.topic.name": "dlq",
            "transforms": "r,r,u", "transforms.r.type": "org.apache.kafka.connect.transforms.Nope",
            "transforms.u.type": "RegexRouterX", "transforms.u.negate": "true",
            "value.converter": "com.example.Gone", "tasks.max": 0, "errors.log.enable": null,
            "header.converter": "com.example.SimpleHeaderConverter",
        }),
    )
    .await;
    let exclusive = "topics and topics.regex are mutually exclusive options, but both are set.";
    let expect = [
        (
            "name",
            vec![
                "Consumer group for sink connector named a conflicts with Connect worker group \
                  connect-a",
            ],
        ),
        (
            "tasks.max",
            vec!["Invalid value 0 for configuration tasks.max: Value must be at least 1"],
        ),
        (
            "value.converter",
            vec![
                "Invalid value com.example.Gone for configuration value.converter: Class \
                  com.example.Gone could not be found.",
            ],
        ),
        (
            "header.converter",
            vec![
                "Invalid value com.example.SimpleHeaderConverter for configuration \
                  header.converter: Class com.example.SimpleHeaderConverter could not be found.",
            ],
        ),
        (
            "transforms",
            vec!["Invalid value [r, r, u] for configuration transforms: Duplicate alias provided."],
        ),
        (
            "errors.log.enable",
            vec!["Null value can not be supplied as the configuration value."],
        ),
        (
            "topics",
            vec![
                exclusive,
                "The DLQ topic 'dlq' may not be included in the list of topics \
                  ('topics=[t, dlq]') consumed by the connector",
            ],
        ),
        ("topics.regex", vec![exclusive]),
        (
            "transforms.r.type",
            vec![
                "Invalid value org.apache.kafka.connect.transforms.Nope for configuration \
                  transforms.r.type: Class org.apache.kafka.connect.transforms.Nope could not be \
                  found.",
            ],
        ),
    ];
    let found = errors(&infos);
    assert_eq!(found[..expect.len()], expect);
}

#[tokio::test]
async fn secrets_are_shown_neither_plain_nor_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.properties");
    std::fs::write(&file, "s=canary\nn=canary2\n").unwrap();
    let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
    let settings = [
        ("config.providers", "file"),
        ("config.providers.file.class", class),
    ];
    let worker = TestWorker::with(&settings, Vec::new());
    let (url, number) = (format!("${{file:{}:s}}", file.display()), file.display());
    let infos = validate(
        &worker,
        json!({
            "connector.class": "TestSink", "name": "a", "topics": "t", "url": url,
            "password": "canary3", "tasks.max": format!("${{file:{number}:n}}"),
        }),
    )
    .await;
    assert!(!infos.to_string().contains("canary"), "{infos}");
    assert_eq!(errors(&infos)[0].0, "tasks.max");
}

#[tokio::test]
async fn the_override_policy_is_kept() {
    let policy = [("connector.client.config.override.policy", "Principal")];
    let worker = TestWorker::with(&policy, Vec::new());
    let infos = validate(
        &worker,
        json!({
            "connector.class": "TestSink", "name": "a", "topics": "t", "url": "x",
            "consumer.override.sasl.mechanism": "PLAIN", "consumer.override.fetch.min.bytes": 1,
        }),
    )
    .await;
    let why = "The 'Principal' policy does not allow 'fetch.min.bytes' to be overridden in the \
               connector configuration.";
    assert_eq!(
        errors(&infos),
        [("consumer.override.fetch.min.bytes", vec![why])]
    );
    // Forms of clients take no entry without a declaration.
    let configs = infos["configs"].as_array().unwrap();
    assert!(
        configs
            .iter()
            .all(|entry| entry["definition"] != Value::Null)
    );
    let entry = |name: &str| {
        let found = configs.iter().find(|entry| entry["value"]["name"] == name);
        found.unwrap_or_else(|| panic!("an entry {name}"))
    };
    let allowed = entry("consumer.override.sasl.mechanism");
    assert_eq!(
        allowed["definition"]["name"],
        "consumer.override.sasl.mechanism"
    );
    assert_eq!(allowed["value"]["value"], "PLAIN");
    assert_eq!(
        allowed["definition"]["order"],
        allowed["definition"]["order_in_group"]
    );
    let classes = |key: &str| entry(key)["value"]["recommended_values"].to_string();
    let (json, simple) = ("json.JsonConverter", "storage.SimpleHeaderConverter");
    assert!(classes("key.converter").contains(json));
    assert!(!classes("value.converter").contains(simple));
    assert!(classes("header.converter").contains(simple));
    let refused = entry("consumer.override.fetch.min.bytes");
    assert_eq!(refused["value"]["value"], "1");
}

#[tokio::test]
async fn plugins_are_listed_and_described() {
    let worker = TestWorker::new();
    let sinks = worker.get("/connector-plugins").await.json;
    let sink =
        json!({ "class": "org.example.TestSinkConnector", "type": "sink", "version": "9.9" });
    assert_eq!(sinks, json!([sink]));
    let all = worker
        .get("/connector-plugins/?connectorsOnly=false")
        .await
        .json;
    for kind in [
        "sink",
        "transformation",
        "predicate",
        "converter",
        "header_converter",
    ] {
        assert!(
            all.as_array().unwrap().iter().any(|p| p["type"] == kind),
            "{kind}"
        );
    }
    let keys = worker.get("/connector-plugins/TestSink/config").await.json;
    assert_eq!(
        (&keys[0]["name"], &keys[0]["required"]),
        (&json!("url"), &json!(true))
    );
    assert_eq!(keys[0]["default_value"], Value::Null);
    assert_eq!(keys.as_array().unwrap().len(), FRAMEWORK.len() + 2);
    let unknown = worker.get("/connector-plugins/Nope/config").await;
    assert_error(&unknown, 404, "Unknown plugin Nope.");
    let path = "/connector-plugins/Other/config/validate";
    let other = worker
        .put(path, json!({ "connector.class": "TestSink" }))
        .await;
    let why = "Included connector type TestSink does not match request type Other";
    assert_error(&other, 400, why);
}

#[tokio::test]
async fn loggers_are_shown_and_set() {
    let worker = TestWorker::new();
    let all = worker.get("/admin/loggers/").await.json;
    assert_eq!(
        all["root"],
        json!({ "level": "INFO", "last_modified": null })
    );
    let path = "/admin/loggers/connect_runtime";
    let changed = worker.put(path, json!({ "level": "debug" })).await.json;
    let below = changed.as_array().unwrap();
    assert!(below.contains(&json!("connect_runtime::rest")) && !below.contains(&json!("root")));
    let level = worker.get(path).await.json;
    assert_eq!(level["level"], "DEBUG");
    assert!(level["last_modified"].is_u64());
    worker.put(path, json!({ "level": "DEBUG" })).await;
    assert_eq!(worker.get(path).await.json, level);
    let cluster = worker
        .put(
            "/admin/loggers/root?scope=cluster",
            json!({ "level": "WARN" }),
        )
        .await;
    assert_eq!(
        (cluster.status, cluster.text.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    let why = "Desired 'level' parameter was not specified in request.";
    assert_error(&worker.put(path, json!({})).await, 400, why);
    let bad = worker.put(path, json!({ "level": "LOUD" })).await;
    assert_error(&bad, 404, "invalid log level 'LOUD'.");
    assert_error(
        &worker.get("/admin/loggers/nope").await,
        404,
        "Logger nope not found.",
    );
}

#[tokio::test]
async fn another_version_of_a_plugin_is_refused() {
    let worker = TestWorker::new();
    let config = |connector: &str, key: &str, cast: &str| {
        json!({
            "connector.class": "TestSinkConnector", "name": "c", "topics": "t", "url": "u",
            "connector.plugin.version": connector, "key.converter.plugin.version": key,
            "transforms": "cast", "transforms.cast.type": "Cast$Value",
            "transforms.cast.spec": "int8", "transforms.cast.plugin.version": cast,
        })
    };
    let accepted = validate(&worker, config("[9,10)", KAFKA_VERSION, "latest")).await;
    assert_eq!(errors(&accepted), []);
    let refused = validate(&worker, config("10", "[3.0,4.0]", "4.x]")).await;
    let found = errors(&refused);
    let keys: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
    for key in [
        "connector.plugin.version",
        "key.converter.plugin.version",
        "transforms.cast.plugin.version",
    ] {
        assert!(keys.contains(&key), "{key} is not refused: {found:?}");
    }
    assert_eq!(keys.len(), 3, "{found:?}");
}
