//! The worker: starts tasks, and gives handles to stop, pause and resume them.

mod places;
mod read_back;
mod source;

use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{
    DeadLetterStorage, Error, Properties, Result, SinkTask, StateStore, TaskContext,
};
use connect_kafka::output_topic_refusal;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, info_span, warn};

use crate::config::WorkerConfig;
use crate::connector_config::{ConnectorConfig, class_of, provided_options};
use crate::connectors::{RegisteredConnector, RegisteredSink};
use crate::descriptors::{TaskClaim, TaskDescriptors};
use crate::errors::{DeadLetterQueue, ErrorConfig, ErrorReporter};
use crate::kafka::settings::{Client, ClientSettings};
use crate::metrics::{ClientKind, TaskMeters, TaskMetrics};
use crate::plugins::{Plugins, converters};
use crate::sink_task::{
    KafkaConsumer, PollLimits, SinkTaskParts, TransformationChain, WorkerSinkTask, Writer,
    WriterParts,
};
use crate::source_task::WorkerSourceTask;
use crate::storage::SourceOffsets;
use crate::task_control::{Control, Reports};
pub use crate::task_control::{TaskEvent, TaskFailure, TaskState};
use crate::topic_tracking::ForgottenTopics;
use places::{PartitionCounts, Place};

/// One start of a task.
#[derive(Clone, Copy, Debug)]
pub struct TaskId<'a> {
    /// The connector.
    pub connector: &'a str,
    /// The number of the task.
    pub task: u32,
    /// Which start of the task this is.
    pub generation: u64,
}

/// Starts tasks.
#[derive(Debug)]
pub struct Worker {
    config: Arc<WorkerConfig>,
    plugins: Arc<Plugins>,
    source_offsets: Arc<SourceOffsets>,
    counts: Arc<PartitionCounts>,
    events: mpsc::Sender<TaskEvent>,
    descriptors: Arc<TaskDescriptors>,
    topics: Option<ForgottenTopics>,
}

/// A running task.
#[derive(Debug)]
pub struct TaskHandle {
    name: String,
    control: Arc<Control>,
    done: oneshot::Receiver<()>,
}

impl Worker {
    /// A worker that reports to `events`.
    pub fn new(
        config: Arc<WorkerConfig>,
        plugins: Arc<Plugins>,
        source_offsets: Arc<SourceOffsets>,
        events: mpsc::Sender<TaskEvent>,
    ) -> Self {
        Self {
            config,
            plugins,
            source_offsets,
            counts: Arc::default(),
            events,
            descriptors: TaskDescriptors::new(),
            topics: None,
        }
    }

    /// The same, whose tasks tell of the topics that they are active in.
    #[must_use]
    pub fn tracking_topics(mut self, forgotten: ForgottenTopics) -> Self {
        self.topics = Some(forgotten).filter(|_| self.config.topic_tracking());
        self
    }

    /// Starts a task on threads of its own; what goes wrong from now on is an event.
    /// `config` is the task's config as it is stored: its config providers are asked on the task's
    /// thread. Called on the runtime.
    pub fn start_task(
        &self,
        id: TaskId<'_>,
        config: Properties,
        control: Control,
        meters: TaskMeters,
    ) -> TaskHandle {
        let TaskId {
            connector,
            task,
            generation,
        } = id;
        let name = format!("{connector}-{task}");
        let control = Arc::new(control);
        let reports = Reports::new(self.events.clone(), connector, task, generation)
            .with_topics(self.topics.clone());
        let (finished, done) = oneshot::channel();
        let start = TaskStart {
            worker: Arc::clone(&self.config),
            plugins: Arc::clone(&self.plugins),
            source_offsets: Arc::clone(&self.source_offsets),
            counts: Arc::clone(&self.counts),
            context: TaskContext {
                connector: connector.to_owned(),
                task,
                ..TaskContext::default()
            },
            config,
            control: Arc::clone(&control),
            reports: reports.clone(),
            runtime: Handle::current(),
            descriptors: Arc::clone(&self.descriptors),
            meters,
        };
        let worker_task = start.worker_task();
        let span = info_span!("task", connector, task);
        let thread = std::thread::Builder::new()
            .name(thread_name(&name))
            .spawn(move || {
                let _span = span.entered();
                start.run();
                // Nobody listens any more when the herder has given the task up.
                let _ = finished.send(());
            });
        if let Err(cause) = thread {
            let error = Error::fatal("cannot start a thread")
                .with_source(cause)
                .transient();
            reports.failed(worker_task, &error);
        }
        TaskHandle {
            name,
            control,
            done,
        }
    }
}

