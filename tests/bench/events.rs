//! Activity events of about 400 bytes, the same ones as JSON, as Avro and as COPY text.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use harness::kafka::TestKafka;
use harness::registry::TestRegistry;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// The topic of JSON events.
pub const JSON_TOPIC: &str = "bench-json";
/// The topic of Avro events.
pub const AVRO_TOPIC: &str = "bench-avro";

const SCHEMA: &str = r#"{"type":"record","name":"ActivityEvent","fields":[
  {"name":"track_id","type":"string"},
  {"name":"domain","type":"string"},
  {"name":"event_type","type":"string"},
  {"name":"activity_type","type":["null","string"]},
  {"name":"kb_object_id","type":["null","long"]},
  {"name":"mode_s","type":["null","string"]},
  {"name":"mmsi","type":["null","string"]},
  {"name":"event_timestamp","type":{"type":"long","logicalType":"timestamp-micros"}},
  {"name":"latitude","type":["null","double"]},
  {"name":"longitude","type":["null","double"]},
  {"name":"properties","type":{"type":"map","values":"string"}},
  {"name":"associated_track_ids","type":{"type":"array","items":"string"}},
  {"name":"associated_kb_ids","type":{"type":"array","items":"long"}}]}"#;

/// 2025-01-06T00:00:00Z, in seconds.
const EPOCH: u64 = 1_736_121_600;

struct Event {
    track: String,
    activity: &'static str,
    kb_object: u64,
    mode_s: String,
    second: u64,
    latitude: f64,
    longitude: f64,
    properties: [(&'static str, String); 4],
    tracks: [String; 2],
    kb_ids: [u64; 2],
}

impl Event {
    fn new(number: u64) -> Self {
        // A multiplicative hash spreads the keys, so that the indexes see no sorted input.
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
        let activities = [
            "air_refueling",
            "formation_flight",
            "rendezvous",
            "low_pass",
        ];
        Self {
            track: format!("T-{:06}", spread % 50_000),
            activity: activities[(spread % 4) as usize],
            kb_object: spread % 10_000,
            mode_s: format!("{:06X}", spread % 0xFF_FFFF),
            second: number / 40,
            latitude: (spread % 1_800_000) as f64 / 10_000.0 - 90.0,
            longitude: (spread % 3_600_000) as f64 / 10_000.0 - 180.0,
            properties: [
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

    fn properties_json(&self) -> String {
        let pairs = self
            .properties
            .iter()
            .map(|(key, value)| format!("\"{key}\":\"{value}\""));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(","))
    }

    fn json(&self, out: &mut String) {
        let Self {
            track,
            activity,
            kb_object,
            mode_s,
            latitude,
            longitude,
            tracks,
            kb_ids,
            ..
        } = self;
        out.clear();
        // Writing to a String never fails.
        let _ = write!(
            out,
            "{{\"track_id\":\"{track}\",\"domain\":\"AIR\",\"event_type\":\"activity_detected\",\
             \"activity_type\":\"{activity}\",\"kb_object_id\":{kb_object},\
             \"mode_s\":\"{mode_s}\",\"mmsi\":null,\"event_timestamp\":\"{}\",\
             \"latitude\":{latitude},\"longitude\":{longitude},\"properties\":{},\
             \"associated_track_ids\":[\"{}\",\"{}\"],\"associated_kb_ids\":[{},{}]}}",
            self.timestamp(),
            self.properties_json(),
            tracks[0],
            tracks[1],
            kb_ids[0],
            kb_ids[1],
        );
    }

    /// Avro's binary encoding, after Confluent's magic byte and schema id.
    fn avro(&self, schema: u32, out: &mut Vec<u8>) {
        out.clear();
        out.push(0);
        out.extend(schema.to_be_bytes());
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
        let day = self.second / 86_400 % 20;
        long(
            (EPOCH + day * 86_400 + self.second % 86_400) * 1_000_000,
            out,
        );
        for degrees in [self.latitude, self.longitude] {
            long(1, out);
            out.extend(degrees.to_le_bytes());
        }
        long(self.properties.len() as u64, out);
        for (key, value) in &self.properties {
            text(key, out);
            text(value, out);
        }
        long(0, out);
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
}

/// A zigzag varint of a number that is not negative.
fn long(number: u64, out: &mut Vec<u8>) {
    let mut rest = number << 1;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn text(text: &str, out: &mut Vec<u8>) {
    long(text.len() as u64, out);
    out.extend(text.as_bytes());
}

/// Appends the line that COPY's text format has for an event.
pub fn write_copy_text(number: u64, out: &mut Vec<u8>) {
    let event = Event::new(number);
    let Event {
        track,
        activity,
        kb_object,
        mode_s,
        latitude,
        longitude,
        tracks,
        kb_ids,
        ..
    } = &event;
    // Writing to a Vec never fails.
    let _ = writeln!(
        out,
        "{track}\tAIR\tactivity_detected\t{activity}\t{kb_object}\t{mode_s}\t\\N\t{}\t{latitude}\t\
         {longitude}\t{}\t{{{},{}}}\t{{{},{}}}",
        event.timestamp(),
        event.properties_json(),
        tracks[0],
        tracks[1],
        kb_ids[0],
        kb_ids[1],
    );
}

/// Fills both topics, snappy, evenly over their partitions.
pub async fn fill(
    kafka: &TestKafka,
    registry: &TestRegistry,
    rows: u64,
    partitions: i32,
) -> Result<()> {
    let schema = registry
        .register(&format!("{AVRO_TOPIC}-value"), SCHEMA)
        .await?;
    for topic in [JSON_TOPIC, AVRO_TOPIC] {
        kafka.create_topic(topic, partitions).await?;
    }
    let mut config = kafka.client();
    config
        .set("compression.type", "snappy")
        .set("linger.ms", "20")
        .set("acks", "1");
    config.set("queue.buffering.max.messages", "200000");
    let producer: BaseProducer = config.create()?;
    let work = move || -> Result<()> {
        let (mut json, mut avro) = (String::new(), Vec::new());
        for number in 0..rows {
            let event = Event::new(number);
            event.json(&mut json);
            event.avro(schema, &mut avro);
            let partition = (number % partitions as u64) as i32;
            send(
                &producer,
                JSON_TOPIC,
                partition,
                &event.track,
                json.as_bytes(),
            )?;
            send(&producer, AVRO_TOPIC, partition, &event.track, &avro)?;
        }
        producer.flush(Duration::from_secs(120))?;
        Ok(())
    };
    tokio::task::spawn_blocking(work).await?
}

fn send(
    producer: &BaseProducer,
    topic: &str,
    partition: i32,
    key: &str,
    value: &[u8],
) -> Result<()> {
    let mut record = BaseRecord::to(topic)
        .partition(partition)
        .key(key)
        .payload(value);
    loop {
        match producer.send(record) {
            Ok(()) => break,
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(20));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
    producer.poll(Duration::ZERO);
    Ok(())
}
