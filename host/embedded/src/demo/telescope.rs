//! Raw telescope data in Avro, in Confluent's wire format.

use super::{EPOCH_SECONDS, Malformed, Sample, TELESCOPE, expect, malformed, scatter};

const KINDS: [Malformed; 6] = [
    Malformed::WrongMagicByte,
    Malformed::UnknownSchemaId,
    Malformed::TruncatedAvro,
    Malformed::EmptyId,
    Malformed::NegativeSequence,
    Malformed::EmptyId,
];

/// Far above what a fresh registry gives.
const UNKNOWN_SCHEMA_ID: i32 = 987_654_321;

const VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "2.0.0"];

/// The subject of [`TELESCOPE_SCHEMA`], by the topic name strategy.
pub const TELESCOPE_SUBJECT: &str = "telescope.data-value";

/// The schema of the records, as the registry is given it.
pub const TELESCOPE_SCHEMA: &str = r#"{
  "type": "record",
  "name": "TelescopeData",
  "namespace": "telescope",
  "fields": [
    {"name": "data_id", "type": "string"},
    {"name": "observation_id", "type": "string"},
    {"name": "sequence_number", "type": "int"},
    {"name": "timestamp", "type": "long"},
    {"name": "data", "type": ["null", "bytes"], "default": null},
    {"name": "processed", "type": "boolean", "default": false},
    {"name": "processing_pipeline_version", "type": ["null", "string"], "default": null}
  ]
}"#;

/// The first `n` records, keyed by `observation_id`, encoded with [`TELESCOPE_SCHEMA`], which
/// the registry knows as `schema_id`.
pub fn telescope_data(n: usize, schema_id: i32) -> impl Iterator<Item = Sample> {
    (0..n).map(move |index| {
        let kind = malformed(index, &KINDS);
        let observation = format!("OBS-{:04}", index / 100);
        let (magic, schema_id) = match kind {
            Some(Malformed::WrongMagicByte) => (0x7F, schema_id),
            Some(Malformed::UnknownSchemaId) => (0, UNKNOWN_SCHEMA_ID),
            _ => (0, schema_id),
        };
        let mut value = vec![magic];
        value.extend(schema_id.to_be_bytes());
        encode(&mut value, index, &observation, kind);
        if kind == Some(Malformed::TruncatedAvro) {
            value.truncate(10);
        }
        Sample {
            topic: TELESCOPE.topic,
            key: observation,
            value,
            timestamp: None,
            expect: expect(kind),
        }
    })
}

/// Avro's binary encoding, written out: seven known fields cannot fail to encode.
fn encode(out: &mut Vec<u8>, index: usize, observation: &str, kind: Option<Malformed>) {
    let turn = index / super::MALFORMED_EVERY % KINDS.len();
    let is_empty = |first| kind == Some(Malformed::EmptyId) && (turn == 3) == first;
    let data_id = format!("D-{index:08}");
    bytes(
        out,
        if is_empty(true) {
            b""
        } else {
            data_id.as_bytes()
        },
    );
    bytes(
        out,
        if is_empty(false) {
            b""
        } else {
            observation.as_bytes()
        },
    );
    let sequence = (index % 100) as i64;
    long(
        out,
        if kind == Some(Malformed::NegativeSequence) {
            -1 - sequence
        } else {
            sequence
        },
    );
    long(out, EPOCH_SECONDS * 1_000 + index as i64);
    if index % 10 == 9 {
        long(out, 0);
    } else {
        long(out, 1);
        let length = 32 + (scatter(index, 21) % 64) as usize;
        let data: Vec<u8> = (0..length)
            .map(|at| scatter(index + at, 22) as u8)
            .collect();
        bytes(out, &data);
    }
    out.push(u8::from(index.is_multiple_of(3)));
    if index.is_multiple_of(3) {
        long(out, 1);
        bytes(out, VERSIONS[index / 3 % VERSIONS.len()].as_bytes());
    } else {
        long(out, 0);
    }
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// Zigzag, seven bits a byte; `int`, `long`, lengths and union branches alike.
fn long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7F {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;
    use apache_avro::reader::datum::GenericDatumReader;
    use apache_avro::types::Value;

    use super::super::exactly_the_good_ones;
    use super::*;

    fn decode(schema: &Schema, body: &mut &[u8]) -> apache_avro::AvroResult<Value> {
        GenericDatumReader::builder(schema)
            .build()?
            .read_value(body)
    }

    /// Decodes with the library, and tells the rules of the table a second time.
    fn is_valid(schema: &Schema, value: &[u8]) -> bool {
        if value.len() < 5 || value[..5] != [0, 0, 0, 0, 42] {
            return false;
        }
        let mut body = &value[5..];
        let Ok(Value::Record(fields)) = decode(schema, &mut body) else {
            return false;
        };
        let text = |at: usize| matches!(&fields[at].1, Value::String(text) if !text.is_empty());
        let positive = matches!(fields[2].1, Value::Int(sequence) if sequence >= 0);
        assert!(body.is_empty(), "bytes left over");
        text(0) && text(1) && positive
    }

    #[test]
    fn exactly_the_good_ones_decode_and_keep_the_rules() {
        let schema = Schema::parse_str(TELESCOPE_SCHEMA).expect("a schema");
        exactly_the_good_ones(telescope_data(2400, 42), |value| is_valid(&schema, value));
    }

    #[test]
    fn the_fields_are_what_they_seem() {
        let schema = Schema::parse_str(TELESCOPE_SCHEMA).expect("a schema");
        let sample = telescope_data(1, 42).next().expect("a sample");
        let decoded = decode(&schema, &mut &sample.value[5..]).expect("a record");
        let Value::Record(fields) = decoded else {
            panic!("not a record")
        };
        let named: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            named[..4],
            ["data_id", "observation_id", "sequence_number", "timestamp"]
        );
        assert_eq!(fields[0].1, Value::String("D-00000000".to_owned()));
        assert_eq!(fields[3].1, Value::Long(1_767_225_600_000));
        assert_eq!(
            fields[6].1,
            Value::Union(1, Box::new(Value::String("1.0.0".to_owned())))
        );
    }
}
