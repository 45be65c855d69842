//! Each place where credentials are, by its documented protocol, on the loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use super::*;
use crate::tests::server::{Asked, Server};

/// Variables under which no source but those that a test names is there.
const NOTHING: &[(&str, &str)] = &[
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_REGION", "eu-central-1"),
];

fn environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::of(NOTHING.iter().chain(pairs).copied())
}

fn provider(pairs: &[(&str, &str)]) -> CredentialsProvider {
    CredentialsProvider::new(Settings {
        environment: environment(pairs),
        ..Settings::default()
    })
}

fn in_seconds(seconds: u64) -> String {
    DateTime::<Utc>::from(SystemTime::now() + Duration::from_secs(seconds)).to_rfc3339()
}

fn of_agent(id: &str, seconds: u64) -> String {
    let expires = in_seconds(seconds);
    format!(
        r#"{{"AccessKeyId":"{id}","SecretAccessKey":"secret-of-the-agent","Token":"agent-token",
            "Expiration":"{expires}","Code":"Success"}}"#
    )
}

fn of_sts(id: &str) -> String {
    format!(
        "<R><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>sts-secret-key\
         </SecretAccessKey><SessionToken>sts/token+=</SessionToken><Expiration>{}</Expiration>\
         </Credentials></R>",
        in_seconds(3600)
    )
}

#[tokio::test]
async fn the_environment_comes_first_and_half_of_it_is_an_error() {
    let keys = [
        ("AWS_ACCESS_KEY_ID", "ID"),
        ("AWS_SECRET_ACCESS_KEY", "a-secret"),
    ];
    let found = provider(&keys).credentials().await.unwrap();
    assert_eq!(found.access_key_id(), "ID");
    assert_eq!(found.session_token(), None);
    assert!(!format!("{found:?}").contains("a-secret"));
    let error = provider(&keys[..1]).credentials().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("AWS_SECRET_ACCESS_KEY is not set"),
        "{error}"
    );
    let error = provider(&[]).credentials().await.unwrap_err();
    assert!(error.to_string().contains("none found"), "{error}");
}

#[tokio::test]
async fn keys_that_change_in_the_file_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials");
    let path = file.display().to_string();
    let config = folder.path().join("config").display().to_string();
    std::fs::write(&config, "").unwrap();
    let write = |id: &str| {
        let text = format!("[app]\naws_access_key_id={id}\naws_secret_access_key=file-secret\n");
        std::fs::write(&file, text).unwrap();
    };
    write("FIRST");
    let pairs = [
        ("AWS_SHARED_CREDENTIALS_FILE", &*path),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_PROFILE", "app"),
    ];
    let asked = provider(&pairs);
    assert_eq!(asked.credentials().await.unwrap().access_key_id(), "FIRST");
    write("SECOND");
    assert_eq!(asked.credentials().await.unwrap().access_key_id(), "SECOND");
    let other = provider(&[pairs[0], pairs[1], ("AWS_PROFILE", "missing")]);
    let error = other.credentials().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("profile missing: no such profile"),
        "{error}"
    );
}

