//! The options of Strimzi's login module for clients
//! (`io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler`).

use std::path::PathBuf;
use std::time::Duration;

use connect_api::{Error, Result, Secret, keep_secrets};
use connect_oauth::jaas::LoginModule;
use connect_oauth::{ClientCredentials, HeaderEncoding, OptionNames, TimeLimits, TokenClient};

use super::source::Source;
use super::tls;

const NAMES: OptionNames = OptionNames {
    endpoint: "oauth.token.endpoint.uri",
    client_id: "oauth.client.id",
    client_secret: "oauth.client.secret",
    scope: "oauth.scope",
};
const TOKEN: &str = "oauth.access.token";
pub(super) const TOKEN_FILE: &str = "oauth.access.token.location";
const TLS: &str = "oauth.ssl.";
const EXTENSION: &str = "oauth.sasl.extension.";
const CONNECT_TIMEOUT: &str = "oauth.connect.timeout.seconds";
const READ_TIMEOUT: &str = "oauth.read.timeout.seconds";
/// Strimzi's own.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Options that change nothing here: tokens are asked for again until there is one, may be of any
/// kind, and no metrics of theirs are kept.
const WITHOUT_EFFECT: &[&str] = &[
    "oauth.access.token.is.jwt",
    "oauth.config.id",
    "oauth.enable.metrics",
    "oauth.fallback.username.claim",
    "oauth.fallback.username.prefix",
    "oauth.http.retries",
    "oauth.http.retry.pause.millis",
    "oauth.include.accept.header",
    "oauth.max.token.expiry.seconds",
    "oauth.username.claim",
    "oauth.username.prefix",
];

/// Where tokens come from, and who logs in.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] naming the option that is missing, or cannot be followed.
pub(super) fn source(module: &LoginModule) -> Result<(Source, String)> {
    let followed = [
        NAMES.endpoint,
        NAMES.client_id,
        NAMES.client_secret,
        NAMES.scope,
        "oauth.audience",
        TOKEN,
        TOKEN_FILE,
        CONNECT_TIMEOUT,
        READ_TIMEOUT,
    ];
    for (name, _) in module.options() {
        let is_other = !name.starts_with("oauth.")
            || name.starts_with(TLS)
            || name.starts_with(EXTENSION)
            || followed.contains(&name)
            || WITHOUT_EFFECT.contains(&name);
        if !is_other {
            return Err(Error::config(format!(
                "{name} is not followed; the nearest are client credentials ({}, {}, {}) and a \
                 token ({TOKEN}, {TOKEN_FILE})",
                NAMES.endpoint, NAMES.client_id, NAMES.client_secret
            )));
        }
    }
    let option = |name: &str| module.option(name).filter(|value| !value.is_empty());
    let client_id = option(NAMES.client_id).unwrap_or("token").to_owned();
    if let Some(path) = option(TOKEN_FILE) {
        return Ok((Source::File(PathBuf::from(path)), client_id));
    }
    if let Some(token) = option(TOKEN) {
        keep_secrets([token], &|_| false);
        return Ok((Source::Given(Secret::new(token)), client_id));
    }
    let needed = |name: &str| {
        let missing = || Error::config(format!("{name} is missing"));
        option(name).map(str::to_owned).ok_or_else(missing)
    };
    let seconds = |name: &str| match option(name).map(str::parse) {
        Some(Ok(seconds)) => Ok(Duration::from_secs(seconds)),
        Some(Err(_)) => Err(Error::config(format!(
            "{name}: it is not a number of seconds"
        ))),
        None => Ok(TIMEOUT),
    };
    let secret = needed(NAMES.client_secret)?;
    keep_secrets([secret.as_str()], &|_| false);
    let audience = option("oauth.audience").map(|it| ("audience".to_owned(), it.to_owned()));
    let credentials = ClientCredentials {
        endpoint: needed(NAMES.endpoint)?,
        client_id: needed(NAMES.client_id)?,
        client_secret: Secret::new(secret),
        scope: option(NAMES.scope).map(str::to_owned),
        parameters: audience.into_iter().collect(),
        header: HeaderEncoding::Plain,
        names: NAMES,
    };
    let limits = TimeLimits {
        connect: seconds(CONNECT_TIMEOUT)?,
        answer: seconds(READ_TIMEOUT)?,
    };
    let client = TokenClient::new(credentials, tls::client(module, TLS)?, limits)?;
    Ok((Source::Server(client), client_id))
}
