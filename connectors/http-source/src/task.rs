//! The task: requests become records, and what becomes of these is told.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::json::Shapes;
use connect_api::{
    CommittedRecord, Datum, Error, Header, OffsetStorageReader, Record, RecordOutcome, Result,
    Senders, SourceOffset, SourcePartition, SourceRecord, SourceTask, SourceTaskContext, Timestamp,
    TopicReader, Value, WrittenHeaders,
};
use connect_http::{Joined, Problem, Route};
use hyper::StatusCode;
use serde_json::json;
use tracing::info;

use crate::endpoint::SourceEndpoint;
use crate::fingerprint::Fingerprint;
use crate::memory::Taken;
use crate::options::{Idempotency, Settings};
use crate::requests::{IdempotencyKey, Queued, Requests, Told};
use crate::response::Place;

/// How long a poll waits for a request before it returns without one.
const POLL_TIMEOUT: Duration = Duration::from_secs(1);
/// Records of a poll.
const POLL_RECORDS: usize = 1000;
/// Bytes of the bodies of a poll.
const POLL_BYTES: usize = 4 << 20;
/// The name in a source offset under which the number of the request stands.
const REQUEST: &str = "request";
/// The header of a record that has the key of its request.
pub(crate) const KEY_HEADER: &str = "idempotency-key";
/// The header beside it that tells the request's body from others.
pub(crate) const FINGERPRINT_HEADER: &str = "idempotency-fingerprint";

pub(crate) struct HttpSourceTask {
    context: SourceTaskContext,
    requests: Arc<Requests>,
    partition: Arc<SourcePartition>,
    /// The number of the next request.
    next: u64,
    shapes: Shapes,
    joined: Option<Joined>,
}

impl HttpSourceTask {
    pub(crate) fn new(settings: Settings, context: &SourceTaskContext) -> Self {
        let partition = SourcePartition::from([("task", json!(context.task))]);
        Self {
            context: context.clone(),
            requests: Arc::new(Requests::new(settings)),
            partition: Arc::new(partition),
            next: 1,
            shapes: Shapes::default(),
            joined: None,
        }
    }

    /// The records of requests; whose bodies are no JSON are answered.
    fn records(&mut self) -> Vec<SourceRecord> {
        let taken = self.requests.take(POLL_RECORDS, POLL_BYTES);
        let mut records = Vec::with_capacity(taken.len());
        for Queued { entry, body, key } in taken {
            let value = match self.shapes.read_shared(&body) {
                Ok(value) => value,
                Err(error) => {
                    let problem = Problem::new(StatusCode::BAD_REQUEST, error.chain());
                    self.requests.refused(&entry, problem);
                    continue;
                }
            };
            records.push(SourceRecord {
                record: Record {
                    topic: Arc::clone(&self.requests.settings.topic),
                    partition: None,
                    key: Datum::schemaless(key),
                    value: Datum::schemaless(value),
                    headers: Vec::new(),
                    timestamp: Some(Timestamp(entry.received)),
                },
                source_partition: Arc::clone(&self.partition),
                source_offset: SourceOffset::from([(REQUEST, json!(self.next))]),
                own_headers: entry.key.iter().flat_map(headers).collect(),
            });
            self.requests.sent(self.next, entry);
            self.next += 1;
        }
        records
    }

    /// Where a key would not be found again by the next task, the promise does not hold.
    fn check_place(&self, record: &CommittedRecord<'_>, received: i64) -> Result<()> {
        let RecordOutcome::Written(at) = record.outcome else {
            return Ok(());
        };
        let topic = &self.requests.settings.topic;
        if at.topic == *topic && at.timestamp == Some(Timestamp(received)) {
            return Ok(());
        }
        Err(Error::config(format!(
            "a transform gives records with an Idempotency-Key another topic or timestamp, so that \
             the key would not be found at the end of topic {topic} by the next start: take the \
             transform out, or set idempotency.key=ignored"
        )))
    }
}

