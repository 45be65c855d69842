//! `Accept` and `Content-Type`.

use super::{SOURCE, source};
use crate::call::Script;

pub fn types(script: &mut Script) {
    for (name, accept) in [
        ("json", "application/json"),
        ("any", "*/*"),
        ("application", "application/*"),
        ("text", "text/plain"),
        ("html", "text/html"),
        ("browser", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("charset", "application/json; charset=utf-8"),
        ("v1", "application/vnd.kafka.v1+json"),
        ("list", "text/plain, application/json;q=0.5"),
        ("refused", "application/json;q=0"),
        ("empty", ""),
        ("bad", "nonsense"),
    ] {
        script
            .get(format!("accept.list-{name}"), "/connectors")
            .header("Accept", accept);
        script
            .get(format!("accept.unknown-{name}"), "/connectors/ghost")
            .header("Accept", accept);
    }
    others(script);
    bodies(script);
    more_bodies(script);
}

fn others(script: &mut Script) {
    script
        .get("accept.root-text", "/")
        .header("Accept", "text/plain");
    script
        .get("accept.health-text", "/health")
        .header("Accept", "text/plain");
    script
        .get("accept.plugins-text", "/connector-plugins")
        .header("Accept", "text/plain");
    script
        .get("accept.route-text", "/nowhere")
        .header("Accept", "text/plain");
    script
        .get("accept.loggers-text", "/admin/loggers")
        .header("Accept", "text/plain");
    script
        .put("accept.pause-text", "/connectors/src/resume")
        .header("Accept", "text/plain");
    script
        .delete("accept.delete-text", "/connectors/ghost")
        .header("Accept", "text/plain");
    script
        .post("accept.create-text", "/connectors")
        .text("{}")
        .header("Accept", "text/plain");
}

fn bodies(script: &mut Script) {
    let config = source(&[("name", "v")]).to_string();
    let validate = format!("/connector-plugins/{SOURCE}/config/validate");
    for (name, kind) in [
        ("json", "application/json"),
        ("charset", "application/json; charset=UTF-8"),
        ("capitals", "Application/JSON"),
        ("text", "text/plain"),
        ("form", "application/x-www-form-urlencoded"),
        ("xml", "application/xml"),
        ("plus", "application/vnd.kafka+json"),
        ("any", "*/*"),
        ("bad", "nonsense"),
    ] {
        script
            .put(format!("ct.validate-{name}"), &validate)
            .raw(&config)
            .header("Content-Type", kind);
        script
            .put(format!("ct.pause-{name}"), "/connectors/src/resume")
            .raw("{}")
            .header("Content-Type", kind);
    }
    script.put("ct.validate-none", &validate).raw(&config);
}

fn more_bodies(script: &mut Script) {
    script.post("ct.create-none", "/connectors").raw("{}");
    script
        .post("ct.create-broken-text", "/connectors")
        .raw("{")
        .header("Content-Type", "text/plain");
    script
        .put("ct.resume-none", "/connectors/src/resume")
        .raw("{}");
    script
        .post("ct.restart-text", "/connectors/src/restart")
        .raw("x")
        .header("Content-Type", "text/plain");
    script
        .delete("ct.delete-text", "/connectors/ghost")
        .raw("x")
        .header("Content-Type", "text/plain");
    script
        .put("ct.logger-text", "/admin/loggers/org.example")
        .raw(r#"{"level": "INFO"}"#)
        .header("Content-Type", "text/plain");
    script
        .patch("ct.offsets-text", "/connectors/src/offsets")
        .raw("{}")
        .header("Content-Type", "text/plain");
    script
        .put("ct.empty-text", "/connectors/src/resume")
        .header("Content-Type", "text/plain");
    script
        .get("ct.get-text", "/connectors")
        .header("Content-Type", "text/plain");
    script
        .get("ct.get-text-body", "/connectors")
        .raw("x")
        .header("Content-Type", "text/plain");
    script.wait("src", "RUNNING", 1);
}
