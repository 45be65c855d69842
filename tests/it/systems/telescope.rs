//! Telescope data: Avro by way of the registry, under Confluent's class name, upserted by id.

use anyhow::Result;
use harness::avro::Avro;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;
use serde_json::{Value, json};

const SCHEMA: &str = r#"{
    "type": "record", "name": "TelescopeData", "namespace": "astro.beam",
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

struct Piece<'a> {
    id: &'a str,
    sequence: i64,
    data: Option<&'a [u8]>,
    version: Option<&'a str>,
}

impl Piece<'_> {
    fn record(&self, schema: u32) -> Record {
        let mut piece = Avro::framed(schema).text(self.id).text("observation 1");
        piece = piece.long(self.sequence).long(1_736_173_800_123);
        piece = match self.data {
            Some(data) => piece.long(1).bytes(data),
            None => piece.long(0),
        };
        piece = piece.boolean(self.version.is_some());
        piece = match self.version {
            Some(version) => piece.long(1).text(version),
            None => piece.long(0),
        };
        Record::of(piece)
    }

    fn row(&self) -> Value {
        let hex = |data: &[u8]| {
            data.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        json!({
            "data_id": self.id,
            "observation_id": "observation 1",
            "sequence_number": self.sequence.to_string(),
            "timestamp": "1736173800123",
            "data": self.data.map(|data| format!("\\x{}", hex(data))),
            "processed": self.version.is_some().to_string(),
            "processing_pipeline_version": self.version,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_version_of_a_piece_stays() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("telescope", 1).await?;
    pipeline
        .database
        .apply("003_telescope_data_raw.sql")
        .await?;
    let schema = registry
        .register(&format!("{}-value", pipeline.name), SCHEMA)
        .await?;
    let url = [("value.converter.schema.registry.url", &*registry.url())];
    pipeline
        .deploy_file("postgres-telescope-data-sink.json", &url)
        .await?;

    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    let long = vec![0xa5; 300_000];
    let piece = |id, sequence, data, version| Piece {
        id,
        sequence,
        data,
        version,
    };
    let first = piece("a", 1, Some(all_bytes.as_slice()), None);
    let other = piece("b", 2, Some(b"".as_slice()), Some("1.0"));
    let empty = piece("c é", 3, None, None);
    let refused = piece(" ", 4, None, None);
    let again = piece("a", 5, Some(long.as_slice()), Some("1.1"));
    let negative = piece("d", -1, None, None);
    let produced = [&first, &other, &empty, &refused, &again, &negative];
    pipeline
        .produce(produced.map(|piece| piece.record(schema)))
        .await?;
    pipeline.drained().await?;
    // A later transaction replaces a row as well.
    let last = piece("b", 6, None, Some("2.0"));
    pipeline.produce([last.record(schema)]).await?;
    pipeline.drained().await?;

    let columns = "data_id, observation_id, sequence_number, timestamp, data, processed, \
                   processing_pipeline_version";
    let query = format!("SELECT {columns} FROM telescope_data_raw ORDER BY data_id");
    assert_eq!(
        pipeline.rows(&query).await?,
        [again.row(), last.row(), empty.row()]
    );
    let stamped = "telescope_data_raw WHERE sink_timestamp IS NOT NULL AND created_at IS NOT NULL";
    assert_eq!(pipeline.database.count(stamped).await?, 3);

    let class = "telescope-data";
    let refusal = |piece: &Piece<'_>, offset, why: &str| Refused {
        record: piece.record(schema),
        at: (0, offset),
        reason: Reason::transform(class, why),
    };
    let expected = [
        refusal(&refused, 3, "must not be empty"),
        refusal(&negative, 5, "must not be negative"),
    ];
    pipeline.assert_refused(&expected).await
}
