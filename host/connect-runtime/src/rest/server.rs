//! The sockets of the REST API: listening, TLS, connections, and how they end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use connect_api::{Error, Result};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, error, info, warn};

use super::answer::{Answerer, Client};
use super::auth::Auth;
use super::connections::{Admitted, Connection, Connections, Phase};
use super::tls::{self, Tls};
use super::{AuditSink, Gate, Surface};
use crate::config::{AdminListeners, ConnectionLimits, Listener, RestConfig, Scheme};
use crate::descriptors::{Reserve, are_out};

/// Bytes of a request's head, and so of its path and query too.
const HEAD_LIMIT: usize = 64 << 10;
/// Headers of a request.
const HEADERS_LIMIT: usize = 100;
/// Beyond the limits of [`Phase`], which come first.
const BACKSTOP: Duration = Duration::from_secs(120);
/// How often connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// How long accepting rests after it has failed.
const REST: Duration = Duration::from_millis(5);
/// How long accepting goes well before another failure is worth a line.
const OUTAGE: Duration = Duration::from_secs(60);
/// What is said where all connections are busy.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Content-Length: 74\r\nConnection: close\r\n\r\n\
    {\"error_code\":503,\"message\":\"All connections of this worker are in use.\"}\n";

/// The REST API, bound to its addresses.
pub struct Server {
    bound: Vec<Bound>,
    shared: Shared,
    tasks: JoinSet<()>,
    audit: Option<mpsc::Receiver<Value>>,
}

struct Bound {
    listener: TcpListener,
    tls: Option<Tls>,
    surface: Surface,
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    connections: Arc<Connections>,
    reserve: Arc<Reserve>,
    answerer: Arc<Answerer>,
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
        let reserve = Reserve::default();
        reserve.fill();
        Ok(Self {
            bound,
            shared: Shared {
                connections: Arc::new(Connections::new(limits)),
                reserve: Arc::new(reserve),
                answerer: Arc::new(Answerer::new(config, auth, gate, sink, limits)),
            },
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
            shared,
            mut tasks,
            ..
        } = self;
        let connections = Arc::clone(&shared.connections);
        let reserve = Arc::clone(&shared.reserve);
        tasks.spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                connections.close_late();
                reserve.fill();
            }
        });
        let mut accepting = JoinSet::new();
        for one in bound {
            accepting.spawn(accept_all(one, shared.clone(), stopping.clone()));
        }
        while accepting.join_next().await.is_some() {}
        // Dropping `tasks` ends those that watch files and connections.
    }
}

