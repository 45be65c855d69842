//! Records that are made to take memory, time or a panic: each is written or errant, the worker
//! lives, and its memory comes back.
//!
//! `FERRULE_HOSTILE_RECORDS` is how many of each format (400), `FERRULE_HOSTILE_SEED` the seed that
//! they are made from (1).

mod avro;
mod dice;
mod kafka;
mod text;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::limits::Limits;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;
use harness::worker::{TestWorker, WorkerConfig};

use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;

use dice::Dice;

/// What the worker may take at most.
const MOST_MIB: u64 = 512;
/// What may be left of it when all is done.
const LEFT_MIB: u64 = 20;
/// What all records of a format may take; a small part of it is needed.
const LIMIT: Duration = Duration::from_secs(1_800);

const TABLE: &str = "CREATE TABLE items (n numeric, amount numeric(30,4), big bigint,
    f double precision, t text, j jsonb, list int[], at timestamptz, raw bytea, good int)";

const CHAIN: &[(&str, &str)] = &[
    ("transforms", "flat,text,key,headers,route"),
    (
        "transforms.flat.type",
        "org.apache.kafka.connect.transforms.Flatten$Value",
    ),
    ("transforms.flat.delimiter", "_"),
    (
        "transforms.text.type",
        "org.apache.kafka.connect.transforms.Cast$Value",
    ),
    (
        "transforms.text.spec",
        "t:string,amount:string,big:int64,f:float64",
    ),
    (
        "transforms.key.type",
        "org.apache.kafka.connect.transforms.InsertField$Value",
    ),
    ("transforms.key.timestamp.field", "at"),
    (
        "transforms.headers.type",
        "org.apache.kafka.connect.transforms.InsertHeader",
    ),
    ("transforms.headers.header", "seen"),
    ("transforms.headers.value.literal", "true"),
    (
        "transforms.route.type",
        "org.apache.kafka.connect.transforms.RegexRouter",
    ),
    ("transforms.route.regex", "(.*)"),
    ("transforms.route.replacement", "$1$1$1"),
];

fn setting(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A worker of its own, and what its memory is before anything hostile.
struct Stand {
    worker: TestWorker,
    pid: u32,
    count: u64,
    dice: Dice,
}

/// A format of records, and the connector that reads it.
struct Format<'a> {
    name: &'a str,
    settings: Vec<(&'a str, &'a str)>,
    good: Record,
    bad: &'a dyn Fn(&mut Dice) -> Record,
}

impl Stand {
    async fn start() -> Result<Self> {
        let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
        let config = config
            .set("plugin.path", "")
            .limit(Limits {
                memory_mib: Some(MOST_MIB),
                ..Limits::default()
            })
            .set("offset.flush.interval.ms", "100");
        let worker = TestWorker::start(config).await?;
        let pid = worker.pid().context("the worker is not running")?;
        Ok(Self {
            worker,
            pid,
            count: setting("FERRULE_HOSTILE_RECORDS", 400),
            dice: Dice(setting("FERRULE_HOSTILE_SEED", 1)),
        })
    }

    /// Sends hostile records between good ones, and checks what became of them.
    async fn survives(&mut self, format: &Format<'_>) -> Result<()> {
        let pipeline = Pipeline::on(&self.worker, format.name, 1).await?;
        pipeline.database.execute(TABLE).await?;
        let settings: Vec<_> = [
            ("table.name.format", "items"),
            ("pk.mode", "none"),
            ("unknown.fields", "ignore"),
        ]
        .into_iter()
        .chain(format.settings.iter().copied())
        .collect();
        pipeline.deploy(&settings).await?;
        let good = || std::iter::repeat_n(format.good.clone(), 50);
        pipeline.produce(good()).await?;
        done(&pipeline).await?;
        let before = memory(self.pid, "VmRSS")?;
        std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5")?;

        for _ in 0..self.count.div_ceil(50) {
            let bad: Vec<_> = (0..50).map(|_| (format.bad)(&mut self.dice)).collect();
            pipeline.produce(bad).await?;
        }
        pipeline.produce(good()).await?;
        done(&pipeline).await?;
        let peak = memory(self.pid, "VmHWM")?;
        let limited = match self.worker.peak_of_limit()? {
            Some(peak) => format!("{peak} MiB at most in its control group of {MOST_MIB}"),
            None => format!("an address space of {MOST_MIB} MiB"),
        };

        let written = pipeline
            .database
            .texts("SELECT count(*)::text FROM items")
            .await?;
        let written: i64 = written[0].as_deref().context("no count")?.parse()?;
        let landed = "SELECT count(*)::text FROM items WHERE good = 7";
        let landed = pipeline.database.texts(landed).await?;
        let errant = i64::try_from(pipeline.letters().await?.len())?;
        let sent = pipeline.produced().await?;
        println!(
            "{}: {sent} sent, {written} written, {errant} errant; RSS {before} MiB before, {peak} \
             at most; {limited}",
            format.name
        );
        ensure!(written + errant == sent, "{written} + {errant} of {sent}");
        ensure!(landed == [Some("100".to_owned())], "{landed:?} good rows");
        ensure!(self.worker.pid() == Some(self.pid));
        ensure!(peak < MOST_MIB, "{peak} MiB at most");
        self.comes_back(before).await
    }

