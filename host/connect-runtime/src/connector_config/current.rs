//! The options that config providers give to a running task, asked for again.

use std::sync::Arc;

use async_trait::async_trait;
use connect_api::{Config, Error, OptionProvider, Properties, ProvidedOptions, Result};
use tokio::sync::Mutex;

use super::{ConnectorConfig, bounds};
use crate::config::WorkerConfig;
use crate::connectors::RegisteredConnector;

/// The config of a task, as it is stored and as it was when the task started.
struct StartedConfig {
    worker: Arc<WorkerConfig>,
    name: String,
    connector: RegisteredConnector,
    stored: Properties,
    /// With what the config providers gave then.
    started: Properties,
    /// A provider that hangs holds one thread, however often it is asked.
    turn: Arc<Mutex<()>>,
}

/// What a task may ask for again. None when no config provider gives any of its options.
pub fn provided_options(
    worker: &Arc<WorkerConfig>,
    config: &ConnectorConfig,
    stored: &Properties,
) -> Option<ProvidedOptions> {
    let provides = |value: &String| worker.providers().provides(value);
    stored.values().any(provides).then(|| {
        ProvidedOptions::new(StartedConfig {
            worker: Arc::clone(worker),
            name: config.name.clone(),
            connector: config.connector.clone(),
            stored: stored.clone(),
            started: config.properties.clone(),
            turn: Arc::default(),
        })
    })
}

impl StartedConfig {
    /// The options of the prefix with their placeholders, and whatever the config says openly: that
    /// is no secret, whoever gives it too.
    fn asked(&self, prefix: &str) -> Properties {
        let mut asked = self.stored.clone();
        asked.retain(|key, value| {
            key.starts_with(prefix) || !self.worker.providers().provides(value)
        });
        asked
    }

    /// Blocks as long as the providers do.
    async fn given(&self, prefix: &str) -> Result<Properties> {
        let (worker, mut asked) = (Arc::clone(&self.worker), self.asked(prefix));
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let span = tracing::Span::current();
        let asking = tokio::task::spawn_blocking(move || {
            let (_turn, _span) = (turn, span.entered());
            asked = worker.providers().resolve(&asked)?;
            match asked.iter().find(|(_, v)| worker.providers().provides(v)) {
                None => Ok(asked),
                Some((key, _)) => {
                    let why = format!("{key}: its config provider does not have it");
                    Err(Error::config(why).transient())
                }
            }
        });
        let given = asking.await;
        given.map_err(|cause| Error::fatal("a config provider panicked").with_source(cause))?
    }
}

#[async_trait]
impl OptionProvider for StartedConfig {
    fn provides(&self, prefix: &str) -> bool {
        let mut own = self.stored.iter().filter(|(k, _)| k.starts_with(prefix));
        own.any(|(_, value)| self.worker.providers().provides(value))
    }

    fn refused(&self, prefix: &str) {
        self.worker.providers().forget(&self.asked(prefix));
    }

    async fn current(&self, prefix: &str) -> Result<Config> {
        let mut given = self.given(prefix).await?;
        given.retain(|key, _| key.starts_with(prefix));
        let mut properties = self.started.clone();
        properties.extend(given);
        bounds::check(&self.name, &properties)?;
        let connector = self.connector.connector();
        let own = connector.normalise(&properties);
        connector.config_def().parse(&own)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use connect_wasm::{WasmOptions, WasmPlugins};

    use super::*;
    use crate::config::tests::minimal;
    use crate::plugins::Plugins;

    const PROVIDER: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";

    fn write(file: &Path, text: &str) {
        std::fs::write(file, text).unwrap();
    }

    /// What a task of the config gets; none: no provider gives any of it.
    fn options(config: &[(&str, &str)]) -> Option<ProvidedOptions> {
        let providers = [
            ("config.providers", "file"),
            ("config.providers.file.class", PROVIDER),
        ];
        let worker = Arc::new(WorkerConfig::new(&minimal(&providers)).unwrap());
        let wasm = WasmPlugins::new(WasmOptions::default()).unwrap();
        let plugins = Plugins::new(crate::connectors::all(), wasm);
        let fixed = [
            ("connector.class", "FerrulePostgresSink"),
            ("topics", "t"),
            ("connection.url", "postgres://db/d"),
        ];
        let stored: Properties = (fixed.iter().chain(config))
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let resolved = ConnectorConfig::resolve(&plugins, &worker, "c", &stored).unwrap();
        provided_options(&worker, &resolved, &stored)
    }

    #[tokio::test]
    async fn what_a_provider_gives_is_asked_for_again() {
        let folder = tempfile::tempdir().unwrap();
        let (login, other) = (folder.path().join("login"), folder.path().join("other"));
        write(&login, "user=ann\npassword=first-password\n");
        write(&other, "table=of_then\n");
        let of = |file: &Path, key: &str| format!("${{file:{}:{key}}}", file.display());
        let given = options(&[
            // Debezium's name, which the sink brings to its own.
            ("connection.username", &of(&login, "user")),
            ("connection.password", &of(&login, "password")),
            ("table.name.format", &of(&other, "table")),
        ]);
        let given = given.unwrap();
        assert!(given.provides("connection.") && !given.provides("pk."));
        write(&login, "user=bob\npassword=second-password\n");
        // Nobody asks for it again, so it is not missed.
        std::fs::remove_file(&other).unwrap();
        let current = given.current("connection.").await.unwrap();
        assert_eq!(current.optional_text("connection.user"), Some("bob"));
        let password = current.secret("connection.password").unwrap();
        assert_eq!(password.expose(), "second-password");
        assert_eq!(current.text("table.name.format"), "of_then");
        assert_eq!(connect_api::mask("second-password"), connect_api::HIDDEN);

        write(&login, "user=bob\n");
        let missing = given.current("connection.").await.unwrap_err();
        assert!(missing.chain().contains("connection.password"), "{missing}");
        std::fs::remove_file(&login).unwrap();
        let unreadable = given.current("connection.").await.unwrap_err();
        assert!(unreadable.chain().contains("login"), "{unreadable}");
        assert!(missing.is_transient() && unreadable.is_transient());
    }

    #[tokio::test]
    async fn a_config_without_placeholders_has_nothing_to_ask_for() {
        assert!(options(&[("connection.password", "plain")]).is_none());
        assert!(options(&[("connection.password", "${vault:a:b}")]).is_none());
    }
}
