//! The task: holds the connection, and says what became of each call.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use connect_api::{
    DeadLetterStorage, ErrantRecordReporter, Error, ErrorKind, LostOffsets, Offset, OffsetScope,
    OpenedPartition, PartitionStates, RecordBatch, Result, SinkOffsets, SinkState, SinkTask,
    StateStore, TargetHistory, TaskContext, TopicPartition,
};
use sqlx::Connection;
use tokio::time::timeout;

use crate::config::{Delivery, PostgresSinkConfig, servers};
use crate::put::offsets::Offsets;
use crate::put::write::state::StateStores;
use crate::put::{Made, Parents, Put, PutCache};
use crate::reported::ReportedRecords;
use crate::session::{Access, Keeps, Session};

pub(crate) struct PostgresSinkTask {
    config: Arc<PostgresSinkConfig>,
    access: Access,
    session: Option<Session>,
    offsets: Offsets,
    /// The database that partitions were last opened in.
    target: Option<String>,
    /// How far its history had come then.
    history: Option<TargetHistory>,
    state: StateStores,
    cache: PutCache,
    /// Consecutive puts that failed because Postgres was unreachable.
    failures: u64,
    /// Since when a row waits for the one that it refers to.
    awaits_parent: Option<Instant>,
}

impl PostgresSinkTask {
    pub fn new(config: PostgresSinkConfig, context: &TaskContext) -> Self {
        let config = Arc::new(config);
        let name = format!("ferrule:{}:{}", context.connector, context.task);
        config.servers.warn_of_ignored();
        if config.servers.trusts_any_host() {
            tracing::warn!(
                "sslmode=verify-ca also takes certificates of the public authorities, for any host: \
                 verify-full takes those for the server's name only"
            );
        }
        let named = config.servers.named(&name);
        Self {
            access: Access::new(named, context.provided.clone(), servers),
            session: None,
            offsets: Offsets::new(&context.connector),
            target: None,
            history: None,
            state: StateStores::new(&context.connector),
            cache: PutCache::new(Arc::clone(&config), context),
            config,
            failures: 0,
            awaits_parent: None,
        }
    }

    fn is_fenced(&self) -> bool {
        self.config.delivery == Delivery::ExactlyOnce
    }

    /// The session, and whether it is a new one. It is taken out of the task: a call that fails, or
    /// is given up half-way, leaves none behind that could be in mid-transaction.
    async fn connect(&mut self) -> Result<(Session, bool)> {
        if let Some(session) = self.session.take() {
            return Ok((session, false));
        }
        let keeps = Keeps {
            offsets: self.is_fenced(),
            state: !self.state.is_empty(),
        };
        let pooled = self.cache.saw_pooler();
        let servers = self.access.servers().await?;
        let session = Session::connect(&servers, keeps, pooled).await?;
        self.cache.forget_connection();
        Ok((session, true))
    }

    /// A session whose partitions are known to stand where the database says.
    async fn resolved(&mut self) -> Result<Session> {
        let (mut session, is_new) = self.connect().await?;
        if is_new && self.is_fenced() {
            self.offsets.resolve(&mut session).await?;
        }
        Ok(session)
    }

    async fn try_open(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut session = self.resolved().await?;
        if self.is_fenced() {
            // Asked before the rows are made: they are lost together with this point of the log.
            self.history = session.history().await?;
            self.target = Some(session.target.clone());
            self.offsets.open(&mut session, partitions).await?;
        } else {
            self.offsets.open_unfenced(partitions);
        }
        // An error of the dead letter table is better known now than with the first dead letter.
        self.cache.prepare_dead_letter_table(&mut session).await?;
        self.session = Some(session);
        Ok(())
    }

    async fn try_load(&mut self, partitions: &[TopicPartition]) -> Result<PartitionStates> {
        let mut session = self.resolved().await?;
        let mut fresh = Vec::new();
        for topic_partition in partitions {
            // Without a position it went to another task on the way here, and its state with it.
            let position = self.offsets.position(topic_partition);
            let position = position.ok_or_else(|| self.offsets.not_open(topic_partition))?;
            if self.is_fenced() && position.next_offset.is_none() {
                fresh.push(topic_partition.clone());
            }
        }
        let stored = self.state.open(&mut session, partitions, &fresh).await?;
        self.session = Some(session);
        Ok(stored)
    }

    async fn try_forget(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let mut session = self.resolved().await?;
        self.offsets.forget_stored(&mut session, partitions).await?;
        self.session = Some(session);
        Ok(())
    }

