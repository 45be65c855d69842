//! Raw telescope data in Avro, in Confluent's wire format.

use connect_converters::{avro_schema, declared_schema};

use super::{Malformed, Plan, Sample, TELESCOPE, expect};

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

/// The declaration of the records.
const DECLARATION: &str =
    include_str!("../../../../../connectors/schemas/telescope.data-value.json");

/// The Avro schema of the records, as the registry is given it.
///
/// # Errors
/// When the declaration is none.
pub fn telescope_schema() -> connect_api::Result<String> {
    avro_schema(&*declared_schema(DECLARATION)?)
}

/// Records, keyed by `observation_id`, encoded with [`telescope_schema`],
/// which the registry knows as `schema_id`.
pub fn telescope_data(plan: impl Into<Plan>, schema_id: i32) -> impl Iterator<Item = Sample> {
    let plan = plan.into();
    (0..plan.records).map(move |index| {
        let kind = plan.malformed(index, &KINDS);
        let observation = observation(index);
        let (magic, schema_id) = match kind {
            Some(Malformed::WrongMagicByte) => (0x7F, schema_id),
            Some(Malformed::UnknownSchemaId) => (0, UNKNOWN_SCHEMA_ID),
            _ => (0, schema_id),
        };
        let mut value = vec![magic];
        value.extend(schema_id.to_be_bytes());
        encode(&mut value, plan, index, kind);
        if kind == Some(Malformed::TruncatedAvro) {
            value.truncate(10);
        }
        Sample {
            topic: TELESCOPE.topic,
            key: observation,
            value,
            timestamp: None,
            expect: expect(kind),
            planted: None,
        }
    })
}

fn observation(index: usize) -> String {
    format!("OBS-{:04}", index / 100)
}

/// Avro's binary encoding, written out: seven known fields cannot fail to encode.
fn encode(out: &mut Vec<u8>, plan: Plan, index: usize, kind: Option<Malformed>) {
    let observation = observation(index);
    let turn = plan.turn(index).unwrap_or(0) % KINDS.len();
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
    long(out, plan.start_seconds * 1_000 + index as i64);
    if index % 10 == 9 {
        long(out, 0);
    } else {
        long(out, 1);
        let length = 32 + (plan.scatter(index, 21) % 64) as usize;
        let data: Vec<u8> = (0..length)
            .map(|at| plan.scatter(index + at, 22) as u8)
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

#[cfg(feature = "dev")]
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use connect_api::{Converter, Datum, Properties, RecordPart, Value};
    use connect_converters::{ConverterContext, RegistryClient, SchemaFormat, SchemaText, build};
    use embedded::Registry;

    use super::super::exactly_the_good_ones;
    use super::*;

    /// A registry that has the schema, its id, and a converter that reads by it.
    async fn registry() -> (Registry, i32, Box<dyn Converter>) {
        let registry = Registry::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let options = Properties::from([("schema.registry.url".to_owned(), registry.url())]);
        let client = RegistryClient::new(&options).unwrap();
        let text = telescope_schema().unwrap();
        let schema = SchemaText {
            format: SchemaFormat::Avro,
            text: &text,
        };
        let id = client
            .register("telescope.data-value", schema)
            .await
            .unwrap();
        let context = ConverterContext {
            runtime: tokio::runtime::Handle::current(),
            part: RecordPart::Value,
        };
        let converter = build("AvroConverter", &options, &context).unwrap();
        (registry, i32::try_from(id).unwrap(), converter)
    }

    /// Reads it as a connector does, and tells the rules of the table a second time.
    fn is_valid(converter: &mut dyn Converter, value: &[u8]) -> bool {
        let bytes = Bytes::copy_from_slice(value);
        let Ok(Datum {
            value: Value::Struct(row),
            ..
        }) = converter.to_connect_data(TELESCOPE.topic, Some(&bytes))
        else {
            return false;
        };
        let values = row.values();
        let text = |at: usize| values[at].as_str().is_some_and(|text| !text.is_empty());
        let positive = matches!(values[2], Value::Int(sequence) if sequence >= 0);
        text(0) && text(1) && positive
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn exactly_the_good_ones_are_read_and_keep_the_rules() {
        let (registry, id, mut converter) = registry().await;
        tokio::task::spawn_blocking(move || {
            let samples = telescope_data(2400, id);
            exactly_the_good_ones(samples, |value| is_valid(&mut *converter, value));
        })
        .await
        .unwrap();
        registry.stop().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_fields_are_what_they_seem() {
        let (registry, id, mut converter) = registry().await;
        let sample = telescope_data(1, id).next().expect("a sample");
        let bytes = Bytes::from(sample.value);
        let datum = tokio::task::spawn_blocking(move || {
            converter
                .to_connect_data(TELESCOPE.topic, Some(&bytes))
                .unwrap()
        })
        .await
        .unwrap();
        let schema = Arc::clone(&datum.schema.unwrap());
        let Value::Struct(row) = datum.value else {
            panic!("not a record")
        };
        let field = |name: &str| row.values()[schema.index_of(name).unwrap()].clone();
        assert_eq!(field("data_id"), Value::from("D-00000000"));
        assert_eq!(field("observation_id"), Value::from("OBS-0000"));
        assert_eq!(field("timestamp"), Value::Int(1_767_225_600_000));
        assert_eq!(field("processed"), Value::Boolean(true));
        assert_eq!(field("processing_pipeline_version"), Value::from("1.0.0"));
        registry.stop().await;
    }
}
