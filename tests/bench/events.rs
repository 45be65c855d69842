//! Activity events of about 400 bytes, the same ones in each format and as COPY text.

pub mod fill;
mod registered;

use std::fmt::Write as _;
use std::io::Write as _;

/// How events are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain JSON, without a schema.
    Json,
    /// JSON that carries its schema in each record, as Kafka Connect's converter writes it.
    JsonWithSchema,
    /// Avro, with a registry.
    Avro,
    /// JSON whose JSON Schema is in the registry.
    JsonSchema,
    /// Protobuf, with a registry.
    Protobuf,
}

impl Format {
    /// What the reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::JsonWithSchema => "JSON with schema",
            Self::Avro => "Avro",
            Self::JsonSchema => "JSON Schema",
            Self::Protobuf => "Protobuf",
        }
    }
}

/// The schema for Kafka Connect's JSON converter. The properties are text, because the JDBC sinks
/// write no map to JSONB.
const CONNECT_SCHEMA: &str = r#"{"type":"struct","optional":false,"name":"ActivityEvent","fields":[
{"field":"track_id","type":"string","optional":false},
{"field":"domain","type":"string","optional":false},
{"field":"event_type","type":"string","optional":false},
{"field":"activity_type","type":"string","optional":true},
{"field":"kb_object_id","type":"int64","optional":true},
{"field":"mode_s","type":"string","optional":true},
{"field":"mmsi","type":"string","optional":true},
{"field":"event_timestamp","type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1},
{"field":"latitude","type":"double","optional":true},
{"field":"longitude","type":"double","optional":true},
{"field":"properties","type":"string","optional":false,"name":"io.debezium.data.Json","version":1},
{"field":"associated_track_ids","type":"array","optional":false,"items":{"type":"string","optional":false}},
{"field":"associated_kb_ids","type":"array","optional":false,"items":{"type":"int64","optional":false}}]}"#;

/// 2025-01-06T00:00:00Z, in seconds.
const EPOCH: u64 = 1_736_121_600;

/// One event; its number decides all that is in it.
pub struct Event {
    /// The key of the record.
    pub track: String,
    activity: &'static str,
    kb_object: u64,
    mode_s: String,
    second: u64,
    latitude: f64,
    longitude: f64,
    properties: Vec<(&'static str, String)>,
    tracks: [String; 2],
    kb_ids: [u64; 2],
}

impl Event {
    /// The event of a number: 40 a second, and no track twice within a second.
    pub fn new(number: u64) -> Self {
        // A multiplicative hash spreads the values, so that the indexes see no sorted input.
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let activities = [
            "air_refueling",
            "formation_flight",
            "rendezvous",
            "low_pass",
        ];
        Self {
            // The factor has no divisor in common with the number of tracks.
            track: format!("T-{:06}", number * 30_803 % 50_000),
            activity: activities[(spread % 4) as usize],
            kb_object: spread % 10_000,
            mode_s: format!("{:06X}", spread % 0xFF_FFFF),
            second: number / 40,
            latitude: (spread % 1_800_000) as f64 / 10_000.0 - 90.0,
            longitude: (spread % 3_600_000) as f64 / 10_000.0 - 180.0,
            properties: vec![
                ("altitude_ft", (spread % 45_000).to_string()),
                ("speed_kts", (spread % 600).to_string()),
                ("source", format!("sensor-{:03}", spread % 300)),
                ("confidence", format!("0.{:02}", spread % 100)),
            ],
            tracks: [
                format!("T-{:06}", spread % 49_999),
                format!("T-{:06}", spread % 49_997),
            ],
            kb_ids: [spread % 9_999, spread % 9_997],
        }
    }

    /// The same with a property of so many bytes more.
    #[must_use]
    pub fn heavier(mut self, bytes: usize) -> Self {
        let note = self.mode_s.repeat(bytes / self.mode_s.len());
        self.properties.push(("note", note));
        self
    }

    /// The same with its number as `kb_object_id`, by which a row is known again.
    #[must_use]
    pub fn numbered(mut self, number: u64) -> Self {
        self.kb_object = number;
        self
    }

    /// Replaces `out` by the encoded event; `schema` is the id of the registered schema.
    pub fn encode(&self, format: Format, schema: u32, out: &mut Vec<u8>) {
        out.clear();
        match format {
            Format::Json => self.json(&format!("\"{}\"", self.timestamp()), &self.object(), out),
            Format::JsonWithSchema => {
                let _ = write!(out, "{{\"schema\":{CONNECT_SCHEMA},\"payload\":");
                self.json_of_schema(out);
                out.push(b'}');
            }
            Format::Avro => self.avro(schema, out),
            Format::JsonSchema => {
                registered::frame(schema, out);
                self.json_of_schema(out);
            }
            Format::Protobuf => self.protobuf(schema, out),
        }
    }

    /// Appends the line that COPY's text format has for the event.
    pub fn copy_text(&self, out: &mut Vec<u8>) {
        // Writing to a Vec never fails.
        let _ = writeln!(
            out,
            "{}\tAIR\tactivity_detected\t{}\t{}\t{}\t\\N\t{}\t{}\t{}\t{}\t{{{},{}}}\t{{{},{}}}",
            self.track,
            self.activity,
            self.kb_object,
            self.mode_s,
            self.timestamp(),
            self.latitude,
            self.longitude,
            self.object(),
            self.tracks[0],
            self.tracks[1],
            self.kb_ids[0],
            self.kb_ids[1],
        );
    }

    fn millis(&self) -> u64 {
        let day = self.second / 86_400 % 20;
        (EPOCH + day * 86_400 + self.second % 86_400) * 1000
    }

    fn timestamp(&self) -> String {
        let second = self.second % 86_400;
        let day = 6 + self.second / 86_400 % 20;
        format!(
            "2025-01-{day:02}T{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }

    /// The properties as a JSON object.
    fn object(&self) -> String {
        let mut object = String::from("{");
        for (key, value) in &self.properties {
            let comma = if object.len() > 1 { "," } else { "" };
            let _ = write!(object, "{comma}\"{key}\":\"{value}\"");
        }
        object.push('}');
        object
    }

    /// JSON for a schema in which the time is a number and the properties are text.
    fn json_of_schema(&self, out: &mut Vec<u8>) {
        let text = format!("\"{}\"", self.object().replace('"', "\\\""));
        self.json(&self.millis().to_string(), &text, out);
    }

    fn json(&self, timestamp: &str, properties: &str, out: &mut Vec<u8>) {
        let _ = write!(
            out,
            "{{\"track_id\":\"{}\",\"domain\":\"AIR\",\"event_type\":\"activity_detected\",\
             \"activity_type\":\"{}\",\"kb_object_id\":{},\"mode_s\":\"{}\",\"mmsi\":null,\
             \"event_timestamp\":{timestamp},\"latitude\":{},\"longitude\":{},\
             \"properties\":{properties},\"associated_track_ids\":[\"{}\",\"{}\"],\
             \"associated_kb_ids\":[{},{}]}}",
            self.track,
            self.activity,
            self.kb_object,
            self.mode_s,
            self.latitude,
            self.longitude,
            self.tracks[0],
            self.tracks[1],
            self.kb_ids[0],
            self.kb_ids[1],
        );
    }
}
