//! A load: connections that send one request after another, each when the one before is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// An event of the size of the systems'.
const BODY: &str = r#"{"user_id":"12345","activity_type":"page_view","timestamp":"2024-07-01T12:34:56Z","metadata":{"page_url":"https://example.com/home","referrer":"https://google.com"}}"#;

/// What is sent.
pub struct Load {
    address: String,
    connections: usize,
    requests: usize,
}

/// What came of it.
pub struct Outcome {
    /// Answers a second.
    pub per_second: f64,
    /// Half of the answers took no longer.
    pub p50: Duration,
    /// Of a hundred answers, 99 took no longer.
    pub p99: Duration,
    /// Answers that were not 2xx.
    pub refused: usize,
}

impl Load {
    /// So many requests over so many connections.
    pub fn new(address: &str, connections: usize, requests: usize) -> Self {
        Self {
            address: address.to_owned(),
            connections,
            requests,
        }
    }

    /// Sends all.
    pub async fn run(&self) -> Result<Outcome> {
        let left = Arc::new(AtomicUsize::new(self.requests));
        let mut clients = JoinSet::new();
        let begin = Instant::now();
        for _ in 0..self.connections {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            clients.spawn(client(stream, Arc::clone(&left)));
        }
        let (mut times, mut refused) = (Vec::with_capacity(self.requests), 0);
        while let Some(done) = clients.join_next().await {
            let done = done??;
            times.extend(done.times);
            refused += done.refused;
        }
        let seconds = begin.elapsed().as_secs_f64();
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied();
        Ok(Outcome {
            per_second: times.len() as f64 / seconds,
            p50: at(50).context("no answers")?,
            p99: at(99).context("no answers")?,
            refused,
        })
    }
}

struct Done {
    times: Vec<Duration>,
    refused: usize,
}

async fn client(mut stream: TcpStream, left: Arc<AtomicUsize>) -> Result<Done> {
    let request = format!(
        "POST /in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \
         {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut done = Done {
        times: Vec::new(),
        refused: 0,
    };
    let mut buffer = Vec::with_capacity(1024);
    while left
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    {
        let begin = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        buffer.clear();
        while !is_whole(&buffer) {
            ensure!(
                stream.read_buf(&mut buffer).await? > 0,
                "the server has closed"
            );
        }
        done.times.push(begin.elapsed());
        done.refused += usize::from(!buffer.starts_with(b"HTTP/1.1 2"));
    }
    Ok(done)
}

/// Whether an answer with a length has come to its end.
fn is_whole(answer: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(answer) else {
        return false;
    };
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let length = lines
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .find_map(|(_, length)| length.trim().parse::<usize>().ok());
    length.is_some_and(|length| body.len() >= length)
}
