//! The worker itself; paths and methods that there are not.

use reqwest::Method;

use crate::call::Script;

/// Each path, a name for it, and the methods that it has.
const ROUTES: &[(&str, &str, &[&str])] = &[
    ("root", "/", &["GET"]),
    ("health", "/health", &["GET"]),
    ("plugins", "/connector-plugins", &["GET"]),
    (
        "plugin-config",
        "/connector-plugins/FileStreamSource/config",
        &["GET"],
    ),
    (
        "validate",
        "/connector-plugins/FileStreamSource/config/validate",
        &["PUT"],
    ),
    ("connectors", "/connectors", &["GET", "POST"]),
    ("connector", "/connectors/src", &["GET", "DELETE"]),
    ("config", "/connectors/src/config", &["GET", "PUT", "PATCH"]),
    ("status", "/connectors/src/status", &["GET"]),
    ("restart", "/connectors/src/restart", &["POST"]),
    ("pause", "/connectors/src/pause", &["PUT"]),
    ("resume", "/connectors/src/resume", &["PUT"]),
    ("stop", "/connectors/src/stop", &["PUT"]),
    ("task-status", "/connectors/src/tasks/0/status", &["GET"]),
    ("task-restart", "/connectors/src/tasks/0/restart", &["POST"]),
    ("topics", "/connectors/src/topics", &["GET"]),
    ("topics-reset", "/connectors/src/topics/reset", &["PUT"]),
    (
        "offsets",
        "/connectors/src/offsets",
        &["GET", "PATCH", "DELETE"],
    ),
    ("loggers", "/admin/loggers", &["GET"]),
    ("logger", "/admin/loggers/root", &["GET", "PUT"]),
];

pub fn worker(script: &mut Script) {
    script.get("root.get", "/");
    script.get("root.query", "/?pretty=true");
    script.call("root.head", Method::HEAD, "/");
    script.get("health.get", "/health");
    script.call("health.head", Method::HEAD, "/health");
    script.get("health.slash", "/health/");
    script.get("list.none", "/connectors");
    script.get("list.none-slash", "/connectors/");
    script.get("list.none-status", "/connectors?expand=status");
}

pub fn unknown(script: &mut Script) {
    let paths = [
        ("word", "/nowhere"),
        ("favicon", "/favicon.ico"),
        ("version", "/v3"),
        ("swagger", "/openapi.json"),
        ("wadl", "/application.wadl"),
        ("admin", "/admin"),
        ("connector-word", "/connectors/src/nothing"),
        ("tasks-config", "/connectors/src/tasks-config"),
        ("tasks-word", "/connectors/src/tasks/0/nothing"),
        ("task", "/connectors/src/tasks/0"),
        ("topics-word", "/connectors/src/topics/all"),
        ("offsets-word", "/connectors/src/offsets/all"),
        ("plugins-word", "/connector-plugins/FileStreamSource"),
        (
            "plugins-deep",
            "/connector-plugins/FileStreamSource/config/check",
        ),
        ("loggers-deep", "/admin/loggers/root/level"),
        ("capitals", "/Connectors"),
    ];
    for (name, path) in paths {
        script.get(format!("route.{name}"), path);
    }
    script.post("route.post", "/nowhere").text("{}");
    script
        .put("route.put", "/connectors/src/nothing")
        .text("{}");
    script.delete("route.delete", "/nowhere");
    script.get("route.connector-slash", "/connectors/src/");
    script.get("route.status-slash", "/connectors/src/status/");
    script.get("route.plugins-slash", "/connector-plugins/");
}

/// Each method that a path does not have.
pub fn methods(script: &mut Script) {
    for (name, path, own) in ROUTES {
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ] {
            if own.contains(&method.as_str()) {
                continue;
            }
            let has_body = [Method::POST, Method::PUT, Method::PATCH].contains(&method);
            let call = format!("405.{name}.{}", method.as_str().to_lowercase());
            let adding = script.call(call, method, path);
            if has_body {
                adding.text("{}");
            }
        }
    }
}

pub fn options(script: &mut Script) {
    for (name, path, _) in ROUTES {
        script.call(format!("options.{name}"), Method::OPTIONS, path);
    }
    script.call("options.nowhere", Method::OPTIONS, "/nowhere");
    for (name, path, own) in ROUTES {
        if own.contains(&"GET") && !matches!(*name, "root" | "health") {
            script.call(format!("head.{name}"), Method::HEAD, path);
        }
    }
}
