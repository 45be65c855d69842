//! The loop on a scripted source and a scripted producer.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use connect_api::{
    CommittedRecord, Datum, EachRecord, Properties, Record, RecordOutcome, SourceOffset,
    SourceOffsetChange, SourcePartition, SourceRecord, Timestamp, Value,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};

use super::write::{Receipt, SendError};
use super::*;
use crate::connector_config::OutputTopics;
use crate::errors::ErrorConfig;
use crate::worker::{TaskEvent, TaskState};

mod delivery;
mod senders;
mod transactions;
mod transforms;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn partition() -> SourcePartition {
    SourcePartition::from([("file", json!("f"))])
}

fn offset(position: u64) -> SourceOffset {
    SourceOffset::from([("position", json!(position))])
}

/// What the scripted source holds: texts, the offset behind each being its number from 1.
#[derive(Default)]
struct Source {
    texts: Vec<Value>,
    /// How many a poll gives.
    poll_size: usize,
    /// Errors that polls give first.
    errors: VecDeque<Error>,
    starts: Vec<u64>,
    polls: usize,
    committed: Vec<u64>,
    senders: Senders,
    /// What the source was told of its records.
    told: Vec<String>,
}

struct ScriptedTask {
    source: Arc<Mutex<Source>>,
    next: usize,
    partition: Arc<SourcePartition>,
}

fn position(offset: &SourceOffset) -> u64 {
    offset
        .get("position")
        .and_then(serde_json::Value::as_u64)
        .unwrap()
}

#[async_trait]
impl SourceTask for ScriptedTask {
    async fn start(&mut self, offsets: &dyn OffsetStorageReader) -> Result<()> {
        let stored = offsets.offset(&self.partition).await?;
        let start = stored.as_ref().map_or(0, position);
        lock(&self.source).starts.push(start);
        self.next = usize::try_from(start).unwrap();
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        let records = {
            let mut source = lock(&self.source);
            source.polls += 1;
            if let Some(error) = source.errors.pop_front() {
                return Err(error);
            }
            let texts = source.texts.iter().skip(self.next).take(source.poll_size);
            let records = texts
                .zip(self.next + 1..)
                .map(|(text, after)| SourceRecord {
                    record: Record {
                        topic: "lines".into(),
                        partition: None,
                        key: Datum::NULL,
                        value: Datum::schemaless(text.clone()),
                        headers: Vec::new(),
                        timestamp: None,
                    },
                    source_partition: Arc::clone(&self.partition),
                    source_offset: offset(after as u64),
                    own_headers: Vec::new(),
                });
            records.collect::<Vec<_>>()
        };
        if records.is_empty() {
            let waits = match self.senders() {
                Senders::Absent => Duration::from_millis(5),
                // Only what Kafka says ends such a poll.
                Senders::Waiting => NEVER,
            };
            tokio::time::sleep(waits).await;
        }
        self.next += records.len();
        Ok(records)
    }

    fn senders(&self) -> Senders {
        lock(&self.source).senders
    }

    fn commit_record(&mut self, record: CommittedRecord<'_>) -> Result<()> {
        let told = match record.outcome {
            RecordOutcome::Written(at) => format!("written to {}", at.topic),
            RecordOutcome::Dropped => "dropped".to_owned(),
            RecordOutcome::Failed(error) => format!("failed: {error}"),
        };
        let at = position(record.source_offset);
        lock(&self.source).told.push(format!("{at} {told}"));
        Ok(())
    }

    fn give_up(&mut self, why: &Error) {
        lock(&self.source).told.push(format!("given up: {why}"));
    }

    async fn commit(&mut self, stored: &[(Arc<SourcePartition>, SourceOffset)]) -> Result<()> {
        let positions = stored.iter().map(|(_, offset)| position(offset));
        lock(&self.source).committed.extend(positions);
        Ok(())
    }
}

/// What Kafka does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Acknowledge,
    /// Nothing is heard of it.
    Keep,
    /// The client does not take it.
    Refuse(Code),
    /// The broker does not take it.
    Fail(Code),
}

/// What Kafka does with a value that is sent for the nth time.
type Decide = Box<dyn Fn(&str, usize) -> Verdict + Send>;

