//! Where a login's tokens come from.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use connect_api::{Error, Result, Secret, read_config_file};
use connect_oauth::{AccessToken, TokenClient};

use super::msk::Msk;
use super::unsecured::Unsecured;

/// Where tokens come from.
#[derive(Debug)]
pub(super) enum Source {
    /// From an authorization server, by client credentials.
    Server(TokenClient),
    /// From a file, which something else keeps fresh.
    File(PathBuf),
    /// From the settings themselves.
    Given(Secret),
    /// Made here, and signed with AWS credentials.
    Msk(Box<Msk>),
    /// Made here, and signed by nobody: Kafka's own way for development (KIP-255).
    Unsecured(Unsecured),
}

impl Source {
    /// A token.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when it may come later,
    /// [`connect_api::ErrorKind::Config`] when somebody has to do something first.
    pub(super) async fn fetch(&self) -> Result<AccessToken> {
        let now = SystemTime::now();
        match self {
            Self::Server(client) => client.fetch().await,
            Self::File(path) => {
                let path = path.clone();
                let name = path.display().to_string();
                let read = tokio::task::spawn_blocking(move || read_config_file(&path)).await;
                let unread = |error: Error| error.context(format!("the token file {name}"));
                let read = read.map_err(|cause| Error::retriable("gone").with_source(cause))?;
                let bytes = read.map_err(|cause| unread(Error::config(cause.to_string())))?;
                let text = String::from_utf8_lossy(&bytes);
                AccessToken::new(text.trim(), None, now).map_err(unread)
            }
            Self::Given(token) => AccessToken::new(token.expose().trim(), None, now),
            Self::Msk(msk) => msk.token().await,
            Self::Unsecured(claims) => claims.token(now),
        }
    }
}

/// For errors and the log.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(client) => write!(f, "the token endpoint {}", client.endpoint()),
            Self::File(path) => write!(f, "the token file {}", path.display()),
            Self::Given(_) => f.write_str("the token in sasl.jaas.config"),
            Self::Msk(_) => f.write_str("a token of AWS's IAM"),
            Self::Unsecured(_) => f.write_str("an unsecured token"),
        }
    }
}
