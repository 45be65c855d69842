//! The REST API: Kafka Connect's routes, bodies and codes.

mod answer;
mod audit;
mod auth;
mod body;
mod connector_plugins;
mod connectors;
mod entities;
mod error;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod loggers;
mod media;
mod offsets;
mod origin;
mod query;
mod response_headers;
mod root;
mod routes;
mod server;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use crate::herder::{HerderHandle, REQUEST_LIMIT};
use crate::logging::Loggers;
use crate::metrics::{Names, Snapshot};

pub use audit::AuditSink;
pub use error::RestError;
pub use response_headers::HeaderRule;
pub use routes::router;
pub use server::Server;

/// Bytes of a request's body.
const BODY_LIMIT: usize = 1 << 20;
/// Beyond the herder's own limit, so that its answer is the one that is seen.
const ANSWER_LIMIT: Duration = REQUEST_LIMIT.saturating_add(Duration::from_secs(5));

/// Prints the metrics in Prometheus' text format, with what the herder says of the worker, if it
/// answers, under these names.
pub type PrintMetrics = Arc<dyn Fn(Option<&Snapshot>, Names) -> String + Send + Sync>;

/// What the routes work with.
#[derive(Clone)]
pub struct Api {
    /// The herder.
    pub herder: HerderHandle,
    /// The levels of logging.
    pub loggers: Arc<Loggers>,
    /// Prints the metrics in Prometheus' text format.
    pub metrics: PrintMetrics,
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Everything.
    All,
    /// Everything but `/admin`.
    WithoutAdmin,
    /// `/admin` alone.
    AdminOnly,
}

impl Surface {
    /// For the log: what is behind the slash.
    fn name(self) -> &'static str {
        match self {
            Self::All | Self::WithoutAdmin => "",
            Self::AdminOnly => "admin",
        }
    }
}

/// What is served: that the worker is starting, until the API is opened.
#[derive(Clone, Default)]
pub struct Gate(Arc<OnceLock<Routers>>);

impl Gate {
    /// Serves the API from now on. A second call changes nothing.
    pub fn open(&self, api: Api) {
        let _ = self.0.set(Routers {
            all: router(api.clone(), Surface::All),
            without_admin: router(api.clone(), Surface::WithoutAdmin),
            admin_only: router(api, Surface::AdminOnly),
        });
    }

    async fn answer(self, surface: Surface, request: Request) -> Response {
        let Some(routers) = self.0.get() else {
            return root::starting().into_response();
        };
        let router = match surface {
            Surface::All => &routers.all,
            Surface::WithoutAdmin => &routers.without_admin,
            Surface::AdminOnly => &routers.admin_only,
        };
        match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// The routes of each surface.
struct Routers {
    all: Router,
    without_admin: Router,
    admin_only: Router,
}