/// The scripted Kafka: topics, and the stored offsets.
#[derive(Default)]
struct Kafka {
    verdict: Option<Decide>,
    sent: Vec<String>,
    /// Acknowledged, and where there are transactions, committed.
    written: Vec<String>,
    open: Vec<ProducerRecord>,
    transactions: bool,
    producers: usize,
    /// Errors that commits give first.
    commit_errors: VecDeque<Error>,
    commits: usize,
    aborts: usize,
    stored: Vec<(SourcePartition, SourceOffset)>,
    kept: Vec<oneshot::Sender<std::result::Result<(i32, i64), KafkaError>>>,
}

impl Kafka {
    fn write(&mut self, record: &ProducerRecord) {
        let text =
            |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap_or_default()).unwrap();
        if &*record.topic != "offsets" {
            self.written.push(text(&record.value));
            return;
        }
        let offset = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        self.store(partition(), Some(SourceOffset(offset)));
    }

    fn store(&mut self, partition: SourcePartition, offset: Option<SourceOffset>) {
        self.stored.retain(|(known, _)| *known != partition);
        self.stored.extend(offset.map(|offset| (partition, offset)));
    }
}

struct ScriptedProducer(Arc<Mutex<Kafka>>);

impl RecordProducer for ScriptedProducer {
    fn send(&self, record: &ProducerRecord) -> std::result::Result<Receipt, SendError> {
        let mut kafka = lock(&self.0);
        let text = String::from_utf8(record.value.clone().unwrap_or_default()).unwrap();
        let times = kafka.sent.iter().filter(|sent| **sent == text).count();
        kafka.sent.push(text.clone());
        let verdict = kafka.verdict.as_ref();
        let verdict = verdict.map_or(Verdict::Acknowledge, |decide| decide(&text, times));
        let (sender, written) = oneshot::channel();
        match verdict {
            Verdict::Acknowledge => {
                if kafka.transactions {
                    kafka.open.push(record.clone());
                } else {
                    kafka.write(record);
                }
                sender.send(Ok((0, 0))).unwrap();
            }
            Verdict::Keep => kafka.kept.push(sender),
            Verdict::Fail(code) => {
                sender
                    .send(Err(KafkaError::MessageProduction(code)))
                    .unwrap();
            }
            Verdict::Refuse(code) => {
                return Err(SendError::Record(Error::data(code.to_string())));
            }
        }
        Ok(Receipt::new(&record.topic, written))
    }

    fn begin(&self) -> Result<()> {
        lock(&self.0).open.clear();
        Ok(())
    }

    fn commit(&self) -> Result<()> {
        let mut kafka = lock(&self.0);
        if let Some(error) = kafka.commit_errors.pop_front() {
            return Err(error);
        }
        kafka.commits += 1;
        for record in std::mem::take(&mut kafka.open) {
            kafka.write(&record);
        }
        Ok(())
    }

    fn abort(&self) {
        let mut kafka = lock(&self.0);
        kafka.aborts += 1;
        kafka.open.clear();
    }
}

/// There is nothing to read back.
struct NoTopics;

#[async_trait]
impl TopicReader for NoTopics {
    async fn headers_since(
        &self,
        _: &str,
        _: &[&str],
        _: Timestamp,
        _: EachRecord<'_>,
    ) -> Result<()> {
        Ok(())
    }
}

struct Offsets(Arc<Mutex<Kafka>>);

#[async_trait]
impl SourceOffsetStore for Offsets {
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn read(&self) -> Result<Vec<(SourcePartition, SourceOffset)>> {
        Ok(lock(&self.0).stored.clone())
    }

    async fn write(&self, changes: &[SourceOffsetChange]) -> Result<()> {
        let mut kafka = lock(&self.0);
        for (partition, offset) in changes.iter().cloned() {
            kafka.store(partition, offset);
        }
        Ok(())
    }

    fn record(&self, _: &SourcePartition, offset: Option<&SourceOffset>) -> ProducerRecord {
        ProducerRecord {
            topic: "offsets".into(),
            value: offset.map(|offset| offset.to_string().into_bytes()),
            ..ProducerRecord::default()
        }
    }
}

/// A running task, its source and its Kafka.
struct Stage {
    source: Arc<Mutex<Source>>,
    kafka: Arc<Mutex<Kafka>>,
    control: Arc<Control>,
    events: mpsc::Receiver<TaskEvent>,
    thread: Option<JoinHandle<Result<()>>>,
    runtime: Runtime,
    parts: Option<SourceTaskParts>,
}

