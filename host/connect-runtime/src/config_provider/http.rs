//! Requests of providers: how long one may take, how large an answer may be, what is said of one
//! that fails.

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use connect_api::{Error, Result, read_config_file};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder};
use serde_json::Value as Json;

/// Most bytes of an answer.
const MOST_ANSWER: usize = 2 << 20;
/// A request, from connecting to the last byte.
const LIMIT: Duration = Duration::from_secs(8);

/// How a server is trusted.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    /// A PEM file of certificates instead of the system's.
    pub(super) file: Option<String>,
    /// Whether any certificate will do.
    pub(super) is_blind: bool,
}

/// A client. Secrets are for the address that is named: neither a proxy of the environment, which
/// Java does not ask, nor a redirect is followed.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the file cannot be used; it may come.
pub(super) async fn client(trust: &Trust) -> Result<Client> {
    // An error is: there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder();
    let mut builder = builder.redirect(Policy::none()).no_proxy().timeout(LIMIT);
    if trust.is_blind {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(file) = &trust.file {
        let pem = read(file).await?;
        let trusted = Certificate::from_pem_bundle(&pem);
        let trusted = trusted.ok().filter(|trusted| !trusted.is_empty());
        let none = || Error::config(format!("{file} has no certificate in PEM")).transient();
        builder = builder.tls_certs_only(trusted.ok_or_else(none)?);
    }
    let failed = |cause| Error::config("no HTTP client").with_source(cause);
    builder.build().map_err(failed)
}

/// An answer; its body is null where it is no JSON.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Json,
}

/// Sends a request. `whom` is who is asked, and where.
///
/// # Errors
/// [`connect_api::ErrorKind::Retriable`] when nothing answers in time.
pub(super) async fn send(request: RequestBuilder, whom: &str) -> Result<Answer> {
    let away = |cause: reqwest::Error| Error::retriable(format!("{whom}: {}", why(cause)));
    let mut answer = request.send().await.map_err(away)?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > MOST_ANSWER {
            return Err(Error::retriable(format!("{whom}: the answer is too large")));
        }
        body.extend_from_slice(&chunk);
    }
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answer { status, body })
}

fn why(cause: reqwest::Error) -> String {
    if cause.is_timeout() {
        return "no answer in time".into();
    }
    let cause = cause.without_url();
    let mut text = cause.to_string();
    let mut inner = cause.source();
    while let Some(error) = inner {
        text = error.to_string();
        inner = error.source();
    }
    format!("no answer: {text}")
}

/// Reads a file away from the runtime's threads.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`]; whoever writes the file may be late.
pub(super) async fn read(path: &str) -> Result<Vec<u8>> {
    let file = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_config_file(Path::new(&file)));
    let bytes = reading.await.map_err(std::io::Error::other).flatten();
    bytes.map_err(|cause| {
        let error = Error::config(format!("could not read {path}"));
        error.with_source(cause).transient()
    })
}

/// A JSON value as the text of an option; none for null.
pub(super) fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
