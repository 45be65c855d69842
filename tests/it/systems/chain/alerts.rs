//! Anomalies and actions become alerts: three connectors, from the very files.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::{ConnectClient, connector};
use harness::kafka::TestKafka;
use harness::names;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};

use super::super::fleet::{TABLES, event};

const REKEY: &str = "fleet-alerts-rekey.json";
const ALERTS: &str = "fleet-alerts-topic.json";
const SINK: &str = "fleet-alerts-sink.json";
pub const LIMIT: Duration = Duration::from_secs(120);

/// A transaction takes a few records, and who vanishes is soon missed.
pub const SHORT: &[(&str, &str)] = &[
    ("consumer.override.max.poll.records", "50"),
    ("consumer.override.fetch.message.max.bytes", "10000"),
    ("consumer.override.session.timeout.ms", "1500"),
    ("consumer.override.heartbeat.interval.ms", "300"),
];

/// Fails with the trace of a task that has failed: waiting on would be in vain.
pub async fn whole(rest: &ConnectClient, name: &str) -> Result<()> {
    match rest.trace(name).await? {
        Some(trace) => anyhow::bail!("{name} has a failed task: {trace}"),
        None => Ok(()),
    }
}

/// An action of an operator on an alert, keyed as the document keys it. Each is a millisecond later
/// than the one before.
pub fn action(number: u64, alert: &str, kind: &str) -> Record {
    let (id, millis) = (event(10, number), number % 1000);
    let (second, minute) = (number / 1000 % 60, number / 60_000);
    let message = json!({
        "action_id": id,
        "alert_id": alert,
        "vehicle_id": "scene_1_track_7",
        "operator_id": "operator_001",
        "action_type": kind,
        "processing_time": format!("2024-01-15T10:{minute:02}:{second:02}.{millis:03}Z"),
        "metadata": { "comment": "Investigating anomaly" },
    });
    Record::json(&message).key(id)
}

fn anomaly(number: u64) -> Record {
    let message = json!({
        "anomaly_id": event(9, number),
        "event_id": event(1, number),
        "vehicle_id": "scene_1_track_7",
        "event_time": "2024-01-15T10:23:45.123Z",
        "processing_time": "2024-01-15T10:23:45.130Z",
        "anomaly_type": "sudden_deceleration",
        "severity": "WARNING",
        "triggered_rule": "decel_threshold_exceeded",
        "features": { "velocity_delta": -8.5 },
        "thresholds": {},
        "evidence": { "frame_indices": [40, 41, 42] },
    });
    Record::json(&message).key("scene_1_track_7")
}

/// The connectors, and the topics between them.
pub struct AlertChain {
    kafka: &'static TestKafka,
    pub anomalies: String,
    actions: String,
    alerts_topic: String,
    rekey: String,
    decider: String,
    refusals: String,
    sink: Pipeline,
}

impl AlertChain {
    /// Over these topics of anomalies and actions.
    pub async fn deploy(
        worker: &TestWorker,
        stem: &str,
        anomalies: &str,
        actions: &str,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let kafka = TestKafka::shared().await?;
        // The pipeline's own topic is that of the alerts.
        let sink = Pipeline::on(worker, &format!("{stem}_alerts"), 3).await?;
        sink.database.apply(TABLES).await?;
        let name = |what: &str| names::unique(&format!("{stem}_{what}"));
        let chain = Self {
            kafka,
            anomalies: anomalies.to_owned(),
            actions: actions.to_owned(),
            alerts_topic: sink.name.clone(),
            rekey: name("rekey"),
            decider: name("decider"),
            refusals: name("refused"),
            sink,
        };
        let (events, history) = (name("events"), name("history"));
        for (topic, partitions) in [(&events, 1), (&history, 3), (&chain.refusals, 1)] {
            kafka.create_topic(topic, partitions).await?;
        }
        chain.bring_together(worker, &events, settings).await?;
        chain.decide(worker, &events, &history, settings).await?;
        chain.store(&history, settings).await?;
        Ok(chain)
    }

    async fn bring_together(
        &self,
        worker: &TestWorker,
        events: &str,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let topics = format!("{},{}", self.anomalies, self.actions);
        let group = format!("connect-{}", self.rekey);
        let own = [
            ("topics", topics.as_str()),
            ("consumer.override.group.id", &group),
            ("transforms.events.anomalies.topic", &self.anomalies),
            ("transforms.events.actions.topic", &self.actions),
            ("transforms.events.events.topic", events),
            ("output.topics.allow", events),
            ("errors.deadletterqueue.topic.name", &self.refusals),
        ];
        create(worker, REKEY, &self.rekey, &[&own[..], settings].concat()).await
    }