async fn tls_of(
    config: Option<crate::config::TlsConfig>,
    tasks: &mut JoinSet<()>,
) -> Result<Option<Tls>> {
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

/// Accepts until it is to stop, and waits for its connections then.
async fn accept_all(bound: Bound, shared: Shared, mut stopping: watch::Receiver<()>) {
    let mut serving = JoinSet::new();
    let mut outage = Outage::default();
    loop {
        let accepted = tokio::select! {
            // An error means that the sender is gone: the same.
            _ = stopping.changed() => break,
            Some(_) = serving.join_next() => continue,
            accepted = bound.listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                outage.over();
                let Some(admitted) = shared.connections.admit(address.ip()) else {
                    if bound.tls.is_none() {
                        // Whether the client hears it is its own matter.
                        let _ = stream.try_write(BUSY);
                    }
                    continue;
                };
                let client = Client {
                    address,
                    surface: bound.surface,
                    certificate: None,
                };
                let tls = bound.tls.as_ref().map(Tls::now);
                let one = One {
                    admitted,
                    client,
                    shared: shared.clone(),
                    stopping: stopping.clone(),
                };
                let reserve = Arc::clone(&shared.reserve);
                serving.spawn(async move {
                    one.serve(stream, tls).await;
                    // At once, before somebody else takes the descriptor that is free now.
                    reserve.fill();
                });
            }
            // Such as a client that has gone before it was accepted.
            Err(cause) if !are_out(&cause) => {
                debug!(error = %cause, "a connection was not accepted");
                tokio::time::sleep(REST).await;
            }
            Err(cause) => {
                outage.tell(&cause);
                // At once, too: what is given up here is for the next connection.
                if !shared.reserve.give() {
                    shared.connections.close_one();
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
    drop(bound);
    while serving.join_next().await.is_some() {}
}

/// A time in which nothing can be accepted: it is logged once.
#[derive(Default)]
struct Outage {
    since: Option<tokio::time::Instant>,
    last: Option<tokio::time::Instant>,
}

impl Outage {
    fn tell(&mut self, cause: &io::Error) {
        let now = tokio::time::Instant::now();
        if self.last.is_none_or(|last| now - last > OUTAGE) {
            self.since = Some(now);
            error!(
                error = %cause,
                "cannot accept a connection to the REST API: the worker's limit of open files \
                 (ulimit -n) is too low for what it runs"
            );
        }
        self.last = Some(now);
    }

    fn over(&mut self) {
        if let (Some(_), Some(last)) = (self.since, self.last)
            && last.elapsed() > OUTAGE
        {
            self.since = None;
            warn!("connections to the REST API are accepted again");
        }
    }
}

/// A connection that is served.
struct One {
    admitted: Admitted,
    client: Client,
    shared: Shared,
    stopping: watch::Receiver<()>,
}

impl One {
    async fn serve(self, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) {
        // An answer is one write: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else {
            return self.talk(stream).await;
        };
        let connection = Arc::clone(&self.admitted.connection);
        let shaking = TlsAcceptor::from(tls).accept(stream);
        let mut stopping = self.stopping.clone();
        let stream = tokio::select! {
            _ = stopping.changed() => return,
            () = connection.closed() => return,
            shaken = shaking => match shaken {
                Ok(stream) => stream,
                Err(error) => {
                    debug!(peer = %self.client.address, %error, "no TLS with this client");
                    return;
                }
            },
        };
        let shown = stream.get_ref().1.peer_certificates();
        let certificate = shown.and_then(<[_]>::first).map(|c| tls::subject(c));
        let certificate = match certificate {
            None => None,
            // A certificate without a name that can be read is nobody's.
            Some(None) => return,
            Some(Some(subject)) => Some(subject),
        };
        let client = Client {
            certificate: certificate.map(Into::into),
            ..self.client.clone()
        };
        Self { client, ..self }.talk(stream).await;
    }

    async fn talk<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            admitted,
            client,
            shared,
            mut stopping,
        } = self;
        let connection = Arc::clone(&admitted.connection);
        let answerer = Arc::clone(&shared.answerer);
        let client = Arc::new(client);
        let own = Arc::clone(&connection);
        let service = service_fn(move |request: Request<Incoming>| {
            let (answerer, client) = (Arc::clone(&answerer), Arc::clone(&client));
            let connection = Arc::clone(&own);
            async move {
                let request = request.map(Body::new);
                let response = answerer.answer(&client, &connection, request).await;
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let io = TokioIo::new(Observed {
            stream,
            connection: Arc::clone(&connection),
        });
        let mut serving = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(BACKSTOP)
                .max_buf_size(HEAD_LIMIT)
                .max_headers(HEADERS_LIMIT)
                .serve_connection(io, service)
        );
        let mut told = false;
        loop {
            tokio::select! {
                // Clients end connections as they like: an error is no news.
                _ = &mut serving => break,
                () = connection.closed() => break,
                _ = stopping.changed(), if !told => {
                    if matches!(connection.phase(), Phase::Opening | Phase::Idle | Phase::Head) {
                        break;
                    }
                    told = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
        // Its descriptor is free once this returns: the reserve may need it.
        drop(admitted);
    }
}

/// A stream that tells when bytes have come.
struct Observed<S> {
    stream: S,
    connection: Arc<Connection>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.connection.has_read();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
