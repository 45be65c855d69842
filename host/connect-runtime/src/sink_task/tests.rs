//! Tests of the loop on a scripted consumer and a scripted sink: each branch, without a broker.

mod deaths;
mod hostile;
mod kafka;
mod lost;
mod opening;
mod ownership;
mod parts;
mod predicates;
mod retries;
mod sink;
mod turns;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use connect_api::{Error, Offset, Result, Tolerance, TopicPartition};
use connect_kafka::TaskSink;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::consume::Rebalance;
use super::{
    ChainStep, Converters, PollLimits, SinkTaskParts, StepKind, TransformationChain,
    WorkerSinkTask, Writer, WriterParts,
};
use crate::connector_config::OutputTopics;
use crate::errors::{ErrorConfig, ErrorReporter, RetryPolicy};
use crate::metrics::TaskMetrics;
use crate::sink_task_loop::timing::Timing;
use crate::task_control::{Control, Reports, TaskEvent, TaskState};
use kafka::{Call, Kafka, ScriptedConsumer};
use parts::{Counter, Fragile, Services, TextConverter};
use sink::{ScriptedSink, Target};

/// What a test and a thread of the task both see.
type Shared<T> = Arc<Mutex<T>>;

/// What a task of a test is like.
struct Setup {
    timing: Timing,
    limits: PollLimits,
    tolerance: Tolerance,
    retry: RetryPolicy,
    commit_interval: Duration,
    /// Whether there is a [`Counter`], and how often it is ticked.
    counter: Option<Option<Duration>>,
    /// Whether there is a [`Fragile`].
    fragile: bool,
}

const MILLISECOND: Duration = Duration::from_millis(1);
/// What is never over in a test.
const LONG: Duration = Duration::from_secs(60);

impl Default for Setup {
    fn default() -> Self {
        Self {
            timing: Timing {
                idle_wait: MILLISECOND,
                busy_wait: MILLISECOND,
                pause_consumer_after: LONG,
                answer_group_after: LONG,
                final_commit_timeout: LONG,
                revoke_drain_timeout: LONG,
                rewind_pause: 5 * MILLISECOND,
                verify_interval: 2 * MILLISECOND,
                marker_wait: MILLISECOND,
            },
            limits: PollLimits {
                records: 100,
                bytes: 1000,
            },
            tolerance: Tolerance::None,
            retry: RetryPolicy {
                timeout: None,
                first_delay: MILLISECOND,
                max_delay: 4 * MILLISECOND,
            },
            commit_interval: Duration::ZERO,
            counter: None,
            fragile: false,
        }
    }
}

/// A task, and all that is around it.
struct Bench {
    task: Option<WorkerSinkTask>,
    kafka: Shared<Kafka>,
    target: Shared<Target>,
    services: Shared<Services>,
    control: Arc<Control>,
    events: mpsc::Receiver<TaskEvent>,
    _runtime: Runtime,
}

fn partition(number: i32) -> TopicPartition {
    TopicPartition::new("t", number)
}

impl Setup {
    fn error_config(&self) -> ErrorConfig {
        ErrorConfig {
            retry: self.retry,
            tolerance: self.tolerance,
            log: false,
            log_messages: false,
            dead_letter_topic: None,
            dead_letter_replication: 1,
            context_headers: false,
        }
    }

