//! What Ferrule is measured beside: the same service as one would write it by hand.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

const QUEUED: &str = r#"{"status":"queued"}"#;

/// Runs as a peer until it is killed, where the arguments of the process say so.
pub async fn serve(arguments: &[String]) -> Result<()> {
    let texts: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (port, router) = match texts[..] {
        ["echo", port] => (port, Router::new().route("/in", post(echo))),
        ["kafka", port, bootstrap, topic] => {
            let producer: FutureProducer = ClientConfig::new()
                .set("bootstrap.servers", bootstrap)
                .set("acks", "all")
                .set("enable.idempotence", "true")
                .create()?;
            let state = (producer, topic.to_owned());
            let routes = Router::new().route("/in", post(produce));
            (port, routes.with_state(state))
        }
        _ => bail!("http-peer echo PORT, or kafka PORT BOOTSTRAP TOPIC"),
    };
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    axum::serve(listener, router)
        .await
        .context("the peer has ended")
}

async fn echo(body: Bytes) -> Bytes {
    body
}

async fn produce(
    State((producer, topic)): State<(FutureProducer, String)>,
    body: Bytes,
) -> Result<(StatusCode, &'static str), StatusCode> {
    if serde_json::from_slice::<serde_json::Value>(&body).is_err() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&topic).payload(&body);
    match producer.send(record, Duration::from_secs(10)).await {
        Ok(_) => Ok((StatusCode::ACCEPTED, QUEUED)),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}
