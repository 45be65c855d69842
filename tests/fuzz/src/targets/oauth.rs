//! Answers of a token endpoint, and the tokens in them.

use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use connect_api::Secret;
use connect_oauth::{
    AccessToken, Claims, ClientCredentials, HeaderEncoding, OptionNames, TokenClient, fuzzing,
    unsigned,
};
use serde_json::json;

use super::secret::{MARKER, WORD, is_in};
use crate::Target;
use crate::parts::Parts;

/// The longest that a token is kept.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Secrets of clients: as they are, in a form, and with the user in a header.
const SECRETS: [[&str; 3]; 2] = [
    [
        MARKER,
        "hidden%2FMarker%2BOf%3DAll",
        "YW5uOmhpZGRlbi9NYXJrZXIrT2Y9QWxs",
    ],
    [WORD, WORD, "YW5uOmhpZGRlbk1hcmtlcjAxMjM"],
];

pub(super) const TARGET: Target = Target {
    name: "oauth",
    about: "`answer`, a status, and two halves of an answer with the client's secret between them, or \
            what was sent of it; or `token` and a token; each ended by NUL: refused without the \
            secret, or a token that lives a day at most; what is claimed is read as it was written",
    memory: 512,
    run: |data| {
        let mut parts = Parts::new(data);
        if is_in(data) {
            return;
        }
        match parts.bytes() {
            b"answer" => {
                let status = parts.text().and_then(|status| status.parse().ok());
                let (first, second) = (parts.bytes(), parts.bytes());
                for (number, secrets) in SECRETS.into_iter().enumerate() {
                    for secret in secrets {
                        let body = [first, secret.as_bytes(), second].concat();
                        answer(number, status.unwrap_or(400), body);
                    }
                }
            }
            b"token" => {
                if let Some(token) = parts.text() {
                    claims(token);
                }
            }
            _ => {}
        }
    },
};

fn answer(number: usize, status: u16, body: Vec<u8>) {
    let Some(client) = client(number) else {
        return;
    };
    match fuzzing::answered(client, status, body) {
        Ok(token) => {
            assert!((200..300).contains(&status));
            checked(&token);
        }
        Err(error) => {
            let told = error.chain();
            for secret in SECRETS[number] {
                assert!(!told.contains(secret), "{told}");
            }
            assert!(told.len() < 1500 && !told.contains('\n'), "{told}");
        }
    }
}

fn checked(token: &AccessToken) {
    let value = token.value.expose();
    assert!(!value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic()));
    let now = std::time::SystemTime::now();
    assert!(token.lifetime(now) <= DAY, "{token:?}");
}

fn claims(token: &str) {
    if let Ok(token) = AccessToken::new(token, None, std::time::SystemTime::now()) {
        checked(&token);
    }
    let Some(found) = Claims::of(token) else {
        return;
    };
    // As far as seconds go that a number of JSON tells exactly.
    let seconds = found
        .expires_at
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let seconds = seconds
        .map(|since| since.as_secs())
        .filter(|it| *it < 1 << 53);
    let written = unsigned(&json!({ "sub": found.subject, "exp": seconds }));
    let again = Claims::of(&written);
    assert_eq!(
        again,
        Some(Claims {
            expires_at: seconds.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)),
            subject: found.subject,
        })
    );
}

/// The client of a secret; it asks nobody.
fn client(number: usize) -> Option<&'static TokenClient> {
    static CLIENTS: OnceLock<Vec<Option<TokenClient>>> = OnceLock::new();
    let made = CLIENTS.get_or_init(|| {
        let clients = SECRETS.map(|[secret, ..]| {
            fuzzing::client(ClientCredentials {
                endpoint: "https://idp.example.com/token".to_owned(),
                client_id: "ann".to_owned(),
                client_secret: Secret::new(secret),
                scope: None,
                parameters: Vec::new(),
                header: HeaderEncoding::Plain,
                names: OptionNames {
                    endpoint: "the.url",
                    client_id: "the.id",
                    client_secret: "the.secret",
                    scope: "the.scope",
                },
            })
        });
        clients.into_iter().map(Result::ok).collect()
    });
    made.get(number)?.as_ref()
}
