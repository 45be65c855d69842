//! Listeners that connectors of a worker share: each address is bound once, and the paths on it
//! belong to tasks. A listener is there for as long as some task has a path on it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect_api::{Error, Result};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json as object};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use crate::answer::{Full, Problem, json};
use crate::connections::{Connection, ConnectionLimits, Phase};
use crate::gone::GonePaths;
use crate::options::ListenerSettings;
use crate::path::{PathTemplate, PathValues, query_pairs};
use crate::protection::Protection;
use crate::server::{Handler, Peer, Sockets};
use crate::tls::{self, Tls};

/// How long requests that are being answered are waited for when a listener ends.
const DRAIN: Duration = Duration::from_secs(10);
/// Bytes of a path and its query.
const URI_LIMIT: usize = 8 << 10;
/// The path that tells how the connectors of a listener are.
const HEALTH: &str = "/health";
/// What is said where all connections are busy.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
    Content-Length: 38\r\nRetry-After: 1\r\nConnection: close\r\n\r\n\
    {\"error\":\"all connections are in use\"}";

/// An answer that is being made.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Response<Full>> + Send + 'a>>;

/// A request for a path.
#[derive(Debug)]
pub struct Call {
    /// Its head.
    pub head: Parts,
    /// Its body.
    pub body: Incoming,
    /// The named parts of its path.
    pub path: PathValues,
    /// The names and values of its query.
    pub query: Vec<(String, String)>,
    /// The connection, to say when the work begins.
    pub connection: Arc<Connection>,
}

/// Whether a task takes requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Up,
    /// It does not for now: why.
    Down(String),
}

