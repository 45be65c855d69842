//! What went wrong, and what kind of thing it is: the policy follows from the kind.

use std::error::Error as StdError;
use std::fmt;

use crate::config::mask;

/// The result of an operation on records or configurations.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an error. Who raises it says what happened; one place, the task, says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The same call may succeed later: a service is away. Never blamed on a record.
    Retriable,
    /// The record at hand is at fault; it becomes an errant record.
    Data,
    /// The configuration, or the schema of the target, is at fault; the task fails at once.
    Config,
    /// Another task owns the partition now; whatever this one holds of it is void.
    Fenced,
    /// The target no longer has what had become durable in it: a standby that was behind was
    /// promoted, a backup restored, a crash took commits that were not on disk yet. What is lost is
    /// written again.
    OffsetsLost,
    /// Anything else; the task fails.
    Fatal,
}

/// An error with its kind, its message and its cause.
///
/// `Display` gives the message alone; [`Error::chain`] adds the causes. Neither ever holds values
/// of records or secrets (Invariants 6 and 9).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    at_field: Option<Box<AtField>>,
    reach: Reach,
}

/// What a task that failed with an error has to expect of a restart.
#[derive(Debug)]
enum Reach {
    /// As its kind says.
    Kind,
    /// Time, or a change outside of the connector's config, mends it.
    Transient,
    /// It is of this record alone.
    Record(Box<str>),
}

/// The field of a record that an error is about, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtField {
    /// Its name, or the path to it.
    pub field: String,
    /// Why it is refused, without its value.
    pub reason: String,
}

impl Error {
    /// An error of the given kind, with no cause.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            at_field: None,
            reach: Reach::Kind,
        }
    }

    /// A [`ErrorKind::Retriable`] error.
    pub fn retriable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Retriable, message)
    }

    /// A [`ErrorKind::Data`] error.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// A [`ErrorKind::Config`] error.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// A [`ErrorKind::Fenced`] error.
    pub fn fenced(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fenced, message)
    }

    /// A [`ErrorKind::OffsetsLost`] error.
    pub fn offsets_lost(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::OffsetsLost, message)
    }

    /// A [`ErrorKind::Fatal`] error.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Fatal, message)
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with what was being done put before its message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// The same error with the field that it is about: what an answer to whoever sent the record
    /// has in parts of its own.
    #[must_use]
    pub fn at_field(mut self, field: impl Into<String>, reason: impl Into<String>) -> Self {
        let (field, reason) = (field.into(), reason.into());
        self.at_field = Some(Box::new(AtField { field, reason }));
        self
    }

    /// The same error, marked as one that time or another state of the target mends: a task that
    /// failed with it may go on after a restart, with the same config and the same records.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.reach = Reach::Transient;
        self
    }

    /// The same error, marked as that of one record: a restart meets the same record again.
    /// `record` says which one it is, by its partition and offset.
    #[must_use]
    pub fn of_record(mut self, record: impl Into<Box<str>>) -> Self {
        self.reach = Reach::Record(record.into());
        self
    }

    /// Whether a restart may help although neither the config nor the records change.
    pub fn is_transient(&self) -> bool {
        match self.reach {
            Reach::Transient => true,
            Reach::Record(_) => false,
            Reach::Kind => matches!(
                self.kind,
                ErrorKind::Retriable | ErrorKind::Fenced | ErrorKind::OffsetsLost
            ),
        }
    }

    /// The record that failed the task, where it was one.
    pub fn record(&self) -> Option<&str> {
        match &self.reach {
            Reach::Record(record) => Some(record),
            _ => None,
        }
    }

    /// The field that it is about, where that is known.
    pub fn field(&self) -> Option<&AtField> {
        self.at_field.as_deref()
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The class that Kafka Connect would have thrown; clients read it in traces and in
    /// dead letter headers.
    pub fn class_name(&self) -> &'static str {
        match self.kind {
            ErrorKind::Retriable => "org.apache.kafka.connect.errors.RetriableException",
            ErrorKind::Data => "org.apache.kafka.connect.errors.DataException",
            ErrorKind::Config => "org.apache.kafka.common.config.ConfigException",
            ErrorKind::Fenced | ErrorKind::OffsetsLost | ErrorKind::Fatal => {
                "org.apache.kafka.connect.errors.ConnectException"
            }
        }
    }

    /// The message followed by those of its causes, cut after [`Error::MOST`] bytes: it may name a
    /// field, and the name is as long as whoever sent the record likes.
    pub fn chain(&self) -> String {
        let mut text = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        if text.len() > Self::MOST {
            // First: half of a secret is no longer known as one.
            text = mask(text).into_owned();
        }
        if text.len() > Self::MOST {
            text.truncate(text.floor_char_boundary(Self::MOST));
            text.push('…');
        }
        text
    }

    /// The most bytes that [`Error::chain`] tells.
    pub const MOST: usize = 8 << 10;
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|e| e as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keep_secrets;

    #[test]
    fn a_secret_is_not_cut_in_half() {
        let secret = "0f2a-secret-that-is-cut";
        keep_secrets([secret], &|_| false);
        let before = "x ".repeat(Error::MOST / 2 - 5);
        let told = Error::config(format!("{before}{secret}")).chain();
        assert!(told.len() <= Error::MOST + 4, "{}", told.len());
        assert!(!told.contains("0f2a-secr"), "{}", &told[Error::MOST - 20..]);
    }
}
