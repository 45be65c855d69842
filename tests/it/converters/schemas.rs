//! Avro schemas that change within a topic, that refer to one another, and that have logical types.

use anyhow::Result;
use harness::avro::Avro;
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::registry::TestRegistry;
use serde_json::json;

const AVRO: &str = "io.confluent.connect.avro.AvroConverter";

async fn deploy(pipeline: &Pipeline, registry: &TestRegistry, more: &[(&str, &str)]) -> Result<()> {
    let url = registry.url();
    let avro = [
        ("table.name.format", "items"),
        ("value.converter", AVRO),
        ("value.converter.schema.registry.url", &*url),
    ];
    pipeline.deploy(&[&avro, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_schema_share_a_batch() -> Result<()> {
    let old = r#"{"type": "record", "name": "Item", "fields": [
        {"name": "n", "type": "int"},
        {"name": "name", "type": "string"}]}"#;
    let new = r#"{"type": "record", "name": "Item", "fields": [
        {"name": "note", "type": ["null", "string"], "default": null},
        {"name": "n", "type": "long"},
        {"name": "size", "type": ["null", "double"], "default": null},
        {"name": "name", "type": ["null", "string"], "default": null}]}"#;
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("evolution", 1).await?;
    let table = "CREATE TABLE items (n bigint, name text, note text, size float8,
                 grade text DEFAULT 'none')";
    pipeline.database.execute(table).await?;
    let subject = format!("{}-value", pipeline.name);
    let old = registry.register(&subject, old).await?;
    let new = registry.register(&subject, new).await?;
    assert_ne!(old, new);

    let record = |n: i64| match n % 3 {
        0 => Avro::framed(old).long(n).text("old"),
        1 => Avro::framed(new)
            .long(1)
            .text("note")
            .long(n)
            .long(1)
            .double(0.5)
            .long(1)
            .text("new"),
        _ => Avro::framed(new).long(0).long(n).long(0).long(0),
    };
    // All are there before the connector is, so that they come in one batch.
    pipeline
        .produce((0..300).map(|n| Record::of(record(n))))
        .await?;
    deploy(&pipeline, registry, &[]).await?;
    pipeline.drained().await?;

    let rows = pipeline.rows("SELECT * FROM items ORDER BY n").await?;
    let expected = (0..300).map(|n: i64| {
        let (name, note, size) = match n % 3 {
            0 => (json!("old"), json!(null), json!(null)),
            1 => (json!("new"), json!("note"), json!("0.5")),
            _ => (json!(null), json!(null), json!(null)),
        };
        json!({ "n": n.to_string(), "name": name, "note": note, "size": size, "grade": "none" })
    });
    assert_eq!(rows, expected.collect::<Vec<_>>());
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_refers_to_another() -> Result<()> {
    let address = r#"{"type": "record", "name": "Address", "namespace": "example", "fields": [
        {"name": "street", "type": "string"},
        {"name": "number", "type": ["null", "int"], "default": null}]}"#;
    let person = r#"{"type": "record", "name": "Person", "namespace": "example", "fields": [
        {"name": "n", "type": "int"},
        {"name": "home", "type": "example.Address"},
        {"name": "others", "type": {"type": "array", "items": "example.Address"}}]}"#;
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("references", 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int, home jsonb, others jsonb)")
        .await?;
    let referred = format!("{}-address", pipeline.name);
    registry.register(&referred, address).await?;
    let request = json!({
        "schema": person,
        "schemaType": "AVRO",
        "references": [{ "name": "example.Address", "subject": referred, "version": 1 }],
    });
    let id = registry
        .register_request(&format!("{}-value", pipeline.name), &request)
        .await?;
    deploy(&pipeline, registry, &[]).await?;

    let home = Avro::new().text("Allée \"A\"").long(1).long(5);
    let other = Avro::new().text("B").long(0);
    let person = Avro::framed(id).long(1).record(&home);
    let person = person.long(2).record(&other).record(&home).long(0);
    pipeline.produce([Record::of(person)]).await?;
    pipeline.drained().await?;

    let rows = pipeline.rows("SELECT * FROM items").await?;
    let home = r#"{"number": 5, "street": "Allée \"A\""}"#;
    let others = format!(r#"[{{"number": null, "street": "B"}}, {home}]"#);
    assert_eq!(rows, [json!({ "n": "1", "home": home, "others": others })]);
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn logical_types_have_their_columns() -> Result<()> {
    let schema = r#"{"type": "record", "name": "Logical", "fields": [
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal",
                                   "precision": 20, "scale": 4}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "time", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "at_millis", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "at_micros", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "uid", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "colour", "type": {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}},
        {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 3}},
        {"name": "counts", "type": {"type": "array", "items": "long"}},
        {"name": "labels", "type": {"type": "map", "values": "string"}}]}"#;
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("logical", 1).await?;
    let table = "CREATE TABLE items (price numeric(20,4), day date, time time,
                 at_millis timestamptz, at_micros timestamptz, uid uuid, colour text, code bytea,
                 counts bigint[], labels jsonb)";
    pipeline.database.execute(table).await?;
    let id = registry
        .register(&format!("{}-value", pipeline.name), schema)
        .await?;
    deploy(&pipeline, registry, &[]).await?;

    let uid = "01234567-89ab-cdef-0123-456789abcdef";
    // -1234567890123.4567 and 2025-01-06T14:30:00.123456Z.
    let digits = (-12_345_678_901_234_567_i64).to_be_bytes();
    let record = Avro::framed(id)
        .bytes(&digits)
        .long(20_094)
        .long(52_200_123);
    let record = record
        .long(1_736_173_800_123)
        .long(1_736_173_800_123_456)
        .text(uid)
        .long(1);
    let record = record
        .fixed(b"a\x00\xff")
        .long(2)
        .long(-1)
        .long(i64::MAX)
        .long(0);
    let record = record.long(1).text("k").text("v").long(0);
    pipeline.produce([Record::of(record)]).await?;
    pipeline.drained().await?;

    let expected = json!({
        "price": "-1234567890123.4567", "day": "2025-01-06", "time": "14:30:00.123",
        "at_millis": "2025-01-06T14:30:00.123+00:00",
        "at_micros": "2025-01-06T14:30:00.123456+00:00",
        "uid": uid, "colour": "GREEN", "code": "\\x6100ff",
        "counts": "[-1, 9223372036854775807]", "labels": r#"{"k": "v"}"#,
    });
    assert_eq!(pipeline.rows("SELECT * FROM items").await?, [expected]);
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_with_a_schema_upserts_and_deletes() -> Result<()> {
    let key = r#"{"type": "record", "name": "Key", "fields": [
        {"name": "region", "type": "string"}, {"name": "id", "type": "long"}]}"#;
    let value = r#"{"type": "record", "name": "Value", "fields": [
        {"name": "name", "type": ["null", "string"], "default": null}]}"#;
    let registry = TestRegistry::shared().await?;
    let pipeline = Pipeline::shared("avro_key", 1).await?;
    let table = "CREATE TABLE items (region text, id bigint, name text, PRIMARY KEY (id, region))";
    pipeline.database.execute(table).await?;
    let key = registry
        .register(&format!("{}-key", pipeline.name), key)
        .await?;
    let value = registry
        .register(&format!("{}-value", pipeline.name), value)
        .await?;

    let at = |record: Record, id| record.key(Avro::framed(key).text("eu").long(id));
    let write = |id, name: &str| at(Record::of(Avro::framed(value).long(1).text(name)), id);
    let delete = |id| at(Record::tombstone(), id);
    // All are there before the connector is, so that they come in one batch.
    let records = [
        write(1, "first"),
        write(2, "stays"),
        write(1, "second"),
        write(3, "goes"),
        delete(3),
        delete(4),
        write(4, "comes back"),
        write(5, "goes"),
        delete(5),
        write(5, "and comes"),
    ];
    pipeline.produce(records).await?;
    let url = registry.url();
    let by_key = [
        ("key.converter", AVRO),
        ("key.converter.schema.registry.url", &*url),
        ("insert.mode", "upsert"),
        ("pk.mode", "record_key"),
        ("delete.enabled", "true"),
    ];
    deploy(&pipeline, registry, &by_key).await?;
    pipeline.drained().await?;
    pipeline.produce([delete(2), write(6, "last")]).await?;
    pipeline.drained().await?;

    let row = |id: &str, name| json!({ "region": "eu", "id": id, "name": name });
    let expected = [
        row("1", "second"),
        row("4", "comes back"),
        row("5", "and comes"),
        row("6", "last"),
    ];
    assert_eq!(
        pipeline.rows("SELECT * FROM items ORDER BY id").await?,
        expected
    );
    pipeline.assert_refused(&[]).await
}
