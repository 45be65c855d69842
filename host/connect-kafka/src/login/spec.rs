//! What a login by a token is: where tokens come from, and when they are renewed.

use std::path::PathBuf;
use std::time::Duration;

use connect_api::{Error, Properties, Result, Secret, keep_secrets};
use connect_oauth::jaas::LoginModule;
use connect_oauth::{
    AccessToken, ClientCredentials, HeaderEncoding, OptionNames, RefreshSchedule, RetryBackoff,
    TimeLimits, TokenClient,
};

use super::msk::Msk;
use super::settings::{
    BROKERS, Bounds, CLIENT_ID, CLIENT_SECRET, ENDPOINT, HANDLER, Handler, JAAS, LoginSettings,
    RETRIEVER, SCOPE, URL_ENCODE, flag, is_msk, retriever,
};
use super::source::Source;
use super::unsecured::Unsecured;
use super::{strimzi, tls};

const NAMES: OptionNames = OptionNames {
    endpoint: ENDPOINT,
    client_id: "clientId",
    client_secret: "clientSecret of sasl.jaas.config",
    scope: "scope of sasl.jaas.config",
};

/// A login by a token.
#[derive(Debug)]
pub(super) struct LoginSpec {
    pub(super) source: Source,
    /// Who logs in, where the token does not say it.
    pub(super) principal: String,
    /// Names and values that go to the broker beside the token (RFC 7628 §3.1).
    pub(super) extensions: Vec<(String, String)>,
    pub(super) schedule: RefreshSchedule,
    pub(super) backoff: RetryBackoff,
}

impl LoginSpec {
    /// The login that settings in Java's names describe.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the setting that is missing or wrong.
    pub(super) fn new(settings: &LoginSettings) -> Result<Self> {
        let text = settings.get(JAAS).map_or(NO_OPTIONS, String::as_str);
        let in_jaas = |error: Error| error.context(JAAS);
        let module = LoginModule::parse(text).map_err(|why| in_jaas(Error::config(why)))?;
        let numbers = Numbers(settings);
        let handler = settings.get(HANDLER).map(|class| Handler::of(class));
        let handler = handler
            .transpose()
            .map_err(|error| error.context(HANDLER))?;
        let unsecured = || -> Result<(Source, String)> {
            let claims = Unsecured::new(&module).map_err(in_jaas)?;
            let principal = claims.principal().to_owned();
            Ok((Source::Unsecured(claims), principal))
        };
        let is_msk = is_msk(settings);
        let (source, principal) = match handler {
            _ if is_msk => {
                let brokers = settings.get(BROKERS).map_or("", String::as_str);
                let msk = Msk::new(&module, brokers).map_err(in_jaas)?;
                (Source::Msk(Box::new(msk)), "msk".to_owned())
            }
            Some(Handler::Strimzi) => strimzi::source(&module).map_err(in_jaas)?,
            Some(Handler::Unsecured) => unsecured()?,
            // Kafka's own default.
            None if Unsecured::is_of(&module) || !settings.contains_key(ENDPOINT) => unsecured()
                .map_err(|error| match settings.contains_key(HANDLER) {
                    true => error,
                    false => error.context(format!("{HANDLER} or {ENDPOINT} is missing")),
                })?,
            Some(Handler::Kafka | Handler::Msk) | None => kafkas(settings, &module, numbers)?,
        };
        let prefixes = [
            "extension_",
            "unsecuredLoginExtension_",
            "oauth.sasl.extension.",
        ];
        let extension = |(name, value): (&str, &str)| {
            let name = prefixes
                .iter()
                .find_map(|prefix| name.strip_prefix(prefix))?;
            Some((name.to_owned(), value.to_owned()))
        };
        let extensions: Vec<_> = module.options().filter_map(extension).collect();
        check_extensions(&extensions).map_err(in_jaas)?;
        Ok(Self {
            source,
            principal,
            extensions,
            schedule: numbers.schedule()?,
            backoff: numbers.backoff()?,
        })
    }

    /// A token.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when it may come later,
    /// [`connect_api::ErrorKind::Config`] when somebody has to do something first.
    pub(super) async fn fetch(&self) -> Result<AccessToken> {
        self.source.fetch().await
    }
}

/// Stands for `sasl.jaas.config` where the other settings say everything (KIP-1139).
const NO_OPTIONS: &str =
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;";

