//! The REST API of a running worker, on the wire: codes, headers and bodies as clients of Kafka
//! Connect rely on them.

mod configs;
mod crowd;
mod lists;
mod offsets;
mod orders;
mod plugins;
mod refusals;
mod security;
mod service;
mod strimzi;

use anyhow::{Context, Result};
use harness::connect::ConnectClient;
use harness::worker::TestWorker;
use serde_json::Value;

async fn shared() -> Result<&'static ConnectClient> {
    Ok(TestWorker::shared().await?.rest())
}

/// The keys of an object.
fn keys(value: &Value) -> Result<Vec<&str>> {
    let object = value
        .as_object()
        .with_context(|| format!("no object: {value}"))?;
    let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    Ok(keys)
}
