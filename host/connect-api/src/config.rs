//! Configuration: every option is declared once, and the parser, `/validate` and the documentation
//! come from that declaration.

mod choice;
mod file;
mod key;
mod mask;
mod page;
mod tolerance;
mod value;

use std::any::TypeId;
use std::collections::BTreeMap;

use crate::{Error, Result};

pub use choice::{Choice, ChoiceWords, WordCase};
pub use file::{MOST_CONFIG_FILE_BYTES, check_config_file, read_config_file};
pub use key::{ConfigKey, ConfigType, Importance, Validator, Width};
pub use mask::{HIDDEN, is_mask, keep_secrets, mask};
pub use tolerance::Tolerance;
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
        self.keep_secrets(properties);
        let values = self.keys.iter().map(|key| {
            let (parsed, errors) = key.check(properties.get(key.name.as_ref()).map(String::as_str));
            ConfigValue {
                name: key.name.to_string(),
                value: parsed.map(|p| p.text()),
                recommended_values: key.validator.recommended_values(),
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
        let (config, errors) = self.check(properties);
        if errors.is_empty() {
            Ok(config)
        } else {
            Err(Error::config(errors.join("; ")))
        }
    }

    /// The configuration as far as it is valid: an option whose value is wrong, or that is missing,
    /// has no value, so only the getters named `optional_…` and [`Config::list`] may read it. It is
    /// for the rules between options, which are checked even when some option is wrong by itself.
    pub fn parse_valid(&self, properties: &Properties) -> Config {
        self.check(properties).0
    }

    /// From here on, no text tells what the options of type PASSWORD hold (Invariant 9).
    fn keep_secrets(&self, properties: &Properties) {
        let of_password = |key: &&ConfigKey| key.kind == ConfigType::Password;
        let names: Vec<&str> = self
            .keys
            .iter()
            .filter(of_password)
            .map(|key| &*key.name)
            .collect();
        let secrets = names.iter().filter_map(|name| properties.get(*name));
        let open = |text: &str| {
            let mut others = properties
                .iter()
                .filter(|(key, _)| !names.contains(&key.as_str()));
            others.any(|(_, value)| {
                value
                    .split([',', ';', '/', '&', '='])
                    .any(|part| part == text)
            })
        };
        keep_secrets(secrets.map(String::as_str), &open);
    }

    fn check(&self, properties: &Properties) -> (Config, Vec<String>) {
        self.keep_secrets(properties);
        let mut values = BTreeMap::new();
        let mut errors = Vec::new();
        for key in &self.keys {
            let (parsed, wrong) = key.check(properties.get(key.name.as_ref()).map(String::as_str));
            values.insert(key.name.to_string(), parsed.filter(|_| wrong.is_empty()));
            errors.extend(wrong);
        }
        (Config { values }, errors)
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

    /// The value of an option that was declared by [`ConfigKey::choice`].
    pub fn choice<C: Choice>(&self, name: &str) -> C {
        self.optional_choice(name)
            .unwrap_or_else(|| panic!("option {name} may have no value"))
    }

    /// The same where the value may be wrong: see [`ConfigDef::parse_valid`].
    pub fn optional_choice<C: Choice>(&self, name: &str) -> Option<C> {
        let value = match self.get(name)? {
            Parsed::Choice(text, of) if *of == TypeId::of::<C>() => C::of_word(text),
            _ => None,
        };
        // Only words of the type are parsed: without a value, the option has another type.
        assert!(
            value.is_some(),
            "option {name} is no {}",
            std::any::type_name::<C>()
        );
        value
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

    /// The value of a BOOLEAN option that always has one.
    pub fn flag(&self, name: &str) -> bool {
        self.optional_flag(name)
            .unwrap_or_else(|| panic!("option {name} may have no value"))
    }

    /// The value of a BOOLEAN option.
    pub fn optional_flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Parsed::Boolean(flag) => Some(*flag),
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
mod tests;