    async fn decide(
        &self,
        worker: &TestWorker,
        events: &str,
        history: &str,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let (alerts, refused) = (&self.alerts_topic, &self.refusals);
        let allow = format!("{alerts},{history},{refused}");
        let letters = format!("{}-dlq", self.decider);
        let own = [
            ("topics", events),
            ("transforms.alerts.actions.topic", &self.actions),
            ("transforms.alerts.alerts.topic", alerts),
            ("transforms.alerts.history.topic", history),
            ("transforms.alerts.refused.topic", refused),
            // On a busy machine the records of one portion come within seconds, not one.
            ("transforms.alerts.action.order.ms", "5000"),
            ("transforms.alerts.unknown.alert.wait.ms", "6000"),
            ("output.topics.allow", &allow),
            ("errors.deadletterqueue.topic.name", &letters),
        ];
        create(
            worker,
            ALERTS,
            &self.decider,
            &[&own[..], settings].concat(),
        )
        .await
    }

    async fn store(&self, history: &str, settings: &[(&str, &str)]) -> Result<()> {
        let alerts = &self.alerts_topic;
        let topics = format!("{alerts},{history}");
        let tables = format!("{alerts}:operator_alerts,{history}:operator_alert_history");
        let own = [
            ("topics", topics.as_str()),
            ("topics.to.tables.mapping", &tables),
            ("predicates.isAlert.pattern", alerts),
        ];
        self.sink
            .deploy_file(SINK, &[&own[..], settings].concat())
            .await
    }

    /// The worker's REST API.
    pub fn rest(&self) -> &ConnectClient {
        self.sink.rest()
    }

    /// The rows of a query.
    pub async fn rows(&self, query: &str) -> Result<Vec<Value>> {
        self.sink.rows(query).await
    }

    /// The ids of the alerts.
    pub async fn ids(&self) -> Result<Vec<String>> {
        let ids = "SELECT alert_id::text FROM operator_alerts ORDER BY anomaly_id";
        let ids = self.sink.database.texts(ids).await?;
        Ok(ids.into_iter().flatten().collect())
    }

    async fn whole(&self) -> Result<()> {
        for name in [&self.rekey, &self.decider, &self.sink.name] {
            whole(self.rest(), name).await?;
        }
        Ok(())
    }

    /// Waits until there are so many alerts.
    pub async fn opened(&self, count: usize) -> Result<()> {
        wait_until(LIMIT, "the alerts", async || {
            self.whole().await?;
            let opened = self.sink.database.count("operator_alerts").await?;
            ensure!(usize::try_from(opened)? == count, "{opened} of {count}");
            Ok(true)
        })
        .await
    }

    /// How many actions have been brought together.
    pub async fn actions_read(&self) -> Result<i64> {
        let group = format!("connect-{}", self.rekey);
        let committed = self.kafka.committed(&group, &self.actions).await?;
        Ok(committed.values().sum())
    }

    /// Where the table of alerts stands in its topic, for a failure.
    pub async fn places(&self) -> Result<String> {
        let query = "SELECT topic || ' ' || partition || ' ' || next_offset \
                     FROM ferrule.offsets ORDER BY 1";
        let stored = self.sink.database.texts(query).await?;
        let ends = self.kafka.end_offsets(&self.alerts_topic).await?;
        Ok(format!("{stored:?} of {ends:?}"))
    }

    async fn taken(&self) -> Result<usize> {
        let count = "SELECT count(*)::text FROM operator_alert_history WHERE action_id IS NOT NULL";
        let count = self.sink.database.texts(count).await?;
        Ok(count
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_default()
            .parse()?)
    }

    /// The actions that were refused, and why; each at least once.
    pub async fn refused(&self) -> Result<BTreeSet<String>> {
        let mut refused = BTreeSet::new();
        for letter in self.kafka.read(&self.refusals).await? {
            let topic = letter.header("__connect.errors.topic");
            ensure!(topic.as_ref() == Some(&self.actions), "{topic:?}");
            let value: Value = serde_json::from_str(&letter.text())?;
            let why = letter
                .header("__connect.errors.exception.message")
                .unwrap_or_default();
            // What is in front of the reason tells where the record was.
            let why = why.rsplit(": ").next().unwrap_or_default();
            refused.insert(format!(
                "{} {} {why}",
                value["action_id"], value["action_type"]
            ));
        }
        Ok(refused)
    }

    /// Waits until each of so many actions is in the history or refused.
    pub async fn accounted(&self, actions: usize) -> Result<()> {
        wait_until(LIMIT, "each action to be taken or refused", async || {
            self.whole().await?;
            let (taken, refused) = (self.taken().await?, self.refused().await?.len());
            ensure!(
                taken + refused == actions,
                "{taken} taken and {refused} refused, of {actions}"
            );
            Ok(true)
        })
        .await
    }
}

async fn create(
    worker: &TestWorker,
    file: &str,
    name: &str,
    settings: &[(&str, &str)],
) -> Result<()> {
    worker
        .rest()
        .create(&connector(file, name, settings)?)
        .await?;
    worker.rest().wait_for_state(name, "RUNNING").await
}

