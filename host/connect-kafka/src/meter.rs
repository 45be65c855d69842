//! What a client of Kafka has done so far, as librdkafka's statistics say: for the metrics of
//! whoever has the client.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect_api::mask;
use rdkafka::statistics::{Broker, Partition, Statistics, Topic, Window};

/// Microseconds of a millisecond: librdkafka measures in the former, Kafka's metrics in the latter.
const MICROS: f64 = 1000.0;

/// Statistics of a client that come sooner than this after the last are passed over: some clients
/// are asked more often, for other reasons.
const LEAST_AGE: Duration = Duration::from_secs(4);

/// Takes a client's statistics. Without `statistics.interval.ms` there are none.
#[derive(Debug, Default)]
pub struct ClientMeter(Mutex<Option<Measured>>);

/// The last statistics of a client, and the ones before.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The last.
    pub now: ClientNumbers,
    /// The ones before, and how much older they are; none: these are the first.
    pub before: Option<(ClientNumbers, Duration)>,
}

/// What one statistics of a client says. Counts are of the client's whole life.
#[derive(Clone, Debug, Default)]
pub struct ClientNumbers {
    /// `client.id`.
    pub client_id: String,
    /// How long the client was there.
    pub age: Duration,
    /// Connections that are open.
    pub connections: f64,
    /// Requests that were sent.
    pub requests: f64,
    /// Responses that were received.
    pub responses: f64,
    /// Bytes that were sent.
    pub bytes_sent: f64,
    /// Bytes that were received.
    pub bytes_received: f64,
    /// Requests that wait for their responses.
    pub in_flight: f64,
    /// Records that were handed to the application.
    pub records_received: f64,
    /// Their bytes.
    pub record_bytes_received: f64,
    /// Records that were sent.
    pub records_sent: f64,
    /// Requests that failed.
    pub request_errors: f64,
    /// Requests that were sent again.
    pub request_retries: f64,
    /// Milliseconds from a request to its response; none: there was no request lately.
    pub latency: Option<Spread>,
    /// Milliseconds that records waited in the client's queue.
    pub queued: Option<Spread>,
    /// Milliseconds that the brokers have throttled the client.
    pub throttled: Option<Spread>,
    /// Bytes of a batch of records.
    pub batch: Option<Spread>,
    /// Since when the metadata has not been asked for, in seconds.
    pub metadata_age: f64,
    /// How many requests of each kind were sent, such as `Heartbeat`.
    pub kinds: BTreeMap<String, f64>,
    /// The brokers, by their ids.
    pub nodes: BTreeMap<i32, NodeNumbers>,
    /// The topics, by name.
    pub topics: BTreeMap<String, TopicNumbers>,
    /// Rebalances of the consumer's group that it has taken part in.
    pub rebalances: f64,
}

/// What went to and from one broker.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeNumbers {
    /// Bytes to it.
    pub bytes_sent: f64,
    /// Bytes from it.
    pub bytes_received: f64,
    /// Requests to it.
    pub requests: f64,
    /// Responses from it.
    pub responses: f64,
}

/// What the client has read of or written to a topic.
#[derive(Clone, Debug, Default)]
pub struct TopicNumbers {
    /// Records that were sent.
    pub records_sent: f64,
    /// Their bytes.
    pub bytes_sent: f64,
    /// Records that were received.
    pub records_received: f64,
    /// Their bytes.
    pub bytes_received: f64,
    /// Records behind the consumer's position, for each partition that it reads.
    pub lag: BTreeMap<i32, f64>,
}

/// Values of the last interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Their average.
    pub average: f64,
    /// The greatest.
    pub max: f64,
}

/// A meter that says this until it takes statistics.
impl From<Measured> for ClientMeter {
    fn from(measured: Measured) -> Self {
        Self(Mutex::new(Some(measured)))
    }
}

/// The version of librdkafka.
pub fn client_version() -> String {
    let (_, version) = rdkafka::util::get_rdkafka_version();
    version
}

