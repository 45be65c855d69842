//! Options that are one of a few words: the words and the values that they stand for, in one place.

use std::any::TypeId;

/// Whether the words of a [`Choice`] are told apart by their case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WordCase {
    /// A word is written exactly as declared, as for Kafka's `ValidString`.
    Exact,
    /// A word is taken in upper and lower case, as for Kafka's `CaseInsensitiveValidString`.
    Any,
}

/// The values of an option that is one of a few words.
///
/// The type says everything about the words once. [`ConfigKey::choice`](crate::ConfigKey::choice)
/// declares an option of it, with its default, and [`Config::choice`](crate::Config::choice) gives
/// the value: there is no text to match and so no word that is forgotten.
///
/// ```
/// use connect_api::{Choice, ConfigDef, ConfigKey, Properties};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq)]
/// enum InsertMode {
///     Insert,
///     Upsert,
/// }
///
/// impl Choice for InsertMode {
///     const WORDS: &'static [(&'static str, Self)] =
///         &[("insert", Self::Insert), ("upsert", Self::Upsert)];
/// }
///
/// let def = ConfigDef::new(vec![ConfigKey::choice(
///     "insert.mode",
///     InsertMode::Insert,
///     "insert appends rows; upsert updates the rows whose key exists.",
/// )]);
/// let given = Properties::from([("insert.mode".to_owned(), "UPSERT".to_owned())]);
/// assert_eq!(def.parse(&given)?.choice::<InsertMode>("insert.mode"), InsertMode::Upsert);
/// assert_eq!(
///     def.parse(&Properties::new())?.choice::<InsertMode>("insert.mode"),
///     InsertMode::Insert
/// );
///
/// let wrong = Properties::from([("insert.mode".to_owned(), "merge".to_owned())]);
/// assert_eq!(
///     def.parse(&wrong).unwrap_err().to_string(),
///     "Invalid value merge for configuration insert.mode: String must be one of (case \
///      insensitive): insert, upsert"
/// );
/// # Ok::<(), connect_api::Error>(())
/// ```
pub trait Choice: Copy + PartialEq + 'static {
    /// Every value with its word, in the order in which errors and `/validate` list them.
    const WORDS: &'static [(&'static str, Self)];
    /// Further words that are taken but not listed, such as the class names of a policy.
    const ALIASES: &'static [(&'static str, Self)] = &[];
    /// Whether the case of a word matters.
    const CASE: WordCase = WordCase::Any;

    /// The value of a word or an alias; none when it is neither.
    fn of_word(text: &str) -> Option<Self> {
        let is_meant = |word: &str| match Self::CASE {
            WordCase::Exact => word == text,
            WordCase::Any => word.eq_ignore_ascii_case(text),
        };
        let mut all = Self::WORDS.iter().chain(Self::ALIASES);
        all.find(|(word, _)| is_meant(word))
            .map(|(_, value)| *value)
    }

    /// The word of the value, as declared.
    ///
    /// # Panics
    /// When [`Choice::WORDS`] lacks the value: an error of the program that any test of the
    /// definition finds.
    fn word(self) -> &'static str {
        let declared = Self::WORDS.iter().find(|(_, value)| *value == self);
        match declared {
            Some((word, _)) => word,
            None => panic!(
                "{} has a value without a word",
                std::any::type_name::<Self>()
            ),
        }
    }
}

/// What a definition keeps of a [`Choice`]: its words, and which type they belong to.
#[derive(Clone, Copy, Debug)]
pub struct ChoiceWords {
    pub(super) of: TypeId,
    is_word: fn(&str) -> bool,
    words: fn() -> Vec<&'static str>,
    case: WordCase,
}

impl ChoiceWords {
    /// The words of a type.
    pub(super) fn new<C: Choice>() -> Self {
        Self {
            of: TypeId::of::<C>(),
            is_word: |text| C::of_word(text).is_some(),
            words: || C::WORDS.iter().map(|(word, _)| *word).collect(),
            case: C::CASE,
        }
    }

    /// The words that are listed, without aliases.
    pub fn words(&self) -> Vec<&'static str> {
        (self.words)()
    }

    /// Whether the case of a word matters.
    pub fn case(&self) -> WordCase {
        self.case
    }

    /// Whether the text is a word or an alias.
    pub(super) fn contains(&self, text: &str) -> bool {
        (self.is_word)(text)
    }
}
