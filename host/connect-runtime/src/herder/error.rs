//! Why the herder does not do what it was asked for.

use std::time::Duration;

/// Why the herder does not do what it was asked for. The texts are Kafka Connect's.
#[derive(Debug, thiserror::Error)]
pub enum HerderError {
    /// No such connector or task.
    #[error("{0}")]
    NotFound(String),
    /// There is one of that name already.
    #[error("Connector {0} already exists")]
    AlreadyExists(String),
    /// The request cannot be carried out as it is.
    #[error("{0}")]
    BadRequest(String),
    /// The worker has switched it off.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The herder did not answer in time.
    #[error("Request timed out. The worker did not finish it within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// The worker is about to end.
    #[error("Worker is shutting down")]
    ShuttingDown,
    /// Something that the caller cannot change.
    #[error("{0}")]
    Internal(String),
}

impl From<connect_api::Error> for HerderError {
    fn from(error: connect_api::Error) -> Self {
        Self::Internal(error.chain())
    }
}
