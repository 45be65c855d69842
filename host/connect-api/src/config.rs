//! Configuration: every option is declared once, and the parser, `/validate` and the documentation
//! come from that declaration.

mod key;
mod value;

use std::collections::BTreeMap;

use crate::{Error, Result};

pub use key::{ConfigKey, ConfigType, Importance, Validator, Width};
use value::Parsed;
pub use value::Secret;

/// Properties as given: by REST, or in a file.
pub type Properties = BTreeMap<String, String>;

/// The value of one option and what is wrong with it: `ConfigValueInfo` on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigValue {
    /// The option.
    pub name: String,
    /// As shown; a password is `[hidden]`.
    pub value: Option<String>,
    /// Values to choose from.
    pub recommended_values: Vec<String>,
    /// What is wrong, in Kafka Connect's words.
    pub errors: Vec<String>,
    /// Whether forms show it.
    pub visible: bool,
}

/// The options of one thing that can be configured.
#[derive(Clone, Debug, Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
}

impl ConfigDef {
    /// The given options, in the order in which they are shown.
    pub fn new(keys: Vec<ConfigKey>) -> Self {
        Self { keys }
    }

    /// Its options.
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// The value of every option, with what is wrong with it.
    pub fn validate(&self, properties: &Properties) -> Vec<ConfigValue> {
        let values = self.keys.iter().map(|key| {
            let (parsed, errors) = key.check(properties.get(key.name.as_ref()).map(String::as_str));
            ConfigValue {
                name: key.name.to_string(),
                value: parsed.map(|p| p.text()),
                recommended_values: match &key.validator {
                    Validator::OneOf(options) => options.iter().map(|o| o.to_string()).collect(),
                    _ => Vec::new(),
                },
                errors,
                visible: true,
            }
        });
        values.collect()
    }

    /// The resolved configuration: every option has its value or its default.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Config`] with everything that [`ConfigDef::validate`] finds.
    pub fn parse(&self, properties: &Properties) -> Result<Config> {
        let mut values = BTreeMap::new();
        let mut errors = Vec::new();
        for key in &self.keys {
            let (parsed, wrong) = key.check(properties.get(key.name.as_ref()).map(String::as_str));
            errors.extend(wrong);
            values.insert(key.name.to_string(), parsed);
        }
        if errors.is_empty() {
            Ok(Config { values })
        } else {
            Err(Error::config(errors.join("; ")))
        }
    }
}

/// A resolved configuration.
///
/// Its getters panic when the option is not declared with that type: an error of the program that
/// any test finds, never of the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    values: BTreeMap<String, Option<Parsed>>,
}

impl Config {
    fn get(&self, name: &str) -> Option<&Parsed> {
        match self.values.get(name) {
            Some(value) => value.as_ref(),
            None => panic!("option {name} is not declared"),
        }
    }

    /// The value of a STRING or CLASS option that always has one.
    pub fn text(&self, name: &str) -> &str {
        self.optional_text(name)
            .unwrap_or_else(|| panic!("option {name} may have no value"))
    }

    /// The value of a STRING or CLASS option.
    pub fn optional_text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Parsed::Text(text) => Some(text),
            other => panic!("option {name} is no text but {other:?}"),
        }
    }

    /// The value of an INT, SHORT or LONG option that always has one.
    pub fn integer(&self, name: &str) -> i64 {
        self.optional_integer(name)
            .unwrap_or_else(|| panic!("option {name} may have no value"))
    }

    /// The value of an INT, SHORT or LONG option.
    pub fn optional_integer(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Parsed::Integer(number) => Some(*number),
            other => panic!("option {name} is no integer but {other:?}"),
        }
    }

    /// The value of a DOUBLE option that always has one.
    pub fn double(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Parsed::Double(number)) => *number,
            other => panic!("option {name} is no double but {other:?}"),
        }
    }

    /// The value of a BOOLEAN option.
    pub fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            Some(Parsed::Boolean(flag)) => *flag,
            other => panic!("option {name} is no boolean but {other:?}"),
        }
    }

    /// The value of a LIST option; empty when it has none.
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            Some(Parsed::List(items)) => items,
            None => &[],
            other => panic!("option {name} is no list but {other:?}"),
        }
    }

    /// The value of a PASSWORD option.
    pub fn secret(&self, name: &str) -> Option<&Secret> {
        match self.get(name)? {
            Parsed::Secret(secret) => Some(secret),
            other => panic!("option {name} is no password but {other:?}"),
        }
    }

    /// Every option as the text that a plugin gets: secrets in the clear, options without a value
    /// left out.
    pub fn resolved(&self) -> impl Iterator<Item = (&str, String)> {
        self.values
            .iter()
            .filter_map(|(name, value)| match value.as_ref()? {
                Parsed::Secret(secret) => Some((name.as_str(), secret.expose().to_owned())),
                other => Some((name.as_str(), other.text())),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn def() -> ConfigDef {
        ConfigDef::new(vec![
            ConfigKey::required("name", ConfigType::String, ""),
            ConfigKey::new("tasks.max", ConfigType::Int, "1", "").validator(Validator::AtLeast(1)),
            ConfigKey::new("tolerance", ConfigType::String, "none", "")
                .validator(Validator::OneOf(vec!["none".into(), "all".into()])),
            ConfigKey::new("on", ConfigType::Boolean, "false", ""),
            ConfigKey::new("topics", ConfigType::List, "", ""),
            ConfigKey::nullable("password", ConfigType::Password, ""),
        ])
    }

    fn errors(pairs: &[(&str, &str)]) -> Vec<String> {
        let properties = pairs
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        def()
            .validate(&properties)
            .into_iter()
            .flat_map(|v| v.errors)
            .collect()
    }

    #[test]
    fn errors_are_kafka_connects() {
        for (pairs, expect) in [
            (
                &[] as &[_],
                &["Missing required configuration \"name\" which has no default value."] as &[_],
            ),
            (
                &[("name", "x"), ("tasks.max", "invalid number")],
                &[
                    "Invalid value invalid number for configuration tasks.max: Not a number of type INT",
                    "Invalid value null for configuration tasks.max: Value must be non-null",
                ],
            ),
            (
                &[("name", "x"), ("tasks.max", "0")],
                &["Invalid value 0 for configuration tasks.max: Value must be at least 1"],
            ),
            (
                &[("name", "x"), ("tolerance", "some")],
                &[
                    "Invalid value some for configuration tolerance: String must be one of: none, all",
                ],
            ),
            (
                &[("name", "x"), ("on", "yes")],
                &[
                    "Invalid value yes for configuration on: Expected value to be either true or false",
                ],
            ),
        ] {
            assert_eq!(errors(pairs), expect);
        }
    }

    #[test]
    fn parse_applies_defaults_once() {
        let given = [
            ("name", " x "),
            ("topics", "a, b"),
            ("on", "TRUE"),
            ("password", "p"),
        ];
        let given = given
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        let config = def().parse(&given).unwrap();
        assert_eq!(config.text("name"), "x");
        assert_eq!(config.integer("tasks.max"), 1);
        assert_eq!(config.list("topics"), ["a", "b"]);
        assert!(config.flag("on"));
        assert_eq!(config.secret("password").unwrap().expose(), "p");
    }

    #[test]
    fn a_password_is_never_shown() {
        let given = [
            ("name".to_owned(), "x".to_owned()),
            ("password".into(), "canary".into()),
        ];
        let given = Properties::from(given);
        let config = def().parse(&given).unwrap();
        let shown = format!("{config:?} {:?}", def().validate(&given));
        assert!(!shown.contains("canary"), "{shown}");
    }
}
