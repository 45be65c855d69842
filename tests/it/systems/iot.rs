//! IoT measurements: JSON of many spellings, shaped by a plugin, upserted by five columns.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::{Value, json};

const FILE: &str = "iot-measurements-sink.json";

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
