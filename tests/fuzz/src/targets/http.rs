//! Bodies of requests to the HTTP source.

use connect_api::Value;

use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "http_body",
    about: "A JSON Schema, NUL, the path of a key field, NUL, and a body: it is refused, or is a JSON \
            object whose field is the key",
    // A pattern of a few bytes may be compiled to a large automaton.
    memory: 1 << 20,
    run: |data| {
        let mut parts = Parts::new(data);
        let (Some(schema), Some(field)) = (parts.text(), parts.text()) else {
            return;
        };
        let body = parts.rest();
        let Some(key) = http_source::fuzzing::key_of(schema, field, body) else {
            return;
        };
        let parsed: serde_json::Value = match serde_json::from_slice(body) {
            Ok(parsed) => parsed,
            Err(error) => panic!("taken, and no JSON: {error}"),
        };
        assert!(parsed.is_object());
        let names = field.split('.');
        let found = names.fold(&parsed, |value, name| &value[name]);
        let same = match key {
            Value::String(text) => found.as_str() == Some(&*text),
            Value::Int(number) => found.as_i64() == Some(number),
            Value::Boolean(flag) => found.as_bool() == Some(flag),
            other => panic!("a key of {other:?}"),
        };
        assert!(same, "{found}");
    },
};
