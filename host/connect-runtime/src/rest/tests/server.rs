//! Connections: how many, how long, and how they end.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::config;
use super::wire::{LONG, Serving, exchange, request};

/// A connection on which this was sent.
async fn begun(serving: &Serving, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(serving.address()).await.unwrap();
    // The worker may have closed it already to make room.
    let _ = stream.write_all(bytes.as_bytes()).await;
    stream
}

/// Whether the worker has closed a connection.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut byte = [0];
    !matches!(
        timeout(LONG, stream.read(&mut byte)).await.unwrap(),
        Ok(1..)
    )
}

#[tokio::test]
async fn half_and_idle_connections_leave_room_for_others() {
    let limits = [("ferrule.rest.max.connections", "8")];
    let serving = Serving::new(&limits).await;
    let mut held = Vec::new();
    for turn in 0..300 {
        let bytes = match turn % 4 {
            0 => "",
            1 => "GET /connectors HTTP/1.1\r\nHost: loc",
            2 => "POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
            _ => "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        };
        held.push(begun(&serving, bytes).await);
        if turn % 50 == 0 {
            assert_eq!(serving.get("/health").await.status, 200);
        }
    }
    assert_eq!(serving.get("/health").await.status, 200);
    assert_eq!(serving.get("/connectors").await.json(), json!([]));
    // The oldest had to go.
    assert!(is_closed(&mut held[0]).await);
    assert!(is_closed(&mut held[1]).await);
}

#[tokio::test]
async fn half_bodies_do_not_keep_others_from_being_answered() {
    let serving = Serving::new(&[]).await;
    let half = "POST /connectors HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                Content-Length: 9\r\n\r\n{";
    let mut held = Vec::new();
    for _ in 0..60 {
        held.push(begun(&serving, half).await);
    }
    for _ in 0..5 {
        assert_eq!(serving.get("/connectors").await.status, 200);
    }
    drop(held);
}

#[tokio::test]
async fn few_descriptors_mean_few_connections() {
    let serving = Serving::with_descriptors(&[], 64).await;
    let mut held = Vec::new();
    for _ in 0..17 {
        held.push(begun(&serving, "").await);
    }
    assert_eq!(serving.get("/health").await.status, 200);
    assert!(is_closed(&mut held[0]).await);
}

#[tokio::test]
async fn where_all_connections_have_work_a_new_one_is_told() {
    let limits = [
        ("ferrule.rest.max.connections", "4"),
        ("ferrule.rest.max.connections.per.peer", "4"),
    ];
    let serving = Serving::new(&limits).await;
    let mut gated = config();
    gated["url"] = json!("gated");
    let slow = |name: &str| {
        let body = json!({ "name": name, "config": gated, "initial_state": "STOPPED" });
        let headers = [("Content-Type", "application/json")];
        request(
            "POST",
            "/connectors",
            "localhost",
            &headers,
            &body.to_string(),
        )
    };
    let mut held = Vec::new();
    for name in ["a", "b", "c"] {
        held.push(begun(&serving, &slow(name)).await);
    }
    serving.worker.gate.wait_for(3).await;
    // Beyond three quarters a request is refused, but the worker says that it is well.
    serving
        .get("/connectors")
        .await
        .assert_error(503, "as many requests as it can");
    assert_eq!(serving.get("/health").await.status, 200);
    serving.worker.gate.open();
    let mut answer = String::new();
    timeout(LONG, held[0].read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[tokio::test]
async fn a_connection_carries_several_requests() {
    let serving = Serving::new(&[]).await;
    let mut stream = begun(&serving, "").await;
    for _ in 0..5 {
        let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(get).await.unwrap();
        let mut bytes = vec![0; 4096];
        let mut text = String::new();
        while !text.ends_with('}') {
            let read = timeout(LONG, stream.read(&mut bytes)).await.unwrap();
            let read = read.unwrap();
            assert!(read > 0, "{text}");
            text += std::str::from_utf8(&bytes[..read]).unwrap();
        }
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    }
}

#[tokio::test]
async fn only_http_1_is_spoken() {
    let serving = Serving::new(&[]).await;
    let stream = begun(&serving, "").await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut stream = stream;
    stream.write_all(preface.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut bytes)).await.unwrap();
    // A frame of HTTP/2 would begin with its length.
    assert!(
        bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 4"),
        "{bytes:?}"
    );
    // An upgrade is not taken up either.
    let headers = [
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
    ];
    assert_eq!(serving.send("GET", "/", &headers, "").await.status, 200);
}

#[tokio::test]
async fn stopping_ends_idle_connections_and_answers_what_was_asked() {
    let serving = Serving::new(&[]).await;
    let mut idle = begun(&serving, "").await;
    let mut half = begun(&serving, "GET / HT").await;
    let mut gated = config();
    gated["url"] = json!("gated");
    let body = json!({ "name": "a", "config": gated, "initial_state": "STOPPED" }).to_string();
    let headers = [("Content-Type", "application/json")];
    let post = request("POST", "/connectors", "localhost", &headers, &body);
    let stream = begun(&serving, "").await;
    let asked = tokio::spawn(async move { exchange(stream, &post).await });
    serving.worker.gate.wait_for(1).await;
    let Serving {
        worker, stop, task, ..
    } = serving;
    drop(stop);
    assert!(is_closed(&mut idle).await);
    assert!(is_closed(&mut half).await);
    assert!(!task.is_finished());
    worker.gate.open();
    assert_eq!(timeout(LONG, asked).await.unwrap().unwrap().status, 201);
    timeout(LONG, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_on_its_way_to_a_worker_that_stops_is_answered_as_the_last() {
    let serving = Serving::new(&[]).await;
    let idle = begun(&serving, "").await;
    let half = begun(&serving, "GET / HT").await;
    // Each has an answer behind it, or none yet.
    let mut used = begun(&serving, "").await;
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    used.write_all(get).await.unwrap();
    let mut bytes = vec![0; 4096];
    assert!(timeout(LONG, used.read(&mut bytes)).await.unwrap().unwrap() > 0);
    let Serving { stop, task, .. } = serving;
    drop(stop);
    // Nothing is awaited in between: the worker finds both at once.
    let get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (stream, rest) in [
        (&idle, get),
        (&half, &get["GET / HT".len()..]),
        (&used, get),
    ] {
        assert_eq!(stream.try_write(rest.as_bytes()).unwrap(), rest.len());
    }
    for stream in [idle, half, used] {
        let answer = exchange(stream, "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("connection"), Some("close"));
    }
    timeout(LONG, task).await.unwrap().unwrap();
}
