//! Configuration: every option is declared once, and the parser, `/validate` and the documentation
//! come from that declaration.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::{Error, Result};

/// Properties as given: by REST, or in a file.
pub type Properties = BTreeMap<String, String>;

/// The type of an option, in Kafka Connect's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`, in any case.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A float.
    Double,
    /// Comma-separated texts.
    List,
    /// A class name.
    Class,
    /// Text that is shown as `[hidden]`.
    Password,
}

impl ConfigType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// How much an option matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// HIGH.
    High,
    /// MEDIUM.
    Medium,
    /// LOW.
    Low,
}

impl Importance {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// How wide a form's field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// NONE.
    None,
    /// SHORT.
    Short,
    /// MEDIUM.
    Medium,
    /// LONG.
    Long,
}

impl Width {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

/// What a value must satisfy beyond its type.
#[derive(Clone, Debug)]
pub enum Validator {
    /// Nothing.
    Any,
    /// A text with at least one character.
    NonEmpty,
    /// One of these texts.
    OneOf(Vec<Cow<'static, str>>),
    /// One of these texts, in any case.
    OneOfIgnoreCase(Vec<Cow<'static, str>>),
    /// A number not below this one.
    AtLeast(i64),
    /// A number not outside these.
    Between(f64, f64),
    /// Whatever the function says; its text follows `Invalid value … for configuration …: `.
    Check(fn(&str) -> std::result::Result<(), String>),
}

/// An option.
#[derive(Clone, Debug)]
pub struct ConfigKey {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its type.
    pub kind: ConfigType,
    /// None: it must be given. `Some(None)`: it may be left out, and then has no value.
    pub default: Option<Option<Cow<'static, str>>>,
    /// What its value must satisfy.
    pub validator: Validator,
    /// How much it matters.
    pub importance: Importance,
    /// What it does: its unit, its default where that needs words.
    pub doc: Cow<'static, str>,
    /// The group that forms show it in.
    pub group: Option<Cow<'static, str>>,
    /// How wide a form's field is.
    pub width: Width,
    /// What forms call it.
    pub display_name: Cow<'static, str>,
}

impl ConfigKey {
    fn with_default(
        name: impl Into<Cow<'static, str>>,
        kind: ConfigType,
        default: Option<Option<Cow<'static, str>>>,
        doc: impl Into<Cow<'static, str>>,
    ) -> Self {
        let name = name.into();
        Self {
            display_name: name.clone(),
            name,
            kind,
            default,
            validator: Validator::Any,
            importance: Importance::Medium,
            doc: doc.into(),
            group: None,
            width: Width::None,
        }
    }

    /// An option that must be given.
    pub fn required(
        name: impl Into<Cow<'static, str>>,
        kind: ConfigType,
        doc: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_default(name, kind, None, doc)
    }

    /// An option that has a default.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        kind: ConfigType,
        default: impl Into<Cow<'static, str>>,
        doc: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_default(name, kind, Some(Some(default.into())), doc)
    }

    /// An option that may have no value.
    pub fn nullable(
        name: impl Into<Cow<'static, str>>,
        kind: ConfigType,
        doc: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::with_default(name, kind, Some(None), doc)
    }

    /// The same option with a validator.
    #[must_use]
    pub fn validator(mut self, validator: Validator) -> Self {
        self.validator = validator;
        self
    }

    /// The same option with another importance than MEDIUM.
    #[must_use]
    pub fn importance(mut self, importance: Importance) -> Self {
        self.importance = importance;
        self
    }

    /// The same option in a group.
    #[must_use]
    pub fn group(mut self, group: impl Into<Cow<'static, str>>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// The same option with a width and a name for forms.
    #[must_use]
    pub fn display(mut self, width: Width, name: impl Into<Cow<'static, str>>) -> Self {
        self.width = width;
        self.display_name = name.into();
        self
    }

    /// What is wrong with a value, in Kafka Connect's words.
    fn check(&self, value: Option<&str>) -> (Option<Parsed>, Vec<String>) {
        let given = match (value, &self.default) {
            (Some(value), _) => Some(value),
            (None, Some(default)) => default.as_deref(),
            (None, None) => {
                let name = &self.name;
                let missing = "Missing required configuration";
                let why = format!("{missing} \"{name}\" which has no default value.");
                return (None, vec![why]);
            }
        };
        let mut errors = Vec::new();
        let parsed = given.and_then(|text| match Parsed::new(self.kind, text) {
            Ok(parsed) => Some(parsed),
            Err(why) => {
                errors.push(self.invalid(text, &why));
                None
            }
        });
        match (&parsed, &self.validator) {
            (None, Validator::AtLeast(_) | Validator::Between(..)) if given.is_some() => {
                // Kafka's range validators also see the null that a bad number leaves behind.
                errors.push(self.invalid("null", "Value must be non-null"));
            }
            (None, _) => {}
            (Some(parsed), validator) => {
                if let Err(why) = validator.check(parsed) {
                    errors.push(self.invalid(&parsed.text(), &why));
                }
            }
        }
        (parsed, errors)
    }

    fn invalid(&self, value: &str, why: &str) -> String {
        let value = match self.kind {
            ConfigType::Password => HIDDEN.into(),
            _ => without_credentials(value),
        };
        format!(
            "Invalid value {value} for configuration {}: {why}",
            self.name
        )
    }
}

const HIDDEN: &str = "[hidden]";

/// An address without its user, its password, and the passwords among its parameters
/// (Invariant 9): it may be malformed, so rather too much is hidden than too little.
fn without_credentials(value: &str) -> String {
    let mut shown = value.to_owned();
    if let Some(start) = shown.find("://").map(|at| at + 3)
        && let Some(end) = shown.rfind('@').filter(|end| *end >= start)
    {
        shown.replace_range(start..end, HIDDEN);
    }
    let mut from = 0;
    while let Some(at) = shown[from..].to_ascii_lowercase().find("password=") {
        let start = from + at + "password=".len();
        let end = shown[start..]
            .find('&')
            .map_or(shown.len(), |length| start + length);
        shown.replace_range(start..end, HIDDEN);
        from = start + HIDDEN.len();
    }
    shown
}

impl Validator {
    fn check(&self, value: &Parsed) -> std::result::Result<(), String> {
        let number = match value {
            Parsed::Integer(number) => Some(*number as f64),
            Parsed::Double(number) => Some(*number),
            _ => None,
        };
        match self {
            Self::AtLeast(least) if number.is_some_and(|n| n < *least as f64) => {
                Err(format!("Value must be at least {least}"))
            }
            Self::Between(least, _) if number.is_some_and(|n| n < *least) => {
                Err(format!("Value must be at least {least}"))
            }
            Self::Between(_, most) if number.is_some_and(|n| n > *most) => {
                Err(format!("Value must be no more than {most}"))
            }
            Self::NonEmpty if value.text().is_empty() => Err("String must be non-empty".into()),
            Self::OneOf(options) if !options.contains(&Cow::Borrowed(&value.text())) => {
                Err(format!("String must be one of: {}", options.join(", ")))
            }
            Self::OneOfIgnoreCase(options)
                if !options
                    .iter()
                    .any(|o| o.eq_ignore_ascii_case(&value.text())) =>
            {
                Err(format!(
                    "String must be one of (case insensitive): {}",
                    options.join(", ")
                ))
            }
            Self::Check(check) => check(&value.text()),
            _ => Ok(()),
        }
    }
}

/// A secret. It is never shown: `Debug` hides it, and there is no `Display` (Invariant 9).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret of the given text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, to be handed to whom it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[derive(Clone, Debug)]
enum Parsed {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    List(Vec<String>),
    Secret(Secret),
}

impl Parsed {
    fn new(kind: ConfigType, text: &str) -> std::result::Result<Self, String> {
        let trimmed = text.trim();
        let integer = |least: i64, most: i64| match trimmed.parse::<i64>() {
            Ok(number) if (least..=most).contains(&number) => Ok(Self::Integer(number)),
            _ => Err(format!("Not a number of type {}", kind.name())),
        };
        match kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => Ok(Self::Boolean(true)),
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => {
                Ok(Self::Boolean(false))
            }
            ConfigType::Boolean => Err("Expected value to be either true or false".into()),
            ConfigType::Short => integer(i16::MIN.into(), i16::MAX.into()),
            ConfigType::Int => integer(i32::MIN.into(), i32::MAX.into()),
            ConfigType::Long => integer(i64::MIN, i64::MAX),
            ConfigType::Double => match trimmed.parse() {
                Ok(number) => Ok(Self::Double(number)),
                Err(_) => Err("Not a number of type DOUBLE".into()),
            },
            ConfigType::List if trimmed.is_empty() => Ok(Self::List(Vec::new())),
            ConfigType::List => Ok(Self::List(
                trimmed
                    .split(',')
                    .map(|item| item.trim().to_owned())
                    .collect(),
            )),
            ConfigType::Password => Ok(Self::Secret(Secret::new(text))),
            ConfigType::String | ConfigType::Class => Ok(Self::Text(trimmed.to_owned())),
        }
    }

    /// The text that answers show.
    fn text(&self) -> String {
        match self {
            Self::Boolean(flag) => flag.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::List(items) => items.join(","),
            Self::Secret(_) => "[hidden]".into(),
        }
    }
}

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
    fn an_address_is_shown_without_its_credentials() {
        for (value, expect) in [
            (
                "postgres://ann:s@crt@host:x/db",
                "postgres://[hidden]@host:x/db",
            ),
            ("postgres://ann@host/db", "postgres://[hidden]@host/db"),
            (
                "jdbc:postgresql://host/db?user=ann&Password=secret&sslpassword=more",
                "jdbc:postgresql://host/db?user=ann&Password=[hidden]&sslpassword=[hidden]",
            ),
            ("http://host:8081/a@b", "http://[hidden]@b"),
            ("a@b", "a@b"),
            ("password=", "password=[hidden]"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(value), expect, "{value}");
        }
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
