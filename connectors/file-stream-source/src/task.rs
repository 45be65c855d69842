//! The task: follows one file and gives its lines.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use connect_api::{
    Datum, Error, Kind, OffsetStorageReader, Record, Result, Schema, SourcePartition, SourceRecord,
    SourceTask, Timestamp, Value,
};
use tracing::warn;

use crate::input::Input;
use crate::lines::{Lines, MAX_LINE_BYTES};
use crate::{POSITION, source_offset, source_partition};

/// How long a file that has no more lines is left alone.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long a poll waits for a line before it returns without one.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct FileStreamSourceTask {
    file: Option<String>,
    topic: Arc<str>,
    batch_size: usize,
    partition: Arc<SourcePartition>,
    schema: Arc<Schema>,
    /// None until the file exists.
    input: Option<Input>,
    lines: Lines,
    missing_logged: bool,
}

impl FileStreamSourceTask {
    pub(crate) fn new(file: Option<&str>, topic: &str, batch_size: usize) -> Self {
        Self {
            file: file.map(str::to_owned),
            topic: topic.into(),
            batch_size,
            partition: Arc::new(source_partition(file)),
            schema: Arc::new(Schema::new(Kind::String)),
            input: None,
            lines: Lines::default(),
            missing_logged: false,
        }
    }

    fn name(&self) -> &str {
        self.file.as_deref().unwrap_or("stdin")
    }

    /// Reads on; false when there is nothing to read for now.
    async fn read(&mut self) -> Result<bool> {
        if self.input.is_none() {
            self.input = Input::open(self.file.as_deref(), self.lines.position())?;
        }
        let Some(input) = &mut self.input else {
            if !std::mem::replace(&mut self.missing_logged, true) {
                warn!(file = self.name(), "waiting for the file to be created");
            }
            return Ok(false);
        };
        let read = input.read().await;
        let bytes = read.map_err(|cause| {
            let failed = Error::fatal(format!("could not read {}", self.name()));
            failed.with_source(cause).transient()
        })?;
        self.lines.extend(&bytes);
        Ok(!bytes.is_empty())
    }

    fn records(&mut self) -> Result<Vec<SourceRecord>> {
        let timestamp = now();
        let mut records = Vec::new();
        let mut replaced = None;
        while records.len() < self.batch_size {
            let start = self.lines.position();
            let Some(line) = self.lines.next() else { break };
            if line.text.contains(char::REPLACEMENT_CHARACTER) {
                replaced.get_or_insert(start);
            }
            records.push(SourceRecord {
                record: Record {
                    topic: Arc::clone(&self.topic),
                    partition: None,
                    key: Datum::NULL,
                    value: Datum::new(Arc::clone(&self.schema), Value::from(&*line.text)),
                    headers: Vec::new(),
                    timestamp,
                },
                source_partition: Arc::clone(&self.partition),
                source_offset: source_offset(line.next_position),
                own_headers: Vec::new(),
            });
        }
        if let Some(position) = replaced {
            warn!(
                file = self.name(),
                position,
                "a line has bytes that are no UTF-8, or replacement characters; the record has \
                 replacement characters in their place"
            );
        }
        if records.is_empty() && self.lines.is_too_long() {
            return Err(Error::fatal(format!(
                "{}: the line at position {} is longer than {MAX_LINE_BYTES} bytes; split it",
                self.name(),
                self.lines.position()
            )));
        }
        Ok(records)
    }
}

fn now() -> Option<Timestamp> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp(i64::try_from(since.as_millis()).ok()?))
}

#[async_trait]
impl SourceTask for FileStreamSourceTask {
    async fn start(&mut self, offsets: &dyn OffsetStorageReader) -> Result<()> {
        if self.file.is_none() {
            return Ok(());
        }
        let Some(stored) = offsets.offset(&self.partition).await? else {
            return Ok(());
        };
        let position = stored.get(POSITION).and_then(serde_json::Value::as_u64);
        let position = position.ok_or_else(|| {
            Error::config(format!(
                "the stored offset {stored} of {} has no '{POSITION}' that is a non-negative \
                 integer; stop the connector and alter or reset its offsets",
                self.partition
            ))
        })?;
        self.lines = Lines::new(position);
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        let deadline = tokio::time::Instant::now() + POLL_TIMEOUT;
        loop {
            let records = self.records()?;
            if !records.is_empty() || tokio::time::Instant::now() >= deadline {
                return Ok(records);
            }
            if !self.read().await? {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        }
    }
}
