//! Writing JSON: an object of schema and payload, as Kafka Connect's own converter makes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use connect_api::{Choice, Datum, Error, Kind, Result, Schema, Value, json};
use serde_json::{Map, Value as Json, json};

use crate::by_schema::BySchema;
use crate::text::{float, list, text};

/// Kafka Connect's times count these.
const MICROS: i64 = 1000;

/// Writes the envelope of schema and payload.
pub(super) struct EnvelopeWriter {
    decimals: DecimalFormat,
    /// The texts of schemas.
    schemas: BySchema<String>,
}

/// How decimals are written: `decimal.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecimalFormat {
    /// Their unscaled digits, in base64.
    Base64,
    /// A number of JSON.
    Numeric,
}

impl Choice for DecimalFormat {
    const WORDS: &'static [(&'static str, Self)] =
        &[("BASE64", Self::Base64), ("NUMERIC", Self::Numeric)];
}

impl EnvelopeWriter {
    pub(super) fn new(decimals: DecimalFormat) -> Self {
        Self {
            decimals,
            schemas: BySchema::default(),
        }
    }

    /// The text of an envelope.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] for a value that JSON cannot hold.
    pub(super) fn write(&mut self, datum: &Datum) -> Result<String> {
        let mut text = String::from("{\"schema\":");
        match &datum.schema {
            None => {
                text.push_str("null,\"payload\":");
                json::write(&datum.value, &mut text)?;
            }
            Some(schema) => {
                let make = || schema_of(schema, None).to_string();
                text.push_str(self.schemas.get_or_insert_with(schema, make));
                text.push_str(",\"payload\":");
                self.payload(schema, &datum.value, &mut text)?;
            }
        }
        text.push('}');
        Ok(text)
    }

    fn payload(&self, schema: &Schema, value: &Value, out: &mut String) -> Result<()> {
        match (&schema.kind, value) {
            (_, Value::Null) => out.push_str("null"),
            // Without a scale in the schema, the digits of a decimal could not be read.
            (Kind::Any | Kind::Decimal(None), value) => {
                let text = text(None, value)?;
                json::write(&Value::from(&*text), out)?;
            }
            (kind @ (Kind::Float32 | Kind::Float64), Value::Float(number)) => {
                let digits = float(Some(kind), *number);
                match number.is_finite() {
                    true => out.push_str(&digits),
                    // As Java has it: the name, as a string.
                    false => json::write(&Value::from(&*digits), out)?,
                }
            }
            (Kind::Date, Value::Date(days)) => json::write(&Value::Int((*days).into()), out)?,
            (Kind::Time, Value::Time(micros)) | (Kind::Timestamp, Value::Timestamp(micros)) => {
                json::write(&Value::Int(millis(*micros)?), out)?;
            }
            (Kind::Decimal(Some(_)), Value::Decimal(decimal))
                if self.decimals == DecimalFormat::Base64 =>
            {
                let digits = BASE64.encode(decimal.unscaled.to_signed_bytes_be());
                json::write(&Value::from(&*digits), out)?;
            }
            (Kind::Array(item), Value::Array(items)) => {
                list(out, ('[', ']'), items, |each, out| {
                    self.payload(item, each, out)
                })?;
            }
            (Kind::Map(key, item), Value::Map(entries)) if key.kind == Kind::String => {
                list(out, ('{', '}'), entries, |(name, value), out| {
                    self.payload(key, name, out)?;
                    out.push(':');
                    self.payload(item, value, out)
                })?;
            }
            (Kind::Map(key, item), Value::Map(entries)) => {
                list(out, ('[', ']'), entries, |(name, value), out| {
                    out.push('[');
                    self.payload(key, name, out)?;
                    out.push(',');
                    self.payload(item, value, out)?;
                    out.push(']');
                    Ok(())
                })?;
            }
            (Kind::Struct(fields), Value::Struct(row)) => {
                let pairs: Vec<_> = fields.iter().zip(row.values()).collect();
                list(out, ('{', '}'), &pairs, |(field, value), out| {
                    json::write(&Value::String(field.name.clone()), out)?;
                    out.push(':');
                    let written = self.payload(&field.schema, value, out);
                    written.map_err(|e| e.context(format!("field {}", field.name)))
                })?;
            }
            (_, value) => json::write(value, out)?,
        }
        Ok(())
    }
}

/// Milliseconds, as Kafka Connect's times have them.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] for a time that is finer.
pub(crate) fn millis(micros: i64) -> Result<i64> {
    if micros % MICROS != 0 {
        return Err(Error::data(
            "a time that is finer than a millisecond has no form in JSON with schemas",
        ));
    }
    Ok(micros.div_euclid(MICROS))
}

/// The schema as the envelope has it; that of a field tells its name.
fn schema_of(schema: &Schema, field: Option<&str>) -> Json {
    let mut all = Map::new();
    let type_name = match &schema.kind {
        Kind::Any | Kind::Decimal(None) => "string".to_owned(),
        Kind::Float32 => "float".to_owned(),
        Kind::Float64 => "double".to_owned(),
        Kind::Time => "int32".to_owned(),
        _ => schema.type_name().to_lowercase(),
    };
    all.insert("type".into(), json!(type_name));
    all.insert("optional".into(), json!(schema.optional));
    let mut parameters: Map<String, Json> = Map::new();
    let given = schema.parameters.iter();
    parameters.extend(given.map(|(name, value)| (name.to_string(), json!(**value))));
    let mut name = schema.name.as_deref().map(str::to_owned);
    let mut version = schema.version;
    let logical = match &schema.kind {
        Kind::Decimal(Some(scale)) => {
            parameters.insert("scale".into(), json!(scale.to_string()));
            Some("Decimal")
        }
        Kind::Date => Some("Date"),
        Kind::Time => Some("Time"),
        Kind::Timestamp => Some("Timestamp"),
        _ => None,
    };
    if let Some(logical) = logical {
        name = Some(format!("org.apache.kafka.connect.data.{logical}"));
        version = version.or(Some(1));
    }
    match &schema.kind {
        Kind::Array(item) => {
            all.insert("items".into(), schema_of(item, None));
        }
        Kind::Map(key, item) => {
            all.insert("keys".into(), schema_of(key, None));
            all.insert("values".into(), schema_of(item, None));
        }
        Kind::Struct(fields) => {
            let fields = fields.iter().map(|f| schema_of(&f.schema, Some(&f.name)));
            all.insert("fields".into(), fields.collect());
        }
        _ => {}
    }
    let optional = [
        ("name", name.map(Json::from)),
        ("version", version.map(Json::from)),
        ("doc", schema.doc.as_deref().map(Json::from)),
        ("field", field.map(Json::from)),
    ];
    all.extend(
        optional
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
    );
    if !parameters.is_empty() {
        all.insert("parameters".into(), Json::Object(parameters));
    }
    Json::Object(all)
}

#[cfg(test)]
mod tests;
