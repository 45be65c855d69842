//! The request for a token by client credentials (RFC 6749 §4.4), as Kafka's own login makes it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connect_api::{Error, Result, Secret};
use connect_client::{Answer, direct, send};
use reqwest::{Client, ClientBuilder, Url};
use serde_json::Value as Json;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::endpoint;
use crate::refusal::{OptionNames, Refusal};
use crate::token::AccessToken;

/// How id and secret are written in the header `Authorization`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderEncoding {
    /// As they are, which is what Kafka does and most servers take.
    #[default]
    Plain,
    /// Each encoded as a form is (RFC 6749 §2.3.1): `sasl.oauthbearer.header.urlencode`.
    FormUrlEncoded,
}

/// Who asks for a token, where, and for what.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The address of the token endpoint: a URL of https or http.
    pub endpoint: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// What the token is to be good for: words with blanks between.
    pub scope: Option<String>,
    /// What the server wants besides, such as `audience`.
    pub parameters: Vec<(String, String)>,
    /// How id and secret are written in the header.
    pub header: HeaderEncoding,
    /// What the options are called, for errors.
    pub names: OptionNames,
}

/// How long a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimits {
    /// Until the connection is there.
    pub connect: Duration,
    /// From then on.
    pub answer: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(10),
        }
    }
}

/// Where a request shows id and secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Body,
}

/// A client of a token endpoint.
#[derive(Debug)]
pub struct TokenClient {
    credentials: ClientCredentials,
    endpoint: Url,
    http: Client,
    /// The place that the server has given a token for.
    known_place: AtomicU8,
}

impl TokenClient {
    /// A client; `http` says what is trusted and shown by TLS.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the address is none.
    pub fn new(
        credentials: ClientCredentials,
        http: ClientBuilder,
        limits: TimeLimits,
    ) -> Result<Self> {
        let named = |error: Error| error.context(credentials.names.endpoint);
        let endpoint = endpoint::parse(&credentials.endpoint).map_err(named)?;
        let http = direct(http)
            .connect_timeout(limits.connect)
            .timeout(limits.connect.saturating_add(limits.answer))
            .build()
            .map_err(|_| named(Error::config("no client of HTTP can be made for it")))?;
        Ok(Self {
            credentials,
            endpoint,
            http,
            known_place: AtomicU8::new(0),
        })
    }

    /// The address without what a URL may have of a login.
    #[must_use]
    pub fn endpoint(&self) -> String {
        endpoint::named(&self.endpoint)
    }

    /// Asks for a token. Id and secret stand in the header; where the server does not take them
    /// there, they are shown once more in the body, as some servers want it.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when the server does not answer, or cannot now;
    /// [`connect_api::ErrorKind::Config`] when it refuses.
    pub async fn fetch(&self) -> Result<AccessToken> {
        let first = match self.known_place.load(Ordering::Relaxed) {
            2 => Place::Body,
            _ => Place::Header,
        };
        let refusal = match self.ask(first).await? {
            Ok(token) => return Ok(self.known(first, token)),
            Err(refusal) => refusal,
        };
        let is_known = self.known_place.load(Ordering::Relaxed) != 0;
        if !is_known
            && refusal.is_of_the_client()
            && let Ok(Ok(token)) = self.ask(Place::Body).await
        {
            return Ok(self.known(Place::Body, token));
        }
        Err(self.refused(&refusal))
    }

    fn known(&self, place: Place, token: AccessToken) -> AccessToken {
        let place = match place {
            Place::Header => 1,
            Place::Body => 2,
        };
        self.known_place.store(place, Ordering::Relaxed);
        token
    }

    async fn ask(&self, place: Place) -> Result<std::result::Result<AccessToken, Refusal>> {
        let content = "application/x-www-form-urlencoded";
        let request = self.http.post(self.endpoint.clone());
        let request = request
            .header("Content-Type", content)
            .header("Accept", "application/json")
            .header("Cache-Control", "no-cache");
        let request = match place {
            Place::Header => request.header("Authorization", self.basic()),
            Place::Body => request,
        };
        let whom = format!("the token endpoint {}", self.endpoint());
        let answer = send(request.body(self.body(place)), &whom).await?;
        self.read(&answer)
    }

    /// What an answer says.
    pub(crate) fn read(
        &self,
        answer: &Answer,
    ) -> Result<std::result::Result<AccessToken, Refusal>> {
        let json: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
        if (200..300).contains(&answer.status) {
            return self.token(&json).map(Ok);
        }
        // A server may repeat what it was sent, in the form in which it was sent.
        let secret = self.credentials.client_secret.expose();
        let pair = self.pair();
        let sent = [secret, &encoded(secret), pair.trim_end_matches('=')];
        Ok(Err(Refusal::new(answer.status, &json, &sent)))
    }

    /// What is told of a refusal.
    pub(crate) fn refused(&self, refusal: &Refusal) -> Error {
        refusal.error(&self.endpoint(), self.credentials.names)
    }

    fn basic(&self) -> String {
        format!("Basic {}", self.pair())
    }

    fn pair(&self) -> String {
        let id = self.credentials.client_id.as_str();
        let secret = self.credentials.client_secret.expose();
        STANDARD.encode(match self.credentials.header {
            HeaderEncoding::Plain => format!("{id}:{secret}"),
            HeaderEncoding::FormUrlEncoded => format!("{}:{}", encoded(id), encoded(secret)),
        })
    }

    fn body(&self, place: Place) -> String {
        let credentials = &self.credentials;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &credentials.scope {
            form.append_pair("scope", scope);
        }
        for (name, value) in &credentials.parameters {
            form.append_pair(name, value);
        }
        if place == Place::Body {
            form.append_pair("client_id", &credentials.client_id);
            form.append_pair("client_secret", credentials.client_secret.expose());
        }
        form.finish()
    }

    /// `access_token`, or `id_token` as Kafka takes it where there is no other.
    fn token(&self, answer: &Json) -> Result<AccessToken> {
        let mut given = ["access_token", "id_token"].into_iter();
        let value = given.find_map(|name| answer[name].as_str());
        let value = value.ok_or_else(|| self.useless("has no access_token"))?;
        let seconds = &answer["expires_in"];
        let seconds = seconds
            .as_f64()
            .or_else(|| seconds.as_str()?.trim().parse().ok());
        let lifetime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        AccessToken::new(value.trim(), lifetime, SystemTime::now())
            .map_err(|error| error.context(format!("the token endpoint {}", self.endpoint())))
    }

    fn useless(&self, what: &str) -> Error {
        let Self { credentials, .. } = self;
        Error::config(format!(
            "the answer of the token endpoint {} {what}; check {}",
            self.endpoint(),
            credentials.names.endpoint
        ))
    }
}

/// A text as a form has it.
fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
pub(crate) mod tests;