    /// Waits until the worker's memory is near to what it was.
    async fn comes_back(&self, before: u64) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let now = memory(self.pid, "VmRSS")?;
            if now <= before + LEFT_MIB {
                println!("RSS {now} MiB after");
                return Ok(());
            }
            ensure!(Instant::now() < until, "RSS is {now} MiB, and was {before}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Waits until all of the topic is written or errant.
async fn done(pipeline: &Pipeline) -> Result<()> {
    let (sent, until) = (pipeline.produced().await?, Instant::now() + LIMIT);
    loop {
        if let Some(trace) = pipeline.trace().await? {
            anyhow::bail!("the task has failed: {trace}");
        }
        let stored = pipeline.stored().await.unwrap_or_default();
        if stored.values().sum::<i64>() == sent {
            return Ok(());
        }
        ensure!(Instant::now() < until, "{stored:?} of {sent} are done");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// MiB that the kernel tells of the process.
fn memory(pid: u32, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with(name));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kib.context("no such line")?.parse::<u64>()? / 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn json_without_schemas_is_survived() -> Result<()> {
    let mut stand = Stand::start().await?;
    for (name, chain) in [("hostile_json", &[][..]), ("hostile_json_chain", CHAIN)] {
        let format = Format {
            name,
            settings: chain.to_vec(),
            good: Record::of(r#"{"good":7,"n":1.5,"t":"x"}"#),
            bad: &|dice| with_headers(dice, text::schemaless),
        };
        stand.survives(&format).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn json_with_schemas_is_survived() -> Result<()> {
    let mut stand = Stand::start().await?;
    let good = r#"{"schema":{"type":"struct","fields":[{"field":"good","type":"int32"}]},
        "payload":{"good":7}}"#;
    for (name, chain) in [
        ("hostile_schemas", &[][..]),
        ("hostile_schemas_chain", CHAIN),
    ] {
        let mut settings = vec![("value.converter.schemas.enable", "true")];
        settings.extend(chain);
        let format = Format {
            name,
            settings,
            good: Record::of(good),
            bad: &|dice| Record::of(text::with_schema(dice)),
        };
        stand.survives(&format).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn avro_is_survived() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let mut stand = Stand::start().await?;
    let (ids, good) = registered(registry).await?;
    let url = registry.url();
    for (name, chain) in [("hostile_avro", &[][..]), ("hostile_avro_chain", CHAIN)] {
        let mut settings = vec![
            ("value.converter", "io.confluent.connect.avro.AvroConverter"),
            ("value.converter.schema.registry.url", url.as_str()),
        ];
        settings.extend(chain);
        let format = Format {
            name,
            settings,
            good: Record::of(harness::avro::Avro::framed(good).long(7)),
            bad: &|dice| avro::record(dice, &ids),
        };
        stand.survives(&format).await?;
    }
    Ok(())
}

/// The ids of the hostile schemas, and that of the good one.
async fn registered(registry: &TestRegistry) -> Result<(Vec<u32>, u32)> {
    let subject = harness::names::unique("hostile");
    let mut ids = Vec::new();
    let union = avro::union_of_enums(400);
    let schemas = avro::SCHEMAS.into_iter().chain([union.as_str()]);
    for (at, schema) in schemas.enumerate() {
        let request = json!({ "schema": schema, "schemaType": "AVRO" });
        let subject = format!("{subject}-{at}");
        let id = registry.register_request(&subject, &request).await;
        ids.push(id.with_context(|| format!("schema {at}"))?);
    }
    let good = r#"{"type":"record","name":"Good","fields":[{"name":"good","type":"int"}]}"#;
    let good = registry.register(&format!("{subject}-good"), good).await?;
    Ok((ids, good))
}

/// A batch that is small as it is sent, and hundreds of times as large unpacked.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_unpacks_to_many_times_its_size_is_survived() -> Result<()> {
    const UNPACKED: usize = 100 << 20;
    let stand = Stand::start().await?;
    let pipeline = Pipeline::on(&stand.worker, "hostile_batch", 1).await?;
    pipeline.database.execute(TABLE).await?;
    pipeline
        .deploy(&[("table.name.format", "items"), ("pk.mode", "none")])
        .await?;
    let good = || Record::of(r#"{"good":7}"#);
    pipeline.produce([good()]).await?;
    done(&pipeline).await?;
    let before = memory(stand.pid, "VmRSS")?;
    let producer: FutureProducer = TestKafka::shared()
        .await?
        .client()
        .set("compression.type", "gzip")
        .set("message.max.bytes", "1000000000")
        .create()?;
    for _ in 0..2 {
        let bomb = format!(r#"{{"t":"{}"}}"#, " ".repeat(UNPACKED));
        let record: FutureRecord<'_, str, str> = FutureRecord::to(&pipeline.name).payload(&bomb);
        let sent = producer.send(record, Duration::from_secs(60)).await;
        sent.map_err(|(error, _)| error)?;
    }
    pipeline.produce([good()]).await?;
    done(&pipeline).await?;
    let landed = "SELECT count(*)::text FROM items WHERE good = 7";
    let landed = pipeline.database.texts(landed).await?;
    ensure!(landed == [Some("2".to_owned())], "{landed:?} good rows");
    let letters = pipeline.letters().await?;
    ensure!(letters.len() == 2, "{letters:?}");
    for letter in letters.values() {
        let why = letter.header("__connect.errors.exception.message");
        let why = why.context("a letter without a message")?;
        ensure!(why.contains("bytes unpacked"), "{why}");
    }
    stand.comes_back(before).await
}

/// A record that the dead letter topic does not take, as its letter has more headers.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_as_large_as_the_broker_takes_has_a_letter() -> Result<()> {
    let pipeline = Pipeline::shared("hostile_size", 1).await?;
    pipeline.database.execute(TABLE).await?;
    pipeline
        .deploy(&[("table.name.format", "items"), ("pk.mode", "none")])
        .await?;
    let good = || Record::of(r#"{"good":7}"#);
    // The default of `max.message.bytes` is 1048588, a few of which the batch itself takes.
    let large = Record::of(vec![b'x'; 1_048_588 - 90]);
    let producer: FutureProducer = TestKafka::shared()
        .await?
        .client()
        .set("message.max.bytes", "1000000000")
        .create()?;
    pipeline.produce([good()]).await?;
    let payload = large.value.unwrap_or_default();
    let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(&pipeline.name).payload(&payload);
    let sent = producer.send(record, Duration::from_secs(60)).await;
    sent.map_err(|(error, _)| error)?;
    pipeline.produce([good()]).await?;
    done(&pipeline).await?;
    let letters = pipeline.letters().await?;
    let letter = letters.get(&(0, 1)).context("no letter")?;
    ensure!(letter.value.is_none(), "it was not too large");
    let without = letter.header("__connect.errors.without.record");
    ensure!(without.is_some(), "{letter:?}");
    let landed = "SELECT count(*)::text FROM items WHERE good = 7";
    let landed = pipeline.database.texts(landed).await?;
    ensure!(landed == [Some("2".to_owned())], "{landed:?} good rows");
    Ok(())
}

/// A record with headers that are as hostile as its value, or more headers than any has.
fn with_headers(dice: &mut Dice, value: fn(&mut Dice) -> Vec<u8>) -> Record {
    let mut record = Record::of(value(dice));
    match dice.below(20) {
        0 => {
            for _ in 0..dice.size(30_000) {
                record = record.header("", "");
            }
        }
        1..4 => {
            let mut text = value(dice);
            text.truncate(50_000);
            record = record.header("h", text);
        }
        _ => {}
    }
    record
}
