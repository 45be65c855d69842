//! An access key with what belongs to it.

use std::time::{Duration, SystemTime};

use connect_api::{Secret, keep_secrets};

/// An access key, its secret, and for temporary credentials the session's token and end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    access_key_id: String,
    secret_access_key: Secret,
    session_token: Option<Secret>,
    expires: Option<SystemTime>,
}

impl Credentials {
    /// Credentials without an end. The secret is kept for the masker.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        let secret_access_key = secret_access_key.into();
        keep(&secret_access_key);
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Secret::new(secret_access_key),
            session_token: None,
            expires: None,
        }
    }

    /// The same credentials with the token of their session.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        let token = token.into();
        keep(&token);
        self.session_token = Some(Secret::new(token));
        self
    }

    /// The same credentials with their end.
    #[must_use]
    pub fn with_expiry(mut self, expires: SystemTime) -> Self {
        self.expires = Some(expires);
        self
    }

    /// The id of the access key; it is no secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The secret that requests are signed with.
    pub fn secret_access_key(&self) -> &Secret {
        &self.secret_access_key
    }

    /// The token of the session that the key belongs to.
    pub fn session_token(&self) -> Option<&Secret> {
        self.session_token.as_ref()
    }

    /// When they end; none for keys that have no end.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }

    /// Whether they are valid for at least as long from now on.
    pub(crate) fn last_for(&self, time: Duration) -> bool {
        let until = SystemTime::now() + time;
        self.expires.is_none_or(|expires| expires > until)
    }
}

/// Keeps a secret for the masker, whole: parts of a key or a token are no words of their own.
pub(crate) fn keep(secret: &str) {
    keep_secrets([secret], &|part| part != secret);
}
