//! Requests of providers: how long one may take, whom it trusts, and its answer in JSON.

use std::time::Duration;

use connect_api::{Error, Result, Secret};
use connect_client::{builder, read_file, showing, trusting};
use connect_keystore::Passwords;
use reqwest::{Client, RequestBuilder};
use serde_json::Value as Json;

/// A request, from connecting to the last byte.
const LIMIT: Duration = Duration::from_secs(8);

/// How a server is trusted.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    /// A file of certificates instead of the system's: PEM, PKCS12 or JKS.
    pub(super) file: Option<String>,
    /// Whether any certificate will do.
    pub(super) is_blind: bool,
    /// A file of a certificate to show, with its key, and the password of it.
    pub(super) shown: Option<(String, Option<Secret>)>,
}

/// A client. Secrets are for the address that is named: neither a proxy of the environment, which
/// Java does not ask, nor a redirect is followed.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the file cannot be used; it may come.
pub(super) async fn client(trust: &Trust) -> Result<Client> {
    let mut builder = builder().no_proxy().timeout(LIMIT);
    if trust.is_blind {
        builder = builder.tls_danger_accept_invalid_certs(true);
    } else if let Some(file) = &trust.file {
        let bytes = read_file(file).await?;
        let with = trusting(builder, &bytes, None, Passwords::default());
        builder = with.map_err(|why| unusable(file, &why))?;
    }
    if let Some((file, password)) = &trust.shown {
        let passwords = Passwords {
            store: password.as_ref(),
            key: None,
        };
        let with = showing(builder, &read_file(file).await?, None, passwords);
        builder = with.map_err(|why| unusable(file, &why))?;
    }
    let failed = |cause| Error::config("no HTTP client").with_source(cause);
    builder.build().map_err(failed)
}

fn unusable(file: &str, why: &str) -> Error {
    Error::config(format!("{file} {why}")).transient()
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
    let connect_client::Answer { status, body } = connect_client::send(request, whom).await?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answer { status, body })
}

/// A JSON value as the text of an option; none for null.
pub(super) fn text(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
