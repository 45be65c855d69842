//! The file source: each line of a text file becomes a record of a topic. It is Kafka's own
//! `FileStreamSourceConnector`, with its options and offsets, so a connector may move between the
//! two.

mod input;
mod lines;
mod task;
#[cfg(test)]
mod tests;

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Connector, Error, ExactlyOnceSupport, Importance,
    Properties, Result, SourceConnector, SourceOffset, SourceOffsetChange, SourcePartition,
    SourceTask, SourceTaskContext, Validator,
};
use serde_json::{Value, json};

use task::FileStreamSourceTask;

const FILE: &str = "file";
const TOPIC: &str = "topic";
const BATCH_SIZE: &str = "batch.size";

/// The name in a source partition under which the path stands, as it was configured.
const FILENAME: &str = "filename";
/// The name in a source offset under which the first byte stands that was not sent yet.
const POSITION: &str = "position";

/// Reads a text file, or the worker's standard input, line by line.
#[derive(Debug)]
pub struct FileStreamSourceConnector {
    config_def: ConfigDef,
}

impl FileStreamSourceConnector {
    /// The connector.
    #[must_use]
    pub fn new() -> Self {
        Self {
            config_def: config_def(),
        }
    }
}

impl Default for FileStreamSourceConnector {
    fn default() -> Self {
        Self::new()
    }
}

fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::nullable(
            FILE,
            ConfigType::String,
            "Source filename. If not specified, the standard input will be used.",
        )
        .importance(Importance::High),
        ConfigKey::required(TOPIC, ConfigType::String, "The topic to publish data to.")
            .validator(Validator::Check(not_empty))
            .importance(Importance::High),
        ConfigKey::new(
            BATCH_SIZE,
            ConfigType::Int,
            "2000",
            "The maximum number of records the source task can read from the file each time it is \
             polled.",
        )
        .validator(Validator::AtLeast(1))
        .importance(Importance::Low),
    ])
}

fn not_empty(text: &str) -> std::result::Result<(), String> {
    if text.is_empty() {
        return Err("String must be non-empty".into());
    }
    Ok(())
}

/// The path of the file; none for the standard input.
fn file(config: &Config) -> Option<&str> {
    config.optional_text(FILE).filter(|file| !file.is_empty())
}

fn source_partition(file: Option<&str>) -> SourcePartition {
    SourcePartition::from([(FILENAME, json!(file))])
}

fn source_offset(position: u64) -> SourceOffset {
    SourceOffset::from([(POSITION, json!(position))])
}

/// Kafka's own class.
const KAFKAS: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

/// The version of Kafka whose connector this is: a config that asks for it (KIP-891) means this
/// one.
const KAFKA_VERSION: &str = "4.4.0";

impl Connector for FileStreamSourceConnector {
    fn classes(&self) -> &'static [&'static str] {
        &["FerruleFileStreamSource", KAFKAS]
    }

    fn task_class(&self, class: &str) -> String {
        match class {
            KAFKAS => "org.apache.kafka.connect.file.FileStreamSourceTask".to_owned(),
            _ => "FerruleFileStreamSourceTask".to_owned(),
        }
    }

    fn version(&self) -> &'static str {
        KAFKA_VERSION
    }

    fn config_def(&self) -> &ConfigDef {
        &self.config_def
    }

    /// A file has one reader.
    fn task_configs(&self, properties: &Properties, _max: usize) -> Result<Vec<Properties>> {
        Ok(vec![properties.clone()])
    }
}

impl SourceConnector for FileStreamSourceConnector {
    fn task(&self, config: &Config, _context: &SourceTaskContext) -> Result<Box<dyn SourceTask>> {
        let batch_size = usize::try_from(config.integer(BATCH_SIZE));
        let batch_size = batch_size.map_err(|e| Error::config(BATCH_SIZE).with_source(e))?;
        let task = FileStreamSourceTask::new(file(config), config.text(TOPIC), batch_size);
        Ok(Box::new(task))
    }

    /// What the standard input has given once, it does not give again.
    fn exactly_once_support(&self, config: &Config) -> ExactlyOnceSupport {
        match file(config) {
            Some(_) => ExactlyOnceSupport::Supported,
            None => ExactlyOnceSupport::Unsupported,
        }
    }

    /// Kafka's own rules and texts. A partition without an offset may be anything, so that what
    /// should not be there can be removed.
    fn check_offsets(&self, config: &Config, changes: &[SourceOffsetChange]) -> Result<()> {
        if file(config).is_none() {
            return Err(Error::config(format!(
                "Offsets cannot be modified if the '{FILE}' configuration is unspecified. This is \
                 because stdin is used for input and offsets are not tracked."
            )));
        }
        changes.iter().try_for_each(|(partition, offset)| {
            let Some(offset) = offset else { return Ok(()) };
            check_offset(partition, offset).map_err(Error::config)
        })
    }
}

fn check_offset(
    partition: &SourcePartition,
    offset: &SourceOffset,
) -> std::result::Result<(), String> {
    let position = offset.get(POSITION).ok_or_else(|| {
        format!("Offset objects should either be null or contain the key '{POSITION}'")
    })?;
    if position.as_i64().is_none() {
        return Err(format!(
            "The value for the '{POSITION}' key in the offset is expected to be a Long value"
        ));
    }
    if position.as_u64().is_none() {
        return Err(format!(
            "The value for the '{POSITION}' key in the offset should be a non-negative value"
        ));
    }
    match partition.get(FILENAME) {
        Some(Value::String(_)) => Ok(()),
        Some(_) => Err(format!(
            "The value for the '{FILENAME}' key in the partition is expected to be a string"
        )),
        None => Err(format!(
            "Partition objects should contain the key '{FILENAME}'"
        )),
    }
}
