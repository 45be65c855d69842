//! How the REST API talks to the herder.

mod offsets;
mod source_offsets;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use connect_api::{ConfigDef, Properties, StateQuery, StateRow, TaskContext};
use tokio::sync::{mpsc, oneshot};

use super::command::{Command, ConfigChange, Configured, ConnectorView, Probe, Query, Reply};
use super::validator::{self, Validator};
use super::{Answer, HerderError, Shared};
use crate::connector_config::{self, ConfigInfos, ConnectorConfig, GivenConfig, class_of};
use crate::connectors::RegisteredConnector;
use crate::kafka::settings::ClientSettings;
use crate::metrics::Snapshot;
use crate::plugins::PluginDescription;
use crate::storage::{ConnectorTaskId, Restart, TargetState};
pub use source_offsets::SourceOffsetsChange;

/// How long a request may take.
pub const REQUEST_LIMIT: Duration = Duration::from_secs(90);
/// How long the herder may take to say what a scrape shows: Prometheus waits for 10 s.
const METRICS_LIMIT: Duration = Duration::from_secs(5);
/// How long a healthy herder takes to answer, at most.
pub const HEALTH_LIMIT: Duration = Duration::from_secs(10);

/// Sends requests to the herder.
#[derive(Clone)]
pub struct HerderHandle {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) queries: mpsc::Sender<Query>,
    pub(super) probes: mpsc::Sender<Probe>,
    pub(super) shared: Arc<Shared>,
    pub(super) validator: Validator,
    pub(super) started: Arc<AtomicBool>,
}

impl HerderHandle {
    /// Whether the herder has read its topics.
    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// The id of the Kafka cluster.
    pub fn cluster_id(&self) -> Option<&str> {
        self.shared.cluster_id.as_deref()
    }

    /// Waits until the herder answers, which it does also while it waits for Kafka.
    ///
    /// # Errors
    /// [`HerderError::Timeout`] when it does not.
    pub async fn ping(&self) -> Answer<()> {
        ask(&self.probes, HEALTH_LIMIT, Probe::Ping).await
    }

    /// What metrics show of this worker.
    ///
    /// # Errors
    /// [`HerderError::Timeout`] when the herder does not answer soon.
    pub async fn metrics(&self) -> Answer<Snapshot> {
        ask(&self.probes, METRICS_LIMIT, Probe::Metrics).await
    }

    /// All connectors, by name.
    ///
    /// # Errors
    /// When the herder does not answer, as for all of these requests.
    pub async fn connectors(&self) -> Answer<Vec<ConnectorView>> {
        ask(&self.queries, REQUEST_LIMIT, Query::Connectors).await
    }

    /// One connector.
    ///
    /// # Errors
    /// [`HerderError::NotFound`].
    pub async fn connector(&self, name: &str) -> Answer<ConnectorView> {
        let query = |reply| Query::Connector(name.to_owned(), reply);
        ask(&self.queries, REQUEST_LIMIT, query).await
    }

    /// Creates a connector.
    ///
    /// # Errors
    /// [`HerderError::AlreadyExists`], or [`HerderError::BadRequest`] when the config is not valid.
    pub async fn create(
        &self,
        name: &str,
        config: GivenConfig,
        initial_state: Option<TargetState>,
    ) -> Answer<Configured> {
        let change = ConfigChange::Create(config, initial_state);
        self.configure(name, change).await
    }

    /// Creates a connector or replaces its config.
    ///
    /// # Errors
    /// [`HerderError::BadRequest`] when the config is not valid: then nothing has changed.
    pub async fn put_config(&self, name: &str, config: GivenConfig) -> Answer<Configured> {
        self.configure(name, ConfigChange::Put(config)).await
    }

    /// Changes some keys of a config; a null removes one.
    ///
    /// # Errors
    /// As for [`HerderHandle::put_config`], or [`HerderError::NotFound`].
    pub async fn patch_config(&self, name: &str, patch: GivenConfig) -> Answer<Configured> {
        self.configure(name, ConfigChange::Patch(patch)).await
    }

    async fn configure(&self, name: &str, change: ConfigChange) -> Answer<Configured> {
        self.ask(|reply| Command::Configure(name.to_owned(), change, reply))
            .await
    }

