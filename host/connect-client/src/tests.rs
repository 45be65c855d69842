//! Servers on the loopback that answer too much, too late, elsewhere, or not at all.

use std::time::Duration;

use connect_api::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that says this once, and its address with a token in the query.
async fn server(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let _ = connection.read(&mut request).await;
        if answer.is_empty() {
            std::future::pending::<()>().await;
        }
        let _ = connection.write_all(&answer).await;
    });
    format!("http://{address}/a?token=canary")
}

async fn ask(url: &str) -> Result<Answer> {
    let client = builder().no_proxy().timeout(Duration::from_millis(300));
    send(client.build().unwrap().get(url), "the service").await
}

fn told(answer: Result<Answer>) -> String {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Retriable);
    let text = error.chain();
    assert!(!text.contains("canary"), "{text}");
    text
}

#[tokio::test]
async fn an_answer_is_given_whatever_its_status() {
    let url = server(b"HTTP/1.1 307 X\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nno".into()).await;
    let answer = ask(&url).await.unwrap();
    // Nobody goes where it points.
    assert_eq!((answer.status, &*answer.body), (307, &b"no"[..]));
}

#[tokio::test]
async fn no_answer_is_told_without_the_url() {
    let silent = server(Vec::new()).await;
    let timed_out = "the service does not answer: timed out";
    assert_eq!(told(ask(&silent).await), timed_out);
    let refused = told(ask("http://127.0.0.1:1/a?token=canary").await);
    assert_eq!(refused, "the service does not answer: connection refused");
    let cut = server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".into()).await;
    let cut = told(ask(&cut).await);
    assert!(cut.starts_with("the service does not answer: "), "{cut}");
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(MOST_ANSWER + 100, b'x');
    let url = server(endless).await;
    let client = builder().no_proxy().build().unwrap();
    let text = told(send(client.get(url), "the service").await);
    assert_eq!(text, "the service: the answer is too large");
}

#[tokio::test]
async fn a_file_that_is_not_there_may_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem").display().to_string();
    let error = read_file(&path).await.unwrap_err();
    assert!(error.is_transient() && error.chain().contains(&path));
    std::fs::write(&path, "no certificate").unwrap();
    assert!(certificates(&read_file(&path).await.unwrap()).is_none());
}
