//! A token that is kept until shortly before its end, for clients that show it with each request.

use std::time::{Duration, SystemTime};

use connect_api::Result;
use tokio::sync::Mutex;

use crate::client_credentials::TokenClient;
use crate::token::AccessToken;

/// A token is used for this part of its life at least, however long the buffer is.
const USED_PART: f64 = 0.5;

/// The token of a client, asked for when it is first wanted.
#[derive(Debug)]
pub struct TokenCache {
    client: TokenClient,
    buffer: Duration,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    token: AccessToken,
    renew_at: SystemTime,
}

impl TokenCache {
    /// A cache whose token is renewed so long before its end, as
    /// `bearer.auth.cache.expiry.buffer.seconds` says it.
    #[must_use]
    pub fn new(client: TokenClient, buffer: Duration) -> Self {
        Self {
            client,
            buffer,
            kept: Mutex::new(None),
        }
    }

    /// The token. One request at a time asks for it; the others wait for that one's.
    ///
    /// # Errors
    /// As for [`TokenClient::fetch`]. A token that is still good is used while no other can be had.
    pub async fn token(&self) -> Result<AccessToken> {
        let mut kept = self.kept.lock().await;
        let now = SystemTime::now();
        let is_fresh = |kept: &&Kept| kept.renew_at > now;
        if let Some(kept) = kept.as_ref().filter(is_fresh) {
            return Ok(kept.token.clone());
        }
        let error = match self.client.fetch().await {
            Ok(token) => return Ok(self.keep(&mut kept, token)),
            Err(error) => error,
        };
        match kept.as_ref().filter(|kept| kept.token.expires_at > now) {
            Some(kept) => Ok(kept.token.clone()),
            None => Err(error),
        }
    }

    /// Another token than one that was refused.
    ///
    /// # Errors
    /// As for [`TokenClient::fetch`].
    pub async fn instead_of(&self, refused: &AccessToken) -> Result<AccessToken> {
        let mut kept = self.kept.lock().await;
        let is_other = |kept: &&Kept| kept.token.value.expose() != refused.value.expose();
        if let Some(kept) = kept.as_ref().filter(is_other) {
            return Ok(kept.token.clone());
        }
        *kept = None;
        let token = self.client.fetch().await?;
        Ok(self.keep(&mut kept, token))
    }

    fn keep(&self, kept: &mut Option<Kept>, token: AccessToken) -> AccessToken {
        let now = SystemTime::now();
        let lifetime = token.lifetime(now);
        let used = lifetime.saturating_sub(self.buffer);
        let used = used.max(lifetime.mul_f64(USED_PART));
        *kept = Some(Kept {
            token: token.clone(),
            renew_at: now + used,
        });
        token
    }
}

#[cfg(test)]
mod tests;