    async fn try_start_at(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()> {
        let mut session = self.resolved().await?;
        self.offsets.start_at(&mut session, starts).await?;
        self.session = Some(session);
        Ok(())
    }

    async fn try_put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<Made> {
        let mut session = self.resolved().await?;
        // Also where other partitions than those of the batches have lost something: all of them
        // are opened again, and their transforms' state is read again.
        self.offsets.check_lost()?;
        let mut put = Put {
            cache: &mut self.cache,
            session: &mut session,
            offsets: &mut self.offsets,
            state: &self.state,
            reporter,
            reported: ReportedRecords::default(),
            parents: match self.awaits_parent {
                Some(since) if since.elapsed() >= self.config.parent_wait => Parents::Missing,
                None if self.config.parent_wait.is_zero() => Parents::Missing,
                _ => Parents::Awaited,
            },
        };
        let made = put.make_durable(batches).await?;
        match made {
            Made::Durable => self.awaits_parent = None,
            Made::AwaitsParent(_) => {
                self.awaits_parent.get_or_insert_with(Instant::now);
            }
        }
        self.session = Some(session);
        Ok(made)
    }

    async fn try_verify(&mut self) -> Result<()> {
        let mut session = self.resolved().await?;
        let verified = self.offsets.verify(&mut session).await;
        let is_usable = |error: &Error| error.kind() != ErrorKind::Retriable;
        if verified.as_ref().err().is_none_or(is_usable) {
            self.session = Some(session);
        }
        // A task that stands by holds no session of the server.
        if self.offsets.is_empty() {
            self.stop().await;
        }
        verified
    }

    /// A server that has vanished without a word gives no error by itself.
    fn late(&self) -> Error {
        Error::retriable("Postgres did not answer within socket.timeout.ms")
    }
}

#[async_trait]
impl SinkTask for PostgresSinkTask {
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        let outcome = self.try_put(batches, reporter).await;
        let error = match outcome {
            Err(error) => error,
            Ok(made) => {
                self.failures = 0;
                return match made {
                    Made::Durable => Ok(()),
                    Made::AwaitsParent(error) => Err(error),
                };
            }
        };
        // The connection went with the call; the next put finds out what is durable.
        if error.kind() != ErrorKind::Retriable {
            return Err(error);
        }
        self.failures += 1;
        match self.config.max_retries {
            Some(most) if self.failures > most => {
                let text = format!("gave up after max.retries={most}: {}", error.chain());
                Err(Error::fatal(text).transient())
            }
            _ => Err(error),
        }
    }

    async fn stop(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.connection.close().await
        {
            tracing::debug!(%error, "the connection was lost before it was closed");
        }
    }

    fn offsets(&mut self) -> Option<&mut dyn SinkOffsets> {
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn SinkState> {
        Some(self)
    }

    fn dead_letters(&self) -> DeadLetterStorage {
        match self.config.dead_letter_table {
            Some(_) => DeadLetterStorage::Sink,
            None => DeadLetterStorage::Worker,
        }
    }
}

/// With `delivery.guarantee=at_least_once` the offsets are kept for as long as the task runs.
#[async_trait]
impl SinkOffsets for PostgresSinkTask {
    fn set_scope(&mut self, scope: &OffsetScope) {
        self.offsets.set_scope(scope);
        self.state.set_scope(scope);
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>> {
        self.cache.forget(partitions);
        // They may belong to another owner by now, so they are not resolved first.
        self.offsets.forget(partitions);
        self.state.forget(partitions);
        if !partitions.is_empty() {
            let limit = self.config.socket_timeout;
            let opened = timeout(limit, self.try_open(partitions)).await;
            opened.unwrap_or_else(|_| Err(self.late()))?;
        }
        let opened = partitions.iter().map(|topic_partition| {
            let position = self.offsets.position(topic_partition);
            OpenedPartition {
                topic_partition: topic_partition.clone(),
                next_offset: position.and_then(|p| p.next_offset),
                last_timestamp: position.and_then(|p| p.last_timestamp),
            }
        });
        Ok(opened.collect())
    }

    async fn forget(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let limit = self.config.socket_timeout;
        let forgotten = timeout(limit, self.try_forget(partitions)).await;
        forgotten.unwrap_or_else(|_| Err(self.late()))
    }

    async fn start_at(&mut self, starts: &[(TopicPartition, Offset)]) -> Result<()> {
        if !self.is_fenced() {
            self.offsets.remember_starts(starts);
            return Ok(());
        }
        let limit = self.config.socket_timeout;
        let started = timeout(limit, self.try_start_at(starts)).await;
        started.unwrap_or_else(|_| Err(self.late()))
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        self.offsets.forget(partitions);
        self.state.forget(partitions);
        self.cache.forget(partitions);
    }

    async fn verify(&mut self) -> Result<()> {
        if !self.is_fenced() {
            return Ok(());
        }
        let limit = self.config.socket_timeout;
        let verified = timeout(limit, self.try_verify()).await;
        verified.unwrap_or_else(|_| Err(self.late()))
    }

    fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    fn history(&self) -> Option<TargetHistory> {
        self.history
    }

    fn lost_offsets(&self) -> LostOffsets {
        self.config.lost_offsets
    }
}

#[async_trait]
impl SinkState for PostgresSinkTask {
    fn keep(&mut self, stores: Vec<StateStore>) -> Result<()> {
        if !self.is_fenced() {
            tracing::warn!(
                "with delivery.guarantee=at_least_once a batch that is delivered again changes the \
                 state of plugins again"
            );
        }
        self.state.keep(stores);
        Ok(())
    }

    async fn load(&mut self, partitions: &[TopicPartition]) -> Result<PartitionStates> {
        if partitions.is_empty() {
            return Ok(PartitionStates::new());
        }
        let limit = self.config.socket_timeout;
        let loaded = timeout(limit, self.try_load(partitions)).await;
        loaded.unwrap_or_else(|_| Err(self.late()))
    }
}
