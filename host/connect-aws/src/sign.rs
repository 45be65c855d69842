//! Signature Version 4 (AWS, "Signature Version 4 for API requests"): a request that is signed in
//! its headers, and a URL that is signed in its query.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use crate::Credentials;
use crate::credentials::keep;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What RFC 3986 leaves unreserved stands as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const ENCODED_PATH: &AsciiSet = &ENCODED.remove(b'/');
/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// What a signature holds for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The region, such as `eu-central-1`.
    pub region: &'a str,
    /// The name that the service has in signatures, such as `secretsmanager`.
    pub service: &'a str,
    /// When it is signed: services take a difference of some minutes.
    pub time: SystemTime,
}

/// A request to sign.
#[derive(Clone, Copy, Debug)]
pub struct ToSign<'a> {
    /// The method, such as `POST`.
    pub method: &'a str,
    /// What the header `Host` will say: with a port, where it is not that of the scheme.
    pub host: &'a str,
    /// The path as it is sent; empty stands for `/`.
    pub path: &'a str,
    /// The parameters of the query, not encoded.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers that are signed besides `Host` and those that the signature adds.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// Signs a request: the headers to add to it, which are `x-amz-date`, with a session
/// `x-amz-security-token`, and `authorization`.
pub fn sign(
    credentials: &Credentials,
    scope: &Scope<'_>,
    request: &ToSign<'_>,
) -> Vec<(&'static str, String)> {
    let mut added = vec![("x-amz-date", timestamp(scope.time))];
    if let Some(token) = credentials.session_token() {
        added.push(("x-amz-security-token", token.expose().to_owned()));
    }
    let own = added.iter().map(|(name, value)| (*name, value.as_str()));
    let headers = canonical_headers(request, own);
    let query = encoded_query(request.query.iter().copied());
    let signature = signature(credentials, scope, &canonical(request, &query, &headers));
    added.push((
        "authorization",
        format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={}, Signature={signature}",
            credentials.access_key_id(),
            scope_text(scope),
            names(&headers)
        ),
    ));
    added
}

/// Signs a URL for as long as `expires`: its query, encoded, with the signature in it. The
/// signature is kept for the masker: whoever has such a URL may use it.
pub fn presign(
    credentials: &Credentials,
    scope: &Scope<'_>,
    request: &ToSign<'_>,
    expires: Duration,
) -> String {
    let headers = canonical_headers(request, []);
    let own = [
        ("X-Amz-Algorithm", ALGORITHM.to_owned()),
        (
            "X-Amz-Credential",
            format!("{}/{}", credentials.access_key_id(), scope_text(scope)),
        ),
        ("X-Amz-Date", timestamp(scope.time)),
        ("X-Amz-Expires", expires.as_secs().to_string()),
        ("X-Amz-SignedHeaders", names(&headers)),
    ];
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let token = credentials.session_token();
    let token = token.map(|token| ("X-Amz-Security-Token", token.expose()));
    let query = encoded_query(request.query.iter().copied().chain(own).chain(token));
    let signature = signature(credentials, scope, &canonical(request, &query, &headers));
    keep(&signature);
    format!("{query}&X-Amz-Signature={signature}")
}

/// A text as it stands in a query or in a form.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn encoded_query<'a>(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let encoded = parameters.map(|(name, value)| (encoded(name), encoded(value)));
    let mut pairs: Vec<_> = encoded.collect();
    pairs.sort();
    let pairs = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// Header names in lower case, in their order, each with its values.
type Headers = BTreeMap<String, String>;

fn canonical_headers<'a>(
    request: &ToSign<'a>,
    added: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Headers {
    let mut headers = Headers::new();
    let given = request.headers.iter().copied();
    for (name, value) in given.chain([("host", request.host)]).chain(added) {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let values = headers.entry(name.to_ascii_lowercase());
        let add = |values: &mut String| {
            values.push(',');
            values.push_str(&value);
        };
        values.and_modify(add).or_insert(value);
    }
    headers
}

fn names(headers: &Headers) -> String {
    let names: Vec<_> = headers.keys().map(String::as_str).collect();
    names.join(";")
}

fn canonical(request: &ToSign<'_>, query: &str, headers: &Headers) -> String {
    let path = utf8_percent_encode(request.path, ENCODED_PATH).to_string();
    let path = if path.is_empty() { "/" } else { &path };
    let lines = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"));
    let lines: String = lines.collect();
    format!(
        "{}\n{path}\n{query}\n{lines}\n{}\n{:x}",
        request.method,
        names(headers),
        Sha256::digest(request.body)
    )
}

fn signature(credentials: &Credentials, scope: &Scope<'_>, canonical: &str) -> String {
    let text = format!(
        "{ALGORITHM}\n{}\n{}\n{:x}",
        timestamp(scope.time),
        scope_text(scope),
        Sha256::digest(canonical)
    );
    let secret = format!("AWS4{}", credentials.secret_access_key().expose());
    let parts = [
        &*date(scope.time),
        scope.region,
        scope.service,
        "aws4_request",
    ];
    let key = parts
        .iter()
        .fold(secret.into_bytes(), |key, part| mac(&key, part));
    mac(&key, &text)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// HMAC-SHA256. The key is made a block by HMAC's own rule (RFC 2104), which no key fails.
fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0; BLOCK];
    let digest = Sha256::digest(key);
    let key = if key.len() > BLOCK { &digest[..] } else { key };
    block[..key.len()].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as Mac>::new(&block.into());
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn scope_text(scope: &Scope<'_>) -> String {
    let date = date(scope.time);
    format!("{date}/{}/{}/aws4_request", scope.region, scope.service)
}

fn timestamp(time: SystemTime) -> String {
    DateTime::<Utc>::from(time)
        .format("%Y%m%dT%H%M%SZ")
        .to_string()
}

fn date(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).format("%Y%m%d").to_string()
}

#[cfg(test)]
mod tests;
