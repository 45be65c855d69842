//! `ferrule produce`: from files and made up, and what is then in Kafka.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use harness::kafka::TestKafka;
use harness::record::Record;
use harness::registry::TestRegistry;
use harness::{names, run};
use serde_json::Value;

use super::{expect, written};

fn value(bytes: Option<&Vec<u8>>) -> Result<Value> {
    Ok(serde_json::from_slice(bytes.context("no value")?)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_become_records() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (address, folder) = (kafka.bootstrap(), run::folder("produce")?);
    let topic = names::unique("lines");
    let lines = "{\"id\": 1, \"in\": {\"key\": \"a\"}, \"at\": \"2026-01-01T00:00:00Z\"}\n\n\
                 {\"id\": 2, \"in\": {\"key\": \"b\"}, \"at\": \"2026-01-01T00:00:01Z\"}\n\
                 {\"id\": 1, \"in\": {\"key\": \"c\"}, \"at\": \"2026-01-01T00:00:01.5Z\"}\n";
    let file = written(&folder, "lines.jsonl", lines)?;
    let args = [
        "produce",
        &file,
        "--topic",
        &topic,
        "--bootstrap-server",
        &address,
    ];
    expect(&args, 2, &[&topic, "make it first"]).await?;
    kafka.create_topic(&topic, 1).await?;
    let more = [
        "--key-field",
        "in.key",
        "--dedupe-field",
        "id",
        "--by-time",
        "at",
        "--speed",
        "10",
        "--timestamp-field",
        "at",
    ];
    let args = [&args[..], &more].concat();
    expect(
        &args,
        0,
        &["2 records sent, 2 acknowledged, 0 failed", "1 duplicates"],
    )
    .await?;
    let records = kafka.read(&topic).await?;
    ensure!(records.len() == 2, "{} records", records.len());
    ensure!(records[0].key.as_deref() == Some(&b"a"[..]));
    ensure!(records[1].timestamp == Some(1_767_225_601_000));
    ensure!(value(records[1].value.as_ref())?["id"] == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_and_whole_records_are_told_apart() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (address, folder) = (kafka.bootstrap(), run::folder("produce-whole")?);
    let topic = names::unique("whole");
    kafka.create_topic(&topic, 1).await?;
    let bad = written(&folder, "bad.jsonl", "{\"id\": 1}\n{\"id\":\n")?;
    let args = [
        "produce",
        &bad,
        "--topic",
        &topic,
        "--bootstrap-server",
        &address,
    ];
    expect(&args, 2, &["bad.jsonl, line 2"]).await?;
    let whole = "{\"key\": \"k\", \"value\": null, \"headers\": {\"h\": \"x\"}}\n";
    let whole = written(&folder, "whole.jsonl", whole)?;
    let args = [
        "produce",
        "--records",
        &whole,
        "--topic",
        &topic,
        "--bootstrap-server",
        &address,
    ];
    expect(&args, 0, &["1 acknowledged"]).await?;
    let records = kafka.read(&topic).await?;
    let last = records.last().context("no record")?;
    ensure!(last.value.is_none() && last.key.as_deref() == Some(&b"k"[..]));
    ensure!(last.headers == [("h".to_owned(), Some(b"x".to_vec()))]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn avro_is_written_as_a_connector_reads_it() -> Result<()> {
    let (kafka, registry) = (TestKafka::shared().await?, TestRegistry::shared().await?);
    let (address, url, folder) = (
        kafka.bootstrap(),
        registry.url(),
        run::folder("produce-avro")?,
    );
    let topic = names::unique("avro");
    kafka.create_topic(&topic, 1).await?;
    let line = "{\"data_id\": \"d\", \"observation_id\": \"o\", \"sequence_number\": 1, \
                \"timestamp\": 5, \"data\": \"AQI=\"}\n";
    let file = written(&folder, "data.jsonl", line)?;
    let args = [
        "produce",
        &file,
        "--topic",
        &topic,
        "--bootstrap-server",
        &address,
        "--connector",
        "connectors/postgres-telescope-data-sink.json",
        "--value-schema",
        "connectors/schemas/telescope.data-value.json",
        "--registry",
        &url,
        "--key-field",
        "observation_id",
    ];
    expect(&args, 0, &["1 acknowledged"]).await?;
    let records = kafka.read(&topic).await?;
    let value = records[0].value.as_ref().context("no value")?;
    ensure!(value[0] == 0 && records[0].key.as_deref() == Some(&b"o"[..]));
    let id = u32::from_be_bytes(value[1..5].try_into()?);
    let schema: Value = serde_json::from_str(&registry.schema(id).await?)?;
    let generated =
        harness::install::repository().join("connectors/schemas/avro/telescope.data-value.avsc");
    let generated: Value = serde_json::from_str(&std::fs::read_to_string(generated)?)?;
    ensure!(schema == generated, "{schema}");
    // What has no schema says so.
    let args = [
        "produce",
        &file,
        "--topic",
        &topic,
        "--bootstrap-server",
        &address,
        "--value-converter",
        "AvroConverter",
        "--registry",
        &url,
    ];
    expect(&args, 2, &["line 1"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_up_is_known() -> Result<()> {
    let (kafka, registry) = (TestKafka::shared().await?, TestRegistry::shared().await?);
    let (address, url, folder) = (
        kafka.bootstrap(),
        registry.url(),
        run::folder("produce-made")?,
    );
    let names = [
        "shark",
        "fleetops",
        "analytics",
        "telescope",
        "iot",
        "iot-frames",
    ];
    for name in names {
        let topic = names::unique(name);
        kafka.create_topic(&topic, 3).await?;
        let planted = folder.join(format!("{name}.json")).display().to_string();
        let mut args = vec![
            "produce",
            "--generate",
            name,
            "--topic",
            &topic,
            "--bootstrap-server",
            &address,
            "--rate",
            "5000",
            "--duration",
            "200ms",
            "--bad",
            "7",
            "--planted",
            &planted,
        ];
        if name == "telescope" {
            args.extend(["--registry", &url]);
        }
        expect(
            &args,
            0,
            &["1000 acknowledged", "993 good records, 7 malformed"],
        )
        .await?;
        ensure!(kafka.read(&topic).await?.len() == 1000, "{name}");
        let planted: Value = serde_json::from_str(&std::fs::read_to_string(&planted)?)?;
        ensure!(planted["good"] == 993, "{planted}");
        // A frame comes to two.
        let measurements = (name == "iot-frames").then_some(2 * 993);
        ensure!(
            planted["measurements"].as_u64() == measurements,
            "{planted}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_made_up_for_the_same_seed() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let address = kafka.bootstrap();
    let topic = names::unique("again");
    kafka.create_topic(&topic, 1).await?;
    let args = |seed: &'static str| {
        let args = [
            "produce",
            "--generate",
            "shark",
            "--topic",
            &topic,
            "--bootstrap-server",
            &address,
            "--count",
            "50",
            "--seed",
            seed,
        ];
        args.map(str::to_owned)
    };
    for seed in ["5", "5", "6"] {
        let args = args(seed);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        expect(&args, 0, &["50 acknowledged"]).await?;
    }
    let records = kafka.read(&topic).await?;
    let values: Vec<_> = records.into_iter().map(|record| record.value).collect();
    ensure!(values[..50] == values[50..100] && values[..50] != values[100..]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_planted_vehicles_brake() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (address, folder) = (kafka.bootstrap(), run::folder("produce-fleet")?);
    let topic = names::unique("fleet");
    kafka.create_topic(&topic, 6).await?;
    let file = folder.join("planted.json").display().to_string();
    let args = [
        "produce",
        "--generate",
        "fleetops",
        "--topic",
        &topic,
        "--bootstrap-server",
        &address,
        "--count",
        "1000",
        "--anomalies",
        "4",
        "--planted",
        &file,
    ];
    expect(
        &args,
        0,
        &["4 vehicles brake, and one alarm is due for each"],
    )
    .await?;
    let planted: Value = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    let planted = planted["planted"].as_array().context("nothing planted")?;
    let planted: BTreeSet<_> = planted
        .iter()
        .map(|it| it["key"].clone().to_string())
        .collect();
    let mut slow = BTreeSet::new();
    for record in kafka.read(&topic).await? {
        let frame = value(record.value.as_ref())?;
        let velocity = frame["telemetry"]["velocity"]["magnitude"].as_f64();
        if velocity.context("no velocity")? < 20.0 {
            slow.insert(frame["vehicle_id"].to_string());
        }
    }
    ensure!(
        planted == slow && planted.len() == 4,
        "{planted:?} {slow:?}"
    );
    let args = [
        "produce",
        "--generate",
        "fleetops",
        "--bootstrap-server",
        &address,
        "--count",
        "10",
        "--anomalies",
        "4",
    ];
    expect(&args, 2, &["160 records at least"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_and_commands_are_made_up() -> Result<()> {
    let (kafka, registry) = (TestKafka::start().await?, TestRegistry::shared().await?);
    let (address, url, folder) = (
        kafka.bootstrap(),
        registry.url(),
        run::folder("produce-acts")?,
    );
    for topic in [
        "operator_actions",
        "telescope.commands",
        "telescope.acknowledgments",
    ] {
        kafka.create_topic(topic, 1).await?;
    }
    let alerts = "{\"alert_id\": \"a1\", \"vehicle_id\": \"v1\"}\n\
                  {\"alert_id\": \"a2\", \"vehicle_id\": \"v2\"}\n";
    let alerts = written(&folder, "alerts.jsonl", alerts)?;
    let common = ["produce", "--bootstrap-server", &address, "--generate"];
    let args = [
        &common[..],
        &["fleetops-actions", "--alerts", &alerts, "--bad", "2"],
    ]
    .concat();
    expect(&args, 0, &["6 acknowledged", "4 good records, 2 malformed"]).await?;
    ensure!(kafka.read("operator_actions").await?.len() == 6);
    let more = [
        "telescope-commands",
        "--count",
        "20",
        "--anomalies",
        "3",
        "--registry",
        &url,
    ];
    let args = [&common[..], &more].concat();
    expect(&args, 0, &["37 acknowledged", "3 commands stay unanswered"]).await?;
    ensure!(kafka.read("telescope.commands").await?.len() == 20);
    ensure!(kafka.read("telescope.acknowledgments").await?.len() == 17);
    let subjects = registry.subjects().await?;
    ensure!(
        subjects.contains(&"telescope.commands-value".to_owned()),
        "{subjects:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_act_on_the_alerts_of_the_topic_that_are_open() -> Result<()> {
    let kafka = TestKafka::start().await?;
    let address = kafka.bootstrap();
    let common = ["produce", "--bootstrap-server", &address, "--generate"];
    let of_topic = [&common[..], &["fleetops-actions"]].concat();
    kafka.create_topic("operator_actions", 1).await?;
    expect(&of_topic, 2, &["operator_alerts", "--alerts FILE"]).await?;
    kafka.create_topic("operator_alerts", 2).await?;
    expect(&of_topic, 2, &["none that is OPEN", "--alerts FILE"]).await?;
    let messages = [("b1", "OPEN"), ("b2", "OPEN"), ("b1", "RESOLVED")];
    let messages = messages.map(|(id, status)| {
        let text =
            format!(r#"{{"alert_id": "{id}", "vehicle_id": "v", "alert_status": "{status}"}}"#);
        Record::of(text).key(id)
    });
    kafka.produce("operator_alerts", messages).await?;
    expect(&of_topic, 0, &["2 acknowledged", "2 good records"]).await?;
    let actions = kafka.read("operator_actions").await?;
    let mut of = BTreeMap::<String, usize>::new();
    for action in &actions {
        let action: Value = serde_json::from_str(&action.text()).unwrap_or_default();
        let alert = action["alert_id"].as_str().unwrap_or_default().to_owned();
        *of.entry(alert).or_default() += 1;
    }
    ensure!(of.get("b2") == Some(&2) && !of.contains_key("b1"), "{of:?}");
    let of_frames = ["iot-frames", "--alerts", "x", "--count", "1"];
    let of_frames = [&common[..], &of_frames].concat();
    expect(&of_frames, 2, &["--alerts is for fleetops-actions"]).await?;
    Ok(())
}
