//! The masker: what nothing that leaves the worker may tell (Invariant 9).
//!
//! What a config provider gave and what stands in an option of type PASSWORD is kept here, whole
//! and in parts, from the moment at which the value is made. Whatever leaves the worker as text
//! goes through [`mask`]: answers, statuses, log lines, headers of dead letters.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};

/// What stands in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// A shorter part says too little, and would hide much else.
const LEAST: usize = 4;
/// A text of this length is hidden also within a word.
const WITHIN_WORDS: usize = 8;
/// Parts of one value.
const PARTS: usize = 200;
/// Texts that are kept; the oldest ones go.
const MOST: usize = 4096;

/// Words of addresses and settings that are no secret where they stand in one.
const PLAIN: &[&str] = &[
    "disable",
    "false",
    "host",
    "http",
    "https",
    "jdbc",
    "kafka",
    "localhost",
    "none",
    "null",
    "password",
    "plain",
    "port",
    "postgres",
    "postgresql",
    "prefer",
    "public",
    "require",
    "required",
    "schema",
    "sslmode",
    "true",
    "user",
    "username",
    "verify-ca",
    "verify-full",
];

#[derive(Default)]
struct Masker {
    secrets: VecDeque<Arc<str>>,
    known: BTreeSet<Arc<str>>,
    /// Of all secrets; none when there are none.
    automaton: Option<AhoCorasick>,
}

static MASKER: LazyLock<RwLock<Masker>> = LazyLock::new(RwLock::default);

/// Keeps secrets, whole and in the parts that messages quote. What is in `plain` is no secret: the
/// same config says it openly.
pub fn keep_secrets<'a>(secrets: impl IntoIterator<Item = &'a str>, plain: &dyn Fn(&str) -> bool) {
    let texts: Vec<&str> = secrets
        .into_iter()
        .flat_map(parts)
        .filter(|text| !is_plain(text) && !plain(text))
        .collect();
    {
        let masker = MASKER.read().unwrap_or_else(PoisonError::into_inner);
        if texts.iter().all(|text| masker.known.contains(*text)) {
            return;
        }
    }
    let mut masker = MASKER.write().unwrap_or_else(PoisonError::into_inner);
    masker.keep(texts);
}

/// The text without secrets.
pub fn mask<'a>(text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let text = text.into();
    let masker = MASKER.read().unwrap_or_else(PoisonError::into_inner);
    match masker
        .automaton
        .as_ref()
        .and_then(|found| hide(found, &text))
    {
        Some(hidden) => Cow::Owned(hidden),
        None => text,
    }
}

/// Whether a text is what forms show in place of a secret, and not one itself: `[hidden]`, or
/// nothing but asterisks or bullets.
pub fn is_mask(text: &str) -> bool {
    let text = text.trim();
    let drawn = |c: char| matches!(c, '*' | '•' | '●' | '·' | '∙' | '⁎' | '＊' | '█');
    let bare = text.trim_matches(['[', ']', '<', '>', '(', ')', '{', '}']);
    let word = ["hidden", "masked", "redacted"]
        .iter()
        .any(|word| bare.eq_ignore_ascii_case(word));
    (word && bare.len() < text.len()) || (bare.chars().count() >= 3 && bare.chars().all(drawn))
}

impl Masker {
    fn keep(&mut self, texts: Vec<&str>) {
        for text in texts {
            let text: Arc<str> = text.into();
            if self.known.insert(Arc::clone(&text)) {
                self.secrets.push_back(text);
            }
        }
        while self.secrets.len() > MOST {
            if let Some(oldest) = self.secrets.pop_front() {
                self.known.remove(&oldest);
            }
        }
        self.automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(self.secrets.iter().map(|secret| secret.as_bytes()))
            .ok();
    }
}

/// None when there is nothing to hide.
fn hide(found: &AhoCorasick, text: &str) -> Option<String> {
    let mut hidden = String::new();
    let mut from = 0;
    while let Some(at) = found.find(aho_corasick::Input::new(text).range(from..)) {
        let (start, end) = (at.start(), at.end());
        if end - start < WITHIN_WORDS && within_word(text, start, end) {
            let next = text[start..].chars().next().map_or(1, char::len_utf8);
            hidden.push_str(&text[from..start + next]);
            from = start + next;
            continue;
        }
        hidden.push_str(&text[from..start]);
        hidden.push_str(HIDDEN);
        from = end;
    }
    let any = hidden.contains(HIDDEN);
    hidden.push_str(&text[from..]);
    (any && hidden != text).then_some(hidden)
}

