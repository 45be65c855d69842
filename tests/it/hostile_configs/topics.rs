//! Topics that a record, a transform or a plugin names, and that no connector writes to.

use super::*;

const STRINGS: &str = "org.apache.kafka.connect.storage.StringConverter";
const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// A Kafka sink whose records go where its transforms say.
fn sink(name: &str, more: &[(&str, &str)]) -> Value {
    let mut config = json!({
        "connector.class": "FerruleKafkaSink",
        "name": name,
        "topics": name,
        "key.converter": STRINGS,
        "value.converter": JSON,
        "value.converter.schemas.enable": "false",
        "output.value.converter": JSON,
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": format!("{name}-dlq"),
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    });
    for (key, value) in more {
        config[*key] = json!(value);
    }
    config
}

/// Deploys the sink, gives it the records, and waits for as many dead letters; their messages.
async fn letters(
    rest: &ConnectClient,
    config: &Value,
    records: Vec<Record>,
) -> Result<Vec<String>> {
    let name = config["name"].as_str().context("no name")?;
    let (kafka, count) = (TestKafka::shared().await?, records.len());
    kafka.create_topic(name, 1).await?;
    rest.create(&json!({ "name": name, "config": config }))
        .await?;
    kafka.produce(name, records).await?;
    let dead = format!("{name}-dlq");
    let mut told = Vec::new();
    wait_until(LIMIT, "the dead letters", async || {
        let found = kafka.read(&dead).await.unwrap_or_default();
        let message = |letter: &harness::record::Received| {
            letter
                .header("__connect.errors.exception.message")
                .unwrap_or_default()
        };
        told = found.iter().map(message).collect();
        Ok(told.len() >= count)
    })
    .await?;
    let status = rest.status(name).await?;
    ensure!(status["tasks"][0]["state"] == "RUNNING", "{status}");
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_record_goes_to_a_topic_of_the_worker() -> Result<()> {
    let (worker, configs) = worker(&[]).await?;
    let kafka = TestKafka::shared().await?;
    let before = kafka.end_offsets(&configs).await?;
    for (number, target) in [&*configs, "__consumer_offsets", "__made"]
        .iter()
        .enumerate()
    {
        let name = names::unique(&format!("hostile-route-{number}"));
        let route = [
            ("transforms", "route"),
            (
                "transforms.route.type",
                "org.apache.kafka.connect.transforms.RegexRouter",
            ),
            ("transforms.route.regex", ".*"),
            ("transforms.route.replacement", target),
        ];
        let stolen = json!({ "properties": { "connector.class": "FerruleBlackholeSink" } });
        let record = Record::json(&stolen).key("connector-stolen");
        let told = letters(worker.rest(), &sink(&name, &route), vec![record]).await?;
        ensure!(told[0].contains("no connector writes to it"), "{told:?}");
        worker.rest().delete(&name).await?;
    }
    let read = kafka.read(&configs).await?;
    let stolen = |record: &harness::record::Received| {
        record.key.as_deref() == Some(&b"connector-stolen"[..])
    };
    ensure!(
        !read.iter().any(stolen),
        "the config topic was written to; before: {before:?}"
    );
    ensure!(worker.rest().get("/connectors").await? == json!([]));
    for (key, value) in [
        ("topic.name.format", &*configs),
        ("topic.name.format", "__${topic}"),
        ("state.topic.name", &configs),
        ("errors.deadletterqueue.topic.name", &configs),
        ("errors.deadletterqueue.topic.name", "__x"),
    ] {
        let told = refused(worker.rest(), &sink("refused", &[(key, value)])).await?;
        ensure!(told.contains(key), "{told}");
    }
    Ok(())
}

/// The guest of the tests routes to the topic `elsewhere`.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_routes_only_where_its_connector_allows() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let guest = [("transforms", "g"), ("transforms.g.type", "test-guest")];
    let record = || Record::json(&json!({ "cmd": "topic" })).key("k");
    let name = names::unique("hostile-guest");
    let told = letters(worker.rest(), &sink(&name, &guest), vec![record()]).await?;
    ensure!(told[0].contains("output.topics.allow"), "{told:?}");
    worker.rest().delete(&name).await?;

    let kafka = TestKafka::shared().await?;
    let allowed = names::unique("hostile-allowed");
    kafka.create_topic("elsewhere", 1).await?;
    kafka.create_topic(&allowed, 1).await?;
    let allow = [&guest[..], &[("output.topics.allow", "else.*")]].concat();
    let config = json!({ "name": allowed, "config": sink(&allowed, &allow) });
    worker.rest().create(&config).await?;
    kafka.produce(&allowed, [record()]).await?;
    wait_until(LIMIT, "the record", async || {
        let written = kafka.end_offsets("elsewhere").await?;
        Ok(written.values().sum::<i64>() > 0)
    })
    .await?;
    worker.rest().delete(&allowed).await
}
