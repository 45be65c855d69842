//! The address of a token endpoint.

use connect_api::{Error, Result};
use reqwest::Url;

/// The address of a token endpoint.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] without the option's name.
pub(crate) fn parse(url: &str) -> Result<Url> {
    let url = Url::parse(url.trim()).map_err(|_| Error::config("it is not a URL"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok(url),
        _ => Err(Error::config("it must be a URL of https or http")),
    }
}

/// The address without what a URL may have of a login, for errors.
pub(crate) fn named(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url
        .port()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_or_http() {
        for url in ["", "idp", "file:///etc/passwd", "ldap://a/b", "https://"] {
            assert!(parse(url).is_err(), "{url}");
        }
        let url = parse(" https://u:canary@idp:8443/t?key=canary ").unwrap();
        assert_eq!(named(&url), "https://idp:8443/t");
    }
}
