//! `ferrule deploy`: connectors are created, updated and waited for, and SQL is applied once.

use anyhow::{Result, ensure};
use harness::install;
use harness::kafka::TestKafka;
use harness::postgres::{PASSWORD, TestPostgres, USER};
use harness::worker::TestWorker;
use harness::{names, run};
use serde_json::json;

use super::{expect, written};

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_is_created_then_updated() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let folder = run::folder("deploy")?;
    let name = names::unique("deployed");
    kafka.create_topic(&name, 2).await?;
    let url = worker.rest().base().to_owned();
    let database = TestPostgres::shared().await?.database("deploy").await?;
    let config = |tasks: &str, url: &str| {
        json!({
            "connector.class": "FerrulePostgresSink", "tasks.max": tasks, "topics": name,
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "connection.url": url, "connection.user": USER, "connection.password": PASSWORD,
        })
    };
    let jdbc = database.jdbc_url();
    let file = format!("{name}.json");
    let path = written(&folder, &file, &config("1", &jdbc).to_string())?;
    let deploy = ["deploy", &path, "--worker", &url];
    expect(&deploy, 0, &["created", "running", "1 task"]).await?;
    let whole = json!({ "name": name, "config": config("2", &jdbc) });
    written(&folder, &file, &whole.to_string())?;
    expect(&deploy, 0, &["updated", "running", "2 tasks"]).await?;
    ensure!(worker.rest().get(&format!("/connectors/{name}")).await?["config"]["tasks.max"] == "2");
    // What the command line says stands before the file.
    let set = [&deploy[..], &["-c", "tasks.max=1"]].concat();
    expect(&set, 0, &["updated", "running", "1 task"]).await?;

    // What the worker refuses is told, and what fails tells its trace.
    let mut wrong = config("many", &jdbc);
    written(&folder, &file, &wrong.to_string())?;
    expect(&deploy, 1, &["REFUSED", &name, "tasks.max"]).await?;
    wrong = config("1", &jdbc);
    wrong["connection.password"] = json!("not the password");
    written(&folder, &file, &wrong.to_string())?;
    let text = expect(&deploy, 1, &["FAILED", &name, "task 0", "28P01"]).await?;
    ensure!(!text.contains("not the password"), "{text}");
    worker.rest().delete(&name).await?;

    let nowhere = format!("http://127.0.0.1:{}", names::free_port()?);
    let away = ["deploy", &path, "--worker", &nowhere];
    expect(&away, 2, &[&nowhere, "--worker"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_is_applied_once() -> Result<()> {
    let folder = run::folder("deploy-sql")?;
    let database = TestPostgres::shared().await?.database("deploy_sql").await?;
    let url = database.url();
    let good = "CREATE TABLE a (id int); INSERT INTO a VALUES (1);";
    written(&folder, "1.sql", good)?;
    let files = folder.display().to_string();
    let deploy = ["deploy", "--sql", &files, "--url", &url];
    expect(&deploy, 0, &["applied", "1.sql"]).await?;
    expect(&deploy, 0, &["unchanged 1.sql"]).await?;
    ensure!(database.texts("SELECT id::text FROM a").await?.len() == 1);
    // All of a file or nothing, and those in front of it stay.
    written(&folder, "2.sql", "INSERT INTO a VALUES (2);")?;
    written(
        &folder,
        "3.sql",
        "INSERT INTO a VALUES (3); INSERT INTO b VALUES (4);",
    )?;
    expect(&deploy, 2, &["applied   2.sql", "3.sql", "42P01"]).await?;
    ensure!(database.texts("SELECT id::text FROM a").await?.len() == 2);
    written(&folder, "3.sql", "INSERT INTO a VALUES (3);")?;
    expect(&deploy, 0, &["unchanged 2.sql", "applied   3.sql"]).await?;
    ensure!(database.texts("SELECT id::text FROM a").await?.len() == 3);
    let wrong = url.replace(&format!(":{PASSWORD}@"), ":wrong-secret@");
    let away = ["deploy", "--sql", &files, "--url", &wrong];
    let text = expect(&away, 2, &["--url"]).await?;
    ensure!(!text.contains("wrong-secret"), "{text}");
    Ok(())
}

/// The script of the document, which needs curl and a shell alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_deploys_a_file() -> Result<()> {
    let (kafka, worker) = (TestKafka::shared().await?, TestWorker::shared().await?);
    let folder = run::folder("deploy-script")?;
    let name = names::unique("scripted");
    kafka.create_topic(&name, 1).await?;
    let sink = json!({
        "name": name,
        "config": { "connector.class": "FerruleBlackholeSink", "tasks.max": "1", "topics": name },
    });
    let path = written(&folder, "sink.json", &sink.to_string())?;
    for _ in 0..2 {
        let mut script = std::process::Command::new("sh");
        script.arg(install::repository().join("connectors/deploy-connector.sh"));
        script.arg(&path).env("CONNECT_URL", worker.rest().base());
        let output = tokio::task::spawn_blocking(move || script.output()).await??;
        ensure!(output.status.success(), "{}", super::told(&output));
    }
    worker.rest().wait_for_state(&name, "RUNNING").await?;
    worker.rest().delete(&name).await?;
    Ok(())
}
