//! A server on the loopback that answers as a test tells it, and keeps what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    /// From 0 on.
    pub(crate) number: usize,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

/// An answer.
pub(crate) struct Reply {
    status: u16,
    body: String,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
        }
    }
}

type Answers = dyn Fn(&Asked) -> Reply + Send + Sync;

/// The server; it ends with the test.
pub(crate) struct Server {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    count: AtomicUsize,
    ends: AtomicBool,
    answers: Box<Answers>,
}

impl Server {
    pub(crate) fn start(answers: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            asked: Mutex::default(),
            count: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
            answers: Box::new(answers),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.ends.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || stream.map(|stream| shared.serve(stream)));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests for a path, in their order.
    pub(crate) fn asked_for(&self, path: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock();
        let asked = asked.unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|it| it.path == path).cloned().collect()
    }

    /// Waits until so many requests for a path have come.
    pub(crate) fn waits_for(&self, path: &str, requests: usize) -> Vec<Asked> {
        for _ in 0..6000 {
            let asked = self.asked_for(path);
            if asked.len() >= requests {
                return asked;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{path} is not asked for {requests} times");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

impl Shared {
    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut asked = read(&stream)?;
        asked.number = self.count.fetch_add(1, Ordering::SeqCst);
        let kept = asked.clone();
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(kept);
        let Reply { status, body } = (self.answers)(&asked);
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let mut asked = Asked {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((key, value)) = line.trim_end().split_once(':') else {
            break;
        };
        asked
            .headers
            .push((key.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = asked.header("content-length").parse().unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}
