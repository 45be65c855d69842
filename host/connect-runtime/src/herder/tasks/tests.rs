//! A task whose failures are scripted: what becomes of it by `task.restart.*`, by hand, and when it
//! moves.

use std::time::Duration;

use connect_api::{Error, Properties};
use connect_wasm::{WasmOptions, WasmPlugins};
use tokio::sync::mpsc;

use super::*;
use crate::config::WorkerConfig;
use crate::config::tests::minimal;
use crate::herder::WorkerInstance;
use crate::metrics::TaskSeries;
use crate::plugins::Plugins;
use crate::storage::{MemoryLog, NoConsumerGroups, SourceOffsets, records};
use crate::task_control::Reports;
use crate::topic_tracking::ForgottenTopics;

/// A worker with one task. What its thread says is not heard: the script speaks in its place.
struct Stage {
    tasks: Tasks,
    cluster: ClusterState,
    statuses: Statuses,
    mine: BTreeSet<ConnectorTaskId>,
    now: Instant,
    _unheard: mpsc::Receiver<TaskEvent>,
}

fn id() -> ConnectorTaskId {
    ConnectorTaskId::new("c", 0)
}

fn config(options: &[(&str, &str)]) -> Properties {
    let class = [("connector.class", "Scripted"), ("topics", "t")];
    let all = class.iter().chain(options);
    all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

impl Stage {
    async fn new(worker: &[(&str, &str)], connector: &[(&str, &str)]) -> Self {
        let config = Arc::new(WorkerConfig::new(&minimal(worker)).unwrap());
        let wasm = WasmPlugins::new(WasmOptions::default()).unwrap();
        let shared = Arc::new(Shared {
            plugins: Arc::new(Plugins::new(Vec::new(), wasm)),
            groups: Box::new(NoConsumerGroups),
            source_offsets: Arc::new(SourceOffsets::new(&config)),
            cluster_id: None,
            instance: WorkerInstance::new(&config),
            config,
        });
        let (events, unheard) = mpsc::channel(1024);
        let worker = Worker::new(
            Arc::clone(&shared.config),
            Arc::clone(&shared.plugins),
            Arc::clone(&shared.source_offsets),
            events,
        );
        let log = Box::new(MemoryLog::default());
        let statuses = Statuses::start(log, &shared.instance, ForgottenTopics::default())
            .await
            .unwrap();
        let mut stage = Self {
            tasks: Tasks::new(shared, worker),
            cluster: ClusterState::default(),
            statuses,
            mine: BTreeSet::from([id()]),
            now: Instant::now(),
            _unheard: unheard,
        };
        stage.configure(connector);
        stage.sync();
        stage
    }

    fn configure(&mut self, options: &[(&str, &str)]) {
        let config = config(options);
        self.cluster.apply(records::connector("c", &config));
        for record in records::tasks("c", &[config]) {
            self.cluster.apply(record);
        }
    }

    fn target(&mut self, state: TargetState) {
        self.cluster.apply(records::target_state("c", state));
        self.sync();
    }

    fn sync(&mut self) {
        self.tasks
            .sync(&self.cluster, &self.mine, &self.statuses, self.now);
    }

    fn status(&self) -> Status {
        self.statuses.get(&StatusKey::Task(id())).unwrap()
    }

    fn says(&mut self, state: TaskState) {
        let event = TaskEvent {
            connector: "c".into(),
            task: 0,
            generation: self.status().generation,
            state,
        };
        self.tasks.event(event, &self.statuses, self.now);
    }

    /// The task fails, as it would tell it.
    fn fails(&mut self, error: &Error) {
        let (sender, mut events) = mpsc::channel(1);
        let reports = Reports::new(sender, "c", 0, self.status().generation);
        reports.failed("WorkerSinkTask", error);
        let event = events.try_recv().unwrap();
        self.tasks.event(event, &self.statuses, self.now);
        assert_eq!(self.status().state, State::Failed);
    }

    fn wakes_in(&self) -> Option<Duration> {
        let at = self.tasks.wakes_at(&self.cluster)?;
        Some(at.saturating_duration_since(self.now))
    }

    /// Time passes; whether the task was started meanwhile.
    fn starts_in(&mut self, time: Duration) -> bool {
        let before = self.status().generation;
        self.now += time;
        self.sync();
        self.status().generation > before
    }

    /// The task fails, and is started again by its policy.
    fn restarted_after(&mut self, error: &Error) {
        self.fails(error);
        let wait = self.wakes_in().unwrap();
        assert!(self.starts_in(wait));
    }
}

const SECOND: Duration = Duration::from_secs(1);
const TRANSIENT: &[(&str, &str)] = &[("task.restart.policy", "transient")];

fn away() -> Error {
    Error::fatal("gave up").transient()
}

fn errant() -> Error {
    Error::fatal("Tolerance exceeded").of_record("t-0 at offset 7")
}

#[tokio::test]
async fn a_failed_task_is_restarted_at_its_time_and_says_so() {
    let mut stage = Stage::new(&[], TRANSIENT).await;
    for (restarts, wait) in [5, 10, 20, 40, 80, 160, 300, 300].iter().enumerate() {
        stage.fails(&away());
        let failed = stage.status();
        assert_eq!(failed.restarts as usize, restarts);
        assert!(failed.trace.is_some() && failed.next_restart.is_some());
        let message = failed.message.unwrap();
        let number = format!("{} in a row", restarts + 1);
        assert!(message.contains(&number), "{message}");
        assert!(message.contains(&failed.next_restart.unwrap()), "{message}");
        assert_eq!(stage.wakes_in(), Some(*wait * SECOND));
        assert!(!stage.starts_in((*wait - 1) * SECOND));
        assert!(stage.starts_in(SECOND));
        let started = stage.status();
        assert_eq!(started.restarts as usize, restarts + 1);
        assert_eq!((started.trace, started.message), (None, None));
        assert_eq!(started.next_restart, None);
    }
}

#[tokio::test]
async fn without_a_policy_a_failed_task_stays_failed() {
    let mut stage = Stage::new(&[], &[]).await;
    stage.fails(&away());
    let status = stage.status();
    assert_eq!((status.message, status.next_restart), (None, None));
    assert_eq!(stage.wakes_in(), None);
    assert!(!stage.starts_in(100_000 * SECOND));
    // The worker's policy is that of connectors that have none; one can be without.
    let worker = [("task.restart.policy", "always")];
    let mut stage = Stage::new(&worker, &[]).await;
    stage.fails(&Error::config("wrong"));
    assert_eq!(stage.wakes_in(), Some(5 * SECOND));
    let mut stage = Stage::new(&worker, &[("task.restart.policy", "off")]).await;
    stage.fails(&Error::config("wrong"));
    assert_eq!(stage.wakes_in(), None);
}

#[tokio::test]
async fn what_no_time_mends_is_not_restarted() {
    let mut stage = Stage::new(&[], TRANSIENT).await;
    stage.fails(&Error::config("an option is wrong"));
    assert_eq!(stage.wakes_in(), None);
    let message = stage.status().message.unwrap();
    assert!(message.contains("not restarted"), "{message}");
    for policy in ["transient", "always"] {
        let mut stage = Stage::new(&[], &[("task.restart.policy", policy)]).await;
        for _ in 0..2 {
            stage.restarted_after(&errant());
        }
        stage.fails(&errant());
        assert_eq!(stage.wakes_in(), None);
        let message = stage.status().message.unwrap();
        assert!(message.contains("t-0 at offset 7"), "{message}");
        assert!(!stage.starts_in(100_000 * SECOND));
    }
}

#[tokio::test]
async fn no_more_restarts_than_allowed_and_anew_after_a_healthy_window() {
    let limited = [
        ("task.restart.policy", "always"),
        ("task.restart.max.attempts", "2"),
        ("task.restart.window.ms", "60000"),
    ];
    let mut stage = Stage::new(&[], &limited).await;
    for _ in 0..2 {
        stage.restarted_after(&Error::fatal("a bug"));
    }
    stage.says(TaskState::Running);
    stage.now += 59 * SECOND;
    stage.sync();
    assert_eq!(stage.status().restarts, 2);
    assert_eq!(stage.wakes_in(), Some(SECOND));
    stage.now += SECOND;
    stage.sync();
    assert_eq!(stage.status().restarts, 0);
    assert_eq!(stage.wakes_in(), None);
    for _ in 0..2 {
        stage.restarted_after(&Error::fatal("a bug"));
    }
    stage.fails(&Error::fatal("a bug"));
    assert_eq!(stage.wakes_in(), None);
    let message = stage.status().message.unwrap();
    assert!(message.contains("task.restart.max.attempts"), "{message}");
}

#[tokio::test]
async fn a_paused_connectors_task_waits_until_it_is_resumed() {
    let mut stage = Stage::new(&[], TRANSIENT).await;
    stage.fails(&away());
    stage.target(TargetState::Paused);
    assert_eq!(stage.wakes_in(), None);
    assert!(!stage.starts_in(1_000 * SECOND));
    let before = stage.status().generation;
    stage.target(TargetState::Started);
    assert!(stage.status().generation > before);
    assert_eq!(stage.status().restarts, 1);
}

#[tokio::test]
async fn by_hand_and_by_config_it_starts_at_once_and_counts_anew() {
    let by_hand = |stage: &mut Stage| stage.tasks.restart_task(&id(), &stage.statuses);
    let all = |stage: &mut Stage| {
        let instances = RestartInstances::OnlyFailed;
        stage.tasks.restart("c", instances, &stage.statuses);
    };
    let by_config = |stage: &mut Stage| stage.configure(TRANSIENT);
    for restart in [&by_hand as &dyn Fn(&mut Stage), &all, &by_config] {
        let mut stage = Stage::new(&[], TRANSIENT).await;
        stage.restarted_after(&away());
        stage.fails(&away());
        restart(&mut stage);
        assert!(stage.starts_in(Duration::ZERO));
        assert_eq!(stage.status().restarts, 0);
        assert_eq!(stage.wakes_in(), None);
        stage.fails(&away());
        assert_eq!(stage.wakes_in(), Some(5 * SECOND));
    }
}

#[tokio::test]
async fn a_task_that_moves_takes_its_count_along() {
    let mut stage = Stage::new(&[], TRANSIENT).await;
    stage.restarted_after(&away());
    stage.fails(&away());
    let mine = std::mem::take(&mut stage.mine);
    stage.sync();
    let given_up = stage.status();
    assert_eq!(given_up.state, State::Unassigned);
    assert_eq!((given_up.restarts, given_up.next_restart), (1, None));
    assert_eq!(stage.wakes_in(), None);
    assert!(!stage.starts_in(1_000 * SECOND));
    // Whoever gets it starts it at once, as with Kafka Connect.
    stage.mine = mine;
    assert!(stage.starts_in(Duration::ZERO));
    assert_eq!(stage.status().restarts, 1);
    stage.fails(&away());
    assert_eq!(stage.wakes_in(), Some(10 * SECOND));
}

#[tokio::test]
async fn a_connector_that_is_stopped_or_deleted_has_no_restarts() {
    let mut stage = Stage::new(&[], TRANSIENT).await;
    stage.restarted_after(&away());
    stage.fails(&away());
    for record in records::tasks("c", &[]) {
        stage.cluster.apply(record);
    }
    stage.mine.clear();
    stage.sync();
    assert_eq!(stage.wakes_in(), None);
    assert!(!stage.starts_in(1_000 * SECOND));
}

impl Stage {
    fn series(&self) -> Vec<TaskSeries> {
        self.tasks.shown().series(&self.statuses.reader())
    }

    /// Counts something of the only task, and gives what is counted by then.
    fn counts(&self) -> f64 {
        let series = self.series();
        assert_eq!(series.len(), 1, "{series:?}");
        let retries = &series[0].meters.common().retries;
        retries.increment(1);
        retries.total()
    }

    /// Waits for the end of a task that was told to stop.
    async fn ends(&mut self) {
        let id = self.tasks.next_end().await;
        self.tasks.ended(&id, &self.cluster, &self.statuses);
    }
}

#[tokio::test]
async fn the_series_of_a_task_begin_anew_with_each_start() {
    let mut stage = Stage::new(&[], TRANSIENT).await;
    stage.says(TaskState::Running);
    assert_eq!((stage.counts(), stage.counts()), (1.0, 2.0));
    assert_eq!(stage.series()[0].state, State::Running);
    // A task that has failed is seen as it was.
    stage.fails(&away());
    assert_eq!(stage.series()[0].state, State::Failed);
    assert_eq!(stage.counts(), 3.0);
    let wait = stage.wakes_in().unwrap();
    assert!(stage.starts_in(wait));
    assert_eq!(stage.counts(), 1.0);
    assert_eq!(stage.series()[0].restarts.count, 1);
    // By hand, from one that runs: until its end it is seen once.
    stage.says(TaskState::Running);
    stage.tasks.restart_task(&id(), &stage.statuses);
    stage.sync();
    assert_eq!(stage.series()[0].state, State::Restarting);
    assert_eq!(stage.counts(), 2.0);
    stage.ends().await;
    stage.sync();
    assert_eq!(stage.counts(), 1.0);
}

#[tokio::test]
async fn the_series_of_a_task_end_when_it_moves_or_is_deleted() {
    for (runs, stays) in [(true, true), (true, false), (false, true), (false, false)] {
        let mut stage = Stage::new(&[], TRANSIENT).await;
        match runs {
            true => stage.says(TaskState::Running),
            false => stage.fails(&away()),
        }
        stage.counts();
        if !stays {
            for record in records::tasks("c", &[]) {
                stage.cluster.apply(record);
            }
        }
        stage.mine.clear();
        stage.sync();
        if runs {
            assert!(stage.tasks.is_leaving());
            assert_eq!(stage.counts(), 2.0);
            stage.ends().await;
        }
        assert!(!stage.tasks.is_leaving());
        assert_eq!(stage.series().len(), 0, "runs: {runs}, stays: {stays}");
    }
}

#[tokio::test]
async fn each_start_of_a_task_is_counted_once() {
    let mut stage = Stage::new(&[], TRANSIENT).await;
    let counted = |stage: &Stage| {
        let starts = stage.tasks.shown().starts();
        (starts.successes(), starts.failures())
    };
    assert_eq!(counted(&stage), (0.0, 0.0));
    stage.says(TaskState::Running);
    stage.says(TaskState::Paused);
    stage.says(TaskState::Running);
    stage.fails(&away());
    assert_eq!(counted(&stage), (1.0, 0.0));
    let wait = stage.wakes_in().unwrap();
    assert!(stage.starts_in(wait));
    stage.fails(&away());
    assert_eq!(counted(&stage), (1.0, 1.0));
}
