//! A config topic that has been damaged as compaction and crashes damage it.

use std::fs::File;
use std::io::Write as _;

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::kafka_connect::KafkaConnect;
use harness::record::Record;
use harness::wait::wait_until;
use harness::{names, run};
use serde_json::{Value, json};

use super::{Cluster, LIMIT, blackhole};

fn properties(config: &Value) -> Value {
    json!({ "properties": config })
}

fn keyed(key: &str, value: &Value) -> Record {
    Record::json(value).key(key)
}

/// A record of which only the first bytes are left.
fn cut(key: &str, value: &Value) -> Record {
    let whole = value.to_string();
    Record::of(&whole.as_bytes()[..whole.len() / 2]).key(key)
}

fn deleted(key: &str) -> Record {
    Record::tombstone().key(key)
}

/// The names of the connectors of the test.
struct Names {
    /// Its tasks stand before it.
    early: String,
    /// It has a task of two.
    half: String,
    /// Its newest record is cut.
    cut: String,
    /// The config of its task is cut.
    cut_task: String,
    /// A source that Kafka Connect can run, too.
    lines: String,
    /// Deleted; its tasks were left.
    gone: String,
    /// There is nothing of it but a target state.
    state: String,
}

impl Names {
    fn new() -> Self {
        let name = |stem: &str| names::unique(&format!("damaged-{stem}"));
        Self {
            early: name("early"),
            half: name("half"),
            cut: name("cut"),
            cut_task: name("cut-task"),
            lines: name("lines"),
            gone: name("gone"),
            state: name("state"),
        }
    }

    fn live(&self) -> [&String; 5] {
        [
            &self.early,
            &self.half,
            &self.cut,
            &self.cut_task,
            &self.lines,
        ]
    }
}

fn topic_of(names: &Names, topic: &str, source: &Value) -> Vec<Record> {
    let config = |tasks| properties(&blackhole(topic, tasks));
    let committed = |count: usize| json!({ "tasks": count });
    let key = |kind: &str, name: &str| format!("{kind}-{name}");
    let task = |name: &str, number: usize| format!("task-{name}-{number}");
    let Names {
        early,
        half,
        cut: cut_one,
        cut_task,
        lines,
        gone,
        state,
    } = names;
    vec![
        keyed(&task(early, 0), &config(1)),
        keyed(&key("commit", early), &committed(1)),
        keyed(&task(gone, 0), &config(1)),
        keyed(&task(half, 1), &config(2)),
        keyed(&key("commit", half), &committed(2)),
        keyed(&key("connector", half), &config(2)),
        keyed(
            "session-key",
            &json!({
                "key": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
                "algorithm": "HmacSHA256",
                "creation-timestamp": 1,
            }),
        ),
        keyed("logger-cluster-root", &json!({ "level": "DEBUG" })),
        keyed("tasks-fencing-x", &json!({ "task-count": 1 })),
        keyed("of-another-version", &json!([1, 2, 3])),
        Record::of([0xff, 0xfe]).key([0xff, 0x00]),
        keyed("connector-", &json!({ "properties": 7 })),
        keyed(&key("connector", early), &config(1)),
        keyed(&key("connector", cut_one), &config(1)),
        cut(&key("connector", cut_one), &config(3)),
        cut(&task(cut_task, 0), &config(1)),
        keyed(&key("commit", cut_task), &committed(1)),
        keyed(&key("connector", cut_task), &config(1)),
        keyed(&key("connector", gone), &config(1)),
        deleted(&key("connector", gone)),
        deleted(&key("target-state", gone)),
        keyed(&key("commit", gone), &committed(1)),
        keyed(&key("target-state", state), &json!({ "state": "PAUSED" })),
        keyed(&task("nobody", 4_000_000), &config(1)),
        keyed(
            &key("commit", "nobody"),
            &json!({ "tasks": 4_000_000_000_u64 }),
        ),
        keyed(&key("connector", lines), &properties(source)),
    ]
}

/// The lines of all workers' logs that say this of a connector.
fn told(cluster: &Cluster<'_>, name: &str, text: &str) -> Result<usize> {
    let mut count = 0;
    for worker in &cluster.workers {
        let log = worker.log()?;
        let lines = log.lines().filter(|line| line.contains(name));
        count += lines.filter(|line| line.contains(text)).count();
    }
    Ok(count)
}

