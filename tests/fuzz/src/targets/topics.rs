//! The records of the worker's own topics: configs, what a cluster agrees on, statuses, offsets of
//! sources.

use connect_api::{SourceOffset, SourcePartition};
use connect_runtime::fuzzing::{ClusterTopic, ConfigTopic, source_offset_key, source_offsets};
use connect_runtime::storage::{Status, StatusKey, StoredRecord};
use serde_json::Value;

use crate::Target;
use crate::parts::Parts;

pub(super) const TARGET: Target = Target {
    name: "topics",
    about: "Keys and values of JSON, each ended by NUL, as records of these topics: the config \
            topic adds up to tasks that are there, the cluster topic to orders and answers; an order, \
            a status and its key, and a source's offset, are written and read again as the same",
    memory: 8192,
    run: |data| {
        let records = records(data);
        let (mut configs, mut cluster) = (ConfigTopic::default(), ClusterTopic::default());
        for (record, offset) in records.iter().zip(0..) {
            status(record);
            configs.apply(record.clone());
            cluster.apply(offset, record.clone());
        }
        configs.check();
        for (partition, offset) in source_offsets("lines", records) {
            offset_again(&partition, &offset);
        }
    },
};

fn records(data: &[u8]) -> Vec<StoredRecord> {
    let mut parts = Parts::new(data);
    let mut records = Vec::new();
    while !parts.rest().is_empty() {
        let (key, value) = (parts.text(), parts.bytes());
        let value = match value {
            [] => Ok(None),
            json => serde_json::from_slice(json).map(Some),
        };
        if let (Some(key), Ok(value)) = (key, value) {
            let key = key.to_owned();
            records.push(StoredRecord { key, value });
        }
    }
    records
}

fn status(record: &StoredRecord) {
    if let Some(key) = StatusKey::from_key(&record.key) {
        assert_eq!(StatusKey::from_key(&key.to_string()), Some(key));
    }
    if let Some(status) = record.value.as_ref().and_then(Status::from_value) {
        assert_eq!(Status::from_value(&status.value()), Some(status));
    }
}

fn offset_again(partition: &SourcePartition, offset: &SourceOffset) {
    let record = StoredRecord {
        key: source_offset_key("lines", partition),
        value: Some(Value::Object(offset.0.clone())),
    };
    let again = source_offsets("lines", vec![record]);
    assert_eq!(again, [(partition.clone(), offset.clone())]);
}
