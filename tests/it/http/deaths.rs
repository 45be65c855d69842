//! What was answered with 2xx is in the topic, whatever dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use harness::worker::{TestWorker, WorkerConfig};
use tokio::task::JoinSet;

use super::*;

/// Clients that post numbers, each until it is taken where it has a key, once where it has none.
struct Load {
    clients: JoinSet<BTreeSet<usize>>,
    stop: Arc<AtomicBool>,
    taken: Arc<AtomicUsize>,
}

/// Whether requests have a key, and so are sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    None,
    Each,
}

const CLIENTS: usize = 8;

impl Load {
    fn start(inlet: &Inlet, keys: Keys) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let taken = Arc::new(AtomicUsize::new(0));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let (stop, taken) = (Arc::clone(&stop), Arc::clone(&taken));
            let (http, url) = (inlet.http.clone(), inlet.url(inlet.path));
            clients.spawn(async move {
                let mut own = BTreeSet::new();
                let mut number = client;
                while !stop.load(Ordering::Acquire) {
                    let accepted = loop {
                        let request = http.post(&url).json(&json!({"n": number}));
                        let request = match keys {
                            Keys::None => request,
                            Keys::Each => request.header("Idempotency-Key", number.to_string()),
                        };
                        let sent = request.timeout(Duration::from_secs(5)).send().await;
                        let accepted = sent.is_ok_and(|answer| answer.status().is_success());
                        if accepted || keys == Keys::None {
                            break accepted;
                        }
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    };
                    if accepted {
                        own.insert(number);
                        taken.fetch_add(1, Ordering::AcqRel);
                    } else {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    number += CLIENTS;
                }
                own
            });
        }
        Self {
            clients,
            stop,
            taken,
        }
    }

    /// Waits until some more are taken.
    async fn more(&self, count: usize) -> Result<()> {
        let goal = self.taken.load(Ordering::Acquire) + count;
        wait_until(LIMIT, "requests to be taken", async || {
            Ok(self.taken.load(Ordering::Acquire) >= goal)
        })
        .await
    }

    /// What was answered with 2xx.
    async fn end(mut self) -> Result<BTreeSet<usize>> {
        self.stop.store(true, Ordering::Release);
        let mut all = BTreeSet::new();
        while let Some(own) = self.clients.join_next().await {
            all.extend(own?);
        }
        Ok(all)
    }
}

/// How often each number is in the topic.
async fn counts(kafka: &TestKafka, topic: &str) -> Result<BTreeMap<usize, usize>> {
    let mut counts = BTreeMap::new();
    for record in kafka.read(topic).await? {
        let value: Value = serde_json::from_str(&record.text())?;
        let number = value["n"].as_u64().context("a record without a number")?;
        *counts.entry(usize::try_from(number)?).or_default() += 1;
    }
    Ok(counts)
}

