//! Whom a request is for, and which page sent it: what keeps a web page in somebody's browser from
//! speaking to a worker that the browser can reach.
//!
//! A browser sends what changes something with `Origin` (the Fetch standard) or, where that is
//! missing, with `Sec-Fetch-Site` or `Referer`. A page whose name is bound to the worker's address
//! (DNS rebinding) looks like the worker's own: only the name in `Host` gives it away.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN, REFERER};
use axum::http::{HeaderMap, Method, StatusCode, Uri, Version};

use super::RestError;
use crate::config::AllowedHosts;
use connect_http::Cors;

/// A host and a port, as in `Host`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    /// In small letters, without brackets and the dot at the end.
    host: String,
    port: Option<u16>,
}

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                let port = match port {
                    "" => None,
                    port => Some(port.strip_prefix(':')?),
                };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_name) {
            return None;
        }
        let port = match port {
            None | Some("") => None,
            Some(port) => Some(port.parse().ok()?),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Some(Self { host, port })
    }

    fn is_address(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok()
    }
}

/// The one value of a header.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, RestError> {
    let mut values = headers.get_all(name).iter();
    let twice = || RestError::bad_request(format!("The header {name} is given twice"));
    let value = values.next();
    if values.next().is_some() {
        return Err(twice());
    }
    let text = value.map(|value| value.to_str());
    let odd = |_| RestError::bad_request(format!("The header {name} is not text"));
    text.transpose().map_err(odd)
}

/// What the request calls this worker.
fn called(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, RestError> {
    let odd = || RestError::bad_request("The header Host is not a host and a port");
    let host = only(headers, HOST.as_str())?;
    let host = host.map(|host| Authority::parse(host).ok_or_else(odd));
    let host = host.transpose()?;
    // An absolute request target goes before the header (RFC 9112, 3.2.2).
    match uri.authority() {
        Some(target) => Ok(Some(Authority::parse(target.as_str()).ok_or_else(odd)?)),
        None => Ok(host),
    }
}

/// Whether a browser sent it, which may be a page's doing. Programs send none of these.
fn is_browsers(headers: &HeaderMap) -> bool {
    let named = |name: &str| headers.contains_key(name);
    let mozilla = headers
        .get("user-agent")
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    mozilla
        || [
            "origin",
            "referer",
            "sec-fetch-site",
            "sec-fetch-mode",
            "accept-language",
        ]
        .into_iter()
        .any(named)
}

/// Whether a host has a name, or is below one that begins with a star and a dot.
fn is_named(host: &str, name: &str) -> bool {
    match name.strip_prefix('*') {
        Some(end) => end.starts_with('.') && host.ends_with(end),
        None => name == host,
    }
}

/// Checks the name that a request calls this worker by.
///
/// # Errors
/// 403 for a name that may be a page's; 400 for none or several.
pub(super) fn check_host(
    hosts: &AllowedHosts,
    version: Version,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), RestError> {
    let Some(authority) = called(uri, headers)? else {
        return match version {
            Version::HTTP_10 => Ok(()),
            _ => Err(RestError::bad_request("The header Host is missing")),
        };
    };
    let host = authority.host.as_str();
    let known = hosts.all
        // Nobody else can have the name of an address.
        || authority.is_address()
        || host == "localhost"
        || host.ends_with(".localhost")
        || hosts.names.iter().any(|name| is_named(host, name))
        // A name without dots, as in a compose file or a cluster, is no name of the internet; and
        // programs are not led by pages.
        || (!hosts.loopback_only && (!host.contains('.') || !is_browsers(headers)));
    if known {
        return Ok(());
    }
    Err(RestError::new(
        StatusCode::FORBIDDEN,
        format!(
            "This worker does not answer to the name {host}. If it is its own, add it to the \
             worker's ferrule.rest.allowed.hosts"
        ),
    ))
}

/// What the browser says of the page that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page<'a> {
    /// None, or the worker's own.
    Own,
    /// Another origin, which may read answers.
    Allowed(&'a str),
    /// Another origin, or one that is not told.
    Foreign(&'a str),
}

/// Which page sent a request.
///
/// # Errors
/// 400 when the headers contradict themselves.
pub(super) fn page<'a>(
    cors: &Cors,
    uri: &Uri,
    headers: &'a HeaderMap,
) -> Result<Page<'a>, RestError> {
    let own = called(uri, headers)?;
    let is_own = |text: &str| {
        let (scheme, rest) = text.split_once("://")?;
        let authority = Authority::parse(rest.split(['/', '?', '#']).next().unwrap_or(rest))?;
        let usual = match scheme {
            "https" => 443,
            _ => 80,
        };
        let own = own.as_ref()?;
        // A proxy may speak TLS for the worker: the scheme may differ, and a port that is not told
        // is the usual one of the page's scheme.
        let same_port = own.port.unwrap_or(usual) == authority.port.unwrap_or(usual);
        Some(own.host == authority.host && same_port)
    };
    let judge = |origin: &'a str| {
        if is_own(origin) == Some(true) {
            Page::Own
        } else if cors.allows(origin) {
            Page::Allowed(origin)
        } else {
            Page::Foreign(origin)
        }
    };
    if let Some(origin) = only(headers, ORIGIN.as_str())? {
        return Ok(judge(origin));
    }
    match only(headers, "sec-fetch-site")? {
        Some("same-origin" | "none") => return Ok(Page::Own),
        Some(_) => return Ok(Page::Foreign("another site")),
        None => {}
    }
    match only(headers, REFERER.as_str())? {
        // Without `Origin` a browser does not ask for leave to read, and gets none.
        Some(referer) => Ok(match judge(referer) {
            Page::Own => Page::Own,
            Page::Allowed(_) | Page::Foreign(_) => Page::Foreign(referer),
        }),
        None => Ok(Page::Own),
    }
}

