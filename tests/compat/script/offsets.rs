//! `/connectors/{name}/offsets`.

use serde_json::{Value, json};

use crate::call::Script;

fn of_sink(partition: &Value, offset: &Value) -> Value {
    json!({ "offsets": [{ "partition": partition, "offset": offset }] })
}

/// Of connectors that are not stopped, or not there.
pub fn refused(script: &mut Script) {
    script.wait_has("/connectors/src/offsets", "position");
    script.get("offsets.source", "/connectors/src/offsets");
    script.wait_has("/connectors/snk/offsets", "kafka_offset");
    script.get("offsets.sink", "/connectors/snk/offsets");
    script.get("offsets.none", "/connectors/stopped/offsets");
    script.get("offsets.paused", "/connectors/paused-sink/offsets");
    let body = of_sink(
        &json!({ "kafka_topic": "rows", "kafka_partition": 0 }),
        &json!({ "kafka_offset": 1 }),
    );
    script
        .patch("offsets.running", "/connectors/snk/offsets")
        .json(&body);
    script.delete("offsets.running-reset", "/connectors/snk/offsets");
    script
        .patch("offsets.unknown", "/connectors/ghost/offsets")
        .json(&body);
    script.delete("offsets.unknown-reset", "/connectors/ghost/offsets");
    script.put("offsets.stop", "/connectors/snk/stop");
    script.wait_for("snk", "STOPPED", "STOPPED", 0);
    script.put("offsets.stop-source", "/connectors/src/stop");
    script.wait_for("src", "STOPPED", "STOPPED", 0);
}

/// Bodies that are no offsets.
pub fn bodies(script: &mut Script) {
    for (name, body) in [
        ("empty", ""),
        ("null", "null"),
        ("list", "[]"),
        ("cut", "{\"offsets\": ["),
        ("object", "{}"),
        ("offsets-null", r#"{"offsets": null}"#),
        ("offsets-empty", r#"{"offsets": []}"#),
        ("offsets-object", r#"{"offsets": {}}"#),
        ("unknown-field", r#"{"offsets": [], "more": 1}"#),
        ("element-number", r#"{"offsets": [1]}"#),
    ] {
        script
            .patch(format!("offsets.body-{name}"), "/connectors/snk/offsets")
            .text(body);
    }
    elements(script);
    source_elements(script);
}

fn elements(script: &mut Script) {
    let one = json!({ "kafka_offset": 1 });
    let rows = json!({ "kafka_topic": "rows", "kafka_partition": 0 });
    for (name, partition, offset) in [
        ("partition-null", json!(null), one.clone()),
        ("partition-empty", json!({}), one.clone()),
        (
            "topic-missing",
            json!({ "kafka_partition": 0 }),
            one.clone(),
        ),
        (
            "topic-null",
            json!({ "kafka_topic": null, "kafka_partition": 0 }),
            one.clone(),
        ),
        (
            "number-missing",
            json!({ "kafka_topic": "rows" }),
            one.clone(),
        ),
        (
            "number-null",
            json!({ "kafka_topic": "rows", "kafka_partition": null }),
            one.clone(),
        ),
        (
            "number-word",
            json!({ "kafka_topic": "rows", "kafka_partition": "x" }),
            one,
        ),
        ("offset-empty", rows.clone(), json!({})),
        ("offset-word", rows.clone(), json!({ "kafka_offset": "x" })),
        ("offset-null", rows.clone(), json!({ "kafka_offset": null })),
        ("offset-fraction", rows, json!({ "kafka_offset": 1.5 })),
    ] {
        let body = of_sink(&partition, &offset);
        script
            .patch(format!("offsets.{name}"), "/connectors/snk/offsets")
            .json(&body);
    }
}

fn source_elements(script: &mut Script) {
    for (name, partition, offset) in [
        ("null", json!(null), json!({ "position": 1 })),
        ("empty", json!({}), json!({ "position": 1 })),
        (
            "other",
            json!({ "filename": "/no/such/file" }),
            json!({ "position": 1 }),
        ),
        (
            "word",
            json!({ "filename": "@FILE@" }),
            json!({ "position": "x" }),
        ),
        (
            "negative",
            json!({ "filename": "@FILE@" }),
            json!({ "position": -1 }),
        ),
        (
            "no-position",
            json!({ "filename": "@FILE@" }),
            json!({ "place": 1 }),
        ),
    ] {
        let body = json!({ "offsets": [{ "partition": partition, "offset": offset }] });
        script
            .patch(format!("offsets.source-{name}"), "/connectors/src/offsets")
            .json(&body);
    }
}

pub fn changes(script: &mut Script) {
    let path = "/connectors/snk/offsets";
    let rows = json!({ "kafka_topic": "rows", "kafka_partition": 0 });
    script
        .patch("offsets.alter", path)
        .json(&of_sink(&rows, &json!({ "kafka_offset": 1 })));
    script.get("offsets.altered", path);
    let texts = json!({ "kafka_topic": "rows", "kafka_partition": "0" });
    let body = of_sink(&texts, &json!({ "kafka_offset": "2" }));
    script.patch("offsets.alter-texts", path).json(&body);
    script.get("offsets.altered-texts", path);
    script
        .patch("offsets.alter-null", path)
        .json(&of_sink(&rows, &json!(null)));
    script.get("offsets.altered-null", path);
    script.delete("offsets.reset", path);
    script.get("offsets.reset-get", path);
    script.delete("offsets.reset-again", path);
    let path = "/connectors/src/offsets";
    let body = |offset: Value| json!({ "offsets": [{ "partition": { "filename": "@FILE@" }, "offset": offset }] });
    script
        .patch("offsets.source-alter", path)
        .json(&body(json!({ "position": 4 })));
    script.get("offsets.source-altered", path);
    script
        .patch("offsets.source-alter-null", path)
        .json(&body(json!(null)));
    script.get("offsets.source-altered-null", path);
    script
        .patch("offsets.source-alter-again", path)
        .json(&body(json!({ "position": 4 })));
    script.delete("offsets.source-reset", path);
    script.get("offsets.source-reset-get", path);
    for name in ["src", "snk"] {
        script.put(
            format!("offsets.resume-{name}"),
            &format!("/connectors/{name}/resume"),
        );
        script.wait(name, "RUNNING", 1);
    }
}
