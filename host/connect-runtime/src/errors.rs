//! What happens to errant records: logging, tolerance, the dead letter queue (KIP-298).

mod dead_letter_queue;
mod records;
mod retry;
mod source;
mod stage;
mod tolerance;

pub use dead_letter_queue::{DeadLetterQueue, Delivery};
pub use records::{DeadLetterRows, FailedRecord, RecordErrors, StoppedAt};
pub use retry::{Retries, RetryPolicy};
pub use source::{SourceErrant, SourceErrors};
pub use stage::{Errant, Stage};
pub use tolerance::{ErrorConfig, ErrorReporter, Reported, delivered};
