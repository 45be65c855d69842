//! Unit tests: requests against a task whose Kafka is played by the test.

mod requests;
mod schemas;

use std::sync::Arc;

use connect_api::{
    CommittedRecord, Config, EachRecord, Error, Offset, OffsetStorageReader, Properties,
    RecordMetadata, RecordOutcome, Result, SourceOffset, SourcePartition, SourceRecord, SourceTask,
    SourceTaskContext, Timestamp, TopicReader, WrittenHeaders,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::options::Settings;
use crate::task::HttpSourceTask;

fn config(options: &[(&str, &str)]) -> Config {
    let mut properties = Properties::from(
        [
            ("topic", "events"),
            ("http.path", "/events"),
            ("http.listener", "127.0.0.1:0"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let given = options.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    properties.extend(given);
    crate::options::config_def().parse(&properties).unwrap()
}

/// No offset is stored.
struct Nothing;

#[async_trait::async_trait]
impl OffsetStorageReader for Nothing {
    async fn offsets(&self, of: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        Ok(vec![None; of.len()])
    }
}

/// The keys that are at the end of the topic, each with the fingerprint of its body if the record
/// has it.
struct Written(Vec<(String, Option<String>)>);

#[async_trait::async_trait]
impl TopicReader for Written {
    async fn headers_since(
        &self,
        topic: &str,
        headers: &[&str],
        since: Timestamp,
        each: EachRecord<'_>,
    ) -> Result<()> {
        assert_eq!(topic, "events");
        assert_eq!(headers, ["idempotency-key", "idempotency-fingerprint"]);
        for (key, fingerprint) in &self.0 {
            each(WrittenHeaders {
                values: &[
                    Some(key.as_bytes()),
                    fingerprint.as_ref().map(String::as_bytes),
                ],
                partition: 1,
                offset: Offset(7),
                // Within the window, also a moment later.
                timestamp: Some(Timestamp(since.0 + 1_000)),
            });
        }
        Ok(())
    }
}

/// A task that listens.
struct Stage {
    task: HttpSourceTask,
    address: String,
}

impl Stage {
    async fn new(options: &[(&str, &str)]) -> Self {
        Self::after(options, &[]).await
    }

    /// Where these keys are at the end of the topic.
    async fn after(options: &[(&str, &str)], keys: &[(&str, Option<&str>)]) -> Self {
        let mut stage = Self::starting(options).await;
        let owned = |&(key, print): &(&str, Option<&str>)| (key.to_owned(), print.map(Into::into));
        let written = Written(keys.iter().map(owned).collect());
        stage.task.read_back(&written).await.unwrap();
        stage
    }

    /// Which has not read the topic's end.
    async fn starting(options: &[(&str, &str)]) -> Self {
        let context = SourceTaskContext {
            connector: "test".into(),
            ..SourceTaskContext::default()
        };
        // Listeners of one address are shared, also those of port 0: each test takes its own.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = port.local_addr().unwrap().to_string();
        drop(port);
        let mut all = vec![("http.listener", address.as_str())];
        all.extend(options);
        let mut task = HttpSourceTask::new(Settings::new(&config(&all)).unwrap(), &context);
        task.start(&Nothing).await.unwrap();
        Self { task, address }
    }

    /// The next records.
    async fn poll(&mut self) -> Vec<SourceRecord> {
        for _ in 0..30 {
            let records = self.task.poll().await.unwrap();
            if !records.is_empty() {
                return records;
            }
        }
        panic!("no request comes");
    }

    /// Says that Kafka has acknowledged a record.
    fn acknowledge(&mut self, record: &SourceRecord) -> Result<()> {
        let at = RecordMetadata {
            topic: Arc::clone(&record.record.topic),
            partition: 2,
            offset: Offset(40),
            timestamp: record.record.timestamp,
        };
        self.settle(record, RecordOutcome::Written(&at))
    }

    fn settle(&mut self, record: &SourceRecord, outcome: RecordOutcome<'_>) -> Result<()> {
        self.task.commit_record(CommittedRecord {
            source_partition: &record.source_partition,
            source_offset: &record.source_offset,
            outcome,
        })
    }

    /// Takes one request to its end, while its record is acknowledged.
    async fn taken(&mut self, request: &str) -> String {
        let sent = send(&self.address, request);
        let record = self.poll().await.remove(0);
        self.acknowledge(&record).unwrap();
        sent.await.unwrap()
    }

    /// The answer to a request that gives no record.
    async fn refused(&mut self, request: &str) -> String {
        let mut sent = send(&self.address, request);
        loop {
            tokio::select! {
                answer = &mut sent => return answer.unwrap(),
                records = self.task.poll() => assert!(records.unwrap().is_empty(), "{request}"),
            }
        }
    }
}

/// Sends a request on a connection of its own.
fn send(address: &str, request: &str) -> tokio::task::JoinHandle<String> {
    let (address, request) = (address.to_owned(), request.to_owned());
    tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    })
}

/// A POST of a JSON body.
fn post(body: &str) -> String {
    post_with("", body)
}

/// The same with more headers, each with its line end.
fn post_with(headers: &str, body: &str) -> String {
    format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

fn refusal(why: &str) -> Error {
    Error::data(format!("plugin: domain: {why}")).at_field("domain", why)
}
