//! The battery that every sink passes, against the blackhole.

use anyhow::Result;
use async_trait::async_trait;
use blackhole_sink::BlackholeSinkConnector;
use connect_api::Value;
use connect_api::{Connector as _, Datum, Properties, SinkConnector as _, SinkTask, TaskContext};
use connect_sink_tests::{Landed, SinkUnderTest};

struct Blackhole;

#[async_trait(?Send)]
impl SinkUnderTest for Blackhole {
    async fn new() -> Result<Self> {
        Ok(Self)
    }

    async fn task(&mut self) -> Result<Box<dyn SinkTask>> {
        let connector = BlackholeSinkConnector::new();
        let properties = Properties::from([("log.interval.records".into(), "2".into())]);
        let config = connector.config_def().parse(&properties)?;
        Ok(connector.task(&config, &TaskContext::default())?)
    }

    fn value(&self, _: i32, number: i64) -> Datum {
        Datum::schemaless(Value::Int(number))
    }

    /// There is no record that it would not take.
    fn errant_value(&self) -> Option<Datum> {
        None
    }

    async fn landed(&mut self) -> Result<Landed> {
        Ok(Landed::Unknown)
    }
}

connect_sink_tests::battery!(Blackhole);
