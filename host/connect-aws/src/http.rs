//! Requests: how long one may take, how large an answer may be, and what is said of one that fails.

use std::error::Error as _;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use connect_api::{Error, Result, read_config_file};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, RequestBuilder};

use crate::Environment;

/// Most bytes of an answer: a secret has 64 KiB at most.
const MOST_ANSWER: usize = 1 << 20;
/// A request to a service of AWS, from connecting to the last byte.
const SERVICE_LIMIT: Duration = Duration::from_secs(10);
/// A request to the machine's or the container's own address.
const METADATA_LIMIT: Duration = Duration::from_secs(3);
/// Where nothing listens, such as on a machine that is none of EC2.
const METADATA_CONNECT: Duration = Duration::from_secs(1);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// The clients: that of services, and that of the machine's own addresses, which no proxy is for.
#[derive(Debug, Default)]
pub(crate) struct Http {
    services: OnceLock<Client>,
    metadata: OnceLock<Client>,
}

impl Http {
    /// The client of AWS's services; it goes through the proxy that the environment names.
    pub(crate) async fn services(&self, environment: &Environment) -> Result<&Client> {
        if let Some(client) = self.services.get() {
            return Ok(client);
        }
        let mut builder = builder().timeout(SERVICE_LIMIT);
        if let Some(path) = environment.get("AWS_CA_BUNDLE") {
            let pem = read(&path).await.map_err(|e| e.context("AWS_CA_BUNDLE"))?;
            let trusted = Certificate::from_pem_bundle(pem.as_bytes());
            let trusted = trusted.ok().filter(|trusted| !trusted.is_empty());
            let none = || Error::config("AWS_CA_BUNDLE: the file has no certificate in PEM");
            builder = builder.tls_certs_only(trusted.ok_or_else(none)?);
        }
        let client = builder.build().map_err(no_client)?;
        Ok(self.services.get_or_init(|| client))
    }

    /// The client of addresses that only this machine or container has.
    pub(crate) fn metadata(&self) -> Result<&Client> {
        if let Some(client) = self.metadata.get() {
            return Ok(client);
        }
        let builder = builder().no_proxy().timeout(METADATA_LIMIT);
        let builder = builder.connect_timeout(METADATA_CONNECT);
        let client = builder.build().map_err(no_client)?;
        Ok(self.metadata.get_or_init(|| client))
    }
}

fn builder() -> reqwest::ClientBuilder {
    // An error is: there is a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // What is sent is meant for the address that it is sent to.
    Client::builder().redirect(Policy::none())
}

fn no_client(cause: reqwest::Error) -> Error {
    Error::config("no HTTP client for AWS").with_source(cause)
}

/// Sends a request and reads its answer. `whom` says what is asked, and where.
///
/// # Errors
/// [`connect_api::ErrorKind::Retriable`] when nothing answers in time.
pub(crate) async fn send(request: RequestBuilder, whom: &str) -> Result<Answer> {
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
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, body })
}

/// Why there is no answer. The URL is not told: a query may hold a token.
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

/// Reads a text file away from the runtime's threads.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`], and a restart may help: whoever writes it may be late.
pub(crate) async fn read(path: &str) -> Result<String> {
    let file = PathBuf::from(path);
    let reading = tokio::task::spawn_blocking(move || read_config_file(&file)).await;
    let bytes = reading.map_err(std::io::Error::other).flatten();
    let failed = |cause| {
        let error = Error::config(format!("could not read {path}"));
        error.with_source(cause).transient()
    };
    let text = String::from_utf8(bytes.map_err(failed)?);
    text.map_err(|_| Error::config(format!("{path} is not text in UTF-8")))
}
