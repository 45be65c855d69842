//! Orders: what REST asks of the leader, whichever worker was asked. A worker that does not lead
//! writes an order to the cluster topic, and the leader's answer comes back the same way.

use connect_api::Properties;
use serde_json::{Value, json};

use super::HerderError;
use super::digest::digest;
use crate::storage::{Restart, RestartInstances, RestartScope, TargetState};

/// What the leader is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Give a connector this config, which is valid.
    Configure {
        name: String,
        config: Properties,
        initial_state: Option<TargetState>,
        expected: Expected,
    },
    Delete {
        name: String,
    },
    SetTargetState {
        name: String,
        state: TargetState,
    },
    Restart(Restart),
}

/// What a connector must be for its config to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// It must not be there.
    Absent,
    /// It may be anything.
    Any,
    /// It must have this config, which the new one was made from.
    Config(ConfigDigest),
}

/// What tells a config from another. An order has it in place of the config itself: two large
/// configs are more than a record may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConfigDigest(String);

impl ConfigDigest {
    const PREFIX: &str = "sha256:";

    pub(super) fn of(config: &Properties) -> Self {
        let pairs = config.iter();
        Self(digest(
            pairs.flat_map(|(key, value)| [key.as_str(), value.as_str()]),
        ))
    }

    fn to_text(&self) -> String {
        format!("{}{}", Self::PREFIX, self.0)
    }

    fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.strip_prefix(Self::PREFIX)?.to_owned()))
    }
}

/// Why an order was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    AlreadyExists,
    NotFound(String),
    /// The connector has another config than was expected: what is wanted is to be made anew.
    Changed,
    /// The leader has seen it too late: nobody waits any more.
    Late,
    Failed(String),
}

/// What became of an order.
pub(super) type Outcome = Result<(), Refusal>;

impl Refusal {
    /// The answer to a request about this connector.
    pub(super) fn into_error(self, connector: &str) -> HerderError {
        match self {
            Self::AlreadyExists => HerderError::AlreadyExists(connector.to_owned()),
            Self::NotFound(text) => HerderError::NotFound(text),
            Self::Changed => HerderError::Internal(format!(
                "Connector {connector} was changed by another request"
            )),
            Self::Late => HerderError::Internal(
                "The leader of the workers has seen the request too late".to_owned(),
            ),
            Self::Failed(text) => HerderError::Internal(text),
        }
    }
}

impl Order {
    /// The connector that it is about.
    pub(super) fn connector(&self) -> &str {
        match self {
            Self::Configure { name, .. }
            | Self::Delete { name }
            | Self::SetTargetState { name, .. } => name,
            Self::Restart(restart) => &restart.name,
        }
    }

    /// As it stands in a record.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Configure {
                name,
                config,
                initial_state,
                expected,
            } => {
                let mut value = json!({ "type": "configure", "connector": name, "config": config });
                if let Some(state) = initial_state {
                    value["initial_state"] = json!(state.name());
                }
                match expected {
                    Expected::Absent => value["expected"] = json!("absent"),
                    Expected::Any => value["expected"] = json!("any"),
                    Expected::Config(digest) => value["expected"] = json!(digest.to_text()),
                }
                value
            }
            Self::Delete { name } => json!({ "type": "delete", "connector": name }),
            Self::SetTargetState { name, state } => {
                json!({ "type": "target-state", "connector": name, "state": state.name() })
            }
            Self::Restart(restart) => json!({
                "type": "restart",
                "connector": restart.name,
                "include_tasks": restart.scope == RestartScope::ConnectorAndTasks,
                "only_failed": restart.instances == RestartInstances::OnlyFailed,
            }),
        }
    }

    /// Reads it from a record. None: it is not understood.
    pub(super) fn from_value(value: &Value) -> Option<Self> {
        let name = value.get("connector")?.as_str()?.to_owned();
        let state = |key: &str| {
            let word = value.get(key).and_then(Value::as_str);
            word.and_then(TargetState::from_name)
        };
        let flag = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
        Some(match value.get("type")?.as_str()? {
            "configure" => Self::Configure {
                name,
                config: properties(value.get("config")?)?,
                initial_state: state("initial_state"),
                expected: expected(value.get("expected")?)?,
            },
            "delete" => Self::Delete { name },
            "target-state" => Self::SetTargetState {
                name,
                state: state("state")?,
            },
            "restart" => Self::Restart(Restart {
                name,
                scope: match flag("include_tasks") {
                    true => RestartScope::ConnectorAndTasks,
                    false => RestartScope::Connector,
                },
                instances: match flag("only_failed") {
                    true => RestartInstances::OnlyFailed,
                    false => RestartInstances::All,
                },
            }),
            _ => return None,
        })
    }
}

