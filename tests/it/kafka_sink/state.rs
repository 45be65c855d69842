//! The state of plugins as it is shown, while others write.

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::record::Record;
use harness::worker::{TestWorker, WorkerConfig};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::json;

use super::offsets::{COUNTING, shows};
use super::{LIMIT, Way};

/// A transaction that never ends holds nobody up who looks: what is committed is shown.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_shown_while_transactions_are_open() -> Result<()> {
    let way = Way::new("k2k-shown", 2, &[]).await?;
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let worker = TestWorker::start(config.set("ferrule.rest.state.enable", "true")).await?;
    let state_topic = format!("{}-state", way.name);
    let own = [("state.topic.name", state_topic.as_str())];
    let settings = [COUNTING, &own[..]].concat();
    way.deploy(worker.rest(), &settings).await?;
    let count = |partition| {
        let record = Record::json(&json!({ "cmd": "count" })).partition(partition);
        record.key("k")
    };
    way.kafka.produce(&way.name, [0, 0, 1].map(count)).await?;
    way.done().await?;
    shows(&worker, &way, &[(0, 2), (1, 1)]).await?;

    let mut config = way.kafka.client();
    config.set("transactional.id", format!("{}-open", way.name));
    config.set("transaction.timeout.ms", "600000");
    let producer: BaseProducer = config.create()?;
    producer.init_transactions(LIMIT)?;
    producer.begin_transaction()?;
    for partition in way.kafka.partitions(&state_topic).await? {
        let record = BaseRecord::<str, str>::to(&state_topic).partition(partition);
        let key = r#"["guest","none",0,null]"#;
        let sent = producer.send(record.key(key).payload("1"));
        sent.map_err(|(error, _)| error)?;
    }
    producer.flush(LIMIT)?;

    let path = format!("/connectors/{}/state", way.name);
    for (query, entries) in [
        ("", 2),
        ("?transform=guest&partition=1", 1),
        (&*format!("?topic={}&partition=0", way.name), 1),
        (&*format!("?topic={}&partition=7", way.name), 0),
        ("?topic=none", 0),
    ] {
        let answer = worker.rest().get(&format!("{path}{query}")).await?;
        let shown = answer["state"].as_array().map_or(0, Vec::len);
        ensure!(shown == entries, "{query}: {answer}");
    }
    producer.abort_transaction(LIMIT)?;
    Ok(())
}
