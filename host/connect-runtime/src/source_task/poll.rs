//! Stage 2: new records from the source.

use std::time::Instant;

use connect_api::{ErrorKind, Result, Senders, SourceRecord};

use super::{IDLE, RETRY_INTERVAL, Session, WaitsFor};

impl Session<'_> {
    /// The next records; none when there are none yet, or something else is to be done first.
    pub(super) fn poll(&mut self) -> Result<Option<Vec<SourceRecord>>> {
        if !self.has_room() {
            return Ok(None);
        }
        let wake = self.next_commit();
        let Self {
            worker,
            task,
            commits,
            senders,
            ..
        } = self;
        let parts = &worker.parts;
        let begin = Instant::now();
        let paused = parts.control.pausing();
        // A poll that is dropped loses nothing: that is its contract.
        let interrupted = async {
            while !parts.control.stopping()
                && parts.control.pausing() == paused
                && wake.is_none_or(|wake| Instant::now() < wake)
            {
                tokio::time::sleep(IDLE).await;
            }
        };
        // Whoever waits is told at once.
        let answered = async {
            match senders {
                Senders::Waiting => commits.head_answered().await,
                Senders::Absent => std::future::pending().await,
            }
        };
        let polled = parts.runtime.block_on(async {
            tokio::select! {
                biased;
                polled = task.poll() => Some(polled),
                () = answered => None,
                () = interrupted => None,
            }
        });
        match polled {
            None => Ok(None),
            Some(Ok(records)) => {
                worker.going_on(WaitsFor::Other);
                if records.is_empty() {
                    return Ok(None);
                }
                let metrics = &worker.parts.metrics;
                metrics.poll_time.took(begin.elapsed());
                metrics.polled.increment(records.len() as u64);
                metrics.common.batch_size.record(records.len() as f64);
                Ok(Some(records))
            }
            Some(Err(error)) if error.kind() == ErrorKind::Retriable => {
                worker.wait_after(&error, RETRY_INTERVAL);
                Ok(None)
            }
            Some(Err(error)) => Err(error),
        }
    }
}
