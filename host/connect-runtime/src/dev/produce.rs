//! The records of the demo: makes the topics, registers the schemas and produces them, but for
//! those that are to be POSTed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, bail};
use connect_api::Properties;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use serde_json::Value;
use tokio::runtime::Handle;

use super::Addresses;
use crate::produce::generate::{
    ACTIONS_OF_AN_ALERT, ACTIONS_TOPIC, ACTIVITY, Alert, Bad, DECLARATIONS, Expect, Plan,
    STATUS_DECLARATION, STATUS_TOPIC, Sample, Split, TELESCOPE, USER_ACTIVITY, activity_events,
    illegal_actions, iot_measurements, operator_actions, raw_frames, raw_telemetry,
    telescope_commands, telescope_data, telescope_status, user_activity,
};
use crate::produce::made::{encoders, schema_id};
use crate::topics::file::Topic;

const TIMEOUT: Duration = Duration::from_secs(60);

/// One command, state of a telescope or raw frame for so many records of the other topics.
const FEWER: usize = 40;
/// One command out of so many is not acknowledged.
const UNANSWERED_EVERY: usize = 10;
/// One action out of so many is malformed.
const MALFORMED_ACTION_EVERY: usize = 5;
/// The actions on one alert out of so many are POSTed.
const POSTED_ALERT_EVERY: usize = 5;
/// So old are actions on alerts that there are not: nobody waits for their alerts any more.
const LONG_AGO: Duration = Duration::from_secs(600);

/// What was produced, all of it acknowledged by the broker, and what is to be POSTed.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    /// What must become of the records that were sent to a topic.
    pub direct: BTreeMap<&'static str, Split>,
    /// The records that are to be POSTed, by their topics.
    pub posts: BTreeMap<&'static str, Vec<Sample>>,
    /// Page views among all well-formed messages.
    pub page_views: u64,
    /// Commands that are not acknowledged.
    pub unanswered: u64,
    /// A ship to ask for.
    pub ship: Option<Ship>,
    /// From the first record to the last acknowledgement.
    pub elapsed: Duration,
}

/// A ship, and how many events there are of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ship {
    /// Its number.
    pub mmsi: String,
    /// In all well-formed events.
    pub events: u64,
}

/// What operators do.
#[derive(Clone, Debug)]
pub struct Acting {
    /// How many actions there are.
    pub actions: Actions,
    /// What was sent to the topic.
    pub direct: Split,
    /// What is to be POSTed, in this order.
    pub posts: Vec<Sample>,
}

/// How many actions there are of operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actions {
    /// To be taken.
    pub legal: u64,
    /// Well-formed, and not to be taken.
    pub illegal: u64,
    /// To be refused by their form.
    pub malformed: u64,
}

impl Produced {
    /// What must become of the records that were sent to a topic.
    pub fn split(&self, topic: &str) -> Split {
        self.direct.get(topic).copied().unwrap_or_default()
    }

    /// All records, those that are to be POSTed among them.
    pub fn records(&self) -> usize {
        let direct: usize = self.direct.values().map(Split::records).sum();
        direct + self.posts.values().map(Vec::len).sum::<usize>()
    }

    fn note(&mut self, sample: &Sample) {
        if matches!(sample.expect, Expect::Refused(_)) {
            return;
        }
        if sample.topic == USER_ACTIVITY.topic {
            self.page_views += u64::from(has(sample, "\"page_view\""));
        }
        if sample.topic == ACTIVITY.topic
            && let Some(ship) = &mut self.ship
        {
            ship.events += u64::from(has(sample, &ship.mmsi));
        }
    }
}

fn has(sample: &Sample, text: &str) -> bool {
    String::from_utf8_lossy(&sample.value).contains(text)
}

/// Whether the record of this index is POSTed, where its system has such a connector: one in ten,
/// and one in ten of these is malformed.
fn is_posted(index: usize) -> bool {
    index % 10 == (index / 10 + 5) % 10
}

/// Makes the topics that are missing.
pub async fn create_topics(bootstrap: &str, topics: &[Topic]) -> Result<()> {
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .create()?;
    let settings: Vec<_> = topics.iter().map(Topic::settings).collect();
    let mut wanted = Vec::new();
    for (topic, settings) in topics.iter().zip(&settings) {
        let mut new = NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(1));
        for (key, value) in settings {
            new = new.set(key, value);
        }
        wanted.push(new);
    }
    let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
    for made in admin.create_topics(&wanted, &options).await? {
        match made {
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => bail!("topic {topic}: {code}"),
        }
    }
    Ok(())
}