/// Refuses what a foreign page would change. What it would only read it cannot: the browser keeps
/// the answer from it.
///
/// # Errors
/// 403.
pub(super) fn check_page(page: Page<'_>, cors: &Cors, method: &Method) -> Result<(), RestError> {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let refused = |why: String| Err(RestError::new(StatusCode::FORBIDDEN, why));
    match page {
        Page::Own => Ok(()),
        Page::Foreign(_) if reads => Ok(()),
        Page::Allowed(_) if reads || cors.allows_method(method) => Ok(()),
        Page::Allowed(origin) => refused(format!(
            "Pages of {origin} may not use {method}: it is not among the worker's \
             access.control.allow.methods"
        )),
        Page::Foreign(origin) => refused(format!(
            "A page of {origin} may not change anything here: its origin is not among the worker's \
             access.control.allow.origin"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect_http::{CorsConfig, OriginPattern};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse().unwrap())
        };
        let mut headers = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    fn host(loopback_only: bool, pairs: &[(&'static str, &str)]) -> Result<(), RestError> {
        let hosts = AllowedHosts {
            all: false,
            names: vec!["connect.example.com".into(), "*.corp.example".into()],
            loopback_only,
        };
        let uri = Uri::from_static("/connectors");
        check_host(&hosts, Version::HTTP_11, &uri, &headers(pairs))
    }

    #[test]
    fn a_loopback_worker_answers_to_its_own_names_alone() {
        for name in [
            "localhost:8083",
            "LOCALHOST",
            "a.localhost",
            "127.0.0.1:8083",
            "[::1]:8083",
            "192.0.2.1",
            "connect.example.com",
            "Connect.Example.com.:443",
            "a.b.corp.example",
        ] {
            assert!(host(true, &[("host", name)]).is_ok(), "{name}");
        }
        for name in [
            "evil.example",
            "evil.example:8083",
            "connect",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "connect.example.com.evil.example",
            "corp.example",
            "evilcorp.example",
        ] {
            assert!(host(true, &[("host", name)]).is_err(), "{name}");
        }
        for odd in [
            &[][..],
            &[("host", "")],
            &[("host", "a b")],
            &[("host", "a@b")],
        ] {
            assert!(host(true, odd).is_err(), "{odd:?}");
        }
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert!(host(true, &twice).is_err());
    }

    #[test]
    fn beyond_loopback_a_browser_needs_a_name_that_is_known() {
        let name = ("host", "kafka-connect.prod.svc:8083");
        assert!(host(false, &[name]).is_ok());
        assert!(
            host(
                false,
                &[("host", "connect:8083"), ("origin", "http://connect:8083")]
            )
            .is_ok()
        );
        for mark in [
            ("origin", "http://kafka-connect.prod.svc:8083"),
            ("user-agent", "Mozilla/5.0 (X11)"),
            ("sec-fetch-site", "same-origin"),
            ("referer", "http://kafka-connect.prod.svc:8083/"),
            ("accept-language", "en"),
        ] {
            assert!(host(false, &[name, mark]).is_err(), "{mark:?}");
        }
    }

    #[test]
    fn an_absolute_target_goes_before_the_header() {
        let hosts = AllowedHosts {
            all: false,
            names: Vec::new(),
            loopback_only: true,
        };
        let uri = Uri::from_static("http://evil.example/connectors");
        let headers = headers(&[("host", "localhost")]);
        assert!(check_host(&hosts, Version::HTTP_11, &uri, &headers).is_err());
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let cors = Cors::new(CorsConfig {
            origins: vec![OriginPattern::parse("https://ui.example.com").unwrap()],
            methods: vec!["GET".into(), "POST".into()],
        });
        let uri = Uri::from_static("/connectors");
        let check = |method: Method, pairs: &[(&'static str, &str)]| {
            let mut all = headers(pairs);
            all.insert(HOST, "localhost:8083".parse().unwrap());
            let page = page(&cors, &uri, &all)?;
            check_page(page, &cors, &method)
        };
        for pairs in [
            &[][..],
            &[("origin", "http://localhost:8083")],
            &[("origin", "http://LOCALHOST:8083")],
            &[("origin", "https://ui.example.com")],
            &[("sec-fetch-site", "same-origin")],
            &[("sec-fetch-site", "none")],
            &[("referer", "http://localhost:8083/ui/")],
        ] {
            assert!(check(Method::POST, pairs).is_ok(), "{pairs:?}");
        }
        for pairs in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://localhost:9999")],
            &[("origin", "http://localhost")],
            &[("origin", "http://localhost:8083.evil.example")],
            &[
                ("origin", "http://localhost:8083"),
                ("origin", "http://evil.example"),
            ],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "anything")],
            &[("referer", "http://evil.example/http://localhost:8083/")],
            &[("referer", "https://ui.example.com/")],
        ] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert!(check(method.clone(), pairs).is_err(), "{method} {pairs:?}");
            }
        }
        // The origin is allowed, the method is not.
        let allowed = [("origin", "https://ui.example.com")];
        assert!(check(Method::DELETE, &allowed).is_err());
        assert!(check(Method::GET, &[("origin", "http://evil.example")]).is_ok());
    }
}
