//! The writing thread against a sink that offers nothing but `put`.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use connect_api::{
    Datum, ErrantRecordReporter, OffsetScope, Origin, Properties, Record, SinkOffsets, SinkRecord,
    SinkTask, TimestampType,
};
use tokio::sync::mpsc;

use super::*;
use crate::errors::ErrorConfig;

/// Offsets of a batch that a put was given: its records, and its dead letters.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    records: Vec<i64>,
    dead_letters: Vec<i64>,
}

/// Reports the record at offset 1, and then fails so often before it takes the rest.
struct Naive {
    failures: usize,
    given: Arc<Mutex<Vec<Given>>>,
}

#[async_trait]
impl SinkTask for Naive {
    async fn put(
        &mut self,
        batches: &[RecordBatch],
        reporter: &mut dyn ErrantRecordReporter,
    ) -> Result<()> {
        let [batch] = batches else {
            return Err(Error::fatal("one batch is expected"));
        };
        for record in &batch.records {
            if record.origin.offset == Offset(1) {
                let first = reporter.report(record, Error::data("it is bad")).await?;
                let copy = record.clone();
                let again = reporter.report(&copy, Error::data("it is bad")).await?;
                assert_eq!(first, again, "the second report is the first one's echo");
            }
        }
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.push(Given {
            records: offsets(batch.records.iter().map(|record| record.origin.offset)),
            dead_letters: offsets(batch.dead_letters.iter().map(|letter| letter.record.offset)),
        });
        if given.len() <= self.failures {
            return Err(Error::retriable("away"));
        }
        Ok(())
    }
}

fn offsets(offsets: impl Iterator<Item = Offset>) -> Vec<i64> {
    offsets.map(|at| at.0).collect()
}

fn topic_partition() -> Arc<TopicPartition> {
    Arc::new(TopicPartition::new("t", 0))
}

fn record(offset: i64) -> SinkRecord {
    SinkRecord {
        record: Record {
            topic: "t".into(),
            partition: Some(0),
            key: Datum::NULL,
            value: Datum::NULL,
            headers: Vec::new(),
            timestamp: None,
        },
        origin: Origin::new(&topic_partition(), Offset(offset)),
        timestamp_type: TimestampType::None,
    }
}

fn three_records() -> TaskBatch {
    let raw = |offset| RawRecord {
        offset: Offset(offset),
        key: None,
        value: None,
        headers: Vec::new(),
        timestamp: None,
        timestamp_type: TimestampType::None,
    };
    TaskBatch {
        batch: RecordBatch {
            topic_partition: topic_partition(),
            records: (0..3).map(record).collect(),
            first_offset: Offset(0),
            next_offset: Offset(3),
            last_timestamp: None,
            dead_letters: Vec::new(),
            state: Vec::new(),
        },
        raw: (0..3).map(raw).collect(),
        deliveries: Vec::new(),
        bytes: 0,
        memory: 0,
    }
}

fn reporter(tolerance: &str) -> Result<ErrorReporter> {
    let properties = Properties::from([("errors.tolerance".into(), tolerance.into())]);
    let config = ErrorConfig::new(&properties)?;
    let metrics = Arc::<TaskMetrics>::default();
    let runtime = tokio::runtime::Handle::current();
    Ok(ErrorReporter::new(config, (None, true), metrics, runtime))
}

fn writer(sink: impl SinkTask + 'static, tolerance: &str) -> Result<Writer> {
    let (events, _) = mpsc::channel(16);
    let parts = WriterParts {
        sink: TaskSink::Plain(Box::new(sink)),
        keeps_state: false,
        class: "Naive".into(),
        errors: Arc::new(reporter(tolerance)?),
        metrics: Arc::<TaskMetrics>::default(),
        reports: Reports::new(events, "test", 0, 1),
    };
    Writer::start(parts, tokio::runtime::Handle::current())
}