/// What answers the requests of a path.
pub trait Endpoint: Send + Sync + 'static {
    /// Answers a request whose sender was checked.
    fn answer(&self, call: Call) -> Answering<'_>;

    /// How it is.
    fn health(&self) -> Health;

    /// The status of answers while its task is not there.
    fn away(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// A path of a task.
pub struct Route {
    /// The connector's name.
    pub connector: Arc<str>,
    /// The number of the task.
    pub task: u32,
    /// The method that it answers.
    pub method: Method,
    /// The path.
    pub path: PathTemplate,
    /// Who may send requests.
    pub protection: Arc<Protection>,
    /// What answers.
    pub endpoint: Arc<dyn Endpoint>,
}

/// All listeners of the process, by their addresses.
static LISTENERS: LazyLock<tokio::sync::Mutex<HashMap<String, Arc<Listener>>>> =
    LazyLock::new(tokio::sync::Mutex::default);

struct Listener {
    settings: ListenerSettings,
    local: String,
    paths: Arc<Paths>,
    stop: watch::Sender<()>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Paths {
    routes: Mutex<Vec<(usize, Arc<Route>)>>,
    gone: GonePaths,
    next: AtomicUsize,
    turn: AtomicUsize,
}

/// A task's place on a listener, which it loses when this is dropped.
pub struct Joined {
    address: String,
    local: String,
    id: usize,
    paths: Arc<Paths>,
}

impl Joined {
    /// host:port that the listener is bound to.
    pub fn local_address(&self) -> &str {
        &self.local
    }

    /// Takes the paths from the listener. The last one ends it: it accepts no more, requests in
    /// hand are answered, and its address is free.
    pub async fn leave(self) {
        let mut all = LISTENERS.lock().await;
        self.paths.remove(self.id);
        if let Some(listener) = all.get(&self.address)
            && Arc::ptr_eq(&listener.paths, &self.paths)
            && listener.paths.is_empty()
            && let Some(listener) = all.remove(&self.address)
        {
            listener.end().await;
        }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.paths.remove(self.id);
    }
}

/// Takes paths on a listener, which is bound if it is not there yet.
///
/// # Errors
/// [`connect_api::ErrorKind::Config`] when the address cannot be bound, another connector has it
/// with other settings, or has one of the paths.
pub async fn join(settings: ListenerSettings, routes: Vec<Route>) -> Result<Joined> {
    let mut all = LISTENERS.lock().await;
    let address = settings.address.clone();
    if let Some(listener) = all.get(&address) {
        if listener.paths.is_empty() {
            // Whoever had it has gone without a word.
            listener.end().await;
            all.remove(&address);
        } else if listener.settings.shared != settings.shared {
            return Err(Error::config(format!(
                "another connector listens on {address} with other settings: http.listener, \
                 http.max.connections and ssl.* must be the same for all on one address"
            )));
        }
    }
    let listener = match all.get(&address) {
        Some(listener) => Arc::clone(listener),
        None => {
            let listener = Arc::new(Listener::bind(settings).await?);
            all.insert(address.clone(), Arc::clone(&listener));
            listener
        }
    };
    let id = match listener.paths.add(routes) {
        Ok(id) => id,
        Err(error) => {
            if listener.paths.is_empty() {
                all.remove(&address);
                listener.end().await;
            }
            return Err(error);
        }
    };
    Ok(Joined {
        address,
        local: listener.local.clone(),
        id,
        paths: Arc::clone(&listener.paths),
    })
}

impl Listener {
    async fn bind(settings: ListenerSettings) -> Result<Self> {
        let address = &settings.address;
        let failed =
            |cause| Error::config(format!("could not listen on {address}")).with_source(cause);
        let mut tasks = JoinSet::new();
        let tls = match settings.tls.clone() {
            None => None,
            Some(config) => Some(tls::start(config, &mut tasks).await?),
        };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?.to_string();
        let paths = Arc::new(Paths::default());
        let limits = ConnectionLimits {
            total: settings.connections,
            // Behind a load balancer all come from one address.
            per_peer: settings.connections,
        };
        let sockets = Sockets::new(format!("the listener {local}"), limits, BUSY);
        let (stop, stopping) = watch::channel(());
        let scheme = tls.as_ref().map_or("http", |_: &Tls| "https");
        info!("connectors listen at {scheme}://{local}");
        tasks.spawn(sockets.clone().sweep());
        let handler = Arc::clone(&paths);
        let serving = tokio::spawn(async move {
            let _until_here = tasks;
            sockets.serve(socket, tls, handler, stopping).await;
        });
        Ok(Self {
            settings,
            local,
            paths,
            stop,
            serving: Mutex::new(Some(serving)),
        })
    }

    async fn end(&self) {
        self.stop.send_replace(());
        let serving = lock(&self.serving).take();
        let Some(mut serving) = serving else { return };
        if tokio::time::timeout(DRAIN, &mut serving).await.is_err() {
            warn!(
                listener = self.local,
                "requests are still being answered; their connections are closed"
            );
            serving.abort();
        }
        info!(listener = self.local, "closed");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a path and a method lead to.
enum Found {
    Route(Arc<Route>, PathValues),
    /// The path is there, for these methods.
    OtherMethod(Vec<Method>),
    Nothing,
}

impl Paths {
    fn is_empty(&self) -> bool {
        lock(&self.routes).is_empty()
    }

    fn remove(&self, id: usize) {
        let mut all = lock(&self.routes);
        let left = all.extract_if(.., |(of, _)| *of == id);
        let left: Vec<Arc<Route>> = left.map(|(_, route)| route).collect();
        self.gone.add(&left);
    }

    fn add(&self, routes: Vec<Route>) -> Result<usize> {
        let mut all = lock(&self.routes);
        for route in &routes {
            let taken = all.iter().find(|(_, other)| {
                other.connector != route.connector
                    && other.method == route.method
                    && other.path.literals() == route.path.literals()
                    && other.path.overlaps(&route.path)
            });
            if let Some((_, other)) = taken {
                return Err(Error::config(format!(
                    "the path is taken by connector {} on the same listener: set another path or \
                     another http.listener",
                    other.connector
                )));
            }
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.gone.are_back(&routes);
        all.extend(routes.into_iter().map(|route| (id, Arc::new(route))));
        Ok(id)
    }

    /// The tasks that share a path take turns, those that are well first. What answers GET answers
    /// HEAD, whose body the server leaves out (RFC 9110, section 9.1).
    fn find(&self, method: &Method, path: &str) -> Found {
        let method = match *method {
            Method::HEAD => &Method::GET,
            _ => method,
        };
        let mut methods = Vec::new();
        let mut found: Vec<(Arc<Route>, PathValues)> = Vec::new();
        for (_, route) in lock(&self.routes).iter() {
            let Some(values) = route.path.matches(path) else {
                continue;
            };
            if route.method != *method {
                if !methods.contains(&route.method) {
                    methods.push(route.method.clone());
                }
                continue;
            }
            let literals = route.path.literals();
            match found.first().map(|(route, _)| route.path.literals()) {
                Some(most) if most > literals => continue,
                Some(most) if most < literals => found.clear(),
                _ => {}
            }
            found.push((Arc::clone(route), values));
        }
        if found.len() > 1 {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % found.len();
            found.rotate_left(turn);
            if let Some(well) = found
                .iter()
                .position(|(r, _)| r.endpoint.health() == Health::Up)
            {
                found.swap(0, well);
            }
        }
        match found.into_iter().next() {
            Some((route, values)) => Found::Route(route, values),
            None if methods.is_empty() => Found::Nothing,
            None => Found::OtherMethod(methods),
        }
    }

    /// How the connectors are, or one of them: `/health?connector=NAME`.
    fn health(&self, query: &str) -> Response<Full> {
        let pairs = query_pairs(query).unwrap_or_default();
        let wanted = pairs.iter().find(|(name, _)| name == "connector");
        let mut all: Vec<Value> = Vec::new();
        let mut well = true;
        for (_, route) in lock(&self.routes).iter() {
            if wanted.is_some_and(|(_, name)| **name != *route.connector) {
                continue;
            }
            let mut one = object!({"connector": *route.connector, "task": route.task});
            match route.endpoint.health() {
                Health::Up => one["status"] = "UP".into(),
                Health::Down(why) => {
                    well = false;
                    one["status"] = "DOWN".into();
                    one["message"] = why.into();
                }
            }
            if !all.contains(&one) {
                all.push(one);
            }
        }
        if all.is_empty() {
            let why = "no such connector has a path on this listener";
            return Problem::new(StatusCode::NOT_FOUND, why).response();
        }
        let (status, word) = match well {
            true => (StatusCode::OK, "UP"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "DOWN"),
        };
        let body = object!({"status": word, "tasks": all});
        json(status, body.to_string())
    }

    async fn route(
        &self,
        connection: &Arc<Connection>,
        head: Parts,
        body: Incoming,
    ) -> Response<Full> {
        let path = head.uri.path();
        let origin = head.headers.get(header::ORIGIN).cloned();
        let asked = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
        if head.method == Method::OPTIONS
            && let (Some(origin), Some(asked)) = (&origin, asked)
        {
            return self.preflight(path, origin, asked);
        }
        let (route, values) = match self.find(&head.method, path) {
            Found::Route(route, values) => (route, values),
            found => {
                let gone = self.gone.answer(&head);
                return gone.unwrap_or_else(|| nothing(&found));
            }
        };
        let mut response = match (
            route.protection.refusal(&head.headers),
            query_pairs(head.uri.query().unwrap_or_default()),
        ) {
            (Some(refused), _) => refused,
            (None, None) => {
                let why = "the query has an escape that is no UTF-8";
                Problem::new(StatusCode::BAD_REQUEST, why).response()
            }
            (None, Some(query)) => {
                let call = Call {
                    head,
                    body,
                    path: values,
                    query,
                    connection: Arc::clone(connection),
                };
                route.endpoint.answer(call).await
            }
        };
        let headers: &mut HeaderMap = response.headers_mut();
        route.protection.tell(origin.as_ref(), headers);
        response
    }

    fn preflight(&self, path: &str, origin: &HeaderValue, asked: &HeaderValue) -> Response<Full> {
        let method = Method::from_bytes(asked.as_bytes()).unwrap_or(Method::OPTIONS);
        match self.find(&method, path) {
            Found::Route(route, _) => route.protection.preflight(origin, &method),
            found => nothing(&found),
        }
    }
}

fn nothing(found: &Found) -> Response<Full> {
    if let Found::OtherMethod(methods) = found {
        return other_method(methods);
    }
    let why = "no connector has this path";
    Problem::new(StatusCode::NOT_FOUND, why).response()
}

fn other_method(methods: &[Method]) -> Response<Full> {
    let why = "the path has no such method";
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, why).response();
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push(Method::HEAD.as_str());
    }
    if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
        response.headers_mut().insert(header::ALLOW, names);
    }
    response
}

impl Handler for Paths {
    type Body = Full;

    async fn answer(
        &self,
        _: &Peer,
        connection: &Arc<Connection>,
        request: Request<Incoming>,
    ) -> Response<Full> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default();
        if head.uri.path().len() + query.len() > URI_LIMIT {
            let why = format!("the path and the query are longer than {URI_LIMIT} bytes");
            return Problem::new(StatusCode::URI_TOO_LONG, why).response();
        }
        let probes = matches!(head.method, Method::GET | Method::HEAD);
        if probes && head.uri.path().trim_end_matches('/') == HEALTH {
            connection.enter(Phase::Working);
            return self.health(query);
        }
        self.route(connection, head, body).await
    }
}