fn expected(value: &Value) -> Option<Expected> {
    Some(match value.as_str() {
        Some("absent") => Expected::Absent,
        Some("any") => Expected::Any,
        Some(text) => Expected::Config(ConfigDigest::from_text(text)?),
        // The whole config, as workers of an earlier version send it.
        None => Expected::Config(ConfigDigest::of(&properties(value)?)),
    })
}

fn properties(value: &Value) -> Option<Properties> {
    let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    value.as_object()?.iter().map(text).collect()
}

/// An outcome as it stands in a record.
pub(super) fn outcome_value(outcome: &Outcome) -> Value {
    match outcome {
        Ok(()) => json!({ "outcome": "done" }),
        Err(Refusal::AlreadyExists) => json!({ "outcome": "already-exists" }),
        Err(Refusal::NotFound(text)) => json!({ "outcome": "not-found", "text": text }),
        Err(Refusal::Changed) => json!({ "outcome": "changed" }),
        Err(Refusal::Late) => json!({ "outcome": "late" }),
        Err(Refusal::Failed(text)) => json!({ "outcome": "failed", "text": text }),
    }
}

/// Reads an outcome. None: it is not understood.
pub(super) fn outcome_from(value: &Value) -> Option<Outcome> {
    let text = || {
        let text = value.get("text").and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    Some(match value.get("outcome")?.as_str()? {
        "done" => Ok(()),
        "already-exists" => Err(Refusal::AlreadyExists),
        "not-found" => Err(Refusal::NotFound(text())),
        "changed" => Err(Refusal::Changed),
        "late" => Err(Refusal::Late),
        "failed" => Err(Refusal::Failed(text())),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let config = Properties::from([("k".to_owned(), "v".to_owned())]);
        let configure = |initial_state, expected| Order::Configure {
            name: "a".into(),
            config: config.clone(),
            initial_state,
            expected,
        };
        let orders = [
            configure(None, Expected::Any),
            configure(Some(TargetState::Stopped), Expected::Absent),
            configure(None, Expected::Config(ConfigDigest::of(&config))),
            Order::Delete { name: "a-1".into() },
            Order::SetTargetState {
                name: "a".into(),
                state: TargetState::Paused,
            },
            Order::Restart(Restart {
                name: "a".into(),
                scope: RestartScope::ConnectorAndTasks,
                instances: RestartInstances::OnlyFailed,
            }),
        ];
        for order in orders {
            assert_eq!(Order::from_value(&order.to_value()), Some(order));
        }
        let outcomes = [
            Ok(()),
            Err(Refusal::AlreadyExists),
            Err(Refusal::NotFound("x".into())),
            Err(Refusal::Changed),
            Err(Refusal::Late),
            Err(Refusal::Failed("y".into())),
        ];
        for outcome in outcomes {
            assert_eq!(outcome_from(&outcome_value(&outcome)), Some(outcome));
        }
    }

    #[test]
    fn an_order_is_as_large_as_its_config_whatever_was_there_before() {
        let large = Properties::from([("k".to_owned(), "v".repeat(500_000))]);
        let order = Order::Configure {
            name: "a".into(),
            config: large.clone(),
            initial_state: None,
            expected: Expected::Config(ConfigDigest::of(&large)),
        };
        let bytes = order.to_value().to_string().len();
        assert!(bytes < 501_000, "{bytes}");
    }

    #[test]
    fn a_config_is_known_by_its_keys_and_values() {
        let of = |pairs: &[(&str, &str)]| {
            let pairs = pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            ConfigDigest::of(&pairs.collect())
        };
        assert_eq!(of(&[("a", "1"), ("b", "2")]), of(&[("b", "2"), ("a", "1")]));
        assert_ne!(of(&[("a", "1")]), of(&[("a", "2")]));
        assert_ne!(of(&[("a", "1b")]), of(&[("a1", "b")]));
        assert_ne!(of(&[("a", "")]), of(&[]));
        // As workers of an earlier version send it.
        let whole = expected(&json!({ "a": "1" }));
        assert_eq!(whole, Some(Expected::Config(of(&[("a", "1")]))));
    }

    #[test]
    fn what_is_not_understood_is_none() {
        for value in [
            json!(null),
            json!({ "type": "delete" }),
            json!({ "type": "dance", "connector": "a" }),
            json!({ "type": "target-state", "connector": "a", "state": "ASLEEP" }),
            json!({ "type": "configure", "connector": "a", "config": { "k": 1 }, "expected": "any" }),
            json!({ "type": "configure", "connector": "a", "config": {}, "expected": "else" }),
        ] {
            assert_eq!(Order::from_value(&value), None, "{value}");
        }
        assert_eq!(outcome_from(&json!({ "outcome": "maybe" })), None);
    }
}
