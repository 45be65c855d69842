//! Where the database is, who connects, and how long an answer may take.

use std::time::Duration;

use connect_api::{
    Choice, Config, ConfigKey, ConfigType, Error, Importance, Result, Secret, Validator,
};

use crate::session::{IDLE_LIMIT, Servers};

/// `synchronous.commit`: Postgres's `synchronous_commit`, in its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SynchronousCommit {
    On,
    Off,
    Local,
    RemoteWrite,
    RemoteApply,
}

impl Choice for SynchronousCommit {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("on", Self::On),
        ("off", Self::Off),
        ("local", Self::Local),
        ("remote_write", Self::RemoteWrite),
        ("remote_apply", Self::RemoteApply),
    ];
}

/// The declarations.
pub(super) fn keys() -> Vec<ConfigKey> {
    let mut keys = address();
    keys.extend(timeouts());
    keys.push(ConfigKey::choice(
        "synchronous.commit",
        SynchronousCommit::On,
        "The synchronous_commit of the transactions. Exactly once holds with each of them: rows \
         and offsets that a crash takes back are taken back together.",
    ));
    keys.into_iter()
        .map(|key| key.group("Connection"))
        .collect()
}

fn address() -> Vec<ConfigKey> {
    let keys = vec![
        ConfigKey::required(
            "connection.url",
            ConfigType::String,
            "Where the database is: jdbc:postgresql://host:port/database or \
             postgres://host:port/database, with parameters such as sslmode and currentSchema.",
        )
        .validator(Validator::Check(|text| crate::url::parse(text).map(drop))),
        ConfigKey::nullable(
            "connection.user",
            ConfigType::String,
            "The role to connect as. It goes before a user in the URL.",
        ),
        ConfigKey::nullable(
            "connection.password",
            ConfigType::Password,
            "The password of the role. It goes before a password in the URL.",
        ),
    ];
    keys.into_iter()
        .map(|key| key.importance(Importance::High))
        .collect()
}

fn timeouts() -> Vec<ConfigKey> {
    vec![
        ConfigKey::new(
            "connection.timeout.ms",
            ConfigType::Int,
            "10000",
            "How long one attempt to connect may take.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::new(
            "socket.timeout.ms",
            ConfigType::Int,
            "300000",
            "How long a transaction may take before the connection counts as lost. What became of \
             the transaction is then found out by another one.",
        )
        .validator(Validator::AtLeast(1)),
        ConfigKey::new(
            "statement.timeout.ms",
            ConfigType::Int,
            "0",
            "How long a statement may take before the server cancels it and the batch is written \
             in smaller parts. 0: as the server is set.",
        )
        .validator(Validator::AtLeast(0)),
        ConfigKey::new(
            "lock.timeout.ms",
            ConfigType::Int,
            "10000",
            "How long a statement may wait for a lock before the transaction is repeated.",
        )
        .validator(Validator::AtLeast(1)),
    ]
}

/// How long a transaction may take before the connection counts as lost.
pub(super) fn socket_timeout(config: &Config) -> Duration {
    millis(config, "socket.timeout.ms")
}

fn millis(config: &Config, key: &str) -> Duration {
    Duration::from_millis(config.integer(key).unsigned_abs())
}

/// Whether the URL asks for texts to be read as Postgres reads them: `stringtype=unspecified`.
pub(super) fn reads_texts(config: &Config) -> bool {
    let target = crate::url::parse(config.text("connection.url"));
    target.is_ok_and(|target| target.reads_texts)
}

/// The servers to connect to, and how.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the URL is none.
pub(crate) fn servers(config: &Config) -> Result<Servers> {
    let target = crate::url::parse(config.text("connection.url"))
        .map_err(|why| Error::config(format!("connection.url: {why}")))?;
    let mut servers = target.servers(
        config.optional_text("connection.user"),
        config.secret("connection.password").map(Secret::expose),
        millis(config, "connection.timeout.ms"),
    );
    servers.settings.extend(server_settings(config));
    Ok(servers)
}

/// The settings of the server that go before those of the URL.
fn server_settings(config: &Config) -> Vec<(String, String)> {
    let commit = config.choice::<SynchronousCommit>("synchronous.commit");
    let mut own = vec![
        ("TimeZone", "UTC".to_owned()),
        (
            "lock_timeout",
            config.integer("lock.timeout.ms").to_string(),
        ),
        ("synchronous_commit", commit.word().to_owned()),
        ("idle_in_transaction_session_timeout", IDLE_LIMIT.to_owned()),
        // The server's side notices within half a minute that this side is gone.
        ("tcp_keepalives_idle", "10".to_owned()),
        ("tcp_keepalives_interval", "5".to_owned()),
        ("tcp_keepalives_count", "4".to_owned()),
        ("tcp_user_timeout", "30000".to_owned()),
    ];
    let statement_timeout = config.integer("statement.timeout.ms");
    if statement_timeout > 0 {
        own.push(("statement_timeout", statement_timeout.to_string()));
    }
    own.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
