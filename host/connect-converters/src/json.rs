//! JsonConverter: JSON with or without an envelope of schema and payload.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::json::Shapes;
use connect_api::memory::{KeptBytes, Room};
use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Converter, Datum, Error, Importance, Result, Schema,
    Validator, Value, Width,
};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ConverterType;

pub(crate) mod payload;
pub(crate) mod schema;
mod write;

use write::EnvelopeWriter;
pub(crate) use write::{DecimalFormat, millis};

/// `org.apache.kafka.connect.json.JsonConverter`.
pub(crate) const TYPE: ConverterType = ConverterType {
    class: "org.apache.kafka.connect.json.JsonConverter",
    config_def,
    build: Some(|config, _| Ok(Box::new(JsonConverter::new(config)?))),
    build_header: Some(|config| Ok(Box::new(JsonConverter::new(config)?))),
};

const SCHEMAS_ENABLE: &str = "schemas.enable";
const SCHEMAS_CACHE_SIZE: &str = "schemas.cache.size";
const DECIMAL_FORMAT: &str = "decimal.format";
const REPLACE_NULL: &str = "replace.null.with.default";
const SCHEMA_CONTENT: &str = "schema.content";

/// Kafka Connect's very words: users search for them.
const ENVELOPE: &str = "JsonConverter with schemas.enable requires \"schema\" and \
\"payload\" fields and may not contain additional fields. If you are trying to deserialize plain \
JSON data, set schemas.enable=false in your converter configuration.";

/// What is told of bytes that are framed, beside where their JSON is malformed.
const FRAMED: &str = "the bytes begin with 0, the magic byte of the Schema Registry's formats, which \
AvroConverter, JsonSchemaConverter and ProtobufConverter read";

/// The groups of the options in forms.
const SCHEMAS: &str = "Schemas";
const SERIALIZATION: &str = "Serialization";

fn config_def() -> ConfigDef {
    let enable = ConfigKey::new(
        SCHEMAS_ENABLE,
        ConfigType::Boolean,
        "true",
        "Whether each message is an object of schema and payload.",
    );
    let cache = ConfigKey::new(
        SCHEMAS_CACHE_SIZE,
        ConfigType::Int,
        "1000",
        "How many schemas of messages are kept.",
    );
    let content = ConfigKey::nullable(
        SCHEMA_CONTENT,
        ConfigType::String,
        "The JSON schema of all messages, which are then payloads without an envelope. Used only \
         with schemas.enable.",
    );
    let decimals = ConfigKey::choice(
        DECIMAL_FORMAT,
        DecimalFormat::Base64,
        "How decimals are written with schemas: BASE64 or NUMERIC. Both are read, whatever is set \
         here.",
    );
    let nulls = ConfigKey::new(
        REPLACE_NULL,
        ConfigType::Boolean,
        "true",
        "Whether a null becomes the default of its field, where the schema has one.",
    );
    let cache = cache.validator(Validator::AtLeast(0));
    let shown = |key: ConfigKey, group, order, name: &'static str| {
        let key = key.group(group).order(order);
        key.display(Width::Medium, name)
    };
    let high = [
        shown(enable, SCHEMAS, 0, "Enable Schemas"),
        shown(cache, SCHEMAS, 1, "Schema Cache Size"),
        shown(content, SCHEMAS, 2, "Schema Content"),
    ];
    let low = [
        shown(decimals, SERIALIZATION, 0, "Decimal Format"),
        shown(nulls, SERIALIZATION, 1, "Replace null with default"),
    ];
    let high = high.map(|key| key.importance(Importance::High));
    let low = low.map(|key| key.importance(Importance::Low));
    ConfigDef::new(high.into_iter().chain(low).collect())
}

/// The schema of a text; none for `null`.
pub(crate) fn declared(text: &str) -> Result<Option<Arc<Schema>>> {
    schema::parse(text, true)
}

struct JsonConverter {
    schemas_enable: bool,
    replace_null: bool,
    content: Option<Arc<Schema>>,
    schemas: Schemas,
    /// How the last envelope began, up to the end of its schema.
    head: Option<(Box<[u8]>, Arc<Schema>)>,
    shapes: Shapes,
    envelopes: EnvelopeWriter,
}

