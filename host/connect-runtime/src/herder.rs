//! The herder: one task that takes requests, and brings connectors and tasks to what is asked for.
//!
//! It is made of parts that know little of each other. `cluster::ClusterState` is what the config
//! topic says. The `leader::Leader` decides which task configs connectors have, and writes them.
//! A `placement::Placement` says which tasks are this worker's. `tasks::Tasks` starts and stops
//! these. `statuses::Statuses` is what the status topic says of all connectors and tasks.
//!
//! Nothing on the loop waits for anything but Kafka: configs are validated by
//! `validator::Validator`, and config providers are asked by the tasks themselves.

mod cluster;
mod command;
mod config_log;
mod configure;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handle;
mod leader;
mod placement;
mod statuses;
mod tasks;
mod validator;
mod views;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connect_api::Result;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{Instrument, info, info_span, warn};

use crate::config::WorkerConfig;
use crate::plugins::Plugins;
use crate::storage::{
    BackingStore, ConnectorTaskId, ConsumerGroups, Restart, RestartScope, SourceOffsets,
    TargetState, keys, records,
};
use crate::worker::{TaskEvent, Worker};

use cluster::Change;
use command::{Command, Reply};
pub use command::{ConfigOutcome, Configured, ConnectorView, TaskView};
use config_log::ConfigLog;
use configure::ConfigChanges;
pub use error::HerderError;
pub use handle::{HEALTH_LIMIT, HerderHandle, REQUEST_LIMIT, SourceOffsetsChange};
use leader::Leader;
use placement::{AllHere, Placement};
use statuses::Statuses;
use tasks::Tasks;
use validator::Validator;

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

/// Takes requests, and brings connectors and tasks to what is asked for.
pub struct Herder {
    shared: Arc<Shared>,
    log: ConfigLog,
    leader: Leader,
    placement: Box<dyn Placement>,
    tasks: Tasks,
    statuses: Statuses,
    config_changes: ConfigChanges,
    /// Connectors whose topics were reset, until they are configured again.
    topics_reset: BTreeSet<String>,
    events: mpsc::Receiver<TaskEvent>,
    commands: mpsc::Receiver<Command>,
}

