//! The series of Kafka's clients: of the worker's own, and of its tasks' consumers and producers,
//! as librdkafka counts them.

mod tables;

use std::collections::BTreeMap;

use connect_kafka::{ClientNumbers, Measured, NodeNumbers, TopicNumbers, client_version};

use super::ClientKind;
use super::exposition::{Exposition, Kind, client_labels, labels};
use super::process::started_at;
use super::snapshot::Snapshot;
use super::tables::{COORDINATOR, Group};
use tables::{
    CONSUMER, CONSUMER_GROUP, Count, Counts, FETCHES, OF_ALL, OF_CONSUMERS, OF_GROUP, OF_GROUPS,
    OF_PRODUCERS, OF_WORKER, PRODUCER, PRODUCER_NODE, PRODUCER_TOPIC, TIMES_OF_CONSUMERS,
    TIMES_OF_PRODUCERS, Times, WORKER_CLIENT,
};

/// A client, and its labels by the short and the full names.
struct Client {
    measured: Measured,
    short: String,
    full: String,
}

impl Client {
    fn new(kind: &str, measured: Measured, id: Option<&str>) -> Self {
        let id = id.unwrap_or(&measured.now.client_id);
        let (short, full) = client_labels(kind, id);
        Self {
            measured,
            short,
            full,
        }
    }
}

/// The clients of the worker and of its tasks.
pub(super) fn clients(text: &mut Exposition, snapshot: &Snapshot) {
    about_the_worker(text, snapshot);
    let group = &snapshot.group;
    let own: Vec<Client> = group
        .client
        .iter()
        .map(|it| Client::new("connect", it.clone(), Some(&group.client_id)))
        .collect();
    connections(text, WORKER_CLIENT, &own);
    counts(text, WORKER_CLIENT, OF_ALL, &own);
    counts(text, WORKER_CLIENT, OF_WORKER, &own);
    counts(text, COORDINATOR, OF_GROUP, &own);
    by_debezium(text, &own, &group.client_id);
    // A client that was made anew has the id of the one before, which may still be there.
    let (mut consumers, mut producers) = (BTreeMap::new(), BTreeMap::new());
    let tasks = snapshot.tasks.iter();
    for (kind, meter) in tasks.flat_map(|it| it.meters.common().clients()) {
        let Some(measured) = meter.measured() else {
            continue;
        };
        let (name, known) = match kind {
            ClientKind::Consumer => ("consumer", &mut consumers),
            ClientKind::Producer => ("producer", &mut producers),
        };
        let client = Client::new(name, measured, None);
        known.insert(client.measured.now.client_id.clone(), client);
    }
    let consumers: Vec<Client> = consumers.into_values().collect();
    versions(text, "consumer", &consumers);
    connections(text, CONSUMER, &consumers);
    counts(text, CONSUMER, OF_ALL, &consumers);
    counts(text, CONSUMER_GROUP, OF_GROUPS, &consumers);
    let hourly = consumers.iter().map(|it| {
        let rate = it.measured.rate(|it| it.rebalances) * 3600.0;
        (it.short.as_str(), it.full.as_str(), rate)
    });
    let hourly: Vec<_> = hourly.collect();
    let help = "Rebalances of the group of the connector, in an hour.";
    text.attribute(CONSUMER_GROUP, ("rebalance-rate-per-hour", help), &hourly);
    counts(text, FETCHES, OF_CONSUMERS, &consumers);
    consumed(text, &consumers);
    times(text, FETCHES, TIMES_OF_CONSUMERS, &consumers);
    lags(text, &consumers);
    let producers: Vec<Client> = producers.into_values().collect();
    versions(text, "producer", &producers);
    connections(text, PRODUCER, &producers);
    counts(text, PRODUCER, OF_ALL, &producers);
    counts(text, PRODUCER, OF_PRODUCERS, &producers);
    times(text, PRODUCER, TIMES_OF_PRODUCERS, &producers);
    let in_flight: (&str, Count) = ("Requests that wait for their responses.", |it| it.in_flight);
    gauge(
        text,
        (PRODUCER, "requests-in-flight"),
        in_flight,
        &producers,
    );
    let age: (&str, Count) = ("Seconds since the metadata was asked for.", |it| {
        it.metadata_age
    });
    gauge(text, (PRODUCER, "metadata-age"), age, &producers);
    nodes(text, &producers);
    topics(text, &producers);
}

