//! Activity events: JSON, a plugin that validates, a table of many types.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::{Value, json};

const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";

/// An event with nothing but what is required.
fn least(track: &str) -> Value {
    json!({
        "track_id": track,
        "domain": "AIR",
        "event_type": "updated",
        "event_timestamp": "2025-01-06T14:30:00Z",
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut event = least("refused");
    event[field] = value;
    event
}

fn good() -> Vec<(Value, Value)> {
    let whole = json!({
        "track_id": "T-1", "domain": "AIR", "event_type": "activity_detected",
        "activity_type": "HOLDING é", "kb_object_id": 9_007_199_254_740_993_i64,
        "mode_s": "3C6DD0", "mmsi": null,
        "event_timestamp": "2025-01-06T14:30:00.123456+01:00",
        "latitude": 48.856_613, "longitude": -2.352_221_9,
        "properties": { "speed": 1e3, "tags": ["a", null], "nested": { "quote\"": "ü" } },
        "associated_track_ids": ["T-2", "with \"quotes\", {braces}", ""],
        "associated_kb_ids": [1, -9_223_372_036_854_775_808_i64],
    });
    let whole_row = json!({
        "track_id": "T-1", "domain": "AIR", "event_type": "activity_detected",
        "activity_type": "HOLDING é", "kb_object_id": "9007199254740993",
        "mode_s": "3C6DD0", "mmsi": null,
        "event_timestamp": "2025-01-06T13:30:00.123456+00:00",
        "latitude": "48.8566130", "longitude": "-2.3522219",
        "properties": r#"{"tags": ["a", null], "speed": 1000.0, "nested": {"quote\"": "ü"}}"#,
        "associated_track_ids": r#"["T-2", "with \"quotes\", {braces}", ""]"#,
        "associated_kb_ids": "[1, -9223372036854775808]",
    });
    let ship = json!({
        "track_id": "T-2", "domain": "MARITIME", "event_type": "identified",
        "mmsi": "211331640", "event_timestamp": "2025-01-06 23:59:59",
        "latitude": 90, "longitude": -180.0, "properties": {},
        "associated_track_ids": [], "associated_kb_ids": [],
    });
    let ship_row = json!({
        "track_id": "T-2", "domain": "MARITIME", "event_type": "identified",
        "activity_type": null, "kb_object_id": null, "mode_s": null, "mmsi": "211331640",
        "event_timestamp": "2025-01-06T23:59:59+00:00",
        "latitude": "90.0000000", "longitude": "-180.0000000", "properties": "{}",
        "associated_track_ids": "[]", "associated_kb_ids": "[]",
    });
    let least_row = json!({
        "track_id": "T-3", "domain": "AIR", "event_type": "updated",
        "activity_type": null, "kb_object_id": null, "mode_s": null, "mmsi": null,
        "event_timestamp": "2025-01-06T14:30:00+00:00",
        "latitude": null, "longitude": null, "properties": null,
        "associated_track_ids": null, "associated_kb_ids": null,
    });
    vec![
        (whole, whole_row),
        (ship, ship_row),
        (least("T-3"), least_row),
    ]
}

/// Each with the plugin's reason.
fn refused() -> Vec<(Record, Reason)> {
    let broken = |field: &str, value: Value, why: &str| {
        let record = Record::json(&with(field, value))
            .key("key")
            .header("origin", "radar");
        (record, Reason::transform("activity-event", why))
    };
    vec![
        broken("domain", json!("LAND"), "must be AIR or MARITIME"),
        broken("track_id", json!(null), "track_id"),
        broken(
            "event_type",
            json!("seen"),
            "must be identified, updated or activity_detected",
        ),
        broken(
            "event_timestamp",
            json!("yesterday"),
            "must be an ISO 8601 timestamp",
        ),
        broken("latitude", json!(90.5), "must be from -90 to 90"),
        broken("mode_s", json!("xyz"), "must be six hexadecimal digits"),
        broken("properties", json!([1]), "must be an object"),
        broken(
            "associated_kb_ids",
            json!(["one"]),
            "must be an array of integers",
        ),
        broken(
            "activity_type",
            json!("x".repeat(101)),
            "must have at most 100 characters",
        ),
        (
            Record::of("{\"track_id\": "),
            Reason::value_converter(JSON, ""),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn activity_events_land_with_their_types() -> Result<()> {
    let pipeline = Pipeline::shared("activity", 3).await?;
    pipeline
        .database
        .apply("002_track_activity_log.sql")
        .await?;
    pipeline
        .deploy_file("activity-events-sink.json", &[])
        .await?;

    // Good and bad ones take turns on each partition.
    let mut offsets = [0; 3];
    let mut produced = Vec::new();
    let mut expected = Vec::new();
    for (index, (record, reason)) in refused().into_iter().enumerate() {
        let partition = index % 3;
        let at = (i32::try_from(partition)?, offsets[partition]);
        offsets[partition] += 1;
        produced.push(record.clone().partition(at.0));
        expected.push(Refused { record, at, reason });
        if let Some((event, _)) = good().get(index) {
            offsets[partition] += 1;
            produced.push(Record::json(event).partition(at.0));
        }
    }
    pipeline.produce(produced).await?;
    pipeline.drained().await?;
    pipeline.assert_refused(&expected).await?;

    let rows = pipeline
        .rows("SELECT * FROM track_activity_log ORDER BY track_id")
        .await?;
    assert_eq!(rows.len(), good().len());
    for (mut row, (_, expected)) in rows.into_iter().zip(good()) {
        let id = row.as_object_mut().and_then(|row| row.remove("id"));
        assert!(
            id.is_some_and(|id| id.is_string()),
            "the database gives an id"
        );
        assert_eq!(row, expected);
    }
    Ok(())
}
