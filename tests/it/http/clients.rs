//! Clients that are slow, send halves, or are many.

use harness::worker::TestWorker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn halves_and_floods_keep_nobody_from_being_answered() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let inlet = Inlet::new(kafka, "halves-http", "/in").await?;
    let settings = [
        ("http.max.connections", "20"),
        ("http.max.in.flight.requests", "5"),
        ("http.max.in.flight.bytes", "65536"),
    ];
    inlet.deploy(worker.rest(), &settings).await?;
    let head = "POST /in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 60000\r\n\r\n";
    let mut halves = Vec::new();
    for begun in ["", "POST /in HT", head].iter().cycle().take(90) {
        let mut stream = TcpStream::connect(&inlet.address).await?;
        // It may have been closed already to make room.
        let _ = stream.write_all(begun.as_bytes()).await;
        halves.push(stream);
    }
    for n in 0..20 {
        let fresh = Client::builder().build()?;
        let request = fresh.post(inlet.url("/in")).json(&json!({"n": n}));
        let taken = answer(request).await?;
        ensure!(taken.status == StatusCode::ACCEPTED, "{taken:?}");
    }
    ensure!(kafka.read(&inlet.topic).await?.len() == 20);
    worker.rest().delete(&inlet.name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_more_is_let_go() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let inlet = Inlet::new(kafka, "slow-http", "/in").await?;
    inlet.deploy(worker.rest(), &[]).await?;
    let mut slow = TcpStream::connect(&inlet.address).await?;
    slow.write_all(b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Ty")
        .await?;
    let mut rest = Vec::new();
    // It is closed by a timer of the listener, without an answer.
    tokio::time::timeout(LIMIT, slow.read_to_end(&mut rest)).await??;
    inlet.taken(&json!({"n": 1})).await?;
    // Many requests on one connection, without waiting for answers.
    let mut piped = TcpStream::connect(&inlet.address).await?;
    let one = "POST /in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: \
               2\r\n\r\n{}";
    piped.write_all(one.repeat(10).as_bytes()).await?;
    wait_until(LIMIT, "all of them", async || {
        Ok(kafka.read(&inlet.topic).await?.len() == 11)
    })
    .await?;
    worker.rest().delete(&inlet.name).await
}
