//! `/admin/loggers`.

use crate::call::Script;

/// A logger of Kafka Connect's, with ones below it, that both know once it is set.
const PARENT: &str = "/admin/loggers/org.example";

pub fn levels(script: &mut Script) {
    script.get("loggers.list", "/admin/loggers");
    script.get("loggers.root", "/admin/loggers/root");
    script.get("loggers.unknown", "/admin/loggers/org.example.nobody");
    script
        .put("loggers.set-child", &format!("{PARENT}.child"))
        .text(r#"{"level": "DEBUG"}"#);
    script.get("loggers.child", &format!("{PARENT}.child"));
    script
        .put("loggers.set-parent", PARENT)
        .text(r#"{"level": "WARN"}"#);
    script.get("loggers.parent", PARENT);
    script.get("loggers.child-after", &format!("{PARENT}.child"));
    script
        .put("loggers.set-same", PARENT)
        .text(r#"{"level": "WARN"}"#);
    script
        .put("loggers.set-worker", &format!("{PARENT}?scope=worker"))
        .text(r#"{"level": "ERROR"}"#);
    script
        .put("loggers.set-cluster", &format!("{PARENT}?scope=cluster"))
        .text(r#"{"level": "INFO"}"#);
    script
        .put("loggers.set-scope-odd", &format!("{PARENT}?scope=all"))
        .text(r#"{"level": "WARN"}"#);
    for (name, body) in [
        ("small", r#"{"level": "debug"}"#),
        ("fatal", r#"{"level": "FATAL"}"#),
        ("trace", r#"{"level": "TRACE"}"#),
        ("off", r#"{"level": "OFF"}"#),
        ("all", r#"{"level": "ALL"}"#),
        ("back", r#"{"level": "INFO"}"#),
        ("word", r#"{"level": "LOUD"}"#),
        ("empty-word", r#"{"level": ""}"#),
        ("number", r#"{"level": 1}"#),
        ("null", r#"{"level": null}"#),
        ("missing", r#"{}"#),
        ("other-key", r#"{"lvl": "INFO"}"#),
        ("more-keys", r#"{"level": "INFO", "more": "x"}"#),
        ("object", r#"{"level": {}}"#),
        ("body-empty", ""),
        ("body-null", "null"),
        ("body-list", "[]"),
        ("body-cut", r#"{"level": "#),
    ] {
        script
            .put(format!("loggers.level-{name}"), PARENT)
            .text(body);
    }
    script.get("loggers.parent-after", PARENT);
    script
        .put("loggers.set-root", "/admin/loggers/root?scope=cluster")
        .text(r#"{"level": "WARN"}"#);
}
