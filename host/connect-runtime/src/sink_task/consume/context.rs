//! librdkafka's callbacks: changes of the assignment are queued for the task's loop.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use connect_api::TopicPartition;
use connect_kafka::{ClientErrors, log_line};
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use tracing::warn;

use super::{Ownership, Rebalance};

/// Takes librdkafka's callbacks.
pub(super) struct Context {
    pub(super) errors: ClientErrors,
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            errors: ClientErrors::new("a task's consumer"),
            rebalances: Mutex::default(),
            closing: AtomicBool::new(false),
        }
    }
}

impl Context {
    /// The next change that waits.
    pub(super) fn next(&self) -> Option<Rebalance> {
        let mut waiting = self
            .rebalances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        waiting.pop_front()
    }

    /// From now on nobody takes changes up.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.log(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        log_line(level, facility, line);
    }
}

impl ConsumerContext for Context {
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
            if let (false, Err(error)) = (assign, release(consumer, partitions)) {
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
