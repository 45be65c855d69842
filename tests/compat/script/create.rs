//! `POST /connectors`.

use serde_json::{Value, json};

use super::{SOURCE, layered, named, sink, source};
use crate::call::Script;

pub fn good(script: &mut Script) {
    let mut add = |name: &str, body: &Value| {
        script
            .post(format!("create.{name}"), "/connectors")
            .json(body);
    };
    add("source", &named("src", &source(&[])));
    add("sink", &named("snk", &sink(&[])));
    let full = source(&[
        ("name", "full"),
        ("tasks.max", "3"),
        ("connector.class", "FileStreamSource"),
        ("errors.tolerance", "all"),
    ]);
    add("alias", &named("full", &full));
    let mut paused = named("paused", &source(&[]));
    paused["initial_state"] = json!("PAUSED");
    add("paused", &paused);
    let mut paused = named("paused-sink", &sink(&[]));
    paused["initial_state"] = json!("paused");
    add("paused-small", &paused);
    let mut stopped = named("stopped", &source(&[]));
    stopped["initial_state"] = json!("STOPPED");
    add("stopped", &stopped);
    let mut running = named("running", &source(&[]));
    running["initial_state"] = json!("Running");
    add("running", &running);
    add("trimmed", &named("  trimmed ", &source(&[])));
    add(
        "scalars",
        &json!({ "name": "scalars", "config": { "connector.class": SOURCE,
        "tasks.max": 1, "topic": "lines", "file": "@FILE@", "errors.log.enable": true } }),
    );
    add("dots", &named("a.b_c-1", &source(&[])));
    add("space", &named("a b", &source(&[])));
    add("accent", &named("ä", &source(&[])));
    started(script);
}

/// What is seen of those that were created.
fn started(script: &mut Script) {
    for name in [
        "src", "snk", "running", "trimmed", "scalars", "a.b_c-1", "a%20b", "%C3%A4",
    ] {
        script.wait(name, "RUNNING", 1);
    }
    script.wait("full", "RUNNING", 1);
    for name in ["paused", "paused-sink"] {
        script.wait_for(name, "PAUSED", "PAUSED", 0);
    }
    script.wait_for("stopped", "STOPPED", "STOPPED", 0);
    for name in [
        "src",
        "paused",
        "paused-sink",
        "stopped",
        "trimmed",
        "a%20b",
        "%C3%A4",
    ] {
        script.get(format!("created.{name}"), &format!("/connectors/{name}"));
        script.get(
            format!("created-status.{name}"),
            &format!("/connectors/{name}/status"),
        );
    }
    for name in [
        "a%20b", "%C3%A4", "a.b_c-1", "trimmed", "scalars", "running",
    ] {
        script.delete(
            format!("created-delete.{name}"),
            &format!("/connectors/{name}"),
        );
        script.wait_gone(name);
    }
}

/// Configs that are refused.
pub fn refused(script: &mut Script) {
    let mut add = |name: &str, body: &Value| {
        script
            .post(format!("create.{name}"), "/connectors")
            .json(body);
    };
    add("duplicate", &named("src", &source(&[])));
    add("duplicate-other", &named("src", &sink(&[])));
    add(
        "duplicate-bad",
        &named("src", &source(&[("tasks.max", "many")])),
    );
    add(
        "name-other",
        &named("ghost", &source(&[("name", "spirit")])),
    );
    add("name-empty", &named("", &source(&[])));
    add("name-spaces", &named("   ", &source(&[])));
    add("name-control", &named("a\u{7}b", &source(&[])));
    add("name-missing", &json!({ "config": source(&[]) }));
    add(
        "name-in-config",
        &json!({ "config": source(&[("name", "ghost")]) }),
    );
    add("name-null", &json!({ "name": null, "config": source(&[]) }));
    add("config-missing", &json!({ "name": "ghost" }));
    add("config-null", &json!({ "name": "ghost", "config": null }));
    add("config-empty", &json!({ "name": "ghost", "config": {} }));
    add("flat", &source(&[("name", "ghost")]));
    for (name, settings) in SOURCES {
        // Kafka Connect takes this one.
        let connector = match *name {
            "predicate-undeclared" => "undeclared",
            _ => "ghost",
        };
        add(name, &named(connector, &source(settings)));
    }
    for (name, settings) in SINKS {
        add(name, &named("ghost", &sink(settings)));
    }
    let null = json!({ "connector.class": SOURCE, "topic": "t", "file": null });
    add("null-value", &named("null", &null));
    for state in ["FAILED", "DESTROYED", "later", ""] {
        let mut body = named("ghost", &source(&[]));
        body["initial_state"] = json!(state);
        add(&format!("state-{state}"), &body);
    }
    let mut body = named("ghost", &source(&[]));
    body["initial_state"] = json!(1);
    add("state-number", &body);
    let no_class = layered(&[("topic", "lines")], &[]);
    add("no-class", &named("ghost", &no_class));
    for taken in ["undeclared", "null"] {
        script.delete(
            format!("create.{taken}-delete"),
            &format!("/connectors/{taken}"),
        );
        script.wait_gone(taken);
    }
    script.get("ghost.get", "/connectors/ghost");
    script.get("ghost.list", "/connectors");
    script.get("ghost.offsets", "/connectors/ghost/offsets");
}

