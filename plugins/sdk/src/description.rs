//! Builders for what a plugin tells of itself.

use crate::{ConfigKey, ConfigType, Description, Importance, Parts, Validator};

impl Description {
    /// A plugin with no keys and no state that reads the record's value and does not tick.
    pub fn new(name: &str, version: &str, documentation: &str) -> Description {
        Description {
            name: name.to_owned(),
            version: version.to_owned(),
            documentation: documentation.to_owned(),
            config: Vec::new(),
            reads: Parts::VALUE,
            ticks: false,
            stateful: false,
            fields: None,
        }
    }

    /// Adds a key of the configuration.
    pub fn key(mut self, key: ConfigKey) -> Description {
        self.config.push(key);
        self
    }

    /// Names the parts of a record that the plugin reads. What is not named does not cross.
    pub fn reading(mut self, parts: Parts) -> Description {
        self.reads = parts;
        self
    }

    /// Names the fields of the value's row that the plugin looks at. The others are null to it, and
    /// do not cross; [`crate::Row::with`] and [`crate::Row::reshaped`] keep them as they are.
    pub fn reading_fields(mut self, fields: &[&str]) -> Description {
        self.fields = Some(fields.iter().map(|&field| field.to_owned()).collect());
        self
    }

    /// Asks for [`crate::state`].
    pub fn stateful(mut self) -> Description {
        self.stateful = true;
        self
    }

    /// Asks for [`crate::Transform::tick`] after each batch.
    pub fn ticking(mut self) -> Description {
        self.ticks = true;
        self
    }
}

impl ConfigKey {
    /// A key of any kind, required, of high importance.
    pub fn required(name: &str, kind: ConfigType, documentation: &str) -> ConfigKey {
        ConfigKey {
            name: name.to_owned(),
            kind,
            default_value: None,
            validator: Validator::Any,
            importance: Importance::High,
            documentation: documentation.to_owned(),
        }
    }

    /// A boolean key.
    pub fn boolean(name: &str, default: bool, documentation: &str) -> ConfigKey {
        ConfigKey::optional(
            name,
            ConfigType::Boolean,
            default.to_string(),
            documentation,
        )
    }

    /// A key whose value is text.
    pub fn text(name: &str, default: &str, documentation: &str) -> ConfigKey {
        ConfigKey::optional(name, ConfigType::Text, default.to_owned(), documentation)
    }

    /// A key whose value is a secret, which the worker shows nowhere; empty where none is given.
    pub fn password(name: &str, documentation: &str) -> ConfigKey {
        ConfigKey::optional(name, ConfigType::Password, String::new(), documentation)
    }

    /// A key whose value is a whole number of 32 bits.
    pub fn int(name: &str, default: i32, documentation: &str) -> ConfigKey {
        ConfigKey::optional(name, ConfigType::Int, default.to_string(), documentation)
    }

    /// A key whose value is a whole number of 64 bits.
    pub fn long(name: &str, default: i64, documentation: &str) -> ConfigKey {
        ConfigKey::optional(name, ConfigType::Long, default.to_string(), documentation)
    }

    /// A key whose value is a number.
    pub fn float(name: &str, default: f64, documentation: &str) -> ConfigKey {
        ConfigKey::optional(name, ConfigType::Double, default.to_string(), documentation)
    }

    /// A key whose value is a comma-separated list.
    pub fn list(name: &str, default: &str, documentation: &str) -> ConfigKey {
        ConfigKey::optional(name, ConfigType::List, default.to_owned(), documentation)
    }

    /// The same key with a validator.
    pub fn valid(mut self, validator: Validator) -> ConfigKey {
        self.validator = validator;
        self
    }

    /// The same key with another importance; that of a key with a default is medium.
    pub fn of(mut self, importance: Importance) -> ConfigKey {
        self.importance = importance;
        self
    }

    fn optional(name: &str, kind: ConfigType, default: String, documentation: &str) -> ConfigKey {
        ConfigKey {
            default_value: Some(default),
            importance: Importance::Medium,
            ..ConfigKey::required(name, kind, documentation)
        }
    }
}
