//! What a config provider gave is told by nothing that leaves the worker.

use harness::pipeline::Pipeline;

use super::*;

const CANARY: &str = "S3cr3tCanaryOfAProvider";

fn ensure_silent(what: &str, text: &str) -> Result<()> {
    let line = text.lines().find(|line| line.contains(CANARY));
    ensure!(line.is_none(), "{what} tells the secret: {line:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_gave_is_told_nowhere() -> Result<()> {
    let folder = std::env::temp_dir().join(names::unique("hostile-secrets"));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("s.properties");
    std::fs::write(
        &file,
        format!("s={CANARY}\nlist=a,{CANARY}\nglued=x{CANARY}x\n"),
    )?;
    let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
    let status = names::unique("hostile-status");
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("config.providers", "file")
        .set("config.providers.file.class", class)
        .set(
            "config.providers.file.param.allowed.paths",
            &folder.display().to_string(),
        )
        .set("connector.client.config.override.policy", "All")
        .set("status.storage.topic", &status)
        .set("plugin.path", "")
        .env("FERRULE_LOG", "debug");
    let worker = TestWorker::start(config).await?;
    let provided = |key: &str| format!("${{file:{}:{key}}}", file.display());

    // The name of a table: the target's own errors quote it, in letters and in a trace.
    let lettered = Pipeline::on(&worker, "hostile_table", 1).await?;
    lettered.produce([Record::json(&json!({ "n": 1 }))]).await?;
    let table = provided("glued");
    lettered
        .create(&[("table.name.format", &*table), ("errors.tolerance", "none")])
        .await?;
    failed(lettered.rest(), &lettered.name).await?;

    for key in [
        "transforms",
        "predicates",
        "connection.url",
        "consumer.override.fetch.min.bytes",
        "consumer.override.sasl.jaas.config",
        "errors.tolerance",
        "insert.mode",
        "topics.regex",
        "table.name.format",
        "connection.password",
        "producer.override.security.protocol",
    ] {
        for value in ["s", "list", "glued"] {
            let mut config = lettered.config(&[]);
            config[key] = json!(provided(value));
            let name = names::unique("hostile-secret");
            config["name"] = json!(name);
            let class = config["connector.class"]
                .as_str()
                .context("no class")?
                .to_owned();
            let path = format!("/connector-plugins/{class}/config/validate");
            let (_, answer) = worker
                .rest()
                .request(Method::PUT, &path, Some(&config))
                .await?;
            ensure_silent(&format!("validate of {key}"), &answer.to_string())?;
            let path = format!("/connectors/{name}/config");
            let (_, answer) = worker
                .rest()
                .request(Method::PUT, &path, Some(&config))
                .await?;
            ensure_silent(&format!("PUT of {key}"), &answer.to_string())?;
        }
    }
    // Whatever was created has had its first words.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let all = worker
        .rest()
        .get("/connectors?expand=status&expand=info")
        .await?;
    ensure_silent("a status", &all.to_string())?;
    let metrics = reqwest::get(format!("{}/metrics", worker.rest().base())).await?;
    ensure_silent("a metric", &metrics.text().await?)?;
    for record in TestKafka::shared().await?.read(&status).await? {
        ensure_silent("the status topic", &record.text())?;
    }
    ensure_silent("the log", &worker.log()?)?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
