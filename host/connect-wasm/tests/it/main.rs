//! The host against real plugins.

mod hostile;
mod liar;
mod load;
mod metrics;
mod rows;
mod state;
mod ticks;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use connect_api::{
    Config, ConfigDef, Datum, Offset, Origin, Outcome, Properties, Record, Result, SinkRecord,
    Timestamp, TimestampType, TopicPartition, Transformation, Value,
};
use connect_wasm::{TransformContext, WasmLimits, WasmOptions, WasmPlugins, host_config_def};

/// Where `plugins/build.sh` puts the plugins.
pub(crate) fn dist() -> PathBuf {
    let dist = PathBuf::from("../../plugins/dist");
    let guest = dist.join("test-guest.wasm");
    assert!(
        guest.is_file(),
        "{} is missing: run `make plugins`",
        guest.display()
    );
    dist
}

/// Small limits, so that harm is done fast. The deadline leaves room for a busy machine.
pub(crate) const LIMITS: WasmLimits = WasmLimits {
    memory_bytes: 16 << 20,
    call_timeout: Duration::from_millis(300),
    output_bytes: 1 << 20,
    state_bytes: 1 << 20,
};

pub(crate) fn plugins_in(path: &Path) -> WasmPlugins {
    WasmPlugins::new(WasmOptions {
        plugin_path: vec![path.to_owned()],
        limits: LIMITS,
        ..WasmOptions::default()
    })
    .unwrap()
}

/// One engine for all tests: code is compiled once.
pub(crate) fn plugins() -> &'static WasmPlugins {
    static PLUGINS: OnceLock<WasmPlugins> = OnceLock::new();
    PLUGINS.get_or_init(|| plugins_in(&dist()))
}

pub(crate) fn config(plugins: &WasmPlugins, name: &str, given: &[(&str, &str)]) -> Config {
    let info = plugins.find(name).expect("the plugin is on the path");
    let mut keys = info.config_def.keys().to_vec();
    keys.extend_from_slice(host_config_def().keys());
    let given = given
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    ConfigDef::new(keys)
        .parse(&given.collect::<Properties>())
        .unwrap()
}

pub(crate) fn build(
    plugins: &WasmPlugins,
    name: &str,
    given: &[(&str, &str)],
) -> Result<Box<dyn Transformation>> {
    let context = TransformContext {
        connector: "connector".into(),
        task: 0,
        transform: "transform".into(),
        secrets: Vec::new(),
    };
    plugins.build(name, &config(plugins, name, given), &context)
}

pub(crate) fn guest(given: &[(&str, &str)]) -> Box<dyn Transformation> {
    build(plugins(), "test-guest", given).unwrap()
}

pub(crate) fn topic_partition() -> Arc<TopicPartition> {
    Arc::new(TopicPartition::new("topic", 3))
}

pub(crate) fn record(offset: i64, value: Datum) -> SinkRecord {
    let topic_partition = topic_partition();
    SinkRecord {
        record: Record {
            topic: Arc::clone(&topic_partition.topic),
            partition: Some(topic_partition.partition),
            key: Datum::NULL,
            value,
            headers: Vec::new(),
            timestamp: Some(Timestamp(1_000 + offset)),
        },
        origin: Origin::new(&topic_partition, Offset(offset)),
        timestamp_type: TimestampType::CreateTime,
    }
}

/// Records whose texts are commands to the guest, from offset 0.
pub(crate) fn commands(commands: &[&str]) -> Vec<SinkRecord> {
    let records = commands.iter().zip(0..);
    records
        .map(|(command, offset)| record(offset, Datum::schemaless(Value::from(*command))))
        .collect()
}

pub(crate) fn apply(
    transform: &mut Box<dyn Transformation>,
    records: &[SinkRecord],
) -> Vec<Outcome> {
    apply_to(transform, &topic_partition(), records)
}

/// The same for a partition.
pub(crate) fn apply_to(
    transform: &mut Box<dyn Transformation>,
    topic_partition: &Arc<TopicPartition>,
    records: &[SinkRecord],
) -> Vec<Outcome> {
    let mut records = records.to_vec();
    let outcomes = transform.apply(topic_partition, &mut records).unwrap();
    let outcomes = records.into_iter().zip(outcomes);
    // One way to tell what a record became.
    outcomes
        .map(|(record, outcome)| match outcome {
            Outcome::Change => Outcome::Replace(vec![record.record]),
            other => other,
        })
        .collect()
}

/// The message of a record's failure.
pub(crate) fn failure(outcome: &Outcome) -> &dyn std::error::Error {
    match outcome {
        Outcome::Fail(error) => error,
        other => panic!("{other:?} is no failure"),
    }
}

/// The only record of a replacement.
pub(crate) fn replacement(outcome: &Outcome) -> &Record {
    match outcome {
        Outcome::Replace(records) if records.len() == 1 => &records[0],
        other => panic!("{other:?} is not one record"),
    }
}
