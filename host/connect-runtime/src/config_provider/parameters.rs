//! The parameters of a provider: `config.providers.<name>.param.<parameter>`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

use connect_api::{Error, Properties, Result, Secret, keep_secrets};
use tracing::{info, warn};

use super::ConfigProviders;
use crate::config::with_prefix;

/// The parameters of one provider, and which of them somebody has read.
pub(super) struct Parameters {
    prefix: String,
    values: Properties,
    read: RefCell<BTreeSet<String>>,
}

impl Parameters {
    pub(super) fn new(worker: &Properties, provider: &str) -> Self {
        let prefix = format!("config.providers.{provider}.param.");
        Self {
            values: with_prefix(worker, &prefix),
            prefix,
            read: RefCell::default(),
        }
    }

    /// Replaces the placeholders of providers that are there already.
    pub(super) fn resolve(&mut self, providers: &ConfigProviders) -> Result<()> {
        let resolved = providers.resolve(&self.values);
        self.values = resolved.map_err(|error| error.context(self.prefix.trim_end_matches('.')))?;
        Ok(())
    }

    /// The name of the provider.
    pub(super) fn provider(&self) -> &str {
        let name = self.prefix.strip_prefix("config.providers.");
        let name = name.and_then(|name| name.strip_suffix(".param."));
        name.unwrap_or(&self.prefix)
    }

    /// The option of the worker that a parameter is.
    pub(super) fn key(&self, parameter: &str) -> String {
        format!("{}{parameter}", self.prefix)
    }

    /// A parameter that is set and not empty, trimmed.
    pub(super) fn text(&self, parameter: &str) -> Option<&str> {
        self.read.borrow_mut().insert(parameter.to_owned());
        let text = self.values.get(parameter)?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// A parameter that must be set.
    pub(super) fn required(&self, parameter: &str) -> Result<&str> {
        let missing = || self.invalid(parameter, "a value is expected");
        self.text(parameter).ok_or_else(missing)
    }

    /// A parameter that is a secret.
    pub(super) fn secret(&self, parameter: &str) -> Option<Secret> {
        let text = self.text(parameter)?;
        keep_secrets([text], &|part| part != text);
        Some(Secret::new(text))
    }

    /// A secret that must be set.
    pub(super) fn required_secret(&self, parameter: &str) -> Result<Secret> {
        self.required(parameter)?;
        let missing = || self.invalid(parameter, "a value is expected");
        self.secret(parameter).ok_or_else(missing)
    }

    pub(super) fn flag(&self, parameter: &str, default: bool) -> Result<bool> {
        match self.text(parameter).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.invalid(parameter, "true or false is expected")),
        }
    }

    pub(super) fn number(&self, parameter: &str, default: u64) -> Result<u64> {
        let Some(text) = self.text(parameter) else {
            return Ok(default);
        };
        let invalid = |_| self.invalid(parameter, "a whole number is expected");
        text.parse().map_err(invalid)
    }

    pub(super) fn paths(&self, parameter: &str) -> Vec<PathBuf> {
        let paths = self.text(parameter).unwrap_or_default().split(',');
        let paths = paths.map(str::trim).filter(|path| !path.is_empty());
        paths.map(PathBuf::from).collect()
    }

    /// An error about a parameter. It never tells the value, which may be a secret.
    pub(super) fn invalid(&self, parameter: &str, why: &str) -> Error {
        let key = self.key(parameter);
        match why.is_empty() {
            true => Error::config(key),
            false => Error::config(format!("{key}: {why}")),
        }
    }

    /// Refuses what the Java class knows and this worker does not do.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the first one that is set.
    pub(super) fn refuse(&self, parameters: &[&str], why: &str) -> Result<()> {
        match parameters.iter().find(|it| self.text(it).is_some()) {
            Some(parameter) => Err(self.invalid(parameter, why)),
            None => Ok(()),
        }
    }

    /// Tells what the Java class knows and needs no doing here.
    pub(super) fn without_effect(&self, parameters: &[&str], why: &str) {
        for parameter in parameters {
            if self.text(parameter).is_some() {
                info!(key = self.key(parameter), "no effect: {why}");
            }
        }
    }

    /// Tells of parameters that nobody has read, which may be misspelled.
    pub(super) fn warn_of_unknown(&self) {
        let read = self.read.borrow();
        for parameter in self.values.keys().filter(|it| !read.contains(*it)) {
            warn!(
                key = self.key(parameter),
                "the provider has no such parameter"
            );
        }
    }
}
