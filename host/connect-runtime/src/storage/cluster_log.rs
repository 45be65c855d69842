//! What a cluster of workers agrees on: the config topic, and a topic of Ferrule's own for what
//! Kafka Connect has no record for. One worker, the leader, writes to both, in transactions.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::{Error, Result};
use connect_kafka::{Producer, Receipt, client_config};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::BaseRecord;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use super::StoredRecord;
use super::kafka::{KafkaBasedLog, group_members};
use super::log_reader::Position;
use crate::config::WorkerConfig;

/// How long a transaction may take until it is read back.
const WRITE_LIMIT: Duration = Duration::from_secs(30);
/// How long Kafka may be away when the worker starts.
const START_LIMIT: Duration = Duration::from_secs(60);

/// When a record is written.
pub type Appended = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One of the two topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterTopic {
    /// `config.storage.topic`, in Kafka Connect's formats.
    Config,
    /// Ferrule's own.
    Cluster,
}

/// A record of one of the topics.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterRecord {
    /// Which.
    pub topic: ClusterTopic,
    /// Where it stands.
    pub offset: i64,
    /// The record.
    pub record: StoredRecord,
}

/// What a leader writes at once: all of it is read, or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transaction {
    /// Records of the config topic.
    pub config: Vec<StoredRecord>,
    /// Records of Ferrule's own topic.
    pub cluster: Vec<StoredRecord>,
    /// More of these, whose field `config_offset` is to say where the last of `config` stands: who
    /// reads one knows from where on it has read the effect.
    pub answers: Vec<StoredRecord>,
}

impl Transaction {
    /// Records of the config topic alone.
    pub fn of_config(config: Vec<StoredRecord>) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.config.is_empty() && self.cluster.is_empty() && self.answers.is_empty()
    }
}

/// The two topics as one log. What is written by whichever worker is read by all.
#[async_trait]
pub trait ClusterLog: Send + 'static {
    /// Everything that is stored so far, the config topic first. Called once, before all else.
    ///
    /// # Errors
    /// When a topic cannot be read to its end.
    async fn start(&mut self) -> Result<Vec<ClusterRecord>>;

    /// Takes the lead: from now on no other worker can commit (Invariant 10). Gives what was read
    /// meanwhile, which is all that the leader before has written.
    ///
    /// # Errors
    /// When Kafka does not answer in time, or refuses.
    async fn lead(&mut self) -> Result<Vec<ClusterRecord>>;

    /// Gives up the lead.
    fn follow(&mut self);

    /// Whether this worker can commit, as far as it knows. After a commit that failed: whether
    /// nothing of it was written, so that it can be tried again.
    fn leads(&self) -> bool;

    /// Writes as the leader, and gives what was read up to what was written.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Fenced`] when another worker leads by now; else when the
    /// transaction was not committed, or not read back in time.
    async fn commit(&mut self, transaction: Transaction) -> Result<Vec<ClusterRecord>>;

    /// Adds a record to Ferrule's own topic, as any worker may. The answer is when it is written.
    ///
    /// # Errors
    /// When the client does not take it.
    fn append(&mut self, record: StoredRecord) -> Result<Appended>;

    /// The next record that was written and not yet given. It may be cancelled.
    async fn next(&mut self) -> ClusterRecord;
}

/// The topics in Kafka.
pub struct KafkaClusterLog {
    worker: Arc<WorkerConfig>,
    config: KafkaBasedLog,
    cluster: KafkaBasedLog,
    leading: Option<Producer>,
}

impl KafkaClusterLog {
    /// Opens both topics. They are created when they are not there.
    ///
    /// # Errors
    /// As for [`KafkaBasedLog::open`].
    pub async fn open(worker: &Arc<WorkerConfig>, producer: &Producer) -> Result<Self> {
        let (config, cluster) = (worker.config_topic(), worker.cluster_topic());
        Ok(Self {
            config: KafkaBasedLog::open(worker, config, Some(1), producer).await?,
            cluster: KafkaBasedLog::open(worker, cluster, Some(1), producer).await?,
            worker: Arc::clone(worker),
            leading: None,
        })
    }

