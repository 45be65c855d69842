//! Sinks that write to the cluster that the worker reads from, by transactions that move the
//! offsets of the task's group with the records (KIP-98, KIP-447).

use std::sync::Arc;

use async_trait::async_trait;
use connect_api::{Config, Result, SinkConnector, SinkTask, TaskContext};
use rdkafka::consumer::ConsumerGroupMetadata;

/// The membership of a task's consumer in its group: the group's id, its generation and the
/// member's id, as the consumer has them and a transactional producer takes them (KIP-447).
pub type GroupMembership = Arc<ConsumerGroupMetadata>;

/// A sink connector whose tasks may move the offsets of their group.
pub trait TransactionalSinkConnector: SinkConnector {
    /// Makes a task. It connects only when it is first used.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the configuration cannot be used.
    fn transactional_task(
        &self,
        config: &Config,
        context: &TaskContext,
    ) -> Result<Box<dyn TransactionalSinkTask>>;
}

/// A task of a [`TransactionalSinkConnector`].
pub trait TransactionalSinkTask: SinkTask {
    /// The capability to move the group's offsets. None when this task leaves that to the worker:
    /// then it is a sink as all others.
    fn group_transaction(&mut self) -> Option<&mut dyn GroupTransaction> {
        None
    }
}

/// What the worker tells a task whose `put` moves the offsets of the group, in the transaction of
/// the records. The worker itself then commits no offsets: one that came late would take the group
/// back.
#[async_trait]
pub trait GroupTransaction: Send {
    /// Ends the transactions that a former life of this task, or a put that failed, has left open.
    /// Until then Kafka cannot say where the group stands.
    ///
    /// It is called when the task begins, whether or not it is to get partitions, and each time
    /// before the worker asks the group where to go on.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when Kafka is away; the call is repeated.
    async fn end_open_transactions(&mut self) -> Result<()>;

    /// Tells under which membership the batches of the next `put` were read. It goes into their
    /// transaction, so that the group's coordinator refuses batches of a partition that has another
    /// owner by now (Invariant 5).
    fn read_under(&mut self, membership: GroupMembership);
}

/// A sink's task, as the worker holds it.
pub enum TaskSink {
    /// The worker commits the offsets to the group.
    Plain(Box<dyn SinkTask>),
    /// The sink may move the offsets of the group itself.
    Transactional(Box<dyn TransactionalSinkTask>),
}

impl TaskSink {
    /// The task, by what all sinks have in common.
    pub fn task(&mut self) -> &mut dyn SinkTask {
        match self {
            Self::Plain(task) => &mut **task,
            Self::Transactional(task) => &mut **task,
        }
    }

    /// The capability to move the group's offsets.
    pub fn group_transaction(&mut self) -> Option<&mut dyn GroupTransaction> {
        match self {
            Self::Plain(_) => None,
            Self::Transactional(task) => task.group_transaction(),
        }
    }
}
