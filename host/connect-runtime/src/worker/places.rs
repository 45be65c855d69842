//! Tasks of a sink that wait for a partition.
//!
//! A task costs threads, descriptors and memory of the client library, and a config may ask for a
//! thousand of them where its topics have one partition. Those that could only stand by wait here
//! until there are partitions for them. A few stand by at once, for what another task gives up.

use std::collections::BTreeMap;
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use connect_api::{Error, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use regex::Regex;

use super::TaskStart;
use crate::connector_config::{ConnectorConfig, Subscription};
use crate::kafka::settings::ClientSettings;

/// Tasks that stand by, beyond those that have a partition each.
const STAND_BY: usize = 2;
/// How often the partitions are counted while tasks wait for them.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// How long Kafka may take to tell them.
const LIMIT: Duration = Duration::from_secs(5);
/// How soon a task that waits hears that it is to stop.
const TURN: Duration = Duration::from_millis(500);

/// How many partitions the topics of each connector have.
#[derive(Debug, Default)]
pub(super) struct PartitionCounts(Mutex<BTreeMap<String, Counted>>);

#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    partitions: usize,
}

/// What ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// There is work for the task, or it is to stand by.
    Free,
    /// The task is to stop.
    Stopped,
}

impl TaskStart {
    /// Waits until there is a partition for this task of a sink. Meanwhile it is RUNNING, as a task
    /// without partitions is.
    pub(super) fn wait_for_place(&self, config: &ConnectorConfig) -> Result<Place> {
        let task = usize::try_from(self.context.task).unwrap_or(usize::MAX);
        if task < STAND_BY {
            return Ok(Place::Free);
        }
        let mut paused = None;
        loop {
            if self.control.stopping() {
                return Ok(Place::Stopped);
            }
            if self.partitions(config)? + STAND_BY > task {
                return Ok(Place::Free);
            }
            if paused != Some(self.control.pausing()) {
                paused = Some(self.control.pausing());
                match self.control.pausing() {
                    true => self.reports.paused(),
                    false => self.reports.running(),
                }
            }
            std::thread::sleep(TURN);
        }
    }

    /// How many partitions there were when they were last counted; none before, and while Kafka is
    /// away.
    fn partitions(&self, config: &ConnectorConfig) -> Result<usize> {
        let mut counts = match self.counts.0.try_lock() {
            Ok(counts) => counts,
            Err(TryLockError::Poisoned(counts)) => counts.into_inner(),
            // Another task is counting.
            Err(TryLockError::WouldBlock) => return Ok(0),
        };
        let known = counts.get(&config.name).copied();
        if let Some(known) = known.filter(|known| known.at.elapsed() < COUNT_INTERVAL) {
            return Ok(known.partitions);
        }
        let settings = ClientSettings {
            worker: &self.worker,
            config,
            task: self.context.task,
        };
        let consumer = settings.consumer()?.create();
        let consumer = consumer.map_err(|_| Error::config("the settings of the consumer"))?;
        let partitions = count(&consumer, &config.subscription)
            .or(known.map(|known| known.partitions))
            .unwrap_or(0);
        let at = Instant::now();
        counts.insert(config.name.clone(), Counted { at, partitions });
        // Of connectors that are no more.
        counts.retain(|_, counted| counted.at.elapsed() < 100 * COUNT_INTERVAL);
        Ok(partitions)
    }
}

/// None when Kafka does not tell.
fn count(consumer: &BaseConsumer, subscription: &Subscription) -> Option<usize> {
    let of = |topic: Option<&str>, matches: &dyn Fn(&str) -> bool| {
        let metadata = consumer.fetch_metadata(topic, LIMIT).ok()?;
        let topics = metadata.topics().iter();
        let found = topics.filter(|topic| topic.error().is_none() && matches(topic.name()));
        Some(found.map(|topic| topic.partitions().len()).sum::<usize>())
    };
    match subscription {
        Subscription::Topics(topics) => {
            let counts = topics.iter().map(|topic| of(Some(topic), &|_| true));
            counts.sum()
        }
        Subscription::Pattern(pattern) => {
            let pattern = Regex::new(&format!("^(?:{pattern})$")).ok()?;
            of(None, &|topic| pattern.is_match(topic))
        }
    }
}
