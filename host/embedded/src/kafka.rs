//! The Kafka broker of `ferrule dev`: tansu, with its log in memory.
//!
//! It speaks Kafka's protocol on a port of one's choice, so any Kafka tool connects. Topics, groups
//! and configs are tansu's; the records themselves are kept by [`log`], because tansu's memory
//! store skips records when a consumer starts in the middle of a batch and names too low an end.
//! What the broker does not do is listed in the README beside this crate and proved in
//! `tests/kafka.rs`.

mod log;
mod storage;

use std::net::SocketAddr;

use rama::{Context, Service};
use tansu_broker::coordinator::group::administrator::Controller;
use tansu_broker::service::services;
use tansu_storage::{BrokerRegistrationRequest, Storage, StorageContainer};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{debug, info, warn};
use url::Url;
use uuid::Uuid;

use self::storage::MemoryStorage;
use crate::{Error, Result};

const CLUSTER_ID: &str = "ferrule-dev";
const NODE_ID: i32 = 1;

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
        let bind = |source| Error::Bind {
            service: "embedded Kafka",
            addr,
            source,
        };
        let listener = std::net::TcpListener::bind(addr).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let addr = listener.local_addr().map_err(bind)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("embedded-kafka")
            .enable_all()
            .build()
            .map_err(Error::io("starting the broker's threads"))?;
        let broker = Broker::open(addr).await?;
        let serving = runtime.spawn(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => broker.serve(listener).await,
                Err(error) => warn!(%error, "embedded Kafka does not listen"),
            }
        });
        info!(bootstrap = %addr, "embedded Kafka listens");
        Ok(Self {
            addr,
            serving,
            runtime: Some(runtime),
        })
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
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // Dropping a runtime inside another one panics; this does not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// tansu's services over our storage. Its own `Broker` is not used: it draws progress bars on the
/// terminal and takes the signals that are the worker's.
struct Broker {
    storage: MemoryStorage,
    groups: Controller<MemoryStorage>,
}

impl Broker {
    async fn open(addr: SocketAddr) -> Result<Self> {
        let fail = |error: &dyn std::fmt::Display| Error::Kafka(error.to_string());
        let url = |text: String| Url::parse(&text).map_err(|error| fail(&error));
        let tansu = StorageContainer::builder()
            .node_id(NODE_ID)
            .cluster_id(CLUSTER_ID)
            .advertised_listener(url(format!("tcp://{addr}"))?)
            .storage(url("memory://tansu/".to_owned())?)
            .silent(true)
            .build()
            .await
            .map_err(|error| fail(&error))?;
        let registration = BrokerRegistrationRequest {
            broker_id: NODE_ID,
            cluster_id: CLUSTER_ID.to_owned(),
            incarnation_id: Uuid::new_v4(),
            rack: None,
        };
        tansu
            .register_broker(registration)
            .await
            .map_err(|error| fail(&error))?;
        let storage = MemoryStorage::over(tansu);
        let groups = Controller::with_storage(storage.clone()).map_err(|error| fail(&error))?;
        Ok(Self { storage, groups })
    }

    async fn serve(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.connect(stream, peer, &mut connections),
                    Err(error) => warn!(%error, "embedded Kafka lost a connection"),
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }

    fn connect(&self, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%peer, %error, "connection already closed");
            return;
        }
        match services(CLUSTER_ID, self.groups.clone(), self.storage.clone(), None) {
            Ok(service) => {
                connections.spawn(async move {
                    // A client that hangs up is the usual end.
                    if let Err(error) = service.serve(Context::default(), stream).await {
                        debug!(%peer, %error, "connection ended");
                    }
                });
            }
            Err(error) => warn!(%peer, %error, "embedded Kafka cannot serve"),
        }
    }
}
