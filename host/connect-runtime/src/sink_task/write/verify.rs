//! What the target has is compared with what was durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use connect_api::{ErrorKind, Result};

use super::{BACKOFF, Response, WriteThread};

impl WriteThread {
    /// Compares once what the target has with what was durable. A target that is away is asked
    /// again by the next request.
    pub(super) async fn verify(&mut self, generation: u64) -> Result<Response> {
        let current = Arc::clone(&self.generation);
        let is_over = || generation != current.load(Ordering::Acquire);
        if is_over() || self.rewound == Some(generation) {
            return Ok(Response::Discarded);
        }
        let Some(offsets) = self.parts.sink.task().offsets() else {
            return Ok(Response::Verified);
        };
        let given_up = async {
            while !is_over() {
                tokio::time::sleep(BACKOFF.0).await;
            }
        };
        let verified = tokio::select! {
            verified = offsets.verify() => verified,
            () = given_up => return Ok(Response::Discarded),
        };
        match verified {
            Ok(()) => {
                self.recovered();
                Ok(Response::Verified)
            }
            Err(error) => match error.kind() {
                ErrorKind::Fenced | ErrorKind::OffsetsLost => {
                    self.rewound = Some(generation);
                    Ok(Response::Rewind(error))
                }
                ErrorKind::Retriable => {
                    self.report_away(&error);
                    Ok(Response::NotVerified)
                }
                _ => Err(error),
            },
        }
    }
}
