//! Patterns and replacements, as `java.util.regex` has them.

use proptest::prelude::*;

use super::{JavaRegex, Replacement, check};

fn whole(pattern: &str, text: &str) -> bool {
    let regex = JavaRegex::whole(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
    regex.is_match(text).unwrap()
}

#[test]
fn replaces_as_java_does() {
    for (pattern, replacement, text, expect) in [
        ("(.*)-(.*)", "$2x$1", "a-b", "bxa"),
        ("(.*)", "$10", "a", "a0"),
        ("(?<name>.*)", "${name}\\$1", "a", "a$1"),
        ("a(b)?", "[$1]", "a", "[]"),
        // `find` takes the first branch, though `matches` took the second.
        ("foo|foobar", "x", "foobar", "xbar"),
        (r"(?<=db\.)(\w+)\.(?!tmp)", "$1_", "db.a.b", "db.a_b"),
        (r"(\w)\1", "<$1>", "aabb", "<a>bb"),
    ] {
        let regex = JavaRegex::find(pattern).unwrap();
        let replacement = Replacement::new(replacement, &regex).unwrap();
        let made = replacement.replace_first(&regex, text).unwrap();
        assert_eq!(made, expect, "{pattern}");
    }
}

/// Each row is a pattern with texts that it matches as a whole, and texts that it does not.
#[test]
fn what_the_crate_names_otherwise_means_what_java_means() {
    for (pattern, matched, others) in [
        (r"(?!__).*", &["a", ""][..], &["__a"][..]),
        (r".*(?<!-dlq)", &["a"], &["a-dlq"]),
        (r"(a+)b\1", &["aba", "aabaa"], &["abaa"]),
        (r"(?<x>a|b)\k<x>", &["aa", "bb"], &["ab"]),
        (r"a*+b", &["aab"], &["a"]),
        (r"a*+a", &[], &["aa"]),
        (r"(?>a|ab)c", &["ac"], &["abc"]),
        (r"\Qa.b[\E\d", &["a.b[1"], &["axb[1"]),
        (r"[\Q]-\E]+", &["]-"], &["a"]),
        (r"\d\w\s", &["1_ "], &["٣a ", "1é "]),
        (r"[\w.-]+", &["a.b-c"], &["é"]),
        (r"\D", &["٣"], &["3"]),
        (r"\h\v\R", &["\u{a0}\u{2028}\r\n", "\t\n\n"], &["a\n\n"]),
        (r"\p{Alpha}\p{IsAlphabetic}\p{L}\pL", &["aééé"], &["éaaa"]),
        (r"\P{Upper}[\p{Punct}x]", &["a!", "ax"], &["A!"]),
        (r"\p{IsGreek}", &["α"], &["a"]),
        (
            r"\u0041\x42\x{43}\0104\cA\e",
            &["ABCD\u{1}\u{1b}"],
            &["abcd"],
        ),
        (r"\uD83D\uDE00", &["😀"], &["a"]),
        (r"\<a\>\ \/\:\_", &["<a> /:_"], &["a"]),
        (r"[a-z&&[^bc]]", &["a"], &["b"]),
        (r"[a~~b]+", &["a~b"], &["c"]),
        (r"[[:a]]+", &[":a"], &["b"]),
        ("a.b", &["axb"], &["a\nb", "a\rb", "a\u{85}b", "a\u{2028}b"]),
        ("(?s)a.b", &["a\nb"], &["ab"]),
        ("(?s:a.)b.", &["a\nbx"], &["a\nb\n"]),
        ("((?s)a.)b.", &["a\nbx"], &["a\nb\n"]),
        ("(?s)a(?-s).", &["ab"], &["a\n"]),
        ("(?iu)É(?-i)a", &["éa"], &["éA"]),
        ("(?u:é)", &["é"], &["e"]),
        (r"(?x) a  b ", &["ab"], &["a b"]),
    ] {
        for text in matched {
            assert!(whole(pattern, text), "{pattern} {text:?}");
        }
        for text in others {
            assert!(!whole(pattern, text), "{pattern} {text:?}");
        }
    }
}

#[test]
fn what_java_refuses_or_nobody_can_follow_is_said() {
    for (pattern, expect) in [
        ("(", "Invalid regex: "),
        (r"\K", "escape sequence \\K"),
        (r"\y", "escape sequence \\y"),
        (r"\u12", "Illegal Unicode escape sequence"),
        (r"\uD83D", "Illegal Unicode escape sequence"),
        (r"\0", "Illegal octal escape sequence"),
        ("a\\", "Invalid regex: "),
        ("(?U)a", "the flag U is not supported"),
        ("(?d)a", "the flag d is not supported"),
        ("(?P<a>b)", "Unknown group type"),
        ("(?|a)", "Unknown group type"),
        (r"\p{InBasicLatin}", "Invalid regex: "),
    ] {
        let why = check(pattern).expect_err(pattern);
        assert!(
            why.starts_with("Invalid regex: ") && why.contains(expect),
            "{pattern}: {why}"
        );
    }
    let regex = JavaRegex::find("(a)").unwrap();
    for (text, expect) in [
        ("$2", "No group 2"),
        ("$x", "Illegal group reference"),
        ("$", "Illegal group reference"),
        ("${b}", "No group with name {b}"),
        ("\\", "character to be escaped is missing"),
    ] {
        assert_eq!(Replacement::new(text, &regex).unwrap_err(), expect);
    }
}

#[test]
fn a_look_that_takes_too_long_is_given_up() {
    let regex = JavaRegex::whole("(a|b|ab)*(?=c).*").unwrap();
    let text = "ab".repeat(60);
    let told = regex.is_match(&text).unwrap_err().chain();
    assert!(told.contains("steps back"), "{told}");
    assert!(!told.contains("aba"), "{told}");
}

proptest! {
    #[test]
    fn any_replacement_is_read_or_refused(text in r"[a$\\{}0-9]{0,10}", topic in ".{0,10}") {
        let regex = JavaRegex::find("(.)(?<a>.)?").unwrap();
        if let Ok(replacement) = Replacement::new(&text, &regex) {
            replacement.replace_first(&regex, &topic).unwrap();
        }
    }

    #[test]
    fn any_pattern_is_followed_or_refused(
        pattern in r"[ab\\(){}\[\]?*+|^$.=!<>:&~QEdhRpux0-9-]{0,16}",
        text in "[ab\n-]{0,8}",
    ) {
        if let Ok(regex) = JavaRegex::whole(&pattern) {
            let _ = regex.is_match(&text);
        }
    }

    /// A text is a pattern of itself once it is quoted.
    #[test]
    fn what_is_quoted_is_itself(text in r"[^\\]{0,12}") {
        let quoted = format!("\\Q{text}\\E");
        prop_assert!(whole(&quoted, &text));
    }
}
