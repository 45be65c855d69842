//! Validates configs away from the herder's loop: it may compile a plugin or ask a config provider,
//! which takes as long as it takes.

use std::sync::Arc;

use connect_api::Properties;
use tokio::sync::Semaphore;
use tracing::warn;

use super::{HerderError, Shared};
use crate::connector_config::{self, ConfigInfos, GivenConfig};

/// Validations at once. One that never ends, as of a config provider that hangs, keeps its place.
const VALIDATIONS: usize = 16;

/// A config that is valid.
pub(super) struct ValidConfig {
    /// As it is stored.
    pub(super) config: Properties,
    /// What is hardly meant: options that nothing reads.
    pub(super) warnings: Vec<String>,
}

/// Validates configs on threads that may block.
#[derive(Clone)]
pub(super) struct Validator {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

impl Validator {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            places: Arc::new(Semaphore::new(VALIDATIONS)),
        }
    }

    /// Does work that validates, as soon as there is a place.
    ///
    /// # Errors
    /// That of the work, or [`HerderError::Internal`] when it panics.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, HerderError> + Send + 'static,
    ) -> Result<T, HerderError> {
        let shared = Arc::clone(&self.shared);
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| HerderError::ShuttingDown)?;
        let done = tokio::task::spawn_blocking(move || {
            // Held until the work is done, also when nobody waits for it any more.
            let _place = place;
            work(&shared)
        });
        let panicked = |cause: tokio::task::JoinError| HerderError::Internal(cause.to_string());
        done.await.map_err(panicked)?
    }

    /// The config of a connector as it is stored, if it is valid.
    ///
    /// # Errors
    /// [`HerderError::BadRequest`] that says what is wrong with it.
    pub(super) async fn validated(
        &self,
        name: &str,
        given: GivenConfig,
    ) -> Result<ValidConfig, HerderError> {
        let name = name.to_owned();
        self.run(move |shared| validated(shared, &name, given))
            .await
    }
}

/// Validates a config.
pub(super) fn validate(shared: &Shared, given: &GivenConfig) -> Result<ConfigInfos, HerderError> {
    connector_config::validate(&shared.plugins, &shared.config, given)
        .map_err(HerderError::BadRequest)
}

fn validated(
    shared: &Shared,
    name: &str,
    mut given: GivenConfig,
) -> Result<ValidConfig, HerderError> {
    given
        .entry("name".into())
        .or_insert_with(|| Some(name.to_owned()));
    let infos = validate(shared, &given)?;
    if let Some(refusal) = infos.refusal() {
        return Err(HerderError::BadRequest(refusal));
    }
    let config = given
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect();
    for warning in &infos.warnings {
        warn!(connector = name, "{warning}");
    }
    Ok(ValidConfig {
        config,
        warnings: infos.warnings,
    })
}
