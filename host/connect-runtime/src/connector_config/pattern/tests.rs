//! Names of topics, by Java's patterns and by what the client library is given of them.

use regex::Regex;

use super::{TopicPattern, check};

fn for_client(pattern: &str) -> Option<String> {
    TopicPattern::new(pattern).unwrap().for_client()
}

#[test]
fn javas_patterns_are_spelt_out_for_the_client() {
    for (pattern, expect) in [
        (
            "a.b",
            "^(a[.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz-]b)$",
        ),
        (r"orders-\d+", "^(orders-([0123456789])+)$"),
        (r"a\.b", "^(a[.]b)$"),
        (r"\Qa.b\E|c", "^((a[.]b|c))$"),
        (r"(?i)ab", "^([Aa][Bb])$"),
        (r"(?:x|y){2,3}?", "^(([xy]){2,3})$"),
        (r"a\p{Lower}?", "^(a([abcdefghijklmnopqrstuvwxyz])?)$"),
        ("^a$", "^(a$)$"),
        ("ä", "^([ ])$"),
        ("", "^(())$"),
    ] {
        assert_eq!(for_client(pattern).as_deref(), Some(expect), "{pattern}");
        assert_eq!(check(pattern), Ok(()), "{pattern}");
    }
    for pattern in ["(", "a**)", r"\K", "(?U)a"] {
        assert!(check(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn what_the_client_has_no_words_for_is_matched_here() -> Result<(), String> {
    for (pattern, matched, others) in [
        ("^(?!.*dlq).*$", ["orders", "a.b"], ["orders-dlq", "dlq"]),
        (
            "(?=.*eu)orders.*",
            ["orders-eu", "orders.eu.1"],
            ["orders", "eu"],
        ),
        (r".+(?<!-tmp)", ["a", "tmp"], ["a-tmp", "-tmp"]),
        (r"(\w)\1+", ["aa", "bbb"], ["ab", "a"]),
        (r"\w*+", ["a", ""], ["a.b", "-"]),
        (r"x\b.*", ["x", "x.y"], ["xy", "x_"]),
    ] {
        let pattern = TopicPattern::new(pattern)?;
        assert_eq!(pattern.for_client(), None, "{}", pattern.text());
        assert!(
            matched.iter().all(|name| pattern.matches(name)),
            "{}",
            pattern.text()
        );
        assert!(
            !others.iter().any(|name| pattern.matches(name)),
            "{}",
            pattern.text()
        );
    }
    Ok(())
}

#[test]
fn what_would_take_the_client_too_much_memory_is_matched_here() -> Result<(), String> {
    let large = TopicPattern::new("(a[bc]){10000}|b")?;
    assert_eq!(large.for_client(), None);
    assert!(large.matches("b") && !large.matches("c"));
    assert!(TopicPattern::new("(a[bc]){100}|b")?.for_client().is_some());
    assert!(TopicPattern::new("(a{1000}){1000}").is_err());
    Ok(())
}

#[test]
fn no_pattern_means_kafkas_own_topics() -> Result<(), String> {
    for pattern in [".*", "__.*", "__consumer_offsets|a"] {
        let pattern = TopicPattern::new(pattern)?;
        for topic in [
            "__consumer_offsets",
            "__transaction_state",
            "__share_group_state",
        ] {
            assert!(!pattern.matches(topic), "{topic}");
        }
        assert_eq!(pattern.for_client(), None, "{}", pattern.text());
    }
    assert!(TopicPattern::new("__.*")?.matches("__mine"));
    Ok(())
}

#[test]
fn a_pattern_is_for_the_whole_name() -> Result<(), String> {
    let pattern = TopicPattern::new("a|bc")?;
    for (name, expect) in [("a", true), ("bc", true), ("ac", false), ("abc", false)] {
        assert_eq!(pattern.matches(name), expect, "{name}");
    }
    Ok(())
}

/// The client's engine has to agree: its syntax is a part of the regex crate's too.
#[test]
fn what_is_spelt_out_matches_the_same_names() -> Result<(), String> {
    const NAMES: &[&str] = &[
        "orders-1",
        "orders-",
        "orders-1x",
        "abc",
        "acd",
        "a.b.v1",
        "v2",
        "v3",
        "aa",
        "b",
        "",
        "x.raw",
        "x.y.raw",
        "xw",
        "xyzw",
        "x-w",
    ];
    for pattern in [
        r"orders-\d+",
        r"[a-z&&[^b]]+",
        r"(\w+\.)*v[12]",
        r"a{2}|b?",
        r"[^.]+\.raw",
        r"x(y|z)*?w",
    ] {
        let java = TopicPattern::new(pattern)?;
        let client = java.for_client().ok_or(pattern)?;
        let client = Regex::new(&client).map_err(|e| e.to_string())?;
        for name in NAMES {
            assert_eq!(
                java.matches(name),
                client.is_match(name),
                "{pattern} {name}"
            );
        }
    }
    Ok(())
}
