//! Options that config providers give, asked for again while a task runs.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Config, Result};

/// Asks the config providers of a connector's config again: what they gave when the task started
/// may have changed since, as a password does that is rotated.
///
/// A task that connects asks at each connect, and so needs no restart. One that never asks goes on
/// with the values that it was made with.
///
/// ```
/// use connect_api::{Config, Error, ProvidedOptions, Result, Secret, TaskContext};
///
/// struct Client {
///     password: Option<Secret>,
///     provided: Option<ProvidedOptions>,
/// }
///
/// impl Client {
///     fn new(config: &Config, context: &TaskContext) -> Self {
///         Self {
///             password: config.secret("service.password").cloned(),
///             provided: context.provided.clone(),
///         }
///     }
///
///     /// Called before each connection is made.
///     async fn password(&self) -> Result<Option<Secret>> {
///         let Some(provided) = &self.provided else {
///             return Ok(self.password.clone());
///         };
///         let asking = provided.current("service.");
///         // A provider that is away is waited for like the service itself.
///         let current = asking.await.map_err(|e| Error::retriable(e.chain()))?;
///         Ok(current.secret("service.password").cloned())
///     }
/// }
/// ```
#[derive(Clone)]
pub struct ProvidedOptions(Arc<dyn OptionProvider>);

/// Who knows the connector's stored config and its config providers: the worker.
#[async_trait]
pub trait OptionProvider: Send + Sync {
    /// Whether a config provider gives any of the options whose names begin with `prefix`.
    fn provides(&self, prefix: &str) -> bool;

    /// The connector's own options, those whose names begin with `prefix` as the config providers
    /// give them now, all others as they were when the task started.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when a provider cannot read what it is pointed to, has no such
    /// key, or gives what the options do not take.
    async fn current(&self, prefix: &str) -> Result<Config>;

    /// What was given last of the options whose names begin with `prefix` is refused where it is
    /// used: what a provider has kept of it is not given again.
    fn refused(&self, _prefix: &str) {}
}

impl ProvidedOptions {
    /// What the worker knows.
    pub fn new(provider: impl OptionProvider + 'static) -> Self {
        Self(Arc::new(provider))
    }

    /// Whether a config provider gives any of the options whose names begin with `prefix`. The
    /// names are those of the config as it was sent, before [`crate::Connector::normalise`].
    pub fn provides(&self, prefix: &str) -> bool {
        self.0.provides(prefix)
    }

    /// The connector's own options, those whose names begin with `prefix` as the config providers
    /// give them now, all others as they were when the task started. It may take as long as the
    /// providers do: whoever cannot wait for that gives it up.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] when a provider cannot read what it is pointed to, has no such
    /// key, or gives what the options do not take.
    pub async fn current(&self, prefix: &str) -> Result<Config> {
        self.0.current(prefix).await
    }

    /// Tells that what was given last of the options whose names begin with `prefix` is refused
    /// where it is used, such as a user that is not known any more: what a provider has kept of it,
    /// as it does with leases, is not given again.
    pub fn refused(&self, prefix: &str) {
        self.0.refused(prefix);
    }
}

impl fmt::Debug for ProvidedOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProvidedOptions")
    }
}
