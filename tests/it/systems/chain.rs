//! FleetOps from end to end: telemetry → anomalies → alerts, through two topics, by workers that
//! are killed. What lands is what lands in peace.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::{ConnectClient, connector};
use harness::dice::Dice;
use harness::kafka::TestKafka;
use harness::names;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};

use super::fleet::{self, TABLES, action};
use super::killed::drive;

/// The connector's file that goes from topic to topic.
const TELEMETRY: &str = "fleet-anomalies.json";
const LIMIT: Duration = Duration::from_secs(90);
const PARTITIONS: i32 = 6;

/// A transaction takes a few records, and who vanishes is soon missed.
const SHORT: &[(&str, &str)] = &[
    ("consumer.override.max.poll.records", "50"),
    ("consumer.override.fetch.message.max.bytes", "10000"),
    ("consumer.override.session.timeout.ms", "1500"),
    ("consumer.override.heartbeat.interval.ms", "300"),
];

/// What both chains read.
struct Sources {
    telemetry: String,
    actions: String,
}

/// Two connectors, and the topic between them.
struct Chain {
    kafka: &'static TestKafka,
    /// The connector that finds anomalies.
    finder: String,
    /// Its topic is that of the anomalies.
    alerts: Pipeline,
}

impl Chain {
    async fn deploy(worker: &TestWorker, stem: &str, sources: &Sources) -> Result<Self> {
        let kafka = TestKafka::shared().await?;
        let alerts = Pipeline::on(worker, stem, PARTITIONS).await?;
        alerts.database.apply(TABLES).await?;
        let finder = names::unique(&format!("{stem}_finder"));
        let letters = format!("{finder}-dlq");
        let settings = [
            ("topics", sources.telemetry.as_str()),
            ("transforms.anomalies.output.topic", &alerts.name),
            ("output.topics.allow", &alerts.name),
            ("errors.deadletterqueue.topic.name", &letters),
        ];
        let body = connector(TELEMETRY, &finder, &[&settings[..], SHORT].concat())?;
        worker.rest().create(&body).await?;
        worker.rest().wait_for_state(&finder, "RUNNING").await?;
        let topics = format!("{},{}", alerts.name, sources.actions);
        let settings = [
            ("topics", topics.as_str()),
            ("transforms.alerts.anomalies.topic", &alerts.name),
            ("transforms.alerts.actions.topic", &sources.actions),
        ];
        let settings = [&settings[..], SHORT].concat();
        alerts.deploy_file(fleet::ALERTS, &settings).await?;
        Ok(Self {
            kafka,
            finder,
            alerts,
        })
    }

    /// How many records of the telemetry are done.
    async fn found(&self, sources: &Sources) -> Result<i64> {
        let group = format!("connect-{}", self.finder);
        let committed = self.kafka.committed(&group, &sources.telemetry).await?;
        Ok(committed.values().sum())
    }

    /// How many entries the history has.
    async fn steps(&self) -> Result<i64> {
        self.alerts.database.count("operator_alert_history").await
    }

    /// The anomalies, whatever their order: a tick may come a batch later.
    async fn anomalies(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for record in self.kafka.read(&self.alerts.name).await? {
            let value: Value = serde_json::from_str(&record.text())?;
            let key = record.key.unwrap_or_default();
            ensure!(value["vehicle_id"] == *String::from_utf8(key)?, "{value}");
            all.push(value.to_string());
        }
        all.sort_unstable();
        Ok(all)
    }

    /// Waits until all of the telemetry and of the anomalies is done.
    async fn settle(&self, sources: &Sources) -> Result<()> {
        let all: i64 = self
            .kafka
            .end_offsets(&sources.telemetry)
            .await?
            .values()
            .sum();
        wait_until(LIMIT, "the telemetry to be done", async || {
            whole(self.alerts.rest(), &self.finder).await?;
            let done = self.found(sources).await?;
            ensure!(done == all, "{done} of {all} are");
            Ok(true)
        })
        .await?;
        let anomalies = self.kafka.read(&self.alerts.name).await?.len();
        wait_until(LIMIT, "the alerts", async || {
            whole(self.alerts.rest(), &self.alerts.name).await?;
            let opened = self.alerts.database.count("operator_alerts").await?;
            ensure!(
                usize::try_from(opened)? == anomalies,
                "{opened} of {anomalies}"
            );
            Ok(true)
        })
        .await
    }

    /// Waits until all of the actions is done.
    async fn acted(&self, sources: &Sources) -> Result<()> {
        let ends = self.kafka.end_offsets(&sources.actions).await?;
        let all: i64 = ends.values().sum();
        wait_until(LIMIT, "the actions to be done", async || {
            whole(self.alerts.rest(), &self.alerts.name).await?;
            let done = self.actions_done(sources).await?;
            ensure!(done == all, "{done} of {all} are");
            Ok(true)
        })
        .await
    }

    async fn actions_done(&self, sources: &Sources) -> Result<i64> {
        let query = "SELECT coalesce(sum(next_offset), 0)::bigint FROM ferrule.offsets \
                     WHERE connector = $1 AND topic = $2";
        Ok(sqlx::query_scalar(query)
            .bind(&self.alerts.name)
            .bind(&sources.actions)
            .fetch_one(self.alerts.database.pool())
            .await?)
    }

    /// The ids of the actions that were refused, each at least once.
    async fn refused(&self, sources: &Sources) -> Result<BTreeSet<String>> {
        let letters = self.kafka.read(&self.alerts.dead_letter_topic()).await?;
        let mut ids = BTreeSet::new();
        for letter in letters {
            let topic = letter.header("__connect.errors.topic");
            ensure!(topic.as_ref() == Some(&sources.actions), "{topic:?}");
            let value: Value = serde_json::from_str(&letter.text())?;
            ids.insert(format!("{} {}", value["action_id"], value["action_type"]));
        }
        Ok(ids)
    }
}

