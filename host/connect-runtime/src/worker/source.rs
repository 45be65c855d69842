//! Makes the tasks of sources.

use std::sync::Arc;

use connect_api::{Error, Result, SourceConnector, SourceTaskContext};
use rdkafka::config::ClientConfig;
use tracing::info;

use super::TaskStart;
use super::read_back::KafkaTopicReader;
use crate::connector_config::{ConnectorConfig, provided_options};
use crate::errors::SourceErrors;
use crate::kafka::settings::{Client, ClientSettings};
use crate::metrics::{CLIENT_STATISTICS_INTERVAL, ClientKind, SourceTaskMetrics, TaskMeters};
use crate::plugins::converters;
use crate::source_task::{
    KafkaRecordProducer, MakeProducer, MakeTask, RecordProducer, SourceChain, SourceDelivery,
    SourceTaskParts, TopicCreation, Topics, WorkerSourceTask,
};
use crate::storage::ConnectorOffsets;

impl TaskStart {
    /// A task of a source, of its config.
    pub(super) fn build_source(
        &self,
        config: &ConnectorConfig,
        source: &Arc<dyn SourceConnector>,
    ) -> Result<WorkerSourceTask> {
        let options = config.source.as_ref();
        let options = options.ok_or_else(|| Error::fatal("a source has no source options"))?;
        let task = self.context.task;
        let TaskMeters::Source(metrics) = &self.meters else {
            return Err(Error::fatal(
                "the task of a source is counted as that of a sink",
            ));
        };
        let chain = SourceChain::new(
            self.plugins.chain(config, task)?,
            config.output_topics.clone(),
        )?;
        let provenance = chain.plugins();
        self.reports.built(provenance.clone());
        let settings = ClientSettings {
            worker: &self.worker,
            config,
            task,
        };
        let topics = match &options.topics {
            None => None,
            Some(defaults) => Some(TopicCreation {
                admin: settings.client(Client::Admin, "connector-adminclient")?,
                partitions: defaults.partitions,
                replication_factor: defaults.replication_factor,
                settings: defaults.settings.clone(),
            }),
        };
        let parts = SourceTaskParts {
            make_task: self.make_task(config, source),
            make_producer: self.make_producer(&settings, options.delivery, metrics)?,
            offsets: Arc::new(ConnectorOffsets::new(&self.source_offsets, &config.name)),
            topic_reader: Box::new(KafkaTopicReader::new(settings.consumer()?)),
            chain,
            converters: converters(&config.converters, &self.runtime)?,
            topics: Topics::new(topics),
            errors: SourceErrors::new(config.errors.clone(), Arc::clone(metrics)),
            metrics: Arc::clone(metrics),
            internal_topics: self.worker.internal_topics(),
            reports: self.reports.clone(),
            control: Arc::clone(&self.control),
            delivery: options.delivery,
            buffer_bytes: self.worker.task_buffer_bytes(),
            runtime: self.runtime.clone(),
        };
        info!(plugins = provenance, delivery = ?options.delivery, "started");
        Ok(WorkerSourceTask::new(parts))
    }

    fn make_task(&self, config: &ConnectorConfig, source: &Arc<dyn SourceConnector>) -> MakeTask {
        let context = SourceTaskContext {
            connector: config.name.clone(),
            task: self.context.task,
            provided: provided_options(&self.worker, config, &self.config),
        };
        let (source, own) = (Arc::clone(source), config.own.clone());
        Box::new(move || source.task(&own, &context))
    }

    fn make_producer(
        &self,
        settings: &ClientSettings<'_>,
        delivery: SourceDelivery,
        metrics: &Arc<SourceTaskMetrics>,
    ) -> Result<MakeProducer> {
        let metrics = Arc::clone(metrics);
        let show = move |producer: KafkaRecordProducer| {
            metrics
                .common
                .show_client(ClientKind::Producer, producer.meter());
            Box::new(producer) as Box<dyn RecordProducer>
        };
        let mut client = settings.client(Client::Producer, "connector-producer")?;
        client.set("statistics.interval.ms", CLIENT_STATISTICS_INTERVAL);
        default(&mut client, "acks", "all");
        match delivery {
            SourceDelivery::AtLeastOnce(_) => {
                // However long Kafka is away, the client retries, and keeps the order.
                if client.get("delivery.timeout.ms").is_none() {
                    default(&mut client, "message.timeout.ms", "0");
                }
                if matches!(client.get("acks"), Some("all" | "-1")) {
                    default(&mut client, "enable.idempotence", "true");
                }
                Ok(Box::new(move || {
                    KafkaRecordProducer::new(&client).map(&show)
                }))
            }
            SourceDelivery::ExactlyOnce(_) => {
                let group = self.worker.group_id();
                let id = format!("{group}-{}-{}", settings.config.name, settings.task);
                if !matches!(client.get("acks"), Some("all" | "-1")) {
                    return Err(Error::config(
                        "producer.override.acks: transactions need acks=all",
                    ));
                }
                client.set("transactional.id", id);
                Ok(Box::new(move || {
                    KafkaRecordProducer::transactional(&client).map(&show)
                }))
            }
        }
    }
}

fn default(client: &mut ClientConfig, key: &str, value: &str) {
    if client.get(key).is_none() {
        client.set(key, value);
    }
}