const SOURCES: &[(&str, &[(&str, &str)])] = &[
    ("class-empty", &[("connector.class", "")]),
    (
        "class-unknown",
        &[("connector.class", "org.example.Nothing")],
    ),
    ("class-not", &[("connector.class", "java.lang.String")]),
    ("tasks-zero", &[("tasks.max", "0")]),
    ("tasks-word", &[("tasks.max", "many")]),
    ("topic-missing", &[("topic", "-")]),
    ("topic-empty", &[("topic", "")]),
    ("batch-zero", &[("batch.size", "x")]),
    ("tolerance", &[("errors.tolerance", "some")]),
    (
        "two-errors",
        &[("errors.tolerance", "some"), ("tasks.max", "0")],
    ),
    ("converter", &[("value.converter", "org.example.No")]),
    (
        "transform",
        &[("transforms", "r"), ("transforms.r.type", "org.example.No")],
    ),
    ("transform-no-type", &[("transforms", "r")]),
    (
        "transform-dup",
        &[
            ("transforms", "r,r"),
            (
                "transforms.r.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
        ],
    ),
    (
        "predicate-undeclared",
        &[
            ("transforms", "r"),
            (
                "transforms.r.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.r.predicate", "q"),
        ],
    ),
    (
        "negate-alone",
        &[
            ("transforms", "r"),
            (
                "transforms.r.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.r.negate", "true"),
        ],
    ),
    ("override-word", &[("producer.override.linger.ms", "soon")]),
    ("version", &[("connector.plugin.version", "99.0")]),
    ("exactly-once", &[("exactly.once.support", "required")]),
];

const SINKS: &[(&str, &[(&str, &str)])] = &[
    ("topics-none", &[("topics", "-")]),
    ("topics-both", &[("topics.regex", "r.*")]),
    (
        "topics-regex-bad",
        &[("topics", "-"), ("topics.regex", "r(")],
    ),
    ("topics-dup", &[("topics", "rows,rows")]),
    (
        "dlq-in-topics",
        &[("errors.deadletterqueue.topic.name", "rows")],
    ),
    ("group", &[("consumer.override.group.id", "@GROUP@")]),
    (
        "override-sink-word",
        &[("consumer.override.max.poll.records", "many")],
    ),
];

/// Connectors that are created without tasks.
pub fn odd(script: &mut Script) {
    let mut paused = named("odd", &sink(&[("tasks.max", "2")]));
    paused["initial_state"] = json!("PAUSED");
    script.post("odd.create", "/connectors").json(&paused);
    script.wait_for("odd", "PAUSED", "PAUSED", 0);
    script.get("odd.status", "/connectors/odd/status");
    script.get("odd.tasks", "/connectors/odd/tasks");
    script.get("odd.task-status", "/connectors/odd/tasks/0/status");
    script.get("odd.get", "/connectors/odd");
    script.post("odd.restart", "/connectors/odd/restart?includeTasks=true");
    script
        .put("odd.config", "/connectors/odd/config")
        .json(&sink(&[("tasks.max", "1")]));
    script.wait_for("odd", "PAUSED", "PAUSED", 0);
    script.get("odd.status-after", "/connectors/odd/status");
    script.put("odd.resume", "/connectors/odd/resume");
    script.wait("odd", "RUNNING", 1);
    script.get("odd.status-running", "/connectors/odd/status");
    script.put("odd.pause", "/connectors/odd/pause");
    script.wait("odd", "PAUSED", 1);
    script.get("odd.status-paused", "/connectors/odd/status");
    script.delete("odd.delete", "/connectors/odd");
    script.wait_gone("odd");
    script.get("odd.gone", "/connectors/odd/status");
}
