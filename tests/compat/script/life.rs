//! What connectors are told to do, and what is seen of it.

use super::{named, sink, source};
use crate::call::{Script, Step};

/// Rows for the sink, with their schema.
const ROWS: &[&str] = &[
    r#"{"schema":{"type":"struct","fields":[{"field":"id","type":"int64"}]},"payload":{"id":1}}"#,
    r#"{"schema":{"type":"struct","fields":[{"field":"id","type":"int64"}]},"payload":{"id":2}}"#,
];

pub fn reads(script: &mut Script) {
    for (name, path) in [
        ("get.source", "/connectors/src"),
        ("get.sink", "/connectors/snk"),
        ("get.config", "/connectors/src/config"),
        ("get.status", "/connectors/src/status"),
        ("get.status-sink", "/connectors/snk/status"),
        ("get.tasks", "/connectors/src/tasks"),
        ("get.tasks-sink", "/connectors/snk/tasks"),
        ("get.task-status", "/connectors/src/tasks/0/status"),
        ("get.task-status-sink", "/connectors/snk/tasks/0/status"),
        ("get.task-unknown", "/connectors/src/tasks/7/status"),
        ("get.task-word", "/connectors/src/tasks/first/status"),
        ("get.task-negative", "/connectors/src/tasks/-1/status"),
        ("get.unknown", "/connectors/ghost"),
        ("get.unknown-config", "/connectors/ghost/config"),
        ("get.unknown-status", "/connectors/ghost/status"),
        ("get.unknown-tasks", "/connectors/ghost/tasks"),
        ("get.unknown-task", "/connectors/ghost/tasks/0/status"),
        ("get.unknown-topics", "/connectors/ghost/topics"),
        ("get.unknown-offsets", "/connectors/ghost/offsets"),
        ("get.forward", "/connectors/src?forward=true"),
        ("list.plain", "/connectors"),
        ("list.slash", "/connectors/"),
        ("list.expand-status", "/connectors?expand=status"),
        ("list.expand-info", "/connectors?expand=info"),
        ("list.expand-both", "/connectors?expand=status&expand=info"),
        ("list.expand-twice", "/connectors?expand=info&expand=info"),
        ("list.expand-tasks", "/connectors?expand=tasks"),
        ("list.expand-odd", "/connectors?expand=info&expand=odd"),
        ("list.expand-comma", "/connectors?expand=info,status"),
        ("list.expand-empty", "/connectors?expand="),
        ("list.expand-capitals", "/connectors?expand=STATUS"),
        ("list.other-query", "/connectors?limit=1"),
    ] {
        script.get(name, path);
    }
}

