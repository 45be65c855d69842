//! A Vault that has one password, until it says no more.

use anyhow::Result;
use harness::proxy::FaultProxy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::SILENT;

/// It ends when dropped.
pub struct Vault {
    proxy: FaultProxy,
    serving: JoinHandle<()>,
}

impl Vault {
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let serving = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(answer(connection));
            }
        });
        let proxy = FaultProxy::to(port).await?;
        Ok(Self { proxy, serving })
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.proxy.port())
    }

    /// From now on it takes connections and never says a word.
    pub fn hang(&self) {
        self.proxy.shape(SILENT);
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers one request for a secret of the key-value store, whichever it is.
async fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if connection.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let body = r#"{"data":{"data":{"password":"ferrule"},"metadata":{"version":1}}}"#;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
    let length = body.len();
    let answer = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    connection.write_all(answer.as_bytes()).await
}