/// A cluster of three workers over a topic that was damaged before.
async fn cluster(names: &Names, topic: &str, source: &Value) -> Result<Cluster<'static>> {
    let kafka = TestKafka::shared().await?;
    let mut cluster = Cluster::none_yet(kafka)?;
    let configs = format!("{}-configs", cluster.group);
    let compact = [("cleanup.policy", "compact")];
    kafka.create_topic_with(&configs, 1, &compact).await?;
    let records = topic_of(names, topic, source);
    kafka.produce(&configs, records).await?;
    for _ in 0..3 {
        cluster.add().await?;
    }
    Ok(cluster)
}

/// Whoever lists the connectors finds those that live.
async fn all_live(rest: &ConnectClient, names: &Names) -> Result<()> {
    let mut live: Vec<_> = names.live().into_iter().cloned().collect();
    live.sort();
    wait_until(LIMIT, "the connectors that live", async || {
        let listed = rest.get("/connectors").await?;
        let mut listed: Vec<String> = serde_json::from_value(listed)?;
        listed.sort();
        ensure!(listed == live, "{listed:?}, and {live:?} are to be there");
        Ok(true)
    })
    .await
}

/// All that live run, all else is gone, and each repair is told once.
async fn mended(cluster: &Cluster<'_>, names: &Names) -> Result<()> {
    for name in names.live() {
        for worker in 0..3 {
            let rest = cluster.rest(worker);
            rest.wait_for_state(name, "RUNNING").await?;
        }
    }
    all_live(cluster.rest(2), names).await?;
    let two = cluster.rest(1).status(&names.half).await?;
    let tasks = two["tasks"].as_array().context("no tasks")?;
    ensure!(tasks.len() == 2, "{two}");
    for (name, times) in [
        (&names.half, 1),
        (&names.cut_task, 1),
        (&names.early, 0),
        (&names.gone, 0),
    ] {
        let count = told(cluster, name, "were incomplete")?;
        ensure!(count == times, "{name}: told {count} times of {times}");
    }
    let configs = format!("{}-configs", cluster.group);
    let count = told(cluster, &configs, "a record that is not understood")?;
    // Two that are cut and one of other bytes: once by each worker.
    ensure!(
        count == 9,
        "records that are passed over were told {count} times"
    );
    Ok(())
}

/// A namesake of what was deleted has nothing of it.
async fn nothing_comes_back(cluster: &Cluster<'_>, names: &Names, topic: &str) -> Result<()> {
    let gone = &names.gone;
    let body = json!({ "name": gone, "config": blackhole(topic, 2) });
    cluster.rest(0).create(&body).await?;
    cluster.rest(1).wait_for_state(gone, "RUNNING").await?;
    let tasks = format!("/connectors/{gone}/tasks");
    let tasks = cluster.rest(2).get(&tasks).await?;
    let tasks = tasks.as_array().context("no tasks")?;
    let is_new = |task: &Value| task["config"]["tasks.max"] == "2";
    ensure!(tasks.len() == 2 && tasks.iter().all(is_new), "{tasks:?}");
    cluster.rest(2).delete(gone).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_config_topic_is_mended_and_nothing_comes_back() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let (names, topic) = (Names::new(), names::unique("damaged"));
    kafka.create_topic(&topic, 3).await?;
    let file = run::folder("damaged")?.join("lines.txt");
    writeln!(File::create(&file)?, "one")?;
    let source = json!({
        "name": names.lines,
        "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
        "tasks.max": "1",
        "topic": topic,
        "file": file,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    let mut cluster = cluster(&names, &topic, &source).await?;
    mended(&cluster, &names).await?;
    nothing_comes_back(&cluster, &names, &topic).await?;

    // Whoever reads the topic anew finds nothing to mend.
    while let Some(mut worker) = cluster.workers.pop() {
        ensure!(worker.stop().await?.success());
    }
    cluster.add().await?;
    for name in names.live() {
        cluster.rest(0).wait_for_state(name, "RUNNING").await?;
    }
    all_live(cluster.rest(0), &names).await?;
    let again = told(&cluster, &names.half, "were incomplete")?;
    ensure!(again == 0, "mended twice");
    ensure!(cluster.workers.remove(0).stop().await?.success());

    let plugins = run::folder("plugins")?;
    let jvm = KafkaConnect::start(kafka, &cluster.group, &plugins).await?;
    all_live(jvm.rest(), &names).await?;
    jvm.rest().wait_for_state(&names.lines, "RUNNING").await?;
    for (name, count) in [(&names.half, 2), (&names.early, 1), (&names.cut_task, 1)] {
        let tasks = format!("/connectors/{name}/tasks");
        let tasks = jvm.rest().get(&tasks).await?;
        let read = tasks.as_array().map_or(0, Vec::len);
        ensure!(
            read == count,
            "{name}: Kafka Connect has read {read} tasks of {count}"
        );
    }
    jvm.stop().await?;
    Ok(())
}
