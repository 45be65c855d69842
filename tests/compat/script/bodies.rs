//! Bodies that are no JSON, or not the JSON that belongs there.

use crate::call::Script;
use reqwest::Method;

const BODIES: &[(&str, &str)] = &[
    ("empty", ""),
    ("null", "null"),
    ("list", "[]"),
    ("text", "\"text\""),
    ("number", "1"),
    ("cut", "{\"name\": \"ghost\", "),
    ("no-json", "name=ghost"),
    ("single-quotes", "{'name': 'ghost'}"),
    ("comma", "{\"name\": \"ghost\",}"),
];

pub fn broken(script: &mut Script) {
    for (route, method, path) in [
        ("create", Method::POST, "/connectors"),
        ("put", Method::PUT, "/connectors/src/config"),
        ("patch", Method::PATCH, "/connectors/src/config"),
    ] {
        for (name, body) in BODIES {
            script
                .call(format!("{route}.body-{name}"), method.clone(), path)
                .text(body);
        }
    }
    for (name, body) in [
        (
            "unknown-field",
            r#"{"name": "ghost", "config": {}, "extra": 1}"#,
        ),
        ("config-list", r#"{"name": "ghost", "config": []}"#),
        ("config-text", r#"{"name": "ghost", "config": "x"}"#),
        ("name-list", r#"{"name": [], "config": {}}"#),
        ("name-object", r#"{"name": {}, "config": {}}"#),
        (
            "nested",
            r#"{"name": "ghost", "config": {"topic": {"a": 1}}}"#,
        ),
        (
            "list-value",
            r#"{"name": "ghost", "config": {"topic": ["a"]}}"#,
        ),
    ] {
        script
            .post(format!("create.{name}"), "/connectors")
            .text(body);
    }
    script
        .put("put.nested", "/connectors/src/config")
        .text(r#"{"topic": {"a": 1}}"#);
    script
        .put("put.wrapped", "/connectors/src/config")
        .text(r#"{"name": "src", "config": {}}"#);
    script
        .patch("patch.nested", "/connectors/src/config")
        .text(r#"{"topic": {"a": 1}}"#);
    script.put("put.no-body", "/connectors/src/config");
    script.post("create.no-body", "/connectors");
}
