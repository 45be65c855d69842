//! The herder: one task that takes requests, and brings connectors and tasks to what is asked for.
//!
//! It is made of parts that know little of each other. `log::Log` is what the topics of the cluster
//! say: `cluster::ClusterState` of configs, `coordination::Coordination` of workers, placements and
//! orders. One worker of the group has a `leader::Leader`, which decides which task configs
//! connectors have, and `placement::place` which worker runs which task. What REST asks for is an
//! `orders::Order`: the leader carries it out, and another worker sends it there through Kafka.
//! `tasks::Tasks` starts and stops what is this worker's. `statuses::Statuses` is what the status
//! topic says of all connectors and tasks.
//!
//! Nothing on the loop waits for anything but Kafka: configs are validated by
//! `validator::Validator`, and config providers are asked by the tasks themselves.

mod carry_out;
mod catching_up;
mod cluster;
mod command;
mod configure;
mod coordination;
mod digest;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod handle;
mod held_retries;
mod leader;
mod log;
mod members;
mod orders;
mod placement;
mod requests;
mod restarts;
mod shown_tasks;
mod snapshot;
mod statuses;
mod tasks;
mod validator;
mod views;

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connect_api::Result;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, error, info, info_span, warn};

use crate::config::WorkerConfig;
use crate::group::{GroupMember, Membership};
use crate::plugins::Plugins;
use crate::storage::{
    BackingStore, ClusterLog, ConnectorTaskId, ConsumerGroups, Restart, RestartScope, SourceOffsets,
};
use crate::topic_tracking::ForgottenTopics;
use crate::worker::{TaskEvent, Worker};

use catching_up::CatchingUp;
use cluster::Change;
pub(crate) use cluster::ClusterState;
use command::{Command, Reply};
pub use command::{ConfigOutcome, Configured, ConnectorView, TaskView};
use configure::ConfigChanges;
pub use error::HerderError;
pub use handle::{HEALTH_LIMIT, HerderHandle, REQUEST_LIMIT, SourceOffsetsChange};
use leader::Leader;
use log::Log;
use members::Settling;
pub use placement::WorkerInstance;
use requests::Requests;
use snapshot::HerderMeters;
use statuses::Statuses;
use tasks::Tasks;
use validator::Validator;
use views::Views;

/// Requests that wait for the herder.
const COMMANDS: usize = 64;
/// News of tasks that wait for the herder.
const EVENTS: usize = 1024;
/// How long the group may take to let this worker in before it answers requests without.
const JOIN_LIMIT: Duration = Duration::from_secs(60);
/// How long to wait before the lead is tried to be taken again.
const LEAD_RETRY: Duration = Duration::from_secs(1);
/// What the other workers have beyond the tasks' own time to take over from one that ends.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

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
    /// This start of this worker.
    pub instance: WorkerInstance,
}

/// What the herder shares with the other workers.
pub struct Cluster {
    /// The topics that they all read.
    pub log: Box<dyn ClusterLog>,
    /// The status topic.
    pub statuses: Box<dyn BackingStore>,
    /// Who is there and who leads.
    pub membership: watch::Receiver<Membership>,
    /// This worker's place in the group; none in a test without one.
    pub member: Option<GroupMember>,
}