impl JsonConverter {
    fn new(config: &Config) -> Result<Self> {
        let replace_null = config.flag(REPLACE_NULL);
        let content = match config.optional_text(SCHEMA_CONTENT) {
            None | Some("") => None,
            Some(text) => schema::parse(text, replace_null).map_err(|e| {
                Error::config(format!(
                    "Invalid value for configuration {SCHEMA_CONTENT}: {e}"
                ))
            })?,
        };
        Ok(Self {
            schemas_enable: config.flag(SCHEMAS_ENABLE),
            replace_null,
            content,
            schemas: Schemas {
                limit: usize::try_from(config.integer(SCHEMAS_CACHE_SIZE)).unwrap_or(0),
                ..Schemas::default()
            },
            head: None,
            shapes: Shapes::default(),
            envelopes: EnvelopeWriter::new(config.choice(DECIMAL_FORMAT)),
        })
    }

    fn read(&mut self, bytes: &Bytes) -> Result<Datum> {
        if !self.schemas_enable {
            return Ok(Datum::schemaless(self.shapes.read_shared(bytes)?));
        }
        if let Some(schema) = &self.content {
            let value = payload::read_shared(bytes, schema, self.replace_null)?;
            return Ok(Datum::new(Arc::clone(schema), value));
        }
        if let Some(datum) = self.as_before(bytes) {
            return Ok(datum);
        }
        let mut failure = None;
        let visitor = Envelope {
            bytes,
            converter: self,
            failure: &mut failure,
        };
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let datum = serde::Deserializer::deserialize_any(&mut json, visitor)
            .and_then(|datum| json.end().map(|()| datum));
        match (datum, failure) {
            (_, Some(error)) => Err(error),
            (Ok(datum), None) => Ok(datum),
            (Err(error), None) if error.is_data() => Err(Error::data(ENVELOPE)),
            (Err(error), None) => Err(payload::malformed(&error)),
        }
    }

    /// The data of an envelope that begins as the last one did: its schema is compared, not
    /// parsed. None for any other, also where the payload is at fault: the whole is read then.
    fn as_before(&self, bytes: &[u8]) -> Option<Datum> {
        let (head, schema) = self.head.as_ref()?;
        let rest = bytes.strip_prefix(&**head)?.trim_ascii_start();
        let rest = rest.strip_prefix(b",")?.trim_ascii_start();
        let rest = rest.strip_prefix(b"\"payload\"")?.trim_ascii_start();
        let rest = rest.strip_prefix(b":")?.trim_ascii_end();
        let payload = rest.strip_suffix(b"}")?;
        let value = payload::read_shared(payload, schema, self.replace_null).ok()?;
        Some(Datum::new(Arc::clone(schema), value))
    }
}

impl Converter for JsonConverter {
    fn class_name(&self) -> &'static str {
        TYPE.class
    }

    fn to_connect_data(&mut self, _topic: &str, bytes: Option<&Bytes>) -> Result<Datum> {
        let Some(bytes) = bytes else {
            return Ok(Datum::NULL);
        };
        // No JSON begins with a zero.
        self.read(bytes).map_err(|error| match bytes.first() {
            Some(0) => error.context(FRAMED),
            _ => error,
        })
    }

    /// Without an envelope, dates and times are ISO 8601 and decimals are numbers, whatever
    /// `decimal.format` says: whoever reads them has no schema to tell them by.
    fn from_connect_data<'a>(
        &mut self,
        _topic: &str,
        datum: &'a Datum,
    ) -> Result<Option<Cow<'a, [u8]>>> {
        let text = match &datum.value {
            Value::Null => return Ok(None),
            _ if self.schemas_enable => self.envelopes.write(datum)?,
            Value::Json(text) => return Ok(Some(Cow::Borrowed(text.as_bytes()))),
            value => {
                let mut text = String::new();
                connect_api::json::write(value, &mut text)?;
                text
            }
        };
        Ok(Some(Cow::Owned(text.into_bytes())))
    }
}

