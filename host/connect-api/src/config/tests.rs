//! Declarations, parsed values and the words of errors.

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
            &["Invalid value invalid number for configuration tasks.max: Not a number of type INT"],
        ),
        (
            &[("name", "x"), ("tasks.max", "0")],
            &["Invalid value 0 for configuration tasks.max: Value must be at least 1"],
        ),
        (
            &[("name", "x"), ("tolerance", "some")],
            &["Invalid value some for configuration tolerance: String must be one of: none, all"],
        ),
        (
            &[("name", "x"), ("on", "yes")],
            &["Invalid value yes for configuration on: Expected value to be either true or false"],
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Plain,
    Fast,
}

impl Choice for Mode {
    const WORDS: &'static [(&'static str, Self)] = &[("plain", Self::Plain), ("fast", Self::Fast)];
    const ALIASES: &'static [(&'static str, Self)] = &[("org.example.FastMode", Self::Fast)];
}

/// An option of [`Mode`], one of [`Tolerance`], and one without a default.
fn choices() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::choice("mode", Mode::Plain, ""),
        Tolerance::config_key(),
        ConfigKey::required("name", ConfigType::String, ""),
    ])
}

fn given(pairs: &[(&str, &str)]) -> Properties {
    let pairs = pairs.iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_choice_is_the_value_of_its_word() -> Result<()> {
    for (pairs, mode) in [
        (&[("name", "x")] as &[_], Mode::Plain),
        (&[("name", "x"), ("mode", "plain")], Mode::Plain),
        (&[("name", "x"), ("mode", " FaSt ")], Mode::Fast),
        (
            &[("name", "x"), ("mode", "org.example.FastMode")],
            Mode::Fast,
        ),
    ] {
        let config = choices().parse(&given(pairs))?;
        assert_eq!(config.choice::<Mode>("mode"), mode, "{pairs:?}");
    }
    Ok(())
}

#[test]
fn a_word_that_is_none_is_refused_as_kafka_does() {
    for (name, word, expect) in [
        (
            "mode",
            "slow",
            "String must be one of (case insensitive): plain, fast",
        ),
        (
            "mode",
            "",
            "String must be one of (case insensitive): plain, fast",
        ),
        (Tolerance::KEY, "ALL", "String must be one of: none, all"),
    ] {
        let error = choices()
            .parse(&given(&[("name", "x"), (name, word)]))
            .map(drop);
        let expect = format!("Invalid value {word} for configuration {name}: {expect}");
        assert_eq!(error.map_err(|e| e.to_string()), Err(expect));
    }
}

#[test]
fn a_choice_is_declared_as_a_string_with_its_default_and_shown_as_given() {
    let def = choices();
    let declared: Vec<_> = def
        .keys()
        .iter()
        .map(|key| (key.kind, key.default.clone().flatten()))
        .collect();
    assert_eq!(declared[0], (ConfigType::String, Some("plain".into())));
    assert_eq!(declared[1], (ConfigType::String, Some("none".into())));
    let values = def.validate(&given(&[("mode", "FAST")]));
    assert_eq!(values[0].value.as_deref(), Some("FAST"));
    assert_eq!(values[0].recommended_values, ["plain", "fast"]);
    assert_eq!(values[1].recommended_values, ["none", "all"]);
}

#[test]
fn what_is_valid_is_read_beside_what_is_not() {
    let config = choices().parse_valid(&given(&[("mode", "slow"), (Tolerance::KEY, "all")]));
    assert_eq!(config.optional_choice::<Mode>("mode"), None);
    let tolerance = config.optional_choice::<Tolerance>(Tolerance::KEY);
    assert_eq!(tolerance, Some(Tolerance::All));
    assert_eq!(config.optional_text("name"), None);
}

#[test]
#[should_panic(expected = "option errors.tolerance is no ")]
fn a_choice_is_not_read_as_one_of_another_type() {
    let config = choices().parse_valid(&given(&[]));
    config.choice::<Mode>(Tolerance::KEY);
}

#[test]
fn a_page_lists_options_by_their_groups() {
    let def = ConfigDef::new(vec![
        ConfigKey::required("a", ConfigType::String, "One | two.").group("First"),
        ConfigKey::nullable("b", ConfigType::Int, "Three.").group("Second"),
        ConfigKey::new("c", ConfigType::Long, "7", "Four.").group("First"),
        ConfigKey::new("d", ConfigType::List, "", "Five.").group("Second"),
    ]);
    let page = "before\n<!-- options -->\nold\n<!-- end of options -->\nafter\n";
    let head = "| option | type | default | what it does |\n|---|---|---|---|\n";
    let expect = format!(
        "before\n<!-- options -->\n\n## First\n\n{head}| `a` | STRING | required | One \\| two. |\n\
         | `c` | LONG | `7` | Four. |\n\n## Second\n\n{head}| `b` | INT | – | Three. |\n\
         | `d` | LIST | empty | Five. |\n\n<!-- end of options -->\nafter\n"
    );
    assert_eq!(def.in_page(page, "options", "##").as_ref(), Some(&expect));
    assert_eq!(
        def.in_page(&expect, "options", "##").as_ref(),
        Some(&expect)
    );
    assert_eq!(def.in_page(page, "other", "##"), None);
    assert_eq!(def.faults(), [""; 0]);
    let twice = ConfigDef::new(vec![
        ConfigKey::nullable("a", ConfigType::Int, "One.").group("First"),
        ConfigKey::nullable("a", ConfigType::Int, "No stop"),
    ]);
    assert_eq!(twice.faults().len(), 3, "{:?}", twice.faults());
}