    /// Deletes a connector.
    ///
    /// # Errors
    /// [`HerderError::NotFound`].
    pub async fn delete(&self, name: &str) -> Answer<()> {
        self.ask(|reply| Command::Delete(name.to_owned(), reply))
            .await
    }

    /// Pauses, resumes or stops a connector.
    ///
    /// # Errors
    /// [`HerderError::NotFound`].
    pub async fn set_target_state(&self, name: &str, state: TargetState) -> Answer<()> {
        self.ask(|reply| Command::SetTargetState(name.to_owned(), state, reply))
            .await
    }

    /// Restarts a connector; the answer shows what is about to be restarted.
    ///
    /// # Errors
    /// [`HerderError::NotFound`].
    pub async fn restart(&self, restart: Restart) -> Answer<ConnectorView> {
        self.ask(|reply| Command::Restart(restart, reply)).await
    }

    /// Restarts one task.
    ///
    /// # Errors
    /// [`HerderError::NotFound`].
    pub async fn restart_task(&self, name: &str, task: u32) -> Answer<()> {
        let id = ConnectorTaskId::new(name, task);
        self.ask(|reply| Command::RestartTask(id, reply)).await
    }

    /// The topics of a connector; none when it is not there.
    ///
    /// # Errors
    /// [`HerderError::Forbidden`] when topics are not tracked.
    pub async fn topics(&self, name: &str) -> Answer<Vec<String>> {
        if !self.shared.config.topic_tracking() {
            return Err(HerderError::Forbidden("Topic tracking is disabled."));
        }
        match self.connector(name).await {
            Ok(view) => Ok(view.topics),
            Err(HerderError::NotFound(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Forgets the topics of a connector.
    ///
    /// # Errors
    /// [`HerderError::Forbidden`] when topics are not tracked, or may not be forgotten.
    pub async fn reset_topics(&self, name: &str) -> Answer<()> {
        if !self.shared.config.topic_tracking() {
            return Err(HerderError::Forbidden("Topic tracking is disabled."));
        }
        if !self.shared.config.topic_tracking_reset() {
            return Err(HerderError::Forbidden("Topic tracking reset is disabled."));
        }
        self.ask(|reply| Command::ResetTopics(name.to_owned(), reply))
            .await
    }

    /// What the connector's sink keeps of the state of its transforms.
    ///
    /// # Errors
    /// [`HerderError::NotFound`], [`HerderError::Forbidden`] when the worker does not show it, or
    /// when the sink does not answer.
    pub async fn state(&self, name: &str, query: &StateQuery) -> Answer<Vec<StateRow>> {
        if !self.shared.config.shows_state() {
            let why = "The state of plugins may hold data of records: it is shown by a worker with \
                       ferrule.rest.state.enable=true.";
            return Err(HerderError::Forbidden(why));
        }
        let config = self.connector_config(name).await?;
        let RegisteredConnector::Sink(sink) = &config.connector else {
            let why = format!("Connector {name} is a source: its plugins keep no state");
            return Err(HerderError::BadRequest(why));
        };
        let context = self.context(&config).await?;
        let looking = sink.connector().state(&config.own, &context, query);
        match tokio::time::timeout(REQUEST_LIMIT, looking).await {
            Ok(found) => Ok(found?),
            Err(_) => Err(HerderError::Timeout(REQUEST_LIMIT)),
        }
    }

    /// `sink` or `source`, of a stored config.
    pub fn connector_type(&self, config: &Properties) -> &'static str {
        let connector = self.shared.plugins.connector(class_of(config));
        connector.map_or("unknown", RegisteredConnector::type_name)
    }

    /// The config of a connector, resolved: its config providers are asked.
    async fn connector_config(&self, name: &str) -> Answer<ConnectorConfig> {
        let view = self.connector(name).await?;
        self.blocking(move |handle| {
            let Shared {
                plugins,
                config: worker,
                ..
            } = &*handle.shared;
            let resolved = ConnectorConfig::resolve(plugins, worker, &view.name, &view.config);
            Ok(resolved?)
        })
        .await
    }

    /// What a sink may know of a connector as a whole.
    async fn context(&self, config: &ConnectorConfig) -> Answer<TaskContext> {
        let settings = ClientSettings {
            worker: &self.shared.config,
            config,
            task: 0,
        };
        let clients = settings.for_connector();
        Ok(TaskContext {
            connector: config.name.clone(),
            task: 0,
            clients,
            scope: self.offset_scope(config).await?,
            // They have just been asked.
            provided: None,
        })
    }

    /// All that a config can name.
    ///
    /// # Errors
    /// When the worker is about to end.
    pub async fn list_plugins(&self) -> Answer<Vec<PluginDescription>> {
        self.blocking(|handle| Ok(handle.shared.plugins.list()))
            .await
    }

    /// The options of something that a config can name. A `version`, or a range, must be such as
    /// the worker has.
    ///
    /// # Errors
    /// [`HerderError::NotFound`], or [`HerderError::BadRequest`] for another version.
    pub async fn plugin_config(&self, class: String, version: Option<String>) -> Answer<ConfigDef> {
        self.blocking(move |handle| {
            let plugins = &handle.shared.plugins;
            let unknown = || HerderError::NotFound(format!("Unknown plugin {class}."));
            let def = connector_config::plugin_config_def(plugins, &class).ok_or_else(unknown)?;
            if let Some(wanted) = version {
                let available = plugins.version(&class).ok_or_else(unknown)?;
                let refused = connector_config::version_refusal(&class, &wanted, &available);
                refused.map_or(Ok(()), |why| Err(HerderError::BadRequest(why)))?;
            }
            Ok(def)
        })
        .await
    }

    /// Validates a config. The class in the path must be that of the config.
    ///
    /// # Errors
    /// [`HerderError::BadRequest`].
    pub async fn validate(&self, class: String, config: GivenConfig) -> Answer<ConfigInfos> {
        let work = move |shared: &Shared| {
            check_class(shared, &class, &config)?;
            validator::validate(shared, &config)
        };
        let validating = self.validator.run(work);
        match tokio::time::timeout(REQUEST_LIMIT, validating).await {
            Ok(done) => done,
            Err(_) => Err(HerderError::Timeout(REQUEST_LIMIT)),
        }
    }

    /// A plugin that is seen for the first time is compiled, which takes a while.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let handle = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&handle)).await;
        done.unwrap_or_else(|cause| Err(HerderError::Internal(cause.to_string())))
    }

    /// Stops all tasks and ends the herder.
    pub async fn shutdown(&self) {
        if self.commands.send(Command::Shutdown).await.is_ok() {
            // It ends by letting go of its end of the channel.
            self.commands.closed().await;
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Answer<T> {
        ask(&self.commands, REQUEST_LIMIT, command).await
    }
}

/// Sends a request to the herder, and waits for its answer.
async fn ask<R, T>(
    herder: &mpsc::Sender<R>,
    limit: Duration,
    request: impl FnOnce(Reply<T>) -> R,
) -> Answer<T> {
    let (reply, answer) = oneshot::channel();
    let asked = async {
        let sent = herder.send(request(reply)).await;
        sent.map_err(|_| HerderError::ShuttingDown)?;
        answer.await.map_err(|_| HerderError::ShuttingDown)?
    };
    tokio::time::timeout(limit, asked)
        .await
        .unwrap_or(Err(HerderError::Timeout(limit)))
}

/// The class that a config names must be the one that it is validated for.
fn check_class(shared: &Shared, class: &str, config: &GivenConfig) -> Answer<()> {
    let given = config
        .get("connector.class")
        .and_then(Option::as_deref)
        .unwrap_or_default();
    let cut = |name: &str| {
        name.trim()
            .strip_suffix("Connector")
            .unwrap_or(name)
            .to_owned()
    };
    let plugins = &shared.plugins;
    let same = match (plugins.connector(given), plugins.connector(class)) {
        (Some(one), Some(other)) => one.is(other),
        _ => false,
    };
    if given.is_empty() || same || cut(given).ends_with(&cut(class)) {
        return Ok(());
    }
    Err(HerderError::BadRequest(format!(
        "Included connector type {given} does not match request type {class}"
    )))
}
