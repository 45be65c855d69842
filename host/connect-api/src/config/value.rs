//! Values of options: what a text is by its type.

use std::any::TypeId;
use std::fmt;

use super::ConfigType;

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
pub(super) enum Parsed {
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Text(String),
    /// A word as given, and the type of [`super::Choice`] that it belongs to.
    Choice(String, TypeId),
    List(Vec<String>),
    Secret(Secret),
}

impl Parsed {
    pub(super) fn new(kind: ConfigType, text: &str) -> Result<Self, String> {
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
    pub(super) fn text(&self) -> String {
        match self {
            Self::Boolean(flag) => flag.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Double(number) => number.to_string(),
            Self::Text(text) | Self::Choice(text, _) => text.clone(),
            Self::List(items) => items.join(","),
            Self::Secret(_) => "[hidden]".into(),
        }
    }
}
