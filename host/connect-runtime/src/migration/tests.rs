//! The report on records of the topics, as Kafka Connect writes them.

use connect_api::Properties;
use connect_wasm::{WasmOptions, WasmPlugins};
use serde_json::json;

use super::*;
use crate::config::tests::minimal;
use crate::config_provider::CLASSES;
use crate::connectors;
use crate::storage::{StoredRecord, TopicSnapshot, keys, records};

/// What no text may tell.
const SECRETS: [&str; 4] = ["hunter2", "s3cr3t", "jaaspass", "inurl"];

const JDBC: &str = "io.confluent.connect.jdbc.JdbcSinkConnector";

fn properties(pairs: &[(&str, &str)]) -> Properties {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// A sink's config, with more options.
fn sink(more: &[(&str, &str)]) -> Properties {
    let mut config = properties(&[
        ("connector.class", JDBC),
        ("tasks.max", "2"),
        ("topics", "orders"),
        ("connection.url", "jdbc:postgresql://db:5432/shop"),
        ("connection.user", "shop"),
        ("connection.password", "hunter2"),
    ]);
    config.extend(properties(more));
    config
}

fn report_of(worker: &[(&str, &str)], snapshot: &ClusterSnapshot) -> Report {
    let (worker, config) = WorkerReport::read(&minimal(worker));
    let config = config.unwrap();
    let wasm = WasmPlugins::new(WasmOptions::default()).unwrap();
    let plugins = Plugins::new(connectors::all(), wasm);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let migration = Migration {
        worker: &config,
        plugins: &plugins,
        runtime: runtime.handle().clone(),
    };
    migration.of(snapshot, worker)
}

fn snapshot(configs: Vec<StoredRecord>) -> ClusterSnapshot {
    let topic = |records| TopicSnapshot {
        partitions: 1,
        cleanup_policy: Some("compact".into()),
        records,
        ..TopicSnapshot::default()
    };
    ClusterSnapshot {
        configs: topic(configs),
        offsets: topic(Vec::new()),
        statuses: topic(Vec::new()),
        group: GroupSnapshot::default(),
    }
}

/// The report on one connector.
fn of_one(worker: &[(&str, &str)], config: &Properties) -> ConnectorReport {
    let report = report_of(worker, &snapshot(vec![records::connector("it", config)]));
    // Nothing that is printed tells a secret.
    let told = format!("{report:?}");
    for secret in SECRETS {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    report.connectors.into_iter().next().unwrap()
}

/// What is told of a key, with its weight.
fn finding<'a>(report: &'a ConnectorReport, key: &str) -> &'a Finding {
    let found = report.findings.iter().find(|it| it.key == key);
    found.unwrap_or_else(|| panic!("nothing of {key}: {:?}", report.findings))
}

/// Classes that Ferrule does not have.
const TRANSFORM: &str = "io.debezium.transforms.ContentBasedRouter";
const CONVERTER: &str = "com.example.XmlConverter";

#[test]
fn what_runs_as_it_did_is_unchanged() {
    for (class, more) in [
        (JDBC, vec![("insert.mode", "insert"), ("pk.mode", "none")]),
        (
            "io.debezium.connector.jdbc.JdbcSinkConnector",
            vec![("primary.key.mode", "none")],
        ),
        (
            "io.aiven.connect.jdbc.JdbcSinkConnector",
            vec![("insert.mode", "multi")],
        ),
    ] {
        let mut config = sink(&more);
        config.insert("connector.class".into(), class.into());
        let report = of_one(&[], &config);
        assert_eq!(
            report.verdict(),
            Verdict::Unchanged,
            "{:?}",
            report.findings
        );
        assert_eq!((report.kind, report.tasks_to_be), (Some("sink"), Some(2)));
    }
}

