//! The topics in which the worker keeps what it knows.

use super::{StorageTopic, WorkerConfig, with_prefix};

impl WorkerConfig {
    /// The topic of the connectors' configs: always one partition.
    pub fn config_topic(&self) -> StorageTopic {
        self.storage_topic("config", 1)
    }

    /// The topic of the statuses.
    pub fn status_topic(&self) -> StorageTopic {
        self.storage_topic("status", self.small("status.storage.partitions"))
    }

    /// The topic of the offsets of sources.
    pub fn offset_topic(&self) -> StorageTopic {
        self.storage_topic("offset", self.small("offset.storage.partitions"))
    }

    /// The topic in which the workers agree on what Kafka Connect has no record for.
    pub fn cluster_topic(&self) -> StorageTopic {
        let config = self.config_topic();
        let given = self.config.optional_text("ferrule.cluster.storage.topic");
        StorageTopic {
            name: given.map_or_else(|| format!("{}-cluster", config.name), str::to_owned),
            option: "ferrule.cluster.storage.topic".to_owned(),
            ..config
        }
    }

    /// The names of the topics in which the worker keeps what it knows. Connectors do not write to
    /// them.
    pub fn internal_topics(&self) -> Vec<String> {
        let topics = [
            self.config_topic(),
            self.cluster_topic(),
            self.status_topic(),
            self.offset_topic(),
        ];
        let topics = topics.into_iter().map(|topic| topic.name);
        topics.chain(self.rest.audit_topic.clone()).collect()
    }

    fn small(&self, key: &str) -> i32 {
        i32::try_from(self.config.integer(key)).unwrap_or(i32::MAX)
    }

    fn storage_topic(&self, kind: &str, partitions: i32) -> StorageTopic {
        let prefix = format!("{kind}.storage.");
        let mut settings = with_prefix(&self.properties, &prefix);
        settings.retain(|key, _| {
            !matches!(key.as_str(), "topic" | "partitions" | "replication.factor")
        });
        settings.insert("cleanup.policy".into(), "compact".into());
        StorageTopic {
            name: self.config.text(&format!("{prefix}topic")).to_owned(),
            partitions,
            replication_factor: self.small(&format!("{prefix}replication.factor")),
            replication_option: format!("{prefix}replication.factor"),
            option: format!("{prefix}topic"),
            settings,
        }
    }
}
