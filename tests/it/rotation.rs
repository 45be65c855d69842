//! Credentials that change while a sink writes and a query answers: neither is started again.

mod tokens;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::postgres::{PASSWORD, TestPostgres, USER};
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{names, run};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const PROVIDER: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";

/// A query that counts the rows, and its address.
struct Counter {
    name: String,
    url: String,
}

impl Counter {
    async fn create(rest: &ConnectClient, ledger: &Ledger<'_>, password: &str) -> Result<Self> {
        let address = format!("127.0.0.1:{}", names::free_port()?);
        let name = names::unique("counter");
        let config = json!({
            "connector.class": "FerruleHttpQuery",
            "http.listener": format!("http://{address}"),
            "http.paths": "/count",
            "query": "SELECT count(*) FROM ledger",
            "connection.url": ledger.database.jdbc_url(),
            "connection.user": USER,
            "connection.password": password,
        });
        rest.create(&json!({ "name": name, "config": config }))
            .await?;
        Ok(Self {
            name,
            url: format!("http://{address}/count"),
        })
    }

    /// Waits until it is answered with this status.
    async fn answers(&self, wanted: u16) -> Result<()> {
        wait_until(LIMIT, &format!("{wanted} of the query"), async || {
            let answer = reqwest::get(&self.url).await?;
            ensure!(answer.status() == wanted, "{}", answer.text().await?);
            Ok(true)
        })
        .await
    }
}

async fn change(postgres: &TestPostgres, password: &str) -> Result<()> {
    let role = format!("ALTER ROLE {USER} PASSWORD '{password}'");
    sqlx::raw_sql(&role)
        .execute(&mut postgres.admin().await?)
        .await?;
    end_sessions(postgres).await
}

async fn end_sessions(postgres: &TestPostgres) -> Result<()> {
    // The query's sessions have no name, and are told by what they did last.
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
               WHERE application_name LIKE 'ferrule:%' OR query = 'COMMIT'";
    sqlx::raw_sql(end)
        .execute(&mut postgres.admin().await?)
        .await?;
    Ok(())
}

fn provide(file: &Path, password: &str) -> Result<()> {
    Ok(std::fs::write(file, format!("password={password}\n"))?)
}

/// Waits until the task's status tells of a login that is refused, with these words, while it runs
/// on.
async fn waits(rest: &ConnectClient, name: &str, told: &str) -> Result<()> {
    wait_until(LIMIT, "the status to tell of the login", async || {
        let status = rest.status(name).await?;
        let task = &status["tasks"][0];
        ensure!(task["state"] == "RUNNING", "{status}");
        let message = task["message"].as_str().unwrap_or_default();
        ensure!(message.contains(told), "{status}");
        ensure!(message.contains("the next attempt takes"), "{status}");
        Ok(true)
    })
    .await
}

/// How often the log tells of the start of a connector's task.
fn starts(worker: &TestWorker, name: &str) -> Result<usize> {
    let log = worker.log()?;
    let of_name = log.lines().filter(|line| line.contains(name));
    Ok(of_name.filter(|line| line.contains("started")).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_password_restarts_nothing() -> Result<()> {
    let (kafka, postgres) = (TestKafka::shared().await?, TestPostgres::start().await?);
    let file = run::folder("rotated")?.join("db.properties");
    provide(&file, PASSWORD)?;
    let config = WorkerConfig::new(&kafka.bootstrap())?
        .set("config.providers", "file")
        .set("config.providers.file.class", PROVIDER);
    let worker = TestWorker::start(config).await?;
    let rest = worker.rest();
    let ledger = Ledger::new(kafka, &postgres, "rotated", 2).await?;
    let password = format!("${{file:{}:password}}", file.display());
    let settings = [("connection.password", password.as_str())];
    ledger.deploy(rest, &settings).await?;
    let counter = Counter::create(rest, &ledger, &password).await?;
    let rotating = async {
        ledger.progress().await?;
        counter.answers(200).await?;
        let names = [&ledger.name, &counter.name];
        let before = names.map(|name| starts(&worker, name).unwrap_or_default());
        ensure!(before.iter().all(|starts| *starts > 0), "{before:?}");
        for password in ["second-password", "third-password", PASSWORD] {
            change(&postgres, password).await?;
            waits(rest, &ledger.name, "28P01").await?;
            counter.answers(503).await?;
            provide(&file, password)?;
            ledger.progress().await?;
            counter.answers(200).await?;
        }
        let after = names.map(|name| starts(&worker, name).unwrap_or_default());
        ensure!(after == before, "started again: {before:?}, {after:?}");
        anyhow::Ok(())
    };
    ledger.meanwhile(rotating).await?;
    ledger.complete(rest).await?;
    let log = worker.log()?;
    for secret in ["second-password", "third-password"] {
        ensure!(!log.contains(secret), "the log tells a password");
    }
    Ok(())
}
