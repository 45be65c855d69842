//! The task: holds the connection, and says what became of each call.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use connect_api::{
    ErrantRecordReporter, Error, ErrorKind, Offset, OpenedPartition, RecordBatch, Result, SinkTask,
    StateStore, StoredState, TaskContext, TopicPartition,
};
use sqlx::Connection;
use tokio::time::timeout;

use crate::config::{Delivery, PostgresSinkConfig};
use crate::offsets::Offsets;
use crate::put::{Put, Writer};
use crate::session::{Keeps, Servers, Session};
use crate::stores::Stores;

pub(crate) struct PostgresSinkTask {
    config: Arc<PostgresSinkConfig>,
    servers: Servers,
    session: Option<Session>,
    offsets: Offsets,
    stores: Stores,
    writer: Writer,
    /// Puts that have failed for want of the target, one after another.
    failures: u64,
}

impl PostgresSinkTask {
    pub fn new(config: PostgresSinkConfig, context: &TaskContext) -> Self {
        let config = Arc::new(config);
        let name = format!("ferrule:{}:{}", context.connector, context.task);
        if config.servers.trusts_any_host() {
            tracing::warn!(
                "sslmode=verify-ca also takes certificates of the public authorities, for any host: \
                 verify-full takes those for the server's name only"
            );
        }
        Self {
            servers: config.servers.named(&name),
            session: None,
            offsets: Offsets::new(&context.connector),
            stores: Stores::new(&context.connector),
            writer: Writer::new(Arc::clone(&config), context),
            config,
            failures: 0,
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
            state: !self.stores.is_empty(),
        };
        let pooled = self.writer.saw_pooler();
        let session = Session::connect(&self.servers, keeps, pooled).await?;
        self.writer.reconnected();
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

    async fn try_open(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, Vec<StoredState>>> {
        let mut session = self.resolved().await?;
        if self.is_fenced() {
            self.offsets.open(&mut session, partitions).await?;
        } else {
            self.offsets.open_unfenced(partitions);
        }
        let fresh: Vec<_> = if self.is_fenced() {
            let known = |s: &&TopicPartition| {
                self.offsets
                    .position(s)
                    .is_some_and(|p| p.next_offset.is_some())
            };
            partitions.iter().filter(|s| !known(s)).cloned().collect()
        } else {
            Vec::new()
        };
        let stored = self.stores.open(&mut session, partitions, &fresh).await?;
        // What keeps dead letters away is better known now than with the first of them.
        self.writer.prepare_letters(&mut session).await?;
        self.session = Some(session);
        Ok(stored)
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
    ) -> Result<()> {
        let mut session = self.resolved().await?;
        let mut put = Put {
            writer: &mut self.writer,
            session: &mut session,
            offsets: &mut self.offsets,
            stores: &self.stores,
            reporter,
        };
        put.run(batches).await?;
        self.session = Some(session);
        Ok(())
    }

    /// A server that has vanished without a word gives no error by itself.
    fn late(&self) -> Error {
        Error::retriable("Postgres did not answer within socket.timeout.ms")
    }
}

#[async_trait]
impl SinkTask for PostgresSinkTask {
    fn keeps_dead_letters(&self) -> bool {
        self.config.letters.is_some()
    }

    fn keep_state(&mut self, stores: Vec<StateStore>) -> Result<()> {
        if !self.is_fenced() {
            tracing::warn!(
                "with delivery.guarantee=at_least_once a batch that is delivered again changes the \
                 state of plugins again"
            );
        }
        self.stores.keep(stores);
        Ok(())
    }

    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>> {
        self.writer.forget(partitions);
        // They may belong to another owner by now, so they are not resolved first.
        self.offsets.forget(partitions);
        self.stores.forget(partitions);
        let mut stored = BTreeMap::new();
        if !partitions.is_empty() {
            let limit = self.config.socket_timeout;
            let opened = timeout(limit, self.try_open(partitions)).await;
            stored = opened.unwrap_or_else(|_| Err(self.late()))?;
        }
        let opened = partitions.iter().map(|topic_partition| {
            let position = self.offsets.position(topic_partition);
            OpenedPartition {
                topic_partition: topic_partition.clone(),
                next_offset: position.and_then(|p| p.next_offset),
                last_timestamp: position.and_then(|p| p.last_timestamp),
                state: stored.remove(topic_partition).unwrap_or_default(),
            }
        });
        Ok(opened.collect())
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

    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        let outcome = self.try_put(batches, reporter).await;
        let Err(error) = outcome else {
            self.failures = 0;
            return Ok(());
        };
        // The connection went with the call; the next put finds out what is durable.
        if error.kind() != ErrorKind::Retriable {
            return Err(error);
        }
        self.failures += 1;
        match self.config.max_retries {
            Some(most) if self.failures > most => Err(Error::fatal(format!(
                "gave up after max.retries={most}: {}",
                error.chain()
            ))),
            _ => Err(error),
        }
    }

    async fn close(&mut self, partitions: &[TopicPartition]) {
        self.offsets.forget(partitions);
        self.stores.forget(partitions);
        self.writer.forget(partitions);
    }

    async fn stop(&mut self) {
        if let Some(session) = self.session.take()
            && let Err(error) = session.connection.close().await
        {
            tracing::debug!(%error, "the connection was lost before it was closed");
        }
    }
}