const NEVER: Duration = Duration::from_secs(3600);

impl Stage {
    /// A source of these texts, two to a poll; it does not run yet.
    fn new(texts: &[&str], delivery: SourceDelivery, tolerance: &str) -> Self {
        let source = Arc::new(Mutex::new(Source {
            texts: texts.iter().map(|text| Value::from(*text)).collect(),
            poll_size: 2,
            ..Source::default()
        }));
        let kafka = Arc::new(Mutex::new(Kafka {
            transactions: matches!(delivery, SourceDelivery::ExactlyOnce(_)),
            ..Kafka::default()
        }));
        let runtime = Runtime::new().unwrap();
        let (reports, events) = mpsc::channel(100);
        let control = Arc::new(Control::default());
        let metrics = Arc::<SourceTaskMetrics>::default();
        let options = [("errors.tolerance".to_owned(), tolerance.to_owned())];
        let errors = ErrorConfig::new(&Properties::from(options)).unwrap();
        let (its_source, its_kafka) = (Arc::clone(&source), Arc::clone(&kafka));
        let parts = SourceTaskParts {
            make_task: Box::new(move || {
                let task = ScriptedTask {
                    source: Arc::clone(&its_source),
                    next: 0,
                    partition: Arc::new(partition()),
                };
                Ok(Box::new(task) as Box<dyn SourceTask>)
            }),
            make_producer: Box::new(move || {
                lock(&its_kafka).producers += 1;
                let producer = ScriptedProducer(Arc::clone(&its_kafka));
                Ok(Box::new(producer) as Box<dyn RecordProducer>)
            }),
            offsets: Arc::new(Offsets(Arc::clone(&kafka))),
            topic_reader: Box::new(NoTopics),
            chain: SourceChain::new(Vec::new(), OutputTopics::Any).unwrap(),
            converters: converters(&runtime),
            topics: Topics::new(None),
            internal_topics: vec!["configs".into()],
            errors: SourceErrors::new(errors, Arc::clone(&metrics)),
            metrics,
            reports: Reports::new(reports, "test", 0, 1),
            control: Arc::clone(&control),
            delivery,
            buffer_bytes: 1 << 20,
            runtime: runtime.handle().clone(),
        };
        Self {
            source,
            kafka,
            control,
            events,
            thread: None,
            runtime,
            parts: Some(parts),
        }
    }

    fn verdict(self, decide: impl Fn(&str, usize) -> Verdict + Send + 'static) -> Self {
        lock(&self.kafka).verdict = Some(Box::new(decide));
        self
    }

    fn run(mut self) -> Self {
        let task = WorkerSourceTask::new(self.parts.take().unwrap());
        self.thread = Some(std::thread::spawn(move || task.run()));
        self
    }

    /// Waits until something holds.
    fn until(&self, what: &str, holds: impl Fn(&Source, &Kafka) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds(&lock(&self.source), &lock(&self.kafka)) {
            assert!(Instant::now() < deadline, "{what} does not come");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for the end of the task.
    fn end(&mut self) -> Result<()> {
        self.thread.take().unwrap().join().unwrap()
    }

    fn stop(&mut self) -> Result<()> {
        self.control.stop();
        self.end()
    }

    fn written(&self) -> Vec<String> {
        lock(&self.kafka).written.clone()
    }

    fn stored(&self) -> Option<u64> {
        let kafka = lock(&self.kafka);
        kafka.stored.first().map(|(_, offset)| position(offset))
    }

    /// The states that were reported so far.
    fn states(&mut self) -> Vec<TaskState> {
        let mut states = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            states.push(event.state);
        }
        states
    }
}

fn converters(runtime: &Runtime) -> Converters {
    let text = || {
        let context = connect_converters::ConverterContext {
            runtime: runtime.handle().clone(),
            part: connect_api::RecordPart::Value,
        };
        connect_converters::build("StringConverter", &Properties::new(), &context).unwrap()
    };
    Converters {
        key: text(),
        value: text(),
        header: connect_converters::build_header("SimpleHeaderConverter", &Properties::new())
            .unwrap(),
    }
}
