//! HTTP servers: connections with limits and time-outs, TLS, CORS, and listeners whose paths belong
//! to several connectors. The worker's REST API stands on the lower half of it, the HTTP connectors
//! on all of it.

mod answer;
mod body;
mod connections;
mod cors;
pub mod formats;
mod gone;
mod listeners;
mod options;
mod path;
mod protection;
mod reserve;
mod server;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod watched;

pub use answer::{Full, Problem, json};
pub use body::{BodyError, InFlight, is_json, read_body};
pub use connections::{Admitted, Connection, ConnectionLimits, Connections, Phase};
pub use cors::{Cors, CorsConfig, OriginPattern};
pub use listeners::{Answering, Call, Endpoint, Health, Joined, Route, join};
pub use options::{ListenerSettings, keys, validate};
pub use path::{PathTemplate, query_pairs};
pub use protection::Protection;
pub use reserve::{Reserve, are_out};
pub use server::{Handler, Peer, Sockets};
pub use watched::Watched;
