//! The Kafka broker of `ferrule dev`: tansu, with its log in memory.
//!
//! It speaks Kafka's protocol on a port of one's choice, so any Kafka tool connects. What it does
//! not do is listed in the README beside this crate and proved in `tests/kafka.rs`.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tansu_broker::broker::Broker;
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_storage::StorageContainer;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tracing::{error, info};
use url::Url;
use uuid::Uuid;

use crate::{Error, Result};

const NODE_ID: i32 = 1;
const START_TIMEOUT: Duration = Duration::from_secs(10);

type MemoryBroker = Broker<Controller<StorageContainer>, StorageContainer>;

/// A Kafka broker in this process. Its topics are gone when it stops.
#[derive(Debug)]
pub struct Kafka {
    addr: SocketAddr,
    serving: JoinHandle<()>,
    runtime: Option<Runtime>,
}

impl Kafka {
    /// Starts a broker that listens and is advertised on `addr`; port 0 takes any free port.
    ///
    /// It runs on threads of its own: a Kafka client that blocks the caller's runtime must not
    /// wait for a broker that needs the same threads to answer.
    pub async fn start(addr: SocketAddr) -> Result<Self> {
        let addr = free(addr).await?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("embedded-kafka")
            .enable_all()
            .build()
            .map_err(Error::io("starting the broker's threads"))?;
        let serving = runtime.spawn(async move {
            match build(addr).await {
                Ok(mut broker) => {
                    if let Err(error) = broker.serve(Instant::now().into()).await {
                        error!(%error, "embedded Kafka stopped");
                    }
                }
                Err(error) => error!(%error, "embedded Kafka did not start"),
            }
        });
        let kafka = Self {
            addr,
            serving,
            runtime: Some(runtime),
        };
        kafka.ready().await?;
        info!(bootstrap = %kafka.bootstrap(), "embedded Kafka listens");
        Ok(kafka)
    }

    /// What to put in `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.addr.to_string()
    }

    /// Closes every connection and forgets the log.
    pub async fn stop(mut self) {
        self.serving.abort();
        // Cancelled is what was asked for; a panic was already printed by its own hook.
        let _ = (&mut self.serving).await;
    }

    async fn ready(&self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if self.serving.is_finished() {
                return Err(Error::Kafka("ended while starting, see the log".to_owned()));
            }
            if TcpStream::connect(self.addr).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Err(Error::Kafka(format!(
            "did not listen on {} in {START_TIMEOUT:?}",
            self.addr
        )))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // Dropping a runtime inside another one panics; this does not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Proves that the port is free before the broker, whose bind errors are only logged, takes it.
async fn free(addr: SocketAddr) -> Result<SocketAddr> {
    let bind = |source| Error::Bind {
        service: "embedded Kafka",
        addr,
        source,
    };
    let listener = TcpListener::bind(addr).await.map_err(bind)?;
    listener.local_addr().map_err(bind)
}

async fn build(addr: SocketAddr) -> Result<MemoryBroker> {
    let fail = |error: &dyn std::fmt::Display| Error::Kafka(error.to_string());
    let url = |text: String| Url::parse(&text).map_err(|error| fail(&error));
    let listener = url(format!("tcp://{addr}"))?;
    MemoryBroker::builder()
        .node_id(NODE_ID)
        .cluster_id("ferrule-dev")
        .incarnation_id(Uuid::new_v4())
        .advertised_listener(listener.clone())
        .listener(listener)
        .storage(url("memory://tansu/".to_owned())?)
        .silent(true)
        .build()
        .await
        .map_err(|error| fail(&error))
}
