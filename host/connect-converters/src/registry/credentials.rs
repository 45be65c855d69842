//! What is shown to the registry: a user's password, or a token, which OAuth's client credentials
//! may bring and renew.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::{Config, Error, Result, Secret, keep_secrets};
use connect_oauth::jaas::LoginModule;
use connect_oauth::{
    AccessToken, ClientCredentials, HeaderEncoding, OptionNames, TimeLimits, TokenCache,
    TokenClient,
};
use http::header::{AUTHORIZATION, HeaderName};
use http::{Extensions, HeaderValue, StatusCode};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};
use schema_registry_converter::error::SRCError;

use super::options::{
    BASIC_SOURCE, BASIC_USER_INFO, BASIC_USER_INFO_OLD, BEARER_BUFFER, BEARER_CLIENT_ID,
    BEARER_CLIENT_SECRET, BEARER_CLUSTER, BEARER_ENDPOINT, BEARER_POOL, BEARER_SCOPE,
    BEARER_SOURCE, BEARER_TOKEN, BearerSource, CredentialsSource, SASL_ENDPOINT, SASL_JAAS,
};
use super::tls;

/// Confluent's headers: the cluster of a registry, and the pool of identities of a token.
const TARGET_CLUSTER: HeaderName = HeaderName::from_static("target-sr-cluster");
const IDENTITY_POOL: HeaderName = HeaderName::from_static("confluent-identity-pool-id");

const NAMES: OptionNames = OptionNames {
    endpoint: BEARER_ENDPOINT,
    client_id: BEARER_CLIENT_ID,
    client_secret: BEARER_CLIENT_SECRET,
    scope: BEARER_SCOPE,
};
const SASL_NAMES: OptionNames = OptionNames {
    endpoint: SASL_ENDPOINT,
    client_id: "clientId of sasl.jaas.config",
    client_secret: "clientSecret of sasl.jaas.config",
    scope: "scope of sasl.jaas.config",
};

/// A request for a schema waits for the token, too.
const LIMITS: TimeLimits = TimeLimits {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(5),
};

/// Who asks.
pub(super) enum Credentials {
    /// User and password of the URL, or nobody.
    OfUrl,
    Basic {
        user: String,
        password: String,
    },
    Bearer(String),
    OAuth(Arc<TokenCache>),
}

