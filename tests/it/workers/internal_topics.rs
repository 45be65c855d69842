//! Topics that are not fit to keep what the workers know.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use harness::kafka::TestKafka;
use harness::names;
use harness::worker::{TestWorker, WorkerConfig};

const COMPACT: (&str, &str) = ("cleanup.policy", "compact");

/// A worker whose topics begin with this stem.
async fn config(stem: &str) -> Result<WorkerConfig> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    Ok(config
        .set("plugin.path", "")
        .set("config.storage.topic", &format!("{stem}-configs"))
        .set("offset.storage.topic", &format!("{stem}-offsets"))
        .set("status.storage.topic", &format!("{stem}-status")))
}

/// The worker does not start, and says all of this.
async fn refused(config: WorkerConfig, parts: &[&str]) -> Result<()> {
    let began = Instant::now();
    let Err(refused) = TestWorker::start(config).await else {
        bail!("it runs, and was to tell {parts:?}");
    };
    println!("refused after {:?}: {parts:?}", began.elapsed());
    let why = format!("{refused:#}");
    for part in parts {
        ensure!(why.contains(part), "{part} is missing: {why}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_not_fit_are_refused_with_the_command_that_mends_them() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let three = names::unique("partitions");
    let topic = format!("{three}-configs");
    kafka.create_topic_with(&topic, 3, &[COMPACT]).await?;
    let delete = format!(
        "kafka-topics.sh --bootstrap-server {} --delete --topic {topic}",
        kafka.bootstrap()
    );
    let parts = [topic.as_str(), "config.storage.topic", "has 3", &delete];
    refused(config(&three).await?, &parts).await?;

    for kind in ["configs", "configs-cluster", "offsets", "status"] {
        let stem = names::unique("deleted");
        let topic = format!("{stem}-{kind}");
        let settings = [("cleanup.policy", "delete")];
        kafka.create_topic_with(&topic, 1, &settings).await?;
        let alter = format!(
            "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name \
             {topic} --add-config cleanup.policy=compact",
            kafka.bootstrap()
        );
        let parts = [topic.as_str(), "cleanup.policy", "has delete", &alter];
        refused(config(&stem).await?, &parts).await?;
    }

    for kind in ["config", "offset", "status"] {
        let stem = names::unique("replicas");
        let plural = if kind == "status" { "" } else { "s" };
        let topic = format!("{stem}-{kind}{plural}");
        kafka.create_topic_with(&topic, 1, &[COMPACT]).await?;
        let option = format!("{kind}.storage.replication.factor");
        let config = config(&stem).await?.set(&option, "3");
        let asked = format!("{option}=3");
        let parts = [
            topic.as_str(),
            &asked,
            "1 replica",
            "kafka-reassign-partitions.sh",
        ];
        refused(config, &parts).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_not_create_its_topics_says_how_to() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let stem = names::unique("by_hand");
    let config = config(&stem)
        .await?
        .set("internal.topics.automatic.creation.enable", "false");
    for (kind, partitions) in [
        ("configs", 1),
        ("configs-cluster", 1),
        ("status", 5),
        ("offsets", 25),
    ] {
        let topic = format!("{stem}-{kind}");
        let create = format!(
            "kafka-topics.sh --bootstrap-server {} --create --topic {topic} --partitions \
             {partitions} --replication-factor 1 --config cleanup.policy=compact",
            kafka.bootstrap()
        );
        refused(config.clone(), &[&create]).await?;
        kafka.create_topic_with(&topic, 1, &[COMPACT]).await?;
    }
    let mut worker = TestWorker::start(config).await?;
    ensure!(worker.stop().await?.success());
    Ok(())
}
