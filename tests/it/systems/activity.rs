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
        broken(
            "mode_s",
            json!("A12345678"),
            "must have at most 8 characters",
        ),
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

/// What `send_event()` of the document sends, and what its curl POSTs: neither has a time.
fn documented() -> [Value; 2] {
    [
        json!({
            "track_id": "T-12345", "event_type": "activity_detected", "domain": "AIR",
            "mode_s": "A12345", "activity_type": "air_refueling",
            "latitude": 35.123, "longitude": -118.456,
            "properties": {"altitude_ft": 25000, "speed_kts": 350},
        }),
        json!({
            "track_id": "TEST-001", "event_type": "activity_detected", "domain": "AIR",
            "mode_s": "A12345", "activity_type": "test", "latitude": 35.5, "longitude": -118.5,
            "properties": {"test": true},
        }),
    ]
}

/// 2025-01-06T14:30:00.123Z, in milliseconds.
const SENT: i64 = 1_736_173_800_123;

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_own_examples_land_at_the_time_of_their_records() -> Result<()> {
    for table in [
        "002_track_activity_log.sql",
        "002b_track_activity_log_partitioned.sql",
    ] {
        let pipeline = Pipeline::shared("activity_documented", 3).await?;
        pipeline.database.apply(table).await?;
        // The partitioned one has no partition for so long ago.
        if table.starts_with("002b") {
            pipeline
                .database
                .execute(
                    "CREATE TABLE track_activity_log_old PARTITION OF track_activity_log \
                     FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')",
                )
                .await?;
        }
        pipeline
            .deploy_file("activity-events-sink.json", &[])
            .await?;
        let mut null = documented()[0].clone();
        null["track_id"] = json!("null");
        for field in [
            "event_timestamp",
            "activity_type",
            "kb_object_id",
            "mmsi",
            "latitude",
        ] {
            null[field] = Value::Null;
        }
        null["mode_s"] = json!("N1234567");
        let [first, second] = documented();
        let events = [&first, &second, &null].map(|event| Record::json(event).timestamp(SENT));
        pipeline.produce(events).await?;
        pipeline.drained().await?;
        pipeline.assert_refused(&[]).await?;
        let query = "SELECT track_id, activity_type, mode_s, latitude, properties::text, \
                     event_timestamp FROM track_activity_log ORDER BY track_id";
        let at = "2025-01-06T14:30:00.123+00:00";
        let altitude = r#"{"speed_kts": 350, "altitude_ft": 25000}"#;
        let expected = [
            json!({"track_id": "T-12345", "activity_type": "air_refueling", "mode_s": "A12345",
                   "latitude": "35.1230000", "properties": altitude, "event_timestamp": at}),
            json!({"track_id": "TEST-001", "activity_type": "test", "mode_s": "A12345",
                   "latitude": "35.5000000", "properties": r#"{"test": true}"#,
                   "event_timestamp": at}),
            json!({"track_id": "null", "activity_type": null, "mode_s": "N1234567",
                   "latitude": null, "properties": altitude, "event_timestamp": at}),
        ];
        let mut rows = pipeline.rows(query).await?;
        rows.sort_by_key(|row| row["track_id"].to_string());
        assert_eq!(rows, expected, "{table}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_partitioned_table_has_the_columns_indexes_and_views_of_the_plain_one() -> Result<()> {
    let postgres = harness::postgres::TestPostgres::shared().await?;
    let plain = postgres.database("activity_plain").await?;
    plain.apply("002_track_activity_log.sql").await?;
    let partitioned = postgres.database("activity_partitioned").await?;
    // Twice: it may be run again.
    for _ in 0..2 {
        let file = "002b_track_activity_log_partitioned.sql";
        partitioned.apply(file).await?;
    }
    let queries = [
        "SELECT concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull, \
         pg_get_expr(adbin, adrelid)) FROM pg_attribute LEFT JOIN pg_attrdef \
         ON adrelid = attrelid AND adnum = attnum \
         WHERE attrelid = 'track_activity_log'::regclass AND attnum > 0 ORDER BY attnum",
        "SELECT replace(pg_get_indexdef(indexrelid), 'ONLY ', '') FROM pg_index \
         WHERE indrelid = 'track_activity_log'::regclass AND NOT indisprimary ORDER BY 1",
        "SELECT viewname || definition FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
    ];
    for query in queries {
        let expected = plain.texts(query).await?;
        assert!(expected.len() >= 3, "{expected:?}");
        assert_eq!(partitioned.texts(query).await?, expected);
    }
    let now = "INSERT INTO track_activity_log (track_id, domain, event_type, activity_type) \
               SELECT 'T', CASE n % 3 WHEN 0 THEN 'AIR' ELSE 'MARITIME' END, 'updated', \
               CASE WHEN n > 2 THEN 'convoy' END FROM generate_series(1, 6) n";
    for database in [&plain, &partitioned] {
        database.execute(now).await?;
        let views = "SELECT (SELECT string_agg(domain || events, ' ' ORDER BY domain) \
                     FROM track_activity_by_domain) || (SELECT sum(events) \
                     FROM track_activity_per_minute) || (SELECT activity_type || events \
                     FROM track_activity_top_types)";
        let found = database.texts(views).await?;
        assert_eq!(found, [Some("AIR2 MARITIME46convoy4".to_owned())]);
    }
    // A plain table is not silently left as it is.
    let refused = plain.apply("002b_track_activity_log_partitioned.sql").await;
    assert!(refused.is_err());
    Ok(())
}
