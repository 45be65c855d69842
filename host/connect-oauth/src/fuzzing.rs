//! The reader of answers, for the fuzz targets.

use connect_api::Result;
use connect_client::Answer;

use crate::{AccessToken, ClientCredentials, TimeLimits, TokenClient};

/// A client that asks nobody.
///
/// # Errors
/// As where a worker makes one.
pub fn client(credentials: ClientCredentials) -> Result<TokenClient> {
    let http = reqwest::Client::builder();
    TokenClient::new(credentials, http, TimeLimits::default())
}

/// The token of an answer.
///
/// # Errors
/// What is told where there is none.
pub fn answered(client: &TokenClient, status: u16, body: Vec<u8>) -> Result<AccessToken> {
    let read = client.read(&Answer { status, body })?;
    read.map_err(|refusal| client.refused(&refusal))
}
