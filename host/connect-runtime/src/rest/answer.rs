//! A request's way to the routes: whom it is for, which page and who sent it, its body; and what
//! every answer gets.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use connect_http::{Connection, ConnectionLimits, Cors, Phase};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tracing::error;

use super::audit::{AuditEntry, AuditLog, AuditSink};
use super::auth::Auth;
use super::origin::{self, Page};
use super::routes::methods_of;
use super::{BODY_LIMIT, Gate, HeaderRule, RestError, Surface, body};
use crate::config::{AllowedHosts, RestConfig};

/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(20);
/// Bytes of all bodies together, in units of 1 KiB.
const BODIES: usize = 32 << 10;
/// Bytes of a path, and of a query: more than any name with its escapes.
const URI_LIMIT: usize = 8 << 10;
/// The status of a request whose client has gone, as web servers log it: no answer has it.
const CLIENT_GONE: u16 = 499;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// Its address.
    pub address: SocketAddr,
    /// `http` or `https`, as it came.
    pub scheme: &'static str,
    /// What it may reach by the listener that it came to.
    pub surface: Surface,
    /// The subject of its certificate, where it has shown one.
    pub certificate: Option<Arc<str>>,
}

/// Answers requests.
pub(super) struct Answerer {
    hosts: AllowedHosts,
    cors: Cors,
    headers: Vec<HeaderRule>,
    auth: Auth,
    gate: Gate,
    audit: AuditLog,
    bodies: Arc<Semaphore>,
    working: Arc<Semaphore>,
}

impl Answerer {
    /// By the options.
    pub fn new(
        config: &RestConfig,
        auth: Auth,
        gate: Gate,
        audit: Option<AuditSink>,
        limits: ConnectionLimits,
    ) -> Self {
        // Some connections are left for those who only ask whether the worker is well.
        let working = (limits.per_peer * 3 / 4).max(2);
        Self {
            hosts: config.hosts.clone(),
            cors: Cors::new(config.cors.clone()),
            headers: config.headers.clone(),
            auth,
            gate,
            audit: AuditLog::new(audit),
            bodies: Arc::new(Semaphore::new(BODIES)),
            working: Arc::new(Semaphore::new(working)),
        }
    }

    /// Answers a request, and follows the connection's phases.
    pub async fn answer(
        &self,
        client: &Client,
        connection: &Arc<Connection>,
        request: Request<Body>,
    ) -> Response {
        let audit = Audited {
            entry: AuditEntry::new(
                request.method().clone(),
                request.uri().path(),
                client.address,
            ),
            answerer: self,
            told: false,
        };
        let allowed = self.allowed_origin(request.uri(), request.headers());
        let base = base(client.scheme, &request);
        let answered = self.judge(client, connection, request, &audit.entry).await;
        let mut response = answered.unwrap_or_else(|refused| refused);
        make_location_whole(base.as_deref(), response.headers_mut());
        if let Some(origin) = allowed {
            self.cors.tell(&origin, response.headers_mut());
        }
        for rule in &self.headers {
            rule.apply(response.headers_mut());
        }
        audit.tell(response.status());
        response
    }

    fn allowed_origin(&self, uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
        match origin::page(&self.cors, uri, headers) {
            Ok(Page::Allowed(_)) => headers.get(header::ORIGIN).cloned(),
            Ok(Page::Own | Page::Foreign(_)) | Err(_) => None,
        }
    }

