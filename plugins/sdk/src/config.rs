//! The configuration as a plugin reads it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use crate::ConfigError;

/// The values of the plugin's keys.
#[derive(Clone, Debug)]
pub struct Config(BTreeMap<String, String>);

impl Config {
    /// A configuration of these keys and values; of a key given twice, the last value.
    pub fn new(values: impl IntoIterator<Item = (String, String)>) -> Config {
        Config(values.into_iter().collect())
    }

    /// The value of a key as it stands, if it is there.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The value of a key.
    pub fn text(&self, key: &str) -> Result<&str, ConfigError> {
        self.get(key)
            .ok_or_else(|| ConfigError::new(key, "is required"))
    }

    /// The value of a boolean key: `true` or `false`, in any case.
    pub fn boolean(&self, key: &str) -> Result<bool, ConfigError> {
        let text = self.text(key)?.trim();
        if text.eq_ignore_ascii_case("true") {
            Ok(true)
        } else if text.eq_ignore_ascii_case("false") {
            Ok(false)
        } else {
            Err(ConfigError::new(key, "must be true or false"))
        }
    }

    /// The value of an int or long key.
    pub fn int(&self, key: &str) -> Result<i64, ConfigError> {
        self.parse(key, "must be a whole number")
    }

    /// The value of a double key.
    pub fn float(&self, key: &str) -> Result<f64, ConfigError> {
        self.parse(key, "must be a number")
    }

    /// The value of a list key: what stands between the commas, trimmed. Empty text is no element.
    pub fn list(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        let text = self.text(key)?;
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        Ok(text
            .split(',')
            .map(|element| element.trim().to_owned())
            .collect())
    }

    fn parse<T: FromStr>(&self, key: &str, otherwise: &str) -> Result<T, ConfigError> {
        self.text(key)?
            .trim()
            .parse()
            .map_err(|_| ConfigError::new(key, otherwise))
    }
}

impl ConfigError {
    /// What is wrong with the value of a key.
    pub fn new(key: impl Into<String>, message: impl Display) -> ConfigError {
        ConfigError {
            key: key.into(),
            message: message.to_string(),
        }
    }
}

/// What is wrong with a configuration. `?` makes one of a single [`ConfigError`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// Takes the value out of a result, or notes the error and goes on with the default.
    pub fn note<T: Default>(&mut self, result: Result<T, ConfigError>) -> T {
        result.unwrap_or_else(|error| {
            self.0.push(error);
            T::default()
        })
    }

    /// `Ok` with the plugin if no error was noted.
    pub fn or<T>(self, plugin: T) -> Result<T, ConfigErrors> {
        if self.0.is_empty() {
            Ok(plugin)
        } else {
            Err(self)
        }
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![error])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(key: &str, value: &str) -> Config {
        Config::new([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn values_are_read_as_their_type() {
        assert_eq!(config("k", " True ").boolean("k"), Ok(true));
        assert_eq!(config("k", "-7").int("k"), Ok(-7));
        assert_eq!(config("k", "2.5").float("k"), Ok(2.5));
        assert_eq!(
            config("k", "a, b").list("k"),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(config("k", " ").list("k"), Ok(Vec::new()));
    }

    #[test]
    fn an_error_names_the_key_and_not_the_value() {
        let error = config("rules.x", "yes").boolean("rules.x").unwrap_err();
        assert_eq!(error, ConfigError::new("rules.x", "must be true or false"));
        assert_eq!(config("k", "1").int("other").unwrap_err().key, "other");
        assert!(config("k", "1.5").int("k").is_err());
    }

    #[test]
    fn every_noted_error_is_kept() {
        let mut errors = ConfigErrors::default();
        assert_eq!(errors.note(config("a", "x").int("a")), 0);
        assert_eq!(errors.note(config("b", "5").int("b")), 5);
        assert!(!errors.note(config("c", "x").boolean("c")));
        let keys: Vec<_> = errors
            .or(())
            .unwrap_err()
            .0
            .into_iter()
            .map(|e| e.key)
            .collect();
        assert_eq!(keys, ["a", "c"]);
    }
}
