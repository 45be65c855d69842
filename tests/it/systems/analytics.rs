//! User analytics: three partitions are brought together, and each user of an interval is counted
//! once, in one table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::connect::{ConnectClient, connector};
use harness::dice::Dice;
use harness::kafka::TestKafka;
use harness::names;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};

/// The connectors' files.
const MERGE: &str = "user-activity-merge.json";
const METRICS: &str = "user-activity-metrics-sink.json";
/// The file of the table.
const TABLES: &str = "006_user_activity_metrics.sql";
/// Noon of the first of July 2024, in milliseconds.
const NOON: i64 = 1_719_835_200_000;
const LIMIT: Duration = Duration::from_secs(90);
/// Who vanishes is soon missed, and a transaction takes a few records.
const SHORT: &[(&str, &str)] = &[
    ("consumer.override.max.poll.records", "50"),
    ("consumer.override.fetch.message.max.bytes", "10000"),
    ("consumer.override.session.timeout.ms", "1500"),
    ("consumer.override.heartbeat.interval.ms", "300"),
];

/// The document's event, without a key, as its producer sends it.
fn event(user: &str, kind: &str) -> Value {
    json!({
        "user_id": user,
        "activity_type": kind,
        "timestamp": "2024-07-01T12:34:56Z",
        "metadata": { "page_url": "https://example.com/home", "referrer": "https://google.com" },
    })
}

/// A record of the topic, so many milliseconds after noon.
fn activity(user: &str, kind: &str, after: i64) -> Record {
    Record::json(&event(user, kind)).timestamp(NOON + after)
}

/// Both connectors, over a topic of three partitions. The pipeline's topic is that in which they
/// come together.
struct Analytics {
    incoming: String,
    merge: String,
    metrics: Pipeline,
    settings: Vec<(&'static str, &'static str)>,
}

impl Analytics {
    async fn deploy(
        worker: &TestWorker,
        stem: &str,
        settings: &[(&'static str, &'static str)],
    ) -> Result<Self> {
        let metrics = Pipeline::on(worker, stem, 1).await?;
        metrics.database.apply(TABLES).await?;
        let incoming = names::unique(&format!("{stem}_incoming"));
        TestKafka::shared()
            .await?
            .create_topic(&incoming, 3)
            .await?;
        let analytics = Self {
            merge: names::unique(&format!("{stem}_merge")),
            incoming,
            metrics,
            settings: settings.to_vec(),
        };
        let rest = worker.rest();
        rest.create(&analytics.merge()?).await?;
        rest.wait_for_state(&analytics.merge, "RUNNING").await?;
        let metrics = &analytics.metrics;
        metrics.deploy_file(METRICS, &analytics.settings).await?;
        Ok(analytics)
    }

    fn merge(&self) -> Result<Value> {
        let group = format!("connect-{}", self.merge);
        let letters = self.metrics.dead_letter_topic();
        let settings = [
            ("topics", self.incoming.as_str()),
            ("topic.name.format", &self.metrics.name),
            ("consumer.override.group.id", &group),
            ("errors.deadletterqueue.topic.name", &letters),
        ];
        // What is told of the plugin is for the other connector.
        let shared = self
            .settings
            .iter()
            .filter(|(key, _)| !key.starts_with("transforms."));
        let shared: Vec<_> = shared.copied().collect();
        connector(MERGE, &self.merge, &[&settings[..], &shared].concat())
    }

    async fn produce(&self, records: Vec<Record>) -> Result<()> {
        TestKafka::shared()
            .await?
            .produce(&self.incoming, records)
            .await
    }

    /// Waits until all that was produced is in the table or on its way there, by its offsets.
    async fn drained(&self) -> Result<()> {
        let kafka = TestKafka::shared().await?;
        let ends = kafka.end_offsets(&self.incoming).await?;
        wait_until(LIMIT, "all to be brought together", async || {
            let done = kafka
                .committed(&format!("connect-{}", self.merge), &self.incoming)
                .await?;
            let all = ends.iter().filter(|(_, end)| **end > 0);
            let left: Vec<_> = all
                .filter(|(at, end)| done.get(*at) != Some(*end))
                .collect();
            ensure!(left.is_empty(), "{done:?} of {ends:?}");
            Ok(true)
        })
        .await?;
        self.metrics.drained().await
    }