/// Fails with the trace of a task that has failed: waiting on would be in vain.
async fn whole(rest: &ConnectClient, name: &str) -> Result<()> {
    match rest.trace(name).await? {
        Some(trace) => anyhow::bail!("{name} has a failed task: {trace}"),
        None => Ok(()),
    }
}

/// Operators act on alerts as the dice fall, also where they may not.
fn operate(dice: &mut Dice, alerts: &[String], from: u64, count: u64) -> Vec<Record> {
    let kinds = ["ACKNOWLEDGE", "INTERVENE", "RESOLVE", "DISMISS", "FIX"];
    let act = |number| {
        let alert = dice.below(alerts.len() as u64);
        let kind = kinds[usize::try_from(dice.below(kinds.len() as u64)).unwrap_or(0)];
        let id = alerts[usize::try_from(alert).unwrap_or(0)].as_str();
        let partition = i32::try_from(alert % 3).unwrap_or(0);
        action(from + number, id, kind).partition(partition)
    };
    (0..count).map(act).collect()
}

/// Kills the worker once there is more than there was, and starts it again. Whether it died amidst
/// the work.
async fn kill(
    worker: &mut TestWorker,
    dice: &mut Dice,
    progress: impl AsyncFn() -> Result<i64>,
    all: i64,
) -> Result<bool> {
    let before = progress().await?;
    wait_until(LIMIT, "some of it to be done", async || {
        Ok(progress().await? > before)
    })
    .await?;
    tokio::time::sleep(dice.time(50)).await;
    worker.kill()?;
    let done = progress().await?;
    println!("killed at {done} of {all}");
    worker.start_again().await?;
    Ok(done < all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_topics_that_is_killed_ends_as_one_in_peace() -> Result<()> {
    const KILLS: usize = 3;
    let mut dice = Dice::new("fleet_chain");
    let kafka = TestKafka::shared().await?;
    let sources = Sources {
        telemetry: names::unique("raw_telemetry"),
        actions: names::unique("operator_actions"),
    };
    kafka.create_topic(&sources.telemetry, PARTITIONS).await?;
    kafka.create_topic(&sources.actions, 3).await?;
    let mut worker = TestWorker::start(WorkerConfig::new(&kafka.bootstrap())?).await?;
    let calm = Chain::deploy(TestWorker::shared().await?, "chain", &sources).await?;
    let shaken = Chain::deploy(&worker, "chain_shaken", &sources).await?;

    let (mut amidst, mut index, mut all) = (0, [0; 9], 0);
    for _ in 0..KILLS {
        let portion = drive(&mut dice, 1_500, &mut index);
        all += i64::try_from(portion.len())?;
        kafka.produce(&sources.telemetry, portion).await?;
        let progress = async || shaken.found(&sources).await;
        amidst += usize::from(kill(&mut worker, &mut dice, progress, all).await?);
    }
    for chain in [&calm, &shaken] {
        chain.settle(&sources).await?;
    }
    let (expected, found) = (calm.anomalies().await?, shaken.anomalies().await?);
    ensure!(expected.len() > 100, "only {} anomalies", expected.len());
    assert_eq!(found, expected);

    let ids = "SELECT alert_id::text FROM operator_alerts ORDER BY 1";
    let ids = calm.alerts.database.texts(ids).await?;
    let ids: Vec<String> = ids.into_iter().flatten().collect();
    let count = 1_200;
    for from in (0..).step_by(count).take(KILLS) {
        let portion = operate(&mut dice, &ids, from, count as u64);
        kafka.produce(&sources.actions, portion).await?;
        let progress = async || shaken.actions_done(&sources).await;
        let all = i64::try_from(from)? + i64::try_from(count)?;
        amidst += usize::from(kill(&mut worker, &mut dice, progress, all).await?);
    }
    ensure!(
        amidst >= KILLS,
        "only {amidst} kills came in the midst of a drain"
    );
    for chain in [&calm, &shaken] {
        chain.acted(&sources).await?;
    }
    assert_same(&calm, &shaken, &sources, ids.len(), count * KILLS).await?;
    let one = json!(expected.first().context("no anomaly")?);
    ensure!(
        one.as_str()
            .is_some_and(|text| text.contains("\"evidence\":{")),
        "{one}"
    );
    Ok(())
}

/// What both chains have written is the same, and accounts for every action.
async fn assert_same(
    calm: &Chain,
    shaken: &Chain,
    sources: &Sources,
    alerts: usize,
    actions: usize,
) -> Result<()> {
    for table in ["operator_alerts", "operator_alert_history"] {
        let query = format!("SELECT * FROM {table} ORDER BY 1");
        let (expected, rows) = (
            calm.alerts.rows(&query).await?,
            shaken.alerts.rows(&query).await?,
        );
        ensure!(
            expected.len() >= alerts,
            "{table} has {} rows",
            expected.len()
        );
        assert_eq!(rows, expected, "{table}");
    }
    ensure!(
        shaken.steps().await? > i64::try_from(alerts)?,
        "nobody acted"
    );
    let refused = calm.refused(sources).await?;
    ensure!(refused.len() > 100, "only {} refused", refused.len());
    assert_eq!(shaken.refused(sources).await?, refused);
    // Each action has an entry of its own or a letter.
    let entries = shaken.steps().await? - i64::try_from(alerts)?;
    let counted = entries + i64::try_from(refused.len())?;
    ensure!(
        counted == i64::try_from(actions)?,
        "{counted} actions are accounted for"
    );
    Ok(())
}
