//! The task: it gives no records, and keeps an eye on Postgres.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use connect_api::Error;
use connect_api::{OffsetStorageReader, Result, SourceRecord, SourceTask, SourceTaskContext};
use connect_http::{Joined, Route};
use hyper::Method;

use crate::endpoint::{Query, QueryEndpoint};
use crate::options::Settings;
use crate::pool::QueryError;

/// How often Postgres is asked while it is away, and how long a poll lasts.
const TURN: Duration = Duration::from_secs(1);

pub(crate) struct HttpQueryTask {
    context: SourceTaskContext,
    query: Arc<Query>,
    joined: Option<Joined>,
}

impl HttpQueryTask {
    pub(crate) fn new(settings: Settings, context: &SourceTaskContext) -> Self {
        Self {
            context: context.clone(),
            query: Arc::new(Query::new(settings)),
            joined: None,
        }
    }
}

#[async_trait]
impl SourceTask for HttpQueryTask {
    async fn start(&mut self, _: &dyn OffsetStorageReader) -> Result<()> {
        let settings = &self.query.settings;
        let connector: Arc<str> = self.context.connector.as_str().into();
        let route = |path: &connect_http::PathTemplate| Route {
            connector: Arc::clone(&connector),
            task: self.context.task,
            method: Method::GET,
            path: path.clone(),
            protection: Arc::clone(&settings.protection),
            endpoint: Arc::new(QueryEndpoint(Arc::clone(&self.query))),
        };
        let routes = settings.paths.iter().map(route).collect();
        let joined = connect_http::join(settings.listener.clone(), routes).await?;
        self.joined = Some(joined);
        Ok(())
    }

    /// A statement that is none fails the task; while Postgres is away, its status says so.
    async fn poll(&mut self) -> Result<Vec<SourceRecord>> {
        if self.query.is_up() {
            tokio::time::sleep(TURN).await;
            return Ok(Vec::new());
        }
        match self.query.probe().await {
            Ok(()) => Ok(Vec::new()),
            Err(QueryError::Away(error) | QueryError::Failed(error)) => Err(error),
            Err(QueryError::Busy) => Err(Error::retriable("all connections are in use")),
            Err(QueryError::TimedOut) => Err(Error::retriable(
                "the query takes longer than statement.timeout.ms, even without rows",
            )),
        }
    }

    async fn stop(&mut self) {
        if let Some(joined) = self.joined.take() {
            joined.leave().await;
        }
        self.query.pool.close();
    }
}
