//! A heavy neighbour: records of 100 MB, rows of 5,000 fields, and a plugin that floods the log,
//! each beside a normal connector of the same worker.
//!
//! The normal connector loses and doubles nothing, and the worker's memory stays within what its
//! options allow. How many of its rows/s it keeps is printed here, and measured by
//! `make bench-hostile`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::worker::{TestWorker, WorkerConfig};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

/// Bytes of one large record. The broker takes a request of 100 MiB.
const LARGE: usize = 100_000_000;
/// `ferrule.record.memory.max.bytes`: the data of one record, beside its own bytes.
const RECORD_MEMORY_MIB: u64 = 256;
/// What the worker may take beside its start: the bytes of a large record as the client has them,
/// as an answer and as records, and as the task has them; and three times the data of a record:
/// the one being made, those that wait for the sink, and the rows of a transaction.
const MOST_MIB: u64 = 3 * 100 + 3 * RECORD_MEMORY_MIB;
/// How long the normal connector is looked at without a neighbour.
const BEFORE: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(300);

/// A worker with a normal connector.
struct Stand {
    worker: TestWorker,
    pid: u32,
    normal: Ledger<'static>,
    before_mib: u64,
}

impl Stand {
    async fn start(stem: &str) -> Result<Self> {
        let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
        let memory = (RECORD_MEMORY_MIB << 20).to_string();
        let config = config
            .set("ferrule.record.memory.max.bytes", &memory)
            .set("offset.flush.interval.ms", "100");
        let worker = TestWorker::start(config).await?;
        let pid = worker.pid().context("the worker is not running")?;
        let normal = Ledger::shared(stem, 1).await?;
        normal.deploy(worker.rest(), &[]).await?;
        normal.produce(10).await?;
        normal.complete(worker.rest()).await?;
        Ok(Self {
            before_mib: memory_mib(pid, "VmRSS")?,
            worker,
            pid,
            normal,
        })
    }

    /// Rows a second of the normal connector while something is done.
    async fn rate(&self, work: impl Future<Output = Result<()>>) -> Result<f64> {
        let (rows, began) = (self.normal.rows().await?, Instant::now());
        work.await?;
        let rows = self.normal.rows().await? - rows;
        Ok(f64::from(i32::try_from(rows)?) / began.elapsed().as_secs_f64())
    }

    /// The neighbour drains its topic, and the normal connector goes on.
    async fn beside(
        &self,
        neighbour: &Pipeline,
        work: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let work = async {
            let pause = async {
                tokio::time::sleep(BEFORE).await;
                Ok(())
            };
            let alone = self.rate(pause).await?;
            std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?;
            let beside = self.rate(work).await?;
            println!(
                "{}: the normal connector had {alone:.0} rows/s alone and {beside:.0} beside it, \
                 {:.2} of that",
                neighbour.name,
                beside / alone
            );
            Ok(())
        };
        self.normal.meanwhile(work).await?;
        self.normal.complete(self.worker.rest()).await?;
        let peak = memory_mib(self.pid, "VmHWM")?;
        println!("RSS {} MiB before, {peak} MiB at most", self.before_mib);
        let most = self.before_mib + MOST_MIB;
        ensure!(peak < most, "{peak} MiB at most, more than {most}");
        Ok(())
    }
}

/// MiB that the kernel tells of the process.
fn memory_mib(pid: u32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.context("no such line")?.parse::<u64>()? / 1024)
}