#[tokio::test]
async fn a_web_identity_token_is_exchanged_and_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "one.two.three\n").unwrap();
    let server = Server::start(|_| (200, of_sts("WEB"))).await;
    let (path, url) = (file.display().to_string(), server.url());
    let asked = provider(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &path),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/a b"),
        ("AWS_ROLE_SESSION_NAME", "pod"),
        ("AWS_ENDPOINT_URL_STS", &url),
    ]);
    let found = asked.credentials().await.unwrap();
    assert_eq!(found.access_key_id(), "WEB");
    assert_eq!(found.session_token().unwrap().expose(), "sts/token+=");
    assert!(found.expires().unwrap() > SystemTime::now());
    let first = &server.asked()[0];
    assert_eq!(
        first.body,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15\
         &RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fa%20b&RoleSessionName=pod\
         &WebIdentityToken=one.two.three"
    );
    // It needs no signature, and is kept.
    assert_eq!(first.header("authorization"), "");
    asked.credentials().await.unwrap();
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_refusal_of_sts_names_role_address_and_next_step_but_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "very-secret-token").unwrap();
    let body = "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Token \
                very-secret-token expired</Message></Error></ErrorResponse>";
    let server = Server::start(move |_| (400, body.to_owned())).await;
    let (path, url) = (file.display().to_string(), server.url());
    let asked = provider(&[
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &path),
        ("AWS_ROLE_ARN", "arn:role"),
        ("AWS_ENDPOINT_URL", &url),
    ]);
    let error = asked.credentials().await.unwrap_err();
    let text = error.chain();
    for part in [
        "arn:role",
        &server.address,
        "400 ExpiredTokenException",
        "has ended",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("very-secret-token"), "{text}");
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_role_is_taken_with_the_keys_and_a_signature() {
    let server = Server::start(|_| (200, of_sts("ROLE"))).await;
    let url = server.url();
    let asked = CredentialsProvider::new(Settings {
        keys: Some(Credentials::new("KEYID", "secret-of-keys")),
        region: Some("us-west-2".into()),
        role: Some(Role {
            arn: "arn:role".into(),
            session_name: None,
            external_id: Some("ex".into()),
        }),
        environment: environment(&[("AWS_ENDPOINT_URL_STS", &url)]),
        ..Settings::default()
    });
    assert_eq!(asked.credentials().await.unwrap().access_key_id(), "ROLE");
    let first = &server.asked()[0];
    assert!(
        first
            .body
            .contains("&RoleSessionName=ferrule&ExternalId=ex"),
        "{}",
        first.body
    );
    let signed = first.header("authorization");
    assert!(
        signed.starts_with("AWS4-HMAC-SHA256 Credential=KEYID/"),
        "{signed}"
    );
    assert!(signed.contains("/us-west-2/sts/aws4_request"), "{signed}");
    assert!(
        signed.contains("SignedHeaders=content-type;host;x-amz-date"),
        "{signed}"
    );
}

#[tokio::test]
async fn a_container_agent_is_shown_the_token_that_its_file_has_now() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "first\n").unwrap();
    // The credentials end soon: each call asks anew.
    let server = Server::start(|_| (200, of_agent("POD", 60))).await;
    let (path, url) = (
        file.display().to_string(),
        format!("{}/v1/credentials", server.url()),
    );
    let asked = provider(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &path),
    ]);
    assert_eq!(asked.credentials().await.unwrap().access_key_id(), "POD");
    std::fs::write(&file, "second").unwrap();
    asked.credentials().await.unwrap();
    let seen = server.asked();
    let shown: Vec<_> = seen
        .iter()
        .map(|asked| asked.header("authorization"))
        .collect();
    assert_eq!(shown, ["first", "second"]);
    assert_eq!(seen[0].line, "GET /v1/credentials HTTP/1.1");
}

#[tokio::test]
async fn credentials_are_renewed_early_and_the_old_ones_bridge_an_outage() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let answer = move |_: &Asked| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => (200, of_agent("EARLY", 200)),
        1 => (500, "not now".to_owned()),
        _ => (200, of_agent("NEXT", 3600)),
    };
    let server = Server::start(answer).await;
    let url = server.url();
    let asked = provider(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)]);
    for expect in ["EARLY", "EARLY", "NEXT", "NEXT"] {
        assert_eq!(asked.credentials().await.unwrap().access_key_id(), expect);
    }
    assert_eq!(count.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_machine_is_asked_with_a_token_of_the_metadata_service() {
    let answer = |asked: &Asked| match &*asked.line {
        "PUT /latest/api/token HTTP/1.1" => (200, "imds-token".to_owned()),
        _ if asked.header("x-aws-ec2-metadata-token") != "imds-token" => (401, String::new()),
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1" => (200, "role".to_owned()),
        "GET /latest/meta-data/iam/security-credentials/role HTTP/1.1" => {
            (200, of_agent("EC2", 3600))
        }
        "GET /latest/meta-data/placement/region HTTP/1.1" => (200, "us-east-2".to_owned()),
        _ => (404, String::new()),
    };
    let server = Server::start(answer).await;
    let url = server.url();
    let asked = CredentialsProvider::new(Settings {
        environment: Environment::of([("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)]),
        ..Settings::default()
    });
    assert_eq!(asked.credentials().await.unwrap().access_key_id(), "EC2");
    assert_eq!(asked.region().await.unwrap(), "us-east-2");
    let ttl = server.asked()[0]
        .header("x-aws-ec2-metadata-token-ttl-seconds")
        .to_owned();
    assert_eq!(ttl, "21600");
}

#[tokio::test]
async fn who_is_away_is_named_and_may_come_back() {
    let server = Server::start(|_| (200, String::new())).await;
    let url = server.url();
    let address = server.address.clone();
    drop(server);
    let asked = provider(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)]);
    let error = asked.credentials().await.unwrap_err();
    assert!(error.to_string().contains(&address), "{error}");
    assert!(error.is_transient());
}