pub fn topics(script: &mut Script) {
    script.get("topics.sink-before", "/connectors/snk/topics");
    script.steps.push(Step::Lines(&["one", "two"]));
    script.steps.push(Step::Records {
        topic: "rows",
        values: ROWS,
    });
    script.wait_has("/connectors/src/topics", "lines");
    script.wait_has("/connectors/snk/topics", "rows");
    script.get("topics.source", "/connectors/src/topics");
    script.get("topics.sink", "/connectors/snk/topics");
    script.get("topics.paused", "/connectors/paused/topics");
    script.put("topics.pause", "/connectors/snk/pause");
    script.wait("snk", "PAUSED", 1);
    script.put("topics.reset", "/connectors/snk/topics/reset");
    script.wait_has("/connectors/snk/topics", r#""topics":[]"#);
    script.get("topics.sink-reset", "/connectors/snk/topics");
    script.put("topics.reset-again", "/connectors/snk/topics/reset");
    script.put("topics.reset-unknown", "/connectors/ghost/topics/reset");
    script.put("topics.reset-paused", "/connectors/paused/topics/reset");
    script.put("topics.resume", "/connectors/snk/resume");
    script.wait("snk", "RUNNING", 1);
    script.steps.push(Step::Records {
        topic: "rows",
        values: ROWS,
    });
    script.wait_has("/connectors/snk/topics", "rows");
    script.get("topics.sink-after", "/connectors/snk/topics");
    let regex = sink(&[("topics", "-"), ("topics.regex", "ro.s")]);
    script
        .post("topics.regex-create", "/connectors")
        .json(&named("regex", &regex));
    script.wait("regex", "RUNNING", 1);
    script.wait_has("/connectors/regex/topics", "rows");
    script.get("topics.regex", "/connectors/regex/topics");
    script.get("topics.regex-tasks", "/connectors/regex/tasks");
    script.delete("topics.regex-delete", "/connectors/regex");
    script.wait_gone("regex");
    script.get("topics.regex-gone", "/connectors/regex/topics");
    let missing = sink(&[("topics", "rows,no-such-topic")]);
    script
        .post("topics.two-create", "/connectors")
        .json(&named("two", &missing));
    script.wait("two", "RUNNING", 1);
    script.wait_has("/connectors/two/topics", "rows");
    script.get("topics.two", "/connectors/two/topics");
    script.delete("topics.two-delete", "/connectors/two");
    script.wait_gone("two");
}

pub fn orders(script: &mut Script) {
    script.put("pause.source", "/connectors/src/pause");
    script.wait("src", "PAUSED", 1);
    script.get("pause.status", "/connectors/src/status");
    script.get("pause.get", "/connectors/src");
    script.get("pause.tasks", "/connectors/src/tasks");
    script.put("pause.again", "/connectors/src/pause");
    script.put("resume.source", "/connectors/src/resume");
    script.wait("src", "RUNNING", 1);
    script.get("resume.status", "/connectors/src/status");
    script.put("resume.again", "/connectors/src/resume");
    script.put("stop.source", "/connectors/src/stop");
    script.wait_for("src", "STOPPED", "STOPPED", 0);
    script.get("stop.status", "/connectors/src/status");
    script.get("stop.get", "/connectors/src");
    script.get("stop.tasks", "/connectors/src/tasks");
    script.get("stop.task-status", "/connectors/src/tasks/0/status");
    script.get("stop.expand", "/connectors?expand=status&expand=info");
    script.put("stop.again", "/connectors/src/stop");
    script.post("stop.restart", "/connectors/src/restart");
    script.post(
        "stop.restart-tasks",
        "/connectors/src/restart?includeTasks=true",
    );
    script.post("stop.task-restart", "/connectors/src/tasks/0/restart");
    script.put("stop.pause", "/connectors/src/pause");
    script.wait_for("src", "PAUSED", "PAUSED", 0);
    script.get("stop.paused", "/connectors/src/status");
    script.put("stop.resume", "/connectors/src/resume");
    script.wait("src", "RUNNING", 1);
    script.get("stop.resumed", "/connectors/src/status");
    for order in ["pause", "resume", "stop"] {
        let path = format!("/connectors/ghost/{order}");
        script.put(format!("{order}.unknown"), &path);
        script.put(
            format!("{order}.unknown-forward"),
            &format!("{path}?forward=false"),
        );
        script.put(
            format!("{order}.slash"),
            &format!("/connectors/snk/{order}/"),
        );
    }
    script.wait_for("snk", "STOPPED", "STOPPED", 0);
    script.put("resume.sink", "/connectors/snk/resume");
    script.wait("snk", "RUNNING", 1);
    script.put("pause.body", "/connectors/snk/pause").text("{}");
    script.wait("snk", "PAUSED", 1);
    script
        .put("resume.body", "/connectors/snk/resume")
        .text("not json");
    script.wait("snk", "RUNNING", 1);
}

pub fn restarts(script: &mut Script) {
    for (name, query) in [
        ("plain", ""),
        ("no-tasks", "?includeTasks=false&onlyFailed=false"),
        ("tasks", "?includeTasks=true"),
        ("failed", "?onlyFailed=true"),
        ("tasks-failed", "?includeTasks=true&onlyFailed=true"),
        ("odd", "?includeTasks=maybe"),
        ("capitals", "?includeTasks=TRUE"),
        ("forward", "?forward=false"),
    ] {
        script.post(
            format!("restart.{name}"),
            &format!("/connectors/src/restart{query}"),
        );
        script.wait("src", "RUNNING", 1);
    }
    script.get("restart.status", "/connectors/src/status");
    script.post("restart.unknown", "/connectors/ghost/restart");
    script.post(
        "restart.unknown-tasks",
        "/connectors/ghost/restart?includeTasks=true",
    );
    script.post("restart.task", "/connectors/src/tasks/0/restart");
    script.wait("src", "RUNNING", 1);
    script.post("restart.task-unknown", "/connectors/src/tasks/7/restart");
    script.post("restart.task-word", "/connectors/src/tasks/first/restart");
    script.post("restart.task-negative", "/connectors/src/tasks/-1/restart");
    script.post("restart.task-ghost", "/connectors/ghost/tasks/0/restart");
    script
        .post("restart.body", "/connectors/src/restart")
        .text("{\"includeTasks\": true}");
    script.wait("src", "RUNNING", 1);
    script.post(
        "restart.paused",
        "/connectors/paused/restart?includeTasks=true",
    );
    script.get("restart.paused-status", "/connectors/paused/status");
}

/// A task that fails.
pub fn failing(script: &mut Script) {
    const BAD: &[&str] = &["no json"];
    script.steps.push(Step::Records {
        topic: "bad",
        values: BAD,
    });
    let config = sink(&[("topics", "bad")]);
    script
        .post("fail.create", "/connectors")
        .json(&named("fail", &config));
    script.wait_for("fail", "RUNNING", "FAILED", 1);
    script.get("fail.status", "/connectors/fail/status");
    script.get("fail.task", "/connectors/fail/tasks/0/status");
    script.get("fail.expand", "/connectors?expand=status");
    script.post(
        "fail.restart-failed",
        "/connectors/fail/restart?includeTasks=true&onlyFailed=true",
    );
    script.wait_for("fail", "RUNNING", "FAILED", 1);
    script.put("fail.pause", "/connectors/fail/pause");
    script.wait_for("fail", "PAUSED", "FAILED", 1);
    script.get("fail.paused", "/connectors/fail/status");
    script.post("fail.restart", "/connectors/fail/restart?onlyFailed=true");
    script.delete("fail.delete", "/connectors/fail");
    script.wait_gone("fail");
    script.get("fail.gone", "/connectors/fail");
    let config = source(&[("batch.size", "1"), ("topic", "no topic")]);
    script
        .post("fail.topic", "/connectors")
        .json(&named("fail-topic", &config));
    script.delete("fail.topic-delete", "/connectors/fail-topic");
    script.wait_gone("fail-topic");
}

pub fn deletes(script: &mut Script) {
    script.delete("delete.ghost", "/connectors/ghost");
    script
        .delete("delete.body", "/connectors/paused")
        .text("{}");
    script.wait_gone("paused");
    script.get("delete.gone", "/connectors/paused");
    script.get("delete.gone-status", "/connectors/paused/status");
    script.delete("delete.again", "/connectors/paused");
    script.delete("delete.slash", "/connectors/paused-sink/");
    script.wait_gone("paused-sink");
    script.delete("delete.stopped", "/connectors/stopped?forward=true");
    script.wait_gone("stopped");
    for name in ["src", "snk", "full"] {
        script.delete(format!("delete.{name}"), &format!("/connectors/{name}"));
        script.wait_gone(name);
    }
    script.get("delete.list", "/connectors?expand=status");
    script.get("delete.topics", "/connectors/src/topics");
    script.get("delete.tasks", "/connectors/src/tasks");
    script
        .post("delete.create-again", "/connectors")
        .json(&named("src", &source(&[])));
    script.wait("src", "RUNNING", 1);
    script.get("delete.status-again", "/connectors/src/status");
    script.get("delete.topics-again", "/connectors/src/topics");
    script.get("delete.offsets-again", "/connectors/src/offsets");
    script.delete("delete.last", "/connectors/src");
    script.wait_gone("src");
}
