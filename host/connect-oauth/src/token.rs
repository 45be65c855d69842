//! An access token, and what is read of it: its end, and whom it is for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connect_api::{Error, Result, Secret};
use serde_json::Value as Json;

/// How long a token is taken to live that says nothing of it.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(300);
/// A token that claims to live longer is renewed once a day all the same.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// An access token.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// What is shown to a server.
    pub value: Secret,
    /// When it expires, by this machine's clock.
    pub expires_at: SystemTime,
    /// Whom it is for: the claim `sub`, where it is a JWT that has one.
    pub subject: Option<String>,
}

impl AccessToken {
    /// A token, which lives for `expires_in` from `now`. Where that is not known, the claim `exp`
    /// of the token says it.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when it is empty, or not printable ASCII: no header can
    /// have it then (RFC 6750 §2.1, RFC 7628 §3.1).
    pub fn new(value: &str, expires_in: Option<Duration>, now: SystemTime) -> Result<Self> {
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::config(
                "the token is empty, or has other characters than printable ASCII",
            ));
        }
        let claims = Claims::of(value);
        let lifetime = expires_in.map(|lifetime| now + lifetime.min(LONGEST));
        let claimed = claims.as_ref().and_then(|claims| claims.expires_at);
        let claimed = claimed.map(|at| at.min(now + LONGEST));
        Ok(Self {
            value: Secret::new(value),
            expires_at: lifetime.or(claimed).unwrap_or(now + UNKNOWN_LIFETIME),
            subject: claims.and_then(|claims| claims.subject),
        })
    }

    /// How long it lives from now on; zero once it has expired.
    #[must_use]
    pub fn lifetime(&self, now: SystemTime) -> Duration {
        self.expires_at.duration_since(now).unwrap_or_default()
    }
}

/// What a JWT (RFC 7519) says of itself. Its signature is the server's matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `exp`.
    pub expires_at: Option<SystemTime>,
    /// `sub`.
    pub subject: Option<String>,
}

impl Claims {
    /// Those of a token; none: it is no JWT.
    #[must_use]
    pub fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('='));
        let claims: Json = serde_json::from_slice(&payload.ok()?).ok()?;
        let seconds = claims.get("exp").and_then(Json::as_f64);
        let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(Self {
            expires_at: seconds.and_then(|seconds| UNIX_EPOCH.checked_add(seconds)),
            subject: claims["sub"].as_str().map(str::to_owned),
        })
    }
}

/// A JWT that nobody has signed (RFC 7519 §6).
#[must_use]
pub fn unsigned(claims: &Json) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}.",
        part(r#"{"alg":"none"}"#),
        part(&claims.to_string())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        unsigned(&serde_json::from_str(claims).unwrap()) + "c2ln"
    }

    fn expires_in(token: &str, given: Option<u64>) -> u64 {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let token = AccessToken::new(token, given.map(Duration::from_secs), now);
        token.unwrap().lifetime(now).as_secs()
    }

    #[test]
    fn the_end_is_the_answers_or_the_tokens() {
        let token = jwt(r#"{"sub":"ann","exp":1000090}"#);
        assert_eq!(expires_in(&token, Some(30)), 30);
        assert_eq!(expires_in(&token, None), 90);
        assert_eq!(expires_in(&jwt(r#"{"exp":1000012.5}"#), None), 12);
        assert_eq!(expires_in(&jwt(r#"{"exp":5}"#), None), 0, "expired");
        assert_eq!(expires_in(&jwt(r#"{"exp":1e300}"#), None), 300);
        assert_eq!(expires_in(&jwt(r#"{"exp":"soon"}"#), None), 300);
        assert_eq!(expires_in("opaque", None), 300);
        assert_eq!(expires_in("opaque", Some(u64::MAX)), 24 * 3600);
    }

    #[test]
    fn claims_are_read_of_a_jwt_alone() {
        let claims = Claims::of(&jwt(r#"{"sub":"ann","exp":10}"#)).unwrap();
        assert_eq!(claims.subject.as_deref(), Some("ann"));
        assert_eq!(
            claims.expires_at,
            Some(UNIX_EPOCH + Duration::from_secs(10))
        );
        for token in ["", "a.b", "a.b.c", "!.!.!", "e30.bm90IGpzb24.x"] {
            assert_eq!(Claims::of(token), None, "{token}");
        }
    }

    #[test]
    fn what_no_header_can_have_is_refused_without_quoting_it() {
        for token in ["", "canary\r\nX: y", "canary token", "canaryé"] {
            let error = AccessToken::new(token, None, UNIX_EPOCH).unwrap_err();
            assert!(!error.chain().contains("canary"), "{error}");
        }
    }
}
