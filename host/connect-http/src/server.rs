//! Accepts connections, speaks TLS and HTTP/1.1 on them, and ends them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, error, warn};

use crate::connections::{Admitted, Connection, ConnectionLimits, Connections, Phase};
use crate::reserve::{Reserve, are_out};
use crate::tls::{self, Tls};

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

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The subject of its certificate, where it has shown one.
    pub certificate: Option<Arc<str>>,
}

/// Answers the requests of a listener.
pub trait Handler: Send + Sync + 'static {
    /// The bodies of its answers.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers a request. It says when the body is there and the work begins, by
    /// [`Phase::Working`]: until then the client's time runs.
    fn answer(
        &self,
        peer: &Peer,
        connection: &Arc<Connection>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// What the listeners of one API share: the limits of its connections.
#[derive(Clone)]
pub struct Sockets {
    /// What the API is called in the log.
    api: Arc<str>,
    /// The whole answer where all connections are busy.
    busy: &'static [u8],
    connections: Arc<Connections>,
    reserve: Arc<Reserve>,
    last_requests: Duration,
}

impl Sockets {
    /// Sockets without a connection. `busy` is the whole answer, with its head, to a client for
    /// which there is no connection.
    pub fn new(api: impl Into<Arc<str>>, limits: ConnectionLimits, busy: &'static [u8]) -> Self {
        let reserve = Reserve::default();
        reserve.fill();
        Self {
            api: api.into(),
            busy,
            connections: Arc::new(Connections::new(limits)),
            reserve: Arc::new(reserve),
            last_requests: Duration::ZERO,
        }
    }

    /// The same, where connections on which nothing is asked stay open for so long once it stops:
    /// a request that is on its way then is answered, and told to be the last.
    #[must_use]
    pub fn last_requests(self, within: Duration) -> Self {
        Self {
            last_requests: within,
            ..self
        }
    }

    /// Closes the connections whose clients take too long, for as long as it runs.
    pub async fn sweep(self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.connections.close_late();
            self.reserve.fill();
        }
    }

    /// Accepts until the sender of `stopping` says something or is gone, and waits for what is
    /// being answered then.
    pub async fn serve<H: Handler>(
        self,
        listener: TcpListener,
        tls: Option<Tls>,
        handler: Arc<H>,
        stopping: watch::Receiver<()>,
    ) {
        accept_all(listener, tls, handler, self, stopping).await;
    }
}

/// Accepts until it is to stop, and waits for its connections then.
async fn accept_all<H: Handler>(
    listener: TcpListener,
    tls: Option<Tls>,
    handler: Arc<H>,
    shared: Sockets,
    stopping: watch::Receiver<()>,
) {
    let mut stop = stopping.clone();
    let mut accepting = Accepting {
        tls,
        handler,
        shared,
        stopping,
        serving: JoinSet::new(),
        outage: Outage::default(),
    };
    loop {
        let accepted = tokio::select! {
            // An error means that the sender is gone: the same.
            _ = stop.changed() => break,
            Some(_) = accepting.serving.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        accepting.take(accepted).await;
    }
    // The system has let these in: their requests would be cut off with the listener.
    while let Ok(accepted) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
        let is_accepted = accepted.is_ok();
        accepting.take(accepted).await;
        if !is_accepted {
            break;
        }
    }
    drop(listener);
    while accepting.serving.join_next().await.is_some() {}
}

/// A listener at work.
struct Accepting<H> {
    tls: Option<Tls>,
    handler: Arc<H>,
    shared: Sockets,
    stopping: watch::Receiver<()>,
    serving: JoinSet<()>,
    outage: Outage,
}

