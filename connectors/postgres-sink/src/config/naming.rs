//! Names of tables and columns: what Debezium's naming strategies make of them, and how Postgres
//! folds those that are not quoted.

use std::borrow::Cow;

use connect_api::{Choice, Config, ConfigKey, ConfigType, Importance, Validator};

pub(super) const QUOTING: &str = "quote.sql.identifiers";
pub(super) const COLLECTION_STRATEGY: &str = "collection.naming.strategy";
pub(super) const COLLECTION_STYLE: [&str; 3] = [
    "collection.naming.style",
    "collection.naming.prefix",
    "collection.naming.suffix",
];
pub(super) const COLUMN_STRATEGY: &str = "column.naming.strategy";
pub(super) const COLUMN_STYLE: [&str; 3] = [
    "column.naming.style",
    "column.naming.prefix",
    "column.naming.suffix",
];

/// Whether names stand in quotes: `quote.sql.identifiers`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    Always,
    Never,
}

impl Choice for Quoting {
    const WORDS: &'static [(&'static str, Self)] =
        &[("always", Self::Always), ("never", Self::Never)];
}

impl Quoting {
    /// The name of a table as it is in the catalog. Parts in double quotes stay as they are.
    pub fn folded(self, name: String) -> String {
        match self {
            Self::Always => name,
            Self::Never => {
                let mut is_quoted = false;
                let folded = name.chars().map(|c| {
                    is_quoted ^= c == '"';
                    if is_quoted { c } else { c.to_ascii_lowercase() }
                });
                folded.collect()
            }
        }
    }
}

/// Which strategy names tables: `collection.naming.strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CollectionStrategy {
    /// By `table.name.format`.
    Default,
    /// By `table.name.format`, and the dots of a topic stay.
    Passthrough,
    /// By the last part of the topic, and `collection.naming.*`.
    Custom,
}

impl Choice for CollectionStrategy {
    const WORDS: &'static [(&'static str, Self)] = &[
        (
            "io.debezium.sink.naming.DefaultCollectionNamingStrategy",
            Self::Default,
        ),
        (
            "io.debezium.sink.naming.PassthroughCollectionNamingStrategy",
            Self::Passthrough,
        ),
        (
            "io.debezium.connector.jdbc.naming.CustomCollectionNamingStrategy",
            Self::Custom,
        ),
    ];
    // What the default was called before.
    const ALIASES: &'static [(&'static str, Self)] = &[
        (
            "io.debezium.connector.jdbc.naming.DefaultTableNamingStrategy",
            Self::Default,
        ),
        (
            "io.debezium.connector.jdbc.naming.DefaultCollectionNamingStrategy",
            Self::Default,
        ),
    ];
}

/// Which strategy names columns: `column.naming.strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnStrategy {
    /// As the fields.
    Default,
    /// By `column.naming.*`.
    Custom,
}

impl Choice for ColumnStrategy {
    const WORDS: &'static [(&'static str, Self)] = &[
        (
            "io.debezium.sink.naming.DefaultColumnNamingStrategy",
            Self::Default,
        ),
        (
            "io.debezium.connector.jdbc.naming.CustomColumnNamingStrategy",
            Self::Custom,
        ),
    ];
    const ALIASES: &'static [(&'static str, Self)] = &[(
        "io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy",
        Self::Default,
    )];
}

/// How words are written: Debezium's `NamingStyle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Default,
    Snake,
    Camel,
    Upper,
    Lower,
}

impl Choice for Style {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("default", Self::Default),
        ("snake_case", Self::Snake),
        ("camel_case", Self::Camel),
        ("UPPER_CASE", Self::Upper),
        ("LOWER_CASE", Self::Lower),
    ];
}

impl Style {
    fn of(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::Default => Cow::Borrowed(name),
            Self::Snake => Cow::Owned(snake_case(name)),
            Self::Camel => Cow::Owned(camel_case(name)),
            Self::Upper => Cow::Owned(name.to_uppercase()),
            Self::Lower => Cow::Owned(name.to_lowercase()),
        }
    }
}

/// A word ends where a capital follows a small letter or a digit, and at a dot, a dash or a blank.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut before = None;
    for c in name.chars() {
        if c.is_uppercase() && before.is_some_and(|b: char| b.is_lowercase() || b.is_numeric()) {
            snake.push('_');
        }
        match c {
            '.' | '-' | ' ' => snake.push('_'),
            _ => snake.extend(c.to_lowercase()),
        }
        before = Some(c);
    }
    snake
}

/// Dots and underscores part words.
fn camel_case(name: &str) -> String {
    let words = name.split(['.', '_']).filter(|word| !word.is_empty());
    let mut camel = String::with_capacity(name.len());
    for (at, word) in words.enumerate() {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if at > 0 => camel.extend(first.to_uppercase()),
            Some(first) => camel.extend(first.to_lowercase()),
            None => {}
        }
        camel.push_str(&letters.as_str().to_lowercase());
    }
    camel
}

/// A style, with what stands before and behind the name.
#[derive(Clone, Debug)]
pub(super) struct Styled {
    style: Style,
    prefix: String,
    suffix: String,
}

