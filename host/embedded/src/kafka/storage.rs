//! tansu's storage with the records kept by [`Log`]; everything else is passed on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::json;
use tansu_sans_io::create_topics_request::CreatableTopic;
use tansu_sans_io::delete_groups_response::DeletableGroupResult;
use tansu_sans_io::delete_records_request::DeleteRecordsTopic;
use tansu_sans_io::delete_records_response::DeleteRecordsTopicResult;
use tansu_sans_io::describe_cluster_response::DescribeClusterBroker;
use tansu_sans_io::describe_configs_response::DescribeConfigsResult;
use tansu_sans_io::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
use tansu_sans_io::incremental_alter_configs_request::AlterConfigsResource;
use tansu_sans_io::incremental_alter_configs_response::AlterConfigsResourceResponse;
use tansu_sans_io::list_groups_response::ListedGroup;
use tansu_sans_io::record::deflated;
use tansu_sans_io::txn_offset_commit_response::TxnOffsetCommitResponseTopic;
use tansu_sans_io::{ConfigResource, ErrorCode, IsolationLevel, ListOffset, ScramMechanism};
use tansu_storage::{
    BrokerRegistrationRequest, Error, GroupDetail, ListOffsetResponse, MetadataResponse,
    NamedGroupDetail, OffsetCommitRequest, OffsetStage, ProducerIdResponse, Result,
    ScramCredential, Storage, StorageContainer, TopicId, Topition, TxnAddPartitionsRequest,
    TxnAddPartitionsResponse, TxnOffsetCommitRequest, UpdateError, Version,
};
use url::Url;
use uuid::Uuid;

use super::log::Log;

/// The storage of one embedded broker; clones share it.
#[derive(Clone, Debug)]
pub(super) struct MemoryStorage {
    tansu: StorageContainer,
    logs: Arc<Mutex<HashMap<Topition, Log>>>,
}

impl MemoryStorage {
    pub(super) fn over(tansu: StorageContainer) -> Self {
        Self {
            tansu,
            logs: Arc::default(),
        }
    }

    // An append changes the log in its last step: what a panic leaves is whole.
    fn logs(&self) -> MutexGuard<'_, HashMap<Topition, Log>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn offset(&self, topition: &Topition, asked: ListOffset) -> Result<ListOffsetResponse> {
        let logs = self.logs();
        let log = logs.get(topition);
        let (offset, timestamp) = match asked {
            ListOffset::Earliest => (0, None),
            ListOffset::Latest => (log.map_or(0, Log::end), None),
            ListOffset::Timestamp(time) => {
                let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
                let millis = i64::try_from(since.as_millis())?;
                match log.map(|log| log.at_time(millis)).transpose()?.flatten() {
                    Some((offset, millis)) => {
                        let since = Duration::from_millis(u64::try_from(millis)?);
                        (offset, Some(UNIX_EPOCH + since))
                    }
                    // Kafka's word for: no record is as late as that.
                    None => (-1, None),
                }
            }
        };
        Ok(ListOffsetResponse {
            error_code: ErrorCode::None,
            timestamp,
            offset: Some(offset),
        })
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn produce(
        &self,
        _transaction_id: Option<&str>,
        topition: &Topition,
        batch: deflated::Batch,
    ) -> Result<i64> {
        let mut logs = self.logs();
        let log = logs.entry(topition.clone()).or_default();
        log.append(batch).map_err(Error::Api)
    }

    async fn fetch(
        &self,
        topition: &'_ Topition,
        offset: i64,
        _min_bytes: u32,
        max_bytes: u32,
        _isolation: IsolationLevel,
    ) -> Result<Vec<deflated::Batch>> {
        let logs = self.logs();
        let Some(log) = logs.get(topition) else {
            return Ok(Vec::new());
        };
        Ok(log.read(offset, max_bytes)?)
    }

    async fn offset_stage(&self, topition: &Topition) -> Result<OffsetStage> {
        let end = self.logs().get(topition).map_or(0, Log::end);
        // Its fields are private and it has no constructor, but it can be read.
        let stage = json!({ "last_stable": end, "high_watermark": end, "log_start": 0 });
        Ok(serde_json::from_value(stage)?)
    }

    async fn list_offsets(
        &self,
        _isolation_level: IsolationLevel,
        offsets: &[(Topition, ListOffset)],
    ) -> Result<Vec<(Topition, ListOffsetResponse)>> {
        let answer = |(topition, asked): &(Topition, ListOffset)| {
            Ok((topition.clone(), self.offset(topition, *asked)?))
        };
        offsets.iter().map(answer).collect()
    }

    async fn delete_records(
        &self,
        _topics: &[DeleteRecordsTopic],
    ) -> Result<Vec<DeleteRecordsTopicResult>> {
        // tansu's would panic.
        Err(Error::Api(ErrorCode::UnsupportedVersion))
    }

    async fn delete_topic(&self, topic: &TopicId) -> Result<ErrorCode> {
        let metadata = self
            .tansu
            .metadata(Some(std::slice::from_ref(topic)))
            .await?;
        let names: Vec<_> = metadata
            .topics()
            .iter()
            .filter_map(|topic| topic.name.clone())
            .collect();
        let code = self.tansu.delete_topic(topic).await?;
        if code == ErrorCode::None {
            self.logs()
                .retain(|topition, _| !names.iter().any(|name| name == topition.topic()));
        }
        Ok(code)
    }

