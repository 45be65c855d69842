//! The herder: one task that owns the state of all connectors.
//!
//! Every change goes one way: it is written to the config topic, read back, and then acted upon.
//! So what another wrote is acted upon too.

mod command;
mod configure;
mod error;
mod handle;
mod status_writer;
mod tasks;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connect_api::Result;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{Instrument, error, info, info_span, warn};

use crate::config::WorkerConfig;
use crate::plugins::Plugins;
use crate::storage::{
    BackingStore, Change, ClusterConfigState, ConsumerGroups, SourceOffsets, StoredRecord,
    TargetState, keys, records,
};
use crate::worker::{TaskEvent, Worker};

use command::{Command, Reply};
pub use command::{ConnectorView, Restart, TaskView};
pub use error::HerderError;
pub use handle::{HEALTH_LIMIT, HerderHandle, REQUEST_LIMIT, SourceOffsetsChange};
use status_writer::StatusWriter;
use tasks::{Ended, RunningConnector};

/// Requests that wait for the herder.
const COMMANDS: usize = 64;
/// News of tasks that wait for the herder.
const EVENTS: usize = 1024;

/// What REST and the herder both look at; none of it changes.
pub struct Shared {
    /// The worker's configuration.
    pub config: Arc<WorkerConfig>,
    /// Everything that a config can name.
    pub plugins: Arc<Plugins>,
    /// Where offsets are looked up.
    pub groups: Box<dyn ConsumerGroups>,
    /// The offsets of sources.
    pub source_offsets: Arc<SourceOffsets>,
    /// The id of the Kafka cluster.
    pub cluster_id: Option<String>,
}

/// Owns the state of all connectors.
pub struct Herder {
    shared: Arc<Shared>,
    configs: Box<dyn BackingStore>,
    state: ClusterConfigState,
    /// Read back, and not yet acted upon.
    pending: VecDeque<Change>,
    connectors: BTreeMap<String, RunningConnector>,
    statuses: StatusWriter,
    worker: Worker,
    events: mpsc::Receiver<TaskEvent>,
    /// Tasks that were told to stop.
    ending: JoinSet<Ended>,
    commands: mpsc::Receiver<Command>,
    started: Arc<AtomicBool>,
    generation: u64,
}

impl Herder {
    /// Starts the herder. It ends after [`HerderHandle::shutdown`], or when it cannot read its
    /// topics.
    pub fn spawn(
        shared: Shared,
        configs: Box<dyn BackingStore>,
        statuses: Box<dyn BackingStore>,
    ) -> (HerderHandle, JoinHandle<Result<()>>) {
        let shared = Arc::new(shared);
        let (commands, requests) = mpsc::channel(COMMANDS);
        let (reports, events) = mpsc::channel(EVENTS);
        let started = Arc::new(AtomicBool::new(false));
        let handle = HerderHandle {
            commands,
            shared: Arc::clone(&shared),
            started: Arc::clone(&started),
        };
        let worker = Worker::new(
            Arc::clone(&shared.config),
            Arc::clone(&shared.plugins),
            Arc::clone(&shared.source_offsets),
            reports,
        );
        let run = async move {
            let (statuses, generation) = StatusWriter::start(statuses).await?;
            let herder = Self {
                shared,
                configs,
                state: ClusterConfigState::default(),
                pending: VecDeque::new(),
                connectors: BTreeMap::new(),
                statuses,
                worker,
                events,
                ending: JoinSet::new(),
                commands: requests,
                started,
                generation,
            };
            herder.run().await
        };
        (handle, tokio::spawn(run.instrument(info_span!("herder"))))
    }

