//! `PUT /connector-plugins/{class}/config/validate`.

use serde_json::json;

use super::{SINK, SOURCE, layered, sink, source};
use crate::call::Script;

fn path(class: &str) -> String {
    format!("/connector-plugins/{class}/config/validate")
}

pub fn classes(script: &mut Script) {
    let good = source(&[("name", "v")]);
    script.put("validate.source", &path(SOURCE)).json(&good);
    script
        .put("validate.source-simple", &path("FileStreamSourceConnector"))
        .json(&good);
    script
        .put("validate.source-alias", &path("FileStreamSource"))
        .json(&good);
    script
        .put(
            "validate.source-slash",
            &format!("{}/", path("FileStreamSource")),
        )
        .json(&good);
    let alias = source(&[("name", "v"), ("connector.class", "FileStreamSource")]);
    script
        .put("validate.class-alias", &path(SOURCE))
        .json(&alias);
    script
        .put("validate.sink", &path(SINK))
        .json(&sink(&[("name", "v")]));
    let other = sink(&[("name", "v")]);
    script
        .put("validate.other-class", &path(SOURCE))
        .json(&other);
    script
        .put("validate.part-of-class", &path("SourceConnector"))
        .json(&good);
    let unknown = layered(
        &[("name", "v"), ("connector.class", "org.example.Nothing")],
        &[],
    );
    script
        .put("validate.unknown-class", &path(SOURCE))
        .json(&unknown);
    script
        .put("validate.both-unknown", &path("org.example.Nothing"))
        .json(&unknown);
    script
        .put("validate.unknown-path", &path("Nothing"))
        .json(&good);
    let string = layered(
        &[("name", "v"), ("connector.class", "java.lang.String")],
        &[],
    );
    script
        .put("validate.not-connector", &path("java.lang.String"))
        .json(&string);
    let none = layered(&[("name", "v"), ("topic", "t")], &[]);
    script.put("validate.no-class", &path(SOURCE)).json(&none);
    let empty = source(&[("name", "v"), ("connector.class", "")]);
    script
        .put("validate.class-empty", &path(SOURCE))
        .json(&empty);
    script.put("validate.empty", &path(SOURCE)).json(&json!({}));
    script
        .put("validate.wrapped", &path(SOURCE))
        .json(&json!({ "name": "v", "config": {} }));
    bodies(script);
}

fn bodies(script: &mut Script) {
    script.put("validate.no-body", &path(SOURCE)).text("");
    script.put("validate.null", &path(SOURCE)).text("null");
    script.put("validate.list", &path(SOURCE)).text("[]");
    script
        .put("validate.broken", &path(SOURCE))
        .text("{\"name\": ");
    let numbers = json!({ "connector.class": SOURCE, "name": "v", "tasks.max": 2, "topic": "t",
        "batch.size": 100, "errors.log.enable": true });
    script.put("validate.scalars", &path(SOURCE)).json(&numbers);
    let null = json!({ "connector.class": SOURCE, "name": "v", "topic": null });
    script.put("validate.null-value", &path(SOURCE)).json(&null);
    let null = json!({ "connector.class": SOURCE, "name": "v", "topic": "t", "odd": null });
    script
        .put("validate.null-unknown", &path(SOURCE))
        .json(&null);
    let nested = json!({ "connector.class": SOURCE, "name": "v", "topic": { "a": 1 } });
    script.put("validate.nested", &path(SOURCE)).json(&nested);
}