fn within_word(text: &str, start: usize, end: usize) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    text[..start].chars().next_back().is_some_and(of_word)
        || text[end..].chars().next().is_some_and(of_word)
}

/// A value, and what stands in it between the marks of lists, addresses and lines.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let marks = |c: char| ",;:=&@/?\"'".contains(c) || c.is_whitespace() || c.is_control();
    let lines = value.lines().map(str::trim);
    let words = value.split(marks).take(PARTS);
    let listed = value.split([',', ';', '&']).map(str::trim).take(PARTS);
    [value, value.trim()]
        .into_iter()
        .chain(lines.take(PARTS))
        .chain(listed)
        .chain(words)
        .filter(|text| text.len() >= LEAST)
}

fn is_plain(text: &str) -> bool {
    let short_number = text.len() < 6 && text.bytes().all(|b| b.is_ascii_digit());
    let lower = text.to_ascii_lowercase();
    short_number || PLAIN.contains(&&*lower) || lower.starts_with("org.apache.kafka.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the masker, which all tests of this process share, makes of a text.
    fn masked(secrets: &[&str], text: &str) -> String {
        let mut masker = Masker::default();
        let texts = secrets
            .iter()
            .flat_map(|s| parts(s))
            .filter(|t| !is_plain(t));
        masker.keep(texts.collect());
        let hidden = masker.automaton.as_ref().and_then(|all| hide(all, text));
        hidden.unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn secrets_are_hidden_whole_and_in_parts() {
        let canary = "S3cr3tCanary";
        for (secret, text, expect) in [
            (canary, "Transforms: S3cr3tCanary", "Transforms: [hidden]"),
            (canary, "xS3cr3tCanaryx", "x[hidden]x"),
            ("a,S3cr3tCanary", "Invalid S3cr3tCanary", "Invalid [hidden]"),
            (" S3cr3tCanary\n", "S3cr3tCanary!", "[hidden]!"),
            (
                "postgres://ann:S3cr3tCanary@host:5432/db",
                "password S3cr3tCanary for postgres at 5432",
                "password [hidden] for postgres at 5432",
            ),
            (
                "root:$6$xyz:19000\nann:$6$abcd:19001",
                "no such class ann:$6$abcd:19001",
                "no such class [hidden]",
            ),
            ("hunt", "hunt hunter hunt.", "[hidden] hunter [hidden]."),
            ("true", "true", "true"),
            ("abc", "abc", "abc"),
            ("größe9", "die größe9 ist", "die [hidden] ist"),
            (
                "org.x.PlainLoginModule required username=\"ann\" password=\"pa ss,word1\";",
                "pa ss,word1",
                "pa ss,[hidden]",
            ),
        ] {
            assert_eq!(masked(&[secret], text), expect);
        }
        assert_eq!(masked(&[], "text"), "text");
        assert_eq!(
            masked(&["longer secret", "secret"], "a longer secret"),
            "a [hidden]"
        );
        // What is hidden already stays so.
        assert_eq!(masked(&["hidden!!"], HIDDEN), HIDDEN);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut masker = Masker::default();
        let many: Vec<String> = (0..MOST + 10).map(|n| format!("secret-{n:08}")).collect();
        masker.keep(many.iter().map(String::as_str).collect());
        assert_eq!((masker.secrets.len(), masker.known.len()), (MOST, MOST));
        let lines = "line-of-file\n".repeat(100_000);
        assert!(parts(&lines).count() <= 3 * PARTS + 2);
    }

    #[test]
    fn what_the_config_says_openly_is_no_secret() {
        keep_secrets(["openly-said,never-said"], &|text| text == "openly-said");
        assert_eq!(mask("openly-said never-said"), "openly-said [hidden]");
    }

    #[test]
    fn masks_are_known() {
        for text in [
            "******",
            "[hidden]",
            "********",
            "•••",
            " *** ",
            "<hidden>",
            "[REDACTED]",
        ] {
            assert!(is_mask(text), "{text}");
        }
        for text in ["", "*", "hidden", "a***", "p@ss", "[x]", "[]"] {
            assert!(!is_mask(text), "{text}");
        }
    }
}
