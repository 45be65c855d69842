//! `ferrule migrate`: what it says of a cluster of Kafka Connect, alive and stopped.

mod page;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::kafka_connect::KafkaConnect;
use harness::record::{Received, Record};
use harness::wait::wait_until;
use harness::{install, names, run};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// Runs `ferrule migrate` on a worker's properties.
async fn migrate(file: &Path, more: &[&str]) -> Result<Output> {
    let mut command = Command::new(install::ferrule()?);
    command.arg("migrate").arg(file).args(more);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONNECT_") {
            command.env_remove(name);
        }
    }
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

/// What it tells, with its exit code.
async fn told(file: &Path, more: &[&str], code: i32) -> Result<String> {
    let output = migrate(file, more).await?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(code),
        "{}: {told}{wrong}",
        output.status
    );
    Ok(told)
}

/// The report for programs, with its exit code.
async fn report(file: &Path, code: i32) -> Result<Value> {
    let told = told(file, &["--json"], code).await?;
    serde_json::from_str(&told).context(told)
}

/// The report for a person, with its exit code.
async fn text(file: &Path, code: i32) -> Result<String> {
    let told = told(file, &[], code).await?;
    println!("{told}");
    // Where its lines are broken is no matter.
    Ok(told.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn connector<'a>(report: &'a Value, name: &str) -> Result<&'a Value> {
    let all = report["connectors"].as_array().context("no connectors")?;
    let found = all.iter().find(|it| it["name"] == name);
    found.with_context(|| format!("{name} is not in {report}"))
}

/// A source of lines of a file.
fn lines(topic: &str, file: &Path) -> Value {
    json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "topic": topic,
        "file": file,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    })
}

/// Where the cluster's topics end, and which topics there are: whoever writes changes it.
async fn stored(kafka: &TestKafka, group: &str) -> Result<String> {
    let mut all = String::new();
    for topic in ["configs", "offsets", "status", "configs-cluster"] {
        let topic = format!("{group}-{topic}");
        if !kafka.partitions(&topic).await?.is_empty() {
            all += &format!("{topic} {:?}\n", kafka.end_offsets(&topic).await?);
        }
    }
    Ok(all)
}

