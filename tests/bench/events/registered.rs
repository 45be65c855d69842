//! The formats whose schema is in the registry: what is registered, and Confluent's wire format.

use serde_json::{Value, json};

use super::{Event, Format};

/// The properties are text, because the JDBC sinks write no map to JSONB.
const AVRO: &str = r#"{"type":"record","name":"ActivityEvent","fields":[
  {"name":"track_id","type":"string"},
  {"name":"domain","type":"string"},
  {"name":"event_type","type":"string"},
  {"name":"activity_type","type":["null","string"]},
  {"name":"kb_object_id","type":["null","long"]},
  {"name":"mode_s","type":["null","string"]},
  {"name":"mmsi","type":["null","string"]},
  {"name":"event_timestamp","type":{"type":"long","logicalType":"timestamp-millis"}},
  {"name":"latitude","type":["null","double"]},
  {"name":"longitude","type":["null","double"]},
  {"name":"properties","type":{"type":"string","connect.name":"io.debezium.data.Json"}},
  {"name":"associated_track_ids","type":{"type":"array","items":"string"}},
  {"name":"associated_kb_ids","type":{"type":"array","items":"long"}}]}"#;

const PROTOBUF: &str = r#"syntax = "proto3";
import "google/protobuf/timestamp.proto";
message ActivityEvent {
  string track_id = 1;
  string domain = 2;
  string event_type = 3;
  optional string activity_type = 4;
  optional int64 kb_object_id = 5;
  optional string mode_s = 6;
  optional string mmsi = 7;
  google.protobuf.Timestamp event_timestamp = 8;
  optional double latitude = 9;
  optional double longitude = 10;
  string properties = 11;
  repeated string associated_track_ids = 12;
  repeated int64 associated_kb_ids = 13;
}
"#;

fn json_schema() -> Value {
    let text = || json!({ "type": "string" });
    let long = || json!({ "type": "integer", "connect.type": "int64" });
    let double = || json!({ "type": "number", "connect.type": "float64" });
    let nullable = |value: Value| json!({ "oneOf": [{ "type": "null" }, value] });
    let array = |items: Value| json!({ "type": "array", "items": items });
    let timestamp = json!({
        "type": "integer", "connect.type": "int64", "connect.version": 1,
        "title": "org.apache.kafka.connect.data.Timestamp",
    });
    let fields = [
        ("track_id", text()),
        ("domain", text()),
        ("event_type", text()),
        ("activity_type", nullable(text())),
        ("kb_object_id", nullable(long())),
        ("mode_s", nullable(text())),
        ("mmsi", nullable(text())),
        ("event_timestamp", timestamp),
        ("latitude", nullable(double())),
        ("longitude", nullable(double())),
        ("properties", text()),
        ("associated_track_ids", array(text())),
        ("associated_kb_ids", array(long())),
    ];
    let mut properties = serde_json::Map::new();
    for (index, (name, mut schema)) in fields.into_iter().enumerate() {
        schema["connect.index"] = json!(index);
        properties.insert(name.to_owned(), schema);
    }
    let required: Vec<_> = properties.keys().cloned().collect();
    json!({ "type": "object", "title": "ActivityEvent", "required": required,
            "properties": properties })
}

/// What is sent to the registry, if the format has a schema there.
pub fn request(format: Format) -> Option<Value> {
    match format {
        Format::Json | Format::JsonWithSchema => None,
        Format::Avro => Some(json!({ "schema": AVRO })),
        Format::JsonSchema => {
            Some(json!({ "schema": json_schema().to_string(), "schemaType": "JSON" }))
        }
        Format::Protobuf => Some(json!({ "schema": PROTOBUF, "schemaType": "PROTOBUF" })),
    }
}

/// Appends Confluent's magic byte and the id of the schema.
pub fn frame(schema: u32, out: &mut Vec<u8>) {
    out.push(0);
    out.extend(schema.to_be_bytes());
}

impl Event {
    /// Appends Avro's binary encoding in Confluent's wire format.
    pub(super) fn avro(&self, schema: u32, out: &mut Vec<u8>) {
        frame(schema, out);
        text(&self.track, out);
        text("AIR", out);
        text("activity_detected", out);
        long(1, out);
        text(self.activity, out);
        long(1, out);
        long(self.kb_object, out);
        long(1, out);
        text(&self.mode_s, out);
        long(0, out);
        long(self.millis(), out);
        for degrees in [self.latitude, self.longitude] {
            long(1, out);
            out.extend(degrees.to_le_bytes());
        }
        text(&self.object(), out);
        long(self.tracks.len() as u64, out);
        for track in &self.tracks {
            text(track, out);
        }
        long(0, out);
        long(self.kb_ids.len() as u64, out);
        for id in self.kb_ids {
            long(id, out);
        }
        long(0, out);
    }

    /// Appends Protobuf's encoding in Confluent's wire format; the zero says that the message is
    /// the first of its file.
    pub(super) fn protobuf(&self, schema: u32, out: &mut Vec<u8>) {
        frame(schema, out);
        out.push(0);
        field(1, self.track.as_bytes(), out);
        field(2, b"AIR", out);
        field(3, b"activity_detected", out);
        field(4, self.activity.as_bytes(), out);
        number(5, self.kb_object, out);
        field(6, self.mode_s.as_bytes(), out);
        let mut timestamp = Vec::new();
        number(1, self.millis() / 1000, &mut timestamp);
        field(8, &timestamp, out);
        for (tag, degrees) in [(9, self.latitude), (10, self.longitude)] {
            varint(tag << 3 | 1, out);
            out.extend(degrees.to_le_bytes());
        }
        field(11, self.object().as_bytes(), out);
        for track in &self.tracks {
            field(12, track.as_bytes(), out);
        }
        let mut packed = Vec::new();
        for id in self.kb_ids {
            varint(id, &mut packed);
        }
        field(13, &packed, out);
    }
}

/// A zigzag varint of a number that is not negative.
fn long(number: u64, out: &mut Vec<u8>) {
    varint(number << 1, out);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as u64, out);
    out.extend(text.as_bytes());
}

/// Protobuf's length-delimited field.
fn field(tag: u64, bytes: &[u8], out: &mut Vec<u8>) {
    varint(tag << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend(bytes);
}

/// Protobuf's varint field.
fn number(tag: u64, value: u64, out: &mut Vec<u8>) {
    varint(tag << 3, out);
    varint(value, out);
}

fn varint(mut rest: u64, out: &mut Vec<u8>) {
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