/// Produces the first `n` records of each of these systems, and registers their schemas. Returns
/// when the broker has acknowledged all.
pub async fn produce(
    addresses: &Addresses,
    systems: &[&'static str],
    n: usize,
) -> Result<Produced> {
    let (addresses, systems) = (addresses.clone(), systems.to_vec());
    let runtime = Handle::current();
    let sending = tokio::task::spawn_blocking(move || send(&addresses, &systems, n, &runtime));
    sending.await.context("the producer's thread panicked")?
}

fn send(
    addresses: &Addresses,
    systems: &[&'static str],
    n: usize,
    runtime: &Handle,
) -> Result<Produced> {
    let mut sender = Sender::new(&addresses.kafka)?;
    let started = Instant::now();
    let mut produced = Produced::default();
    for system in systems {
        match *system {
            "shark" => {
                produced.ship = ship(n);
                sender.with_posts(&mut produced, activity_events(n))?;
            }
            "analytics" => sender.with_posts(&mut produced, user_activity(n))?,
            "fleetops" => sender.all(&mut produced, raw_telemetry(n))?,
            "iot" => {
                sender.all(&mut produced, iot_measurements(n))?;
                sender.all(&mut produced, raw_frames(Plan::demo(fewer(n))))?;
            }
            "telescope" => telescope(&mut sender, &mut produced, addresses, n, runtime)?,
            _ => {}
        }
    }
    sender.flush()?;
    produced.elapsed = started.elapsed();
    Ok(produced)
}

fn fewer(n: usize) -> usize {
    n.div_ceil(FEWER)
}

fn telescope(
    sender: &mut Sender,
    produced: &mut Produced,
    addresses: &Addresses,
    n: usize,
    runtime: &Handle,
) -> Result<()> {
    let registry =
        Properties::from([("schema.registry.url".to_owned(), addresses.registry.clone())]);
    let schema_id = schema_id(TELESCOPE.topic, &registry, runtime)?;
    sender.all(produced, telescope_data(n, schema_id))?;
    let declarations = DECLARATIONS
        .into_iter()
        .chain([(STATUS_TOPIC, STATUS_DECLARATION)]);
    let mut encoders = encoders(declarations, &registry, runtime)?;
    let plan = Plan::demo(fewer(n));
    let unanswered = plan.records.div_ceil(UNANSWERED_EVERY);
    produced.unanswered = unanswered as u64;
    for mut sample in telescope_commands(plan, unanswered).chain(telescope_status(plan)) {
        let encoder = encoders.iter_mut().find(|(of, _)| *of == sample.topic);
        let (_, encoder) = encoder.context("a topic without a declaration")?;
        let text = String::from_utf8_lossy(&sample.value);
        let value = encoder.value(sample.topic, &text)?;
        sample.value = value.context("a value that is null")?;
        sender.all(produced, [sample])?;
    }
    Ok(())
}

/// A ship of which an event is POSTed.
fn ship(n: usize) -> Option<Ship> {
    let posted = activity_events(n).enumerate();
    let mut posted = posted.filter(|(index, it)| is_posted(*index) && it.expect == Expect::Landed);
    posted.find_map(|(_, sample)| {
        let event: Value = serde_json::from_slice(&sample.value).ok()?;
        Some(Ship {
            mmsi: event["mmsi"].as_str()?.to_owned(),
            events: 0,
        })
    })
}

/// Produces what operators do about these alerts: each is acknowledged and ended; some actions are
/// malformed, and some are not to be taken. Those on one alert out of five are to be POSTed.
pub async fn produce_actions(bootstrap: &str, alerts: Vec<Alert>) -> Result<Acting> {
    let bootstrap = bootstrap.to_owned();
    let sending = tokio::task::spawn_blocking(move || send_actions(&bootstrap, alerts));
    sending.await.context("the producer's thread panicked")?
}

fn send_actions(bootstrap: &str, alerts: Vec<Alert>) -> Result<Acting> {
    let malformed = alerts.len().div_ceil(MALFORMED_ACTION_EVERY);
    let plan = Plan {
        bad: Bad::Of(malformed),
        ..Plan::demo(alerts.len() * ACTIONS_OF_AN_ALERT + malformed)
    };
    let long_ago = SystemTime::now() - LONG_AGO;
    let long_ago = long_ago.duration_since(SystemTime::UNIX_EPOCH)?;
    let long_ago = i64::try_from(long_ago.as_millis())?;
    let mut sender = Sender::new(bootstrap)?;
    let of_posts = alerts.iter().step_by(POSTED_ALERT_EVERY);
    let of_posts: Vec<&str> = of_posts.map(|alert| &*alert.alert_id).collect();
    let (posts, legal): (Vec<Sample>, Vec<Sample>) = operator_actions(plan, alerts.clone())
        .partition(|sample| {
            sample.expect == Expect::Landed && of_posts.iter().any(|id| has(sample, id))
        });
    let mut sent = Produced::default();
    sender.all(&mut sent, legal)?;
    let first = sent.split(ACTIONS_TOPIC);
    sender.all(&mut sent, illegal_actions(plan, &alerts, long_ago))?;
    sender.flush()?;
    let direct = sent.split(ACTIONS_TOPIC);
    Ok(Acting {
        actions: Actions {
            legal: (first.landed + posts.len()) as u64,
            malformed: first.refused as u64,
            illegal: (direct.refused - first.refused) as u64,
        },
        direct,
        posts,
    })
}

/// Sends records, and counts them.
struct Sender {
    producer: BaseProducer<Acknowledged>,
    sent: usize,
    until: Instant,
}

impl Sender {
    fn new(bootstrap: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("client.id", "ferrule-demo")
            .set("compression.type", "snappy")
            .set("linger.ms", "20")
            .set("partitioner", "murmur2_random");
        Ok(Self {
            producer: config.create_with_context(Acknowledged::default())?,
            sent: 0,
            until: Instant::now() + TIMEOUT,
        })
    }

    /// Sends all.
    fn all(
        &mut self,
        produced: &mut Produced,
        samples: impl IntoIterator<Item = Sample>,
    ) -> Result<()> {
        for sample in samples {
            produced.note(&sample);
            self.enqueue(&sample)?;
            let split = produced.direct.entry(sample.topic).or_default();
            split.add(sample.expect);
        }
        Ok(())
    }

    /// Sends all but those that are to be POSTed.
    fn with_posts(
        &mut self,
        produced: &mut Produced,
        samples: impl Iterator<Item = Sample>,
    ) -> Result<()> {
        for (index, sample) in samples.enumerate() {
            if is_posted(index) {
                produced.note(&sample);
                produced.posts.entry(sample.topic).or_default().push(sample);
            } else {
                self.all(produced, [sample])?;
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, sample: &Sample) -> Result<()> {
        let mut record = BaseRecord::to(sample.topic)
            .key(sample.key.as_bytes())
            .payload(&sample.value[..]);
        record.timestamp = sample.timestamp;
        self.sent += 1;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < self.until =>
                {
                    self.producer.poll(Duration::from_millis(10));
                    record = back;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    fn flush(self) -> Result<()> {
        self.producer.flush(TIMEOUT)?;
        let acknowledged = self.producer.context().0.load(Ordering::Relaxed);
        if acknowledged < self.sent {
            bail!("{acknowledged} of {} records were acknowledged", self.sent);
        }
        Ok(())
    }
}

/// Counts what the broker acknowledged.
#[derive(Default)]
struct Acknowledged(AtomicUsize);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_ok() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use embedded::{Kafka, Registry};

    use super::super::systems::SYSTEMS;
    use super::super::topics::Topics;
    use super::*;
    use crate::topics::file;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_sample_records_are_produced_whole() {
        let kafka = Kafka::start(([127, 0, 0, 1], 0).into()).unwrap();
        let registry = Registry::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let addresses = Addresses {
            kafka: kafka.bootstrap(),
            registry: registry.url(),
            postgres: ([127, 0, 0, 1], 0).into(),
            http: ([127, 0, 0, 1], 0).into(),
            rest: String::new(),
        };
        let topics = SYSTEMS.iter().map(|system| file::parse(system.topics));
        let topics: Vec<Topic> = topics.collect::<Result<Vec<_>>>().unwrap().concat();
        let systems = SYSTEMS.map(|system| system.name);
        create_topics(&addresses.kafka, &topics).await.unwrap();
        let n = 2_000;
        let produced = produce(&addresses, &systems, n).await.unwrap();
        // Again: what is there is used, and more records follow.
        create_topics(&addresses.kafka, &topics).await.unwrap();
        produce(&addresses, &systems, n).await.unwrap();
        for topic in ["activity-events", "incoming.user_activity"] {
            assert_eq!(produced.posts[topic].len(), n / 10);
            let is_bad = |it: &&Sample| matches!(it.expect, Expect::Refused(_));
            let bad = produced.posts[topic].iter().filter(is_bad).count();
            assert_eq!(bad, n / 100);
            assert_eq!(produced.split(topic).records(), n - n / 10);
        }
        for topic in ["raw_telemetry", "telescope.data", "decoded_iot_data"] {
            assert_eq!(produced.split(topic).records(), n);
        }
        assert!(produced.ship.as_ref().is_some_and(|ship| ship.events > 0));
        let read = tokio::task::spawn_blocking(move || {
            let mut reader = Topics::open(&addresses.kafka, &topics).unwrap();
            let started = Instant::now();
            for (topic, split) in produced.direct {
                let records = 2 * split.records() as u64;
                while reader.seen.records(topic) < records && started.elapsed() < TIMEOUT {
                    std::thread::sleep(Duration::from_millis(20));
                    reader.read().unwrap();
                }
                assert_eq!(reader.seen.records(topic), records, "{topic}");
            }
        });
        read.await.unwrap();
        registry.stop().await;
        kafka.stop().await;
    }
}
