//! Kafka's own transforms and predicates, in chains, from the topic to the table.

use anyhow::Result;
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use serde_json::{Value, json};

const CAST: &str = "org.apache.kafka.connect.transforms.Cast$Value";

/// Every step of it changes what the next one sees.
const CHAIN: &[(&str, &str)] = &[
    (
        "transforms",
        "gone,skipped,body,flat,names,types,time,origin,epoch,route,other",
    ),
    (
        "transforms.gone.type",
        "org.apache.kafka.connect.transforms.Filter",
    ),
    ("transforms.gone.predicate", "tombstone"),
    (
        "transforms.skipped.type",
        "org.apache.kafka.connect.transforms.Filter",
    ),
    ("transforms.skipped.predicate", "skip"),
    (
        "transforms.body.type",
        "org.apache.kafka.connect.transforms.ExtractField$Value",
    ),
    ("transforms.body.field", "body"),
    (
        "transforms.flat.type",
        "org.apache.kafka.connect.transforms.Flatten$Value",
    ),
    ("transforms.flat.delimiter", "_"),
    (
        "transforms.names.type",
        "org.apache.kafka.connect.transforms.ReplaceField$Value",
    ),
    ("transforms.names.exclude", "geo_secret,unused"),
    (
        "transforms.names.renames",
        "geo_lat:lat,geo_deep_name:place",
    ),
    ("transforms.types.type", CAST),
    (
        "transforms.types.spec",
        "lat:float64,count:int32,flag:string",
    ),
    (
        "transforms.time.type",
        "org.apache.kafka.connect.transforms.TimestampConverter$Value",
    ),
    ("transforms.time.field", "at"),
    ("transforms.time.target.type", "Timestamp"),
    ("transforms.time.format", "yyyy-MM-dd HH:mm:ss.SSS"),
    (
        "transforms.origin.type",
        "org.apache.kafka.connect.transforms.InsertField$Value",
    ),
    ("transforms.origin.topic.field", "src_topic"),
    ("transforms.origin.partition.field", "src_partition"),
    ("transforms.origin.offset.field", "src_offset"),
    ("transforms.origin.timestamp.field", "src_time"),
    ("transforms.origin.static.field", "system"),
    ("transforms.origin.static.value", "ünit"),
    // Of a record without a schema the timestamp is a number.
    (
        "transforms.epoch.type",
        "org.apache.kafka.connect.transforms.TimestampConverter$Value",
    ),
    ("transforms.epoch.field", "src_time"),
    ("transforms.epoch.target.type", "Timestamp"),
    (
        "transforms.route.type",
        "org.apache.kafka.connect.transforms.RegexRouter",
    ),
    ("transforms.route.regex", "([a-z]+)-[0-9]+-[0-9]+"),
    ("transforms.route.replacement", "$1_table"),
    ("transforms.route.predicate", "chains"),
    // The topic has its new name by now, so that nothing is left for this one.
    (
        "transforms.other.type",
        "org.apache.kafka.connect.transforms.RegexRouter",
    ),
    ("transforms.other.regex", ".*"),
    ("transforms.other.replacement", "nowhere"),
    ("transforms.other.predicate", "routed"),
    ("transforms.other.negate", "true"),
    ("predicates", "tombstone,skip,chains,routed"),
    (
        "predicates.tombstone.type",
        "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    ),
    (
        "predicates.skip.type",
        "org.apache.kafka.connect.transforms.predicates.HasHeaderKey",
    ),
    ("predicates.skip.name", "skip"),
    (
        "predicates.chains.type",
        "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
    ),
    ("predicates.chains.pattern", "chain-.*"),
    (
        "predicates.routed.type",
        "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
    ),
    ("predicates.routed.pattern", ".*_table"),
    ("table.name.format", "${topic}"),
];

const TABLE: &str = "CREATE TABLE chain_table (
    id int, lat float8, place text, count int, flag text, at timestamptz,
    src_topic text, src_partition int, src_offset bigint, src_time timestamptz, system text)";

