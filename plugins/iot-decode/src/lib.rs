//! The plugin `iot-decode`: a raw frame of a device becomes a record for each of its data points.
//!
//! A frame is binary ([`frame`]) or JSON ([`json`]); which, its first bytes tell. One that is
//! damaged fails as a whole, with the reason.

mod crc;
mod frame;
mod json;
#[cfg(test)]
mod tests;

use ferrule_plugin::{
    Config, ConfigErrors, ConfigKey, Description, Failure, OutRecord, Outcome, Payload, Record,
    Result, Rows, Timestamp, ToRow, Transform, Validator, Value, ValueRef, kind_of, metrics,
};
use frame::Frame;

/// Holds the configuration and the shape of the rows.
pub struct IotDecode {
    topic: String,
    rows: Rows<Decoded>,
}

/// A message of the topic `decoded_iot_data`.
#[derive(ToRow)]
struct Decoded {
    timestamp: Timestamp,
    mac_address: String,
    mode: String,
    data_point_label: String,
    pin: String,
    value: Option<f64>,
    unit: String,
    original_topic: String,
}

impl Transform for IotDecode {
    fn describe() -> Description {
        Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Decodes raw frames of IoT devices: a record for each data point, keyed by \
             mac_address. A frame is binary (magic IF, version, flags, MAC address, timestamp, \
             data points, CRC-32), or JSON: an object with data_points, with values by their \
             labels, with one value, or with a binary frame in hexadecimal digits; or an array of \
             such objects. A frame without a timestamp is of the time of its record. One that is \
             damaged fails as a whole; data_points counts what is decoded.",
        )
        .key(
            ConfigKey::text(
                "output.topic",
                "decoded_iot_data",
                "Where the decoded data points go.",
            )
            .valid(Validator::NonEmpty),
        )
    }

    fn configure(config: &Config) -> std::result::Result<Self, ConfigErrors> {
        Ok(IotDecode {
            topic: config.text("output.topic")?.to_owned(),
            rows: Rows::named("decoded_iot_data"),
        })
    }

    fn apply(&mut self, record: Record<'_>) -> Result {
        let bytes = match record.value() {
            Payload::Scalar(ValueRef::Bytes(bytes)) => bytes,
            Payload::Scalar(ValueRef::Text(text) | ValueRef::Json(text)) => text.as_bytes(),
            Payload::Scalar(other) => {
                let kind = kind_of(other);
                return Err(Failure::new(format_args!(
                    "the value is {kind}, not a frame"
                )));
            }
            Payload::Row(_) => {
                return Err(Failure::new(
                    "the value is a row, not a frame: the value.converter of frames is \
                     ByteArrayConverter, also where they are JSON",
                ));
            }
        };
        let mut records = Vec::new();
        for frame in frames(bytes)? {
            self.decode(frame, &record, &mut records)?;
        }
        metrics::count("data_points", records.len() as u64);
        Ok(Outcome::Replace(records))
    }
}

fn frames(bytes: &[u8]) -> Result<Vec<Frame>> {
    if bytes.starts_with(&frame::MAGIC) {
        return Ok(vec![frame::read(bytes)?]);
    }
    match bytes.trim_ascii_start().first() {
        Some(b'{' | b'[') => json::read(bytes),
        _ => Err(Failure::new(
            "the value is neither a binary frame, which begins with IF, nor a JSON object or array",
        )),
    }
}

impl IotDecode {
    fn decode(
        &self,
        frame: Frame,
        record: &Record<'_>,
        records: &mut Vec<OutRecord>,
    ) -> Result<()> {
        let came = record.timestamp().map(|millis| millis.saturating_mul(1000));
        let sent = frame.timestamp.or(came);
        let mode = frame.mode.unwrap_or_else(|| "unknown".to_owned());
        for point in frame.points {
            let timestamp = point.timestamp.or(sent).ok_or_else(|| {
                Failure::at("timestamp", "is required of a record without a time")
            })?;
            let key = Value::from(frame.mac_address.as_str());
            let row = self.rows.row(Decoded {
                timestamp: Timestamp(timestamp),
                mac_address: frame.mac_address.clone(),
                mode: mode.clone(),
                data_point_label: point.label,
                pin: point.pin.unwrap_or_else(|| "-1".to_owned()),
                value: point.value,
                unit: point.unit,
                original_topic: record.topic().to_owned(),
            });
            records.push(OutRecord::new(row).topic(&*self.topic).key(key));
        }
        Ok(())
    }
}

ferrule_plugin::export!(IotDecode);
