//! Telescopes: Avro by way of the registry, under Confluent's class name, upserted by id; a schema
//! that evolves, and commands that are brought together with their acknowledgments.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use harness::avro::Avro;
use harness::install;
use harness::kafka::TestKafka;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;
use harness::wait::wait_until;
use serde_json::{Value, json};

const FILE: &str = "postgres-telescope-data-sink.json";
const TABLE: &str = "003_telescope_data_raw.sql";
const LIMIT: Duration = Duration::from_secs(60);

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
    pipeline.database.apply(TABLE).await?;
    let schema = registry
        .register(&format!("{}-value", pipeline.name), SCHEMA)
        .await?;
    let url = [("value.converter.schema.registry.url", &*registry.url())];
    pipeline.deploy_file(FILE, &url).await?;

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

/// The schema with one more optional field, which the registry calls compatible.
fn evolved() -> String {
    let field = r#"        {"name": "exposure_ms", "type": ["null", "long"], "default": null}
    ]"#;
    let (fields, end) = SCHEMA.rsplit_once("\n    ]").unwrap_or_default();
    format!("{fields},\n{field}{end}")
}

/// Pieces of the old and the new schema in turns: the new field, and null before it.
fn in_turns(old: u32, new: u32) -> Vec<Record> {
    let piece = |number: i64| {
        let schema = if number % 2 == 0 { old } else { new };
        let avro = Avro::framed(schema).text(&format!("p{number}")).text("o");
        let avro = avro.long(number).long(1_736_173_800_123).long(0);
        let avro = avro.boolean(false).long(0);
        Record::of(match number % 2 {
            0 => avro,
            _ => avro.long(1).long(number * 100),
        })
    };
    (0..4).map(piece).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compatible_evolution_grows_the_table_and_stops_nothing() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    // As the file has it, and where the table is not to be changed.
    for (evolve, stem) in [
        (None, "telescope_grows"),
        (Some("false"), "telescope_stays"),
    ] {
        let pipeline = Pipeline::shared(stem, 1).await?;
        pipeline.database.apply(TABLE).await?;
        let subject = format!("{}-value", pipeline.name);
        let old = registry.register(&subject, SCHEMA).await?;
        let new = registry.register(&subject, &evolved()).await?;
        let url = registry.url();
        let mut settings = vec![("value.converter.schema.registry.url", url.as_str())];
        settings.extend(evolve.map(|evolve| ("auto.evolve", evolve)));
        pipeline.deploy_file(FILE, &settings).await?;
        let records = in_turns(old, new);
        pipeline.produce(records.clone()).await?;
        pipeline.drained().await?;
        ensure!(pipeline.trace().await?.is_none());
        let query = "SELECT data_id, to_jsonb(t) -> 'exposure_ms' AS exposure \
                     FROM telescope_data_raw t ORDER BY data_id";
        let rows = pipeline.rows(query).await?;
        let row = |id: &str, exposure: Value| json!({"data_id": id, "exposure": exposure});
        if evolve.is_none() {
            let expected = [
                row("p0", Value::Null),
                row("p1", json!("100")),
                row("p2", Value::Null),
                row("p3", json!("300")),
            ];
            assert_eq!(rows, expected);
            pipeline.assert_refused(&[]).await?;
        } else {
            assert_eq!(rows.len(), 2, "{rows:?}");
            let refused = |offset: usize| {
                Ok(Refused {
                    record: records[offset].clone(),
                    at: (0, i64::try_from(offset)?),
                    reason: Reason::put("is missing fields (exposure_ms INT64)"),
                })
            };
            let expected: Result<Vec<_>> = [1, 3].into_iter().map(refused).collect();
            pipeline.assert_refused(&expected?).await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logical_timestamp_lands_as_its_milliseconds() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("telescope_millis", 1).await?;
    pipeline.database.apply(TABLE).await?;
    let schema = SCHEMA.replace(
        r#"{"name": "timestamp", "type": "long"}"#,
        r#"{"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}}"#,
    );
    ensure!(schema != SCHEMA);
    let schema = registry
        .register(&format!("{}-value", pipeline.name), &schema)
        .await?;
    let url = [("value.converter.schema.registry.url", &*registry.url())];
    pipeline.deploy_file(FILE, &url).await?;
    let piece = Piece {
        id: "a",
        sequence: 1,
        data: None,
        version: None,
    };
    pipeline.produce([piece.record(schema)]).await?;
    pipeline.drained().await?;
    pipeline.assert_refused(&[]).await?;
    let query = "SELECT timestamp FROM telescope_data_raw";
    let expected = [json!({"timestamp": "1736173800123"})];
    assert_eq!(pipeline.rows(query).await?, expected);
    Ok(())
}

const COMMAND: &str = r#"{
    "type": "record", "name": "TelescopeCommand", "namespace": "astro.beam",
    "fields": [
        {"name": "command_id", "type": "string"},
        {"name": "telescope_id", "type": "string"},
        {"name": "command_type", "type": "string"},
        {"name": "parameters", "type": {"type": "map", "values": "string"}},
        {"name": "observation_id", "type": ["null", "string"], "default": null},
        {"name": "priority", "type": "int", "default": 0},
        {"name": "issued_by", "type": ["null", "string"], "default": null},
        {"name": "issued_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "expires_at", "type":
            ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": null}
    ]
}"#;

const ACKNOWLEDGMENT: &str = r#"{
    "type": "record", "name": "CommandAcknowledgment", "namespace": "astro.beam",
    "fields": [
        {"name": "acknowledgment_id", "type": "string"},
        {"name": "command_id", "type": "string"},
        {"name": "telescope_id", "type": "string"},
        {"name": "application", "type": "string"},
        {"name": "status", "type": "string"},
        {"name": "message", "type": ["null", "string"], "default": null},
        {"name": "error_code", "type": ["null", "int"], "default": null},
        {"name": "acknowledged_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
    ]
}"#;

const STATUS: &str = r#"{
    "type": "record", "name": "TelescopeStatus", "namespace": "astro.beam",
    "fields": [
        {"name": "status_id", "type": "string"},
        {"name": "telescope_id", "type": "string"},
        {"name": "state", "type": "string"},
        {"name": "right_ascension", "type": ["null", "double"], "default": null},
        {"name": "declination", "type": ["null", "double"], "default": null},
        {"name": "altitude", "type": ["null", "double"], "default": null},
        {"name": "azimuth", "type": ["null", "double"], "default": null},
        {"name": "current_command_id", "type": ["null", "string"], "default": null},
        {"name": "readings", "type": {"type": "map", "values": "double"}},
        {"name": "message", "type": ["null", "string"], "default": null},
        {"name": "reported_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
    ]
}"#;

fn command(schema: u32, id: &str, at: i64) -> Record {
    let avro = Avro::framed(schema).text(id).text("t-1").text("SLEW");
    let avro = avro.long(1).text("ra").text("5.5").long(0);
    let avro = avro.long(0).long(7).long(1).text("kim").long(at).long(0);
    Record::of(avro).key("t-1")
}

fn acknowledgment(schema: u32, command: &str, status: &str, at: i64) -> Record {
    let avro = Avro::framed(schema).text(&format!("{command}/{status}"));
    let avro = avro.text(command).text("t-1").text("telescope-robotics");
    let avro = avro.text(status).long(1).text("told").long(0).long(at);
    Record::of(avro).key("t-1")
}

/// The schemas of these tests are those that are declared, field by field.
#[test]
fn the_schemas_have_the_declared_fields() -> Result<()> {
    let names = |schema: &Value, name: &str| -> Vec<String> {
        let fields = schema["fields"].as_array().into_iter().flatten();
        fields.map(|field| field[name].to_string()).collect()
    };
    for (subject, schema) in [
        ("telescope.data-value", SCHEMA),
        ("telescope.commands-value", COMMAND),
        ("telescope.acknowledgments-value", ACKNOWLEDGMENT),
        ("telescope.status-value", STATUS),
    ] {
        let file = format!("connectors/schemas/{subject}.json");
        let declared = std::fs::read_to_string(install::repository().join(file))?;
        let declared = names(&serde_json::from_str(&declared)?, "field");
        ensure!(declared.len() > 5, "{declared:?}");
        assert_eq!(
            names(&serde_json::from_str(schema)?, "name"),
            declared,
            "{subject}"
        );
    }
    Ok(())
}

/// What is sent twice by the connector of a file is there once, and is this row.
async fn assert_lands(
    file: &str,
    schema: &str,
    record: impl Fn(u32) -> Record,
    expected: Value,
) -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("telescope_topic", 1).await?;
    pipeline.database.apply("003b_telescope_topics.sql").await?;
    let subject = format!("{}-value", pipeline.name);
    let schema = registry.register(&subject, schema).await?;
    let url = [("value.converter.schema.registry.url", &*registry.url())];
    pipeline.deploy_file(file, &url).await?;
    pipeline.produce([record(schema), record(schema)]).await?;
    pipeline.drained().await?;
    pipeline.assert_refused(&[]).await?;
    let connector = harness::connect::connector(file, "any", &[])?;
    let table = connector["config"]["table.name.format"].as_str();
    let table = table.context("the file names no table")?;
    let mut rows = pipeline.rows(&format!("SELECT * FROM {table}")).await?;
    assert_eq!(rows.len(), 1, "{rows:?}");
    let row = rows[0].as_object_mut();
    let stamp = row.and_then(|row| row.remove("sink_timestamp"));
    ensure!(stamp.is_some_and(|stamp| stamp.is_string()));
    assert_eq!(rows, [expected], "{file}");
    Ok(())
}

/// 2025-01-06T14:30:00.123Z, in milliseconds.
const AT: i64 = 1_736_173_800_123;
const SHOWN: &str = "2025-01-06T14:30:00.123+00:00";

#[tokio::test(flavor = "multi_thread")]
async fn commands_and_acknowledgments_land_in_their_tables() -> Result<()> {
    let expected = json!({
        "command_id": "c-1", "telescope_id": "t-1", "command_type": "SLEW",
        "parameters": r#"{"ra": "5.5"}"#, "observation_id": null, "priority": "7",
        "issued_by": "kim", "issued_at": SHOWN, "expires_at": null,
    });
    let file = "telescope-commands-sink.json";
    assert_lands(file, COMMAND, |schema| command(schema, "c-1", AT), expected).await?;
    let expected = json!({
        "acknowledgment_id": "c-1/FAILED", "command_id": "c-1", "telescope_id": "t-1",
        "application": "telescope-robotics", "status": "FAILED", "message": "told",
        "error_code": null, "acknowledged_at": SHOWN,
    });
    let record = |schema| acknowledgment(schema, "c-1", "FAILED", AT);
    let file = "telescope-acknowledgments-sink.json";
    assert_lands(file, ACKNOWLEDGMENT, record, expected).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_lands_in_its_table() -> Result<()> {
    let record = |schema| {
        let avro = Avro::framed(schema).text("s-1").text("t-1").text("SLEWING");
        let avro = avro.long(1).double(5.5).long(0).long(0).long(0).long(0);
        let avro = avro.long(1).text("dome").double(-3.5).long(0);
        Record::of(avro.long(0).long(AT))
    };
    let expected = json!({
        "status_id": "s-1", "telescope_id": "t-1", "state": "SLEWING", "right_ascension": "5.5",
        "declination": null, "altitude": null, "azimuth": null, "current_command_id": null,
        "readings": r#"{"dome": -3.5}"#, "message": null, "reported_at": SHOWN,
    });
    assert_lands("telescope-status-sink.json", STATUS, record, expected).await
}

/// A command in time, one too late, one that nobody answered, and an answer to nothing.
fn states() -> [Value; 4] {
    let row = |id: &str, state: &str, rest: [Option<&str>; 6]| {
        let [status, latency, late, count, kind, told] = rest;
        json!({"command_id": id, "state": state, "status": status, "latency_ms": latency,
               "is_late": late, "acknowledgments": count, "command_type": kind, "told": told})
    };
    let (slew, told, done) = (Some("SLEW"), Some("true"), Some("COMPLETED"));
    let (one, two, yes, no) = (Some("1"), Some("2"), Some("true"), Some("false"));
    let in_time = [done, Some("250"), no, two, slew, told];
    let late = [done, Some("2001"), yes, one, slew, told];
    let lost = [None, None, None, None, slew, told];
    let nobodys = [Some("REJECTED"), None, None, one, None, None];
    [
        row("in time", "acknowledged", in_time),
        row("late", "timed_out", late),
        row("lost", "timed_out", lost),
        row("nobody's", "unknown_command", nobodys),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_meet_their_acknowledgments_or_time_out() -> Result<()> {
    let (registry, kafka) = (TestRegistry::shared().await?, TestKafka::shared().await?);
    // The topics have different numbers of partitions: nothing needs them to be the same.
    let pipeline = Pipeline::shared("telescope_commands", 2).await?;
    let acknowledgments = format!("{}_acknowledgments", pipeline.name);
    kafka.create_topic(&acknowledgments, 3).await?;
    let file = "003c_telescope_command_status.sql";
    pipeline.database.apply(file).await?;
    let subject = format!("{}-value", pipeline.name);
    let of_command = registry.register(&subject, COMMAND).await?;
    let subject = format!("{acknowledgments}-value");
    let of_acknowledgment = registry.register(&subject, ACKNOWLEDGMENT).await?;
    let topics = format!("{},{acknowledgments}", pipeline.name);
    let settings = [
        ("value.converter.schema.registry.url", &*registry.url()),
        ("topics", &*topics),
        ("transforms.correlate.commands.topic", &*pipeline.name),
        (
            "transforms.correlate.acknowledgments.topic",
            &*acknowledgments,
        ),
        ("transforms.correlate.timeout.ms", "2000"),
    ];
    pipeline
        .deploy_file("telescope-correlation-sink.json", &settings)
        .await?;

    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let acknowledged = |command: &str, status: &str, after: i64| {
        acknowledgment(of_acknowledgment, command, status, now + after)
    };
    // The acknowledgments are there first.
    let answers = [
        acknowledged("in time", "ACCEPTED", 250),
        acknowledged("in time", "COMPLETED", 1_900),
        acknowledged("late", "COMPLETED", 2_001),
        acknowledged("nobody's", "REJECTED", 5),
    ];
    kafka.produce(&acknowledgments, answers).await?;
    let commands = ["in time", "late", "lost"];
    pipeline
        .produce(commands.map(|id| command(of_command, id, now)))
        .await?;
    // Then it is silent, and the clock alone tells that one is lost.
    let query = "SELECT command_id, state, status, latency_ms, is_late, acknowledgments, \
                 command_type, timed_out_at = due_at AS told FROM telescope_command_status \
                 ORDER BY command_id";
    wait_until(LIMIT, "the state of the commands", async || {
        if let Some(trace) = pipeline.trace().await? {
            anyhow::bail!("a task has failed: {trace}");
        }
        let rows = pipeline.rows(query).await?;
        ensure!(rows == states(), "{rows:#?}");
        Ok(true)
    })
    .await?;
    pipeline.assert_refused(&[]).await
}
