//! What is read of a request to a listener beside its body: path, query, and headers.

use connect_http::{Cors, CorsConfig, OriginPattern, PathTemplate, query_pairs};
use connect_runtime::fuzzing::{is_own_page, query_value, takes_json};

use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "request",
    about: "`query` and a query; `path`, a template and a path; `page`, a target, `Host` and `Origin`; \
            `origin` and a pattern; or `media` and `Accept`; each ended by NUL: what is read is written \
            and read again as the same, and a page is the worker's own only of its own host",
    memory: 512,
    run: |data| {
        let mut parts = Parts::new(data);
        let kind = parts.bytes();
        let Some(first) = parts.text() else { return };
        match kind {
            b"query" => query(first),
            b"path" => path(first, parts.text().unwrap_or_default()),
            b"page" => page(first, parts.bytes(), parts.bytes()),
            b"origin" => origin(first),
            b"media" => {
                let json = format!("{first}, application/json");
                assert!(
                    takes_json(first.as_bytes()).is_some()
                        || takes_json(json.as_bytes()) != Some(false)
                );
            }
            _ => {}
        }
    },
};

fn query(text: &str) {
    let Some(pairs) = query_pairs(text) else {
        return;
    };
    let written: Vec<_> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let written = written.join("&");
    assert_eq!(query_pairs(&written), Some(pairs.clone()), "{written}");
    for (name, _) in &pairs {
        let first = pairs.iter().find(|(known, _)| known == name);
        let value = query_value(&written, name);
        assert_eq!(value.as_ref(), first.map(|(_, value)| value), "{written}");
    }
}

fn path(template: &str, path: &str) {
    let Ok(template) = PathTemplate::parse("path", template) else {
        return;
    };
    assert!(template.overlaps(&template));
    let Some(values) = template.matches(path) else {
        return;
    };
    assert!(
        values
            .iter()
            .map(|(name, _)| name.as_str())
            .eq(template.names())
    );
    assert!(values.iter().all(|(_, value)| !value.is_empty()));
}

fn page(target: &str, host: &[u8], origin: &[u8]) {
    if is_own_page(target, host, origin) != Some(true) {
        return;
    }
    let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let called = format!("{} {}", lower(target.as_bytes()), lower(host));
    let origin = lower(origin);
    let named = origin.split_once("://").map_or("", |(_, rest)| rest);
    let named = named.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let named = named.trim_end_matches('.');
    assert!(called.contains(named), "{called}: {origin}");
}

fn origin(pattern: &str) {
    let Ok(known) = OriginPattern::parse(pattern) else {
        return;
    };
    let cors = Cors::new(CorsConfig {
        origins: vec![known],
        methods: Vec::new(),
    });
    let named = pattern.replace('*', "ui");
    assert!(cors.allows(&named), "{named}");
    assert_eq!(cors.allows("null"), pattern == "*");
}

/// As a form has it.
fn encoded(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    bytes.collect()
}
