//! Calls of the sink that are repeated until the target has taken them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use connect_api::{Error, ErrorKind, Result};
use tracing::{info, warn};

use super::{BACKOFF, WriteThread, WriterParts};
use crate::task_control::Awaited;

impl WriteThread {
    /// Repeats a call until the target has taken it, whatever becomes of batches meanwhile:
    /// partitions are taken over also when batches of before were given up. None when the call
    /// itself is given up.
    ///
    /// # Errors
    /// When it is not retriable, or the task ends meanwhile.
    pub(super) async fn repeat<T>(
        &mut self,
        mut call: impl AsyncFnMut(&mut WriterParts) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut retry = Retry::default();
        let (ending, giving_up) = (Arc::clone(&self.ending), Arc::clone(&self.giving_up));
        let is_over = || ending.load(Ordering::Acquire) || giving_up.load(Ordering::Acquire);
        while !is_over() {
            let over = async {
                while !is_over() {
                    tokio::time::sleep(BACKOFF.0).await;
                }
            };
            // What it has begun, the target takes back with the connection.
            let called = tokio::select! {
                called = call(&mut self.parts) => called,
                () = over => break,
            };
            match called {
                Err(error) => {
                    let generation = self.generation();
                    let is_over = |thread: &Self| is_over() || thread.generation() != generation;
                    self.again(error, is_over, &mut retry).await?;
                }
                Ok(answer) => {
                    self.recovered();
                    return Ok(Some(answer));
                }
            }
        }
        match ending.load(Ordering::Acquire) {
            true => Err(stops()),
            false => Ok(None),
        }
    }

    /// Waits before a call is repeated; false when nobody wants that any more.
    ///
    /// # Errors
    /// The error itself, when it is none that time mends.
    pub(super) async fn again(
        &mut self,
        error: Error,
        is_over: impl Fn(&Self) -> bool,
        retry: &mut Retry,
    ) -> Result<bool> {
        if error.kind() != ErrorKind::Retriable {
            return Err(error);
        }
        self.parts.metrics.common.retries.increment(1);
        self.report_away(&error);
        let until = Instant::now() + retry.pause();
        while Instant::now() < until && !is_over(self) {
            let left = until.saturating_duration_since(Instant::now());
            tokio::time::sleep(BACKOFF.0.min(left)).await;
        }
        Ok(!is_over(self))
    }

    /// Tells that the target is away, unless the same was told last.
    pub(super) fn report_away(&mut self, error: &Error) {
        let why = error.chain();
        if self.waiting.as_ref() != Some(&why) {
            warn!(error = %why, "the target is away; the task waits for it");
            self.parts.metrics.target_unavailable.set(1.0);
            self.parts.reports.waiting(Awaited::Target, why.clone());
            self.waiting = Some(why);
        }
    }

    /// Tells that the target has taken a call, after one that it did not take: that one may have
    /// been given up since.
    pub(super) fn recovered(&mut self) {
        if self.waiting.take().is_some() {
            info!("the target is back");
            self.parts.metrics.target_unavailable.set(0.0);
            self.parts.reports.going_on(Awaited::Target);
        }
    }
}

#[derive(Default)]
pub(super) struct Retry {
    tries: u32,
}

impl Retry {
    /// Doubled each time up to a limit, less up to a quarter by chance, so that the tasks of a
    /// worker do not all come back at once.
    fn pause(&mut self) -> Duration {
        let full = BACKOFF
            .0
            .saturating_mul(1 << self.tries.min(10))
            .min(BACKOFF.1);
        self.tries += 1;
        let chance = uuid::Uuid::new_v4().as_bytes()[0];
        full - full.mul_f64(f64::from(chance) / 1024.0)
    }
}

fn stops() -> Error {
    Error::retriable("the task stops before the target is back")
}