/// A value, or two, of a source's config.
const SOURCES: &[(&str, &[(&str, &str)])] = &[
    ("no-name", &[]),
    ("name-empty", &[("name", "")]),
    ("name-control", &[("name", "a\u{7}b")]),
    ("topic-missing", &[("name", "v"), ("topic", "-")]),
    ("topic-empty", &[("name", "v"), ("topic", "")]),
    ("file-missing", &[("name", "v"), ("file", "-")]),
    ("batch-word", &[("name", "v"), ("batch.size", "many")]),
    ("tasks-zero", &[("name", "v"), ("tasks.max", "0")]),
    ("tasks-negative", &[("name", "v"), ("tasks.max", "-1")]),
    ("tasks-word", &[("name", "v"), ("tasks.max", "many")]),
    ("tasks-empty", &[("name", "v"), ("tasks.max", "")]),
    ("tasks-fraction", &[("name", "v"), ("tasks.max", "1.5")]),
    ("tasks-spaces", &[("name", "v"), ("tasks.max", " 2 ")]),
    ("tasks-huge", &[("name", "v"), ("tasks.max", "99999999999")]),
    (
        "enforce-word",
        &[("name", "v"), ("tasks.max.enforce", "maybe")],
    ),
    (
        "tolerance-word",
        &[("name", "v"), ("errors.tolerance", "some")],
    ),
    (
        "tolerance-capitals",
        &[("name", "v"), ("errors.tolerance", "ALL")],
    ),
    (
        "retry-word",
        &[("name", "v"), ("errors.retry.timeout", "soon")],
    ),
    (
        "reload-word",
        &[("name", "v"), ("config.action.reload", "never")],
    ),
    (
        "support-word",
        &[("name", "v"), ("exactly.once.support", "always")],
    ),
    (
        "support-required",
        &[("name", "v"), ("exactly.once.support", "required")],
    ),
    (
        "boundary-word",
        &[("name", "v"), ("transaction.boundary", "never")],
    ),
    (
        "boundary-connector",
        &[("name", "v"), ("transaction.boundary", "connector")],
    ),
    (
        "converter-unknown",
        &[("name", "v"), ("value.converter", "org.example.No")],
    ),
    ("converter-empty", &[("name", "v"), ("value.converter", "")]),
    (
        "converter-json",
        &[
            ("name", "v"),
            (
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            ("value.converter.schemas.enable", "false"),
        ],
    ),
    (
        "converter-string",
        &[
            ("name", "v"),
            (
                "key.converter",
                "org.apache.kafka.connect.storage.StringConverter",
            ),
        ],
    ),
    (
        "converter-option",
        &[
            ("name", "v"),
            (
                "value.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            ("value.converter.schemas.enable", "perhaps"),
        ],
    ),
    (
        "converter-header",
        &[
            ("name", "v"),
            (
                "header.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
        ],
    ),
    (
        "converter-not",
        &[("name", "v"), ("value.converter", "java.lang.String")],
    ),
    (
        "converter-wrong-kind",
        &[
            ("name", "v"),
            (
                "value.converter",
                "org.apache.kafka.connect.storage.SimpleHeaderConverter",
            ),
        ],
    ),
    ("unknown-key", &[("name", "v"), ("no.such.key", "1")]),
    (
        "version-own",
        &[("name", "v"), ("connector.plugin.version", "@VERSION@")],
    ),
    (
        "groups-default",
        &[
            ("name", "v"),
            ("topic.creation.default.partitions", "2"),
            ("topic.creation.default.replication.factor", "1"),
        ],
    ),
    (
        "groups-half",
        &[("name", "v"), ("topic.creation.default.partitions", "2")],
    ),
    (
        "groups-zero",
        &[
            ("name", "v"),
            ("topic.creation.default.partitions", "0"),
            ("topic.creation.default.replication.factor", "1"),
        ],
    ),
];

const SINKS: &[(&str, &[(&str, &str)])] = &[
    ("topics-none", &[("name", "v"), ("topics", "-")]),
    ("topics-empty", &[("name", "v"), ("topics", "")]),
    ("topics-both", &[("name", "v"), ("topics.regex", "r.*")]),
    (
        "topics-regex",
        &[("name", "v"), ("topics", "-"), ("topics.regex", "r.*")],
    ),
    (
        "topics-regex-bad",
        &[("name", "v"), ("topics", "-"), ("topics.regex", "r(")],
    ),
    ("topics-dup", &[("name", "v"), ("topics", "rows,rows")]),
    (
        "topics-dup-spaces",
        &[("name", "v"), ("topics", "rows, other ,rows")],
    ),
    ("topics-blank", &[("name", "v"), ("topics", "rows,,other")]),
    (
        "dlq-in-topics",
        &[("name", "v"), ("errors.deadletterqueue.topic.name", "rows")],
    ),
    (
        "dlq-in-regex",
        &[
            ("name", "v"),
            ("topics", "-"),
            ("topics.regex", "r.*"),
            ("errors.deadletterqueue.topic.name", "rdead"),
        ],
    ),
    (
        "dlq-factor",
        &[
            ("name", "v"),
            ("errors.deadletterqueue.topic.replication.factor", "many"),
        ],
    ),
    (
        "group-own",
        &[("name", "v"), ("consumer.override.group.id", "@GROUP@")],
    ),
    ("name-control", &[("name", "a\nb")]),
    ("tasks-zero", &[("name", "v"), ("tasks.max", "0")]),
];

pub fn values(script: &mut Script) {
    for (name, settings) in SOURCES {
        script
            .put(format!("validate.{name}"), &path(SOURCE))
            .json(&source(settings));
    }
    for (name, settings) in SINKS {
        script
            .put(format!("validate.sink-{name}"), &path(SINK))
            .json(&sink(settings));
    }
}

pub fn overrides(script: &mut Script) {
    for (name, key, value) in [
        ("producer-number", "producer.override.linger.ms", "5"),
        ("producer-word", "producer.override.linger.ms", "soon"),
        ("producer-acks", "producer.override.acks", "all"),
        ("producer-acks-bad", "producer.override.acks", "most"),
        (
            "producer-flag",
            "producer.override.enable.idempotence",
            "maybe",
        ),
        (
            "producer-compression",
            "producer.override.compression.type",
            "zip",
        ),
        ("producer-unknown", "producer.override.no.such.setting", "1"),
        ("admin-number", "admin.override.request.timeout.ms", "1000"),
        ("admin-word", "admin.override.request.timeout.ms", "soon"),
    ] {
        let config = source(&[("name", "v"), (key, value)]);
        script
            .put(format!("validate.override-{name}"), &path(SOURCE))
            .json(&config);
    }
    for (name, key, value) in [
        ("number", "consumer.override.max.poll.records", "10"),
        ("bad", "consumer.override.max.poll.records", "many"),
        ("zero", "consumer.override.max.poll.records", "0"),
        ("reset", "consumer.override.auto.offset.reset", "latest"),
        ("reset-bad", "consumer.override.auto.offset.reset", "later"),
        (
            "isolation-bad",
            "consumer.override.isolation.level",
            "read_all",
        ),
        ("group", "consumer.override.group.id", "mine"),
        ("unknown", "consumer.override.no.such.setting", "1"),
    ] {
        let config = sink(&[("name", "v"), (key, value)]);
        script
            .put(format!("validate.override-sink-{name}"), &path(SINK))
            .json(&config);
    }
}
