//! Where the REST API listens, and what protects it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use connect_api::{Error, Result};
use connect_http::tls::{self, Tls, TlsConfig};
use connect_http::{Connection, ConnectionLimits, Handler, Peer, Sockets};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::info;

use super::answer::{Answerer, Client};
use super::auth::Auth;
use super::{AuditSink, Gate, Surface};
use crate::config::{AdminListeners, Listener, RestConfig, Scheme};

/// What is said where all connections are busy.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Content-Length: 74\r\nConnection: close\r\n\r\n\
    {\"error_code\":503,\"message\":\"All connections of this worker are in use.\"}\n";

/// How long a request may be on its way to a worker that stops: a client that keeps its connection
/// cannot know before. A load balancer takes a connection that is closed under a request for 502.
const LAST_REQUESTS: Duration = Duration::from_millis(500);

/// The REST API, bound to its addresses.
pub struct Server {
    bound: Vec<Bound>,
    sockets: Sockets,
    answerer: Arc<Answerer>,
    tasks: JoinSet<()>,
    audit: Option<mpsc::Receiver<Value>>,
}

struct Bound {
    listener: TcpListener,
    tls: Option<Tls>,
    surface: Surface,
}

/// Answers the requests of one listener.
struct Listening {
    answerer: Arc<Answerer>,
    surface: Surface,
    scheme: &'static str,
}

impl Handler for Listening {
    type Body = Body;

    async fn answer(
        &self,
        peer: &Peer,
        connection: &Arc<Connection>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let client = Client {
            address: peer.address,
            surface: self.surface,
            scheme: self.scheme,
            certificate: peer.certificate.clone(),
        };
        let request = request.map(Body::new);
        self.answerer.answer(&client, connection, request).await
    }
}

impl Server {
    /// Binds the addresses, and reads the files that protect them. `descriptors` is the limit of
    /// the process.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when an address is taken, or protection that was asked
    /// for cannot be had.
    pub async fn bind(config: &RestConfig, gate: Gate, descriptors: u64) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let auth = Auth::start(config, &mut tasks).await?;
        let limits = limits(config.limits, descriptors);
        info!(
            connections = limits.total,
            per_peer = limits.per_peer,
            descriptors,
            "limits of the REST API"
        );
        let (sink, lines): (Option<AuditSink>, _) = match config.audit_topic {
            None => (None, None),
            Some(_) => {
                let (sink, lines) = mpsc::channel(super::audit::WAITING);
                (Some(sink), Some(lines))
            }
        };
        let surface = match config.admin_listeners {
            AdminListeners::Shared => Surface::All,
            AdminListeners::Off | AdminListeners::Own(_) => Surface::WithoutAdmin,
        };
        let mut bound = Vec::new();
        let https = tls_of(config.tls.clone(), &mut tasks).await?;
        for listener in &config.listeners {
            bound.push(bind(listener, https.as_ref(), surface).await?);
        }
        if let AdminListeners::Own(own) = &config.admin_listeners {
            let https = tls_of(config.admin_tls.clone(), &mut tasks).await?;
            for listener in own {
                bound.push(bind(listener, https.as_ref(), Surface::AdminOnly).await?);
            }
        }
        Ok(Self {
            bound,
            sockets: Sockets::new("the REST API", limits, BUSY).last_requests(LAST_REQUESTS),
            answerer: Arc::new(Answerer::new(config, auth, gate, sink, limits)),
            tasks,
            audit: lines,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.bound.iter().map(|one| one.listener.local_addr());
        addresses.collect()
    }

    /// The lines for the audit topic, where there is one; once.
    pub fn audit_lines(&mut self) -> Option<mpsc::Receiver<Value>> {
        self.audit.take()
    }

    /// Serves until the sender of `stopping` says something or is gone; requests that are being
    /// answered then are answered still.
    pub async fn serve(self, stopping: watch::Receiver<()>) {
        let Self {
            bound,
            sockets,
            answerer,
            mut tasks,
            ..
        } = self;
        tasks.spawn(sockets.clone().sweep());
        let mut accepting = JoinSet::new();
        for Bound {
            listener,
            tls,
            surface,
        } in bound
        {
            let handler = Arc::new(Listening {
                answerer: Arc::clone(&answerer),
                surface,
                scheme: match tls {
                    None => Scheme::Http.name(),
                    Some(_) => Scheme::Https.name(),
                },
            });
            let (sockets, stopping) = (sockets.clone(), stopping.clone());
            accepting.spawn(sockets.serve(listener, tls, handler, stopping));
        }
        while accepting.join_next().await.is_some() {}
        // Dropping `tasks` ends those that watch files and connections.
    }
}

async fn tls_of(config: Option<TlsConfig>, tasks: &mut JoinSet<()>) -> Result<Option<Tls>> {
    match config {
        None => Ok(None),
        Some(config) => tls::start(config, tasks).await.map(Some),
    }
}

async fn bind(listener: &Listener, https: Option<&Tls>, surface: Surface) -> Result<Bound> {
    let Listener { scheme, address } = listener;
    let failed = |cause| Error::config(format!("could not listen on {address}")).with_source(cause);
    let tls = match scheme {
        Scheme::Http => None,
        Scheme::Https => https.cloned(),
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let (scheme, what) = (scheme.name(), surface.name());
    info!("REST server listening at {scheme}://{local}/{what}");
    Ok(Bound {
        listener,
        tls,
        surface,
    })
}

/// At most a quarter of the descriptors: the rest is for Kafka, the targets and files.
fn limits(wanted: ConnectionLimits, descriptors: u64) -> ConnectionLimits {
    let most = usize::try_from(descriptors / 4)
        .unwrap_or(usize::MAX)
        .max(4);
    let total = wanted.total.min(most);
    ConnectionLimits {
        total,
        per_peer: wanted.per_peer.min(total),
    }
}