    /// The task, with these partitions on their way to it.
    fn start(self, assigned: &[TopicPartition]) -> Bench {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .build()
            .unwrap();
        let (sender, events) = mpsc::channel(1000);
        let reports = Reports::new(sender, "c", 0, 1);
        let metrics = Arc::<TaskMetrics>::default();
        let handle = runtime.handle().clone();
        let config = self.error_config();
        let errors =
            ErrorReporter::new(config, (None, false), Arc::clone(&metrics), handle.clone());
        let errors = Arc::new(errors);
        let kafka = Shared::<Kafka>::default();
        let target = Shared::<Target>::default();
        let services = Shared::<Services>::default();
        let writer = WriterParts {
            sink: TaskSink::Plain(Box::new(ScriptedSink::new(Arc::clone(&target)))),
            keeps_state: false,
            class: "ScriptedSink".to_owned(),
            errors: Arc::clone(&errors),
            metrics: Arc::clone(&metrics),
            reports: reports.clone(),
        };
        let step = self.counter.map(|tick_interval| ChainStep {
            alias: "count".to_owned(),
            class: "Counter".to_owned(),
            predicate: None,
            transformation: StepKind::Batch(Box::new(Counter::new(&services, tick_interval))),
        });
        let fragile = self.fragile.then(|| ChainStep {
            alias: "fragile".to_owned(),
            class: "Fragile".to_owned(),
            predicate: None,
            transformation: StepKind::Record(Box::new(Fragile)),
        });
        let converter = || Box::new(TextConverter(Arc::clone(&services)));
        let control = Arc::new(Control::default());
        let parts = SinkTaskParts {
            consumer: Box::new(ScriptedConsumer(Arc::clone(&kafka))),
            converters: Converters {
                key: converter(),
                value: converter(),
                header: converter(),
            },
            chain: TransformationChain::new(
                fragile.into_iter().chain(step).collect(),
                OutputTopics::Any,
            ),
            writer: Writer::start(writer, handle).unwrap(),
            errors,
            metrics,
            reports,
            control: Arc::clone(&control),
            limits: self.limits,
            commit_interval: self.commit_interval,
        };
        let bench = Bench {
            task: Some(WorkerSinkTask::with_timing(parts, self.timing)),
            kafka,
            target,
            services,
            control,
            events,
            _runtime: runtime,
        };
        bench.order(Rebalance::Assign(assigned.to_vec()));
        bench
    }
}

impl Bench {
    fn order(&self, change: Rebalance) {
        self.kafka.lock().unwrap().rebalances.push_back(change);
    }

    fn produce(&self, number: i32, values: &[&str]) {
        let values = values.iter().copied();
        self.kafka
            .lock()
            .unwrap()
            .produce(&partition(number), values);
    }

    fn close_gate(&self) {
        self.target.lock().unwrap().gate_is_closed = true;
    }

    fn open_gate(&self) {
        self.target.lock().unwrap().gate_is_closed = false;
    }

    /// Opens the gate while the task waits for the sink.
    fn open_gate_after(&self, wait: Duration) {
        let target = Arc::clone(&self.target);
        std::thread::spawn(move || {
            std::thread::sleep(wait);
            target.lock().unwrap().gate_is_closed = false;
        });
    }

    fn turn(&mut self) -> Result<()> {
        self.task.as_mut().unwrap().turn()
    }

    /// Turns until it is so.
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            self.turn().unwrap();
            assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        }
    }

    /// Turns until the task fails.
    fn failure(&mut self) -> Error {
        let start = Instant::now();
        loop {
            if let Err(error) = self.turn() {
                return error;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "it never fails");
        }
    }

    fn rows(&self, number: i32) -> Vec<String> {
        let target = self.target.lock().unwrap();
        target
            .rows
            .get(&partition(number))
            .cloned()
            .unwrap_or_default()
    }

    fn stored(&self, number: i32) -> Option<Offset> {
        self.target
            .lock()
            .unwrap()
            .stored
            .get(&partition(number))
            .copied()
    }

    fn committed(&self, number: i32) -> Option<Offset> {
        self.kafka
            .lock()
            .unwrap()
            .committed
            .get(&partition(number))
            .copied()
    }

    fn count(&self, call: &Call) -> usize {
        self.kafka.lock().unwrap().count(call)
    }

    fn puts(&self) -> usize {
        self.target.lock().unwrap().puts
    }

    /// The states that the herder was told of.
    fn states(&mut self) -> Vec<TaskState> {
        let mut states = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            states.push(event.state);
        }
        states
    }

    /// Stops the task and waits for its end.
    fn stop(&mut self) -> Result<()> {
        self.control.stop();
        self.task.take().unwrap().run()
    }
}

impl Drop for Bench {
    /// The sink's thread ends once its put does.
    fn drop(&mut self) {
        self.target
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .gate_is_closed = false;
    }
}