/// The headers by which a key is found again.
fn headers(key: &IdempotencyKey) -> [Header; 2] {
    let header = |name: &str, text: &str| Header {
        name: name.into(),
        value: Datum::schemaless(Value::from(text)),
    };
    let fingerprint = key.fingerprint.to_string();
    [
        header(KEY_HEADER, &key.name),
        header(FINGERPRINT_HEADER, &fingerprint),
    ]
}

/// What the headers of a record that is in the topic say of its key.
fn written(record: WrittenHeaders<'_>) -> Option<(&str, Taken)> {
    let &[Some(key), fingerprint] = record.values else {
        return None;
    };
    let taken = Taken {
        at: record.timestamp?.0,
        place: Place {
            partition: record.partition,
            offset: record.offset.0,
        },
        fingerprint: fingerprint.and_then(Fingerprint::parse),
    };
    Some((std::str::from_utf8(key).ok()?, taken))
}

/// What a refusal of a transform, a converter or Kafka is for whoever sent the record.
fn problem(error: &Error) -> Problem {
    match error.field() {
        Some(at) => Problem::at_field(&at.field, &at.reason),
        None => Problem::new(StatusCode::BAD_REQUEST, error.chain()),
    }
}

#[async_trait]
impl SourceTask for HttpSourceTask {
    async fn start(&mut self, offsets: &dyn OffsetStorageReader) -> Result<()> {
        let stored = offsets.offset(&self.partition).await?;
        let last = stored.and_then(|offset| offset.get(REQUEST)?.as_u64());
        self.next = last.unwrap_or(0).saturating_add(1);
        let settings = &self.requests.settings;
        let route = Route {
            connector: self.context.connector.as_str().into(),
            task: self.context.task,
            method: settings.method.clone(),
            path: settings.path.clone(),
            protection: Arc::clone(&settings.protection),
            endpoint: Arc::new(SourceEndpoint::new(Arc::clone(&self.requests))),
        };
        let joined = connect_http::join(settings.listener.clone(), vec![route]).await?;
        self.joined = Some(joined);
        Ok(())
    }

    fn senders(&self) -> Senders {
        Senders::Waiting
    }

    async fn read_back(&mut self, topics: &dyn TopicReader) -> Result<()> {
        let requests = Arc::clone(&self.requests);
        if requests.settings.idempotency != Idempotency::Ignored {
            let since = Timestamp(requests.learning());
            let topic = &requests.settings.topic;
            let headers = [KEY_HEADER, FINGERPRINT_HEADER];
            topics
                .headers_since(topic, &headers, since, &mut |record| {
                    if let Some((key, taken)) = written(record) {
                        requests.learn(key, taken);
                    }
                })
                .await?;
        }
        let keys = requests.open();
        info!(keys, "takes requests");
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        let requests = Arc::clone(&self.requests);
        let _polling = requests.polling();
        let deadline = tokio::time::Instant::now() + POLL_TIMEOUT;
        loop {
            let records = self.records();
            if !records.is_empty() {
                return Ok(records);
            }
            tokio::select! {
                () = requests.arrived() => {}
                () = tokio::time::sleep_until(deadline) => return Ok(records),
            }
        }
    }

    fn commit_record(&mut self, record: CommittedRecord<'_>) -> Result<()> {
        let number = record.source_offset.get(REQUEST);
        let Some(number) = number.and_then(serde_json::Value::as_u64) else {
            return Ok(());
        };
        let told = match record.outcome {
            RecordOutcome::Written(at) => Told::Written(Place {
                partition: at.partition,
                offset: at.offset.0,
            }),
            RecordOutcome::Dropped => Told::Dropped,
            RecordOutcome::Failed(error) => Told::Refused(problem(error)),
        };
        match self.requests.settle(number, &told) {
            Some(entry) if entry.key.is_some() => self.check_place(&record, entry.received),
            _ => Ok(()),
        }
    }

    fn give_up(&mut self, _why: &Error) {
        self.requests.give_up();
    }

    async fn stop(&mut self) {
        self.requests.close();
        if let Some(joined) = self.joined.take() {
            joined.leave().await;
        }
    }
}