/// Takes requests, and brings connectors and tasks to what is asked for.
pub struct Herder {
    shared: Arc<Shared>,
    log: Log,
    /// None: another worker leads, or nobody does.
    leader: Option<Leader>,
    membership: watch::Receiver<Membership>,
    member: Option<GroupMember>,
    /// When to try once more to take the lead.
    lead_retry: Option<Instant>,
    tasks: Tasks,
    /// Connectors have lost tasks a moment ago; none: they have not.
    settling: Option<Settling>,
    /// Tasks that are this worker's, and that another has not given up yet, and since when.
    taking_over: BTreeMap<ConnectorTaskId, Instant>,
    /// How far it has read, after a session that was lost.
    catching_up: CatchingUp,
    statuses: Statuses,
    config_changes: ConfigChanges,
    requests: Requests,
    meters: Arc<HerderMeters>,
    events: mpsc::Receiver<TaskEvent>,
    commands: mpsc::Receiver<Command>,
    /// When this worker ends, whatever the others have taken over; none: it does not.
    leaves_at: Option<Instant>,
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
    pub fn spawn(shared: Shared, cluster: Cluster) -> (HerderHandle, JoinHandle<Result<()>>) {
        let shared = Arc::new(shared);
        let validator = Validator::new(Arc::clone(&shared));
        let (commands, requests) = mpsc::channel(COMMANDS);
        let (queries, asked) = mpsc::channel(COMMANDS);
        let (probes, probed) = mpsc::channel(COMMANDS);
        let (reports, events) = mpsc::channel(EVENTS);
        let started = Arc::new(AtomicBool::new(false));
        let handle = HerderHandle {
            commands,
            queries,
            probes,
            shared: Arc::clone(&shared),
            validator: validator.clone(),
            started: Arc::clone(&started),
        };
        let forgotten = ForgottenTopics::default();
        let worker = Worker::new(
            Arc::clone(&shared.config),
            Arc::clone(&shared.plugins),
            Arc::clone(&shared.source_offsets),
            reports,
        )
        .tracking_topics(forgotten.clone());
        let Cluster {
            log,
            statuses,
            membership,
            member,
        } = cluster;
        let run = async move {
            let statuses = Statuses::start(statuses, &shared.instance, forgotten).await?;
            let tasks = Tasks::new(Arc::clone(&shared), worker);
            let client = member.as_ref().map(|it| Arc::clone(it.meter()));
            let meters = Arc::new(HerderMeters::new(Arc::clone(tasks.shown()), client));
            let views = Views::new(
                Arc::clone(&shared),
                statuses.reader(),
                Arc::clone(&meters),
                (asked, probed),
            );
            let herder = Self {
                log: Log::new(log, views),
                leader: None,
                membership,
                member,
                lead_retry: None,
                tasks,
                settling: None,
                taking_over: BTreeMap::new(),
                catching_up: CatchingUp::default(),
                statuses,
                config_changes: ConfigChanges::new(validator),
                requests: Requests::default(),
                meters,
                events,
                commands: requests,
                leaves_at: None,
                shared,
            };
            herder.run(&started).await
        };
        (handle, tokio::spawn(run.instrument(info_span!("herder"))))
    }

    async fn run(mut self, started: &AtomicBool) -> Result<()> {
        self.meters.rebalances.begin();
        self.log.start().await?;
        self.join().await;
        info!(
            connectors = self.log.cluster.connectors().count(),
            "Joined group {}",
            self.shared.config.group_id()
        );
        self.regroup().await;
        self.act().await;
        self.be_counted().await;
        self.log.views.start();
        started.store(true, Ordering::Release);
        self.settle_rebalance();
        while self.turn().await == Loop::GoOn && self.take_requests().await == Loop::GoOn {
            self.act().await;
            self.settle_rebalance();
        }
        // What was asked for before the end.
        self.carry_out_orders().await;
        self.resume_answered();
        self.end().await;
        Ok(())
    }

    /// Does the next thing that there is to do.
    async fn turn(&mut self) -> Loop {
        if self.has_left() {
            return Loop::End;
        }
        let wakes_at = self.wakes_at();
        let tasks_wake_at = self.tasks.wakes_at(&self.log.cluster);
        tokio::select! {
            command = self.commands.recv() => match command {
                None => return Loop::End,
                Some(command) => return self.carry_out(command),
            },
            Some(event) = self.events.recv() => {
                self.tasks.event(event, &self.statuses, Instant::now());
            }
            id = self.tasks.next_end() => {
                self.tasks.ended(&id, &self.log.cluster, &self.statuses);
                self.sync_tasks();
            }
            validation = self.config_changes.next() => self.apply_config(validation),
            (id, sent) = self.requests.next_sent() => self.sent(&id, sent),
            () = self.log.read() => {}
            Ok(()) = self.membership.changed() => {
                self.meters.rebalances.begin();
                self.regroup().await;
            }
            () = self.statuses.changed(), if self.waits_for_statuses() => self.sync_tasks(),
            () = sleep_until(wakes_at.unwrap_or_else(Instant::now)), if wakes_at.is_some() => {
                self.regroup().await;
            }
            () = sleep_until(tasks_wake_at.unwrap_or_else(Instant::now)),
                if tasks_wake_at.is_some() => self.sync_tasks(),
        }
        Loop::GoOn
    }

