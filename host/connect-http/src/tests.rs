//! Unit tests: paths, queries, formats, options.

use connect_api::{ConfigDef, Properties, Secret};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::*;

fn matched(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    PathTemplate::parse("path", template).unwrap().matches(path)
}

#[test]
fn paths_are_matched_by_their_parts() {
    let one = |name: &str, value: &str| Some(vec![(name.to_owned(), value.to_owned())]);
    for (template, path, expect) in [
        ("/a/b", "/a/b", Some(Vec::new())),
        ("/a/b", "/a/b/", Some(Vec::new())),
        ("/a/b", "/a", None),
        ("/a", "/a/b", None),
        ("/a/{x}", "/a/1%2F2", one("x", "1/2")),
        ("/a/{x}", "/a/%C3%A4+", one("x", "ä+")),
        ("/a/{x}", "/a/", None),
        ("/a/{x}", "/a/%FF", None),
        ("/a/{x}/c", "/a/b/c", one("x", "b")),
        ("/a/{x}/c", "/a/b/d", None),
        ("/a", "a", None),
    ] {
        assert_eq!(matched(template, path), expect, "{template} {path}");
    }
    for wrong in [
        "a", "/a?b", "/{a}/{a}", "/a{b}", "/{a-b}", "/{}", "/health", "/a b",
    ] {
        assert!(PathTemplate::parse("path", wrong).is_err(), "{wrong}");
    }
}

#[test]
fn queries_are_decoded_like_forms() {
    let pairs = query_pairs("a=1+2&b=%26%3D&c&a=").unwrap();
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(pairs, [("a", "1 2"), ("b", "&="), ("c", ""), ("a", "")]);
    assert_eq!(query_pairs("a=%FF"), None);
}

#[test]
fn dates_are_days_that_there_are() {
    use formats::{is_date, is_date_time, is_uuid};
    for good in ["2024-02-29", "2000-02-29", "2025-12-31"] {
        assert!(is_date(good), "{good}");
    }
    for bad in [
        "2025-02-29",
        "1900-02-29",
        "2025-13-01",
        "2025-1-1",
        "",
        "2025-01-00",
        "ä025-01-01",
    ] {
        assert!(!is_date(bad), "{bad}");
    }
    for good in [
        "2025-01-06T14:30:00Z",
        "2025-01-06t14:30:00.123456789-05:30",
    ] {
        assert!(is_date_time(good), "{good}");
    }
    for bad in [
        "2025-01-06T14:30:00",
        "2025-01-06T24:30:00Z",
        "2025-01-06T14:30:00.Z",
        "2025-01-06T14:30:00+1:00",
        "2025-01-06T14:30Z",
        "now",
        "2025-01-06",
        "2025-01-06T14:30:0äZ",
    ] {
        assert!(!is_date_time(bad), "{bad}");
    }
    assert!(is_uuid("0B6e2f6a-6c1a-4b0e-9a64-0a4f2b1f7c11"));
    assert!(!is_uuid("0b6e2f6a6c1a4b0e9a640a4f2b1f7c11"));
}

#[test]
fn only_json_is_json() {
    for (kind, expect) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/cloudevents+json", true),
        ("application/+json", false),
        ("text/plain", false),
        ("text/json+json", false),
    ] {
        let kind_of = HeaderValue::from_str(kind).unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind_of)]);
        assert_eq!(is_json(&headers), expect, "{kind}");
    }
    assert!(!is_json(&HeaderMap::new()));
}

#[test]
fn a_token_is_compared_as_a_whole() {
    let protection = Protection {
        tokens: ["one", "two"].map(Secret::new).to_vec(),
        ..Protection::default()
    };
    let check = |given: &str| {
        let given = HeaderValue::from_str(given).unwrap();
        let headers = HeaderMap::from_iter([(AUTHORIZATION, given)]);
        protection.refusal(&headers).is_none()
    };
    assert!(check("Bearer one") && check("bearer two"));
    for wrong in [
        "Bearer on",
        "Bearer onee",
        "Bearer ",
        "Bearer",
        "Basic one",
        "one",
    ] {
        assert!(!check(wrong), "{wrong}");
    }
    assert!(protection.refusal(&HeaderMap::new()).is_some());
    assert!(Protection::default().refusal(&HeaderMap::new()).is_none());
}

#[test]
fn a_listener_is_an_address() {
    let settings = |listener: &str| {
        let properties = Properties::from([("http.listener".to_owned(), listener.to_owned())]);
        let config = ConfigDef::new(keys()).parse(&properties)?;
        ListenerSettings::new(&config)
    };
    for (listener, expect) in [
        ("http://127.0.0.1:80", Some("127.0.0.1:80")),
        ("localhost:80", Some("localhost:80")),
        ("http://:80/", Some("0.0.0.0:80")),
        ("http://[::1]:80", Some("[::1]:80")),
        ("https://:443", None),
        ("ftp://:80", None),
        ("http://localhost", None),
    ] {
        let found = settings(listener).ok().map(|settings| settings.address);
        assert_eq!(found.as_deref(), expect, "{listener}");
    }
}
