//! Writes statuses, so that the herder need not wait for Kafka.

use std::time::Duration;

use connect_api::Result;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::warn;

use crate::storage::{BackingStore, StoredRecord, highest_generation};

/// Statuses that wait to be written.
const WAITING: usize = 10_000;
/// What the last ones have at the end.
const LAST: Duration = Duration::from_secs(2);

/// Owns the status topic.
pub(super) struct StatusWriter {
    records: mpsc::Sender<StoredRecord>,
    writing: JoinHandle<()>,
}

impl StatusWriter {
    /// Reads the topic and starts to write; with the highest generation that it names.
    pub(super) async fn start(mut store: Box<dyn BackingStore>) -> Result<(Self, u64)> {
        let generation = highest_generation(&store.start().await?);
        let (records, mut waiting) = mpsc::channel::<StoredRecord>(WAITING);
        let writing = tokio::spawn(async move {
            loop {
                tokio::select! {
                    record = waiting.recv() => {
                        let Some(record) = record else { return };
                        let key = record.key.clone();
                        if let Err(cause) = store.write(record).await {
                            warn!(key, error = %cause.chain(), "could not write a status");
                        }
                    }
                    // What others write is read so that the reader does not stand still.
                    _ = store.next() => {}
                }
            }
        });
        Ok((Self { records, writing }, generation))
    }

    /// Has a status written; no value is a tombstone.
    pub(super) fn put(&self, key: String, value: Option<Value>) {
        if let Err(full) = self.records.try_send(StoredRecord { key, value }) {
            warn!(error = %full, "a status is not written: Kafka is too slow");
        }
    }

    /// Waits until what was put is written.
    pub(super) async fn finish(self) {
        drop(self.records);
        if tokio::time::timeout(LAST, self.writing).await.is_err() {
            warn!("the last statuses were not written in time");
        }
    }
}