    /// A producer whose `transactional.id` is the cluster's, that of Kafka Connect's leader
    /// (KIP-618): Kafka fences every other one, a JVM worker's too.
    async fn transactional(&self) -> Result<Producer> {
        let mut client = client_config(&self.worker.client_properties("producer."))?;
        client
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", WRITE_LIMIT.as_millis().to_string())
            .set(
                "transaction.timeout.ms",
                WRITE_LIMIT.as_millis().to_string(),
            )
            .set(
                "transactional.id",
                format!("connect-cluster-{}", self.worker.group_id()),
            );
        let producer = Producer::new(&client)?;
        let initialized = producer.clone();
        blocking(move || initialized.init_transactions(WRITE_LIMIT))
            .await
            .map_err(|cause| self.refused(cause))?;
        Ok(producer)
    }

    /// Two groups on the same topics would run all connectors twice.
    async fn check_group(&self, read: &[ClusterRecord]) -> Result<()> {
        let own = self.worker.group_id();
        let Some((topic, other)) = other_leader(read, own) else {
            return Ok(());
        };
        let topic = match topic {
            ClusterTopic::Config => self.config.topic(),
            ClusterTopic::Cluster => self.cluster.topic(),
        };
        let members = group_members(&self.worker, other).await?;
        if members == 0 {
            return Ok(());
        }
        let servers = self.worker.client_properties("admin.");
        let servers = servers.get("bootstrap.servers").map_or("", String::as_str);
        Err(Error::config(format!(
            "topic {topic} is that of the group {other}, which has {members} workers, and this \
             worker is of the group {own} (group.id): both would run the same connectors. Give each \
             group topics of its own (config.storage.topic, offset.storage.topic, \
             status.storage.topic), or stop the other workers, which are:\n  kafka-consumer-groups.sh \
             --bootstrap-server {servers} --describe --members --group {other}"
        )))
    }

    fn refused(&self, cause: KafkaError) -> Error {
        let is_fenced = matches!(
            cause.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Fenced
                    | RDKafkaErrorCode::InvalidProducerEpoch
                    | RDKafkaErrorCode::ProducerFenced
                    | RDKafkaErrorCode::Fatal
            )
        );
        let (config, cluster) = (self.config.topic(), self.cluster.topic());
        let text = format!("could not write to the topics {config} and {cluster}");
        match is_fenced {
            true => Error::fenced(text).with_source(cause),
            false => Error::retriable(text).with_source(cause),
        }
    }

    /// Sends everything within a transaction that has begun, and answers where it stands.
    async fn send_all(&self, producer: &Producer, transaction: &Transaction) -> Result<Written> {
        let config = self.send(producer, self.config.topic(), &transaction.config)?;
        let mut cluster = self.send(producer, self.cluster.topic(), &transaction.cluster)?;
        let config = self.last(config).await?;
        let answers = transaction.answers.iter().cloned();
        let answers: Vec<_> = answers
            .map(|answer| with_config_offset(answer, config))
            .collect();
        cluster.extend(self.send(producer, self.cluster.topic(), &answers)?);
        Ok(Written {
            config,
            cluster: self.last(cluster).await?,
        })
    }

    fn send(
        &self,
        producer: &Producer,
        topic: &str,
        records: &[StoredRecord],
    ) -> Result<Vec<Receipt>> {
        let send = |record: &StoredRecord| {
            let value = record.value.as_ref().map(ToString::to_string);
            let mut message = BaseRecord::<str, str>::to(topic).key(&record.key);
            if let Some(value) = &value {
                message = message.payload(value);
            }
            producer.send(message).map_err(|cause| self.refused(cause))
        };
        records.iter().map(send).collect()
    }

    async fn last(&self, receipts: Vec<Receipt>) -> Result<Option<Position>> {
        let mut last = None;
        for receipt in receipts {
            let written = receipt
                .await
                .map_err(|_| Error::retriable("the producer has gone"))?;
            let (partition, offset) = written.map_err(|cause| self.refused(cause))?;
            last = Some(Position { partition, offset });
        }
        Ok(last)
    }

    /// What is read up to these places.
    async fn read_back(&mut self, written: Written) -> Result<Vec<ClusterRecord>> {
        let deadline = Instant::now() + WRITE_LIMIT;
        let mut read = Vec::new();
        for (topic, own) in [
            (ClusterTopic::Config, written.config),
            (ClusterTopic::Cluster, written.cluster),
        ] {
            let Some(own) = own else { continue };
            let log = match topic {
                ClusterTopic::Config => &mut self.config,
                ClusterTopic::Cluster => &mut self.cluster,
            };
            let records = timeout_at(deadline, log.reader().until(vec![own])).await;
            let late = || {
                let topic = log_name(topic);
                Error::retriable(format!("a write to the {topic} topic was not read back"))
            };
            let records = records.unwrap_or_else(|_| Err(late()))?;
            read.extend(records.into_iter().map(|it| of(topic, it)));
        }
        Ok(read)
    }
}

