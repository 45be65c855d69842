//! What outlives a worker: connectors, configs, target states, offsets.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::wait::wait_until;
use harness::worker::TestWorker;
use reqwest::Method;
use serde_json::json;

use harness::ledger::Ledger;

const LIMIT: Duration = Duration::from_secs(20);

/// Connectors that run, are paused, are stopped, and that began paused and stopped.
struct Connectors {
    running: Ledger<'static>,
    paused: Ledger<'static>,
    stopped: Ledger<'static>,
    born_paused: Ledger<'static>,
    born_stopped: Ledger<'static>,
}

impl Connectors {
    async fn create(rest: &ConnectClient) -> Result<Self> {
        let all = Self {
            running: Ledger::shared("running", 3).await?,
            paused: Ledger::shared("paused", 1).await?,
            stopped: Ledger::shared("stopped", 1).await?,
            born_paused: Ledger::shared("bornpaused", 1).await?,
            born_stopped: Ledger::shared("bornstopped", 1).await?,
        };
        all.running.deploy(rest, &[("tasks.max", "2")]).await?;
        for (ledger, order) in [(&all.paused, "pause"), (&all.stopped, "stop")] {
            ledger.deploy(rest, &[]).await?;
            ledger.produce(10).await?;
            ledger.complete(rest).await?;
            put(rest, ledger, order).await?;
        }
        for (ledger, state) in [(&all.born_paused, "paused"), (&all.born_stopped, "STOPPED")] {
            let config = ledger.config(&[("tasks.max", "1")]);
            let body = json!({ "name": ledger.name, "config": config, "initial_state": state });
            rest.create(&body).await?;
        }
        Ok(all)
    }

    fn quiet(&self) -> [&Ledger<'static>; 4] {
        [
            &self.paused,
            &self.stopped,
            &self.born_paused,
            &self.born_stopped,
        ]
    }

    /// Waits until each is as it was told, and checks that it has the config that it was given.
    async fn as_told(&self, rest: &ConnectClient) -> Result<()> {
        let (running, paused) = (("RUNNING", vec!["RUNNING"; 2]), ("PAUSED", vec!["PAUSED"]));
        let stopped = ("STOPPED", vec![]);
        let told = [
            (&self.running, running),
            (&self.paused, paused),
            (&self.stopped, stopped.clone()),
            // It is given tasks when it is resumed.
            (&self.born_paused, ("PAUSED", vec![])),
            (&self.born_stopped, stopped),
        ];
        for (ledger, (state, tasks)) in told {
            wait_until(
                LIMIT,
                &format!("{} to be {state}", ledger.name),
                async || {
                    let status = rest.status(&ledger.name).await?;
                    let states = status["tasks"].as_array().into_iter().flatten();
                    let states: Vec<_> = states.map(|task| task["state"].clone()).collect();
                    ensure!(
                        status["connector"]["state"] == state && states == tasks,
                        "{status}"
                    );
                    Ok(true)
                },
            )
            .await?;
            let number = if tasks.len() == 2 { "2" } else { "1" };
            let config = rest
                .get(&format!("/connectors/{}/config", ledger.name))
                .await?;
            ensure!(
                config == ledger.config(&[("tasks.max", number)]),
                "{config}"
            );
        }
        Ok(())
    }

    /// What is produced now is not read by those who are paused or stopped.
    async fn produce(&self) -> Result<Vec<i64>> {
        let mut rows = Vec::new();
        for ledger in self.quiet() {
            ledger.produce(10).await?;
            rows.push(ledger.rows().await?);
        }
        Ok(rows)
    }
}

async fn put(rest: &ConnectClient, ledger: &Ledger<'_>, order: &str) -> Result<()> {
    let path = format!("/connectors/{}/{order}", ledger.name);
    let (status, body) = rest.request(Method::PUT, &path, None).await?;
    ensure!(status.is_success(), "PUT {path} answered {status}: {body}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connectors_and_their_states_outlive_the_worker() -> Result<()> {
    let mut worker = TestWorker::own().await?;
    let all = Connectors::create(worker.rest()).await?;
    all.as_told(worker.rest()).await?;
    let mut rows = Vec::new();
    let restarts = async {
        for crash in [false, true] {
            all.running.progress().await?;
            if crash {
                worker.kill()?;
            } else {
                stop_in_order(&mut worker, &all.running).await?;
            }
            rows = all.produce().await?;
            worker.start_again().await?;
            all.as_told(worker.rest()).await?;
        }
        Ok(())
    };
    all.running.meanwhile(restarts).await?;
    all.running.complete(worker.rest()).await?;
    for (ledger, before) in all.quiet().into_iter().zip(rows) {
        ensure!(ledger.rows().await? == before, "{} wrote rows", ledger.name);
        put(worker.rest(), ledger, "resume").await?;
        ledger.complete(worker.rest()).await?;
    }
    Ok(())
}

/// A stop in order, in the middle of a drain: with success, and with all that is in the table told
/// to the group. The harness kills a worker that takes too long, which is no success.
async fn stop_in_order(worker: &mut TestWorker, ledger: &Ledger<'_>) -> Result<()> {
    let status = worker.stop().await?;
    ensure!(status.code() == Some(0), "the worker ended with {status}");
    let (stored, committed) = (ledger.stored().await?, ledger.committed().await?);
    ensure!(
        stored == committed,
        "the table is at {stored:?}, the group at {committed:?}"
    );
    ledger.audit_so_far().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_connector_stays_deleted() -> Result<()> {
    let mut worker = TestWorker::own().await?;
    let ledger = Ledger::shared("deleted", 1).await?;
    ledger.deploy(worker.rest(), &[]).await?;
    ledger.produce(5).await?;
    ledger.complete(worker.rest()).await?;
    worker.rest().delete(&ledger.name).await?;
    ledger.produce(5).await?;
    worker.restart().await?;
    let names = worker.rest().get("/connectors").await?;
    ensure!(names == json!([]), "{names}");
    // Created again, it goes on where its rows say.
    ledger.deploy(worker.rest(), &[]).await?;
    ledger.complete(worker.rest()).await
}
