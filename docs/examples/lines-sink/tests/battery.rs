//! The battery that every sink passes, against a file.

use anyhow::{Context, Result};
use async_trait::async_trait;
use connect_api::Value;
use connect_api::{Connector as _, Datum, Properties, SinkConnector as _, SinkTask, TaskContext};
use connect_sink_tests::{Landed, LandedRecord, SinkUnderTest};
use lines_sink::LinesSinkConnector;
use tempfile::TempDir;

struct Lines(TempDir);

#[async_trait(?Send)]
impl SinkUnderTest for Lines {
    async fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::write(directory.path().join("test-0.txt"), "")?;
        Ok(Self(directory))
    }

    async fn task(&mut self) -> Result<Box<dyn SinkTask>> {
        let connector = LinesSinkConnector::new();
        let directory = self.0.path().display().to_string();
        let properties = Properties::from([("directory".into(), directory)]);
        let config = connector.config_def().parse(&properties)?;
        let context = TaskContext {
            connector: "test".into(),
            ..TaskContext::default()
        };
        Ok(connector.task(&config, &context)?)
    }

    fn value(&self, partition: i32, number: i64) -> Datum {
        Datum::schemaless(Value::from(format!("{partition} {number}").as_str()))
    }

    fn errant_value(&self) -> Option<Datum> {
        Some(Datum::schemaless(Value::Int(1)))
    }

    async fn landed(&mut self) -> Result<Landed> {
        let text = std::fs::read_to_string(self.0.path().join("test-0.txt"))?;
        let record = |line: &str| {
            let (partition, number) = line.split_once(' ').context("another line")?;
            Ok(LandedRecord {
                partition: partition.parse()?,
                number: number.parse()?,
            })
        };
        let records: Result<Vec<_>> = text.lines().map(record).collect();
        Ok(Landed::Records(records?))
    }
}

connect_sink_tests::battery!(Lines);
