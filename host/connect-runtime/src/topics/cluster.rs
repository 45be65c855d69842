//! The topics of a cluster: looked at, made and changed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use connect_api::Properties;
use connect_kafka::{KafkaClient, create};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigResource, ConfigSource, NewPartitions, NewTopic,
    ResourceSpecifier, TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::Metadata;
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::runtime::Handle;

use super::file::Topic;
use super::plan::Found;
use crate::kafka_args::{Connection, KafkaArgs};

const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);

/// A cluster of Kafka.
pub struct Cluster {
    /// Where it is.
    pub address: String,
    connection: Connection,
    admin: KafkaClient<AdminClient<Connection>>,
    /// Tells its errors when it is polled, which a client for administration never is.
    probe: KafkaClient<BaseProducer<Connection>>,
}

impl Cluster {
    /// Makes a client.
    pub fn open(args: &KafkaArgs) -> Result<Self> {
        let (config, connection) = args.connect(&Properties::new())?;
        let refused = "a setting of the client is refused";
        let admin = create(&config, connection.clone()).context(refused)?;
        let probe = create(&config, connection.clone()).context(refused)?;
        Ok(Self {
            address: connection.address.clone(),
            connection,
            admin,
            probe,
        })
    }

    fn metadata(&self) -> Result<Metadata> {
        let poll = || {
            self.probe.poll(Duration::ZERO);
        };
        self.connection.metadata(self.probe.client(), poll)
    }

    /// Those of the named topics that there are, by name.
    pub fn topics(&self, names: &[&str], runtime: &Handle) -> Result<BTreeMap<String, Found>> {
        let metadata = self.metadata()?;
        let mut found = BTreeMap::new();
        for topic in metadata.topics() {
            if !names.contains(&topic.name()) || topic.partitions().is_empty() {
                continue;
            }
            let replicas = topic.partitions().iter();
            let replicas = replicas.map(|partition| partition.replicas().len()).min();
            let there = Found {
                partitions: i32::try_from(topic.partitions().len())?,
                replicas: i32::try_from(replicas.unwrap_or(0))?,
                settings: BTreeMap::new(),
            };
            found.insert(topic.name().to_owned(), there);
        }
        let there: Vec<&str> = found.keys().map(String::as_str).collect();
        let described = self.settings(&there, runtime)?;
        for (topic, resource) in found.values_mut().zip(described) {
            let entries = resource.entries.into_iter();
            let entries = entries.filter_map(|entry| Some((entry.name, entry.value?)));
            topic.settings = entries.collect();
        }
        Ok(found)
    }

