//! A task of the sink with a database of its own, and records to put.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use async_trait::async_trait;
use connect_api::{
    Connector as _, Datum, DeadLetter, ErrantRecordReporter, Error, ErrorKind, Header, Offset,
    OpenedPartition, Origin, Properties, RawRecord, Record, RecordBatch, Result as ConnectResult,
    SinkConnector, SinkOffsets, SinkRecord, SinkTask, StateStore, StoredState, Struct, TaskContext,
    Timestamp, TimestampType, TopicPartition, Value, json::Shapes,
};
use harness_postgres::postgres::{TestDatabase, TestPostgres};
use postgres_sink::PostgresSinkConnector;

pub const TOPIC: &str = "events";

/// A database with some tables.
pub async fn database(statements: &str) -> Result<TestDatabase> {
    let database = TestPostgres::shared().await?.database("sink").await?;
    database.execute(statements).await?;
    Ok(database)
}

/// A task that writes to the database.
pub fn task(database: &TestDatabase, options: &[(&str, &str)]) -> Result<Box<dyn SinkTask>> {
    task_at(&database.url(), options)
}

/// A task that writes to an address.
pub fn task_at(url: &str, options: &[(&str, &str)]) -> Result<Box<dyn SinkTask>> {
    let connector = PostgresSinkConnector::new();
    let given = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let mut properties: Properties = given.collect();
    properties.insert("connection.url".to_owned(), url.to_owned());
    let config = connector
        .config_def()
        .parse(&connector.normalise(&properties))?;
    Ok(connector.task(&config, &context())?)
}

/// The task 0 of a connector of the name `test`.
pub fn context() -> TaskContext {
    TaskContext {
        connector: "test".to_owned(),
        ..TaskContext::default()
    }
}

/// Takes partitions over.
pub async fn open(
    task: &mut dyn SinkTask,
    partitions: &[TopicPartition],
) -> ConnectResult<Vec<OpenedPartition>> {
    offsets(task).open(partitions).await
}

/// Drops the offsets of partitions, again while the error is one that passes.
pub async fn forget(task: &mut dyn SinkTask, partitions: &[TopicPartition]) -> ConnectResult<()> {
    loop {
        match offsets(task).forget(partitions).await {
            Err(error) if error.kind() == ErrorKind::Retriable => {}
            outcome => return outcome,
        }
    }
}

/// Sets the offsets of partitions that had none.
pub async fn start_at(
    task: &mut dyn SinkTask,
    starts: &[(TopicPartition, Offset)],
) -> ConnectResult<()> {
    offsets(task).start_at(starts).await
}

/// Compares what the database has with what was durable.
pub async fn verify(task: &mut dyn SinkTask) -> ConnectResult<()> {
    offsets(task).verify().await
}

fn offsets(task: &mut dyn SinkTask) -> &mut dyn SinkOffsets {
    task.offsets().expect("the sink keeps offsets")
}

/// Tells a task which state to keep.
pub fn keep_state(task: &mut dyn SinkTask, stores: Vec<StateStore>) -> ConnectResult<()> {
    let state = task.state().expect("the sink keeps state");
    state.keep(stores)
}

/// Takes a partition over, and loads its state.
pub async fn open_state(task: &mut dyn SinkTask, number: i32) -> ConnectResult<Vec<StoredState>> {
    let partitions = [partition(number)];
    open(task, &partitions).await?;
    let state = task.state().expect("the sink keeps state");
    let mut loaded = state.load(&partitions).await?;
    Ok(loaded.remove(&partitions[0]).unwrap_or_default())
}

/// Puts as the worker does: again while the error is one that passes, and without the records that
/// were reported. How often it was repeated.
pub async fn put_until(
    task: &mut dyn SinkTask,
    batches: &[RecordBatch],
    reports: &mut Reports,
) -> ConnectResult<u32> {
    let mut batches = batches.to_vec();
    let mut retries = 0;
    loop {
        match task.put(&batches, reports).await {
            Err(error) if error.kind() == ErrorKind::Retriable && retries < 50 => {
                retries += 1;
                reports.take_out_of(&mut batches);
            }
            other => return other.map(|()| retries),
        }
    }
}

pub fn partition(number: i32) -> TopicPartition {
    TopicPartition::new(TOPIC, number)
}

/// A task that has taken partitions over, from offset 0 where they are new.
pub async fn opened(task: &mut dyn SinkTask, partitions: &[i32]) -> Result<()> {
    let partitions: Vec<_> = partitions.iter().map(|number| partition(*number)).collect();
    let opened = open(task, &partitions).await?;
    if let Some(state) = task.state() {
        state.load(&partitions).await?;
    }
    let fresh = opened
        .into_iter()
        .filter(|partition| partition.next_offset.is_none());
    let starts: Vec<_> = fresh
        .map(|partition| (partition.topic_partition, Offset(0)))
        .collect();
    if !starts.is_empty() {
        start_at(task, &starts).await?;
    }
    Ok(())
}

/// Makes records; those of one maker share the shapes of their objects.
#[derive(Default)]
pub struct Maker(Shapes);

impl Maker {
    /// A record whose value is a schemaless JSON object.
    pub fn record(&mut self, partition: i32, offset: i64, object: &str) -> Result<SinkRecord> {
        let value = self.0.read(object.as_bytes())?;
        Ok(record(partition, offset, Datum::schemaless(value)))
    }

