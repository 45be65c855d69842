//! Whether a topic is fit to keep what the worker knows; where it is not, why, and the command that
//! makes it so.

use crate::config::{StorageTopic, WorkerConfig};

/// A partition as Kafka describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundPartition {
    pub(super) id: i32,
    pub(super) replicas: usize,
}

/// What a topic of the worker must be.
pub(super) struct Wanted<'a> {
    pub(super) topic: &'a StorageTopic,
    pub(super) most_partitions: Option<usize>,
    /// `bootstrap.servers`, for the commands.
    pub(super) servers: String,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(
        worker: &WorkerConfig,
        topic: &'a StorageTopic,
        most_partitions: Option<usize>,
    ) -> Self {
        let servers = worker.client_properties("admin.");
        let servers = servers.get("bootstrap.servers").cloned();
        Self {
            topic,
            most_partitions,
            servers: servers.unwrap_or_default(),
        }
    }

    /// What is wrong with the partitions that were found; none: they are right.
    pub(super) fn partitions_refusal(&self, found: &[FoundPartition]) -> Option<String> {
        let (count, name) = (found.len(), &self.topic.name);
        if let Some(most) = self.most_partitions.filter(|most| count > *most) {
            return Some(format!(
                "topic {name} ({option}) must have {most} partition, and has {count}: connectors and \
                 their tasks would be read out of their order. Kafka cannot take partitions away: \
                 give {option} another name, or, where nothing in the topic is needed, delete it, \
                 and it is created anew:\n  kafka-topics.sh --bootstrap-server {servers} --delete \
                 --topic {name}",
                option = self.topic.option,
                servers = self.servers,
            ));
        }
        self.replicas_refusal(found)
    }

    fn replicas_refusal(&self, found: &[FoundPartition]) -> Option<String> {
        let wanted = usize::try_from(self.topic.replication_factor).ok()?;
        let least = found.iter().min_by_key(|partition| partition.replicas)?;
        if least.replicas >= wanted {
            return None;
        }
        let replicas = match least.replicas {
            1 => "1 replica".to_owned(),
            more => format!("{more} replicas"),
        };
        Some(format!(
            "topic {name} must have {wanted} replicas ({option}={wanted}), and its partition {id} has \
             {replicas}: connectors would be lost with a broker. Set {option}={has} where that is \
             meant, or give the topic more replicas:\n  kafka-reassign-partitions.sh \
             --bootstrap-server {servers} --reassignment-json-file FILE --execute\nwith all brokers \
             that are to have it in FILE: {{\"version\":1,\"partitions\":[{{\"topic\":\"{name}\",\
             \"partition\":{id},\"replicas\":[1,2,3]}}]}}",
            name = self.topic.name,
            option = self.topic.replication_option,
            id = least.id,
            has = least.replicas,
            servers = self.servers,
        ))
    }

    /// Why a `cleanup.policy` will not do; none: it will.
    pub(super) fn policy_refusal(&self, policy: &str) -> Option<String> {
        let (name, servers) = (&self.topic.name, &self.servers);
        (policy != "compact").then(|| {
            format!(
                "topic {name} ({option}) must have cleanup.policy=compact, and has {policy}: \
                 connectors would be forgotten. Mend it:\n  kafka-configs.sh --bootstrap-server \
                 {servers} --alter --entity-type topics --entity-name {name} --add-config \
                 cleanup.policy=compact",
                option = self.topic.option,
            )
        })
    }

    /// What is told of a topic that is not there and is not to be created (KIP-1209).
    pub(super) fn absence(&self) -> String {
        let (name, servers) = (&self.topic.name, &self.servers);
        let or_default = |count: i32, option: &str| match count {
            -1 => String::new(),
            count => format!(" {option} {count}"),
        };
        let partitions = or_default(self.topic.partitions, "--partitions");
        let replicas = or_default(self.topic.replication_factor, "--replication-factor");
        let settings = self.topic.settings.iter();
        let settings: String = settings
            .map(|(key, value)| format!(" --config {key}={value}"))
            .collect();
        format!(
            "topic {name} ({option}) is not there, and \
             internal.topics.automatic.creation.enable=false. Create it:\n  kafka-topics.sh \
             --bootstrap-server {servers} --create --topic {name}{partitions}{replicas}{settings}",
            option = self.topic.option,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::minimal;

    fn found(replicas: &[usize]) -> Vec<FoundPartition> {
        let partitions = (0..).zip(replicas);
        partitions
            .map(|(id, replicas)| FoundPartition {
                id,
                replicas: *replicas,
            })
            .collect()
    }

    fn worker(replication: &str) -> WorkerConfig {
        let given = minimal(&[
            ("config.storage.replication.factor", replication),
            ("config.storage.segment.bytes", "1000"),
        ]);
        WorkerConfig::new(&given).unwrap()
    }

    fn told(text: &str, parts: &[&str]) {
        for part in parts {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_the_setting_the_value_and_the_command() {
        let worker = worker("3");
        let topic = worker.config_topic();
        let wanted = Wanted::new(&worker, &topic, Some(1));
        assert_eq!(wanted.partitions_refusal(&found(&[3])), None);
        let refusal = wanted.partitions_refusal(&found(&[3, 3, 3])).unwrap();
        let delete = "kafka-topics.sh --bootstrap-server kafka:9092 --delete --topic configs";
        told(&refusal, &["config.storage.topic", "has 3", delete]);
        let refusal = wanted.partitions_refusal(&found(&[2])).unwrap();
        let option = "config.storage.replication.factor";
        told(
            &refusal,
            &[option, "has 2 replicas", "kafka-reassign-partitions.sh"],
        );
        assert_eq!(wanted.policy_refusal("compact"), None);
        for policy in ["delete", "compact,delete"] {
            let refusal = wanted.policy_refusal(policy).unwrap();
            told(
                &refusal,
                &["cleanup.policy", policy, "kafka-configs.sh", "--alter"],
            );
        }
        let create = "--create --topic configs --partitions 1 --replication-factor 3 --config \
                      cleanup.policy=compact --config segment.bytes=1000";
        told(&wanted.absence(), &["config.storage.topic", create]);
    }

    #[test]
    fn any_number_of_replicas_will_do_where_the_broker_has_the_say() {
        let worker = worker("-1");
        let topic = worker.config_topic();
        let wanted = Wanted::new(&worker, &topic, Some(1));
        assert_eq!(wanted.partitions_refusal(&found(&[1])), None);
        assert!(!wanted.absence().contains("--replication-factor"));
        let status = worker.status_topic();
        let wanted = Wanted::new(&worker, &status, None);
        assert_eq!(wanted.partitions_refusal(&found(&[3; 5])), None);
    }
}
