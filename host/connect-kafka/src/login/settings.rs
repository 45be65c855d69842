//! The settings that a login is made of, in Java's names.

use std::collections::BTreeMap;

use connect_api::{Error, Properties, Result};
use connect_oauth::jaas::LoginModule;

use super::kerberos;
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
    #[cfg(feature = "gssapi")]
    kerberos::MECHANISM,
];

/// Why a mechanism is refused, where there is more to say than that it is not known.
pub(crate) fn refusal_of_mechanism(mechanism: &str) -> Option<String> {
    let nearest = match mechanism.trim().to_ascii_uppercase().as_str() {
        kerberos::MECHANISM if !kerberos::BUILT_IN => {
            "GSSAPI needs Kerberos' libraries, which a build with the feature `gssapi` has, and this \
             one has not; the nearest is a listener of the brokers for SCRAM-SHA-512 (with TLS), \
             OAUTHBEARER, or TLS with a certificate of the client's (security.protocol=SSL)"
        }
        _ => return None,
    };
    Some(nearest.to_owned())
}

/// The mechanism that librdkafka is given.
pub(crate) fn mechanism_on_the_wire(mechanism: &str) -> &str {
    let mechanism = mechanism.trim();
    match () {
        () if mechanism.eq_ignore_ascii_case(MSK_MECHANISM) => "OAUTHBEARER",
        // librdkafka knows it in capitals alone.
        () if mechanism.eq_ignore_ascii_case(kerberos::MECHANISM) => kerberos::MECHANISM,
        () => mechanism,
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
    /// By a ticket of Kerberos.
    Kerberos,
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
            Some("Krb5LoginModule") => match refusal_of_mechanism(kerberos::MECHANISM) {
                Some(why) => Err(why),
                None => Ok(Self::Kerberos),
            },
            _ => Ok(Self::Password),
        }
    }
}

/// Whether a setting is about a login by Kerberos that is the worker's alone: its process has one
/// cache of tickets.
pub(crate) fn is_of_workers_tickets(setting: &str, value: &str) -> bool {
    match setting {
        JAAS => LoginModule::parse(value)
            .is_ok_and(|module| ModuleKind::of(&module) == Ok(ModuleKind::Kerberos)),
        _ => setting == kerberos::KINIT,
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
        _ if setting.starts_with("sasl.kerberos.") => kerberos::check_value(setting, value),
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

/// The settings of the login by a token or by Kerberos that a client's settings want; none: they
/// want another one, or none at all.
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
    // Kafka's default, where it can be had.
    let default = kerberos::BUILT_IN.then_some(kerberos::MECHANISM);
    let Some(mechanism) = mechanism_of(properties).or(default) else {
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
        () if is(kerberos::MECHANISM) => ModuleKind::Kerberos,
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
    let mut of_login: LoginSettings = of_login.collect();
    of_login.insert("sasl.mechanism".into(), mechanism.to_owned());
    Ok(Some(of_login))
}

/// The settings of a login that a client's settings carry, as JSON.
///
/// # Errors
/// A fatal one where they are none.
pub(super) fn carried(settings: &str) -> Result<LoginSettings> {
    serde_json::from_str(settings)
        .map_err(|cause| Error::fatal("cannot read a login").with_source(cause))
}

/// Whether the settings of a login are of one by Kerberos.
pub(super) fn is_kerberos(settings: &LoginSettings) -> bool {
    mechanism_of(settings).is_some_and(|name| name.eq_ignore_ascii_case(kerberos::MECHANISM))
}