#[test]
fn what_has_another_effect_is_told_with_its_key() {
    for (key, value, word) in [
        ("errors.tolerance", "all", "target refuses"),
        ("auto.create", "true", "timestamptz"),
        ("connection.attempts", "7", "no effect"),
        ("connection.pool.timeout", "5", "no effect"),
        ("batch.sise", "5", "did you mean batch.size?"),
        ("consumer.override.receive.buffer.bytes", "65536", ""),
        (
            "transforms.gone.field",
            "x",
            "transforms names no transform gone",
        ),
        (
            "value.converter.schemas.enable",
            "false",
            "together with value.converter",
        ),
    ] {
        let report = of_one(&[], &sink(&[(key, value)]));
        if word.is_empty() {
            assert_ne!(report.verdict(), Verdict::Refused, "{:?}", report.findings);
            continue;
        }
        assert_eq!(report.verdict(), Verdict::Differs, "{key}");
        let what = &finding(&report, key).what;
        assert!(what.contains(word), "{key}: {what}");
        assert!(report.tasks_to_be.is_some());
    }
}

#[test]
fn what_is_refused_is_told_with_the_nearest_thing() {
    for (more, key, nearest) in [
        (
            vec![("transforms", "u"), ("transforms.u.type", TRANSFORM)],
            "transforms.u.type",
            "plugin",
        ),
        (
            vec![("value.converter", CONVERTER)],
            "value.converter",
            "AvroConverter",
        ),
        (
            vec![("header.converter", "com.example.Own")],
            "header.converter",
            "JsonConverter",
        ),
        (
            vec![("consumer.override.group.id", "g")],
            "consumer.override.group.id",
            "",
        ),
        (
            vec![("producer.override.partitioner.class", "com.example.P")],
            "producer.override.partitioner.class",
            "policy=All",
        ),
        (vec![("insert.mode", "replace")], "insert.mode", ""),
        (vec![("topics", "")], "topics", ""),
    ] {
        let report = of_one(&[], &sink(&more));
        if nearest.is_empty() && report.verdict() != Verdict::Refused {
            assert_eq!(key, "consumer.override.group.id");
            continue;
        }
        assert_eq!(
            report.verdict(),
            Verdict::Refused,
            "{key}: {:?}",
            report.findings
        );
        let told = finding(&report, key);
        let text = told.nearest.clone().unwrap_or_default();
        assert!(text.contains(nearest), "{key}: {told:?}");
        assert_eq!(report.tasks_to_be, None);
    }
}

#[test]
fn options_of_a_part_that_there_is_not_are_not_told_beside_it() {
    let report = of_one(
        &[],
        &sink(&[
            ("transforms", "u"),
            ("transforms.u.type", TRANSFORM),
            ("transforms.u.drop.tombstones", "true"),
            ("transforms.uu.field", "x"),
        ]),
    );
    let keys: Vec<&str> = report.findings.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, ["transforms.u.type", "transforms.uu.field"]);
}

#[test]
fn a_converter_of_the_worker_counts_for_connectors_that_name_none() {
    let worker = [("value.converter", CONVERTER)];
    let report = of_one(&worker, &sink(&[]));
    assert_eq!(report.verdict(), Verdict::Refused);
    assert!(finding(&report, "value.converter").nearest.is_some());
    assert!(report.missing_classes.contains(CONVERTER));
    let own = sink(&[(
        "value.converter",
        "org.apache.kafka.connect.storage.StringConverter",
    )]);
    assert_eq!(of_one(&worker, &own).verdict(), Verdict::Unchanged);
}

#[test]
fn a_connector_that_there_is_not_tells_no_value_of_its_config() {
    for (class, nearest) in [
        (
            "io.debezium.connector.postgresql.PostgresConnector",
            "leave it on Kafka Connect",
        ),
        ("io.confluent.connect.s3.S3SinkConnector", "write-a-sink.md"),
        (
            "org.apache.kafka.connect.mirror.MirrorSourceConnector",
            "FerruleKafkaSink",
        ),
        (
            "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "write-a-sink.md",
        ),
        ("io.confluent.connect.jdbc.JdbcSinkConector", "did you mean"),
        ("", "leave it"),
    ] {
        let config = properties(&[
            ("connector.class", class),
            ("database.password", "hunter2"),
            ("aws.secret.access.key", "s3cr3t"),
            ("connection.url", "jdbc:postgresql://u:inurl@db/x"),
        ]);
        let report = of_one(&[], &config);
        assert_eq!((report.verdict(), report.kind), (Verdict::Refused, None));
        let told = finding(&report, "connector.class");
        let text = told.nearest.as_deref().unwrap();
        assert!(text.contains(nearest), "{class}: {text}");
        assert!(report.missing_classes.contains(class));
    }
}

