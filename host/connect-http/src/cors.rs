//! Pages of other origins that may use an API (the Fetch standard's CORS protocol), in Kafka
//! Connect's options.

use connect_api::{Error, Result};
use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderValue};

/// Origins whose pages may use the API.
#[derive(Clone, Debug, Default)]
pub struct CorsConfig {
    /// `access.control.allow.origin`.
    pub origins: Vec<OriginPattern>,
    /// `access.control.allow.methods`, in capitals.
    pub methods: Vec<String>,
}

/// The headers that pages may send.
const ALLOWED_HEADERS: &str =
    "Accept,Authorization,Content-Type,Idempotency-Key,Origin,X-Requested-With";
/// Seconds that a browser may remember an answer, as Kafka Connect's.
const MAX_AGE: &str = "1800";

/// One entry of `access.control.allow.origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`.
    Any,
    /// In small letters: `https://ui.example.com`, or with one star that stands for the labels of
    /// a host: `https://*.example.com`.
    Like {
        /// What is in front of the star; without a star, all.
        start: String,
        /// What is behind it.
        end: Option<String>,
    },
}

impl OriginPattern {
    /// Reads an entry.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when it is no origin.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let text = text.to_ascii_lowercase();
        let invalid = |why: &str| {
            let why = format!("access.control.allow.origin: {text}: {why}");
            Err(Error::config(why))
        };
        let Some((scheme, host)) = text.split_once("://") else {
            return invalid("an origin is expected, such as https://ui.example.com");
        };
        if scheme.is_empty() || host.is_empty() || host.contains(['/', '?', '#', '@']) {
            return invalid("an origin is a scheme, a host and perhaps a port");
        }
        Ok(match text.split_once('*') {
            None => Self::Like {
                start: text.clone(),
                end: None,
            },
            Some((_, end)) if end.contains('*') => return invalid("one star is all"),
            Some((start, _)) if !start.ends_with("://") => {
                return invalid("a star stands at the start of the host");
            }
            // `*example.com` would be anybody's `evilexample.com` too.
            Some((_, end)) if !end.starts_with('.') => {
                return invalid("a dot follows the star");
            }
            Some((start, end)) => Self::Like {
                start: start.to_owned(),
                end: Some(end.to_owned()),
            },
        })
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Like { start, end: None } => origin == start,
            Self::Like {
                start,
                end: Some(end),
            } => {
                let middle = origin
                    .strip_prefix(start.as_str())
                    .and_then(|rest| rest.strip_suffix(end.as_str()));
                middle.is_some_and(|labels| {
                    let is_label =
                        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                    !labels.is_empty() && labels.chars().all(is_label)
                })
            }
        }
    }
}

/// What a foreign origin may do.
#[derive(Clone, Debug, Default)]
pub struct Cors(CorsConfig);

impl Cors {
    /// By the options.
    pub fn new(config: CorsConfig) -> Self {
        Self(config)
    }

    /// Whether pages of this origin may read answers.
    pub fn allows(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.0.origins.iter().any(|known| known.matches(&origin))
    }

    /// Whether they may use a method.
    pub fn allows_method(&self, method: &Method) -> bool {
        self.0.methods.iter().any(|known| known == method.as_str())
    }

    /// What a browser that asks what a page may do is told, before the page's request is sent.
    pub fn preflight(&self, headers: &mut HeaderMap) {
        let methods = self.0.methods.join(",");
        if let Ok(methods) = HeaderValue::from_str(&methods) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        let allowed = HeaderValue::from_static(ALLOWED_HEADERS);
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        let age = HeaderValue::from_static(MAX_AGE);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, age);
    }

    /// Says in an answer that the page may read it.
    pub fn tell(&self, origin: &HeaderValue, headers: &mut HeaderMap) {
        let listed = origin.to_str().is_ok_and(|origin| {
            let origin = origin.to_ascii_lowercase();
            let mut named = self.0.origins.iter().filter(|o| **o != OriginPattern::Any);
            named.any(|known| known.matches(&origin))
        });
        let told = match listed {
            true => origin.clone(),
            false => HeaderValue::from_static("*"),
        };
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, told);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        // Passwords that the browser keeps go to pages that are named, and never to any page.
        if listed {
            let yes = HeaderValue::from_static("true");
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_matched_as_a_whole() {
        let cors = |patterns: &[&str]| {
            let origins = patterns.iter().map(|p| OriginPattern::parse(p).unwrap());
            Cors::new(CorsConfig {
                origins: origins.collect(),
                methods: vec!["GET".into()],
            })
        };
        let named = cors(&["https://UI.example.com", "https://*.corp.example:8443"]);
        for (origin, expect) in [
            ("https://ui.example.com", true),
            ("http://ui.example.com", false),
            ("https://ui.example.com.evil.net", false),
            ("https://ui.example.com:444", false),
            ("https://a.corp.example:8443", true),
            ("https://a.b.corp.example:8443", true),
            ("https://.corp.example:8443", false),
            ("https://evil.net/.corp.example:8443", false),
            ("https://evil.net#.corp.example:8443", false),
            ("https://corp.example:8443", false),
            ("null", false),
        ] {
            assert_eq!(named.allows(origin), expect, "{origin}");
        }
        assert!(cors(&["*"]).allows("https://anything.example"));
        assert!(!cors(&[]).allows("https://ui.example.com"));
        for wrong in [
            "ui.example.com",
            "https://*example.com",
            "https://a.*.com",
            "https://*.*.com",
            "https://a/b",
            "https://",
        ] {
            assert!(OriginPattern::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn credentials_go_to_origins_that_are_named() {
        let cors = Cors::new(CorsConfig {
            origins: vec![
                OriginPattern::Any,
                OriginPattern::parse("https://a.example").unwrap(),
            ],
            methods: vec!["GET".into()],
        });
        let told = |origin: &'static str| {
            let mut headers = HeaderMap::new();
            cors.tell(&HeaderValue::from_static(origin), &mut headers);
            let credentials = headers.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
            let origin = headers[header::ACCESS_CONTROL_ALLOW_ORIGIN].to_str();
            (origin.unwrap().to_owned(), credentials)
        };
        assert_eq!(
            told("https://a.example"),
            ("https://a.example".into(), true)
        );
        assert_eq!(told("https://b.example"), ("*".into(), false));
    }
}