/// Whether the herder's loop goes on.
#[derive(PartialEq, Eq)]
enum Loop {
    GoOn,
    End,
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
        let validator = Validator::new(Arc::clone(&shared));
        let (commands, requests) = mpsc::channel(COMMANDS);
        let (reports, events) = mpsc::channel(EVENTS);
        let started = Arc::new(AtomicBool::new(false));
        let handle = HerderHandle {
            commands,
            shared: Arc::clone(&shared),
            validator: validator.clone(),
            started: Arc::clone(&started),
        };
        let worker = Worker::new(
            Arc::clone(&shared.config),
            Arc::clone(&shared.plugins),
            Arc::clone(&shared.source_offsets),
            reports,
        );
        let run = async move {
            let herder = Self {
                log: ConfigLog::new(configs),
                leader: Leader::new(Arc::clone(&shared)),
                placement: Box::new(AllHere),
                tasks: Tasks::new(Arc::clone(&shared), worker),
                statuses: Statuses::start(statuses).await?,
                config_changes: ConfigChanges::new(validator),
                topics_reset: BTreeSet::new(),
                events,
                commands: requests,
                shared,
            };
            herder.run(&started).await
        };
        (handle, tokio::spawn(run.instrument(info_span!("herder"))))
    }

    async fn run(mut self, started: &AtomicBool) -> Result<()> {
        self.log.start().await?;
        info!(
            connectors = self.log.cluster.connectors().count(),
            "Joined group {}",
            self.shared.config.group_id()
        );
        self.leader.start(&mut self.log, &self.statuses).await;
        self.sync_tasks();
        self.act().await;
        started.store(true, Ordering::Release);
        while self.turn().await == Loop::GoOn {
            self.act().await;
        }
        self.end().await;
        Ok(())
    }

    /// Does the next thing that there is to do.
    async fn turn(&mut self) -> Loop {
        tokio::select! {
            command = self.commands.recv() => return match command {
                None => Loop::End,
                Some(command) => self.carry_out(command).await,
            },
            Some(event) = self.events.recv() => self.tasks.event(event, &self.statuses),
            id = self.tasks.next_end() => {
                self.tasks.ended(&id, &self.statuses);
                self.sync_tasks();
            }
            validation = self.config_changes.next() => self.apply_config(validation).await,
            () = self.log.read() => {}
        }
        Loop::GoOn
    }

    async fn carry_out(&mut self, command: Command) -> Loop {
        match command {
            Command::Ping(reply) => answer(reply, Ok(())),
            Command::Connectors(reply) => answer(reply, Ok(self.views())),
            Command::Connector(name, reply) => {
                let view = self.view(&name).ok_or_else(|| not_found(&name));
                answer(reply, view);
            }
            Command::Configure(name, change, reply) => self.configure(&name, change, reply),
            Command::Delete(name, reply) => {
                let done = self.delete(&name).await;
                answer(reply, done);
            }
            Command::SetTargetState(name, state, reply) => {
                let done = self.set_target_state(&name, state).await;
                answer(reply, done);
            }
            Command::Restart(restart, reply) => {
                let done = self.restart(&restart).await;
                answer(reply, done);
            }
            Command::RestartTask(id, reply) => {
                let done = self.restart_task(&id);
                answer(reply, done);
            }
            Command::ResetTopics(name, reply) => {
                if self.log.cluster.config(&name).is_some() {
                    self.topics_reset.insert(name);
                }
                answer(reply, Ok(()));
            }
            Command::Shutdown => return Loop::End,
        }
        Loop::GoOn
    }

    /// Acts upon all changes that were read.
    async fn act(&mut self) {
        let mut changed = false;
        while let Some(change) = self.log.next_change() {
            changed = true;
            match change {
                Change::Connector(name) => {
                    self.topics_reset.remove(&name);
                    self.reconcile(&name).await;
                }
                Change::TargetState(name) => self.reconcile(&name).await,
                Change::Tasks(_) => {}
                Change::Restart(restart) => {
                    self.reconcile(&restart.name).await;
                    if restart.scope == RestartScope::ConnectorAndTasks {
                        let Restart {
                            name, instances, ..
                        } = &restart;
                        self.tasks.restart(name, *instances, &self.statuses);
                    }
                }
            }
        }
        if changed {
            self.sync_tasks();
        }
    }

    async fn reconcile(&mut self, name: &str) {
        let (log, statuses) = (&mut self.log, &self.statuses);
        self.leader.reconcile(name, log, statuses).await;
    }

    /// Starts and stops tasks, so that those that are this worker's run.
    fn sync_tasks(&mut self) {
        let mine = self.placement.mine(&self.log.cluster);
        self.tasks.sync(&self.log.cluster, &mine, &self.statuses);
    }

    async fn delete(&mut self, name: &str) -> Answer<()> {
        if self.log.cluster.config(name).is_none() {
            return Err(not_found(name));
        }
        for key in [keys::connector(name), keys::target_state(name)] {
            self.log.write(records::tombstone(key)).await?;
        }
        self.act().await;
        info!(connector = name, "the connector is deleted");
        Ok(())
    }

    async fn set_target_state(&mut self, name: &str, state: TargetState) -> Answer<()> {
        let cluster = &self.log.cluster;
        if cluster.config(name).is_none() {
            let text = match state {
                TargetState::Stopped => format!("Connector {name} not found"),
                _ => format!("Unknown connector {name}"),
            };
            return Err(HerderError::NotFound(text));
        }
        if cluster.target_state(name) != state {
            let log = &mut self.log;
            self.leader.set_target_state(name, state, log).await?;
            self.act().await;
        }
        Ok(())
    }

    /// The connector as it is, with what is about to be restarted.
    async fn restart(&mut self, restart: &Restart) -> Answer<ConnectorView> {
        let name = &restart.name;
        let unknown = || HerderError::NotFound(format!("Unknown connector: {name}"));
        let mut view = self.view(name).ok_or_else(unknown)?;
        view.mark_restarting(restart);
        self.log.write(records::restart(restart)).await?;
        self.act().await;
        Ok(view)
    }

    fn restart_task(&mut self, id: &ConnectorTaskId) -> Answer<()> {
        let cluster = &self.log.cluster;
        if cluster.config(&id.connector).is_none() {
            let text = format!("Unknown connector: {}", id.connector);
            return Err(HerderError::NotFound(text));
        }
        if cluster.task(id).is_none() {
            return Err(HerderError::NotFound(format!("Unknown task: {id}")));
        }
        self.tasks.restart_task(id, &self.statuses);
        self.sync_tasks();
        Ok(())
    }

    /// Stops all tasks, and says so.
    async fn end(self) {
        self.tasks.stop_all(&self.statuses).await;
        self.leader.end(&self.log.cluster, &self.statuses);
        self.statuses.finish().await;
    }
}

/// What the herder answers.
type Answer<T> = std::result::Result<T, HerderError>;

fn not_found(name: &str) -> HerderError {
    HerderError::NotFound(format!("Connector {name} not found"))
}

fn answer<T>(reply: Reply<T>, answer: Answer<T>) {
    if reply.send(answer).is_err() {
        warn!("a request was carried out after its caller had gone");
    }
}
