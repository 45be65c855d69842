//! Tokens from a server of the test.

use std::sync::{Arc, Mutex, PoisonError};

use connect_api::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const NAMES: OptionNames = OptionNames {
    endpoint: "the.url",
    client_id: "the.id",
    client_secret: "the.secret",
    scope: "the.scope",
};

/// A server that gives its answers in turn, the last one for ever.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) async fn start(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answers: Vec<_> = answers.iter().map(|(s, b)| (*s, (*b).to_owned())).collect();
        tokio::spawn(async move {
            let mut turn = 0;
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                let length = |request: &[u8]| {
                    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
                    let (head, body) = text.split_once("\r\n\r\n")?;
                    let (_, rest) = head.split_once("content-length: ")?;
                    let length = rest.lines().next()?.parse::<usize>().ok()?;
                    Some(body.len() >= length)
                };
                while length(&request) != Some(true) {
                    let mut part = [0; 4096];
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => break,
                        Ok(read) => request.extend_from_slice(&part[..read]),
                    }
                }
                let text = String::from_utf8_lossy(&request).into_owned();
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(text);
                let (status, body) = &answers[turn.min(answers.len() - 1)];
                turn += 1;
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn credentials(&self) -> ClientCredentials {
        ClientCredentials {
            endpoint: self.url.clone(),
            client_id: "ann:1".into(),
            client_secret: Secret::new("canary&=é"),
            scope: Some("read write".into()),
            parameters: vec![("audience".into(), "kafka/1".into())],
            header: HeaderEncoding::Plain,
            names: NAMES,
        }
    }

    pub(crate) fn client(&self) -> TokenClient {
        client(self.credentials())
    }
}

fn client(credentials: ClientCredentials) -> TokenClient {
    TokenClient::new(credentials, Client::builder(), TimeLimits::default()).unwrap()
}

const REFUSED: &str = r#"{"error":"invalid_client","error_description":"Bad credentials"}"#;

#[tokio::test]
async fn a_token_is_asked_for_as_kafka_asks() {
    let server = Server::start(&[(200, r#"{"access_token":"abc","expires_in":60}"#)]).await;
    let token = server.client().fetch().await.unwrap();
    assert_eq!(token.value.expose(), "abc");
    assert!(token.lifetime(SystemTime::now()) > Duration::from_secs(50));
    let request = &server.requests()[0];
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /token HTTP/1.1"), "{head}");
    let basic = format!("Basic {}", STANDARD.encode("ann:1:canary&=é"));
    assert!(head.contains(&basic), "{head}");
    assert_eq!(
        body,
        "grant_type=client_credentials&scope=read+write&audience=kafka%2F1"
    );

    let mut credentials = server.credentials();
    credentials.header = HeaderEncoding::FormUrlEncoded;
    client(credentials).fetch().await.unwrap();
    let basic = format!("Basic {}", STANDARD.encode("ann%3A1:canary%26%3D%C3%A9"));
    assert!(server.requests()[1].contains(&basic));
}

#[tokio::test]
async fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
    let server = Server::start(&[
        (401, r#"{"error":"invalid_client"}"#),
        (200, r#"{"access_token":"abc","expires_in":"60"}"#),
    ])
    .await;
    let client = server.client();
    client.fetch().await.unwrap();
    client.fetch().await.unwrap();
    let requests = server.requests();
    // What it has taken once is shown at once.
    assert_eq!(requests.len(), 3);
    for request in &requests[1..] {
        assert!(!request.to_ascii_lowercase().contains("authorization"));
        let shown = "client_id=ann%3A1&client_secret=canary%26%3D%C3%A9";
        assert!(request.contains(shown), "{request}");
    }
}

#[tokio::test]
async fn a_refusal_names_endpoint_code_and_options_and_no_secret() {
    let server = Server::start(&[(401, REFUSED)]).await;
    let error = server.client().fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let told = error.chain();
    let expect = format!(
        "the token endpoint {} refuses a token: invalid_client (Bad credentials; HTTP 401); check \
         the.id and the.secret",
        server.url
    );
    assert_eq!(told, expect);
    // An answer that is no refusal of the client is not asked for twice.
    let server = Server::start(&[(400, r#"{"error":"invalid_scope"}"#)]).await;
    let error = server.client().fetch().await.unwrap_err();
    assert!(error.chain().contains("check the.scope"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_told_as_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = Server::start(&[(503, "{}")]).await;
    let mut credentials = server.credentials();
    credentials.endpoint = format!("http://u:canary@{address}/t?key=canary");
    let error = client(credentials).fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    let told = error.chain();
    assert!(told.contains(&format!("http://{address}/t")), "{told}");
    assert!(
        told.contains("refused") && !told.contains("canary"),
        "{told}"
    );
    let error = server.client().fetch().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_told_without_it() {
    for (body, expect) in [
        ("canary", "has no access_token"),
        (r#"{"access_token":"can\u0001ary"}"#, "printable ASCII"),
        (r#"{"access_token":7}"#, "has no access_token"),
    ] {
        let server = Server::start(&[(200, body)]).await;
        let told = server.client().fetch().await.unwrap_err().chain();
        assert!(
            told.contains(expect) && told.contains(&server.url),
            "{told}"
        );
        assert!(!told.contains("ary"), "{told}");
    }
    let server = Server::start(&[(302, "")]).await;
    let told = server.client().fetch().await.unwrap_err().chain();
    assert!(told.contains("leads to another address"), "{told}");
    let large = "x".repeat(3 << 20);
    let server = Server::start(&[(200, large.as_str())]).await;
    let told = server.client().fetch().await.unwrap_err().chain();
    assert!(told.contains("the answer is too large"), "{told}");
}