    async fn register_broker(&self, request: BrokerRegistrationRequest) -> Result<()> {
        self.tansu.register_broker(request).await
    }

    async fn create_topic(&self, topic: CreatableTopic, validate_only: bool) -> Result<Uuid> {
        self.tansu.create_topic(topic, validate_only).await
    }

    async fn incremental_alter_resource(
        &self,
        resource: AlterConfigsResource,
    ) -> Result<AlterConfigsResourceResponse> {
        self.tansu.incremental_alter_resource(resource).await
    }

    async fn brokers(&self) -> Result<Vec<DescribeClusterBroker>> {
        self.tansu.brokers().await
    }

    async fn offset_commit(
        &self,
        group: &str,
        retention: Option<Duration>,
        offsets: &[(Topition, OffsetCommitRequest)],
    ) -> Result<Vec<(Topition, ErrorCode)>> {
        self.tansu.offset_commit(group, retention, offsets).await
    }

    async fn offset_fetch(
        &self,
        group: Option<&str>,
        topics: &[Topition],
        require_stable: Option<bool>,
    ) -> Result<BTreeMap<Topition, i64>> {
        self.tansu.offset_fetch(group, topics, require_stable).await
    }

    async fn committed_offset_topitions(&self, group: &str) -> Result<BTreeMap<Topition, i64>> {
        self.tansu.committed_offset_topitions(group).await
    }

    async fn metadata(&self, topics: Option<&[TopicId]>) -> Result<MetadataResponse> {
        self.tansu.metadata(topics).await
    }

    async fn upsert_user_scram_credential(
        &self,
        user: &str,
        mechanism: ScramMechanism,
        credential: ScramCredential,
    ) -> Result<()> {
        self.tansu
            .upsert_user_scram_credential(user, mechanism, credential)
            .await
    }

    async fn delete_user_scram_credential(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> Result<()> {
        self.tansu
            .delete_user_scram_credential(user, mechanism)
            .await
    }

    async fn user_scram_credential(
        &self,
        user: &str,
        mechanism: ScramMechanism,
    ) -> Result<Option<ScramCredential>> {
        self.tansu.user_scram_credential(user, mechanism).await
    }

    async fn describe_config(
        &self,
        name: &str,
        resource: ConfigResource,
        keys: Option<&[String]>,
    ) -> Result<DescribeConfigsResult> {
        self.tansu.describe_config(name, resource, keys).await
    }

    async fn list_groups(&self, states: Option<&[String]>) -> Result<Vec<ListedGroup>> {
        self.tansu.list_groups(states).await
    }

    async fn delete_groups(&self, groups: Option<&[String]>) -> Result<Vec<DeletableGroupResult>> {
        self.tansu.delete_groups(groups).await
    }

    async fn describe_groups(
        &self,
        groups: Option<&[String]>,
        include_authorized_operations: bool,
    ) -> Result<Vec<NamedGroupDetail>> {
        self.tansu
            .describe_groups(groups, include_authorized_operations)
            .await
    }

    async fn describe_topic_partitions(
        &self,
        topics: Option<&[TopicId]>,
        limit: i32,
        cursor: Option<Topition>,
    ) -> Result<Vec<DescribeTopicPartitionsResponseTopic>> {
        self.tansu
            .describe_topic_partitions(topics, limit, cursor)
            .await
    }

    async fn update_group(
        &self,
        group: &str,
        detail: GroupDetail,
        version: Option<Version>,
    ) -> Result<Version, UpdateError<GroupDetail>> {
        self.tansu.update_group(group, detail, version).await
    }

    async fn init_producer(
        &self,
        transaction_id: Option<&str>,
        timeout_ms: i32,
        producer_id: Option<i64>,
        producer_epoch: Option<i16>,
    ) -> Result<ProducerIdResponse> {
        self.tansu
            .init_producer(transaction_id, timeout_ms, producer_id, producer_epoch)
            .await
    }

    async fn txn_add_offsets(
        &self,
        transaction_id: &str,
        producer_id: i64,
        producer_epoch: i16,
        group: &str,
    ) -> Result<ErrorCode> {
        self.tansu
            .txn_add_offsets(transaction_id, producer_id, producer_epoch, group)
            .await
    }

    async fn txn_add_partitions(
        &self,
        partitions: TxnAddPartitionsRequest,
    ) -> Result<TxnAddPartitionsResponse> {
        self.tansu.txn_add_partitions(partitions).await
    }

    async fn txn_offset_commit(
        &self,
        offsets: TxnOffsetCommitRequest,
    ) -> Result<Vec<TxnOffsetCommitResponseTopic>> {
        self.tansu.txn_offset_commit(offsets).await
    }

    async fn txn_end(
        &self,
        transaction_id: &str,
        producer_id: i64,
        producer_epoch: i16,
        committed: bool,
    ) -> Result<ErrorCode> {
        self.tansu
            .txn_end(transaction_id, producer_id, producer_epoch, committed)
            .await
    }

    async fn maintain(&self, now: SystemTime) -> Result<()> {
        self.tansu.maintain(now).await
    }

    async fn cluster_id(&self) -> Result<String> {
        self.tansu.cluster_id().await
    }

    async fn node(&self) -> Result<i32> {
        self.tansu.node().await
    }

    async fn advertised_listener(&self) -> Result<Url> {
        self.tansu.advertised_listener().await
    }

    async fn ping(&self) -> Result<()> {
        self.tansu.ping().await
    }
}