impl<H: Handler> Accepting<H> {
    /// Serves what was accepted; where nothing can be accepted, makes room.
    async fn take(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, address)) => self.serve(stream, address),
            // Such as a client that has gone before it was accepted.
            Err(cause) if !are_out(&cause) => {
                debug!(error = %cause, "a connection was not accepted");
                tokio::time::sleep(REST).await;
            }
            Err(cause) => {
                self.outage.tell(&self.shared.api, &cause);
                // At once, too: what is given up here is for the next connection.
                if !self.shared.reserve.give() {
                    self.shared.connections.close_one();
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    fn serve(&mut self, stream: TcpStream, address: SocketAddr) {
        let shared = &self.shared;
        self.outage.over(&shared.api);
        let Some(admitted) = shared.connections.admit(address.ip()) else {
            if self.tls.is_none() {
                // Whether the client hears it is its own matter.
                let _ = stream.try_write(shared.busy);
            }
            return;
        };
        let peer = Peer {
            address,
            certificate: None,
        };
        let tls = self.tls.as_ref().map(Tls::now);
        let one = One {
            admitted,
            peer,
            handler: Arc::clone(&self.handler),
            stopping: self.stopping.clone(),
            last_requests: shared.last_requests,
        };
        let reserve = Arc::clone(&shared.reserve);
        self.serving.spawn(async move {
            one.serve(stream, tls).await;
            // At once, before somebody else takes the descriptor that is free now.
            reserve.fill();
        });
    }
}

/// A time in which nothing can be accepted: it is logged once.
#[derive(Default)]
struct Outage {
    since: Option<tokio::time::Instant>,
    last: Option<tokio::time::Instant>,
}

impl Outage {
    fn tell(&mut self, api: &str, cause: &io::Error) {
        let now = tokio::time::Instant::now();
        if self.last.is_none_or(|last| now - last > OUTAGE) {
            self.since = Some(now);
            error!(
                error = %cause,
                "cannot accept a connection to {api}: the worker's limit of open files \
                 (ulimit -n) is too low for what it runs"
            );
        }
        self.last = Some(now);
    }

    fn over(&mut self, api: &str) {
        if let (Some(_), Some(last)) = (self.since, self.last)
            && last.elapsed() > OUTAGE
        {
            self.since = None;
            warn!("connections to {api} are accepted again");
        }
    }
}

/// A connection that is served.
struct One<H> {
    admitted: Admitted,
    peer: Peer,
    handler: Arc<H>,
    stopping: watch::Receiver<()>,
    last_requests: Duration,
}

impl<H: Handler> One<H> {
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
                    debug!(peer = %self.peer.address, %error, "no TLS with this client");
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
        let peer = Peer {
            certificate: certificate.map(Into::into),
            address: self.peer.address,
        };
        Self { peer, ..self }.talk(stream).await;
    }

    async fn talk<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self {
            admitted,
            peer,
            handler,
            mut stopping,
            last_requests,
        } = self;
        let said = stopping.clone();
        let connection = Arc::clone(&admitted.connection);
        let peer = Arc::new(peer);
        let own = Arc::clone(&connection);
        let service = service_fn(move |request: Request<Incoming>| {
            let (handler, peer) = (Arc::clone(&handler), Arc::clone(&peer));
            let (connection, said) = (Arc::clone(&own), said.clone());
            async move {
                connection.enter(Phase::Body);
                let mut response = handler.answer(&peer, &connection, request).await;
                if said.has_changed().unwrap_or(true) {
                    tell_the_last(&mut response);
                }
                connection.enter(Phase::Answering);
                let response = response.map(|body| Answering { body, connection });
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
        // Of a connection on which nothing is asked, a while later; of others at once.
        let end = async {
            let _ = stopping.changed().await;
            if is_quiet(&connection) {
                tokio::time::sleep(last_requests).await;
            }
        };
        // Clients end connections as they like: an error is no news.
        tokio::select! {
            _ = &mut serving => {}
            () = connection.closed() => {}
            () = end => if !is_quiet(&connection) {
                serving.as_mut().graceful_shutdown();
                tokio::select! {
                    _ = &mut serving => {}
                    () = connection.closed() => {}
                }
            },
        }
        // Its descriptor is free once this returns: the reserve may need it.
        drop(admitted);
    }
}

/// Whether no request has come on a connection, or not all of its head.
fn is_quiet(connection: &Connection) -> bool {
    let phase = connection.phase();
    matches!(phase, Phase::Opening | Phase::Idle | Phase::Head)
}

/// No other request is taken on the connection.
fn tell_the_last<B>(response: &mut Response<B>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(CONNECTION, close);
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

/// The body of an answer; the connection is idle once it is gone.
struct Answering<B> {
    body: B,
    connection: Arc<Connection>,
}

impl<B: Body + Unpin> Body for Answering<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        self.connection.enter(Phase::Idle);
    }
}