impl Styled {
    /// What three options make of names: the style, the prefix and the suffix.
    pub fn resolve(config: &Config, [style, prefix, suffix]: [&str; 3]) -> Self {
        Self {
            style: config.choice(style),
            prefix: config.text(prefix).to_owned(),
            suffix: config.text(suffix).to_owned(),
        }
    }

    pub fn name(&self, name: &str) -> String {
        format!("{}{}{}", self.prefix, self.style.of(name), self.suffix)
    }
}

/// Which of three options ask for something.
pub(super) fn given(
    config: &Config,
    [style, prefix, suffix]: [&'static str; 3],
) -> Vec<&'static str> {
    let styled = config
        .optional_choice(style)
        .is_some_and(|style: Style| style != Style::Default);
    let affixes = [prefix, suffix].into_iter();
    let affixes = affixes.filter(|key| config.optional_text(key).is_some_and(|t| !t.is_empty()));
    styled.then_some(style).into_iter().chain(affixes).collect()
}

/// The column of a field.
#[derive(Clone, Debug)]
pub(crate) struct ColumnNaming {
    styled: Option<Styled>,
    quoting: Quoting,
}

impl ColumnNaming {
    /// How the options name columns.
    pub(super) fn resolve(config: &Config) -> Self {
        let is_custom = config.choice::<ColumnStrategy>(COLUMN_STRATEGY) == ColumnStrategy::Custom;
        Self {
            styled: is_custom.then(|| Styled::resolve(config, COLUMN_STYLE)),
            quoting: config.choice(QUOTING),
        }
    }

    /// The name of the column, as it is in the catalog.
    pub fn column<'a>(&self, field: &'a str) -> Cow<'a, str> {
        let named = match &self.styled {
            None => Cow::Borrowed(field),
            Some(styled) => Cow::Owned(styled.name(field)),
        };
        match self.quoting {
            Quoting::Always => named,
            Quoting::Never => Cow::Owned(named.to_ascii_lowercase()),
        }
    }
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    let mut keys = vec![ConfigKey::choice(
        QUOTING,
        Quoting::Always,
        "always: names of tables and columns are taken as they are. never: they are folded to small \
         letters, as Postgres folds names that are not quoted, unless table.name.format has them in \
         double quotes. The default of Debezium's class, where it is quote.identifiers, is never.",
    )];
    keys.push(
        ConfigKey::choice(
            COLLECTION_STRATEGY,
            CollectionStrategy::Default,
            "Debezium's classes that name tables. The default goes by table.name.format; \
             Passthrough too, and keeps the dots of topics; Custom takes the part of the topic \
             behind the second dot, or the first, in collection.naming.style, whatever \
             table.name.format is.",
        )
        .importance(Importance::Low),
    );
    keys.extend(styles(COLLECTION_STYLE, "the table", COLLECTION_STRATEGY));
    keys.push(
        ConfigKey::choice(
            COLUMN_STRATEGY,
            ColumnStrategy::Default,
            "Debezium's classes that name columns. The default takes the names of fields, Custom \
             brings them to column.naming.style.",
        )
        .importance(Importance::Low),
    );
    keys.extend(styles(COLUMN_STYLE, "the column", COLUMN_STRATEGY));
    keys
}

fn styles([style, prefix, suffix]: [&'static str; 3], of: &str, by: &str) -> Vec<ConfigKey> {
    let text = |name: &'static str, doc: String| {
        ConfigKey::new(name, ConfigType::String, "", doc)
            .validator(Validator::Check(no_quotes))
            .importance(Importance::Low)
    };
    vec![
        ConfigKey::choice(
            style,
            Style::Default,
            format!("How the words of the name of {of} are written, with the Custom {by}."),
        )
        .importance(Importance::Low),
        text(
            prefix,
            format!("Stands before the name of {of}, with the Custom {by}."),
        ),
        text(
            suffix,
            format!("Stands behind the name of {of}, with the Custom {by}."),
        ),
    ]
}

fn no_quotes(text: &str) -> Result<(), String> {
    match text.contains(['"', '\0']) {
        true => Err("It must not have a double quote or a NUL character".to_owned()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_debeziums() {
        for (style, name, expect) in [
            (Style::Default, "docId", "docId"),
            (Style::Snake, "docId", "doc_id"),
            (
                Style::Snake,
                "UserRegistrationRecord",
                "user_registration_record",
            ),
            (Style::Snake, "nick_name_", "nick_name_"),
            (Style::Snake, "user_profile_data", "user_profile_data"),
            (Style::Camel, "user_profile_data", "userProfileData"),
            (Style::Camel, "table", "table"),
            (Style::Upper, "table", "TABLE"),
            (Style::Lower, "TABLE", "table"),
        ] {
            assert_eq!(style.of(name), expect, "{style:?} {name}");
        }
    }

    #[test]
    fn what_is_not_quoted_is_folded_as_postgres_does() {
        for (name, expect) in [
            ("F16_CUSTOMERS", "f16_customers"),
            ("Raw.\"Weird.Name\"", "raw.\"Weird.Name\""),
            ("\"A\"\"B\".C", "\"A\"\"B\".c"),
            // Letters beyond ASCII stay, as in a database of UTF-8.
            ("STRASSE_Ä", "strasse_Ä"),
        ] {
            assert_eq!(Quoting::Never.folded(name.to_owned()), expect);
            assert_eq!(Quoting::Always.folded(name.to_owned()), name);
        }
    }
}
