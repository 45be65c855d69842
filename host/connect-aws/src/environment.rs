//! The environment variables that say where credentials are.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The variables of this process, or some that stand in for them.
#[derive(Clone, Default)]
pub struct Environment(Option<Arc<BTreeMap<String, String>>>);

impl Environment {
    /// The variables of this process, as they are when they are asked for.
    pub fn of_process() -> Self {
        Self(None)
    }

    /// These variables and no others.
    pub fn of<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(k, v)| (k.into(), v.into()));
        Self(Some(Arc::new(pairs.collect())))
    }

    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        let value = match &self.0 {
            None => std::env::var(name).ok(),
            Some(pairs) => pairs.get(name).cloned(),
        };
        value.filter(|value| !value.trim().is_empty())
    }

    /// Whether a variable says `true`.
    pub(crate) fn says_true(&self, name: &str) -> bool {
        let value = self.get(name);
        value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }
}

impl fmt::Debug for Environment {
    /// Without values: secrets are among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
