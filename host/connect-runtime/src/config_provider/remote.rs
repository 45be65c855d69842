//! Providers that ask a service: a thread of their own, and a limit of time for each request.
//!
//! Whoever asks is on a thread that may block, and waits there; the requests, and what renews
//! tokens and leases meanwhile, run on the one thread of this runtime.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use connect_api::{Error, Result};
use tokio::runtime::{Builder, Handle, Runtime};
use tracing::Instrument as _;

use super::Values;

/// How long an answer is waited for, with all requests that it takes.
const LIMIT: Duration = Duration::from_secs(30);

/// Who asks a service for values.
#[async_trait]
pub(super) trait RemoteProvider: fmt::Debug + Send + Sync {
    /// Which service it is, and where: what errors begin with.
    fn whom(&self) -> String;

    /// The values of the keys; all of them are there.
    ///
    /// # Errors
    /// Transient ones that name the service, its address, the path and what to do.
    async fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values>;

    /// What was given of a path is refused where it is used: what is kept of it is not given again.
    fn forget(&self, _path: &str) {}

    /// Starts what goes on beside the requests; it ends with the runtime.
    fn start(self: Arc<Self>, _runtime: &Handle) {}
}

/// The thread on which services are asked. It ends when this is dropped.
pub(super) struct ProviderRuntime(Option<Runtime>, Handle);

impl ProviderRuntime {
    pub(super) fn start() -> Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .thread_name("config-providers")
            .enable_all();
        let failed = |cause| Error::fatal("no thread for config providers").with_source(cause);
        let runtime = builder.build().map_err(failed)?;
        let handle = runtime.handle().clone();
        Ok(Self(Some(runtime), handle))
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.1
    }

    /// Begins to ask.
    pub(super) fn ask(
        &self,
        provider: Arc<dyn RemoteProvider>,
        path: String,
        keys: BTreeSet<String>,
    ) -> Asked {
        let (tell, told) = sync_channel(1);
        let asked = Asked {
            told,
            deadline: Instant::now() + LIMIT,
            whom: format!("{}, asked for {path}", provider.whom()),
        };
        let asking = async move {
            let answered = tokio::time::timeout(LIMIT, provider.get(&path, &keys)).await;
            if let Ok(answer) = answered {
                // Nobody may wait for it any more.
                let _ = tell.send(answer);
            }
        };
        self.1.spawn(asking.in_current_span());
        asked
    }
}

impl Drop for ProviderRuntime {
    fn drop(&mut self) {
        // It may be dropped on a thread of another runtime, which must not wait for this one.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for ProviderRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProviderRuntime")
    }
}

/// A request that is under way.
pub(super) struct Asked {
    told: Receiver<Result<Values>>,
    deadline: Instant,
    whom: String,
}

impl Asked {
    /// Waits for the answer. It blocks the thread.
    pub(super) fn wait(self) -> Result<Values> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.told.recv_timeout(left).unwrap_or_else(|cause| {
            let why = match cause {
                RecvTimeoutError::Timeout => "no answer in time",
                RecvTimeoutError::Disconnected => "no answer",
            };
            Err(Error::retriable(format!("{}: {why}", self.whom)))
        })
    }
}
