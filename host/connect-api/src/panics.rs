//! Panics of code that works on a record.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Error, Result};

/// Works on one record. A panic becomes an error of that record, so that it is treated as any other
/// that cannot be worked on: a bug that one record finds must not end the task of all others.
///
/// The panic's message goes where the process's panic hook puts it: it may quote the record
/// (Invariant 6).
///
/// ```
/// use connect_api::{ErrorKind, panics};
///
/// let text = "\u{e9}";
/// let error = panics::caught(|| Ok(text[..1].len())).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Data);
/// ```
///
/// # Errors
/// Those of `work`; [`crate::ErrorKind::Data`] when it panicked.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What it has left half done is at most a cache: the record itself is not used any more.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(panicked()))
}

#[cold]
fn panicked() -> Error {
    Error::data(
        "the code that works on the record panicked, which is a bug of it: the log has the place \
         at level error, and the message at level debug",
    )
}