impl Credentials {
    pub(super) fn new(config: &Config) -> Result<Self> {
        match config.optional_choice(BEARER_SOURCE) {
            Some(BearerSource::StaticToken) => {
                let token = config.secret(BEARER_TOKEN).ok_or_else(|| {
                    Error::config(format!("{BEARER_SOURCE}=STATIC_TOKEN needs {BEARER_TOKEN}"))
                })?;
                return Ok(Self::Bearer(token.expose().to_owned()));
            }
            Some(BearerSource::OAuth) => return oauth(config, of_options(config)?),
            Some(BearerSource::SaslInherit) => return oauth(config, of_sasl(config)?),
            None => {}
        }
        if config.choice::<CredentialsSource>(BASIC_SOURCE) == CredentialsSource::Url {
            return Ok(Self::OfUrl);
        }
        let given = config.secret(BASIC_USER_INFO);
        let given = given
            .or_else(|| config.secret(BASIC_USER_INFO_OLD))
            .ok_or_else(|| {
                Error::config(format!("{BASIC_SOURCE}=USER_INFO needs {BASIC_USER_INFO}"))
            })?;
        let (user, password) = given.expose().split_once(':').ok_or_else(|| {
            Error::config(format!(
                "Invalid value [hidden] for configuration {BASIC_USER_INFO}: it is user:password"
            ))
        })?;
        Ok(Self::Basic {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }
}

/// The headers that go with a token, for registries of Confluent's cloud.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when a value cannot be in a header.
pub(super) fn headers(config: &Config) -> Result<Vec<(HeaderName, HeaderValue)>> {
    if config
        .optional_choice::<BearerSource>(BEARER_SOURCE)
        .is_none()
    {
        return Ok(Vec::new());
    }
    let given = [
        (BEARER_CLUSTER, TARGET_CLUSTER),
        (BEARER_POOL, IDENTITY_POOL),
    ];
    let given = given.into_iter().filter_map(|(option, header)| {
        let value = config.optional_text(option)?;
        let wrong = |_| Error::config(format!("{option}: it cannot be in a header of HTTP"));
        Some(
            HeaderValue::from_str(value)
                .map_err(wrong)
                .map(|value| (header, value)),
        )
    });
    given.collect()
}

fn of_options(config: &Config) -> Result<ClientCredentials> {
    let needed = |option: &str| {
        let missing = || Error::config(format!("{BEARER_SOURCE}=OAUTHBEARER needs {option}"));
        config
            .optional_text(option)
            .map(str::to_owned)
            .ok_or_else(missing)
    };
    let secret = config.secret(BEARER_CLIENT_SECRET).ok_or_else(|| {
        Error::config(format!(
            "{BEARER_SOURCE}=OAUTHBEARER needs {BEARER_CLIENT_SECRET}"
        ))
    })?;
    Ok(ClientCredentials {
        endpoint: needed(BEARER_ENDPOINT)?,
        client_id: needed(BEARER_CLIENT_ID)?,
        client_secret: secret.clone(),
        scope: config.optional_text(BEARER_SCOPE).map(str::to_owned),
        parameters: Vec::new(),
        header: HeaderEncoding::Plain,
        names: NAMES,
    })
}

/// Those of a Kafka client's login, given to the converter.
fn of_sasl(config: &Config) -> Result<ClientCredentials> {
    let needs = |option: &str| {
        Error::config(format!(
            "{BEARER_SOURCE}=SASL_OAUTHBEARER_INHERIT needs {option}"
        ))
    };
    let jaas = config.secret(SASL_JAAS).ok_or_else(|| needs(SASL_JAAS))?;
    let module = LoginModule::parse(jaas.expose())
        .map_err(|why| Error::config(format!("{SASL_JAAS}: {why}")))?;
    let option = |name: &str| module.option(name).filter(|value| !value.is_empty());
    let needed = |name: &str| {
        let missing = || needs(&format!("{name} in {SASL_JAAS}"));
        option(name).map(str::to_owned).ok_or_else(missing)
    };
    let secret = needed("clientSecret")?;
    keep_secrets([secret.as_str()], &|_| false);
    let endpoint = config.optional_text(SASL_ENDPOINT);
    Ok(ClientCredentials {
        endpoint: endpoint.ok_or_else(|| needs(SASL_ENDPOINT))?.to_owned(),
        client_id: needed("clientId")?,
        client_secret: Secret::new(secret),
        scope: option("scope").map(str::to_owned),
        parameters: Vec::new(),
        header: HeaderEncoding::Plain,
        names: SASL_NAMES,
    })
}

/// The token endpoint is trusted, and shown a certificate, as the registry is.
fn oauth(config: &Config, credentials: ClientCredentials) -> Result<Credentials> {
    let client = TokenClient::new(credentials, tls::client(config)?, LIMITS)?;
    let buffer = Duration::from_secs(config.integer(BEARER_BUFFER).unsigned_abs());
    Ok(Credentials::OAuth(Arc::new(TokenCache::new(
        client, buffer,
    ))))
}

/// Shows a token with each request, and another one once to a registry that refuses the first.
pub(super) struct Authorizing(pub(super) Arc<TokenCache>);

/// There is no token to show.
#[derive(Debug)]
struct NoToken(Error);

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no token")
    }
}

impl std::error::Error for NoToken {}

#[async_trait]
impl Middleware for Authorizing {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let no_token = |error| reqwest_middleware::Error::middleware(NoToken(error));
        let token = self.0.token().await.map_err(no_token)?;
        let again = request.try_clone();
        show(&mut request, &token).map_err(no_token)?;
        let answer = next.clone().run(request, extensions).await?;
        let Some(mut again) = again.filter(|_| answer.status() == StatusCode::UNAUTHORIZED) else {
            return Ok(answer);
        };
        let token = self.0.instead_of(&token).await.map_err(no_token)?;
        show(&mut again, &token).map_err(no_token)?;
        next.run(again, extensions).await
    }
}

/// Adds headers to each request.
pub(super) struct WithHeaders(pub(super) Vec<(HeaderName, HeaderValue)>);

#[async_trait]
impl Middleware for WithHeaders {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        request.headers_mut().extend(self.0.iter().cloned());
        next.run(request, extensions).await
    }
}

fn show(request: &mut Request, token: &AccessToken) -> Result<()> {
    let value = format!("Bearer {}", token.value.expose());
    let mut value = HeaderValue::from_str(&value)
        .map_err(|_| Error::config("the token cannot be in a header of HTTP"))?;
    value.set_sensitive(true);
    // User and password of the URL have the place otherwise.
    request.headers_mut().insert(AUTHORIZATION, value);
    Ok(())
}

/// Why there was no token for a request; none: there was one, or none was wanted.
pub(super) fn no_token(error: &SRCError) -> Option<Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(reqwest_middleware::Error::Middleware(error)) = error.downcast_ref() {
            let NoToken(error) = error.downcast_ref()?;
            return Some(Error::new(error.kind(), error.chain()));
        }
        cause = error.source();
    }
    None
}
