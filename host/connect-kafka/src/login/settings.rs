//! The settings that a login by a token is made of, in Java's names.

use std::collections::BTreeMap;

use connect_api::{Error, Properties, Result};
use connect_oauth::jaas::LoginModule;

use super::strimzi::TOKEN_FILE;

/// The settings of one login.
pub(super) type LoginSettings = BTreeMap<String, String>;

pub(super) const JAAS: &str = "sasl.jaas.config";
pub(super) const HANDLER: &str = "sasl.login.callback.handler.class";
pub(super) const RETRIEVER: &str = "sasl.oauthbearer.jwt.retriever.class";
/// The address of the token endpoint, or of a file of a token.
pub const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
pub(super) const CLIENT_ID: &str = "sasl.oauthbearer.client.credentials.client.id";
pub(super) const CLIENT_SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
pub(super) const SCOPE: &str = "sasl.oauthbearer.scope";
pub(super) const URL_ENCODE: &str = "sasl.oauthbearer.header.urlencode";

/// Java's own mechanism for MSK; its brokers take OAUTHBEARER as well.
pub(crate) const MSK_MECHANISM: &str = "AWS_MSK_IAM";
/// What Java signs a login to MSK with.
const CLIENT_HANDLER: &str = "sasl.client.callback.handler.class";
const MSK_CLIENT_HANDLER: &str = "software.amazon.msk.auth.iam.IAMClientCallbackHandler";
const MSK_LOGIN_HANDLER: &str = "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler";
pub(super) const BROKERS: &str = "bootstrap.servers";

const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.";
pub(super) const STRIMZI_HANDLER: &str =
    "io.strimzi.kafka.oauth.client.JaasClientOauthLoginCallbackHandler";

/// What `sasl.mechanism` may be.
pub(crate) const MECHANISMS: &[&str] = &[
    "PLAIN",
    "SCRAM-SHA-256",
    "SCRAM-SHA-512",
    "OAUTHBEARER",
    MSK_MECHANISM,
];

/// Why a mechanism is refused, where there is more to say than that it is not known.
pub(crate) fn refusal_of_mechanism(mechanism: &str) -> Option<String> {
    let nearest = match mechanism.trim().to_ascii_uppercase().as_str() {
        "GSSAPI" => {
            "GSSAPI needs Kerberos' libraries, which are not built in; the nearest is a listener of \
             the brokers for SCRAM-SHA-512 (with TLS), OAUTHBEARER, or TLS with a certificate of \
             the client's (security.protocol=SSL)"
        }
        _ => return None,
    };
    Some(nearest.to_owned())
}

/// The mechanism that librdkafka is given.
pub(crate) fn mechanism_on_the_wire(mechanism: &str) -> &str {
    let mechanism = mechanism.trim();
    match mechanism.eq_ignore_ascii_case(MSK_MECHANISM) {
        true => "OAUTHBEARER",
        false => mechanism,
    }
}

/// A class of callbacks for logins by a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    /// Kafka's for client credentials and token files.
    Kafka,
    /// Kafka's for unsecured tokens.
    Unsecured,
    /// Strimzi's.
    Strimzi,
    /// Amazon's, for MSK.
    Msk,
}

impl Handler {
    /// The one of a class.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] without the setting's name.
    pub(super) fn of(class: &str) -> Result<Self> {
        let class = class.trim();
        match class.strip_prefix(OAUTH) {
            Some("OAuthBearerLoginCallbackHandler" | "secured.OAuthBearerLoginCallbackHandler") => {
                Ok(Self::Kafka)
            }
            Some(
                "internals.unsecured.OAuthBearerUnsecuredLoginCallbackHandler"
                | "unsecured.OAuthBearerUnsecuredLoginCallbackHandler",
            ) => Ok(Self::Unsecured),
            _ if class == STRIMZI_HANDLER => Ok(Self::Strimzi),
            _ if class == MSK_LOGIN_HANDLER => Ok(Self::Msk),
            _ => Err(Error::config(format!(
                "no code of Java runs here; it is {OAUTH}OAuthBearerLoginCallbackHandler, which \
                 asks for tokens by client credentials or reads them from a file, \
                 {STRIMZI_HANDLER}, or {MSK_LOGIN_HANDLER}"
            ))),
        }
    }
}

/// How a login module logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModuleKind {
    /// By a name and a password.
    Password,
    /// By a token.
    Token,
    /// By AWS's IAM.
    Msk,
}

impl ModuleKind {
    /// That of a module's class.
    ///
    /// # Errors
    /// What is nearest to a module that is not followed.
    pub(crate) fn of(module: &LoginModule) -> std::result::Result<Self, String> {
        match module.class.rsplit('.').next() {
            Some("OAuthBearerLoginModule") => Ok(Self::Token),
            Some("IAMLoginModule") => Ok(Self::Msk),
            Some("Krb5LoginModule") => Err(refusal_of_mechanism("GSSAPI").unwrap_or_default()),
            _ => Ok(Self::Password),
        }
    }
}

/// Whether a setting has the token read from a file, which then goes to a broker.
pub(crate) fn names_token_file(setting: &str, value: &str) -> bool {
    match setting {
        ENDPOINT => value.trim().to_ascii_lowercase().starts_with("file:"),
        JAAS => {
            let module = LoginModule::parse(value);
            module.is_ok_and(|module| module.option(TOKEN_FILE).is_some())
        }
        _ => false,
    }
}

