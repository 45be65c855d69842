//! What a task's consumer subscribes to: topics, a pattern, or those topics that match a pattern
//! which the client library has no words for. For these the task asks Kafka itself which topics
//! there are, as often as the client would.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use connect_api::{Error, Result};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::metadata::MetadataTopic;
use tracing::{debug, info};

use super::context::Context;
use super::lacks::{ASK_INTERVAL, ASK_TIMEOUT};
use crate::connector_config::{Subscription, TopicPattern};

/// How often a client looks for topics that are new, unless its settings say otherwise.
const REFRESH: (&str, Duration) = (
    "topic.metadata.refresh.interval.ms",
    Duration::from_secs(300),
);

/// Subscribes a new consumer, and gives the topic that stands for the subscription, where there is
/// one, and what is to be looked at later.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the pattern cannot be followed or the client refuses.
pub(super) fn subscribe(
    consumer: &BaseConsumer<Context>,
    subscription: &Subscription,
    config: &ClientConfig,
) -> Result<(Option<String>, Option<Listed>)> {
    let invalid = |e: KafkaError| Error::config(format!("consumer: {e}"));
    match subscription {
        Subscription::Topics(topics) => {
            let names: Vec<_> = topics.iter().map(String::as_str).collect();
            consumer.subscribe(&names).map_err(invalid)?;
            Ok((topics.first().cloned(), None))
        }
        Subscription::Pattern(pattern) => {
            let pattern = TopicPattern::new(pattern);
            let pattern = pattern.map_err(|e| Error::config(format!("topics.regex: {e}")))?;
            let Some(expression) = pattern.for_client() else {
                return Ok((None, Some(Listed::new(pattern, config))));
            };
            consumer.subscribe(&[&expression]).map_err(invalid)?;
            Ok((None, None))
        }
    }
}

/// The topics that match a pattern.
pub(super) struct Listed {
    pattern: TopicPattern,
    topics: BTreeSet<String>,
    every: Duration,
    next: Instant,
}

impl Listed {
    /// Those of a consumer with these settings, which has not subscribed to anything yet.
    fn new(pattern: TopicPattern, config: &ClientConfig) -> Self {
        let (key, default) = REFRESH;
        let every = config.get(key).and_then(|millis| millis.parse().ok());
        Self {
            pattern,
            topics: BTreeSet::new(),
            every: every.map_or(default, Duration::from_millis),
            next: Instant::now(),
        }
    }

    /// Subscribes to what matches, where that is another set of topics than before. Cheap unless it
    /// is time to look. While Kafka does not answer, everything stays as it is.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fatal`] when the client refuses the topics.
    pub(super) fn look(&mut self, consumer: &BaseConsumer<Context>) -> Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        let found = self.find(consumer);
        let is_found = found.as_ref().is_some_and(|topics| !topics.is_empty());
        self.next = Instant::now() + if is_found { self.every } else { ASK_INTERVAL };
        let Some(found) = found.filter(|found| *found != self.topics) else {
            return Ok(());
        };
        info!(topics = found.len(), "the topics that match topics.regex");
        if found.is_empty() {
            consumer.unsubscribe();
        } else {
            let names: Vec<&str> = found.iter().map(String::as_str).collect();
            let refused = |e| Error::fatal("cannot subscribe to the topics").with_source(e);
            consumer.subscribe(&names).map_err(refused)?;
        }
        self.topics = found;
        Ok(())
    }

    /// The topics that match; none: Kafka does not tell.
    fn find(&self, consumer: &BaseConsumer<Context>) -> Option<BTreeSet<String>> {
        let metadata = consumer.fetch_metadata(None, ASK_TIMEOUT);
        let metadata = metadata.inspect_err(|error| debug!(%error, "no list of topics"));
        let metadata = metadata.ok()?;
        let names = metadata.topics().iter().map(MetadataTopic::name);
        let found = names.filter(|name| self.pattern.matches(name));
        Some(found.map(str::to_owned).collect())
    }
}