fn value(id: i64, count: &Value) -> Value {
    json!({
        "body": {
            "id": id, "count": count, "flag": true, "at": "2025-01-06 14:30:00.123",
            "geo": { "lat": "48.5", "secret": "s", "deep": { "name": "Paris" } }, "unused": 0,
        },
        "envelope": "left behind",
    })
}

fn row(topic: &str, id: i64, partition: i32, offset: i64) -> Value {
    json!({
        "id": id.to_string(), "lat": "48.5", "place": "Paris", "count": "7", "flag": "true",
        "at": "2025-01-06T14:30:00.123+00:00", "src_topic": topic,
        "src_partition": partition.to_string(), "src_offset": offset.to_string(),
        "src_time": "2025-01-06T14:30:05+00:00", "system": "ünit",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_shapes_and_routes_records() -> Result<()> {
    let pipeline = Pipeline::shared("chain", 2).await?;
    pipeline.database.execute(TABLE).await?;
    pipeline.deploy(CHAIN).await?;

    let record = |id: i64, count: &Value, partition| {
        Record::json(&value(id, count))
            .partition(partition)
            .timestamp(1_736_173_805_000)
    };
    let no_number = record(9, &json!("seven"), 0).header("kept", "yes");
    let no_object = Record::json(&json!("text")).partition(0);
    let seven = json!("7");
    pipeline
        .produce([
            record(1, &seven, 0),
            Record::tombstone().key("gone").partition(0),
            no_number.clone(),
            record(2, &seven, 0).header("skip", "whatever"),
            no_object.clone(),
            record(3, &json!(7), 0),
            record(4, &json!(7.9), 1),
            Record::tombstone().partition(1),
        ])
        .await?;
    pipeline.drained().await?;

    let extract = "org.apache.kafka.connect.transforms.ExtractField$Value";
    let refused = [
        Refused {
            record: no_number,
            at: (0, 2),
            reason: Reason::transform(CAST, ""),
        },
        Refused {
            record: no_object,
            at: (0, 4),
            reason: Reason::transform(extract, ""),
        },
    ];
    pipeline.assert_refused(&refused).await?;

    let name = &pipeline.name;
    let rows = pipeline
        .rows("SELECT * FROM chain_table ORDER BY id")
        .await?;
    assert_eq!(
        rows,
        [row(name, 1, 0, 0), row(name, 3, 0, 5), row(name, 4, 1, 0)]
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_keeps_schemas() -> Result<()> {
    let pipeline = Pipeline::shared("typed", 1).await?;
    let table = "CREATE TABLE items (payload jsonb, at bigint)";
    pipeline.database.execute(table).await?;
    pipeline
        .deploy(&[
            ("table.name.format", "items"),
            ("value.converter.schemas.enable", "true"),
            ("transforms", "pick,types,hoist"),
            (
                "transforms.pick.type",
                "org.apache.kafka.connect.transforms.ReplaceField$Value",
            ),
            ("transforms.pick.include", "n,at,deep"),
            ("transforms.types.type", CAST),
            ("transforms.types.spec", "n:string"),
            (
                "transforms.hoist.type",
                "org.apache.kafka.connect.transforms.HoistField$Value",
            ),
            ("transforms.hoist.field", "payload"),
        ])
        .await?;
    let at = json!({ "field": "at", "type": "int64", "optional": true,
                     "name": "org.apache.kafka.connect.data.Timestamp", "version": 1 });
    let deep = json!({ "field": "deep", "type": "struct", "optional": true,
                       "fields": [{ "field": "x", "type": "double" }] });
    let schema = json!({ "type": "struct", "fields": [
        { "field": "n", "type": "int64" }, at, deep, { "field": "rest", "type": "string" },
    ] });
    let payload = json!({ "n": 5, "at": 1_736_173_800_123_i64, "deep": { "x": 0.5 }, "rest": "r" });
    pipeline
        .produce([Record::json(
            &json!({ "schema": schema, "payload": payload }),
        )])
        .await?;
    pipeline.drained().await?;
    let rows = pipeline.rows("SELECT payload->>'n' AS n, payload->'deep' AS deep, at FROM items");
    let expected = json!({ "n": "5", "deep": r#"{"x": 0.5}"#, "at": null });
    assert_eq!(rows.await?, [expected]);
    assert_eq!(
        pipeline
            .database
            .count("items WHERE payload ? 'rest'")
            .await?,
        0
    );
    pipeline.assert_refused(&[]).await
}

/// A change event of Debezium, as JsonConverter reads it.
fn change(op: &str, before: Value, after: Value) -> Value {
    let field = |name: &str, kind: &str, optional: bool| json!({ "field": name, "type": kind, "optional": optional });
    let row = |name: &str| {
        json!({ "field": name, "type": "struct", "optional": true, "name": "crm.note.Value",
                "fields": [field("id", "int32", false), field("name", "string", true)] })
    };
    let source = json!({ "field": "source", "type": "struct", "optional": false,
                         "fields": [field("lsn", "int64", true)] });
    let fields = json!([
        row("before"),
        row("after"),
        source,
        field("op", "string", false)
    ]);
    json!({
        "schema": { "type": "struct", "optional": false, "name": "crm.note.Envelope",
                    "fields": fields },
        "payload": { "before": before, "after": after, "source": { "lsn": 8 }, "op": op },
    })
}

fn note_key(id: i32) -> String {
    let field = json!({ "field": "id", "type": "int32", "optional": false });
    let schema = json!({ "type": "struct", "optional": false, "fields": [field] });
    json!({ "schema": schema, "payload": { "id": id } }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn change_events_are_unwrapped_by_debeziums_own_class() -> Result<()> {
    let json = "org.apache.kafka.connect.json.JsonConverter";
    let pipeline = Pipeline::shared("unwrap", 1).await?;
    let settings = [
        (
            "connector.class",
            "io.confluent.connect.jdbc.JdbcSinkConnector",
        ),
        ("table.name.format", "notes"),
        ("insert.mode", "upsert"),
        ("delete.enabled", "true"),
        ("pk.mode", "record_key"),
        ("pk.fields", "id"),
        ("auto.create", "true"),
        ("key.converter", json),
        ("key.converter.schemas.enable", "true"),
        ("value.converter", json),
        ("value.converter.schemas.enable", "true"),
        ("transforms", "unwrap"),
        (
            "transforms.unwrap.type",
            "io.debezium.transforms.ExtractNewRecordState",
        ),
        ("transforms.unwrap.drop.tombstones", "false"),
        ("transforms.unwrap.delete.handling.mode", "none"),
        ("transforms.unwrap.add.fields", "op,lsn"),
    ];
    pipeline.deploy(&settings).await?;
    let note = |id: i32, name: &str| json!({ "id": id, "name": name });
    let records = [
        (1, Some(change("c", Value::Null, note(1, "a")))),
        (2, Some(change("c", Value::Null, note(2, "b")))),
        (1, Some(change("u", note(1, "a"), note(1, "z")))),
        (2, Some(change("d", note(2, "b"), Value::Null))),
        (2, None),
    ];
    let records = records.map(|(id, value)| {
        let record = value.map_or_else(Record::tombstone, |value| Record::json(&value));
        record.key(note_key(id))
    });
    pipeline.produce(records).await?;
    pipeline.drained().await?;
    let rows = pipeline
        .rows("SELECT id, name, __op, __lsn FROM notes")
        .await?;
    let expect = json!({ "id": "1", "name": "z", "__op": "u", "__lsn": "8" });
    assert_eq!(rows, [expect]);
    pipeline.assert_refused(&[]).await
}