    async fn run(mut self) -> Result<()> {
        for record in self.configs.start().await? {
            // What was asked for in a former life is not done again.
            self.state.apply(record);
        }
        let names: Vec<String> = self.state.connectors().map(str::to_owned).collect();
        info!(
            connectors = names.len(),
            "Joined group {}",
            self.shared.config.group_id()
        );
        self.pending
            .extend(names.into_iter().map(Change::Connector));
        self.settle().await;
        self.started.store(true, Ordering::Release);
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    None => {
                        self.stop_all().await;
                        return Ok(());
                    }
                    Some(Command::Shutdown(reply)) => {
                        self.stop_all().await;
                        // Whoever asked may have gone.
                        let _ = reply.send(());
                        return Ok(());
                    }
                    Some(command) => self.carry_out(command).await,
                },
                Some(event) = self.events.recv() => self.task_event(event),
                Some(ended) = self.ending.join_next() => self.task_ended(ended),
                record = self.configs.next() => self.pending.extend(self.state.apply(record)),
            }
            self.settle().await;
        }
    }

    async fn carry_out(&mut self, command: Command) {
        match command {
            Command::Ping(reply) => answer(reply, Ok(())),
            Command::Connectors(reply) => {
                let names = self
                    .state
                    .connectors()
                    .map(str::to_owned)
                    .collect::<Vec<_>>();
                let views = names.iter().filter_map(|name| self.view(name)).collect();
                answer(reply, Ok(views));
            }
            Command::Connector(name, reply) => {
                let view = self.view(&name).ok_or_else(|| not_found(&name));
                answer(reply, view);
            }
            Command::Configure(name, change, reply) => {
                let done = self.configure(&name, change).await;
                answer(reply, done);
            }
            Command::Delete(name, reply) => {
                let done = self.delete(&name).await;
                answer(reply, done);
            }
            Command::SetTargetState(name, state, reply) => {
                let done = self.set_target_state(&name, state).await;
                answer(reply, done);
            }
            Command::Restart(restart, reply) => {
                let done = self.restart(restart).await;
                answer(reply, done);
            }
            Command::RestartTask(name, task, reply) => {
                let done = self.restart_task(&name, task);
                answer(reply, done);
            }
            Command::ResetTopics(name, reply) => {
                if let Some(connector) = self.connectors.get_mut(&name) {
                    connector.topics.clear();
                }
                answer(reply, Ok(()));
            }
            Command::Shutdown(_) => {}
        }
    }

    /// Writes a record and takes in what was read back.
    async fn write(&mut self, record: StoredRecord) -> Result<()> {
        for read in self.configs.write(record).await? {
            self.pending.extend(self.state.apply(read));
        }
        Ok(())
    }

    /// Acts upon all changes that were read.
    async fn settle(&mut self) {
        while let Some(change) = self.pending.pop_front() {
            match change {
                Change::Connector(name) => {
                    if let Some(connector) = self.connectors.get_mut(&name) {
                        connector.changed = true;
                    }
                    self.reconcile(&name).await;
                }
                Change::TargetState(name) => self.reconcile(&name).await,
                Change::Tasks(name) => self.tasks_changed(&name),
                Change::Restart {
                    name,
                    include_tasks,
                    only_failed,
                } => {
                    self.restart_now(&Restart {
                        name,
                        include_tasks,
                        only_failed,
                    });
                }
            }
        }
    }

    /// Brings a connector to what its config and target state say.
    async fn reconcile(&mut self, name: &str) {
        let Some(config) = self.state.config(name).cloned() else {
            self.remove(name);
            return;
        };
        self.ensure_connector(name, &config);
        let wanted = match self.state.target_state(name) {
            TargetState::Stopped => Ok(Vec::new()),
            _ => self.task_configs(&config),
        };
        let wanted = match wanted {
            Ok(wanted) => wanted,
            Err(cause) => {
                error!(connector = name, error = %cause.chain(), "the config cannot be run");
                self.connector_failed(name, &cause);
                return;
            }
        };
        if wanted == self.state.tasks(name) {
            self.tasks_changed(name);
            return;
        }
        for record in records::tasks(name, &wanted) {
            if let Err(cause) = self.write(record).await {
                error!(connector = name, error = %cause.chain(), "could not write the tasks");
                self.connector_failed(name, &cause);
                return;
            }
        }
    }

    async fn delete(&mut self, name: &str) -> std::result::Result<(), HerderError> {
        if self.state.config(name).is_none() {
            return Err(not_found(name));
        }
        self.write(records::tombstone(keys::connector(name)))
            .await?;
        self.write(records::tombstone(keys::target_state(name)))
            .await?;
        self.settle().await;
        Ok(())
    }

    async fn set_target_state(
        &mut self,
        name: &str,
        state: TargetState,
    ) -> std::result::Result<(), HerderError> {
        if self.state.config(name).is_none() {
            let text = match state {
                TargetState::Stopped => format!("Connector {name} not found"),
                _ => format!("Unknown connector {name}"),
            };
            return Err(HerderError::NotFound(text));
        }
        if self.state.target_state(name) == state {
            return Ok(());
        }
        if state == TargetState::Stopped {
            // Kafka Connect's order: a worker that reads only half of it has no tasks.
            for record in records::tasks(name, &[]) {
                self.write(record).await?;
            }
        }
        self.write(records::target_state(name, state)).await?;
        self.settle().await;
        Ok(())
    }

    async fn restart(
        &mut self,
        restart: Restart,
    ) -> std::result::Result<ConnectorView, HerderError> {
        let Restart {
            name,
            include_tasks,
            only_failed,
        } = &restart;
        let unknown = || HerderError::NotFound(format!("Unknown connector: {name}"));
        let mut view = self.view(name).ok_or_else(unknown)?;
        self.mark_restarting(&mut view, &restart);
        self.write(records::restart(name, *include_tasks, *only_failed))
            .await?;
        self.settle().await;
        Ok(view)
    }
}

fn not_found(name: &str) -> HerderError {
    HerderError::NotFound(format!("Connector {name} not found"))
}

fn answer<T>(reply: Reply<T>, answer: std::result::Result<T, HerderError>) {
    if reply.send(answer).is_err() {
        warn!("a request was carried out after its caller had gone");
    }
}
