//! Requests that the worker makes of services, such as token endpoints, vaults and AWS: how large
//! an answer may be, what is said of one that does not come, and whom to trust. No error tells a
//! URL, because its query may hold a token.

mod stores;
#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::path::PathBuf;

use connect_api::{Error, Result, read_config_file};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder};

pub use stores::{showing, trusting};

/// Most bytes of an answer.
const MOST_ANSWER: usize = 2 << 20;

/// A client that follows no redirect: what is sent is meant for the address that is named.
pub fn builder() -> ClientBuilder {
    direct(Client::builder())
}

/// The same of a builder whose TLS is set already.
pub fn direct(builder: ClientBuilder) -> ClientBuilder {
    // It fails when there is a provider already, and that one does.
    let _ = rustls::crypto::ring::default_provider().install_default();
    builder.redirect(Policy::none())
}

/// The certificates of a PEM file; none: it has none.
#[must_use]
pub fn certificates(pem: &[u8]) -> Option<Vec<Certificate>> {
    let found = Certificate::from_pem_bundle(pem).ok();
    found.filter(|found| !found.is_empty())
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// At most 2 MiB.
    pub body: Vec<u8>,
}

/// Sends a request and reads its answer. `whom` says what is asked, and where.
///
/// # Errors
/// [`connect_api::ErrorKind::Retriable`] when no answer comes in the client's time, or one that is
/// too large.
pub async fn send(request: RequestBuilder, whom: &str) -> Result<Answer> {
    let away = |cause: reqwest::Error| unanswered(whom, &cause);
    let mut answer = request.send().await.map_err(away)?;
    let status = answer.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(away)? {
        if body.len() + chunk.len() > MOST_ANSWER {
            return Err(Error::retriable(format!("{whom}: the answer is too large")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

/// The client's own texts name the URL: only what is behind them is told.
fn unanswered(whom: &str, error: &reqwest::Error) -> Error {
    let mut cause = error.source();
    let mut last = None;
    while let Some(error) = cause {
        last = Some(match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.get_ref().is_none() => io.kind().to_string(),
            _ => error.to_string(),
        });
        cause = error.source();
    }
    let why = match (error.is_timeout(), last) {
        (true, _) => "timed out".to_owned(),
        (false, Some(why)) => why,
        (false, None) => "the connection failed".to_owned(),
    };
    Error::retriable(format!("{whom} does not answer: {why}"))
}

/// Reads a file away from the runtime's threads.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`], and a restart may help: whoever writes the file may be late.
pub async fn read_file(path: &str) -> Result<Vec<u8>> {
    let file = PathBuf::from(path);
    let reading = tokio::task::spawn_blocking(move || read_config_file(&file)).await;
    let bytes = reading.map_err(std::io::Error::other).flatten();
    bytes.map_err(|cause| {
        let error = Error::config(format!("could not read {path}"));
        error.with_source(cause).transient()
    })
}