/// Where the last record of each topic stands.
struct Written {
    config: Option<Position>,
    cluster: Option<Position>,
}

fn with_config_offset(mut answer: StoredRecord, config: Option<Position>) -> StoredRecord {
    if let (Some(value), Some(at)) = (&mut answer.value, config) {
        value["config_offset"] = at.offset.into();
    }
    answer
}

fn of(topic: ClusterTopic, (at, record): (Position, StoredRecord)) -> ClusterRecord {
    ClusterRecord {
        topic,
        offset: at.offset,
        record,
    }
}

fn log_name(topic: ClusterTopic) -> &'static str {
    match topic {
        ClusterTopic::Config => "config",
        ClusterTopic::Cluster => "cluster",
    }
}

/// The client library waits on the thread that calls it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> KafkaResult<T> + Send + 'static,
) -> KafkaResult<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(KafkaError::Canceled))
}

#[async_trait]
impl ClusterLog for KafkaClusterLog {
    async fn start(&mut self) -> Result<Vec<ClusterRecord>> {
        let deadline = Instant::now() + START_LIMIT;
        let mut all = Vec::new();
        for topic in [ClusterTopic::Config, ClusterTopic::Cluster] {
            let log = match topic {
                ClusterTopic::Config => &mut self.config,
                ClusterTopic::Cluster => &mut self.cluster,
            };
            let name = log.topic().to_owned();
            let read = timeout_at(deadline, log.reader().read_to_end()).await;
            let late = || Error::retriable(format!("could not read topic {name} to its end"));
            let read = read.unwrap_or_else(|_| Err(late()))?;
            all.extend(read.into_iter().map(|it| of(topic, it)));
        }
        self.check_group(&all).await?;
        Ok(all)
    }

    async fn lead(&mut self) -> Result<Vec<ClusterRecord>> {
        self.leading = Some(self.transactional().await?);
        // What the leader before has written stands in front of these.
        let group = self.worker.group_id().to_owned();
        let mark = StoredRecord {
            key: LEADER_KEY.to_owned(),
            value: Some(serde_json::json!({ "group.id": group })),
        };
        self.commit(Transaction {
            config: vec![mark.clone()],
            cluster: vec![mark],
            answers: Vec::new(),
        })
        .await
    }

    fn follow(&mut self) {
        self.leading = None;
    }

    fn leads(&self) -> bool {
        self.leading.is_some()
    }