#[test]
fn no_secret_is_told_wherever_it_stands() {
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                username=\"u\" password=\"jaaspass\"";
    for more in [
        (
            "connection.url",
            "jdbc:postgresql://u:inurl@db:5432/shop?foo=bar",
        ),
        ("connection.url", "jdbc:mysql://u:inurl@db:5432/shop"),
        (
            "connection.url",
            "jdbc:postgresql://db/shop?password=inurl&ssl=yes",
        ),
        ("consumer.override.sasl.jaas.config", jaas),
        ("producer.override.sasl.password", "s3cr3t"),
        ("value.converter.basic.auth.user.info", "u:s3cr3t"),
        ("connection.passwort", "s3cr3t"),
        ("transforms", "hunter2"),
    ] {
        // What it says is looked at by `of_one`, but for a name that is a secret's.
        if more.0 != "transforms" {
            of_one(&[], &sink(&[more]));
        }
    }
}

#[test]
fn deleted_connectors_are_gone_and_target_states_are_told() {
    let config = sink(&[("pk.mode", "none")]);
    let mut stored = vec![
        records::connector("gone", &config),
        records::connector("stays", &config),
        records::target_state("stays", TargetState::Stopped),
        records::tombstone(keys::connector("gone")),
    ];
    stored.extend(records::tasks(
        "stays",
        &[config.clone(), config.clone(), config],
    ));
    let mut stored = snapshot(stored);
    let status = |key: &str, state: &str| StoredRecord {
        key: key.into(),
        value: Some(json!({ "state": state, "worker_id": "w:1", "generation": 1 })),
    };
    stored.statuses.records = vec![
        status("status-connector-stays", "RUNNING"),
        status("status-task-stays-0", "FAILED"),
        status("status-task-other-0", "RUNNING"),
        status("status-connector-gone", "FAILED"),
    ];
    let report = report_of(&[], &stored);
    let [stays] = &report.connectors[..] else {
        panic!("{:?}", report.connectors);
    };
    assert_eq!(stays.target_state, TargetState::Stopped);
    assert_eq!((stays.tasks, stays.tasks_to_be), (3, Some(2)));
    assert_eq!(stays.was, Some(State::Failed));
}

#[test]
fn the_gravest_decides_and_so_does_a_worker_that_does_not_start() {
    let good = sink(&[("pk.mode", "none")]);
    let differs = sink(&[("errors.tolerance", "all")]);
    let all = |worker: &[(&str, &str)], configs: &[&Properties]| {
        let stored = configs.iter().zip(["a", "b"]);
        let stored = stored.map(|(config, name)| records::connector(name, config));
        report_of(worker, &snapshot(stored.collect()))
    };
    assert_eq!(all(&[], &[]).verdict(), Verdict::Unchanged);
    assert_eq!(all(&[], &[&good]).verdict(), Verdict::Unchanged);
    assert_eq!(all(&[], &[&good, &differs]).verdict(), Verdict::Differs);
    let refused = [("rest.extension.classes", "com.example.Own")];
    assert_eq!(all(&refused, &[&good]).verdict(), Verdict::Refused);
    let mut wrong = snapshot(Vec::new());
    wrong.configs.partitions = 3;
    assert_eq!(report_of(&[], &wrong).verdict(), Verdict::Refused);
    let mut wrong = snapshot(Vec::new());
    wrong.statuses.cleanup_policy = Some("delete".into());
    assert_eq!(report_of(&[], &wrong).verdict(), Verdict::Refused);
}