/// The name of a task's thread. A NUL cannot be in one, and a connector of the config topic may be
/// named by anything.
fn thread_name(task: &str) -> String {
    let name = task.chars().filter(|c| !c.is_control()).take(100);
    format!("task-{}", name.collect::<String>())
}

impl TaskHandle {
    /// Pauses or resumes the task.
    pub fn pause(&self, paused: bool) {
        self.control.pause(paused);
    }

    /// Tells the task to try held partitions again that it opens until then.
    pub fn retry_held(&self, until: Instant) {
        self.control.retry_held(until);
    }

    /// Tells the task to stop. It finishes or rolls back the batch in hand, commits, and leaves
    /// its group.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// Waits for the end of a stopped task. When `deadline` passes, what it has in hand is given
    /// up; the target rolls it back. True when the task has ended.
    pub async fn join(self, deadline: Duration) -> bool {
        let Self {
            name,
            control,
            mut done,
        } = self;
        if tokio::time::timeout(deadline, &mut done).await.is_ok() {
            return true;
        }
        warn!(
            task = name,
            "the task does not end in time; what it has in hand is given up"
        );
        control.abandon();
        tokio::time::timeout(Duration::from_secs(1), done)
            .await
            .is_ok()
    }
}

/// What a task is started with.
struct TaskStart {
    worker: Arc<WorkerConfig>,
    plugins: Arc<Plugins>,
    source_offsets: Arc<SourceOffsets>,
    counts: Arc<PartitionCounts>,
    context: TaskContext,
    /// As it is stored.
    config: Properties,
    control: Arc<Control>,
    reports: Reports,
    runtime: Handle,
    descriptors: Arc<TaskDescriptors>,
    meters: TaskMeters,
}

/// A task that has not begun.
enum BuiltTask {
    Sink(Box<WorkerSinkTask>, TaskClaim),
    Source(Box<WorkerSourceTask>, TaskClaim),
}

impl BuiltTask {
    fn run(self) -> Result<()> {
        match self {
            Self::Sink(task, _descriptors) => task.run(),
            Self::Source(task, _descriptors) => task.run(),
        }
    }
}

impl TaskStart {
    fn run(self) {
        let (reports, worker_task) = (self.reports.clone(), self.worker_task());
        let guarded = std::panic::AssertUnwindSafe(|| {
            let Some(task) = self.build()? else {
                return Ok(());
            };
            // A source says so itself, once it has started.
            if let BuiltTask::Sink(..) = task {
                self.reports.running();
            }
            task.run()
        });
        match std::panic::catch_unwind(guarded) {
            Ok(Ok(())) => {
                info!("stopped");
                reports.stopped();
            }
            Ok(Err(cause)) => {
                error!(error = %cause.chain(), "the task failed");
                reports.failed(worker_task, &cause);
            }
            Err(_) => {
                error!("the task panicked");
                let error = Error::fatal("the task panicked; the log has the message");
                reports.failed(worker_task, &error);
            }
        }
    }

