//! What keeps a consumer from its records: brokers, a login, topics that are not there.

use std::time::{Duration, Instant};

use connect_kafka::{ClientErrors, SettingsOf};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::context::Context;
use crate::connector_config::{Subscription, TopicPattern};

/// How often Kafka is asked again for a topic that was not there.
pub(super) const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// How long it may take to answer.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_millis(200);
/// After so long without a partition, the topics of a pattern are looked at.
const PATTERN_AFTER: Duration = Duration::from_secs(3);

/// What a task's consumer is known to lack.
pub(super) struct Lacks {
    pattern: Option<TopicPattern>,
    next: Instant,
    /// What was found when the topics were last looked at.
    found: Option<String>,
}

/// The errors of a task's consumer.
pub(super) fn errors() -> ClientErrors {
    let settings = SettingsOf::Connector("consumer.override.");
    ClientErrors::with_settings("a task's consumer", settings)
}

impl Lacks {
    pub(super) fn new(subscription: &Subscription) -> Self {
        let pattern = match subscription {
            Subscription::Topics(_) => None,
            Subscription::Pattern(pattern) => TopicPattern::new(pattern).ok(),
        };
        Self {
            pattern,
            next: Instant::now() + PATTERN_AFTER,
            found: None,
        }
    }

    /// What the consumer lacks, in plain words. Cheap where it lacks nothing: Kafka is asked for
    /// topics that it has said it does not have, and by a consumer of a pattern that has no
    /// partition.
    pub(super) fn look(
        &mut self,
        consumer: &BaseConsumer<Context>,
        has_partitions: bool,
    ) -> Option<String> {
        let context = consumer.client().context();
        if let Some(trouble) = context.errors.trouble() {
            return Some(trouble);
        }
        let misses = context.misses_topics();
        let waits_for_match = self.pattern.is_some() && !has_partitions;
        if !misses && !waits_for_match {
            self.found = None;
            return None;
        }
        if Instant::now() >= self.next {
            self.found = None;
            if misses {
                self.found = missing(consumer);
            } else if let Some(pattern) = &self.pattern {
                self.found = unmatched(consumer, pattern);
            }
            self.next = Instant::now() + ASK_INTERVAL;
        }
        self.found.clone()
    }
}

fn missing(consumer: &BaseConsumer<Context>) -> Option<String> {
    let context = consumer.client().context();
    let mut missing = Vec::new();
    for topic in context.missing_topics() {
        // What is not answered may still be missing.
        let is_there = consumer.fetch_metadata(Some(&topic), ASK_TIMEOUT);
        let is_there = is_there.is_ok_and(|metadata| {
            let mut topics = metadata.topics().iter();
            topics.any(|t| t.error().is_none() && !t.partitions().is_empty())
        });
        match is_there {
            true => context.topic_is_there(&topic),
            false => missing.push(topic),
        }
    }
    told(&missing)
}

/// What is told of topics that are not there; none: all are.
pub(crate) fn told(missing: &[String]) -> Option<String> {
    match missing {
        [] => None,
        [topic] => Some(format!(
            "topic {topic} does not exist; the task reads it when it is there: create it, or check \
             topics"
        )),
        topics => Some(format!(
            "these topics do not exist; the task reads them when they are there: create them, or \
             check topics: {}",
            topics.join(", ")
        )),
    }
}

fn unmatched(consumer: &BaseConsumer<Context>, pattern: &TopicPattern) -> Option<String> {
    let metadata = consumer.fetch_metadata(None, ASK_TIMEOUT).ok()?;
    let mut topics = metadata.topics().iter();
    let matches = topics.any(|topic| topic.error().is_none() && pattern.matches(topic.name()));
    (!matches).then(|| {
        format!(
            "no topic matches topics.regex={}; the task reads those that are made later",
            pattern.text()
        )
    })
}
