//! Requests: how long one may take, and by which client.

use std::sync::OnceLock;
use std::time::Duration;

use connect_api::{Error, Result};
use connect_client::{builder, certificates, read_file};
use reqwest::{Client, RequestBuilder};

use crate::Environment;

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
            let pem = read_file(&path).await;
            let trusted = certificates(&pem.map_err(|e| e.context("AWS_CA_BUNDLE"))?);
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

fn no_client(cause: reqwest::Error) -> Error {
    Error::config("no HTTP client for AWS").with_source(cause)
}

/// The name of an error, as an answer has it. Whatever is no such name is not told: an answer may
/// repeat what was sent, and that is a secret.
pub(crate) fn error_code(given: Option<&str>) -> &str {
    let is_name = |code: &&str| {
        let may = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ' ');
        !code.is_empty() && code.len() < 80 && code.chars().all(may)
    };
    given.filter(is_name).unwrap_or("no code")
}

/// Sends a request and reads its answer as text. `whom` says what is asked, and where.
///
/// # Errors
/// [`connect_api::ErrorKind::Retriable`] when nothing answers in time.
pub(crate) async fn send(request: RequestBuilder, whom: &str) -> Result<Answer> {
    let connect_client::Answer { status, body } = connect_client::send(request, whom).await?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, body })
}

/// Reads a text file away from the runtime's threads.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`]; where it cannot be read, a restart may help.
pub(crate) async fn read(path: &str) -> Result<String> {
    let text = String::from_utf8(read_file(path).await?);
    text.map_err(|_| Error::config(format!("{path} is not text in UTF-8")))
}
