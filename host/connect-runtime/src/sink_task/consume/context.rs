//! librdkafka's callbacks: changes of the assignment are queued for the task's loop.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use connect_api::{Error, TopicPartition};
use connect_kafka::{ClientErrors, ClientMeter, is_outage};
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use tracing::warn;

use super::{Ownership, Rebalance, lacks};
use crate::metrics::{ClientKind, TaskMetrics};

/// Takes librdkafka's callbacks.
pub(super) struct Context {
    pub(super) errors: ClientErrors,
    /// Topics that Kafka has said it does not have.
    missing: Mutex<BTreeSet<String>>,
    misses: AtomicBool,
    rebalances: Mutex<VecDeque<Rebalance>>,
    /// Partitions that were read to their end, and when the client has said so.
    ended: Mutex<HashMap<TopicPartition, Instant>>,
    closing: AtomicBool,
    metrics: Arc<TaskMetrics>,
    meter: Arc<ClientMeter>,
    /// Since when the commits are under way that the group has not answered, in their order.
    commits: Mutex<VecDeque<Instant>>,
}

impl Context {
    /// Of a task that counts what comes of its client there.
    pub(super) fn new(metrics: &Arc<TaskMetrics>) -> Self {
        let meter = Arc::default();
        metrics.common.show_client(ClientKind::Consumer, &meter);
        Self {
            errors: lacks::errors(),
            missing: Mutex::default(),
            misses: AtomicBool::new(false),
            rebalances: Mutex::default(),
            ended: Mutex::default(),
            closing: AtomicBool::new(false),
            metrics: Arc::clone(metrics),
            meter,
            commits: Mutex::default(),
        }
    }

    /// A commit that the group is to answer has begun.
    pub(super) fn commit_begins(&self) {
        self.commits().push_back(Instant::now());
    }

    fn commits(&self) -> MutexGuard<'_, VecDeque<Instant>> {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next change that waits.
    pub(super) fn next(&self) -> Option<Rebalance> {
        let mut waiting = self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    }

    /// Whether a change waits.
    pub(super) fn has_next(&self) -> bool {
        let waiting = self.rebalances.lock();
        let waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        !waiting.is_empty()
    }

    /// When the client has last said that a partition is read to its end, if it is.
    pub(super) fn ended_at(&self, topic: &str, partition: i32) -> Option<Instant> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let known = ended.iter();
        let mut known = known.filter(|(it, _)| it.partition == partition && *it.topic == *topic);
        known.next().map(|(_, at)| *at)
    }

    fn missing(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether Kafka has said that it does not have one of the topics.
    pub(super) fn misses_topics(&self) -> bool {
        self.misses.load(Ordering::Acquire)
    }

    /// The topics that Kafka has said it does not have.
    pub(super) fn missing_topics(&self) -> Vec<String> {
        self.missing().iter().cloned().collect()
    }

    /// A topic is there by now.
    pub(super) fn topic_is_there(&self, topic: &str) {
        let mut missing = self.missing();
        missing.remove(topic);
        self.misses.store(!missing.is_empty(), Ordering::Release);
    }

    /// From now on nobody takes changes up.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for Context {
    /// What has been fetched has been handed out, and the last fetch came to the end of the log.
    fn stats(&self, statistics: Statistics) {
        self.meter.take(&statistics);
        let now = Instant::now();
        let mut ended = HashMap::new();
        for (topic, known) in &statistics.topics {
            for (number, partition) in &known.partitions {
                let is_read = partition.fetchq_cnt == 0 && partition.eof_offset >= 0;
                if is_read && partition.eof_offset == partition.next_offset {
                    ended.insert(TopicPartition::new(topic.as_str(), *number), now);
                }
            }
        }
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = ended;
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let is_unknown =
            error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition);
        if let (true, Some(topic)) = (is_unknown, unavailable_topic(reason)) {
            // It is told in the task's status, and in the log with it.
            self.missing().insert(topic.to_owned());
            self.misses.store(true, Ordering::Release);
            return;
        }
        self.errors.log(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.errors.log_line(level, facility, line);
    }
}

impl ConsumerContext for Context {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        let begun = self.commits().pop_front();
        match result {
            Ok(()) => {
                let took = begun.map(|begun| begun.elapsed());
                self.metrics.common.committed(took.unwrap_or_default());
            }
            Err(_) => self.metrics.common.commits.fail(),
        }
    }

    /// Queues the change for the task's loop, which first has to drain or to ask the sink for
    /// offsets. The group waits for the answer; heartbeats go on meanwhile.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assign = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            // Nobody is left to take the change up, and closing waits for the answer.
            let answered = match assign {
                true => take(consumer, &TopicPartitionList::new()),
                false => release(consumer, partitions),
            };
            if let Err(error) = answered {
                warn!(%error, "cannot give the partitions up");
            }
            return;
        }
        let listed = partitions.elements();
        let listed = listed
            .iter()
            .map(|p| TopicPartition::new(p.topic(), p.partition()))
            .collect();
        let change = if assign {
            Rebalance::Assign(listed)
        } else {
            let ownership = if consumer.assignment_lost() {
                Ownership::Lost
            } else {
                Ownership::Kept
            };
            Rebalance::Revoke(listed, ownership)
        };
        self.rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(change);
    }
}

/// `Subscribed topic not available: NAME: Broker: Unknown topic or partition`.
fn unavailable_topic(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("topic not available: ")?;
    Some(rest.split(": ").next().unwrap_or(rest))
}

/// Takes partitions by the protocol of the group.
pub(super) fn take<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        _ => consumer.assign(partitions),
    }
}

/// Gives partitions up by the protocol of the group.
pub(super) fn release<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &TopicPartitionList,
) -> Result<(), KafkaError> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    }
}

/// Errors of the client: which of them end the task.
pub(super) fn check(error: KafkaError, errors: &ClientErrors) -> connect_api::Result<()> {
    use RDKafkaErrorCode as Code;
    if is_outage(&error) {
        errors.log(&error, "");
        return Ok(());
    }
    let code = match &error {
        KafkaError::MessageConsumptionFatal(_) => {
            return Err(Error::fatal(format!("consumer: {error}")).transient());
        }
        KafkaError::MessageConsumption(code) => *code,
        _ => return Ok(()),
    };
    match code {
        Code::UnknownTopicOrPartition => Ok(()),
        Code::AutoOffsetReset | Code::OffsetOutOfRange => Err(Error::fatal(format!(
            "a partition's offset is outside its log ({error}): retention has passed it, or the \
             topic was created anew; stop the connector and set or reset its offsets"
        ))),
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::SaslAuthenticationFailed
        | Code::InvalidTopic => Err(Error::config(format!("consumer: {error}")).transient()),
        _ => {
            warn!(%error, "consumer");
            Ok(())
        }
    }
}
