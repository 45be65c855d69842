//! `GetSecretValue` by its documented protocol, on the loopback.

use super::*;
use crate::tests::server::{Asked, Server};
use crate::{Credentials, Environment, Settings};

async fn client(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Client {
    let server = Server::start(answer).await;
    let credentials = CredentialsProvider::new(Settings {
        keys: Some(Credentials::new("KEYID", "secret-of-keys").with_session_token("a-session")),
        region: Some("eu-west-1".into()),
        environment: Environment::of([("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.url())]),
        ..Settings::default()
    });
    Client {
        secrets: SecretsManager::new(Arc::new(credentials), None),
        server,
    }
}

struct Client {
    secrets: SecretsManager,
    server: Server,
}

#[tokio::test]
async fn a_secret_is_asked_for_with_a_signature() {
    let client = client(|_| (200, r#"{"SecretString":"{\"p\":\"ä\\\"\"}"}"#.into())).await;
    let version = SecretVersion {
        stage: Some("AWSPREVIOUS".into()),
        id: None,
    };
    let value = client.secrets.get("db/\"main", &version).await.unwrap();
    assert!(value == Some(SecretValue::Text(r#"{"p":"ä\""}"#.into())));
    let asked = &client.server.asked()[0];
    assert_eq!(
        asked.header("x-amz-target"),
        "secretsmanager.GetSecretValue"
    );
    assert_eq!(asked.header("x-amz-security-token"), "a-session");
    assert_eq!(
        asked.body,
        r#"{"SecretId":"db/\"main","VersionStage":"AWSPREVIOUS"}"#
    );
    let signed = asked.header("authorization");
    assert!(
        signed.contains("/eu-west-1/secretsmanager/aws4_request"),
        "{signed}"
    );
    let headers = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
    assert!(signed.contains(headers), "{signed}");
}

#[tokio::test]
async fn binary_secrets_and_missing_ones_are_told_apart() {
    let current = SecretVersion::default();
    let binary = client(|_| (200, r#"{"SecretBinary":"AAH/"}"#.into())).await;
    let value = binary.secrets.get("s", &current).await.unwrap();
    assert!(value == Some(SecretValue::Binary(vec![0, 1, 255])));
    let body = r#"{"__type":"ResourceNotFoundException","Message":"no"}"#;
    let missing = client(move |_| (400, body.into())).await;
    assert!(missing.secrets.get("s", &current).await.unwrap().is_none());
}

#[tokio::test]
async fn refusals_name_the_secret_and_the_next_step() {
    for (status, body, part, is_retriable) in [
        (
            400,
            r#"{"__type":"a.b#AccessDeniedException"}"#,
            "GetSecretValue",
            false,
        ),
        (
            400,
            r#"{"__type":"ThrottlingException"}"#,
            "ThrottlingException",
            true,
        ),
        (500, "<html>", "500 no code", true),
        (403, r#"{"__type":"\u0007 evil"}"#, "403 no code", false),
    ] {
        let client = client(move |_| (status, body.into())).await;
        let result = client
            .secrets
            .get("db/main", &SecretVersion::default())
            .await;
        let error = result.err().unwrap();
        let text = error.chain();
        assert!(text.contains("db/main") && text.contains(part), "{text}");
        assert!(text.contains(&client.server.address), "{text}");
        assert_eq!(
            error.kind() == connect_api::ErrorKind::Retriable,
            is_retriable,
            "{text}"
        );
        assert!(error.is_transient());
    }
}
