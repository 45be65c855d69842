//! The paths that tasks have left, on a listener that others still have. A task that is started
//! again or moves is back in a moment: until then its clients are asked to try again, where a path
//! that nobody knows is 404.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header;
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use crate::answer::{Full, Problem};
use crate::listeners::Route;
use crate::path::PathTemplate;
use crate::protection::Protection;

/// How long such a path is known.
const KNOWN: Duration = Duration::from_secs(30);
/// Seconds after which a client may try again.
const RETRY_AFTER: u64 = 1;

/// A path whose task has left.
struct Gone {
    connector: Arc<str>,
    method: Method,
    path: PathTemplate,
    protection: Arc<Protection>,
    status: StatusCode,
    since: Instant,
}

/// The paths of a listener that tasks have left.
#[derive(Default)]
pub(crate) struct GonePaths(Mutex<Vec<Gone>>);

impl GonePaths {
    fn known(&self) -> MutexGuard<'_, Vec<Gone>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|gone| gone.since.elapsed() < KNOWN);
        all
    }

    /// Takes note that tasks have left these.
    pub(crate) fn add(&self, routes: &[Arc<Route>]) {
        let gone = routes.iter().map(|route| Gone {
            connector: Arc::clone(&route.connector),
            method: route.method.clone(),
            path: route.path.clone(),
            protection: Arc::clone(&route.protection),
            status: route.endpoint.away(),
            since: Instant::now(),
        });
        self.known().extend(gone);
    }

    /// Forgets the paths of the connectors that these belong to, which may be others now, and the
    /// paths that somebody else takes.
    pub(crate) fn are_back(&self, routes: &[Route]) {
        self.known().retain(|gone| {
            let is_back = |route: &Route| {
                let same_path = gone.method == route.method && gone.path.overlaps(&route.path);
                same_path || gone.connector == route.connector
            };
            !routes.iter().any(is_back)
        });
    }

    /// The answer to a request for a path that a task has just left.
    pub(crate) fn answer(&self, head: &Parts) -> Option<Response<Full>> {
        let known = self.known();
        let asks = |gone: &&Gone| {
            gone.method == head.method && gone.path.matches(head.uri.path()).is_some()
        };
        let gone = known.iter().find(asks)?;
        let refusal = gone.protection.refusal(&head.headers);
        let mut response = refusal.unwrap_or_else(|| {
            let why = "the task of this path does not run: it starts again, or runs elsewhere";
            let problem = Problem::new(gone.status, why);
            problem.retry_after(RETRY_AFTER).response()
        });
        let origin = head.headers.get(header::ORIGIN);
        gone.protection.tell(origin, response.headers_mut());
        Some(response)
    }
}