/// Whether a setting that logins by a token are made of may have a value.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] without its name.
pub(crate) fn check_value(setting: &str, value: &str) -> Result<()> {
    match setting {
        HANDLER => Handler::of(value).map(drop),
        RETRIEVER => retriever(value),
        CLIENT_HANDLER => match value.trim() == MSK_CLIENT_HANDLER {
            true => Ok(()),
            false => Err(Error::config(format!(
                "no code of Java runs here; it is {MSK_CLIENT_HANDLER}, or left out"
            ))),
        },
        URL_ENCODE => flag(value).map(drop),
        ENDPOINT => {
            let schemes = ["https://", "http://", "file:"];
            let value = value.trim().to_ascii_lowercase();
            match schemes.iter().any(|scheme| value.starts_with(scheme)) {
                true => Ok(()),
                false => Err(Error::config("it must be a URL of https, http or file")),
            }
        }
        _ => match Bounds::of(setting) {
            Some(bounds) => bounds.check(value).map(drop),
            None => Ok(()),
        },
    }
}

/// `sasl.oauthbearer.jwt.retriever.class` (KIP-1139).
pub(super) fn retriever(class: &str) -> Result<()> {
    match class.trim().strip_prefix(OAUTH) {
        Some("DefaultJwtRetriever" | "ClientCredentialsJwtRetriever" | "FileJwtRetriever") => {
            Ok(())
        }
        Some("JwtBearerJwtRetriever") => Err(Error::config(
            "the grant of assertions (jwt-bearer) is not followed; the nearest is that of client \
             credentials, or a file of a token that something else keeps fresh",
        )),
        _ => Err(Error::config(format!(
            "no code of Java runs here; it is {OAUTH}DefaultJwtRetriever"
        ))),
    }
}

pub(super) fn flag(value: &str) -> Result<bool> {
    let value = value.trim();
    match () {
        () if value.eq_ignore_ascii_case("true") => Ok(true),
        () if value.eq_ignore_ascii_case("false") => Ok(false),
        () => Err(Error::config("it must be true or false")),
    }
}

/// The least and the most that a number may be, as Kafka has it.
pub(super) struct Bounds {
    least: f64,
    most: f64,
}

impl Bounds {
    pub(super) fn of(setting: &str) -> Option<Self> {
        let (least, most) = match setting {
            "sasl.login.refresh.window.factor" => (0.5, 1.0),
            "sasl.login.refresh.window.jitter" => (0.0, 0.25),
            "sasl.login.refresh.min.period.seconds" => (0.0, 900.0),
            "sasl.login.refresh.buffer.seconds" => (0.0, 3600.0),
            "sasl.login.connect.timeout.ms"
            | "sasl.login.read.timeout.ms"
            | "sasl.login.retry.backoff.ms"
            | "sasl.login.retry.backoff.max.ms" => (1.0, f64::from(i32::MAX)),
            _ => return None,
        };
        Some(Self { least, most })
    }

    pub(super) fn check(&self, value: &str) -> Result<f64> {
        let Self { least, most } = *self;
        let number: Option<f64> = value.trim().parse().ok();
        number
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| Error::config(format!("it must be a number from {least} to {most}")))
    }
}

/// Whether a login is one to Kafka on MSK.
pub(super) fn is_msk(properties: &Properties) -> bool {
    let mechanism = mechanism_of(properties);
    let handler = properties.get(HANDLER).map(|class| Handler::of(class));
    mechanism.is_some_and(|name| name.eq_ignore_ascii_case(MSK_MECHANISM))
        || matches!(handler, Some(Ok(Handler::Msk)))
}

fn mechanism_of(properties: &Properties) -> Option<&str> {
    let mut given = ["sasl.mechanism", "sasl.mechanisms"].into_iter();
    given
        .find_map(|key| properties.get(key))
        .map(|name| name.trim())
}

/// The settings of the login by a token that a client's settings want; none: they want another one,
/// or none at all.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the mechanism is missing, or the login module is one of
/// another mechanism.
pub(super) fn of_login(properties: &Properties) -> Result<Option<LoginSettings>> {
    let protocol = properties.get("security.protocol");
    let protocol = protocol.map(|name| name.trim().to_ascii_uppercase());
    if !protocol.is_some_and(|name| name.starts_with("SASL_")) {
        return Ok(None);
    }
    let Some(mechanism) = mechanism_of(properties) else {
        return Err(Error::config(format!(
            "sasl.mechanism is missing: it is one of {}; Kafka's default is GSSAPI, which is not \
             built in",
            MECHANISMS.join(", ")
        )));
    };
    let is = |name: &str| mechanism.eq_ignore_ascii_case(name);
    let wanted = match () {
        () if is("OAUTHBEARER") => ModuleKind::Token,
        () if is(MSK_MECHANISM) => ModuleKind::Msk,
        () => ModuleKind::Password,
    };
    let module = properties.get(JAAS).map(|text| LoginModule::parse(text));
    if let Some(Ok(module)) = module {
        let kind = ModuleKind::of(&module).map_err(Error::config)?;
        if kind != wanted {
            return Err(Error::config(format!(
                "{JAAS}: its login module is not one of sasl.mechanism={mechanism}"
            )));
        }
    }
    if wanted == ModuleKind::Password {
        return Ok(None);
    }
    // The brokers' names tell the region; others need not know them, and share a token.
    let is_msk = is_msk(properties);
    let is_of_login = |key: &str| key.starts_with("sasl.") || (is_msk && key == BROKERS);
    let of_login = properties.iter().filter(|(key, _)| is_of_login(key));
    let of_login = of_login.map(|(key, value)| (key.clone(), value.clone()));
    Ok(Some(of_login.collect()))
}