#[test]
fn config_providers_are_known_or_have_something_near() {
    let class_key = "config.providers.x.class";
    for class in CLASSES.iter().copied() {
        let mut given = vec![("config.providers", "x"), (class_key, class)];
        given.extend([
            ("config.providers.x.param.vault.token", "t"),
            ("config.providers.x.param.vault.auth.token", "t"),
            ("config.providers.x.param.aws.access.key", "t"),
            ("config.providers.x.param.aws.secret.key", "t"),
            ("config.providers.x.param.aws.region", "eu-west-1"),
        ]);
        let (report, config) = WorkerReport::read(&minimal(&given));
        assert!(report.findings.is_empty(), "{class}: {:?}", report.findings);
        assert!(config.is_some());
    }
    for (class, near) in [
        ("com.example.VaultConfigProvider", "VaultSecretProvider"),
        (
            "io.lenses.connect.secrets.providers.AzureSecretProvider",
            "DirectoryConfigProvider",
        ),
        (
            "io.lenses.connect.secrets.providers.ENVSecretProvider",
            "EnvVarConfigProvider",
        ),
        (
            "com.amazonaws.kafka.config.providers.SsmParamStoreConfigProvider",
            "Secrets Manager",
        ),
        ("com.example.Other", "let an agent"),
    ] {
        let given = [("config.providers", "x"), (class_key, class)];
        let (report, _) = WorkerReport::read(&minimal(&given));
        let finding = &report.findings[0];
        assert_eq!(finding.key, class_key);
        assert!(format!("{finding:?}").contains(near), "{finding:?}");
    }
}

#[test]
fn all_that_a_workers_file_gives_for_nothing_is_told() {
    let (report, config) = WorkerReport::read(&minimal(&[
        ("config.providers", "file,vault"),
        (
            "config.providers.file.class",
            "org.apache.kafka.common.config.provider.FileConfigProvider",
        ),
        (
            "config.providers.vault.class",
            "com.example.VaultConfigProvider",
        ),
        ("config.providers.vault.param.token", "s3cr3t"),
        ("rest.extension.classes", "com.example.Extension"),
        (
            "connector.client.config.override.policy",
            "com.example.Policy",
        ),
        ("consumer.plugin.library.paths", "/tmp/x.so"),
        ("offset.flush.intervall.ms", "1"),
        ("plugin.discovery", "only_scan"),
        ("producer.metric.reporters", "com.example.Reporter"),
        ("listeners", "htp://:8083"),
    ]));
    let keys: Vec<&str> = report.findings.iter().map(|it| it.key.as_str()).collect();
    for key in [
        "config.providers.vault.class",
        "rest.extension.classes",
        "connector.client.config.override.policy",
        "consumer.plugin.library.paths",
        "listeners",
    ] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    assert_eq!(keys.len(), 5, "{:?}", report.findings);
    let unknown = &report.unused.unknown[0];
    assert_eq!(unknown.meant.as_deref(), Some("offset.flush.interval.ms"));
    assert!(
        report
            .unused
            .without_effect
            .contains(&"plugin.discovery".to_owned())
    );
    assert!(!format!("{report:?}").contains("s3cr3t"));
    // The connectors can be looked at all the same.
    let config = config.unwrap();
    assert_eq!(config.group_id(), "workers");
}

#[test]
fn a_file_of_a_standalone_worker_is_told_as_such() {
    let (report, config) = WorkerReport::read(&properties(&[
        ("bootstrap.servers", "kafka:9092"),
        (
            "key.converter",
            "org.apache.kafka.connect.json.JsonConverter",
        ),
        (
            "value.converter",
            "org.apache.kafka.connect.json.JsonConverter",
        ),
        ("offset.storage.file.filename", "/tmp/connect.offsets"),
    ]));
    assert!(config.is_none());
    let missing = report
        .findings
        .iter()
        .find(|it| it.key == "group.id")
        .unwrap();
    assert!(
        missing
            .nearest
            .as_deref()
            .unwrap()
            .contains("ferrule deploy")
    );
}
