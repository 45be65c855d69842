//! `PUT` and `PATCH` of configs.

use serde_json::json;

use super::{SOURCE, sink, source};
use crate::call::Script;

pub fn puts(script: &mut Script) {
    let path = "/connectors/put/config";
    script.put("put.creates", path).json(&source(&[]));
    script.wait("put", "RUNNING", 1);
    script.get("put.get", path);
    script.put("put.same", path).json(&source(&[]));
    script.wait("put", "RUNNING", 1);
    script
        .put("put.updates", path)
        .json(&source(&[("batch.size", "7")]));
    script.wait("put", "RUNNING", 1);
    script.get("put.updated", path);
    script
        .put("put.named", path)
        .json(&source(&[("name", "put")]));
    script
        .put("put.name-other", path)
        .json(&source(&[("name", "other")]));
    script
        .put("put.bad", path)
        .json(&source(&[("tasks.max", "0")]));
    script
        .put("put.no-class", path)
        .json(&json!({ "topic": "lines" }));
    script
        .put("put.unknown-class", path)
        .json(&source(&[("connector.class", "org.example.No")]));
    script.put("put.empty-object", path).json(&json!({}));
    script
        .put("put.scalars", path)
        .json(&json!({ "connector.class": SOURCE, "topic": "lines",
        "file": "@FILE@", "batch.size": 8, "errors.log.enable": false }));
    script.wait("put", "RUNNING", 1);
    script.get("put.scalars-get", path);
    // Of its own, because Kafka Connect's never runs again after it.
    script
        .put("put.null-value", "/connectors/null/config")
        .json(&json!({ "connector.class": SOURCE, "topic": null, "file": "@FILE@" }));
    script.get("put.null-value-get", "/connectors/null/config");
    script.delete("put.null-value-delete", "/connectors/null");
    script.wait_gone("null");
    script
        .put("put.bad-new", "/connectors/ghost/config")
        .json(&source(&[("tasks.max", "0")]));
    script
        .put("put.control", "/connectors/a%07b/config")
        .json(&source(&[]));
    script.get("put.after", path);
    script.get("config.unknown", "/connectors/ghost/config");
    script.get("config.sink", "/connectors/snk/config");
}

pub fn patches(script: &mut Script) {
    let path = "/connectors/put/config";
    let mut add = |name: &str, path: &str, body: serde_json::Value| {
        script.patch(format!("patch.{name}"), path).json(&body);
        script.wait("put", "RUNNING", 1);
    };
    add("changes", path, json!({ "batch.size": "9" }));
    add("adds", path, json!({ "errors.tolerance": "all" }));
    add("removes", path, json!({ "errors.tolerance": null }));
    add("removes-unknown", path, json!({ "no.such.key": null }));
    add("numbers", path, json!({ "batch.size": 10 }));
    add("empty-object", path, json!({}));
    add("name", path, json!({ "name": "put" }));
    add("bad", path, json!({ "tasks.max": "0" }));
    add("removes-required", path, json!({ "topic": null }));
    add("removes-class", path, json!({ "connector.class": null }));
    add(
        "class",
        path,
        json!({ "connector.class": "org.example.No" }),
    );
    add(
        "unknown",
        "/connectors/ghost/config",
        json!({ "batch.size": "9" }),
    );
    add("unknown-empty", "/connectors/ghost/config", json!({}));
    script.get("patch.after", path);
    script
        .patch("patch.sink", "/connectors/snk/config")
        .json(&json!({ "tasks.max": "2" }));
    script.wait("snk", "RUNNING", 2);
    script.get("patch.sink-tasks", "/connectors/snk/tasks");
    script
        .put("patch.sink-back", "/connectors/snk/config")
        .json(&sink(&[]));
    script.wait("snk", "RUNNING", 1);
    script.delete("put.delete", "/connectors/put");
    script.wait_gone("put");
}