    /// A batch of one partition from some offset on.
    pub fn batch(&mut self, number: i32, first: i64, objects: &[&str]) -> Result<RecordBatch> {
        let records = (first..).zip(objects);
        let records: Result<Vec<_>> = records
            .map(|(offset, object)| self.record(number, offset, object))
            .collect();
        batch(number, first, records?)
    }
}

pub fn record(number: i32, offset: i64, value: Datum) -> SinkRecord {
    SinkRecord {
        record: Record {
            topic: TOPIC.into(),
            partition: Some(number),
            key: Datum::NULL,
            value,
            headers: Vec::<Header>::new(),
            timestamp: None,
        },
        origin: Origin::new(&Arc::new(partition(number)), Offset(offset)),
        timestamp_type: TimestampType::None,
    }
}

/// A batch that ends behind its last record.
pub fn batch(number: i32, first: i64, records: Vec<SinkRecord>) -> Result<RecordBatch> {
    let last = records.last().ok_or_else(|| anyhow!("no records"))?;
    Ok(RecordBatch {
        topic_partition: Arc::new(partition(number)),
        first_offset: Offset(first),
        next_offset: last.origin.offset.next(),
        last_timestamp: last.record.timestamp,
        records,
        dead_letters: Vec::new(),
        state: Vec::new(),
    })
}

/// A record with a schema.
pub fn row(number: i32, offset: i64, row: Struct) -> SinkRecord {
    record(number, offset, Datum::row(row))
}

/// Remembers what was reported.
#[derive(Default)]
pub struct Reports {
    pub errors: Vec<(i64, String)>,
    /// Whether `errors.tolerance` is none.
    pub refuses: bool,
    /// Whether the task keeps dead letters, so that reports come with one.
    pub kept: bool,
    /// The reports since the last repetition, by batch and record.
    pub attempt: Vec<(SinkRecord, Option<DeadLetter>)>,
}

#[async_trait]
impl ErrantRecordReporter for Reports {
    async fn report(
        &mut self,
        record: &SinkRecord,
        error: Error,
    ) -> ConnectResult<Option<DeadLetter>> {
        let Origin {
            topic_partition,
            offset,
        } = &record.origin;
        self.errors.push((offset.0, error.chain()));
        if self.refuses {
            return Err(error);
        }
        let value = format!("value {offset}");
        let letter = || DeadLetter {
            error: error.chain(),
            ..letter(topic_partition.partition, offset.0, &value)
        };
        let kept = self.kept.then(letter);
        self.attempt.push((record.clone(), kept.clone()));
        Ok(kept)
    }
}

/// The dead letter of a record that failed in the sink.
pub fn letter(number: i32, offset: i64, value: &str) -> DeadLetter {
    DeadLetter {
        topic_partition: Arc::new(partition(number)),
        record: RawRecord {
            offset: Offset(offset),
            key: None,
            value: Some(value.as_bytes().to_vec().into()),
            headers: Vec::new(),
            timestamp: Some(Timestamp(1_736_173_800_123)),
            timestamp_type: TimestampType::CreateTime,
        },
        stage: "TASK_PUT",
        class: "FerrulePostgresSink".into(),
        exception: "org.apache.kafka.connect.errors.DataException",
        error: "it is bad".to_owned(),
    }
}

impl Reports {
    /// Takes what was reported out of batches that are to be put again.
    pub fn take_out_of(&mut self, batches: &mut [RecordBatch]) {
        for (record, dead_letter) in self.attempt.drain(..) {
            for batch in &mut *batches {
                if let Some(position) = batch.position_of(&record) {
                    batch.take_out_reported([(position, dead_letter.clone())].into());
                }
            }
        }
    }

    pub fn offsets(&self) -> Vec<i64> {
        self.errors.iter().map(|(offset, _)| *offset).collect()
    }
}

/// Puts batches, none of whose records may be refused.
pub async fn put(task: &mut dyn SinkTask, batches: &[RecordBatch]) -> Result<()> {
    let mut reports = Reports::default();
    task.put(batches, &mut reports).await?;
    assert_eq!(reports.errors, [], "no record is refused");
    Ok(())
}

/// The stored offset of a partition.
pub async fn stored(database: &TestDatabase, number: i32) -> Result<Option<i64>> {
    let query = format!(
        "SELECT next_offset::text FROM ferrule.offsets \
         WHERE connector = 'test' AND topic = '{TOPIC}' AND \"partition\" = {number}"
    );
    let found = database.texts(&query).await?;
    let stored = found.into_iter().flatten().next();
    Ok(stored.map(|offset| offset.parse()).transpose()?)
}

/// The rows of a query of one text column, nulls as the word.
pub async fn rows(database: &TestDatabase, query: &str) -> Result<Vec<String>> {
    let rows = database.texts(query).await?;
    Ok(rows
        .into_iter()
        .map(|row| row.unwrap_or_else(|| "null".to_owned()))
        .collect())
}

/// A text of JSON as nested data.
pub fn nested(text: &str) -> Value {
    Value::Json(text.into())
}

/// Ends the sessions of the sink, as an operator or a crash of the server would.
pub async fn end_sessions(database: &TestDatabase) -> Result<()> {
    let mut admin = TestPostgres::shared().await?.admin().await?;
    let ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                 WHERE datname = $1 AND application_name LIKE 'ferrule:%'";
    sqlx::query(ended)
        .bind(database.name())
        .execute(&mut admin)
        .await?;
    Ok(())
}
