//! Data to bytes.

use std::borrow::Cow;
use std::sync::Arc;

use connect_api::json;
use connect_api::{Datum, Error, Result, Value};
use connect_converters::{Serializer, SerializerType, serializers};

/// How a key or a value is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Format {
    Text,
    Json,
    Bytes,
    /// With its schema.
    Schemas(&'static SerializerType),
}

/// What writes keys or values.
#[derive(Clone)]
pub(crate) enum Writer {
    Plain(Format),
    Schemas(Arc<dyn Serializer>),
}

impl Writer {
    /// Makes ready for a datum: its schema may have to be registered.
    pub(crate) async fn prepare(&self, topic: &str, datum: &Datum) -> Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Schemas(serializer) => serializer.prepare(topic, datum).await,
        }
    }

    /// The bytes of a datum; none for null, which is a tombstone.
    pub(crate) fn bytes<'a>(&self, topic: &str, datum: &'a Datum) -> Result<Option<Cow<'a, [u8]>>> {
        match self {
            Self::Plain(format) => format.bytes(&datum.value),
            Self::Schemas(serializer) => {
                let bytes = serializer.serialize(topic, datum)?;
                Ok(bytes.map(Cow::Owned))
            }
        }
    }
}

impl Format {
    /// Their classes: Kafka Connect's.
    pub(crate) const CLASSES: [&'static str; 4] = [
        "org.apache.kafka.connect.storage.StringConverter",
        "org.apache.kafka.connect.json.JsonConverter",
        "org.apache.kafka.connect.converters.ByteArrayConverter",
        "io.confluent.connect.avro.AvroConverter",
    ];

    pub(crate) fn named(class: &str) -> Result<Self> {
        let named = |known: &&str| *known == class || known.rsplit('.').next() == Some(class);
        match Self::CLASSES.iter().position(named) {
            Some(0) => Ok(Self::Text),
            Some(1) => Ok(Self::Json),
            Some(2) => Ok(Self::Bytes),
            Some(3) => Self::of(Self::CLASSES[3]),
            _ => Err(Error::config(format!(
                "This sink writes with {}",
                Self::CLASSES.join(", ")
            ))),
        }
    }

    /// The same, with its schema in each message where that is asked for.
    pub(crate) fn with_schemas(self, enabled: bool) -> Self {
        match self {
            Self::Json if enabled => Self::of(Self::CLASSES[1]).unwrap_or(self),
            other => other,
        }
    }

    fn of(class: &str) -> Result<Self> {
        let found = serializers().iter().find(|known| known.class == class);
        let missing = || Error::config(format!("nothing writes as {class}"));
        found.map(Self::Schemas).ok_or_else(missing)
    }

    /// The bytes of a value; none for null, which is a tombstone.
    pub(crate) fn bytes(self, value: &Value) -> Result<Option<Cow<'_, [u8]>>> {
        let text = match (self, value) {
            (_, Value::Null) => return Ok(None),
            (Self::Schemas(kind), _) => {
                return Err(Error::fatal(format!("{} has no writer", kind.class)));
            }
            (Self::Bytes, Value::Bytes(bytes)) => return Ok(Some(Cow::Borrowed(bytes))),
            (Self::Bytes, other) => {
                return Err(Error::data(format!(
                    "ByteArrayConverter writes bytes, not {}",
                    other.type_name()
                )));
            }
            (Self::Text, Value::String(text)) => {
                return Ok(Some(Cow::Borrowed(text.as_bytes())));
            }
            (Self::Json, Value::Json(text)) => return Ok(Some(Cow::Borrowed(text.as_bytes()))),
            (Self::Text | Self::Json, value) => {
                let mut text = String::new();
                json::write(value, &mut text)?;
                text
            }
        };
        Ok(Some(Cow::Owned(text.into_bytes())))
    }
}

/// The bytes of a header, as Kafka Connect's SimpleHeaderConverter has them.
pub(crate) fn header(value: &Value) -> Result<Option<Cow<'_, [u8]>>> {
    match value {
        Value::Bytes(bytes) => Ok(Some(Cow::Borrowed(bytes))),
        other => Format::Text.bytes(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(format: Format, value: &Value) -> Option<String> {
        let bytes = format.bytes(value).unwrap();
        bytes.map(|b| String::from_utf8(b.into_owned()).unwrap())
    }

    #[test]
    fn each_format_writes_what_it_can() {
        let string = Value::from("x\"y");
        let object = json::parse(r#"{"a": 1, "b": ["z"]}"#).unwrap();
        assert_eq!(text(Format::Text, &string).as_deref(), Some("x\"y"));
        assert_eq!(text(Format::Json, &string).as_deref(), Some(r#""x\"y""#));
        assert_eq!(text(Format::Text, &Value::Int(7)).as_deref(), Some("7"));
        assert_eq!(
            text(Format::Json, &object).as_deref(),
            Some(r#"{"a":1,"b":["z"]}"#)
        );
        assert_eq!(text(Format::Json, &Value::Null), None);
        let error = Format::Bytes.bytes(&string).unwrap_err();
        assert_eq!(error.chain(), "ByteArrayConverter writes bytes, not string");
    }

    #[test]
    fn formats_are_found_by_their_classes() {
        for class in Format::CLASSES {
            assert!(Format::named(class).is_ok());
        }
        assert!(matches!(Format::named("JsonConverter"), Ok(Format::Json)));
        let schemas = Format::Json.with_schemas(true);
        assert!(matches!(schemas, Format::Schemas(_)));
        assert!(Format::named("io.confluent.connect.protobuf.ProtobufConverter").is_err());
    }
}