/// A chain over topics of its own, with so many alerts that are open.
async fn open(worker: &TestWorker, stem: &str, count: u64) -> Result<AlertChain> {
    let kafka = TestKafka::shared().await?;
    let name = |what: &str| names::unique(&format!("{stem}_{what}"));
    let (anomalies, actions) = (name("anomalies"), name("actions"));
    kafka.create_topic(&anomalies, 6).await?;
    kafka.create_topic(&actions, 3).await?;
    let chain = AlertChain::deploy(worker, stem, &anomalies, &actions, SHORT).await?;
    kafka.produce(&anomalies, (1..=count).map(anomaly)).await?;
    chain.opened(usize::try_from(count)?).await?;
    Ok(chain)
}

/// Three that are legal for each alert, then two that are not, in the order of time.
fn shift(ids: &[String]) -> Vec<Record> {
    let kinds = [
        "ACKNOWLEDGE",
        "INTERVENE",
        "RESOLVE",
        "ACKNOWLEDGE",
        "DISMISS",
    ];
    let all = kinds
        .iter()
        .flat_map(|kind| ids.iter().map(move |id| (id, kind)));
    (0..)
        .zip(all)
        .map(|(n, (id, kind))| action(n, id, kind))
        .collect()
}

async fn assert_shift(chain: &AlertChain, alerts: usize) -> Result<()> {
    chain.accounted(alerts * 5).await?;
    let refused = chain.refused().await?;
    let why = "is not for an alert that is RESOLVED";
    ensure!(refused.iter().all(|it| it.ends_with(why)), "{refused:?}");
    assert_eq!(refused.len(), alerts * 2);
    wait_until(LIMIT, "the last statuses", async || {
        let query = "SELECT DISTINCT alert_status || ' ' || assigned_operator_id || ' ' \
                     || (intervened_at IS NOT NULL)::text AS s FROM operator_alerts_current";
        let statuses = chain.rows(query).await?;
        ensure!(
            statuses == [json!({ "s": "RESOLVED operator_001 true" })],
            "{statuses:?}"
        );
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_with_keys_of_their_own_are_taken_in_their_turn() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let chain = open(worker, "turn", 100).await?;
    assert_first_messages(&chain).await?;
    let ids = chain.ids().await?;
    chain.kafka.produce(&chain.actions, shift(&ids)).await?;
    assert_shift(&chain, 100).await?;
    // On an alert that there is not: refused, and none is made of it.
    let strange = "00000000-0000-4000-8000-00000000abcd";
    let lost = vec![action(9_000, strange, "RESOLVE")];
    chain.kafka.produce(&chain.actions, lost).await?;
    chain.accounted(501).await?;
    let refused = chain.refused().await?;
    ensure!(
        refused
            .iter()
            .any(|it| it.ends_with("there is no such alert")),
        "{refused:?}"
    );
    chain.opened(100).await
}

/// The messages have the document's ten fields, and its key.
async fn assert_first_messages(chain: &AlertChain) -> Result<()> {
    let messages = chain.kafka.read(&chain.alerts_topic).await?;
    ensure!(messages.len() == 100, "{} messages", messages.len());
    for message in messages {
        let text = message.text();
        let value: serde_json::Map<String, Value> = serde_json::from_str(&text)?;
        let mut fields: Vec<_> = value.keys().map(String::as_str).collect();
        fields.sort_unstable();
        let expected = [
            "alert_id",
            "alert_status",
            "anomaly_id",
            "anomaly_type",
            "assigned_operator_id",
            "created_at",
            "event_time",
            "processing_time",
            "severity",
            "vehicle_id",
        ];
        assert_eq!(fields, expected);
        let key = String::from_utf8(message.key.clone().unwrap_or_default())?;
        assert_eq!(value["alert_id"], json!(key));
        assert_eq!(value["event_time"], json!("2024-01-15T10:23:45.123Z"));
        assert_eq!(value["alert_status"], json!("OPEN"));
        assert_eq!(value["assigned_operator_id"], Value::Null);
        let version = key.as_bytes().get(14).copied();
        assert_eq!(version, Some(b'4'), "the schema says uuid-v4");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_keep_their_turn_when_the_worker_is_killed() -> Result<()> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let mut worker = TestWorker::start(config).await?;
    let chain = open(&worker, "turn_killed", 100).await?;
    let ids = chain.ids().await?;
    let mut records = shift(&ids);
    let rest = records.split_off(250);
    for portion in [records, rest] {
        let before = chain.actions_read().await?;
        chain.kafka.produce(&chain.actions, portion).await?;
        wait_until(LIMIT, "some to be read", async || {
            Ok(chain.actions_read().await? > before)
        })
        .await?;
        worker.kill()?;
        println!("killed at {} read", chain.actions_read().await?);
        worker.start_again().await?;
    }
    assert_shift(&chain, 100).await
}
