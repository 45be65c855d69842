//! Heavy neighbours: what large records, wide rows and a flood of log lines cost another connector
//! of the same worker.

use std::time::Duration;

use anyhow::Result;
use harness::names;
use harness::record::Record;
use harness::worker::TestWorker;
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::{Value, json};

use crate::stand::Stand;

/// What a worker needs for records of 100 MB.
pub const RECORD_MEMORY: (&str, &str) = ("ferrule.record.memory.max.bytes", "268435456");

/// A kind of neighbour.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Heavy {
    /// Records of 100 MB.
    Large,
    /// Rows of 5,000 fields, 1,500 of which have columns.
    Wide,
    /// A plugin that logs 1,000 lines for each record.
    Flood,
}

impl Heavy {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Large, Self::Wide, Self::Flood];

    /// Its name in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Large => "records of 100 MB",
            Self::Wide => "rows of 5,000 fields",
            Self::Flood => "log flood",
        }
    }

    /// The columns of its table.
    fn columns(self) -> String {
        match self {
            Self::Large => "t text, n int".to_owned(),
            Self::Wide => {
                let columns: Vec<_> = (0..1_500).map(|at| format!("c{at} int")).collect();
                columns.join(", ")
            }
            Self::Flood => "cmd text".to_owned(),
        }
    }

    /// Fills its topic with more than it gets done meanwhile.
    async fn fill(self, stand: &Stand, topic: &str) -> Result<()> {
        match self {
            Self::Large => large(stand, topic).await,
            Self::Wide => {
                let fields = (0..5_000).map(|at| (format!("c{at}"), json!(at)));
                let row = Record::json(&Value::Object(fields.collect()));
                let rows = std::iter::repeat_n(row, 6_000);
                stand.kafka.produce(topic, rows).await
            }
            Self::Flood => {
                let record = Record::json(&json!({ "cmd": "log:1000" }));
                let records = std::iter::repeat_n(record, 500_000);
                stand.kafka.produce(topic, records).await
            }
        }
    }

    /// Starts it; the connector's name.
    pub async fn start(self, stand: &Stand, worker: &TestWorker) -> Result<String> {
        let name = names::unique("heavy");
        let most = [("max.message.bytes", "104857600")];
        stand.kafka.create_topic_with(&name, 1, &most).await?;
        self.fill(stand, &name).await?;
        let table = format!(
            "DROP TABLE IF EXISTS heavy; CREATE TABLE heavy ({})",
            self.columns()
        );
        stand.database.execute(&table).await?;
        let mut config = json!({
            "connector.class": "FerrulePostgresSink",
            "topics": name,
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "connection.url": stand.database.jdbc_url(),
            "connection.user": "ferrule",
            "connection.password": "ferrule",
            "table.name.format": "heavy",
            "pk.mode": "none",
            "unknown.fields": "ignore",
            "consumer.override.max.partition.fetch.bytes": "104857600",
        });
        if self == Self::Flood {
            config["transforms"] = json!("guest");
            config["transforms.guest.type"] = json!("test-guest");
        }
        let body = json!({ "name": name, "config": config });
        worker.rest().create(&body).await?;
        Ok(name)
    }
}

async fn large(stand: &Stand, topic: &str) -> Result<()> {
    let producer: FutureProducer = stand
        .kafka
        .client()
        .set("message.max.bytes", "104000000")
        .create()?;
    let payload = format!("{{\"n\":7,\"t\":\"{}\"}}", "x".repeat(99_999_986));
    for _ in 0..16 {
        let record: FutureRecord<'_, str, str> = FutureRecord::to(topic).payload(&payload);
        let sent = producer.send(record, Duration::from_secs(60)).await;
        sent.map_err(|(error, _)| error)?;
    }
    Ok(())
}
