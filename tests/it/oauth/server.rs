//! An authorization server of the test: tokens for one client, and the keys that they are signed
//! with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use openssl::base64::encode_block;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The secret of the client `ferrule`.
pub const SECRET: &str = "s3cret-canary";
/// How long a token lives, in seconds.
const LIFETIME: u64 = 4;

/// The server, on the loopback, until the test ends.
pub struct TokenServer {
    base: String,
    given: Arc<AtomicUsize>,
}

impl TokenServer {
    /// Starts it.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let key = PKey::from_rsa(Rsa::generate(2048)?)?;
        let given = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&given);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (key, count) = (key.clone(), Arc::clone(&count));
                tokio::spawn(async move { serve(stream, &key, &count).await });
            }
        });
        Ok(Self { base, given })
    }

    /// The token endpoint.
    pub fn tokens(&self) -> String {
        format!("{}/token", self.base)
    }

    /// The keys.
    pub fn keys(&self) -> String {
        format!("{}/keys", self.base)
    }

    /// How many tokens it has given.
    pub fn given(&self) -> usize {
        self.given.load(Ordering::Acquire)
    }
}

/// Answers one request.
async fn serve(mut stream: TcpStream, key: &PKey<Private>, given: &AtomicUsize) -> Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await? == 1 {
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let lower = head.to_ascii_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(Ok(0), str::parse)?];
    stream.read_exact(&mut body).await?;
    let basic = encode_block(format!("ferrule:{SECRET}").as_bytes());
    let (status, answer) = match head.split(' ').nth(1) {
        Some("/keys") => (200, json!({ "keys": [public_key(key)?] })),
        _ if head.contains(&format!("Basic {basic}")) => {
            given.fetch_add(1, Ordering::AcqRel);
            let token = token(key)?;
            (
                200,
                json!({ "access_token": token, "token_type": "Bearer", "expires_in": LIFETIME }),
            )
        }
        _ => (401, json!({ "error": "invalid_client" })),
    };
    let answer = answer.to_string();
    let length = answer.len();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n");
    let head = format!("{head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(format!("{head}{answer}").as_bytes())
        .await?;
    Ok(())
}

fn url_safe(bytes: &[u8]) -> String {
    let text = encode_block(bytes).replace('+', "-").replace('/', "_");
    text.trim_end_matches('=').to_owned()
}

fn public_key(key: &PKey<Private>) -> Result<Value> {
    let rsa = key.rsa()?;
    let (n, e) = (url_safe(&rsa.n().to_vec()), url_safe(&rsa.e().to_vec()));
    Ok(json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "n": n, "e": e }))
}

/// A signed JWT (RFC 7515).
fn token(key: &PKey<Private>) -> Result<String> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock")?;
    let now = now.as_secs();
    let header = json!({ "alg": "RS256", "kid": "k1", "typ": "JWT" });
    let claims = json!({
        "sub": "ferrule", "aud": "kafka", "scope": "kafka", "iat": now, "exp": now + LIFETIME,
    });
    let part = |json: Value| url_safe(json.to_string().as_bytes());
    let text = format!("{}.{}", part(header), part(claims));
    let mut signer = Signer::new(MessageDigest::sha256(), key)?;
    signer.update(text.as_bytes())?;
    Ok(format!("{text}.{}", url_safe(&signer.sign_to_vec()?)))
}
