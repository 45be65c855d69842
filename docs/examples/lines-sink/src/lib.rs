//! The lines sink: appends texts to a file, one line for each record.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Connector, ErrantRecordReporter, Error, Importance,
    RecordBatch, Result, SinkConnector, SinkRecord, SinkTask, TaskContext, Validator,
};

const DIRECTORY: &str = "directory";

/// Writes the values of records, which are texts, to a file for each task.
#[derive(Debug)]
pub struct LinesSinkConnector {
    config_def: ConfigDef,
}

impl LinesSinkConnector {
    /// The connector.
    #[must_use]
    pub fn new() -> Self {
        let directory = ConfigKey::required(
            DIRECTORY,
            ConfigType::String,
            "The directory of the files. A task appends to NAME-TASK.txt in it.",
        );
        let directory = directory.validator(Validator::NonEmpty);
        Self {
            config_def: ConfigDef::new(vec![directory.importance(Importance::High)]),
        }
    }
}

impl Default for LinesSinkConnector {
    fn default() -> Self {
        Self::new()
    }
}

impl Connector for LinesSinkConnector {
    fn classes(&self) -> &'static [&'static str] {
        &["LinesSinkConnector"]
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn config_def(&self) -> &ConfigDef {
        &self.config_def
    }
}

impl SinkConnector for LinesSinkConnector {
    fn task(&self, config: &Config, context: &TaskContext) -> Result<Box<dyn SinkTask>> {
        let name = format!("{}-{}.txt", context.connector, context.task);
        Ok(Box::new(LinesSinkTask {
            path: Path::new(config.text(DIRECTORY)).join(name),
            file: None,
        }))
    }
}

struct LinesSinkTask {
    path: PathBuf,
    /// Opened by the first put.
    file: Option<File>,
}

impl LinesSinkTask {
    /// Appends the lines, and waits until they are on the disk.
    fn append(&mut self, lines: &str) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&self.path)?;
                self.file.insert(file)
            }
        };
        let before = file.metadata()?.len();
        let written = file
            .write_all(lines.as_bytes())
            .and_then(|()| file.sync_data());
        if written.is_err() {
            // The put is repeated as a whole.
            file.set_len(before)?;
        }
        written
    }
}

#[async_trait]
impl SinkTask for LinesSinkTask {
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        let mut lines = String::new();
        for record in batches.iter().flat_map(|batch| &batch.records) {
            match text(record) {
                Ok(text) => {
                    lines.push_str(text);
                    lines.push('\n');
                }
                Err(error) => {
                    reporter.report(record, error).await?;
                }
            }
        }
        self.append(&lines).map_err(|cause| {
            let path = self.path.display();
            Error::retriable(format!("cannot append to {path}")).with_source(cause)
        })
    }
}

/// The text of a record. The error names the record, and nothing of its value.
fn text(record: &SinkRecord) -> Result<&str> {
    let value = &record.record.value.value;
    let wrong = |what: &str| Error::data(format!("{}: the value is {what}", record.origin));
    match value.as_str() {
        None => Err(wrong(&format!("a {}, and no string", value.type_name()))),
        Some(text) if text.contains('\n') => Err(wrong("a text of several lines")),
        Some(text) => Ok(text),
    }
}
