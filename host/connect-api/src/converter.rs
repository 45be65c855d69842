//! The contracts of converters: bytes of Kafka to data of Connect, and back.

use std::borrow::Cow;

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

/// Reads and writes the keys or the values of records:
/// `org.apache.kafka.connect.storage.Converter`.
///
/// A sink task reads with it what Kafka has; a source task, and a sink that writes to Kafka, write
/// with it. A converter belongs to one thread and is called record after record. Either direction
/// may block on a Schema Registry for seconds, so it is never called on a thread of the async
/// runtime, which has the answer to wait for.
///
/// ```
/// use std::borrow::Cow;
///
/// use bytes::Bytes;
/// use connect_api::{Converter, Datum, Error, Result, Value};
///
/// /// One byte, unsigned.
/// struct ByteConverter;
///
/// impl Converter for ByteConverter {
///     fn class_name(&self) -> &'static str {
///         "com.example.ByteConverter"
///     }
///
///     fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
///         match bytes.map(|bytes| &bytes[..]) {
///             None => Ok(Datum::NULL),
///             Some([byte]) => Ok(Datum::schemaless(Value::Int((*byte).into()))),
///             Some(other) => Err(Error::data(format!("{} bytes, not 1", other.len()))),
///         }
///     }
///
///     fn from_connect_data<'a>(
///         &mut self,
///         _topic: &str,
///         datum: &'a Datum,
///     ) -> Result<Option<Cow<'a, [u8]>>> {
///         match &datum.value {
///             Value::Null => Ok(None),
///             Value::Int(number) => match u8::try_from(*number) {
///                 Ok(byte) => Ok(Some(Cow::Owned(vec![byte]))),
///                 Err(_) => Err(Error::data("the number does not fit a byte")),
///             },
///             other => Err(Error::data(format!("a {} is no byte", other.type_name()))),
///         }
///     }
/// }
///
/// let datum = Datum::schemaless(Value::Int(7));
/// let written = ByteConverter.from_connect_data("topic", &datum)?.map(Cow::into_owned);
/// assert_eq!(written.as_deref(), Some(&[7][..]));
/// let read = ByteConverter.to_connect_data("topic", written.map(Bytes::from).as_ref())?;
/// assert_eq!(read, datum);
/// # Ok::<(), Error>(())
/// ```
pub trait Converter: Send {
    /// The class that Kafka Connect knows it by.
    fn class_name(&self) -> &'static str;

    /// Reads one record's part. `None` is a null of Kafka, such as the value of a tombstone. The
    /// data may go on sharing the bytes.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] when the bytes are at fault, [`crate::ErrorKind::Retriable`] when
    /// the registry does not answer. No other kind is blamed on the record.
    fn to_connect_data(&mut self, topic: &str, bytes: Option<&Bytes>) -> Result<Datum>;

    /// Writes one record's part for a topic. A null value becomes `None`, whatever its schema: a
    /// null of Kafka. What is text or bytes already is lent, not copied.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] when the value or its schema has no form in the format, or the
    /// registry refuses the schema; [`crate::ErrorKind::Retriable`] when the registry does not
    /// answer. No other kind is blamed on the record.
    #[expect(clippy::wrong_self_convention, reason = "Kafka Connect's name")]
    fn from_connect_data<'a>(
        &mut self,
        topic: &str,
        datum: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>>;
}

/// Reads and writes the values of headers: `org.apache.kafka.connect.storage.HeaderConverter`.
///
/// Every [`Converter`] is one too, and treats the value of a header as it does a key or a value. A
/// class that a config may name as `header.converter` says so in the list of converters.
pub trait HeaderConverter: Send {
    /// The class that Kafka Connect knows it by.
    fn class_name(&self) -> &'static str;

    /// Reads the value of the header `name` of a record of `topic`.
    ///
    /// # Errors
    /// As [`Converter::to_connect_data`].
    fn to_connect_header(
        &mut self,
        topic: &str,
        name: &str,
        value: Option<&Bytes>,
    ) -> Result<Datum>;

    /// Writes the value of the header `name` of a record for `topic`.
    ///
    /// # Errors
    /// As [`Converter::from_connect_data`].
    #[expect(clippy::wrong_self_convention, reason = "Kafka Connect's name")]
    fn from_connect_header<'a>(
        &mut self,
        topic: &str,
        name: &str,
        value: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>>;
}

impl<C: Converter> HeaderConverter for C {
    fn class_name(&self) -> &'static str {
        Converter::class_name(self)
    }

    fn to_connect_header(
        &mut self,
        topic: &str,
        _name: &str,
        value: Option<&Bytes>,
    ) -> Result<Datum> {
        self.to_connect_data(topic, value)
    }

    fn from_connect_header<'a>(
        &mut self,
        topic: &str,
        _name: &str,
        value: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>> {
        self.from_connect_data(topic, value)
    }
}