/// `app-info`.
fn about_the_worker(text: &mut Exposition, snapshot: &Snapshot) {
    let group = &snapshot.group;
    let started = started_at();
    let millis = started.map(|started| format!("{:.0}", started * 1000.0));
    let texts = [
        Some(("version", group.version)),
        Some(("commit_id", group.commit)),
        millis.as_deref().map(|millis| ("start_time_ms", millis)),
    ];
    // The exporters of today leave `_info` out.
    for name in ["kafka_connect_app_info", "kafka_connect_app"] {
        let help = "A text of the worker in a label of its own: version, commit_id, start_time_ms.";
        text.metric(name, Kind::Info, help);
        for known in texts.into_iter().flatten() {
            let labels = labels(&[("client_id", &group.client_id), known]);
            text.series(name, &labels, 1.0);
        }
    }
    for (name, help, label, value) in [
        (
            "kafka_connect_version_info",
            "The version of Kafka Connect that the worker stands for.",
            "version",
            group.version,
        ),
        (
            "kafka_connect_commit_id_info",
            "The version of the worker.",
            "commit_id",
            group.commit,
        ),
    ] {
        text.metric(name, Kind::Info, help);
        let id = group.client_id.as_str();
        let labels = labels(&[("clientid", id), ("client_id", id), (label, value)]);
        text.series(name, &labels, 1.0);
    }
    if let Some(started) = started {
        let name = "kafka_connect_start_time_seconds";
        text.metric(
            name,
            Kind::Gauge,
            "When the worker started, in seconds since 1970.",
        );
        let (labels, _) = client_labels("connect", &group.client_id);
        text.series(name, &labels, started);
    }
}

/// The two metrics of the worker's client that the rules of Debezium's examples name otherwise.
fn by_debezium(text: &mut Exposition, own: &[Client], id: &str) {
    let rates: [(&str, &str, Count); 2] = [
        (
            "kafka_connect_metrics_incoming_byte_rate",
            "Bytes that the client receives in a second.",
            |it| it.bytes_received,
        ),
        (
            "kafka_connect_metrics_outgoing_byte_rate",
            "Bytes that the client sends in a second.",
            |it| it.bytes_sent,
        ),
    ];
    for client in own {
        for (name, help, count) in rates {
            text.metric(name, Kind::Gauge, help);
            text.series(
                name,
                &labels(&[("client", id)]),
                client.measured.rate(count),
            );
        }
    }
}

/// `app-info` of the clients of tasks, by Confluent's rules: dashboards list the clients by it.
fn versions(text: &mut Exposition, kind: &str, clients: &[Client]) {
    if clients.is_empty() {
        return;
    }
    let version = client_version();
    for name in [
        format!("kafka_{kind}_app_info"),
        format!("kafka_{kind}_app"),
    ] {
        text.metric(
            &name,
            Kind::Info,
            "The version of librdkafka, the client's library.",
        );
        for client in clients {
            let id = client.measured.now.client_id.as_str();
            let (_, labels) = places(kind, id, &[("version", &version)]);
            text.series(&name, &labels, 1.0);
        }
    }
}

fn gauge(
    text: &mut Exposition,
    (group, attribute): (Group, &str),
    (help, value): (&str, Count),
    clients: &[Client],
) {
    let series = clients.iter();
    let series: Vec<_> = series
        .map(|it| (it.short.as_str(), it.full.as_str(), value(&it.measured.now)))
        .collect();
    text.attribute(group, (attribute, help), &series);
}

fn connections(text: &mut Exposition, group: Group, clients: &[Client]) {
    let help = "Connections of the client that are open.";
    gauge(
        text,
        (group, "connection-count"),
        (help, |it| it.connections),
        clients,
    );
}

fn counts(text: &mut Exposition, group: Group, counts: Counts, clients: &[Client]) {
    for (name, help, count) in counts {
        let of_all = (format!("{name}-total"), format!("{help}."));
        gauge(text, (group, &of_all.0), (&of_all.1, *count), clients);
        let rates = clients.iter().map(|it| {
            let rate = it.measured.rate(count);
            (it.short.as_str(), it.full.as_str(), rate)
        });
        let rates: Vec<_> = rates.collect();
        let help = format!("{help}, in a second.");
        text.attribute(group, (&format!("{name}-rate"), &help), &rates);
    }
}

fn times(text: &mut Exposition, group: Group, times: Times, clients: &[Client]) {
    for (name, what, spread) in times {
        for (part, help) in [("avg", "Average"), ("max", "Maximum")] {
            let series = clients.iter().map(|it| {
                let spread = spread(&it.measured.now);
                let value = match part {
                    "avg" => spread.map(|it| it.average),
                    _ => spread.map(|it| it.max),
                };
                let value = value.unwrap_or(f64::NAN);
                (it.short.as_str(), it.full.as_str(), value)
            });
            let series: Vec<_> = series.collect();
            let help = format!("{help} {what}.");
            text.attribute(group, (&format!("{name}-{part}"), &help), &series);
        }
    }
}

