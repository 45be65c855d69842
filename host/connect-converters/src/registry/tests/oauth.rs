//! Tokens of OAuth, shown to a registry, in Confluent's options.

use connect_api::{ErrorKind, Value};

use super::{Fixture, framed, registry, schema};
use crate::RegistryClient;

fn token(value: &str) -> (u16, String) {
    let answer = serde_json::json!({ "access_token": value, "expires_in": 3600 });
    (200, answer.to_string())
}

fn refused() -> (u16, String) {
    (401, r#"{"error_code":401,"message":"canary"}"#.to_owned())
}

/// The converter, whose tokens come from the registry's own server: the requests are in one row.
fn fixture(url: &str) -> Fixture {
    Fixture::new(url)
        .with("bearer.auth.credentials.source", "OAUTHBEARER")
        .with("bearer.auth.issuer.endpoint.url", &format!("{url}/token"))
        .with("bearer.auth.client.id", "ann")
        .with("bearer.auth.client.secret", "canary")
        .with("bearer.auth.scope", "schemas")
        .with("bearer.auth.logical.cluster", "lsrc-1")
        .with("bearer.auth.identity.pool.id", "pool-1")
}

fn inherited(url: &str) -> Fixture {
    let jaas = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                clientId=\"ann\" clientSecret=\"canary\" scope=\"schemas\";";
    Fixture::new(url)
        .with("bearer.auth.credentials.source", "SASL_OAUTHBEARER_INHERIT")
        .with(
            "sasl.oauthbearer.token.endpoint.url",
            &format!("{url}/token"),
        )
        .with("sasl.jaas.config", jaas)
}

#[test]
fn a_token_is_shown_and_renewed_once_when_it_is_refused() {
    for make in [fixture, inherited] {
        let answers = vec![
            token("first"),
            schema("\"int\""),
            // Of another schema: the token is kept, until the registry refuses it.
            refused(),
            token("second"),
            schema("\"string\""),
        ];
        let (url, requests) = registry(answers);
        let fixture = make(&url);
        let mut converter = fixture.build().unwrap();
        let mut read = |id, payload: &[u8]| {
            let read = converter.to_connect_data("topic", Some(&framed(id, payload)));
            read.unwrap().value
        };
        assert_eq!(read(1, &[14]), Value::Int(7));
        assert_eq!(read(2, &[2, b'x']), Value::from("x"));
        let asked: Vec<_> = requests.try_iter().collect();
        let lower = asked.iter().map(|request| request.to_ascii_lowercase());
        let lower: Vec<_> = lower.collect();
        // ann:canary
        assert!(
            lower[0].contains("authorization: basic yw5uomnhbmfyeq=="),
            "{}",
            lower[0]
        );
        assert!(asked[0].ends_with("grant_type=client_credentials&scope=schemas"));
        for (at, shown) in [(1, "first"), (2, "first"), (4, "second")] {
            let header = format!("authorization: bearer {shown}");
            assert!(lower[at].contains(&header), "{}", asked[at]);
        }
        assert!(asked[3].starts_with("POST /token"), "{}", asked[3]);
    }
}

#[test]
fn confluents_headers_go_with_a_token() {
    let (url, requests) = registry(vec![token("t"), schema("\"int\"")]);
    let fixture = fixture(&url);
    let mut converter = fixture.build().unwrap();
    converter
        .to_connect_data("topic", Some(&framed(1, &[14])))
        .unwrap();
    let asked = requests.try_iter().nth(1).unwrap().to_ascii_lowercase();
    assert!(asked.contains("target-sr-cluster: lsrc-1"), "{asked}");
    assert!(
        asked.contains("confluent-identity-pool-id: pool-1"),
        "{asked}"
    );
}

#[test]
fn a_server_that_gives_no_token_is_told_as_the_one_at_fault() {
    let no_client = r#"{"error":"invalid_client"}"#.to_owned();
    for (answer, kind, expect) in [
        (
            (401, no_client),
            ErrorKind::Config,
            "check bearer.auth.client.id and bearer.auth.client",
        ),
        ((503, String::new()), ErrorKind::Retriable, "HTTP 503"),
    ] {
        // In the header, and in the body.
        let (url, _requests) = registry(vec![answer.clone(), answer]);
        let fixture = fixture(&url);
        let mut converter = fixture.build().unwrap();
        let error = converter
            .to_connect_data("topic", Some(&framed(1, &[14])))
            .unwrap_err();
        assert_eq!(error.kind(), kind, "{}", error.chain());
        let told = error.chain();
        assert!(
            told.contains(expect) && told.contains(&format!("{url}/token")),
            "{told}"
        );
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn what_is_missing_is_named_for_each_converter() {
    for class in [
        crate::avro::TYPE.class,
        crate::json_schema::TYPE.class,
        crate::protobuf::TYPE.class,
    ] {
        let of = || Fixture::of(class, "http://127.0.0.1:9");
        let source = "bearer.auth.credentials.source";
        for (fixture, expect) in [
            (
                of().with(source, "OAUTHBEARER"),
                "needs bearer.auth.client.secret",
            ),
            (
                of().with(source, "OAUTHBEARER")
                    .with("bearer.auth.client.secret", "canary"),
                "needs bearer.auth.issuer.endpoint.url",
            ),
            (
                of().with(source, "SASL_OAUTHBEARER_INHERIT"),
                "needs sasl.jaas.config",
            ),
            (
                of().with(source, "SASL_OAUTHBEARER_INHERIT")
                    .with("sasl.jaas.config", "M required clientSecret=canary;"),
                "needs sasl.oauthbearer.token.endpoint.url",
            ),
            (of().with(source, "CUSTOM"), "OAUTHBEARER"),
        ] {
            let told = fixture.build().map(drop).unwrap_err().chain();
            assert!(told.contains(expect), "{told}");
            assert!(!told.contains("canary"), "{told}");
        }
    }
}

#[test]
fn a_tools_client_shows_and_renews_a_token_too() {
    let version = r#"{"version":1,"id":7,"schema":"\"int\""}"#.to_owned();
    let (url, requests) = registry(vec![
        token("first"),
        refused(),
        token("second"),
        (200, version),
    ]);
    let fixture = fixture(&url);
    let client = RegistryClient::new(&fixture.options).unwrap();
    let latest = fixture.runtime.block_on(client.latest("s")).unwrap();
    assert_eq!(latest.map(|version| version.id), Some(7));
    let asked: Vec<_> = requests
        .try_iter()
        .map(|it| it.to_ascii_lowercase())
        .collect();
    assert!(
        asked[3].contains("authorization: bearer second"),
        "{}",
        asked[3]
    );
    assert!(
        asked[3].contains("target-sr-cluster: lsrc-1"),
        "{}",
        asked[3]
    );
}
