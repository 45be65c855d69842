//! The Schema Registry of `ferrule dev`: Confluent's API, held in memory.

mod compatibility;
mod content;
mod refusal;
mod routes;
mod store;

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::{error, info};

use crate::{Error, Result};

/// A Schema Registry in this process. Its schemas are gone when it stops.
///
/// Avro schemas are parsed and, as the level asks, checked against earlier versions. JSON and
/// Protobuf schemas are kept as text: they are stored and returned, and a question about their
/// compatibility is answered by an error, not by a guess.
#[derive(Debug)]
pub struct Registry {
    addr: SocketAddr,
    serving: JoinHandle<()>,
}

impl Registry {
    /// Starts a registry on `addr`; port 0 takes any free port.
    pub async fn start(addr: SocketAddr) -> Result<Self> {
        let bind = |source| Error::Bind {
            service: "embedded Schema Registry",
            addr,
            source,
        };
        let listener = TcpListener::bind(addr).await.map_err(bind)?;
        let addr = listener.local_addr().map_err(bind)?;
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes::router()).await {
                error!(%error, "embedded Schema Registry stopped");
            }
        });
        info!(%addr, "embedded Schema Registry listens");
        Ok(Self { addr, serving })
    }

    /// What to put in `schema.registry.url`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops listening and forgets the schemas.
    pub async fn stop(mut self) {
        self.serving.abort();
        // Cancelled is what was asked for; a panic was already printed by its own hook.
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