/// What the consumers have taken: all of it, and by topics.
fn consumed(text: &mut Exposition, consumers: &[Client]) {
    type OfTopic = fn(&TopicNumbers) -> f64;
    let counts: [(&str, &str, Count, OfTopic); 2] = [
        (
            "records-consumed",
            "Records that the task has taken",
            |it| it.records_received,
            |it| it.records_received,
        ),
        (
            "bytes-consumed",
            "Bytes of records that the task has taken",
            |it| it.record_bytes_received,
            |it| it.bytes_received,
        ),
    ];
    for (name, help, count, of_topic) in counts {
        let mut series = Vec::new();
        for client in consumers {
            let numbers = &client.measured.now;
            series.push((client.short.clone(), client.full.clone(), count(numbers)));
            for (topic, of) in &numbers.topics {
                let place = [("topic", topic.as_str())];
                let (short, full) = places("consumer", &numbers.client_id, &place);
                series.push((short, full, of_topic(of)));
            }
        }
        let help_of_all = format!("{help}.");
        write(
            text,
            (FETCHES, &format!("{name}-total")),
            &help_of_all,
            &series,
        );
        let rates = consumers.iter().map(|it| {
            let rate = it.measured.rate(count);
            (it.short.as_str(), it.full.as_str(), rate)
        });
        let rates: Vec<_> = rates.collect();
        let help = format!("{help}, in a second.");
        text.attribute(FETCHES, (&format!("{name}-rate"), &help), &rates);
    }
}

/// The labels of what a client has to do with a topic, a partition or a broker.
fn places(kind: &str, id: &str, places: &[(&str, &str)]) -> (String, String) {
    let with = |client: [(&str, &str); 2]| labels(&[&client[..], places].concat());
    (
        with([("clientid", id), ("client_id", id)]),
        with([("client_type", kind), ("client_id", id)]),
    )
}

/// How far behind the ends of their logs the consumers are.
fn lags(text: &mut Exposition, consumers: &[Client]) {
    let greatest = |it: &ClientNumbers| {
        let lags = it.topics.values().flat_map(|topic| topic.lag.values());
        lags.copied().fold(f64::NAN, f64::max)
    };
    let help = "Most records behind the position in a partition of the task.";
    gauge(
        text,
        (FETCHES, "records-lag-max"),
        (help, greatest),
        consumers,
    );
    let mut series = Vec::new();
    for client in consumers {
        let id = client.measured.now.client_id.as_str();
        for (topic, numbers) in &client.measured.now.topics {
            for (partition, lag) in &numbers.lag {
                let partition = partition.to_string();
                let place = [("topic", topic.as_str()), ("partition", partition.as_str())];
                let (short, full) = places("consumer", id, &place);
                series.push((short, full, *lag));
            }
        }
    }
    let help = "Records between the position of the task and the end of the partition.";
    write(text, (FETCHES, "records-lag"), help, &series);
}

fn write(
    text: &mut Exposition,
    (group, attribute): (Group, &str),
    help: &str,
    series: &[(String, String, f64)],
) {
    let series = series.iter();
    let series: Vec<_> = series
        .map(|(short, full, value)| (short.as_str(), full.as_str(), *value))
        .collect();
    text.attribute(group, (attribute, help), &series);
}

/// An attribute, its help, and which number it is.
type NamedNumber<T> = (&'static str, &'static str, fn(&T) -> f64);

fn nodes(text: &mut Exposition, producers: &[Client]) {
    let metrics: [NamedNumber<NodeNumbers>; 2] = [
        ("incoming-byte-total", "Bytes from the broker.", |it| {
            it.bytes_received
        }),
        ("outgoing-byte-total", "Bytes to the broker.", |it| {
            it.bytes_sent
        }),
    ];
    for (attribute, help, value) in metrics {
        let mut series = Vec::new();
        for client in producers {
            let id = client.measured.now.client_id.as_str();
            for (node, numbers) in &client.measured.now.nodes {
                let node = format!("node-{node}");
                let (short, _) = places("producer", id, &[("nodeid", &node)]);
                let (_, full) = places("producer", id, &[("node_id", &node)]);
                series.push((short, full, value(numbers)));
            }
        }
        write(text, (PRODUCER_NODE, attribute), help, &series);
    }
}

fn topics(text: &mut Exposition, producers: &[Client]) {
    let metrics: [NamedNumber<TopicNumbers>; 2] = [
        (
            "record-send-total",
            "Records that were sent to the topic.",
            |it| it.records_sent,
        ),
        (
            "byte-total",
            "Bytes of records that were sent to the topic.",
            |it| it.bytes_sent,
        ),
    ];
    for (attribute, help, value) in metrics {
        let mut series = Vec::new();
        for client in producers {
            let id = client.measured.now.client_id.as_str();
            for (topic, numbers) in &client.measured.now.topics {
                let (short, full) = places("producer", id, &[("topic", topic)]);
                series.push((short, full, value(numbers)));
            }
        }
        write(text, (PRODUCER_TOPIC, attribute), help, &series);
    }
}
