//! The blackhole sink: takes every record and keeps none.
//!
//! It shows what a consumer, its converters and its transforms cost without a target, and it is the
//! template of a new sink: `docs/write-a-sink.md` goes on from here.

use async_trait::async_trait;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Connector, ErrantRecordReporter, Importance,
    RecordBatch, Result, SinkConnector, SinkTask, TaskContext, Validator,
};

/// How many records are taken between two lines of the log.
const LOG_INTERVAL: &str = "log.interval.records";

/// Takes records and drops them.
#[derive(Debug)]
pub struct BlackholeSinkConnector {
    config_def: ConfigDef,
}

impl BlackholeSinkConnector {
    /// The connector.
    #[must_use]
    pub fn new() -> Self {
        let log_interval = ConfigKey::new(
            LOG_INTERVAL,
            ConfigType::Long,
            "0",
            "Log how many records a task has taken, each time that it has taken so many more. 0 logs \
             it at the task's end only.",
        );
        let log_interval = log_interval.validator(Validator::AtLeast(0));
        Self {
            config_def: ConfigDef::new(vec![log_interval.importance(Importance::Low)]),
        }
    }
}

impl Default for BlackholeSinkConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for BlackholeSinkConnector {
    fn classes(&self) -> &'static [&'static str] {
        &["FerruleBlackholeSink"]
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn config_def(&self) -> &ConfigDef {
        &self.config_def
    }
}

impl SinkConnector for BlackholeSinkConnector {
    fn task(&self, config: &Config, _: &TaskContext) -> Result<Box<dyn SinkTask>> {
        Ok(Box::new(BlackholeSinkTask {
            log_interval: config.integer(LOG_INTERVAL).unsigned_abs(),
            taken: 0,
        }))
    }
}

/// One task: the partitions that its consumer owns.
struct BlackholeSinkTask {
    log_interval: u64,
    taken: u64,
}

#[async_trait]
impl SinkTask for BlackholeSinkTask {
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        _: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        let before = self.taken;
        for batch in batches {
            self.taken += batch.records.len() as u64;
        }
        let lines = |taken: u64| taken.checked_div(self.log_interval);
        if lines(self.taken) != lines(before) {
            tracing::info!(records = self.taken, "taken so far");
        }
        Ok(())
    }

    async fn stop(&mut self) {
        tracing::info!(records = self.taken, "taken in all");
    }
}
