//! The REST API on real sockets: what is sent and answered to the byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::TestWorker;
use crate::config::WorkerConfig;
use crate::config::tests::minimal;
use crate::rest::{Gate, Server};
use serde_json::Value;

/// Longer than anything takes here, also on a slow machine.
pub const LONG: Duration = Duration::from_secs(60);

/// A worker whose REST API listens.
pub struct Serving {
    pub worker: TestWorker,
    pub addresses: Vec<SocketAddr>,
    pub stop: watch::Sender<()>,
    pub task: JoinHandle<()>,
    pub audit: Option<tokio::sync::mpsc::Receiver<Value>>,
}

/// An answer on the wire.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// It is an error in Kafka Connect's form, and its text has this part.
    #[track_caller]
    pub fn assert_error(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        assert_eq!(body["error_code"], status, "{self:?}");
        let message = body["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
}

impl Serving {
    pub async fn new(settings: &[(&str, &str)]) -> Self {
        Self::with_descriptors(settings, 100_000).await
    }

    pub async fn with_descriptors(settings: &[(&str, &str)], descriptors: u64) -> Self {
        let mut all = vec![("listeners", "http://127.0.0.1:0")];
        all.extend(settings);
        let config = WorkerConfig::new(&minimal(&all)).unwrap();
        let worker = TestWorker::with(&all, Vec::new());
        let gate = Gate::default();
        gate.open(worker.api.clone());
        let mut server = Server::bind(config.rest(), gate, descriptors)
            .await
            .unwrap();
        let addresses = server.addresses().unwrap();
        let audit = server.audit_lines();
        let (stop, stopping) = watch::channel(());
        let task = tokio::spawn(server.serve(stopping));
        Self {
            worker,
            addresses,
            stop,
            task,
            audit,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Sends a request with these headers; `Host` is the address unless one is given.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        let host = self.address().to_string();
        exchange(stream, &request(method, path, &host, headers, body)).await
    }

    /// A request to another listener.
    pub async fn get_from(&self, listener: usize, path: &str) -> Reply {
        let address = self.addresses[listener];
        let stream = TcpStream::connect(address).await.unwrap();
        exchange(stream, &request("GET", path, &address.to_string(), &[], "")).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    /// Sends JSON.
    pub async fn json(&self, method: &str, path: &str, body: &Value) -> Reply {
        let headers = [("Content-Type", "application/json")];
        self.send(method, path, &headers, &body.to_string()).await
    }
}

/// A request that ends its connection.
pub fn request(
    method: &str,
    path: &str,
    host: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        text += &format!("Host: {host}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body
}

/// Sends bytes and reads the answer to the end of the connection.
pub async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, request: &str) -> Reply {
    let exchange = async {
        // A server that refuses a request need not read it to its end.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let text = timeout(LONG, exchange).await.unwrap();
    parse(&text).unwrap_or_else(|| panic!("no answer: {text:?}"))
}

fn parse(text: &str) -> Option<Reply> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    Some(Reply {
        status,
        headers: headers
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        text: body.to_owned(),
    })
}
