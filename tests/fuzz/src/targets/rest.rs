//! The bodies of requests.

use connect_runtime::fuzzing::{read_create, read_offsets};
use serde_json::{Value, json};

use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "rest",
    about: "A content type, NUL, and a body: it is refused, or what was read of it is read again of \
            JSON of it",
    memory: 4096,
    run: |data| {
        let mut parts = Parts::new(data);
        let kind = parts.bytes();
        let body = parts.rest();
        if let Ok((name, config)) = read_create(kind, body) {
            let again = json!({ "name": name, "config": config }).to_string();
            let again = read_create(b"application/json", again.as_bytes());
            assert!(again.is_ok_and(|again| again == (name, config)));
        }
        if let Ok(Value::Array(elements)) = serde_json::from_slice(body) {
            let (sinks, sources) = read_offsets(&elements);
            assert!(sinks.max(sources) <= elements.len());
        }
    },
};