/// What is said while the worker of Kafka Connect runs.
async fn alive(properties: &Path) -> Result<()> {
    let alive = report(properties, 1).await?;
    ensure!(alive["kafka_connect_is_alive"] == true, "{alive}");
    let told = text(properties, 1).await?;
    for part in [
        "It is alive: 1 worker",
        "1 refused, 1 with another effect, 1 unchanged",
        "did you mean batch.size?",
        "{\"filename\":",
        "no effect plugin.discovery",
    ] {
        ensure!(told.contains(part), "{part:?} is missing:\n{told}");
    }
    ensure!(!told.contains("hunter2"), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_told_of_alive_and_stopped_and_nothing_is_written() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let group = names::unique("migrate");
    let (plugins, folder) = (run::folder("plugins")?, run::folder("migrate")?);
    let input = folder.join("lines.txt");
    std::fs::write(&input, "one\ntwo\n")?;
    let topic = format!("{group}-lines");
    kafka.create_topic(&topic, 1).await?;
    let jvm = KafkaConnect::start(kafka, &group, &plugins).await?;
    let create = async |name: &str, config: Value| {
        let body = json!({ "name": name, "config": config });
        jvm.rest().create(&body).await.map(drop)
    };
    create("same", lines(&topic, &input)).await?;
    let mut differs = lines(&topic, &folder.join("none.txt"));
    differs["batch.sise"] = json!("10");
    create("other", differs).await?;
    let gone = json!({
        "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "topics": topic,
        "file": folder.join("out.txt"),
        "connection.password": "hunter2",
    });
    create("gone", gone).await?;
    jvm.rest().wait_for_state("gone", "RUNNING").await?;
    wait_until(LIMIT, "the lines and their offset", async || {
        let read = kafka.read(&topic).await?;
        let read: Vec<_> = read.iter().map(Received::text).collect();
        let offsets = jvm.rest().get("/connectors/same/offsets").await?;
        let known = offsets["offsets"]
            .as_array()
            .is_some_and(|it| !it.is_empty());
        ensure!(read == ["one", "two"] && known, "{read:?} {offsets}");
        Ok(true)
    })
    .await?;

    alive(jvm.properties()).await?;
    let properties = jvm.properties().to_owned();
    jvm.stop().await?;

    let before = stored(kafka, &group).await?;
    let stopped = report(&properties, 1).await?;
    ensure!(stored(kafka, &group).await? == before, "{before}");
    ensure!(stopped["kafka_connect_is_alive"] == false, "{stopped}");
    ensure!(stopped["worker"]["refused"] == json!([]), "{stopped}");
    let same = connector(&stopped, "same")?;
    ensure!(
        same["verdict"] == "unchanged" && same["findings"] == json!([]),
        "{same}"
    );
    let offset = &same["start"]["source_offsets"][0];
    ensure!(offset["offset"] == json!({ "position": 8 }), "{same}");
    let other = connector(&stopped, "other")?;
    ensure!(other["verdict"] == "differs", "{other}");
    let gone = connector(&stopped, "gone")?;
    ensure!(gone["verdict"] == "refused", "{gone}");
    ensure!(gone["findings"][0]["key"] == "connector.class", "{gone}");
    ensure!(gone["findings"][0]["nearest"].is_string(), "{gone}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_goes_on_at_the_offsets_of_its_group() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let group = names::unique("migrate-sink");
    let (topic, absent) = (format!("{group}-orders"), format!("{group}-absent"));
    let name = format!("{group}-sink");
    for (suffix, partitions) in [("configs", 1), ("offsets", 2), ("status", 2)] {
        let compacted = [("cleanup.policy", "compact")];
        kafka
            .create_topic_with(&format!("{group}-{suffix}"), partitions, &compacted)
            .await?;
    }
    kafka.create_topic(&topic, 3).await?;
    let records = (0..5).map(|n| Record::of("{}").partition(n % 2));
    kafka.produce(&topic, records).await?;
    kafka
        .commit(&format!("connect-{name}"), &topic, 0, 1)
        .await?;
    let config = json!({ "properties": {
        "name": name,
        "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
        "topics": format!("{topic},{absent}"),
        "connection.url": "jdbc:postgresql://127.0.0.1:1/none",
        "connection.user": "ann",
        "connection.password": "hunter2",
        "consumer.override.auto.offset.reset": "latest",
    }});
    let record = Record::json(&config).key(format!("connector-{name}"));
    kafka.produce(&format!("{group}-configs"), [record]).await?;
    let file = run::folder("migrate")?.join("worker.properties");
    std::fs::write(&file, worker(&kafka.bootstrap(), &group))?;

    let report = report(&file, 0).await?;
    let start = &connector(&report, &name)?["start"];
    let at = |partition: usize| &start["partitions"][partition];
    ensure!(start["group"] == format!("connect-{name}"), "{start}");
    ensure!(at(0)["offset"] == 1 && at(0)["end"] == 3, "{start}");
    ensure!(at(1)["offset"].is_null() && at(1)["end"] == 2, "{start}");
    ensure!(start["missing_topics"] == json!([absent]), "{start}");
    ensure!(start["without_offset"] == "latest", "{start}");
    // To look at a topic that is not there does not make it.
    ensure!(kafka.partitions(&absent).await?.is_empty());
    let told = text(&file, 0).await?;
    let expected = format!("topic {topic}: 1 of 3 partitions have one, 2 records behind the end");
    ensure!(told.contains(&expected), "{told}");
    ensure!(!told.contains("hunter2"), "{told}");
    Ok(())
}

/// The properties of a worker of this group.
fn worker(bootstrap: &str, group: &str) -> String {
    format!(
        "bootstrap.servers={bootstrap}\ngroup.id={group}\nconfig.storage.topic={group}-configs\n\
         offset.storage.topic={group}-offsets\nstatus.storage.topic={group}-status\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.json.JsonConverter\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_is_told_with_what_to_do() -> Result<()> {
    let folder = run::folder("migrate")?;
    let file = folder.join("worker.properties");
    let group = names::unique("migrate-none");
    for (properties, part) in [
        (worker("127.0.0.1:1", &group), "could not reach Kafka"),
        (
            "bootstrap.servers=127.0.0.1:1\n".to_owned(),
            "no topic can be read",
        ),
        ("a=\\u12\n".to_owned(), "malformed"),
    ] {
        std::fs::write(&file, properties)?;
        let output = migrate(&file, &[]).await?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(2), "{}: {told}", output.status);
        ensure!(told.contains(part), "{told}");
    }
    let absent = migrate(&folder.join("absent.properties"), &[]).await?;
    ensure!(absent.status.code() == Some(2), "{absent:?}");
    // A cluster of which there is nothing: the topics are named.
    std::fs::write(
        &file,
        worker(&TestKafka::shared().await?.bootstrap(), &group),
    )?;
    let told = text(&file, 2).await?;
    ensure!(
        told.contains(&format!("not there topic {group}-configs")),
        "{told}"
    );
    Ok(())
}