impl ClientMeter {
    /// Takes statistics in.
    pub fn take(&self, statistics: &Statistics) {
        let mut known = self.lock();
        let last = known.as_ref().map(|it| it.now.age);
        if last.is_some_and(|last| age(statistics).saturating_sub(last) < LEAST_AGE) {
            return;
        }
        let numbers = ClientNumbers::of(statistics);
        let before = known.take().map(|Measured { now, .. }| {
            let since = numbers.age.saturating_sub(now.age);
            (now, since)
        });
        *known = Some(Measured {
            now: numbers,
            before,
        });
    }

    /// What the client has done; none: it has not said yet.
    pub fn measured(&self) -> Option<Measured> {
        self.lock().clone()
    }

    /// It is whole after each of its changes.
    fn lock(&self) -> MutexGuard<'_, Option<Measured>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Measured {
    /// How much a count has grown in a second, between the last two statistics; 0 without two.
    pub fn rate(&self, count: impl Fn(&ClientNumbers) -> f64) -> f64 {
        let Some((before, since)) = &self.before else {
            return 0.0;
        };
        let seconds = since.as_secs_f64();
        if seconds <= 0.0 {
            return 0.0;
        }
        (count(&self.now) - count(before)).max(0.0) / seconds
    }
}

impl ClientNumbers {
    fn of(statistics: &Statistics) -> Self {
        let brokers = || statistics.brokers.values();
        let topics = statistics.topics.iter();
        let ages = statistics.topics.values().map(|it| it.metadata_age);
        let windows = |of: fn(&Broker) -> Option<&Window>| spread(brokers().filter_map(of), MICROS);
        let mut kinds = BTreeMap::new();
        for (kind, count) in brokers().flat_map(|it| &it.req) {
            *kinds.entry(kind.clone()).or_default() += *count as f64;
        }
        let group = statistics.cgrp.as_ref();
        Self {
            // What a config provider gave, metrics do not tell (Invariant 9).
            client_id: mask(&statistics.client_id).into_owned(),
            age: age(statistics),
            connections: brokers().filter(|it| it.state == "UP").count() as f64,
            requests: statistics.tx as f64,
            responses: statistics.rx as f64,
            bytes_sent: statistics.tx_bytes as f64,
            bytes_received: statistics.rx_bytes as f64,
            in_flight: brokers().map(|it| it.waitresp_cnt as f64).sum(),
            records_received: statistics.rxmsgs as f64,
            record_bytes_received: statistics.rxmsg_bytes as f64,
            records_sent: statistics.txmsgs as f64,
            request_errors: brokers().map(|it| it.txerrs as f64).sum(),
            request_retries: brokers().map(|it| it.txretries as f64).sum(),
            latency: windows(|it| it.rtt.as_ref()),
            queued: windows(|it| it.int_latency.as_ref()),
            throttled: spread(brokers().filter_map(|it| it.throttle.as_ref()), 1.0),
            batch: spread(statistics.topics.values().map(|it| &it.batchsize), 1.0),
            metadata_age: ages.min().map_or(0.0, |age| age as f64 / MICROS),
            kinds,
            nodes: brokers()
                .filter(|it| it.nodeid >= 0)
                .map(|it| (it.nodeid, NodeNumbers::of(it)))
                .collect(),
            topics: topics
                .map(|(name, topic)| (mask(name).into_owned(), TopicNumbers::of(topic)))
                .collect(),
            rebalances: group.map_or(0.0, |it| it.rebalance_cnt as f64),
        }
    }
}

fn age(statistics: &Statistics) -> Duration {
    Duration::from_micros(u64::try_from(statistics.age).unwrap_or(0))
}

impl NodeNumbers {
    fn of(broker: &Broker) -> Self {
        Self {
            bytes_sent: broker.txbytes as f64,
            bytes_received: broker.rxbytes as f64,
            requests: broker.tx as f64,
            responses: broker.rx as f64,
        }
    }
}

impl TopicNumbers {
    fn of(topic: &Topic) -> Self {
        let partitions = || topic.partitions.values();
        let sum = |count: fn(&Partition) -> u64| partitions().map(|it| count(it) as f64).sum();
        let lag = |(number, partition): (&i32, &Partition)| Some((*number, lag(partition)?));
        Self {
            records_sent: sum(|it| it.txmsgs),
            bytes_sent: sum(|it| it.txbytes),
            records_received: sum(|it| it.rxmsgs),
            bytes_received: sum(|it| it.rxbytes),
            lag: topic.partitions.iter().filter_map(lag).collect(),
        }
    }
}

