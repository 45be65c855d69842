//! Kafka, Schema Registry and Postgres in one process tree, for ferrule dev.
//!
//! * [`Kafka`]: a broker, in memory.
//! * [`Registry`]: a Schema Registry with the Confluent API, in memory.
//! * [`Postgres`]: a server of its own, from the installed binaries.
//!
//! Nothing here is for production: what is in memory is gone when the process ends, and Postgres
//! runs with `fsync=off`.

mod database;
mod error;
mod kafka;
mod postgres;
mod registry;

pub use database::{Database, Offset};
pub use error::{Error, Result};
pub use kafka::Kafka;
pub use postgres::{Postgres, PostgresOptions};
pub use registry::Registry;

/// Chooses the TLS library's provider for this process, once; a choice already made stays.
///
/// In one build with `connect-converters`, the HTTP client has TLS and no provider, and then every
/// client that is made before this call panics, also one for plain HTTP. Call it first in `main`.
pub fn install_tls_provider() {
    // Err is: there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
