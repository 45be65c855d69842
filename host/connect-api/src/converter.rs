//! The contract of converters.

use bytes::Bytes;

use crate::{Datum, Result};

/// Which part of a record a converter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordPart {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Turns the bytes of a key or a value into data.
///
/// Called from one thread, record after record; it may block on a Schema Registry.
pub trait Converter: Send {
    /// The class that Kafka Connect knows it by.
    fn class_name(&self) -> &'static str;

    /// The data of one record's part. It may go on sharing the bytes.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] when the bytes are at fault, [`crate::ErrorKind::Retriable`] when
    /// the registry does not answer. No other kind is blamed on the record.
    fn to_connect_data(&mut self, topic: &str, bytes: Option<&Bytes>) -> Result<Datum>;
}
