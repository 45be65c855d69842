//! Reads dead letter topics, to show what was refused and why.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};

const ANSWER: Duration = Duration::from_secs(10);

/// The reasons of a dead letter topic's records, with how many there are of each, most first. A
/// batch that was given up in a rebalance leaves its letters, and is reported anew: each record
/// counts once.
pub fn read(bootstrap: &str, topic: &str) -> Result<Vec<(String, usize)>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "ferrule-dev-letters")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "20")
        .create()
        .context("cannot read dead letters")?;
    let mut reasons = BTreeMap::<String, usize>::new();
    let (low, high) = consumer.fetch_watermarks(topic, 0, ANSWER)?;
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, 0, rdkafka::Offset::Offset(low))?;
    consumer.assign(&assignment)?;
    let started = Instant::now();
    let mut seen = HashSet::new();
    let mut next = low;
    while next < high {
        ensure!(
            started.elapsed() < ANSWER * 2,
            "the dead letters of {topic} cannot be read"
        );
        let Some(message) = consumer.poll(Duration::from_millis(200)) else {
            continue;
        };
        let message = message?;
        next = message.offset() + 1;
        let place = ["topic", "partition", "offset"].map(|part| header(&message, part));
        if seen.insert(place.map(|part| part.map(<[u8]>::to_vec))) {
            *reasons.entry(reason(&message)).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Ok(reasons)
}

/// What one of Kafka Connect's headers says.
fn header<'a>(message: &'a impl Message, name: &str) -> Option<&'a [u8]> {
    let mut headers = message.headers()?.iter();
    let named = headers.find(|h| h.key.strip_prefix("__connect.errors.") == Some(name));
    named?.value
}

fn reason(message: &impl Message) -> String {
    let text = header(message, "exception.message");
    let text = text.map_or_else(|| "no reason given".into(), String::from_utf8_lossy);
    // Where exactly a text breaks off differs from record to record.
    match text.split_once(" at line ") {
        Some((what, _)) => what.to_owned(),
        None => text.into_owned(),
    }
}