    /// Kafka Connect's class for such a task, which traces name.
    fn worker_task(&self) -> &'static str {
        match self.plugins.connector(class_of(&self.config)) {
            Some(RegisteredConnector::Source(_)) => "WorkerSourceTask",
            _ => "WorkerSinkTask",
        }
    }

    /// None: it was told to stop before there was anything for it to do.
    fn build(&self) -> Result<Option<BuiltTask>> {
        let Self {
            worker,
            plugins,
            context,
            ..
        } = self;
        let config = ConnectorConfig::resolve(plugins, worker, &context.connector, &self.config)?;
        self.reports.restarts_by(config.restart);
        match &config.connector {
            RegisteredConnector::Sink(_) if self.wait_for_place(&config)? == Place::Stopped => {
                Ok(None)
            }
            RegisteredConnector::Sink(sink) => {
                let descriptors = self.descriptors.claim()?;
                let task = self.build_sink(&config, sink)?;
                Ok(Some(BuiltTask::Sink(Box::new(task), descriptors)))
            }
            RegisteredConnector::Source(source) => {
                let descriptors = self.descriptors.claim()?;
                let task = self.build_source(&config, source)?;
                Ok(Some(BuiltTask::Source(Box::new(task), descriptors)))
            }
        }
    }

    fn build_sink(
        &self,
        config: &ConnectorConfig,
        sink: &RegisteredSink,
    ) -> Result<WorkerSinkTask> {
        let Self {
            worker,
            plugins,
            context,
            runtime,
            ..
        } = self;
        let task = context.task;
        let settings = ClientSettings {
            worker,
            config,
            task,
        };
        let TaskMeters::Sink(metrics) = &self.meters else {
            return Err(Error::fatal(
                "the task of a sink is counted as that of a source",
            ));
        };
        let context = TaskContext {
            clients: settings.for_connector(),
            provided: provided_options(worker, config, &self.config),
            ..context.clone()
        };
        let mut sink_task = sink.task(&config.own, &context)?;
        let converters = converters(&config.converters, runtime)?;
        let chain =
            TransformationChain::new(plugins.chain(config, task)?, config.output_topics.clone());
        let provenance = chain.plugins();
        self.reports.built(provenance.clone());
        let stores = chain.stores();
        let keeps_state = !stores.is_empty();
        if keeps_state {
            keep_state(sink_task.task(), stores)?;
        }
        let sink_keeps = sink_task.task().dead_letters() == DeadLetterStorage::Sink;
        let errors = self.error_reporter(&config.errors, &settings, (sink_keeps, metrics))?;
        let errors = Arc::new(errors);
        let consumer = KafkaConsumer::new(settings.consumer()?, &config.subscription, metrics)?;
        let writer = Writer::start(
            WriterParts {
                sink: sink_task,
                keeps_state,
                class: config.connector.class().to_owned(),
                errors: Arc::clone(&errors),
                metrics: Arc::clone(metrics),
                reports: self.reports.clone(),
            },
            runtime.clone(),
        )?;
        info!(plugins = provenance, "started");
        Ok(WorkerSinkTask::new(SinkTaskParts {
            consumer: Box::new(consumer),
            converters,
            chain,
            writer,
            errors,
            metrics: Arc::clone(metrics),
            reports: self.reports.clone(),
            control: Arc::clone(&self.control),
            limits: self.limits(config.clients.consumer())?,
            commit_interval: worker.offset_flush_interval().min(COMMIT_INTERVAL),
        }))
    }

    fn error_reporter(
        &self,
        errors: &ErrorConfig,
        settings: &ClientSettings<'_>,
        (sink_keeps, metrics): (bool, &Arc<TaskMetrics>),
    ) -> Result<ErrorReporter> {
        let runtime = &self.runtime;
        let queue = match &errors.dead_letter_topic {
            None => None,
            Some(topic) => {
                let internal = self.worker.internal_topics();
                if let Some(why) = output_topic_refusal(topic, &internal) {
                    let key = "errors.deadletterqueue.topic.name";
                    return Err(Error::config(format!("{key}: {why}")));
                }
                let admin = settings.client(Client::Admin, "connector-dlq-adminclient")?;
                let producer = settings.client(Client::Producer, "connector-dlq-producer")?;
                let replication = errors.dead_letter_replication;
                runtime.block_on(DeadLetterQueue::create_topic(topic, replication, &admin))?;
                let queue = DeadLetterQueue::new(topic, &self.context, &producer)?;
                metrics
                    .common
                    .show_client(ClientKind::Producer, queue.meter());
                Some(queue)
            }
        };
        Ok(ErrorReporter::new(
            errors.clone(),
            (queue, sink_keeps),
            Arc::clone(metrics),
            runtime.clone(),
        ))
    }

    /// Of the bytes that a task may hold, a quarter goes into one transaction: one is written and
    /// one is being made, each beside the values that it was made into.
    fn limits(&self, overrides: &Properties) -> Result<PollLimits> {
        let records = match overrides.get("max.poll.records") {
            None => DEFAULT_RECORDS,
            Some(text) => text.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                Error::config("consumer.override.max.poll.records: a positive number is expected")
            })?,
        };
        Ok(PollLimits {
            records,
            bytes: self.worker.task_buffer_bytes() / 4,
        })
    }
}

/// Asks the sink to keep the state of these transforms.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when it cannot.
fn keep_state(sink: &mut dyn SinkTask, stores: Vec<StateStore>) -> Result<()> {
    if let Some(state) = sink.state() {
        return state.keep(stores);
    }
    let transforms = stores.iter().map(|store| &*store.transform);
    let transforms = transforms.collect::<Vec<_>>().join(", ");
    Err(Error::config(format!(
        "the sink keeps no state, and these transforms need it: {transforms}"
    )))
}

/// Records of one transaction, unless `consumer.override.max.poll.records` says otherwise.
const DEFAULT_RECORDS: usize = 2000;

/// Kafka is told of offsets at least this often: lag tools look at them.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