    /// Takes in the requests that have come meanwhile, of this worker's callers and of others', so
    /// that they share transactions.
    async fn take_requests(&mut self) -> Loop {
        for _ in 0..COMMANDS {
            if let Ok(command) = self.commands.try_recv() {
                if self.carry_out(command) == Loop::End {
                    return Loop::End;
                }
            } else if let Some(validation) = self.config_changes.ended() {
                self.apply_config(validation);
            } else {
                break;
            }
        }
        for _ in 0..COMMANDS {
            tokio::select! {
                biased;
                () = self.log.read() => {}
                () = ready(()) => break,
            }
        }
        Loop::GoOn
    }

    fn carry_out(&mut self, command: Command) -> Loop {
        match command {
            Command::Configure(name, change, reply) => self.configure(&name, change, reply),
            Command::Delete(name, reply) => self.delete(name, reply),
            Command::SetTargetState(name, state, reply) => {
                self.set_target_state(name, state, reply);
            }
            Command::Restart(restart, reply) => self.restart(restart, reply),
            Command::RestartTask(id, reply) => self.restart_task(id, reply),
            Command::ResetTopics(name, reply) => {
                self.statuses.forget_topics(&name);
                answer(reply, Ok(()));
            }
            Command::Shutdown => return self.leave(),
        }
        Loop::GoOn
    }

    /// Carries out the orders that wait and acts upon all changes that were read, until there are
    /// none: each write of a leader reads what others have written in front of it. Each round
    /// places its tasks, so that orders without end keep none of them waiting.
    async fn act(&mut self) {
        while self.carry_out_orders().await || self.log.has_changes() {
            self.act_upon_changes().await;
            self.place().await;
            self.sync_tasks();
            self.resume_answered();
        }
    }

    async fn act_upon_changes(&mut self) {
        while self.log.has_changes() {
            let changes = self.log.take_changes();
            self.reconcile(&changes).await;
            for change in changes {
                self.act_upon(change);
            }
        }
    }

    fn act_upon(&mut self, change: Change) {
        match change {
            Change::Restart(Restart {
                name,
                scope: RestartScope::ConnectorAndTasks,
                instances,
            }) => self.tasks.restart(&name, instances, &self.statuses),
            Change::RestartTask(id) => {
                self.tasks.retry_held(&id.connector);
                self.tasks.restart_task(&id, &self.statuses);
            }
            Change::RestartedTask(name) | Change::Tasks(name) => self.tasks.retry_held(&name),
            Change::ReadBack(mark) => self.catching_up.read_back(&mark),
            Change::Workers => self.meters.rebalances.begin(),
            Change::Connector(_)
            | Change::TargetState(_)
            | Change::Restart(_)
            | Change::Placement
            | Change::Order
            | Change::Answer(_) => {}
        }
    }

    /// The leader looks at the connectors that have changed.
    async fn reconcile(&mut self, changes: &[Change]) {
        let Some(leader) = &mut self.leader else {
            return;
        };
        let changed: BTreeSet<&str> = changes.iter().filter_map(Change::of_connector).collect();
        let reconciled = leader
            .reconcile(changed, &mut self.log, &self.statuses)
            .await;
        self.led(reconciled);
    }

    /// Stops all tasks, says so, and leaves the group.
    async fn end(self) {
        self.tasks.stop_all(&self.log.cluster, &self.statuses).await;
        let is_last = self.log.coordination.workers().len() <= 1;
        if let Some(leader) = self.leader.filter(|_| is_last) {
            leader.end(&self.log.cluster, &self.statuses);
        }
        self.statuses.finish().await;
        let left = tokio::task::spawn_blocking(move || drop(self.member)).await;
        if let Err(cause) = left {
            error!(error = %cause, "could not leave the group");
        }
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
