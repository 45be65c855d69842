//! Tasks of a sink that wait for a partition.
//!
//! A task costs threads, descriptors and memory of the client library, and a config may ask for a
//! thousand of them where its topics have one partition. Those that could only stand by wait here
//! until there are partitions for them. A few stand by at once, for what another task gives up.

use std::collections::BTreeMap;
use std::sync::{Mutex, TryLockError};
use std::time::{Duration, Instant};

use connect_api::{Error, Result};
use connect_kafka::{IgnorePartitionEof, SettingsOf, create, told_by};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::TaskStart;
use crate::connector_config::{ConnectorConfig, Subscription, TopicPattern};
use crate::kafka::settings::ClientSettings;
use crate::sink_task::consume::lacks;
use crate::task_control::Awaited;

/// Tasks that stand by, beyond those that have a partition each.
const STAND_BY: usize = 2;
/// How often the partitions are counted while tasks wait for them.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);
/// How long Kafka may take to tell them.
const LIMIT: Duration = Duration::from_secs(5);
/// How soon a task that waits hears that it is to stop.
const TURN: Duration = Duration::from_millis(500);

type LookingConsumer = BaseConsumer<IgnorePartitionEof>;

/// How many partitions the topics of each connector have.
#[derive(Debug, Default)]
pub(super) struct PartitionCounts(Mutex<BTreeMap<String, Counted>>);

#[derive(Clone, Debug)]
struct Counted {
    at: Instant,
    partitions: usize,
    /// Why there may be more: Kafka does not answer, or a topic is not there.
    lacks: Option<String>,
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
        let mut lacks = None;
        loop {
            if self.control.stopping() {
                return Ok(Place::Stopped);
            }
            if paused != Some(self.control.pausing()) {
                paused = Some(self.control.pausing());
                match self.control.pausing() {
                    true => self.reports.paused(),
                    false => self.reports.running(),
                }
            }
            if let Some(counted) = self.partitions(config)? {
                if counted.lacks != lacks {
                    match &counted.lacks {
                        Some(what) => self.reports.waiting(Awaited::Kafka, what.clone()),
                        None => self.reports.going_on(Awaited::Kafka),
                    }
                    lacks = counted.lacks;
                }
                if counted.partitions + STAND_BY > task {
                    self.reports.going_on(Awaited::Kafka);
                    return Ok(Place::Free);
                }
            }
            std::thread::sleep(TURN);
        }
    }

    /// How many partitions there were when they were last counted; none while another task counts
    /// them.
    fn partitions(&self, config: &ConnectorConfig) -> Result<Option<Counted>> {
        let mut counts = match self.counts.0.try_lock() {
            Ok(counts) => counts,
            Err(TryLockError::Poisoned(counts)) => counts.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(None),
        };
        let known = counts.get(&config.name).cloned();
        if let Some(known) = &known
            && known.at.elapsed() < COUNT_INTERVAL
        {
            return Ok(Some(known.clone()));
        }
        let settings = ClientSettings {
            worker: &self.worker,
            config,
            task: self.context.task,
        };
        let whose = SettingsOf::Connector("consumer.override.");
        let context = IgnorePartitionEof::asking(whose);
        let consumer = create::<LookingConsumer, _>(&settings.consumer()?, context);
        let consumer = consumer.map_err(|_| Error::config("the settings of the consumer"))?;
        let (partitions, lacks) = match count(&consumer, &config.subscription) {
            Some(found) => (found.partitions, lacks::told(&found.missing)),
            None => {
                let why = told_by(&consumer).unwrap_or_else(|| "Kafka does not answer".into());
                (known.map_or(0, |known| known.partitions), Some(why))
            }
        };
        let counted = Counted {
            at: Instant::now(),
            partitions,
            lacks,
        };
        counts.insert(config.name.clone(), counted.clone());
        // Of connectors that are no more.
        counts.retain(|_, counted| counted.at.elapsed() < 100 * COUNT_INTERVAL);
        Ok(Some(counted))
    }
}

/// What the topics of a connector have.
#[derive(Default)]
struct Found {
    partitions: usize,
    /// Topics that are named and are not there.
    missing: Vec<String>,
}

/// None when Kafka does not tell.
fn count(consumer: &LookingConsumer, subscription: &Subscription) -> Option<Found> {
    let of = |topic: Option<&str>, matches: &dyn Fn(&str) -> bool| {
        let metadata = consumer.fetch_metadata(topic, LIMIT).ok()?;
        let topics = metadata.topics().iter();
        let found = topics.filter(|topic| topic.error().is_none() && matches(topic.name()));
        Some(found.map(|topic| topic.partitions().len()).sum::<usize>())
    };
    let mut found = Found::default();
    match subscription {
        Subscription::Topics(topics) => {
            for topic in topics {
                match of(Some(topic), &|_| true)? {
                    0 => found.missing.push(topic.clone()),
                    partitions => found.partitions += partitions,
                }
            }
        }
        Subscription::Pattern(pattern) => {
            let pattern = TopicPattern::new(pattern).ok()?;
            found.partitions = of(None, &|topic| pattern.matches(topic))?;
        }
    }
    Some(found)
}
