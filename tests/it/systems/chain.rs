//! FleetOps from end to end: telemetry → anomalies → alerts, through topics, by workers that are
//! killed. What lands is what lands in peace.

mod alerts;

use anyhow::{Context, Result, ensure};
use harness::connect::connector;
use harness::dice::Dice;
use harness::kafka::TestKafka;
use harness::names;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::Value;

use super::killed::drive;
use alerts::{AlertChain, LIMIT, SHORT, action, whole};

/// The connector's file that goes from topic to topic.
const TELEMETRY: &str = "fleet-anomalies.json";
const PARTITIONS: i32 = 6;

/// What both chains read.
struct Sources {
    telemetry: String,
    actions: String,
}

/// The connector that finds anomalies, and those behind it.
struct Chain {
    kafka: &'static TestKafka,
    finder: String,
    alerts: AlertChain,
}

impl Chain {
    async fn deploy(worker: &TestWorker, stem: &str, sources: &Sources) -> Result<Self> {
        let kafka = TestKafka::shared().await?;
        let anomalies = names::unique(&format!("{stem}_anomalies"));
        kafka.create_topic(&anomalies, PARTITIONS).await?;
        let finder = names::unique(&format!("{stem}_finder"));
        let (letters, group) = (format!("{finder}-dlq"), format!("connect-{finder}"));
        let settings = [
            ("topics", sources.telemetry.as_str()),
            ("consumer.override.group.id", &group),
            ("transforms.anomalies.output.topic", &anomalies),
            // Frames wait by record time alone: by the clock, a pause of the test would be one of
            // theirs.
            ("transforms.anomalies.tick.interval.ms", "0"),
            ("output.topics.allow", &anomalies),
            ("errors.deadletterqueue.topic.name", &letters),
        ];
        let body = connector(TELEMETRY, &finder, &[&settings[..], SHORT].concat())?;
        worker.rest().create(&body).await?;
        worker.rest().wait_for_state(&finder, "RUNNING").await?;
        let alerts = AlertChain::deploy(worker, stem, &anomalies, &sources.actions, SHORT).await?;
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

    /// The messages of anomalies, whatever their order.
    async fn anomalies(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for record in self.kafka.read(&self.alerts.anomalies).await? {
            let value: Value = serde_json::from_str(&record.text())?;
            let key = record.key.unwrap_or_default();
            ensure!(value["vehicle_id"] == *String::from_utf8(key)?, "{value}");
            all.push(value);
        }
        all.sort_unstable_by_key(Value::to_string);
        Ok(all)
    }

    /// Waits until all of the telemetry and of the anomalies is done.
    async fn settle(&self, sources: &Sources) -> Result<()> {
        let ends = self.kafka.end_offsets(&sources.telemetry).await?;
        let all: i64 = ends.values().sum();
        wait_until(LIMIT, "the telemetry to be done", async || {
            whole(self.alerts.rest(), &self.finder).await?;
            let done = self.found(sources).await?;
            ensure!(done == all, "{done} of {all} are");
            Ok(true)
        })
        .await?;
        let ids = distinct(&self.anomalies().await?);
        self.alerts.opened(ids).await
    }
}

/// How many anomalies these messages are about.
fn distinct(anomalies: &[Value]) -> usize {
    let mut ids: Vec<_> = anomalies
        .iter()
        .map(|it| it["anomaly_id"].to_string())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

/// Operators act on alerts as the dice fall, also where they may not, each under a key of its own.
fn operate(dice: &mut Dice, alerts: &[String], from: u64, count: u64) -> Vec<Record> {
    let kinds = ["ACKNOWLEDGE", "INTERVENE", "RESOLVE", "DISMISS", "FIX"];
    let act = |number| {
        let alert = dice.below(alerts.len() as u64);
        let kind = kinds[usize::try_from(dice.below(kinds.len() as u64)).unwrap_or(0)];
        let id = alerts[usize::try_from(alert).unwrap_or(0)].as_str();
        action(from + number, id, kind)
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
    ensure!(expected.len() > 20, "only {} anomalies", expected.len());
    assert_eq!(found, expected);
    let one = expected.first().context("no anomaly")?.to_string();
    ensure!(one.contains("\"evidence\":{"), "{one}");

    let ids = calm.alerts.ids().await?;
    let count = 1_200;
    for from in (0..).step_by(count).take(KILLS) {
        let portion = operate(&mut dice, &ids, from, count as u64);
        kafka.produce(&sources.actions, portion).await?;
        let progress = async || shaken.alerts.actions_read().await;
        let all = i64::try_from(from)? + i64::try_from(count)?;
        amidst += usize::from(kill(&mut worker, &mut dice, progress, all).await?);
    }
    ensure!(
        amidst >= KILLS,
        "only {amidst} kills came in the midst of a drain"
    );
    for chain in [&calm, &shaken] {
        chain.alerts.accounted(count * KILLS).await?;
    }
    for table in ["operator_alerts", "operator_alert_history"] {
        let query = format!("SELECT * FROM {table} ORDER BY 1");
        // Each topic goes its own way to its table.
        wait_until(LIMIT, "the same rows", async || {
            let (rows, peaceful) = (
                shaken.alerts.rows(&query).await?,
                calm.alerts.rows(&query).await?,
            );
            let places = shaken.alerts.places().await?;
            ensure!(
                rows == peaceful,
                "{table}, {places}: {rows:?}, not {peaceful:?}"
            );
            Ok(true)
        })
        .await?;
    }
    let refused = calm.alerts.refused().await?;
    ensure!(refused.len() > 100, "only {} refused", refused.len());
    assert_eq!(shaken.alerts.refused().await?, refused);
    Ok(())
}
