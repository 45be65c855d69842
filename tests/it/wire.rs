//! HTTP as it is on the wire: requests as odd as clients make them, answers to the byte.

use std::time::Duration;

use anyhow::{Context, Result};
use harness::connect::ConnectClient;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    headers: Vec<(String, String)>,
    /// The body's text.
    pub text: String,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.text).with_context(|| format!("no JSON: {self:?}"))
    }

    /// Checks that it is an error in the form that clients read, and gives its message.
    pub fn error(&self, code: u16) -> Result<String> {
        anyhow::ensure!(self.code == code, "{code} was expected: {self:?}");
        anyhow::ensure!(
            self.header("content-type") == Some("application/json"),
            "{self:?}"
        );
        let body = self.json()?;
        anyhow::ensure!(body["error_code"] == code, "{self:?}");
        Ok(body["message"].as_str().context("no message")?.to_owned())
    }
}

/// Sends a request with these headers and this body, and no others but `Host` and `Connection`.
pub async fn send(
    rest: &ConnectClient,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Result<Answer> {
    let address = rest.base().trim_start_matches("http://");
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    if let Some(body) = body {
        request += &format!("Content-Length: {}\r\n", body.len());
    }
    request = request + "\r\n" + body.unwrap_or_default();
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        // A server that refuses a long body need not read it to its end.
        let sent = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer).await {
            Err(error) if answer.is_empty() => Err(sent.err().unwrap_or(error)),
            _ => Ok(answer),
        }
    };
    let answer = timeout(Duration::from_secs(60), exchange).await??;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{method} {path}"))
}

/// The same with a JSON body of the usual type.
pub async fn send_json(
    rest: &ConnectClient,
    method: &str,
    path: &str,
    body: &Value,
) -> Result<Answer> {
    let headers = [("Content-Type", "application/json")];
    send(rest, method, path, &headers, Some(&body.to_string())).await
}

/// A request with neither headers nor body.
pub async fn plain(rest: &ConnectClient, method: &str, path: &str) -> Result<Answer> {
    send(rest, method, path, &[], None).await
}

/// The value of a metric of a task: the sum of its lines that hold the connector's name.
pub async fn metric(rest: &ConnectClient, name: &str, connector: &str) -> Result<f64> {
    let answer = plain(rest, "GET", "/metrics").await?;
    let label = format!("connector=\"{connector}\"");
    let mut lines = answer
        .text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(&label));
    let first = lines
        .next()
        .with_context(|| format!("no {name} of {connector}"))?;
    let value =
        |line: &str| -> Result<f64> { Ok(line.rsplit(' ').next().unwrap_or_default().parse()?) };
    lines.try_fold(value(first)?, |sum, line| Ok(sum + value(line)?))
}

fn parse(text: &str) -> Result<Answer> {
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("no end of the headers")?;
    let mut lines = head.lines();
    let code = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("no status line")?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok(Answer {
        code: code.parse()?,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        text: body.to_owned(),
    })
}