/// The answer to a request.
fn ask(writer: &mut Writer, request: Request) -> Result<Response> {
    writer.send(request)?;
    let answer = writer.response(Duration::from_secs(30))?;
    answer.ok_or_else(|| Error::fatal("no answer within 30 s"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_put_has_no_record_that_was_reported() -> Result<()> {
    let given = Arc::new(Mutex::default());
    let sink = Naive {
        failures: 2,
        given: Arc::clone(&given),
    };
    let mut writer = writer(sink, "all")?;
    let open = Request::Open(vec![TopicPartition::new("t", 0)], OffsetScope::default());
    let Response::Opened(opened) = ask(&mut writer, open)? else {
        return Err(Error::fatal("another answer"));
    };
    let unknown = OpenedPartition::unknown(TopicPartition::new("t", 0));
    assert_eq!(opened.partitions, [unknown], "Kafka's group has the offset");
    assert!(opened.durable.is_empty());
    let put = Request::Put(writer.generation(), vec![three_records()], None);
    let Response::Durable(durable) = ask(&mut writer, put)? else {
        return Err(Error::fatal("another answer"));
    };
    let positions: Vec<_> = durable.positions().collect();
    assert_eq!(positions, [(&topic_partition(), &Offset(3))]);
    let first = Given {
        records: vec![0, 1, 2],
        dead_letters: vec![],
    };
    let repeated = || Given {
        records: vec![0, 2],
        dead_letters: vec![1],
    };
    let given = given.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*given, [first, repeated(), repeated()]);
    Ok(())
}

/// Its target is away until it is said to be back.
struct Away {
    is_back: Arc<AtomicBool>,
    tries: Arc<AtomicU64>,
}

#[async_trait]
impl SinkTask for Away {
    async fn put(&mut self, _: &[RecordBatch], _: &mut dyn ErrantRecordReporter) -> Result<()> {
        Ok(())
    }

    fn offsets(&mut self) -> Option<&mut dyn SinkOffsets> {
        Some(self)
    }
}

#[async_trait]
impl SinkOffsets for Away {
    async fn open(&mut self, partitions: &[TopicPartition]) -> Result<Vec<OpenedPartition>> {
        self.tries.fetch_add(1, Ordering::AcqRel);
        match self.is_back.load(Ordering::Acquire) {
            true => Ok(partitions
                .iter()
                .cloned()
                .map(OpenedPartition::unknown)
                .collect()),
            false => Err(Error::retriable("away")),
        }
    }

    async fn start_at(&mut self, _: &[(TopicPartition, Offset)]) -> Result<()> {
        Ok(())
    }

    async fn close(&mut self, _: &[TopicPartition]) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_are_given_up_end_no_taking_over_of_partitions() -> Result<()> {
    let (is_back, tries) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let sink = Away {
        is_back: Arc::clone(&is_back),
        tries: Arc::clone(&tries),
    };
    let mut writer = writer(sink, "all")?;
    writer.send(Request::Open(
        vec![TopicPartition::new("t", 0)],
        OffsetScope::default(),
    ))?;
    assert!(
        writer.has_no_batch(),
        "nobody waits for it when the task ends"
    );
    let tried = async |least: u64| {
        while tries.load(Ordering::Acquire) < least {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tried(1).await;
    // A batch of before is fenced meanwhile, or its partition is given up.
    writer.abandon();
    tried(tries.load(Ordering::Acquire) + 2).await;
    is_back.store(true, Ordering::Release);
    let answer = writer.response(Duration::from_secs(30))?;
    assert!(
        matches!(answer, Some(Response::Opened(_))),
        "the task fails"
    );

    // A task that ends waits for no target.
    is_back.store(false, Ordering::Release);
    writer.send(Request::Open(
        vec![TopicPartition::new("t", 0)],
        OffsetScope::default(),
    ))?;
    writer.stop();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_may_not_be_passed_over_fails_the_put() -> Result<()> {
    let sink = Naive {
        failures: 0,
        given: Arc::default(),
    };
    let mut writer = writer(sink, "none")?;
    let put = Request::Put(writer.generation(), vec![three_records()], None);
    let Response::Failed(error) = ask(&mut writer, put)? else {
        return Err(Error::fatal("another answer"));
    };
    let text = error.chain();
    assert!(
        text.contains("Tolerance exceeded") && text.contains("t-0 at offset 1"),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_of_another_batch_cannot_be_reported() -> Result<()> {
    let errors = reporter("all")?;
    let TaskBatch { batch, raw, .. } = three_records();
    let (batches, raws) = ([batch], [raw]);
    let mut reporter = PutReporter::new(&errors, "Naive", &batches, &raws);
    let reported = reporter.report(&record(3), Error::data("it is bad")).await;
    let error = reported.expect_err("it was not given");
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(error.to_string().contains("t-0 at offset 3"), "{error}");
    Ok(())
}
