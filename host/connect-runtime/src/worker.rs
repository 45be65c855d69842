//! The worker: starts tasks, and gives handles to stop, pause and resume them.

use std::sync::Arc;
use std::time::Duration;

use connect_api::{Error, Properties, Result, TaskContext};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, info_span, warn};

use crate::config::WorkerConfig;
use crate::config_provider::Provided;
use crate::errors::{DeadLetterQueue, ErrorConfig, ErrorReporter};
use crate::kafka::settings::{ClientSettings, overrides};
use crate::metrics::TaskMetrics;
use crate::plugins::Plugins;
use crate::task::{
    Consumer, Converters, HeaderConverter, PollLimits, SinkTaskParts, Subscription,
    TransformationChain, WorkerSinkTask, Writer, WriterParts,
};
use crate::task_control::{Control, Reports};

/// What a task tells of itself. The herder writes it to the status topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It is made, with these plugins.
    Built(Option<String>),
    /// It polls.
    Running,
    /// What it waits for, in whatever state it is; none: it waits no more.
    Waiting(Option<String>),
    /// It is paused.
    Paused,
    /// It ended with an error.
    Failed {
        /// Java-like: clients read it line by line.
        trace: String,
    },
    /// It ended as it was told to.
    Stopped,
}

/// A change of a task's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskEvent {
    /// The connector.
    pub connector: String,
    /// The task.
    pub task: u32,
    /// Which start of the task this is about: late news of a former one is to be ignored.
    pub generation: u64,
    /// The new state.
    pub state: TaskState,
}

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
    events: mpsc::Sender<TaskEvent>,
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
        events: mpsc::Sender<TaskEvent>,
    ) -> Self {
        Self {
            config,
            plugins,
            events,
        }
    }

    /// Starts a task on threads of its own; what goes wrong from now on is an event.
    /// `config` is the connector's configuration with its config providers resolved, and what they
    /// gave. Called on the runtime.
    pub fn start_task(
        &self,
        id: TaskId<'_>,
        (config, provided): (Properties, Provided),
        paused: bool,
    ) -> TaskHandle {
        let TaskId {
            connector,
            task,
            generation,
        } = id;
        let name = format!("{connector}-{task}");
        let control = Arc::new(Control::new(paused));
        let reports = Reports::new(self.events.clone(), connector, task, generation);
        let (finished, done) = oneshot::channel();
        let start = TaskStart {
            worker: Arc::clone(&self.config),
            plugins: Arc::clone(&self.plugins),
            context: TaskContext {
                connector: connector.to_owned(),
                task,
                clients: None,
            },
            config,
            provided,
            control: Arc::clone(&control),
            reports: reports.clone(),
            runtime: tokio::runtime::Handle::current(),
        };
        let span = info_span!("task", connector, task);
        let thread = std::thread::Builder::new()
            .name(format!("task-{name}"))
            .spawn(move || {
                let _span = span.entered();
                start.run();
                // Nobody listens any more when the herder has given the task up.
                let _ = finished.send(());
            });
        if let Err(cause) = thread {
            reports.failed(&Error::fatal("cannot start a thread").with_source(cause));
        }
        TaskHandle {
            name,
            control,
            done,
        }
    }
}

impl TaskHandle {
    /// Pauses or resumes the task.
    pub fn pause(&self, paused: bool) {
        self.control.pause(paused);
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
    context: TaskContext,
    config: Properties,
    provided: Provided,
    control: Arc<Control>,
    reports: Reports,
    runtime: tokio::runtime::Handle,
}

impl TaskStart {
    fn run(self) {
        let reports = self.reports.clone();
        let guarded = std::panic::AssertUnwindSafe(|| {
            let task = self.build()?;
            self.reports.running();
            task.run()
        });
        match std::panic::catch_unwind(guarded) {
            Ok(Ok(())) => {
                info!("stopped");
                reports.stopped();
            }
            Ok(Err(cause)) => {
                error!(error = %cause.chain(), "the task failed");
                reports.failed(&cause);
            }
            Err(_) => {
                error!("the task panicked");
                reports.failed(&Error::fatal("the task panicked; the log has the message"));
            }
        }
    }