    async fn commit(&mut self, transaction: Transaction) -> Result<Vec<ClusterRecord>> {
        let Some(producer) = self.leading.clone() else {
            return Err(Error::fenced("this worker does not lead"));
        };
        if transaction.is_empty() {
            return Ok(Vec::new());
        }
        producer
            .begin_transaction()
            .map_err(|cause| self.refused(cause))?;
        let sent = self.send_all(&producer, &transaction).await;
        let committing = producer.clone();
        let ended = match &sent {
            Ok(_) => blocking(move || committing.commit_transaction(WRITE_LIMIT)).await,
            Err(_) => blocking(move || committing.abort_transaction(WRITE_LIMIT)).await,
        };
        match (sent, ended) {
            (Ok(written), Ok(())) => {
                let read = self.read_back(written).await;
                if read.is_err() {
                    // What was written is not known here. To lead again, all of it is read first.
                    self.leading = None;
                }
                read
            }
            (Err(error), Ok(())) => Err(error),
            (_, Err(cause)) => {
                warn!(error = %cause, "a transaction of the leader has failed");
                // A producer in an unknown state is of no more use: whoever leads makes another.
                self.leading = None;
                let error = self.refused(cause);
                info!("this worker no longer leads");
                Err(error)
            }
        }
    }

    fn append(&mut self, record: StoredRecord) -> Result<Appended> {
        let producer = self.cluster.producer().clone();
        let topic = self.cluster.topic().to_owned();
        let receipts = self.send(&producer, &topic, &[record])?;
        Ok(Box::pin(async move {
            for receipt in receipts {
                let written = receipt.await.unwrap_or(Err(KafkaError::Canceled));
                let failed = || Error::retriable(format!("could not write to topic {topic}"));
                written.map_err(|cause| failed().with_source(cause))?;
            }
            Ok(())
        }))
    }

    async fn next(&mut self) -> ClusterRecord {
        tokio::select! {
            biased;
            read = self.config.reader().next() => of(ClusterTopic::Config, read),
            read = self.cluster.reader().next() => of(ClusterTopic::Cluster, read),
        }
    }
}

/// A topic whose newest leader was of another group than this, and that group. Marks of leaders
/// before it say nothing: they stay only until the topic is compacted.
fn other_leader<'a>(read: &'a [ClusterRecord], own: &str) -> Option<(ClusterTopic, &'a str)> {
    [ClusterTopic::Config, ClusterTopic::Cluster]
        .into_iter()
        .find_map(|topic| {
            let mut newest_first = read.iter().rev();
            let mark = newest_first.find(|it| it.topic == topic && it.record.key == LEADER_KEY)?;
            let group = mark.record.value.as_ref()?.get("group.id")?.as_str()?;
            (group != own).then_some((topic, group))
        })
}

/// The key of the record that each leader begins with. Kafka Connect passes over it.
pub const LEADER_KEY: &str = "ferrule-leader";

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(topic: ClusterTopic, group: &str) -> ClusterRecord {
        ClusterRecord {
            topic,
            offset: 0,
            record: StoredRecord {
                key: LEADER_KEY.to_owned(),
                value: Some(serde_json::json!({ "group.id": group })),
            },
        }
    }

    #[test]
    fn only_the_newest_leader_of_each_topic_counts() {
        use ClusterTopic::{Cluster, Config};

        let taken_over = [
            mark(Config, "old"),
            mark(Config, "own"),
            mark(Cluster, "own"),
        ];
        assert_eq!(other_leader(&taken_over, "own"), None);
        let lost = [
            mark(Config, "own"),
            mark(Cluster, "own"),
            mark(Config, "new"),
        ];
        assert_eq!(other_leader(&lost, "own"), Some((Config, "new")));
        let lost = [
            mark(Cluster, "own"),
            mark(Cluster, "new"),
            mark(Config, "own"),
        ];
        assert_eq!(other_leader(&lost, "own"), Some((Cluster, "new")));
        assert_eq!(other_leader(&[], "own"), None);
    }
}
