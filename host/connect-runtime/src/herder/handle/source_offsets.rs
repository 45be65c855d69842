//! Requests about the offsets that a source has stored.

use std::time::Duration;

use connect_api::{SourceConnector, SourceOffset, SourceOffsetChange, SourcePartition};

use super::{Answer, HerderHandle, REQUEST_LIMIT};
use crate::connector_config::ConnectorConfig;
use crate::connectors::RegisteredConnector;
use crate::herder::HerderError;
use crate::storage::{ConnectorOffsets, SourceOffsetStore as _};

/// How the stored offsets of a source are to change.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceOffsetsChange {
    /// These partitions.
    Alter(Vec<SourceOffsetChange>),
    /// All partitions are as if they had never been read.
    Reset,
}

impl HerderHandle {
    /// What the tasks of a source have stored.
    ///
    /// # Errors
    /// [`HerderError::NotFound`], or when Kafka does not answer.
    pub async fn source_offsets(&self, name: &str) -> Answer<Vec<(SourcePartition, SourceOffset)>> {
        self.connector(name).await?;
        let offsets = ConnectorOffsets::new(&self.shared.source_offsets, name);
        within(REQUEST_LIMIT, async { Ok(offsets.read().await?) }).await
    }

    /// Changes the stored offsets of a stopped source (KIP-875), if it could go on from them.
    ///
    /// # Errors
    /// [`HerderError::NotFound`], [`HerderError::BadRequest`] when the connector is not stopped or
    /// does not take the offsets.
    pub async fn alter_source_offsets(
        &self,
        name: &str,
        change: SourceOffsetsChange,
    ) -> Answer<()> {
        self.must_be_stopped(name).await?;
        let config = self.connector_config(name).await?;
        let RegisteredConnector::Source(source) = &config.connector else {
            let why = format!("Connector {name} is not a source");
            return Err(HerderError::Internal(why));
        };
        let altering = self.alter_source(&config, &**source, change);
        within(REQUEST_LIMIT, altering).await
    }

    async fn alter_source(
        &self,
        config: &ConnectorConfig,
        source: &dyn SourceConnector,
        change: SourceOffsetsChange,
    ) -> Answer<()> {
        let offsets = ConnectorOffsets::new(&self.shared.source_offsets, &config.name);
        let changes = match change {
            SourceOffsetsChange::Alter(changes) => changes,
            SourceOffsetsChange::Reset => {
                let stored = offsets.read().await?;
                stored.into_iter().map(|(at, _)| (at, None)).collect()
            }
        };
        let checked = source.check_offsets(&config.own, &changes);
        checked.map_err(|refused| HerderError::BadRequest(refused.chain()))?;
        Ok(offsets.write(&changes).await?)
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Answer<T>>) -> Answer<T> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or(Err(HerderError::Timeout(limit)))
}
