//! The records of the Kafka sink's changelog.

use connect_api::TopicPartition;
use kafka_sink::fuzzing::{ChangelogRecord, ChangelogState, key, read};

use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "changelog",
    about: "A key, NUL, the header `expires`, NUL, and a value: refused, or an entry or a clock; \
            the key of an entry is written and read again as the same",
    memory: 512,
    run: |data| {
        let mut parts = Parts::new(data);
        let given = parts.bytes();
        let expires = Some(parts.bytes()).filter(|text| !text.is_empty());
        let value = parts.rest();
        let record = ChangelogRecord {
            key: Some(given),
            value: Some(value),
            expires,
        };
        let Some(ChangelogState { entries, clock }) = read(record) else {
            return;
        };
        assert_eq!(entries.len() + usize::from(clock.is_some()), 1);
        for (plugin_key, entry) in entries {
            assert_eq!(entry.value, value);
            let partition = TopicPartition::new("topic", 3);
            let written = key(&partition, "transform", Some(&plugin_key));
            let record = ChangelogRecord {
                key: written.as_deref(),
                ..record
            };
            let again = read(record).map(|state| state.entries);
            assert_eq!(again, Some(vec![(plugin_key, entry)]));
        }
    },
};
