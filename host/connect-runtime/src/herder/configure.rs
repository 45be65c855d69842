//! Changes of connectors' configs: each is validated away from the herder's loop, and applied by it
//! when its valid config comes back.

use std::collections::{BTreeMap, VecDeque};

use connect_api::Properties;
use tokio::task::JoinSet;
use tracing::{error, warn};

use super::command::{ConfigChange, ConfigOutcome, Configured, Reply};
use super::orders::{ConfigDigest, Expected, Order};
use super::requests::Then;
use super::validator::{ValidConfig, Validator};
use super::{Herder, HerderError, answer, not_found};
use crate::connector_config::GivenConfig;

/// The changes that are being validated, and those that wait. Those of one connector are validated
/// and applied one after the other, in the order in which they came.
pub(super) struct ConfigChanges {
    validator: Validator,
    /// Of each connector that has a change in validation: the changes behind it.
    waiting: BTreeMap<String, VecDeque<Request>>,
    validations: JoinSet<Validation>,
}

struct Request {
    change: ConfigChange,
    reply: Reply<Configured>,
}

/// What came of a validation.
pub(super) struct Validation {
    name: String,
    request: Request,
    /// The connector's config when the validation began.
    based_on: Option<Properties>,
    /// None: the caller does not wait for it any more.
    outcome: Option<Result<ValidConfig, HerderError>>,
}

impl ConfigChanges {
    pub(super) fn new(validator: Validator) -> Self {
        Self {
            validator,
            waiting: BTreeMap::new(),
            validations: JoinSet::new(),
        }
    }

    /// Waits for the end of a validation; for ever when there is none. It may be cancelled.
    pub(super) async fn next(&mut self) -> Validation {
        loop {
            match self.validations.join_next().await {
                Some(Ok(validation)) => return validation,
                Some(Err(cause)) => error!(error = %cause, "a validation was lost"),
                None => std::future::pending().await,
            }
        }
    }

    /// A validation that has ended, if there is one.
    pub(super) fn ended(&mut self) -> Option<Validation> {
        loop {
            match self.validations.try_join_next()? {
                Ok(validation) => return Some(validation),
                Err(cause) => error!(error = %cause, "a validation was lost"),
            }
        }
    }

    /// Puts a change back in front of the others of its connector.
    pub(super) fn again(&mut self, name: &str, change: ConfigChange, reply: Reply<Configured>) {
        let waiting = self.waiting.entry(name.to_owned()).or_default();
        waiting.push_front(Request { change, reply });
    }

    fn validate(
        &mut self,
        name: &str,
        mut request: Request,
        given: GivenConfig,
        based_on: Option<Properties>,
    ) {
        let (name, validator) = (name.to_owned(), self.validator.clone());
        self.validations.spawn(async move {
            let outcome = tokio::select! {
                outcome = validator.validated(&name, given) => Some(outcome),
                () = request.reply.closed() => None,
            };
            Validation {
                name,
                request,
                based_on,
                outcome,
            }
        });
    }
}

impl Herder {
    /// Begins to change a connector's config.
    pub(super) fn configure(&mut self, name: &str, change: ConfigChange, reply: Reply<Configured>) {
        self.go_on_behind_abandoned();
        let request = Request { change, reply };
        match self.config_changes.waiting.get_mut(name) {
            Some(waiting) => waiting.push_back(request),
            None => {
                let waiting = VecDeque::from([request]);
                self.config_changes.waiting.insert(name.to_owned(), waiting);
                self.validate_next(name);
            }
        }
    }

    /// Begins to validate the connector's next change; those that cannot be done are answered.
    pub(super) fn validate_next(&mut self, name: &str) {
        while let Some(waiting) = self.config_changes.waiting.get_mut(name) {
            let Some(request) = waiting.pop_front() else {
                self.config_changes.waiting.remove(name);
                return;
            };
            if request.reply.is_closed() {
                continue;
            }
            let old = self.log.cluster.config(name);
            match wanted(name, &request.change, old) {
                Ok(given) => {
                    let old = old.cloned();
                    self.config_changes.validate(name, request, given, old);
                    return;
                }
                Err(refusal) => answer(request.reply, Err(refusal)),
            }
        }
    }

    /// Applies a change whose validation has ended. A config that is refused changes nothing.
    pub(super) fn apply_config(&mut self, validation: Validation) {
        let Validation {
            name,
            request,
            based_on,
            outcome,
        } = validation;
        match outcome {
            None => {
                warn!(
                    connector = name,
                    "a config is not applied: its validation took longer than the caller waited"
                );
            }
            Some(Err(refusal)) => answer(request.reply, Err(refusal)),
            Some(Ok(valid)) => return self.apply_valid(name, request, based_on, valid),
        }
        self.validate_next(&name);
    }

    fn apply_valid(
        &mut self,
        name: String,
        Request { change, reply }: Request,
        based_on: Option<Properties>,
        ValidConfig { config, warnings }: ValidConfig,
    ) {
        let outcome = match self.log.cluster.config(&name) {
            None => ConfigOutcome::Created,
            Some(_) => ConfigOutcome::Updated,
        };
        let (expected, initial_state) = match (&change, based_on) {
            (ConfigChange::Create(_, state), _) => (Expected::Absent, *state),
            (ConfigChange::Patch(_), Some(old)) => (Expected::Config(ConfigDigest::of(&old)), None),
            (ConfigChange::Put(_) | ConfigChange::Patch(_), _) => (Expected::Any, None),
        };
        let order = Order::Configure {
            name,
            config,
            initial_state,
            expected,
        };
        let then = Then::Configured {
            outcome,
            warnings,
            change,
            reply,
        };
        self.order(order, then);
    }
}

/// The config that a change makes of the old one.
fn wanted(
    name: &str,
    change: &ConfigChange,
    old: Option<&Properties>,
) -> Result<GivenConfig, HerderError> {
    match (change, old) {
        // Whether the name is taken is looked at later: a config that is not valid is told first.
        (ConfigChange::Create(config, _) | ConfigChange::Put(config), _) => Ok(config.clone()),
        (ConfigChange::Patch(_), None) => Err(not_found(name)),
        (ConfigChange::Patch(patch), Some(old)) => Ok(patched(old, patch)),
    }
}

/// A null in a patch removes the key (KIP-477).
fn patched(old: &Properties, patch: &GivenConfig) -> GivenConfig {
    let mut config: GivenConfig = old
        .iter()
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .collect();
    for (key, value) in patch {
        match value {
            None => config.remove(key),
            Some(value) => config.insert(key.clone(), Some(value.clone())),
        };
    }
    config
}
