//! What tasks count, and `GET /metrics`: Kafka Connect's metrics under the names that the exporters
//! of Kafka Connect give them, so that its dashboards and alerts find them.
//!
//! A task has its numbers for as long as the worker has the task. `snapshot` is what the herder
//! says of a worker at one moment, `tables` which metrics there are, and `exposition` writes them.

mod clients;
mod connectors;
mod exposition;
mod process;
mod recorders;
mod sensor;
mod snapshot;
mod tables;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use connect_kafka::ClientMeter;

pub use exposition::{Names, exposition};
pub(crate) use recorders::forget_task;
pub use recorders::{Buckets, install};
pub use sensor::{Counter, Gauge, Level, Outcomes, Reading, Sensor};
pub use snapshot::{
    ConnectorSeries, GroupSeries, RebalanceSeries, RestartSeries, Snapshot, TaskSeries,
};

use crate::storage::State;

/// How often the clients of tasks say what they have done, in milliseconds: more often than
/// Prometheus asks.
pub const CLIENT_STATISTICS_INTERVAL: &str = "5000";

/// What the tasks of sinks and of sources count alike.
#[derive(Debug, Default)]
pub struct CommonMetrics {
    /// Records that failed.
    pub failures: Counter,
    /// Records that failed the task.
    pub errors: Counter,
    /// Records that were passed over.
    pub skipped: Counter,
    /// Calls that were repeated.
    pub retries: Counter,
    /// Errant records that were logged.
    pub logged: Counter,
    /// Dead letters that were sent.
    pub dead_letters: Counter,
    /// Dead letters that could not be written.
    pub dead_letter_failures: Counter,
    /// When a record last failed, in milliseconds since 1970.
    pub last_error: Gauge,
    /// Records of a batch that a sink is given, or that a poll of a source gave.
    pub batch_size: Sensor,
    /// Milliseconds of a commit of offsets.
    pub commit_time: Sensor,
    /// Commits of offsets.
    pub commits: Outcomes,
    states: StateTimes,
    clients: Mutex<Vec<(ClientKind, Weak<ClientMeter>)>>,
}

/// Which of Kafka's clients it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// It reads.
    Consumer,
    /// It writes.
    Producer,
}

/// What the task of a sink counts.
#[derive(Debug, Default)]
pub struct TaskMetrics {
    /// What all tasks count.
    pub common: CommonMetrics,
    /// Records that the consumer handed to the task.
    pub read: Sensor,
    /// Records that the transforms passed on to the sink.
    pub sent: Sensor,
    /// Partitions that the task owns.
    pub partitions: Gauge,
    /// Records that are read and not yet durable.
    pub active: Level,
    /// Milliseconds that a put took, with its COMMIT.
    pub put_time: Sensor,
    /// Whether the target is away: 1, else 0.
    pub target_unavailable: Gauge,
    /// Partitions that are held, because workers died over them.
    pub held_partitions: Gauge,
}

/// What the task of a source counts.
#[derive(Debug, Default)]
pub struct SourceTaskMetrics {
    /// What all tasks count.
    pub common: CommonMetrics,
    /// Records that the source gave.
    pub polled: Sensor,
    /// Records that Kafka has acknowledged.
    pub written: Sensor,
    /// Records that wait for Kafka.
    pub active: Level,
    /// Milliseconds that a poll took that gave records.
    pub poll_time: Sensor,
    /// Records in one transaction.
    pub transaction_size: Sensor,
}

/// The metrics of one start of a task.
#[derive(Clone, Debug)]
pub enum TaskMeters {
    /// Of a sink.
    Sink(Arc<TaskMetrics>),
    /// Of a source.
    Source(Arc<SourceTaskMetrics>),
}

impl TaskMeters {
    /// Of a task that is about to be started.
    pub fn sink() -> Self {
        Self::Sink(Arc::default())
    }

    /// Of a task that is about to be started.
    pub fn source() -> Self {
        Self::Source(Arc::default())
    }

    /// What all tasks count.
    pub fn common(&self) -> &CommonMetrics {
        match self {
            Self::Sink(metrics) => &metrics.common,
            Self::Source(metrics) => &metrics.common,
        }
    }
}

impl CommonMetrics {
    /// Counts a record that failed.
    pub fn record_failed(&self) {
        self.failures.increment(1);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.last_error
            .set(now.map_or(0.0, |now| now.as_millis() as f64));
    }

    /// Counts a commit of offsets, and how long it took.
    pub fn committed(&self, took: Duration) {
        self.commits.succeed();
        self.commit_time.took(took);
    }

    /// The task is in this state from now on.
    pub fn enter(&self, state: State) {
        self.states.enter(state, Instant::now());
    }

    /// Which part of its life the task was in a state, from 0 to 1.
    pub fn time_in(&self, state: State) -> f64 {
        self.states.part(state, Instant::now())
    }

    /// Shows a client for as long as it is there.
    pub fn show_client(&self, kind: ClientKind, meter: &Arc<ClientMeter>) {
        let mut clients = lock(&self.clients);
        clients.retain(|(_, meter)| meter.strong_count() > 0);
        clients.push((kind, Arc::downgrade(meter)));
    }

    /// The clients that are there.
    pub fn clients(&self) -> Vec<(ClientKind, Arc<ClientMeter>)> {
        let clients = lock(&self.clients);
        let there = clients.iter();
        there
            .filter_map(|(kind, meter)| Some((*kind, meter.upgrade()?)))
            .collect()
    }
}

/// How long a task was in which state.
#[derive(Debug, Default)]
struct StateTimes(Mutex<Option<Times>>);

#[derive(Clone, Copy, Debug)]
struct Times {
    state: State,
    since: Instant,
    running: Duration,
    paused: Duration,
    other: Duration,
}

impl Times {
    /// What is added up, with the state that it is in.
    fn until(mut self, now: Instant) -> Self {
        let time = match self.state {
            State::Running => &mut self.running,
            State::Paused => &mut self.paused,
            _ => &mut self.other,
        };
        *time += now.saturating_duration_since(self.since);
        self.since = now;
        self
    }
}

impl StateTimes {
    fn enter(&self, state: State, now: Instant) {
        let mut times = lock(&self.0);
        let begun = Times {
            state,
            since: now,
            running: Duration::ZERO,
            paused: Duration::ZERO,
            other: Duration::ZERO,
        };
        let until_now = times.map_or(begun, |times| times.until(now));
        *times = Some(Times { state, ..until_now });
    }

    fn part(&self, state: State, now: Instant) -> f64 {
        let Some(times) = *lock(&self.0) else {
            return 0.0;
        };
        let times = times.until(now);
        let all = times.running + times.paused + times.other;
        let time = match state {
            State::Running => times.running,
            State::Paused => times.paused,
            _ => times.other,
        };
        if all.is_zero() {
            return 0.0;
        }
        time.as_secs_f64() / all.as_secs_f64()
    }
}

/// What is behind these locks is whole after each of its changes.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
