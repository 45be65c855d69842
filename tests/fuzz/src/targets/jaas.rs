//! `sasl.jaas.config`.

use connect_api::Properties;
use connect_kafka::client_config;

use crate::Target;
use crate::parts::Parts;

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";

pub(super) const TARGET: Target = Target {
    name: "jaas",
    about: "A login config, or a username, NUL, and a password: the config is taken or refused; \
            credentials that are quoted as Java quotes them are read as they were",
    memory: 512,
    run: |data| {
        let mut parts = Parts::new(data);
        let Some(first) = parts.text() else { return };
        read(first);
        let Some(password) = parts.text() else { return };
        let (username, quoted_username) = (first, quoted(first));
        let login = format!(
            "{PLAIN} username={quoted_username} password={};",
            quoted(password)
        );
        let found = read(&login);
        assert_eq!(
            found,
            Some((username.to_owned(), password.to_owned())),
            "{login}"
        );
    },
};

/// The username and the password that the client gets.
fn read(login: &str) -> Option<(String, String)> {
    let given = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", login),
    ];
    let given = given.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let client = client_config(&Properties::from(given)).ok()?;
    let get = |key| client.get(key).map(str::to_owned);
    Some((get("sasl.username")?, get("sasl.password")?))
}

fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|letter| match letter {
        '"' | '\\' => format!("\\{letter}"),
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        letter => letter.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
