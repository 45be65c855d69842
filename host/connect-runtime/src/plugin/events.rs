//! What happens to records on their way through a plugin, as in a task: by batches of one
//! partition, each followed by its tick and then made durable.

use std::sync::Arc;

use anyhow::Result;
use connect_api::{
    Error, Offset, Origin, Outcome, Record, SinkRecord, Tick, TickReason, TopicPartition,
    Transformation,
};
use serde_json::{Value as Json, json};

use super::json;
use super::records::Sample;

/// One thing that happened.
pub enum Event {
    /// A converter refused a record, so that no plugin saw it.
    Unconverted {
        /// Its partition.
        topic_partition: Arc<TopicPartition>,
        /// Its offset.
        offset: Offset,
        /// Why.
        reason: String,
    },
    /// A record went through the plugin.
    Transformed {
        /// As it was.
        record: SinkRecord,
        /// What became of it.
        fate: Fate,
    },
    /// The plugin emitted records at the end of a batch.
    Ticked {
        /// Its partition.
        topic_partition: Arc<TopicPartition>,
        /// The offset of the batch's last record.
        offset: Offset,
        /// What it emitted.
        records: Vec<Record>,
    },
}

/// What became of a record.
pub enum Fate {
    /// It goes on as it was.
    Kept,
    /// It goes no further.
    Dropped,
    /// These take its place.
    Replaced(Vec<Record>),
    /// It is an errant record.
    Failed(Box<Error>),
}

/// Lets the plugin transform the samples.
pub fn run(
    transform: &mut dyn Transformation,
    samples: Vec<Sample>,
    batch: usize,
) -> Result<Vec<Event>> {
    let mut events = Vec::with_capacity(samples.len());
    let mut samples = samples.into_iter().peekable();
    while let Some(first) = samples.next() {
        let topic_partition = Arc::clone(&first.topic_partition);
        let mut last_offset = first.raw.offset;
        let mut records = Vec::new();
        let mut refused = Vec::new();
        let mut next = Some(first);
        while let Some(sample) = next {
            last_offset = sample.raw.offset;
            match sample.record {
                Ok(record) => records.push(record),
                Err(error) => refused.push((sample.raw.offset, error.chain())),
            }
            let full = records.len() >= batch.max(1);
            next = samples.next_if(|sample| !full && sample.topic_partition == topic_partition);
        }
        apply(transform, &topic_partition, records, refused, &mut events)?;
        // What a sink would write.
        transform.state_changes(&topic_partition);
        transform.durable(&topic_partition, last_offset.next());
    }
    Ok(events)
}

fn apply(
    transform: &mut dyn Transformation,
    topic_partition: &Arc<TopicPartition>,
    records: Vec<SinkRecord>,
    refused: Vec<(Offset, String)>,
    events: &mut Vec<Event>,
) -> Result<()> {
    let mut changed = records.clone();
    let outcomes = transform.apply(topic_partition, &mut changed)?;
    let ticked = match records.last() {
        Some(last) => {
            let tick = Tick {
                next_offset: last.origin.offset.next(),
                reason: TickReason::Batch,
            };
            Some((last.origin.offset, transform.tick(topic_partition, tick)?))
        }
        None => None,
    };
    let mut refused = refused.into_iter().peekable();
    let unconverted = |(offset, reason)| Event::Unconverted {
        topic_partition: Arc::clone(topic_partition),
        offset,
        reason,
    };
    for ((record, changed), outcome) in records.into_iter().zip(changed).zip(outcomes) {
        while let Some(refused) = refused.next_if(|(offset, _)| *offset < record.origin.offset) {
            events.push(unconverted(refused));
        }
        let fate = match outcome {
            Outcome::Keep => Fate::Kept,
            Outcome::Change => Fate::Replaced(vec![changed.record]),
            Outcome::Drop => Fate::Dropped,
            Outcome::Replace(records) => Fate::Replaced(records),
            Outcome::Fail(error) => Fate::Failed(Box::new(error)),
        };
        events.push(Event::Transformed { record, fate });
    }
    events.extend(refused.map(unconverted));
    if let Some((offset, records)) = ticked.filter(|(_, records)| !records.is_empty()) {
        events.push(Event::Ticked {
            topic_partition: Arc::clone(topic_partition),
            offset,
            records,
        });
    }
    Ok(())
}

impl Event {
    /// The line of a golden file.
    pub fn golden(&self, plugin: &str) -> Json {
        let all = |records: &[Record]| -> Vec<Json> { records.iter().map(json::record).collect() };
        match self {
            Self::Unconverted { .. } => {
                json!({ "record": self.place(), "outcome": "unconverted", "reason": self.reason(plugin) })
            }
            Self::Transformed { fate, .. } => match fate {
                Fate::Kept => json!({ "record": self.place(), "outcome": "keep" }),
                Fate::Dropped => json!({ "record": self.place(), "outcome": "drop" }),
                Fate::Replaced(records) => {
                    json!({ "record": self.place(), "outcome": "replace", "with": all(records) })
                }
                Fate::Failed(_) => {
                    json!({ "record": self.place(), "outcome": "fail", "reason": self.reason(plugin) })
                }
            },
            Self::Ticked { records, .. } => {
                json!({ "tick": self.place(), "emits": all(records) })
            }
        }
    }

    /// Where it happened: topic, partition and offset.
    pub fn place(&self) -> String {
        match self {
            Self::Unconverted {
                topic_partition,
                offset,
                ..
            }
            | Self::Ticked {
                topic_partition,
                offset,
                ..
            } => {
                format!("{topic_partition}@{offset}")
            }
            Self::Transformed { record, .. } => {
                let Origin {
                    topic_partition,
                    offset,
                } = &record.origin;
                format!("{topic_partition}@{offset}")
            }
        }
    }

    /// Why the record failed, if it did. The plugin's own name and version need not be said.
    pub fn reason(&self, plugin: &str) -> Option<String> {
        match self {
            Self::Unconverted { reason, .. } => Some(reason.clone()),
            Self::Transformed {
                fate: Fate::Failed(error),
                ..
            } => {
                let reason = error.chain();
                let own = reason.strip_prefix(&format!("plugin {plugin}"));
                let own = own.map(|rest| rest.trim_start_matches([':', ' ']).to_owned());
                Some(own.unwrap_or(reason))
            }
            _ => None,
        }
    }
}