/// By Kafka's own classes: client credentials, or a file. What has settings of its own since
/// KIP-1139 goes before the options of the login module.
fn kafkas(
    settings: &LoginSettings,
    module: &LoginModule,
    numbers: Numbers<'_>,
) -> Result<(Source, String)> {
    if let Some(class) = settings.get(RETRIEVER) {
        retriever(class).map_err(|error| error.context(RETRIEVER))?;
    }
    let missing = |what: String| Error::config(format!("{what} is missing"));
    let endpoint = settings.get(ENDPOINT).map(|url| url.trim());
    let endpoint = endpoint.ok_or_else(|| missing(ENDPOINT.into()))?;
    if let Some(path) = file_of(endpoint) {
        return Ok((Source::File(path), "token".into()));
    }
    let given = |setting: &str, option: &str| {
        let given = settings.get(setting).map(String::as_str);
        given.or_else(|| module.option(option)).map(str::to_owned)
    };
    let needed = |setting: &str, option: &str| {
        let missing = || missing(format!("{option} of {JAAS}, or {setting},"));
        given(setting, option)
            .filter(|text| !text.is_empty())
            .ok_or_else(missing)
    };
    let client_id = needed(CLIENT_ID, "clientId")?;
    let secret = needed(CLIENT_SECRET, "clientSecret")?;
    keep_secrets([secret.as_str()], &|_| false);
    let encodes = settings
        .get(URL_ENCODE)
        .map_or(Ok(false), |value| flag(value));
    let credentials = ClientCredentials {
        endpoint: endpoint.to_owned(),
        client_id: client_id.clone(),
        client_secret: Secret::new(secret),
        scope: given(SCOPE, "scope").filter(|scope| !scope.is_empty()),
        parameters: Vec::new(),
        header: match encodes.map_err(|error| error.context(URL_ENCODE))? {
            true => HeaderEncoding::FormUrlEncoded,
            false => HeaderEncoding::Plain,
        },
        names: NAMES,
    };
    let http = tls::client(module, "ssl.").map_err(|error| error.context(JAAS))?;
    let client = TokenClient::new(credentials, http, numbers.limits()?)?;
    Ok((Source::Server(client), client_id))
}

/// The path of a URL `file:…`; none: it is another one.
fn file_of(url: &str) -> Option<PathBuf> {
    let url = reqwest::Url::parse(url).ok()?;
    let is_file = url.scheme() == "file";
    is_file.then(|| url.to_file_path().ok())?
}

/// What RFC 7628 §3.1 lets a name and a value be.
fn check_extensions(extensions: &[(String, String)]) -> Result<()> {
    for (name, value) in extensions {
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic());
        let in_value = |c: char| matches!(c, ' '..='~' | '\t' | '\r' | '\n');
        if name == "auth" || !is_name || !value.chars().all(in_value) {
            return Err(Error::config(
                "the name of an extension is made of the letters a to z, and its value of \
                 printable ASCII",
            ));
        }
    }
    Ok(())
}

/// The numbers among the settings.
#[derive(Clone, Copy)]
struct Numbers<'a>(&'a Properties);

impl Numbers<'_> {
    fn number(self, name: &str) -> Result<Option<f64>> {
        let (Some(value), Some(bounds)) = (self.0.get(name), Bounds::of(name)) else {
            return Ok(None);
        };
        let checked = bounds.check(value).map_err(|error| error.context(name));
        checked.map(Some)
    }

    fn millis(self, name: &str) -> Result<Option<Duration>> {
        let number = self.number(&format!("sasl.login.{name}"))?;
        Ok(number.map(|millis| Duration::from_secs_f64(millis / 1000.0)))
    }

    fn schedule(self) -> Result<RefreshSchedule> {
        let usual = RefreshSchedule::default();
        let number = |name: &str| self.number(&format!("sasl.login.refresh.{name}"));
        let seconds = |name: &str| -> Result<Option<Duration>> {
            Ok(number(name)?.map(Duration::from_secs_f64))
        };
        Ok(RefreshSchedule {
            window_factor: number("window.factor")?.unwrap_or(usual.window_factor),
            window_jitter: number("window.jitter")?.unwrap_or(usual.window_jitter),
            min_period: seconds("min.period.seconds")?.unwrap_or(usual.min_period),
            buffer: seconds("buffer.seconds")?.unwrap_or(usual.buffer),
        })
    }

    fn backoff(self) -> Result<RetryBackoff> {
        let usual = RetryBackoff::default();
        Ok(RetryBackoff {
            first: self.millis("retry.backoff.ms")?.unwrap_or(usual.first),
            most: self.millis("retry.backoff.max.ms")?.unwrap_or(usual.most),
        })
    }

    fn limits(self) -> Result<TimeLimits> {
        let usual = TimeLimits::default();
        Ok(TimeLimits {
            connect: self.millis("connect.timeout.ms")?.unwrap_or(usual.connect),
            answer: self.millis("read.timeout.ms")?.unwrap_or(usual.answer),
        })
    }
}
