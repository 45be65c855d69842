//! Who may send requests: bearer tokens (RFC 6750), and pages of other origins.

use connect_api::Secret;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};

use crate::answer::{Full, Problem};
use crate::cors::Cors;

/// What protects a path.
#[derive(Debug, Default)]
pub struct Protection {
    /// Any of these is good; none: no token is asked for.
    pub(crate) tokens: Vec<Secret>,
    pub(crate) cors: Cors,
}

impl Protection {
    /// The answer to who may not send requests, 401; none for who may.
    pub fn refusal(&self, headers: &HeaderMap) -> Option<Response<Full>> {
        if self.tokens.is_empty() {
            return None;
        }
        let given = headers.get(header::AUTHORIZATION);
        let given = given.map(HeaderValue::as_bytes).unwrap_or_default();
        let token = match given.split_at_checked("Bearer ".len()) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"Bearer ") => token,
            _ => b"",
        };
        // All are compared, whichever is right.
        let known = self.tokens.iter().fold(false, |known, secret| {
            known | same(token.trim_ascii(), secret.expose().as_bytes())
        });
        if known {
            return None;
        }
        let why = "a bearer token is needed: Authorization: Bearer …";
        let mut response = Problem::new(StatusCode::UNAUTHORIZED, why).response();
        let challenge = HeaderValue::from_static("Bearer");
        let headers = response.headers_mut();
        headers.insert(header::WWW_AUTHENTICATE, challenge);
        Some(response)
    }

    /// The answer to a browser that asks whether a page may send this method.
    pub fn preflight(&self, origin: &HeaderValue, method: &Method) -> Response<Full> {
        let allowed = self.allows(origin) && self.cors.allows_method(method);
        if !allowed {
            let why = "pages of this origin may not send this request";
            return Problem::new(StatusCode::FORBIDDEN, why).response();
        }
        let mut response = Response::new(Full::default());
        self.cors.preflight(response.headers_mut());
        self.cors.tell(origin, response.headers_mut());
        response
    }

    /// Says in an answer that a page may read it, where it may.
    pub fn tell(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if let Some(origin) = origin
            && self.allows(origin)
        {
            self.cors.tell(origin, headers);
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.cors.allows(origin))
    }
}

/// Whether two texts are the same, in a time that tells only their lengths.
fn same(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}
