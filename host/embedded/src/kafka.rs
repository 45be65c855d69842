//! The Kafka broker of `ferrule dev`: one node, all in memory.
//!
//! It speaks Kafka's protocol on a port of one's choice, so that any Kafka tool connects. The
//! way of a request: [`connection`] reads a frame, [`apis`] decodes it by [`wire`] and changes
//! what [`broker`] holds: topics and their [`log`]s of record [`batch`]es, consumer groups
//! ([`group`], [`offsets`]) and [`transactions`]. What the broker does not do is listed in the
//! README beside this crate; `tests/kafka.rs` shows with a real client what it does.

mod apis;
mod batch;
mod broker;
mod connection;
mod crc32c;
mod error_code;
mod group;
mod log;
mod offsets;
mod topics;
mod transactions;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use self::broker::Broker;
use crate::{Error, Result};

/// The id of the one broker.
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
    pub fn start(addr: SocketAddr) -> Result<Self> {
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
        let broker = Arc::new(Broker::new(addr));
        let serving = runtime.spawn(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => connection::serve(broker, listener).await,
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
