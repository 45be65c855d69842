//! One option: its type, its default, what its value must satisfy, and how forms show it.

use std::borrow::Cow;

use super::value::Parsed;
use super::{Choice, ChoiceWords, HIDDEN, WordCase};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// One of the words of a [`Choice`]; [`ConfigKey::choice`] sets it.
    Choice(ChoiceWords),
    /// A number not below this one.
    AtLeast(i64),
    /// A number not outside these.
    Between(f64, f64),
    /// Whatever the function says; its text follows `Invalid value … for configuration …: `.
    Check(fn(&str) -> Result<(), String>),
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
    /// Its place in the group; none: the one behind the option in front of it.
    pub order: Option<i32>,
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
            order: None,
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

    /// An option that is one of a few words: its type is STRING, its values are those of `C`.
    pub fn choice<C: Choice>(
        name: impl Into<Cow<'static, str>>,
        default: C,
        doc: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(name, ConfigType::String, default.word(), doc)
            .validator(Validator::Choice(ChoiceWords::new::<C>()))
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

    /// The same option at a place of its group.
    #[must_use]
    pub fn order(mut self, order: i32) -> Self {
        self.order = Some(order);
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
    pub(super) fn check(&self, value: Option<&str>) -> (Option<Parsed>, Vec<String>) {
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
            Ok(Parsed::Text(text)) => Some(match &self.validator {
                Validator::Choice(words) => Parsed::Choice(text, words.of),
                _ => Parsed::Text(text),
            }),
            Ok(parsed) => Some(parsed),
            Err(why) => {
                errors.push(self.invalid(text, &why));
                None
            }
        });
        match (&parsed, &self.validator) {
            // Kafka's range validators also complain of the null that a bad number leaves behind:
            // it is the same mistake, told twice.
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
            _ => shortened(without_credentials(value)),
        };
        format!(
            "Invalid value {value} for configuration {}: {why}",
            self.name
        )
    }
}

/// Most characters of a value that a text quotes.
const QUOTED: usize = 1000;

fn shortened(mut value: String) -> String {
    if let Some((at, _)) = value.char_indices().nth(QUOTED) {
        value.truncate(at);
        value.push('…');
    }
    value
}

/// What the names of parameters contain whose values are secrets, also where they are misspelt.
const SECRET_NAMES: [&str; 5] = ["pass", "pwd", "secret", "token", "credential"];

/// An address without its user, its password, and the secrets among its parameters
/// (Invariant 9): it may be malformed, so rather too much is hidden than too little.
fn without_credentials(value: &str) -> String {
    let mut shown = value.to_owned();
    if let Some(start) = shown.find("://").map(|at| at + 3)
        && let Some(end) = shown.rfind('@').filter(|end| *end >= start)
    {
        shown.replace_range(start..end, HIDDEN);
    }
    let mut from = 0;
    while let Some(at) = shown[from..].find('=') {
        let start = from + at + 1;
        from = start;
        let name = shown[..start - 1].rsplit(['?', '&', ';', ',', ' ']).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        if SECRET_NAMES.iter().any(|word| name.contains(word)) {
            let end = shown[start..].find('&');
            let end = end.map_or(shown.len(), |length| start + length);
            shown.replace_range(start..end, HIDDEN);
            from = start + HIDDEN.len();
        }
    }
    shown
}

/// Kafka's text for a word that is none of these.
fn not_one_of<S: AsRef<str>>(case: WordCase, words: &[S]) -> String {
    let case = match case {
        WordCase::Exact => "",
        WordCase::Any => " (case insensitive)",
    };
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    format!("String must be one of{case}: {}", words.join(", "))
}

impl Validator {
    /// The values that forms offer: the words of an option that has only such.
    pub(super) fn recommended_values(&self) -> Vec<String> {
        match self {
            Self::OneOf(options) => options.iter().map(ToString::to_string).collect(),
            Self::Choice(choice) => choice.words().into_iter().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    fn check(&self, value: &Parsed) -> Result<(), String> {
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
                Err(not_one_of(WordCase::Exact, options))
            }
            Self::OneOfIgnoreCase(options)
                if !options
                    .iter()
                    .any(|o| o.eq_ignore_ascii_case(&value.text())) =>
            {
                Err(not_one_of(WordCase::Any, options))
            }
            Self::Choice(choice) if !choice.contains(&value.text()) => {
                Err(not_one_of(choice.case(), &choice.words()))
            }
            Self::Check(check) => check(&value.text()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            (
                "jdbc:postgresql://host/db?passwort=secret&ssl=true&apiToken=a=b&c=d",
                "jdbc:postgresql://host/db?passwort=[hidden]&ssl=true&apiToken=[hidden]&c=d",
            ),
            ("a@b", "a@b"),
            ("password=", "password=[hidden]"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(value), expect, "{value}");
        }
    }
}