/// Schemas by the text that they were given as: a record of a known schema costs no parsing of it.
#[derive(Default)]
struct Schemas {
    limit: usize,
    known: HashMap<Box<str>, Option<Arc<Schema>>>,
    kept: KeptBytes,
}

impl Schemas {
    fn get(&mut self, text: &str, replace_null: bool) -> Result<Option<Arc<Schema>>> {
        if let Some(schema) = self.known.get(text) {
            return Ok(schema.clone());
        }
        let schema = schema::parse(text, replace_null)?;
        // What a topic still uses comes back at once; nothing need be known about age.
        let bytes = text.len() + schema.as_ref().map_or(0, |schema| schema.memory());
        if self.limit > 0 && bytes <= KeptBytes::MOST {
            let full = self.kept.add(bytes) == Room::AfterClearing;
            if full || self.known.len() >= self.limit {
                self.known.clear();
            }
            self.known.insert(text.into(), schema.clone());
        }
        Ok(schema)
    }
}

/// Reads the envelope in one pass: a payload that follows its schema is decoded where it stands.
struct Envelope<'c> {
    bytes: &'c [u8],
    converter: &'c mut JsonConverter,
    failure: &'c mut Option<Error>,
}

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = Datum;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of schema and payload")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Datum, A::Error> {
        let mut schema: Option<Option<Arc<Schema>>> = None;
        let mut early: Option<&RawValue> = None;
        let mut datum = None;
        let mut extra = false;
        let replace_null = self.converter.replace_null;
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Schema => {
                    let raw: &RawValue = map.next_value()?;
                    match self.converter.schemas.get(raw.get(), replace_null) {
                        Ok(found) => {
                            let alone = early.is_none() && schema.is_none() && !extra;
                            let kept = alone && raw.get().len() <= KeptBytes::MOST;
                            let head = if kept { head(self.bytes, raw) } else { None };
                            self.converter.head = head.zip(found.clone());
                            schema = Some(found);
                        }
                        Err(error) => return fail(self.failure, error),
                    }
                }
                Key::Payload => match &schema {
                    Some(Some(schema)) => {
                        let reader = payload::Reader::new(replace_null);
                        match map.next_value_seed(reader.seed(schema)) {
                            Ok(value) => datum = Some(Datum::new(Arc::clone(schema), value)),
                            Err(error) => match reader.failure() {
                                Some(failure) => return fail(self.failure, failure),
                                None => return Err(error),
                            },
                        }
                    }
                    _ => early = Some(map.next_value()?),
                },
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    extra = true;
                }
            }
        }
        let late = match (extra, datum, schema, early) {
            (false, Some(datum), ..) => return Ok(datum),
            (false, None, Some(Some(schema)), Some(raw)) => {
                payload::read_shared(raw.get().as_bytes(), &schema, replace_null)
                    .map(|value| Datum::new(schema, value))
            }
            (false, None, Some(None), Some(raw)) => {
                let shapes = &mut self.converter.shapes;
                shapes.read(raw.get().as_bytes()).map(Datum::schemaless)
            }
            _ => Err(Error::data(ENVELOPE)),
        };
        late.or_else(|error| fail(self.failure, error))
    }
}

/// Ends the parsing; what went wrong is told apart from the JSON parser's own errors.
fn fail<T, E: serde::de::Error>(
    slot: &mut Option<Error>,
    error: Error,
) -> std::result::Result<T, E> {
    *slot = Some(error);
    Err(E::custom(""))
}

/// What stands before the end of the schema.
fn head(bytes: &[u8], schema: &RawValue) -> Option<Box<[u8]>> {
    // The schema is a part of the bytes, so that addresses tell where it ends.
    let start = schema
        .get()
        .as_ptr()
        .addr()
        .checked_sub(bytes.as_ptr().addr())?;
    bytes.get(..start + schema.get().len()).map(Box::from)
}

enum Key {
    Schema,
    Payload,
    Other,
}

impl<'de> serde::Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct KeyVisitor;

        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> std::result::Result<Key, E> {
                Ok(match name {
                    "schema" => Key::Schema,
                    "payload" => Key::Payload,
                    _ => Key::Other,
                })
            }
        }

        d.deserialize_str(KeyVisitor)
    }
}

#[cfg(test)]
mod tests;
