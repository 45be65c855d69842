//! Requests a second of the HTTP source, beside a plain axum handler that only echoes, and one that
//! waits for Kafka with rdkafka as it comes.

mod load;
pub mod peer;

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::names;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

use crate::meter;
use crate::stand::Stand;
use crate::table;
use load::{Load, Outcome};

const LIMIT: Duration = Duration::from_secs(60);
/// Connections of the load, each with one request at a time.
const CONNECTIONS: usize = 200;

/// A server under load, in a process of its own.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::null());
        Ok(Self(command.spawn().context("cannot start a peer")?))
    }
}

/// Measures, and prints the table.
pub async fn report(stand: &Stand) -> Result<()> {
    let requests = usize::try_from(stand.options.rows.min(200_000))?;
    let mut rows = Vec::new();
    let port = names::free_port()?.to_string();
    let echo = Peer::start(&["http-peer", "echo", &port])?;
    rows.push(measure("plain axum, echo", &port, echo.0.id(), requests).await?);
    drop(echo);
    let (port, topic) = (names::free_port()?.to_string(), names::unique("peer"));
    stand.kafka.create_topic(&topic, 3).await?;
    let bootstrap = stand.kafka.bootstrap();
    let kafka = Peer::start(&["http-peer", "kafka", &port, &bootstrap, &topic])?;
    rows.push(measure("axum + rdkafka, acks=all", &port, kafka.0.id(), requests).await?);
    drop(kafka);
    for (name, support, settings) in [
        ("Ferrule", "disabled", &[("idempotency.key", "ignored")][..]),
        ("Ferrule, exactly once", "enabled", &[]),
    ] {
        rows.push(ferrule(stand, name, support, settings, requests).await?);
    }
    table::head("Requests to a topic", &HEAD);
    for row in &rows {
        table::row(row);
    }
    Ok(())
}

const HEAD: [&str; 5] = ["server", "POST/s", "p50 ms", "p99 ms", "RSS MiB"];

async fn ferrule(
    stand: &Stand,
    name: &str,
    support: &str,
    settings: &[(&str, &str)],
    requests: usize,
) -> Result<Vec<String>> {
    let config = WorkerConfig::new(&stand.kafka.bootstrap())?
        .set("plugin.path", "")
        .set("exactly.once.source.support", support);
    let mut worker = TestWorker::start(config).await?;
    worker.be_quiet();
    let (port, topic) = (names::free_port()?.to_string(), names::unique("http"));
    stand.kafka.create_topic(&topic, 3).await?;
    let mut config = json!({
        "connector.class": "FerruleHttpSource",
        "topic": topic,
        "http.listener": format!("http://127.0.0.1:{port}"),
        "http.path": "/in",
    });
    for (key, value) in settings {
        config[key] = json!(value);
    }
    let body = json!({"name": topic, "config": config});
    worker.rest().create(&body).await?;
    worker.rest().wait_for_state(&topic, "RUNNING").await?;
    let pid = worker.pid().context("the worker has no process")?;
    measure(name, &port, pid, requests).await
}

/// A row of the table.
async fn measure(name: &str, port: &str, pid: u32, requests: usize) -> Result<Vec<String>> {
    let address = format!("127.0.0.1:{port}");
    wait_until(LIMIT, name, async || {
        Ok(Load::new(&address, 1, 1).run().await.is_ok())
    })
    .await?;
    // Code and buffers are warm then.
    Load::new(&address, CONNECTIONS, requests / 10)
        .run()
        .await?;
    meter::reset_peak_rss(pid)?;
    let Outcome {
        per_second,
        p50,
        p99,
        refused,
    } = Load::new(&address, CONNECTIONS, requests).run().await?;
    ensure!(refused == 0, "{name}: {refused} requests were refused");
    let millis = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    Ok(vec![
        name.to_owned(),
        format!("{per_second:.0}"),
        millis(p50),
        millis(p99),
        format!("{:.0}", meter::peak_rss(pid)?),
    ])
}