    /// The settings of topics, in their order.
    fn settings(&self, names: &[&str], runtime: &Handle) -> Result<Vec<ConfigResource>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> = names
            .iter()
            .map(|it| ResourceSpecifier::Topic(it))
            .collect();
        let asked = self.admin.describe_configs(&resources, &options());
        let answers = runtime
            .block_on(asked)
            .map_err(|error| self.connection.explain(&error))?;
        let mut described = Vec::new();
        for (name, answer) in names.iter().zip(answers) {
            described.push(answer.map_err(|code| {
                anyhow!(
                    "the settings of topic {name} cannot be read: {}",
                    told(code)
                )
            })?);
        }
        Ok(described)
    }

    /// Makes a topic.
    pub fn create(&self, topic: &Topic, runtime: &Handle) -> Result<()> {
        let name = &topic.name;
        let settings = topic.settings();
        let replicas = TopicReplication::Fixed(topic.replication_factor);
        let mut new = NewTopic::new(name, topic.partitions, replicas);
        for (key, value) in &settings {
            new = new.set(key, value);
        }
        let answers = runtime
            .block_on(self.admin.create_topics([&new], &options()))
            .map_err(|error| self.connection.explain(&error))?;
        for answer in answers {
            answer.map_err(|(_, code)| refused(&format!("create topic {name}"), code, topic))?;
        }
        Ok(())
    }

    /// Brings a topic to its number of partitions.
    pub fn add_partitions(&self, topic: &Topic, runtime: &Handle) -> Result<()> {
        let count = usize::try_from(topic.partitions)?;
        let new = NewPartitions::new(&topic.name, count);
        let answers = runtime
            .block_on(self.admin.create_partitions([&new], &options()))
            .map_err(|error| self.connection.explain(&error))?;
        for answer in answers {
            let doing = format!("bring topic {} to {count} partitions", topic.name);
            answer.map_err(|(_, code)| refused(&doing, code, topic))?;
        }
        Ok(())
    }

    /// Sets the settings of a topic that its file names. The client library replaces all that a
    /// topic says itself, so what else it says is read first and set again with them.
    pub fn alter(&self, topic: &Topic, runtime: &Handle) -> Result<()> {
        let name = &*topic.name;
        let described = self.settings(&[name], runtime)?;
        let own = described.into_iter().flat_map(|resource| resource.entries);
        let own = own.filter(|entry| entry.source == ConfigSource::DynamicTopic);
        let mut all = BTreeMap::new();
        for entry in own {
            let Some(value) = entry.value else {
                bail!(
                    "the broker does not tell the value of {} of topic {name}, and it would be \
                     lost: change the settings with kafka-configs.sh",
                    entry.name
                );
            };
            all.insert(entry.name, value);
        }
        let settings = topic.settings().into_iter();
        all.extend(settings.map(|(key, value)| (key.to_owned(), value)));
        let mut altered = AlterConfig::new(ResourceSpecifier::Topic(name));
        for (key, value) in &all {
            altered = altered.set(key, value);
        }
        let answers = runtime
            .block_on(self.admin.alter_configs([&altered], &options()))
            .map_err(|error| self.connection.explain(&error))?;
        for answer in answers {
            let doing = format!("change the settings of topic {name}");
            answer.map_err(|(_, code)| refused(&doing, code, topic))?;
        }
        Ok(())
    }

    /// Waits until the brokers tell of all partitions, each with its leader.
    pub fn wait_for(&self, topics: &[&Topic]) -> Result<()> {
        let started = Instant::now();
        let is_there = |topic: &Topic| -> Result<bool> {
            let metadata = self.metadata()?;
            let found = metadata.topics().iter().find(|it| it.name() == topic.name);
            let led = found.map_or(0, |found| {
                let partitions = found.partitions().iter();
                partitions.filter(|it| it.leader() >= 0).count()
            });
            Ok(i32::try_from(led)? >= topic.partitions)
        };
        for topic in topics {
            while !is_there(topic)? {
                ensure!(
                    started.elapsed() < LIMIT,
                    "topic {} is made, but not all of its partitions have a leader yet",
                    topic.name
                );
                std::thread::sleep(PAUSE);
            }
        }
        Ok(())
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(LIMIT))
        .operation_timeout(Some(LIMIT))
}

/// What the broker refuses, with what is likely to be at fault.
fn refused(doing: &str, code: RDKafkaErrorCode, topic: &Topic) -> anyhow::Error {
    let next = match code {
        RDKafkaErrorCode::InvalidReplicationFactor => format!(
            "; replication.factor is {}, and there are not as many brokers: give \
             --replication-factor",
            topic.replication_factor
        ),
        RDKafkaErrorCode::InvalidConfig => {
            let settings = topic.settings().into_iter();
            let settings = settings.map(|(key, value)| format!("{key}={value}"));
            let settings = settings.collect::<Vec<_>>().join(", ");
            format!(
                "; one of these settings is no setting of a topic, or has a wrong value: {settings}"
            )
        }
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            "; the user may not: see the broker's ACLs".to_owned()
        }
        _ => String::new(),
    };
    anyhow!("cannot {doing}: {}{next}", told(code))
}

fn told(code: RDKafkaErrorCode) -> String {
    format!("{code} ({code:?})")
}