/// As Java counts: from the next record that the application is given to the end of the log that
/// it may read. None for a partition that is not read.
fn lag(partition: &Partition) -> Option<f64> {
    if partition.fetch_state != "active" {
        return None;
    }
    // Negative: not known. The stable end is that of committed transactions.
    let known = |offset: i64| Some(offset).filter(|offset| *offset >= 0);
    let end = known(partition.ls_offset).or_else(|| known(partition.hi_offset))?;
    let position = known(partition.app_offset).or_else(|| known(partition.next_offset))?;
    Some((end - position).max(0) as f64)
}

/// What several windows say together; none when nothing was measured.
fn spread<'a>(windows: impl Iterator<Item = &'a Window>, unit: f64) -> Option<Spread> {
    let measured = windows.filter(|it| it.cnt > 0);
    let (mut sum, mut count, mut max) = (0, 0, 0);
    for window in measured {
        sum += window.sum;
        count += window.cnt;
        max = max.max(window.max);
    }
    (count > 0).then(|| Spread {
        average: sum as f64 / count as f64 / unit,
        max: max as f64 / unit,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use connect_api::keep_secrets;

    use super::*;

    fn partition(fetch_state: &str, [app, next, ls, hi]: [i64; 4]) -> Partition {
        Partition {
            fetch_state: fetch_state.to_owned(),
            app_offset: app,
            next_offset: next,
            ls_offset: ls,
            hi_offset: hi,
            ..Partition::default()
        }
    }

    #[test]
    fn the_lag_is_that_behind_the_position() {
        assert_eq!(lag(&partition("active", [7, 9, 10, 12])), Some(3.0));
        assert_eq!(lag(&partition("active", [7, 9, -1, 12])), Some(5.0));
        assert_eq!(lag(&partition("active", [-1001, 9, 10, 12])), Some(1.0));
        assert_eq!(lag(&partition("active", [-1001, -1001, 10, 12])), None);
        assert_eq!(lag(&partition("active", [7, 9, -1, -1])), None);
        assert_eq!(lag(&partition("none", [7, 9, 10, 12])), None);
        assert_eq!(lag(&partition("active", [11, 11, 10, 12])), Some(0.0));
    }

    #[test]
    fn a_rate_is_what_came_between_two_statistics() {
        let at = |seconds: i64, tx: i64| Statistics {
            client_id: "c".into(),
            age: seconds * 1_000_000,
            tx,
            brokers: HashMap::from([(
                "b".into(),
                Broker {
                    state: "UP".into(),
                    ..Broker::default()
                },
            )]),
            ..Statistics::default()
        };
        let meter = ClientMeter::default();
        assert!(meter.measured().is_none());
        meter.take(&at(10, 40));
        let first = meter.measured().unwrap();
        assert_eq!(
            (first.now.requests, first.rate(|it| it.requests)),
            (40.0, 0.0)
        );
        // One that comes at once says nothing new.
        meter.take(&at(11, 41));
        meter.take(&at(15, 60));
        let second = meter.measured().unwrap();
        assert_eq!(second.rate(|it| it.requests), 4.0);
        assert_eq!(second.now.connections, 1.0);
    }

    #[test]
    fn what_a_config_provider_gave_is_not_told() {
        keep_secrets(["of-a-provider"], &|_| false);
        let statistics = Statistics {
            client_id: "client-of-a-provider".into(),
            topics: HashMap::from([("topic-of-a-provider".into(), Topic::default())]),
            ..Statistics::default()
        };
        let numbers = ClientNumbers::of(&statistics);
        let told = format!("{numbers:?}");
        assert!(!told.contains("of-a-provider"), "{told}");
        assert!(told.contains("[hidden]"), "{told}");
    }

    #[test]
    fn windows_without_a_value_say_nothing() {
        let window = |sum, cnt, max| Window {
            sum,
            cnt,
            max,
            ..Window::default()
        };
        assert_eq!(spread([&window(0, 0, 0)].into_iter(), 1.0), None);
        let both = [&window(3000, 2, 2000), &window(3000, 1, 3000)];
        let expected = Spread {
            average: 2.0,
            max: 3.0,
        };
        assert_eq!(spread(both.into_iter(), MICROS), Some(expected));
    }
}
