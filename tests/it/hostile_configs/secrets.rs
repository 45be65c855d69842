//! What a config provider gave is told by nothing that leaves the worker.

use harness::pipeline::Pipeline;

use super::*;

const CANARY: &str = "S3cr3tCanaryOfAProvider";

/// Keys whose values an answer, a status or the log quotes.
const KEYS: &[&str] = &[
    "connection.password",
    "connection.url",
    "consumer.override.fetch.min.bytes",
    "consumer.override.sasl.jaas.config",
    "errors.tolerance",
    "insert.mode",
    "predicates",
    "producer.override.security.protocol",
    "table.name.format",
    "topics.regex",
    "transforms",
];

fn ensure_silent(what: &str, text: &str) -> Result<()> {
    let line = text.lines().find(|line| line.contains(CANARY));
    ensure!(line.is_none(), "{what} tells the secret: {line:?}");
    Ok(())
}

/// Gives each key what the provider has, and looks at the answers.
async fn answers(
    worker: &TestWorker,
    plain: &Value,
    provided: &dyn Fn(&str) -> String,
) -> Result<()> {
    let rest = worker.rest();
    for key in KEYS {
        for value in ["s", "list", "glued"] {
            let name = names::unique("hostile-secret");
            let mut config = plain.clone();
            config["name"] = json!(name);
            config[*key] = json!(provided(value));
            let class = config["connector.class"].as_str().context("no class")?;
            let paths = [
                format!("/connector-plugins/{class}/config/validate"),
                format!("/connectors/{name}/config"),
            ];
            for path in paths {
                let (_, answer) = rest.request(Method::PUT, &path, Some(&config)).await?;
                ensure_silent(&format!("{path} with {key}"), &answer.to_string())?;
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_gave_is_told_nowhere() -> Result<()> {
    let folder = std::env::temp_dir().join(names::unique("hostile-secrets"));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("s.properties");
    let text = format!("s={CANARY}\nlist=a,{CANARY}\nglued=x{CANARY}x\n");
    std::fs::write(&file, text)?;
    let class = "org.apache.kafka.common.config.provider.FileConfigProvider";
    let paths = folder.display().to_string();
    let status = names::unique("hostile-status");
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("config.providers", "file")
        .set("config.providers.file.class", class)
        .set("config.providers.file.param.allowed.paths", &paths)
        .set("connector.client.config.override.policy", "All")
        .set("status.storage.topic", &status)
        .set("plugin.path", "")
        .env("FERRULE_LOG", "debug");
    let worker = TestWorker::start(config).await?;
    let provided = |key: &str| format!("${{file:{}:{key}}}", file.display());

    // The name of a table: the target's own errors quote it, in a letter and in a trace.
    let lettered = Pipeline::on(&worker, "hostile_table", 1).await?;
    lettered.produce([Record::json(&json!({ "n": 1 }))]).await?;
    let table = provided("glued");
    let settings = [("table.name.format", &*table), ("errors.tolerance", "none")];
    lettered.create(&settings).await?;
    let told = failed(lettered.rest(), &lettered.name).await?;
    ensure!(
        told.contains("[hidden]"),
        "the trace quotes no table: {told}"
    );

    answers(&worker, &lettered.config(&[]), &provided).await?;
    // Whatever was created has had its first words.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let all = worker.rest();
    let all = all.get("/connectors?expand=status&expand=info").await?;
    ensure_silent("a status", &all.to_string())?;
    let metrics = reqwest::get(format!("{}/metrics", worker.rest().base())).await?;
    ensure_silent("a metric", &metrics.text().await?)?;
    for record in TestKafka::shared().await?.read(&status).await? {
        ensure_silent("the status topic", &record.text())?;
    }
    for (_, letter) in lettered.letters().await? {
        for (name, value) in &letter.headers {
            let value = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
            ensure_silent(name, &value)?;
        }
    }
    let log = worker.log()?;
    ensure!(log.contains("[hidden]"), "the log quotes nothing");
    ensure_silent("the log", &log)?;
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