async fn kills(support: &str, keys: Keys, settings: &[(&str, &str)]) -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?
        .set("plugin.path", "")
        .set("exactly.once.source.support", support);
    let mut worker = TestWorker::start(config).await?;
    let inlet = Inlet::new(kafka, "killed-http", "/in").await?;
    inlet.deploy(worker.rest(), settings).await?;
    let load = Load::start(&inlet, keys);
    for _ in 0..3 {
        load.more(300).await?;
        worker.kill()?;
        worker.start_again().await?;
    }
    load.more(100).await?;
    let taken = load.end().await?;
    let counts = counts(kafka, &inlet.topic).await?;
    let lost: Vec<_> = taken.iter().filter(|n| !counts.contains_key(n)).collect();
    ensure!(
        lost.is_empty(),
        "answered with 2xx and not in the topic: {lost:?}"
    );
    if keys == Keys::Each {
        let twice: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).collect();
        ensure!(twice.is_empty(), "in the topic more than once: {twice:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_each_is_there_once_though_the_worker_is_killed() -> Result<()> {
    let settings = [
        ("idempotency.key", "required"),
        ("exactly.once.support", "required"),
    ];
    kills("enabled", Keys::Each, &settings).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_none_is_lost_though_the_worker_is_killed() -> Result<()> {
    kills("disabled", Keys::None, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_read_back_also_without_transactions() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let mut worker = TestWorker::own().await?;
    let inlet = Inlet::new(kafka, "read-back-http", "/in").await?;
    inlet.deploy(worker.rest(), &[]).await?;
    let send = async || {
        let request = inlet
            .post(&json!({"n": 1}))
            .header("Idempotency-Key", "the-key");
        answer(request).await
    };
    ensure!(send().await?.status == StatusCode::ACCEPTED);
    ensure!(send().await?.header("idempotency-replayed") == Some("true"));
    worker.kill()?;
    worker.start_again().await?;
    inlet.is_ready(worker.rest()).await?;
    let again = send().await?;
    ensure!(again.status == StatusCode::ACCEPTED, "{again:?}");
    ensure!(
        again.header("idempotency-replayed") == Some("true"),
        "{again:?}"
    );
    ensure!(kafka.read(&inlet.topic).await?.len() == 1);
    Ok(())
}

/// Kafka is away and comes back: requests are refused in time, and then taken again.
async fn outage(support: &str) -> Result<()> {
    let kafka = TestKafka::start().await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?
        .set("plugin.path", "")
        .set("exactly.once.source.support", support);
    let worker = TestWorker::start(config).await?;
    let inlet = Inlet::new(&kafka, "outage-http", "/in").await?;
    let settings = [
        ("http.unavailable.status", "500"),
        ("http.response.timeout.ms", "2000"),
    ];
    inlet.deploy(worker.rest(), &settings).await?;
    let load = Load::start(&inlet, Keys::Each);
    load.more(50).await?;
    kafka.kill().await?;
    wait_until(LIMIT, "a request to be refused", async || {
        let request = inlet.post(&json!({"n": 1_000_000}));
        let refused = answer(request.header("Idempotency-Key", "during")).await?;
        ensure!(refused.header("retry-after").is_some() || refused.status.is_success());
        Ok(refused.status == StatusCode::INTERNAL_SERVER_ERROR)
    })
    .await?;
    wait_until(LIMIT, "the listener to be unwell", async || {
        let health = answer(inlet.http.get(inlet.url("/health"))).await?;
        Ok(health.status == StatusCode::SERVICE_UNAVAILABLE)
    })
    .await?;
    kafka.start_again().await?;
    load.more(50).await?;
    inlet.is_healthy().await?;
    let taken = load.end().await?;
    let counts = counts(&kafka, &inlet.topic).await?;
    let wrong: Vec<_> = taken.iter().filter(|n| counts.get(n) != Some(&1)).collect();
    ensure!(
        wrong.is_empty(),
        "answered with 2xx and not there once: {wrong:?}"
    );
    ensure!(counts.values().all(|count| *count == 1), "{counts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_goes_away_and_comes_back() -> Result<()> {
    outage("disabled").await
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_goes_away_under_transactions() -> Result<()> {
    outage("enabled").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_stopped_answers_what_it_has_taken() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let mut worker = TestWorker::own().await?;
    let inlet = Inlet::new(kafka, "stopped-http", "/in").await?;
    inlet.deploy(worker.rest(), &[]).await?;
    let load = Load::start(&inlet, Keys::None);
    load.more(200).await?;
    let status = worker.stop().await?;
    ensure!(status.success(), "{status}");
    let taken = load.end().await?;
    let counts = counts(kafka, &inlet.topic).await?;
    ensure!(
        taken.iter().all(|n| counts.get(n) == Some(&1)),
        "{taken:?} {counts:?}"
    );
    // What was refused, or not answered, is not there either: the stop was in order.
    ensure!(
        counts.len() == taken.len(),
        "{} of {}",
        taken.len(),
        counts.len()
    );
    Ok(())
}
