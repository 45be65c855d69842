//! IoT measurements: JSON of many spellings, shaped by a plugin, upserted by five columns.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::connector;
use harness::kafka::TestKafka;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::wait::wait_until;
use serde_json::{Value, json};

const FILE: &str = "iot-measurements-sink.json";
const LIMIT: Duration = Duration::from_secs(60);

/// Every form of a timestamp, and the moment that it is.
const MOMENTS: &[(&str, &str)] = &[
    (r#""2025-01-06T14:30:00Z""#, "2025-01-06T14:30:00+00:00"),
    (
        r#""2025-01-06T14:30:00.123456Z""#,
        "2025-01-06T14:30:00.123456+00:00",
    ),
    (
        r#""2025-01-06T14:30:01+01:00""#,
        "2025-01-06T13:30:01+00:00",
    ),
    (r#""2025-01-06 14:30:02.5""#, "2025-01-06T14:30:02.5+00:00"),
    (r#""2025-01-06""#, "2025-01-06T00:00:00+00:00"),
    ("1736173803", "2025-01-06T14:30:03+00:00"),
    ("1736173804.25", "2025-01-06T14:30:04.25+00:00"),
    ("1736173805123", "2025-01-06T14:30:05.123+00:00"),
    ("1736173806123456", "2025-01-06T14:30:06.123456+00:00"),
    (r#""1736173807""#, "2025-01-06T14:30:07+00:00"),
    (r#""1736173808123""#, "2025-01-06T14:30:08.123+00:00"),
    ("1736173809123456789", "2025-01-06T14:30:09.123456+00:00"),
    (
        r#""1736173810123456789""#,
        "2025-01-06T14:30:10.123456+00:00",
    ),
    ("-1", "1969-12-31T23:59:59+00:00"),
];

fn row(device: &str, timestamp: &str) -> Value {
    json!({
        "timestamp": timestamp, "device_id": device, "connector_mode": "unknown",
        "component_type": "unknown", "pin_position": "-1", "value": null, "unit": "", "topic": "",
    })
}

async fn deployed(stem: &str) -> Result<Pipeline> {
    let pipeline = Pipeline::shared(stem, 1).await?;
    pipeline.database.apply("004_iot_measurements.sql").await?;
    pipeline.deploy_file(FILE, &[]).await?;
    Ok(pipeline)
}

async fn rows(pipeline: &Pipeline) -> Result<Vec<Value>> {
    pipeline
        .rows("SELECT * FROM iot_measurements ORDER BY device_id, timestamp")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_timestamp_is_the_same_moment() -> Result<()> {
    let pipeline = deployed("iot_time").await?;
    let messages = MOMENTS.iter().enumerate().map(|(index, (timestamp, _))| {
        Record::of(format!(
            r#"{{"mac_address": "d-{index:02}", "timestamp": {timestamp}}}"#
        ))
    });
    pipeline.produce(messages).await?;
    pipeline.drained().await?;

    let moments = MOMENTS.iter().enumerate();
    let expected: Vec<_> = moments
        .map(|(i, (_, at))| row(&format!("d-{i:02}"), at))
        .collect();
    assert_eq!(rows(&pipeline).await?, expected);
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn measurements_are_shaped_and_upserted() -> Result<()> {
    let pipeline = deployed("iot").await?;
    let at = "2025-01-06T14:30:00Z";
    let messages = [
        json!({
            "mac_address": "a", "mode": "modbus", "data_point_label": "thermometer", "pin": 7,
            "value": "21.5", "unit": "°C", "original_topic": "site/1", "timestamp": at,
            "unheard_of": { "is": ["left", "out"] },
        }),
        json!({ "device_id": "b", "connector_mode": "gpio", "component_type": "switch",
                "pin_position": "A0", "value": true, "topic": "site/2", "timestamp": at }),
        json!({ "mac_address": "c", "mode": null, "value": 1, "timestamp": at }),
        // The same key again: the last one stays, also within one batch.
        json!({ "mac_address": "c", "value": 2, "unit": "V", "timestamp": at }),
        json!({ "mac_address": "c", "pin": "-1", "value": 3.25, "unit": "mV", "timestamp": at }),
        // Another key.
        json!({ "mac_address": "c", "pin": 1, "value": -0.5, "timestamp": "2025-01-06T15:00:00Z" }),
    ];
    pipeline.produce(messages.iter().map(Record::json)).await?;
    pipeline.drained().await?;
    // And once more, when the row is long there.
    pipeline
        .produce([Record::json(&json!({
            "device_id": "b", "mode": "gpio", "data_point_label": "switch", "pin": "A0",
            "value": false, "timestamp": at,
        }))])
        .await?;
    pipeline.drained().await?;

    let with = |device: &str, at: &str, fields: &[(&str, &str)]| {
        let mut row = row(device, at);
        for (field, value) in fields {
            row[*field] = json!(value);
        }
        row
    };
    let at = "2025-01-06T14:30:00+00:00";
    let expected = [
        with(
            "a",
            at,
            &[
                ("connector_mode", "modbus"),
                ("component_type", "thermometer"),
                ("pin_position", "7"),
                ("value", "21.5"),
                ("unit", "°C"),
                ("topic", "site/1"),
            ],
        ),
        with(
            "b",
            at,
            &[
                ("connector_mode", "gpio"),
                ("component_type", "switch"),
                ("pin_position", "A0"),
                ("value", "0"),
            ],
        ),
        with("c", at, &[("value", "3.25"), ("unit", "mV")]),
        with(
            "c",
            "2025-01-06T15:00:00+00:00",
            &[("pin_position", "1"), ("value", "-0.5")],
        ),
    ];
    assert_eq!(rows(&pipeline).await?, expected);
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_measurement_is_refused_by_name() -> Result<()> {
    let pipeline = deployed("iot_refused").await?;
    let at = "2025-01-06T14:30:00Z";
    let good = |device: &str| Record::json(&json!({ "mac_address": device, "timestamp": at }));
    let cases = [
        (json!({ "mac_address": "x" }), "timestamp"),
        (json!({ "timestamp": at }), "mac_address"),
        (
            json!({ "mac_address": 5, "timestamp": at }),
            "must be text, not an integer",
        ),
        (
            json!({ "mac_address": "x", "timestamp": "noon" }),
            "must be ISO 8601 or a number",
        ),
        (
            json!({ "mac_address": "x", "timestamp": 1e300 }),
            "is out of range",
        ),
        (
            json!({ "mac_address": "x", "timestamp": at, "value": "warm" }),
            "must be a number",
        ),
        (
            json!({ "mac_address": "x", "timestamp": at, "value": "1e999" }),
            "is too large",
        ),
    ];
    let mut produced = vec![good("first")];
    let mut expected = Vec::new();
    for (offset, (message, why)) in (1..).zip(cases) {
        let record = Record::json(&message);
        produced.push(record.clone());
        let reason = Reason::transform("iot-measurement", why);
        expected.push(Refused {
            record,
            at: (0, offset),
            reason,
        });
    }
    // What the plugin lets pass and the column does not take is the sink's to refuse.
    let record = good(&"x".repeat(51));
    let reason = Reason::put("column device_id of type character varying(50)");
    expected.push(Refused {
        record: record.clone(),
        at: (0, i64::try_from(produced.len())?),
        reason,
    });
    produced.extend([record, good("last")]);
    pipeline.produce(produced).await?;
    pipeline.drained().await?;

    let at = "2025-01-06T14:30:00+00:00";
    assert_eq!(rows(&pipeline).await?, [row("first", at), row("last", at)]);
    pipeline.assert_refused(&expected).await
}

/// The value and the unit that a message leads to.
async fn values(stem: &str, settings: &[(&str, &str)], given: &[Value]) -> Result<Vec<Value>> {
    let pipeline = Pipeline::shared(stem, 1).await?;
    pipeline.database.apply("004_iot_measurements.sql").await?;
    pipeline.deploy_file(FILE, settings).await?;
    let message = |(number, value): (usize, &Value)| {
        Record::json(&json!({
            "mac_address": format!("d-{number:02}"), "pin": 4.0, "value": value,
            "timestamp": "2025-01-06T14:30:00Z",
        }))
    };
    pipeline
        .produce(given.iter().enumerate().map(message))
        .await?;
    pipeline.drained().await?;
    let query = "SELECT device_id, value, unit FROM iot_measurements \
                 WHERE pin_position = '4' ORDER BY device_id";
    pipeline.rows(query).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_missing_in_words_is_null_and_others_by_choice() -> Result<()> {
    let given = ["", "N/A", "21,5", "21.5 C", "warm", "7"].map(|text| json!(text));
    let row = |number: usize, value: Option<&str>, unit: &str| {
        let device = format!("d-{number:02}");
        json!({"device_id": device, "value": value, "unit": unit})
    };
    // As the file has it: what is no number is a letter, not a null that nobody notices.
    let found = values("iot_words", &[], &given).await?;
    let expected = [row(0, None, ""), row(1, None, ""), row(5, Some("7"), "")];
    assert_eq!(found, expected);
    let lenient = [
        ("transforms.measurement.value.unparsable", "null"),
        ("transforms.measurement.value.decimal.comma", "true"),
        ("transforms.measurement.value.unit.suffix", "true"),
    ];
    let found = values("iot_lenient", &lenient, &given).await?;
    let expected = [
        row(0, None, ""),
        row(1, None, ""),
        row(2, Some("21.5"), ""),
        row(3, Some("21.5"), "C"),
        row(4, None, ""),
        row(5, Some("7"), ""),
    ];
    assert_eq!(found, expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_added_is_filled_from_then_on() -> Result<()> {
    let pipeline = deployed("iot_rssi").await?;
    let message = |device: &str| {
        Record::json(&json!({
            "mac_address": device, "timestamp": "2025-01-06T14:30:00Z", "rssi": -70,
            "firmware": {"major": 1}, "unheard": [1],
        }))
    };
    pipeline.produce([message("before")]).await?;
    pipeline.drained().await?;
    let add = "ALTER TABLE iot_measurements ADD rssi integer, ADD firmware jsonb";
    pipeline.database.execute(add).await?;
    pipeline.produce([message("then")]).await?;
    pipeline.drained().await?;
    let query = "SELECT device_id, rssi, firmware::text FROM iot_measurements ORDER BY 1";
    let expected = [
        json!({"device_id": "before", "rssi": null, "firmware": null}),
        json!({"device_id": "then", "rssi": "-70", "firmware": r#"{"major": 1}"#}),
    ];
    assert_eq!(pipeline.rows(query).await?, expected);
    pipeline.assert_refused(&[]).await
}

/// A binary frame of two data points, as `plugins/iot-decode` documents it.
const FRAME: &[u8] = b"IF\x01\x03\xa4\xcf\x12\x00\xff\x01\x00\x00\x01\x94\x3c\x05\xca\xbb\x04lora\
    \x02\x0btemperature\x00\x04\x04\x41\xac\x00\x00\x01C\x04door\xff\xff\x01\x01\x00";

/// The bytes with their CRC-32, bit by bit.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => (crc >> 1) ^ 0xedb8_8320,
        })
    });
    [bytes, &(!crc).to_be_bytes()].concat()
}

/// What the frame and a message of JSON come to, from this topic.
fn decoded(topic: &str) -> [Value; 3] {
    let point = |label: &str, pin: &str, value: &str, unit: &str| {
        json!({"timestamp": "2025-01-06T14:30:00.123+00:00", "device_id": "a4:cf:12:00:ff:01",
               "connector_mode": "lora", "component_type": label, "pin_position": pin,
               "value": value, "unit": unit, "topic": topic})
    };
    let mut humidity = row("b", "2025-01-06T14:30:00+00:00");
    humidity["component_type"] = json!("humidity");
    humidity["value"] = json!("40");
    humidity["topic"] = json!(topic);
    let door = point("door", "-1", "1", "");
    [door, point("temperature", "4", "21.5", "C"), humidity]
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_frames_are_decoded_and_land() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    // Its topic is that of the decoded messages.
    let pipeline = deployed("iot_decoded").await?;
    let decoder = format!("{}_decoder", pipeline.name);
    let raw = format!("{}_raw", pipeline.name);
    let letters = format!("{raw}-dlq");
    kafka.create_topic(&raw, 1).await?;
    let settings = [
        ("topics", raw.as_str()),
        ("transforms.decode.output.topic", &pipeline.name),
        ("output.topics.allow", &pipeline.name),
        ("errors.deadletterqueue.topic.name", &letters),
    ];
    let body = connector("iot-decode.json", &decoder, &settings)?;
    pipeline.rest().create(&body).await?;
    let json = json!({"mac": "b", "ts": 1_736_173_800, "values": {"humidity": 40}});
    let mut damaged = sealed(FRAME);
    damaged[30] ^= 0x10;
    let frames = [
        Record::of(sealed(FRAME)),
        Record::of(damaged.clone()),
        Record::json(&json),
    ];
    kafka.produce(&raw, frames).await?;
    // What ends a transaction of Kafka has an offset of its own, which no sink ever comes to.
    wait_until(LIMIT, "the frames to be decoded and to land", async || {
        for connector in [&decoder, &pipeline.name] {
            let trace = pipeline.rest().trace(connector).await?;
            ensure!(trace.is_none(), "{connector} has a failed task: {trace:?}");
        }
        let rows = pipeline.database.count("iot_measurements").await?;
        ensure!(rows >= 3, "{rows} rows");
        Ok(true)
    })
    .await?;
    pipeline.assert_refused(&[]).await?;

    let written = kafka.read(&pipeline.name).await?;
    let first = written.first().context("nothing was written")?;
    assert_eq!(first.key.as_deref(), Some(&b"a4:cf:12:00:ff:01"[..]));
    let value: Value = serde_json::from_str(&first.text())?;
    assert_eq!(value["original_topic"], json!(raw));
    assert_eq!(value["value"], json!(21.5));

    let query = "SELECT * FROM iot_measurements ORDER BY device_id, component_type";
    assert_eq!(pipeline.rows(query).await?, decoded(&raw));

    let letter = kafka.read(&letters).await?;
    assert_eq!(letter.len(), 1);
    assert_eq!(letter[0].value.as_deref(), Some(&damaged[..]));
    let reason = letter[0].header("__connect.errors.exception.message");
    ensure!(
        reason
            .as_ref()
            .is_some_and(|reason| reason.contains("CRC-32 does not fit")),
        "{reason:?}"
    );
    pipeline.rest().delete(&decoder).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_and_partitions_need_no_timescale() -> Result<()> {
    let postgres = harness::postgres::TestPostgres::shared().await?;
    for table in [
        "004_iot_measurements.sql",
        "004c_iot_measurements_partitioned.sql",
    ] {
        let database = postgres.database("iot_sums").await?;
        // Each may be run again.
        for file in [
            table,
            table,
            "004b_timescale_policies.sql",
            "004b_timescale_policies.sql",
        ] {
            database.apply(file).await?;
        }
        database
            .execute(
                "INSERT INTO iot_measurements SELECT date_trunc('day', now(), 'UTC') + \
                 n * interval '20 minutes', 'd', 'm', 'c', '1', nullif(n, 3), 'V', '' \
                 FROM generate_series(0, 5) n",
            )
            .await?;
        // Of a hypertable they are continuous aggregates, which a policy refreshes. The partitioned
        // table is none, whether or not the extension is there.
        let extension = "pg_extension WHERE extname = 'timescaledb'";
        let has_extension = database.count(extension).await? > 0;
        if has_extension && table == "004_iot_measurements.sql" {
            for aggregate in ["iot_measurements_hourly", "iot_measurements_daily"] {
                let refresh =
                    format!("CALL refresh_continuous_aggregate('{aggregate}', NULL, NULL)");
                database.execute(&refresh).await?;
            }
        }
        let query = "SELECT concat_ws(' ', extract(hour FROM bucket AT TIME ZONE 'UTC'), \
                     measurements, value_count, avg_value, min_value, max_value) \
                     FROM iot_measurements_hourly ORDER BY bucket";
        let hourly = database.texts(query).await?;
        let expected = ["0 3 3 1 0 2", "1 3 2 4.5 4 5"].map(|row| Some(row.to_owned()));
        assert_eq!(hourly, expected);
        let daily = "SELECT concat_ws(' ', measurements, value_count, max_value) \
                     FROM iot_measurements_daily";
        assert_eq!(database.texts(daily).await?, [Some("6 5 5".to_owned())]);
    }
    Ok(())
}
