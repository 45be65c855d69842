//! Files that users write: those of topics, and declarations of schemas.

use connect_converters::{avro_schema, declared_schema};
use connect_runtime::fuzzing::{json_schema, topic_file};
use serde_json::Value;

use crate::Target;

pub(super) const TOPICS: Target = Target {
    name: "topic_file",
    about: "A file of topics: what is taken has partitions, replicas, and the settings that it says",
    memory: 4096,
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        let Ok(topics) = topic_file::parse(text) else {
            return;
        };
        for topic in &topics {
            assert!(!topic.name.is_empty() && topic.name.len() <= 249);
            assert!(topic.partitions > 0, "{topic:?}");
            assert!(topic.replication_factor > 0 || topic.replication_factor == -1);
        }
        let Ok(Value::Array(all)) = serde_json::from_str(text) else {
            panic!("taken, and no list: {text}");
        };
        assert_eq!(all.len(), topics.len());
        for (given, topic) in all.iter().zip(&topics) {
            assert_eq!(given["name"], *topic.name);
            for (name, value) in topic.settings() {
                let given = &given["config"][name];
                assert!(given.as_str().is_none_or(|text| text == value), "{name}");
            }
        }
    },
};

pub(super) const DECLARATION: Target = Target {
    name: "declaration",
    about: "A declaration of a schema: it is refused, or has a JSON Schema, and an Avro schema that \
            is JSON unless a name of it is none of Avro's",
    memory: 16384,
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        let Ok(schema) = declared_schema(text) else {
            return;
        };
        let shown = json_schema::json_schema("t-value", &schema);
        assert!(shown.is_object(), "{shown}");
        if let Ok(avro) = avro_schema(&schema) {
            let parsed = serde_json::from_str::<Value>(&avro);
            assert!(parsed.is_ok(), "{avro}");
        }
    },
};