    fn build(&self) -> Result<WorkerSinkTask> {
        let Self {
            worker,
            plugins,
            context,
            config,
            provided,
            runtime,
            ..
        } = self;
        let TaskContext {
            connector, task, ..
        } = context;
        let metrics = Arc::new(TaskMetrics::new(connector, *task));
        let class = config.get("connector.class").map_or("", String::as_str);
        let sink = plugins
            .sink(class)
            .ok_or_else(|| Error::config(format!("connector.class {class} is not known")))?;
        let sink_config = sink.config_def().parse(&sink.normalise(config))?;
        let context = TaskContext {
            clients: Some(Arc::new(self.settings().lent()?)),
            ..context.clone()
        };
        let mut sink_task = sink.task(&sink_config, &context)?;
        let (key, value) = plugins.converters(config, worker, runtime.clone())?;
        let header = HeaderConverter::new(&worker.header_converter(config))?;
        let chain = plugins.chain(connector, *task, (config, provided))?;
        let chain = TransformationChain::new(chain);
        let provenance = chain.plugins();
        self.reports.built(provenance.clone());
        let stores = chain.stores();
        if !stores.is_empty() {
            sink_task.keep_state(stores)?;
        }
        let sink_keeps = sink_task.keeps_dead_letters();
        let errors = Arc::new(self.error_reporter(sink_keeps, Arc::clone(&metrics))?);
        let overrides = overrides(config, "consumer.override.");
        let consumer_config = self.settings().consumer(&overrides)?;
        let consumer = Consumer::new(consumer_config, &subscription(config))?;
        let writer = Writer::start(
            WriterParts {
                sink: sink_task,
                class: sink.classes()[0].to_owned(),
                errors: Arc::clone(&errors),
                metrics: Arc::clone(&metrics),
                reports: self.reports.clone(),
            },
            runtime.clone(),
        )?;
        info!(plugins = provenance, "started");
        Ok(WorkerSinkTask::new(SinkTaskParts {
            consumer,
            converters: Converters { key, value, header },
            chain,
            writer,
            errors,
            metrics,
            reports: self.reports.clone(),
            control: Arc::clone(&self.control),
            limits: self.limits(&overrides)?,
            commit_interval: worker.offset_flush_interval().min(COMMIT_INTERVAL),
        }))
    }

    fn settings(&self) -> ClientSettings<'_> {
        ClientSettings {
            worker: &self.worker,
            context: &self.context,
            config: &self.config,
        }
    }

    fn error_reporter(&self, sink_keeps: bool, metrics: Arc<TaskMetrics>) -> Result<ErrorReporter> {
        let Self {
            context,
            config,
            runtime,
            ..
        } = self;
        let errors = ErrorConfig::new(config)?;
        let queue = match &errors.dead_letter_topic {
            None => None,
            Some(topic) => {
                let admin = self
                    .settings()
                    .client("admin.", "connector-dlq-adminclient")?;
                let producer = self
                    .settings()
                    .client("producer.", "connector-dlq-producer")?;
                let replication = errors.dead_letter_replication;
                runtime.block_on(DeadLetterQueue::create_topic(topic, replication, &admin))?;
                Some(DeadLetterQueue::new(topic, context, &producer)?)
            }
        };
        let reporter = ErrorReporter::new(errors, (queue, sink_keeps), metrics, runtime.clone());
        Ok(reporter)
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

/// Records of one transaction, unless `consumer.override.max.poll.records` says otherwise.
const DEFAULT_RECORDS: usize = 2000;

/// Kafka is told of offsets at least this often: lag tools look at them.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

fn subscription(config: &Properties) -> Subscription {
    match config.get("topics.regex").filter(|p| !p.is_empty()) {
        Some(pattern) => Subscription::Pattern(pattern.clone()),
        None => {
            let topics = config.get("topics").map_or("", String::as_str);
            let topics = topics.split(',').map(str::trim).filter(|t| !t.is_empty());
            Subscription::Topics(topics.map(str::to_owned).collect())
        }
    }
}
