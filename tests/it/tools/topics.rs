//! `ferrule topics apply`: what is described is made, what differs is changed, the rest stays.

use anyhow::{Context as _, Result, ensure};
use harness::kafka::TestKafka;
use harness::{names, run};
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde_json::json;

use super::{expect, written};

fn admin(kafka: &TestKafka) -> Result<AdminClient<DefaultClientContext>> {
    Ok(kafka.client().create()?)
}

/// The value of a setting of a topic.
async fn setting(kafka: &TestKafka, topic: &str, name: &str) -> Result<String> {
    let resource = [ResourceSpecifier::Topic(topic)];
    let admin = admin(kafka)?;
    let mut described = admin
        .describe_configs(&resource, &AdminOptions::new())
        .await?;
    let described = described.pop().context("no answer")?;
    let described = described.map_err(|code| anyhow::anyhow!("{code}"))?;
    let entry = described.get(name).context("no such setting")?;
    Ok(entry.value.clone().unwrap_or_default())
}

/// Changes settings as somebody else would, all that the topic says itself.
async fn alter(kafka: &TestKafka, topic: &str, settings: &[(&str, &str)]) -> Result<()> {
    let mut altered = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (key, value) in settings {
        altered = altered.set(key, value);
    }
    for answer in admin(kafka)?
        .alter_configs([&altered], &AdminOptions::new())
        .await?
    {
        answer.map_err(|(_, code)| anyhow::anyhow!("{code}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_once_and_drift_is_mended() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (address, folder) = (kafka.bootstrap(), run::folder("topics")?);
    let (first, second) = (names::unique("apply-a"), names::unique("apply-b"));
    let file = |partitions: i32| {
        let topics = json!([
            { "name": first, "partitions": partitions, "replication.factor": 1,
              "config": { "retention.ms": 604_800_000, "compression.type": "snappy" } },
            { "name": second, "partitions": 1, "doc": "plain" },
        ]);
        written(&folder, "topics.json", &topics.to_string())
    };
    let three = file(3)?;
    let apply = ["topics", "apply", &three, "--bootstrap-server", &address];
    let with = |more: &'static str| [&apply[..], &[more]].concat();

    expect(
        &with("--dry-run"),
        1,
        &["create", "compression.type=snappy"],
    )
    .await?;
    ensure!(
        kafka.partitions(&first).await?.is_empty(),
        "a dry run has made it"
    );
    // Nobody is there to say yes.
    expect(&apply, 2, &["--yes"]).await?;
    expect(&with("--yes"), 0, &["create", "done"]).await?;
    ensure!(kafka.partitions(&first).await?.len() == 3);
    ensure!(setting(kafka, &first, "retention.ms").await? == "604800000");
    expect(&with("--dry-run"), 0, &["0 to change, 2 unchanged"]).await?;
    expect(&with("--yes"), 0, &["0 to change, 2 unchanged"]).await?;

    // Somebody changes one setting that is described, and one that is not.
    let other = [
        ("retention.ms", "1000"),
        ("compression.type", "snappy"),
        ("max.message.bytes", "123456"),
    ];
    alter(kafka, &first, &other).await?;
    let text = expect(&with("--yes"), 0, &["retention.ms  1000 -> 604800000"]).await?;
    ensure!(!text.contains("compression.type"), "{text}");
    ensure!(setting(kafka, &first, "retention.ms").await? == "604800000");
    ensure!(setting(kafka, &first, "max.message.bytes").await? == "123456");

    // More partitions are added, fewer are refused, and then nothing at all is changed.
    file(5)?;
    expect(&with("--yes"), 0, &["3 -> 5", "keys move"]).await?;
    ensure!(kafka.partitions(&first).await?.len() == 5);
    alter(kafka, &first, &[("retention.ms", "1000")]).await?;
    file(2)?;
    expect(&with("--yes"), 1, &["REFUSED", "Nothing is changed"]).await?;
    ensure!(setting(kafka, &first, "retention.ms").await? == "1000");
    ensure!(kafka.partitions(&first).await?.len() == 5);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_what_to_do() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (address, folder) = (kafka.bootstrap(), run::folder("topics-wrong")?);
    let name = names::unique("apply-wrong");
    let apply =
        |topic: &serde_json::Value| written(&folder, "wrong.json", &json!([topic]).to_string());
    let file = apply(&json!({ "name": name, "partitions": 1, "replication.factor": 7 }))?;
    let args = [
        "topics",
        "apply",
        "--yes",
        &file,
        "--bootstrap-server",
        &address,
    ];
    expect(
        &args,
        2,
        &["replication.factor is 7", "--replication-factor"],
    )
    .await?;
    expect(
        &[&args[..], &["--replication-factor", "1"]].concat(),
        0,
        &["done"],
    )
    .await?;
    apply(&json!({ "name": name, "partitions": 1, "config": { "retention.sm": "1" } }))?;
    expect(&args, 1, &["retention.sm", "is retention.ms meant?"]).await?;
    let new = names::unique("apply-wrong");
    apply(
        &json!({ "name": new, "partitions": 1, "replication.factor": 1,
                   "config": { "retention.sm": "1" } }),
    )?;
    expect(&args, 2, &[&new, "retention.sm=1"]).await?;
    apply(&json!({ "name": name, "partitions": 1, "retention.ms": "1" }))?;
    expect(&args, 2, &["wrong.json", "retention.ms"]).await?;

    // Nobody listens.
    let port = names::free_port()?;
    let nowhere = format!("127.0.0.1:{port}");
    apply(&json!({ "name": name, "partitions": 1 }))?;
    let args = [
        "topics",
        "apply",
        "--yes",
        &file,
        "--bootstrap-server",
        &nowhere,
    ];
    expect(&args, 2, &[&nowhere, "refused", "--bootstrap-server"]).await?;
    let settings = written(&folder, "client.properties", "security.protcol=SSL\n")?;
    let args = [&args[..], &["--command-config", &settings]].concat();
    expect(&args, 2, &["security.protcol", "client.properties"]).await?;
    Ok(())
}

/// What the five systems need, as the repository has it.
#[tokio::test(flavor = "multi_thread")]
async fn the_topics_of_the_systems_are_what_their_documents_say() -> Result<()> {
    let kafka = TestKafka::start().await?;
    let address = kafka.bootstrap();
    let args = [
        "topics",
        "apply",
        "--yes",
        "connectors/topics",
        "--bootstrap-server",
        &address,
    ];
    expect(&args, 0, &["done"]).await?;
    expect(&args, 0, &["0 to change"]).await?;
    for (topic, partitions, days) in [
        ("activity-events", 3, Some(7)),
        ("activity-events-dlq", 1, Some(30)),
        ("raw_telemetry", 6, None),
        ("anomalies", 6, None),
        ("operator_alerts", 3, None),
        ("operator_actions", 3, None),
        ("operator_alert_events", 1, Some(7)),
        ("operator_alert_history", 3, None),
        ("incoming.user_activity", 3, None),
        ("user_activity_merged", 1, Some(7)),
        ("telescope.commands", 1, Some(7)),
        ("telescope.acknowledgments", 1, Some(7)),
        ("telescope.data", 1, Some(30)),
        ("telescope.status", 1, Some(3)),
        ("decoded_iot_data", 1, None),
        ("raw_iot_data", 1, None),
    ] {
        let found = kafka.partitions(topic).await?.len();
        ensure!(found == partitions, "{topic} has {found} partitions");
        if let Some(days) = days {
            let retention = setting(&kafka, topic, "retention.ms").await?;
            ensure!(
                retention == (days * 86_400_000_i64).to_string(),
                "{topic}: {retention}"
            );
        }
    }
    ensure!(setting(&kafka, "activity-events", "compression.type").await? == "snappy");
    Ok(())
}