    /// Start, users and page views of each row, by the document's table.
    async fn rows(&self) -> Result<BTreeMap<i64, (i64, i64)>> {
        let query = "SELECT (extract(epoch FROM timestamp) * 1000)::bigint - $1, \
                     unique_users::bigint, page_view_count FROM user_activity_metrics";
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(query)
            .bind(NOON)
            .fetch_all(self.metrics.database.pool())
            .await?;
        let count = rows.len();
        let rows: BTreeMap<_, _> = rows.into_iter().map(|(at, n, m)| (at, (n, m))).collect();
        ensure!(rows.len() == count, "an interval has two rows");
        Ok(rows)
    }
}

/// What a user did: so many milliseconds after noon, who, and whether it was a page view.
type Step = (i64, u64, bool);

/// Users and page views of each interval, the plain way.
fn model(steps: &[Step], length: i64) -> BTreeMap<i64, (i64, i64)> {
    let mut intervals = BTreeMap::<i64, (BTreeSet<u64>, i64)>::new();
    for (at, user, viewed) in steps {
        let (users, views) = intervals.entry(at - at.rem_euclid(length)).or_default();
        users.insert(*user);
        *views += i64::from(*viewed);
    }
    let counted = intervals.into_iter().map(|(at, (users, views))| {
        let users = i64::try_from(users.len()).unwrap_or_default();
        (at, (users, views))
    });
    counted.collect()
}

