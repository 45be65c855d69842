//! `${env:NAME}`: Kafka's EnvVarConfigProvider.

use std::collections::BTreeSet;

use connect_api::{Error, Result};
use connect_transforms::java_regex::JavaRegex;

use super::parameters::Parameters;
use super::{LocalProvider, Values};

/// Reads the variables of this process.
#[derive(Debug)]
pub(super) struct EnvironmentProvider {
    allowed: Option<JavaRegex>,
}

impl EnvironmentProvider {
    pub(super) fn new(parameters: &Parameters) -> Result<Self> {
        let pattern = parameters.text("allowlist.pattern");
        let pattern = pattern.map(JavaRegex::whole);
        let invalid = |why: String| parameters.invalid("allowlist.pattern", &why);
        let allowed = pattern.transpose().map_err(invalid)?;
        Ok(Self { allowed })
    }
}

impl LocalProvider for EnvironmentProvider {
    fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values> {
        if !path.is_empty() {
            let why = "the provider of environment variables takes no path";
            return Err(Error::config(why));
        }
        let may = |key: &&String| match &self.allowed {
            None => true,
            Some(pattern) => pattern.is_match(key).unwrap_or(false),
        };
        let values = keys
            .iter()
            .filter(may)
            .filter_map(|key| Some((key.clone(), std::env::var(key).ok()?)));
        Ok(values.collect())
    }
}