/// Waits until all of the topic is written or errant.
async fn drained(pipeline: &Pipeline) -> Result<()> {
    let (sent, until) = (pipeline.produced().await?, Instant::now() + LIMIT);
    loop {
        if let Some(trace) = pipeline.trace().await? {
            bail!("the task has failed: {trace}");
        }
        let stored = pipeline.stored().await.unwrap_or_default();
        if stored.values().sum::<i64>() == sent {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{stored:?} of {sent} are done");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_100_mb_are_written_beside_a_normal_connector() -> Result<()> {
    const RECORDS: i64 = 4;
    let stand = Stand::start("beside_large").await?;
    let kafka = TestKafka::shared().await?;
    let large = Pipeline::on(&stand.worker, "large", 1).await?;
    kafka.delete_topic(&large.name).await?;
    let most = ("max.message.bytes", "104857600");
    let topic = format!("{}-raised", large.name);
    kafka.create_topic_with(&topic, 1, &[most]).await?;
    let table = "CREATE TABLE large (t text, n int)";
    large.database.execute(table).await?;
    let producer: FutureProducer = kafka
        .client()
        .set("message.max.bytes", "104000000")
        .create()?;
    let mut payload = String::with_capacity(LARGE);
    payload.push_str("{\"n\":7,\"t\":\"");
    payload.extend(std::iter::repeat_n('x', LARGE - payload.len() - 2));
    payload.push_str("\"}");
    for _ in 0..RECORDS {
        let record: FutureRecord<'_, str, str> = FutureRecord::to(&topic).payload(&payload);
        let sent = producer.send(record, Duration::from_secs(60)).await;
        sent.map_err(|(error, _)| error)?;
    }
    drop((producer, payload));
    let settings = [
        ("topics", topic.as_str()),
        ("table.name.format", "large"),
        ("pk.mode", "none"),
        ("consumer.override.max.partition.fetch.bytes", "104857600"),
    ];
    let written = "SELECT count(*)::text FROM large WHERE n = 7 AND length(t) > 99000000";
    let work = async {
        large.create(&settings).await?;
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(trace) = large.trace().await? {
                bail!("the task has failed: {trace}");
            }
            let found = large.database.texts(written).await?;
            if found == [Some(RECORDS.to_string())] {
                return Ok(());
            }
            ensure!(Instant::now() < until, "{found:?} of {RECORDS} are written");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    stand.beside(&large, work).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_5000_fields_are_written_beside_a_normal_connector() -> Result<()> {
    const FIELDS: usize = 5_000;
    // Postgres has 1,600 columns at most; what has none is passed over.
    const COLUMNS: usize = 1_500;
    let stand = Stand::start("beside_wide").await?;
    let wide = Pipeline::on(&stand.worker, "wide", 1).await?;
    let mut table = "CREATE TABLE wide (c0 int".to_owned();
    for number in 1..COLUMNS {
        write!(table, ", c{number} int")?;
    }
    wide.database.execute(&format!("{table})")).await?;
    let fields = (0..FIELDS).map(|number| (format!("c{number}"), json!(number)));
    let row = Record::json(&serde_json::Value::Object(fields.collect()));
    wide.produce(std::iter::repeat_n(row, 500)).await?;
    let settings = [
        ("table.name.format", "wide"),
        ("pk.mode", "none"),
        ("unknown.fields", "ignore"),
    ];
    Box::pin(stand.beside(&wide, deployed(&wide, &settings))).await?;
    let found = wide
        .database
        .texts("SELECT count(*)::text FROM wide WHERE c1499 = 1499")
        .await?;
    ensure!(found == [Some("500".to_owned())], "{found:?} rows");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_floods_the_log_does_not_fill_it() -> Result<()> {
    let stand = Stand::start("beside_flood").await?;
    let flood = Pipeline::on(&stand.worker, "flood", 1).await?;
    let table = "CREATE TABLE flood (cmd text)";
    flood.database.execute(table).await?;
    let record = Record::json(&json!({ "cmd": "log:10000" }));
    flood.produce(std::iter::repeat_n(record, 300)).await?;
    let settings = [
        ("table.name.format", "flood"),
        ("pk.mode", "none"),
        ("transforms", "guest"),
        ("transforms.guest.type", "test-guest"),
    ];
    let (began, before) = (Instant::now(), stand.worker.log()?.len());
    Box::pin(stand.beside(&flood, deployed(&flood, &settings))).await?;
    let written = stand.worker.log()?.len() - before;
    let seconds = began.elapsed().as_secs() + 2;
    println!("3,000,000 lines of a plugin became {written} bytes of the log in {seconds} s");
    // 100 lines a second of at most 1,024 bytes each, and as much again for whose they are.
    let most = usize::try_from(seconds)? * 100 * 2_048;
    ensure!(written < most, "{written} bytes of the log");
    Ok(())
}

/// Deploys a neighbour and waits until it has drained its topic.
async fn deployed(neighbour: &Pipeline, settings: &[(&str, &str)]) -> Result<()> {
    neighbour.deploy(settings).await?;
    drained(neighbour).await
}
