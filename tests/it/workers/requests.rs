//! Any worker answers any request.

use anyhow::{Result, ensure};
use harness::pipeline::Pipeline;
use reqwest::{Method, StatusCode};
use serde_json::json;

use harness::kafka::TestKafka;
use harness::names;
use harness::worker::{TestWorker, WorkerConfig};

use super::Cluster;

#[tokio::test(flavor = "multi_thread")]
async fn whichever_worker_is_asked_the_answer_is_the_same() -> Result<()> {
    let cluster = Cluster::start(3).await?;
    for (at, worker) in cluster.workers.iter().enumerate() {
        let rest = worker.rest();
        let pipeline = Pipeline::on(worker, "any_worker", 1).await?;
        pipeline
            .database
            .execute("CREATE TABLE items (n int)")
            .await?;
        let name = &pipeline.name;
        let settings = [("table.name.format", "items"), ("pk.mode", "none")];
        let body = json!({ "name": name, "config": pipeline.config(&settings) });
        rest.create(&body).await?;
        // One reads one's own writes, and everybody reads them soon.
        let own = rest.get(&format!("/connectors/{name}/config")).await?;
        ensure!(own["topics"] == json!(name), "{own}");
        cluster.balanced((at + 1) % 3, name, 1).await?;
        let other = cluster.workers[(at + 2) % 3].rest();
        let (code, again) = other
            .request(Method::POST, "/connectors", Some(&body))
            .await?;
        ensure!(code == StatusCode::CONFLICT, "{code}: {again}");
        let path = format!("/connectors/{name}");
        for (method, path, expected) in [
            (Method::PUT, format!("{path}/pause"), 202),
            (Method::PUT, format!("{path}/resume"), 202),
            (
                Method::POST,
                format!("{path}/restart?includeTasks=true"),
                202,
            ),
            (Method::POST, format!("{path}/tasks/0/restart"), 204),
            (Method::PUT, format!("{path}/stop"), 204),
            (Method::DELETE, path.clone(), 204),
            (Method::DELETE, path.clone(), 404),
        ] {
            let (code, body) = other.request(method.clone(), &path, None).await?;
            ensure!(code.as_u16() == expected, "{method} {path}: {code} {body}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_groups_on_the_same_topics_are_refused() -> Result<()> {
    let topic = names::unique("mistaken");
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("plugin.path", "")
        .set("config.storage.topic", &format!("{topic}-configs"));
    let other = config
        .clone()
        .set("group.id", &format!("{topic}-other"))
        .set(
            "listeners",
            &format!("http://127.0.0.1:{}", names::free_port()?),
        );
    let _first = TestWorker::start(config).await?;
    let Err(refused) = TestWorker::start(other).await else {
        anyhow::bail!("both run");
    };
    let why = format!("{refused:#}");
    ensure!(why.contains("both would run the same connectors"), "{why}");
    ensure!(why.contains(&format!("{topic}-configs")), "{why}");
    Ok(())
}