fn record((at, user, viewed): &Step) -> Record {
    let kind = if *viewed { "page_view" } else { "click" };
    activity(&format!("user {user}"), kind, *at)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_user_of_an_interval_counts_once_whatever_the_key() -> Result<()> {
    let analytics = Analytics::deploy(TestWorker::shared().await?, "analytics", &[]).await?;
    // 240 of 40 users within one interval, and some more; half of them keyed by their users.
    let steps: Vec<Step> = (0..240u64)
        .map(|n| (i64::try_from(n).unwrap_or_default(), n % 40, n % 3 > 0))
        .chain([(31_000, 1, true), (31_001, 2, true), (29_999, 77, true)])
        .collect();
    let keyed = |(n, step): (usize, &Step)| match n % 2 {
        0 => record(step).key(step.1.to_string()),
        _ => record(step),
    };
    let mut records: Vec<_> = steps.iter().enumerate().map(keyed).collect();
    let mut broken = event("c", "page_view");
    broken["timestamp"] = json!("yesterday");
    records.push(Record::json(&broken).timestamp(NOON));
    records.push(Record::json(&json!({ "activity_type": "page_view" })).timestamp(NOON));
    analytics.produce(records).await?;
    analytics.drained().await?;
    let expected = model(&steps, 30_000);
    wait_until(LIMIT, "the rows", async || {
        let rows = analytics.rows().await?;
        ensure!(rows == expected, "{rows:?}, not {expected:?}");
        Ok(true)
    })
    .await?;
    let letters = analytics.metrics.letters().await?;
    let letters = letters.values();
    let mut reasons: Vec<_> = letters
        .filter_map(|letter| letter.header("__connect.errors.exception.message"))
        .collect();
    reasons.sort();
    ensure!(reasons.len() == 2, "{reasons:?}");
    ensure!(
        reasons[0].contains("timestamp: must be a timestamp"),
        "{reasons:?}"
    );
    ensure!(reasons[1].contains("user_id: is required"), "{reasons:?}");
    // The document's own query.
    let query = "SELECT * FROM user_activity_metrics ORDER BY created_at DESC LIMIT 10";
    let rows = analytics.metrics.rows(query).await?;
    ensure!(
        rows.iter().any(|row| row["unique_users"] == "41"),
        "{rows:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_and_silence_make_a_row() -> Result<()> {
    let settings = [("transforms.metrics.window.ms", "2000")];
    let analytics = Analytics::deploy(TestWorker::shared().await?, "silence", &settings).await?;
    analytics
        .produce(vec![Record::json(&event("12345", "page_view"))])
        .await?;
    wait_until(LIMIT, "the row", async || {
        let rows = analytics.rows().await?;
        let counted: Vec<_> = rows.into_values().collect();
        ensure!(counted == [(1, 1)], "{counted:?}");
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_worker_has_shown_all_that_it_was_told() -> Result<()> {
    let mut worker =
        TestWorker::start(WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?).await?;
    // Nothing closes but by the end of the day.
    let settings = [
        ("transforms.metrics.window.ms", "86400000"),
        ("transforms.metrics.window.messages", "100000"),
        ("transforms.metrics.tick.interval.ms", "0"),
    ];
    let analytics = Analytics::deploy(&worker, "flush", &settings).await?;
    let steps: Vec<Step> = (0..30i64)
        .map(|n| (n, n.unsigned_abs() % 7, true))
        .collect();
    analytics
        .produce(steps.iter().map(record).collect())
        .await?;
    analytics.drained().await?;
    ensure!(analytics.rows().await?.is_empty(), "nothing is over");
    // Killed, it shows nothing and loses nothing.
    worker.kill()?;
    ensure!(analytics.rows().await?.is_empty(), "it was killed");
    worker.start_again().await?;
    let rest = worker.rest();
    rest.wait_for_state(&analytics.metrics.name, "RUNNING")
        .await?;
    let more: Vec<Step> = (30..40).map(|n| (n, 100, false)).collect();
    analytics.produce(more.iter().map(record).collect()).await?;
    analytics.drained().await?;
    let status = worker.stop().await?;
    ensure!(status.success(), "{status}");
    let day = model(&[&steps[..], &more].concat(), 86_400_000);
    let shown: Vec<_> = analytics.rows().await?.into_values().collect();
    assert_eq!(shown, day.into_values().collect::<Vec<_>>());
    // What comes after it belongs to the same row.
    worker.start_again().await?;
    analytics.produce(vec![record(&(50, 101, true))]).await?;
    analytics.drained().await?;
    worker.stop().await?;
    let shown: Vec<_> = analytics.rows().await?.into_values().collect();
    assert_eq!(shown, [(9, 31)]);
    Ok(())
}

async fn whole(rest: &ConnectClient, name: &str) -> Result<()> {
    match rest.trace(name).await? {
        Some(trace) => anyhow::bail!("{name} has a failed task: {trace}"),
        None => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_that_are_killed_count_each_user_once() -> Result<()> {
    const KILLS: usize = 6;
    let mut dice = Dice::new("analytics_killed");
    let kafka = TestKafka::shared().await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?.set("session.timeout.ms", "3000");
    let mut workers = Vec::new();
    for _ in 0..3 {
        let listener = format!("http://127.0.0.1:{}", names::free_port()?);
        let one = config.clone().set("listeners", &listener);
        workers.push(TestWorker::start(one).await?);
    }
    let analytics = Analytics::deploy(&workers[0], "analytics_killed", SHORT).await?;
    let (mut steps, mut at) = (Vec::new(), 0i64);
    let done = async || -> Result<i64> { Ok(analytics.metrics.stored().await?.values().sum()) };
    for kill in 0..KILLS {
        let portion: Vec<Step> = (0..1_500)
            .map(|_| {
                at += i64::try_from(dice.below(180)).unwrap_or_default();
                // Some are late, by up to a few intervals.
                let late = i64::try_from(dice.below(60_000)).unwrap_or_default();
                let late = if dice.below(10) == 0 { late } else { 0 };
                ((at - late).max(0), dice.below(60), dice.below(3) > 0)
            })
            .collect();
        let before = done().await.unwrap_or_default();
        analytics
            .produce(portion.iter().map(record).collect())
            .await?;
        steps.extend(portion);
        wait_until(LIMIT, "some of it to be done", async || {
            Ok(done().await? > before)
        })
        .await?;
        tokio::time::sleep(dice.time(50)).await;
        workers[kill % 3].kill()?;
        workers[kill % 3].start_again().await?;
    }
    for worker in &workers {
        for name in [&analytics.merge, &analytics.metrics.name] {
            whole(worker.rest(), name).await?;
        }
    }
    analytics.drained().await?;
    // The last interval is shown by the clock: noon was long ago.
    let expected = model(&steps, 30_000);
    ensure!(expected.len() > 20, "only {} intervals", expected.len());
    wait_until(LIMIT, "the rows", async || {
        let rows = analytics.rows().await?;
        ensure!(rows == expected, "{rows:?}, not {expected:?}");
        Ok(true)
    })
    .await
}