    async fn judge(
        &self,
        client: &Client,
        connection: &Connection,
        request: Request<Body>,
        audit: &Arc<AuditEntry>,
    ) -> Result<Response, Response> {
        let (mut parts, body) = request.into_parts();
        let (method, uri, headers) = (&parts.method, &parts.uri, &parts.headers);
        check_length(uri)?;
        origin::check_host(&self.hosts, parts.version, uri, headers)?;
        let page = origin::page(&self.cors, uri, headers)?;
        let asks_first = *method == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if asks_first && matches!(page, Page::Allowed(_)) {
            let mut response = StatusCode::OK.into_response();
            self.cors.preflight(response.headers_mut());
            return Ok(response);
        }
        origin::check_page(page, &self.cors, method)?;
        let certificate = client.certificate.as_deref();
        let principal = self.auth.principal(headers, certificate)?;
        audit.principal(&principal);
        let reading = tokio::time::timeout(BODY_TIME, self.read(body, headers));
        let late = |_| {
            let why = "The body of the request did not come in time";
            RestError::new(StatusCode::REQUEST_TIMEOUT, why)
        };
        let (bytes, _held) = reading.await.map_err(late)??;
        connection.enter(Phase::Working);
        body::check_type(headers, &bytes)?;
        // Only now: whoever sends half a body keeps nobody from being answered. And for whom only
        // asks whether the worker is well there is always room.
        let is_probe = *method == Method::GET && uri.path().trim_end_matches('/') == "/health";
        let _working = match is_probe {
            true => None,
            false => Some(self.working_permit()?),
        };
        let caller = self.auth.caller(principal, Arc::clone(audit));
        parts.extensions.insert(caller);
        let asks_for_methods = parts.method == Method::OPTIONS;
        let request = Request::from_parts(parts, Body::from(bytes));
        let response = guarded(self.gate.clone(), client.surface, request).await;
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED if asks_for_methods => Ok(methods_of(&response)),
            _ => Ok(response),
        }
    }

    fn working_permit(&self) -> Result<OwnedSemaphorePermit, RestError> {
        let permit = Arc::clone(&self.working).try_acquire_owned();
        permit.map_err(|_| {
            let why = "The worker answers as many requests as it can: try again later";
            RestError::new(StatusCode::SERVICE_UNAVAILABLE, why)
        })
    }

    /// Reads a body, within the limit of its own and that of all.
    async fn read(
        &self,
        mut body: Body,
        headers: &HeaderMap,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), RestError> {
        let too_large = || {
            let why = format!("The request body is larger than {BODY_LIMIT} bytes");
            RestError::new(StatusCode::PAYLOAD_TOO_LARGE, why)
        };
        let declared = headers.get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > BODY_LIMIT) {
            return Err(too_large());
        }
        let mut bytes: Vec<u8> = Vec::new();
        let mut held: Option<OwnedSemaphorePermit> = None;
        loop {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            let data = match frame {
                None => return Ok((bytes.into(), held)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    Err(_) => continue,
                },
                Some(Err(_)) => {
                    return Err(RestError::bad_request("The request body has no end"));
                }
            };
            if bytes.len() + data.len() > BODY_LIMIT {
                return Err(too_large());
            }
            let units = u32::try_from(data.len().div_ceil(1 << 10)).unwrap_or(u32::MAX);
            let permit = Arc::clone(&self.bodies).try_acquire_many_owned(units);
            let permit = permit.map_err(|_| {
                let why = "Too many request bodies come at once: try again later";
                RestError::new(StatusCode::SERVICE_UNAVAILABLE, why)
            })?;
            match &mut held {
                Some(held) => held.merge(permit),
                None => held = Some(permit),
            }
            bytes.extend_from_slice(&data);
        }
    }
}

impl From<RestError> for Response {
    fn from(error: RestError) -> Self {
        error.into_response()
    }
}

/// What the client calls this worker: the start of a URL.
fn base(scheme: &str, request: &Request<Body>) -> Option<String> {
    let host = || request.headers().get(header::HOST)?.to_str().ok();
    let authority = request.uri().authority().map(Authority::as_str);
    Some(format!("{scheme}://{}", authority.or_else(host)?))
}

/// Kafka Connect answers with URLs; clients that follow one take a path for a broken one.
fn make_location_whole(base: Option<&str>, headers: &mut HeaderMap) {
    let path = headers
        .get(header::LOCATION)
        .and_then(|path| path.to_str().ok());
    if let (Some(base), Some(path)) = (base, path.filter(|path| path.starts_with('/')))
        && let Ok(whole) = HeaderValue::from_str(&format!("{base}{path}"))
    {
        headers.insert(header::LOCATION, whole);
    }
}

fn check_length(uri: &Uri) -> Result<(), RestError> {
    let query = uri.query().map_or(0, str::len);
    if uri.path().len() <= URI_LIMIT && query <= URI_LIMIT {
        return Ok(());
    }
    let why = format!("The path or the query is longer than {URI_LIMIT} bytes");
    Err(RestError::new(StatusCode::URI_TOO_LONG, why))
}

/// The routes' answer; 500 where one panics, which must not end the connection. A request whose
/// client goes is given up.
async fn guarded(gate: Gate, surface: Surface, request: Request<Body>) -> Response {
    let mut routes = JoinSet::new();
    routes.spawn(gate.answer(surface, request));
    match routes.join_next().await {
        Some(Ok(response)) => response,
        // What a panic says may quote a config.
        Some(Err(_)) | None => {
            error!("a request could not be answered: the worker's code panicked");
            let why = "Internal Server Error";
            RestError::new(StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
        }
    }
}

/// A request whose end is told in any case: it may have changed something before its client went.
struct Audited<'a> {
    entry: Arc<AuditEntry>,
    answerer: &'a Answerer,
    told: bool,
}

impl Audited<'_> {
    fn tell(mut self, status: StatusCode) {
        self.told = true;
        self.entry.tell(status, &self.answerer.audit);
    }
}

impl Drop for Audited<'_> {
    fn drop(&mut self) {
        if !self.told
            && let Ok(gone) = StatusCode::from_u16(CLIENT_GONE)
        {
            self.entry.tell(gone, &self.answerer.audit);
        }
    }
}
