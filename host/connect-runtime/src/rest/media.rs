//! Which media types a request may ask for and bring, as Kafka Connect's server checks them once it
//! has found the route and the method.

use axum::http::{HeaderMap, StatusCode, header};

use super::RestError;

/// Refuses a request that takes no JSON, or says that it brings something else.
///
/// # Errors
/// 406 and 415.
pub(super) fn check(headers: &HeaderMap) -> Result<(), RestError> {
    let refused = |status: StatusCode| {
        let reason = status.canonical_reason().unwrap_or_default();
        Err(RestError::new(
            status,
            format!("HTTP {} {reason}", status.as_u16()),
        ))
    };
    if let Some(kind) = headers.get(header::CONTENT_TYPE)
        && !is_json(&String::from_utf8_lossy(kind.as_bytes()))
    {
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let ranges = headers.get_all(header::ACCEPT).iter();
    let ranges: Vec<_> = ranges
        .map(|range| String::from_utf8_lossy(range.as_bytes()))
        .collect();
    let mut ranges = ranges.iter().flat_map(|ranges| ranges.split(','));
    let mut named = ranges
        .by_ref()
        .filter(|range| !range.trim().is_empty())
        .peekable();
    match named.peek().is_none() || named.any(is_json) {
        true => Ok(()),
        false => refused(StatusCode::NOT_ACCEPTABLE),
    }
}

/// Whether a media range (RFC 9110, 12.5.1) has JSON in it. Its parameters do not matter, the
/// weight included.
fn is_json(range: &str) -> bool {
    let range = range.split(';').next().unwrap_or_default().trim();
    let range = range.to_ascii_lowercase();
    matches!(
        range.as_str(),
        "application/json" | "application/*" | "*/*" | "*"
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn status(name: header::HeaderName, value: &'static str) -> Option<u16> {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        check(&headers)
            .err()
            .map(|refused| refused.status().as_u16())
    }

    #[test]
    fn json_is_asked_for_and_brought_in_any_form() {
        assert!(check(&HeaderMap::new()).is_ok());
        for accept in [
            "application/json",
            "*/*",
            "application/*",
            "",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "Application/JSON; charset=utf-8",
            "text/plain, application/json;q=0",
        ] {
            assert_eq!(status(header::ACCEPT, accept), None, "{accept}");
        }
        for accept in [
            "text/plain",
            "nonsense",
            "application/vnd.kafka.v1+json",
            "text/*",
        ] {
            assert_eq!(status(header::ACCEPT, accept), Some(406), "{accept}");
        }
        for kind in ["application/json", "APPLICATION/json;charset=UTF-8", "*/*"] {
            assert_eq!(status(header::CONTENT_TYPE, kind), None, "{kind}");
        }
        for kind in ["text/plain", "application/xml", "nonsense", ""] {
            assert_eq!(status(header::CONTENT_TYPE, kind), Some(415), "{kind}");
        }
    }
}
