//! The harness itself: each real service starts and does its work.

use anyhow::{Result, ensure};
use harness::connect::{ConnectClient, connector};
use harness::install::repository;
use harness::kafka::TestKafka;
use harness::names::unique;
use harness::postgres::TestPostgres;
use harness::proxy::FaultProxy;
use harness::record::Record;
use harness::registry::TestRegistry;

#[tokio::test(flavor = "multi_thread")]
async fn kafka_returns_what_was_produced() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let topic = unique("smoke");
    kafka
        .create_topic_with(&topic, 3, &[("retention.ms", "600000")])
        .await?;
    let records = (0..30).map(|number: i32| {
        let record = Record::of(number.to_string())
            .partition(number % 3)
            .timestamp(1_000);
        record
            .key(format!("key {number}"))
            .header("origin", "smoke")
    });
    kafka.produce(&topic, records).await?;
    kafka
        .produce(&topic, [Record::tombstone().key("gone").partition(2)])
        .await?;

    let read = kafka.read(&topic).await?;
    assert_eq!(read.len(), 31);
    let fifth = &read[4];
    assert_eq!(
        (fifth.partition, fifth.offset, fifth.timestamp),
        (0, 4, Some(1_000))
    );
    assert_eq!(
        (fifth.text(), fifth.header("origin")),
        ("12".into(), Some("smoke".into()))
    );
    assert_eq!(read[30].value, None);
    let ends = kafka.end_offsets(&topic).await?;
    assert_eq!(ends, [(0, 10), (1, 10), (2, 11)].into());
    assert_eq!(kafka.committed("nobody", &topic).await?, [].into());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn registry_gives_back_what_was_registered() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let schema = r#"{"type":"record","name":"Smoke","fields":[{"name":"id","type":"long"}]}"#;
    let subject = unique("smoke-value");
    let id = registry.register(&subject, schema).await?;
    assert_eq!(registry.register(&subject, schema).await?, id);
    let text: serde_json::Value = serde_json::from_str(&registry.schema(id).await?)?;
    assert_eq!(text["fields"][0]["name"], "id");
    assert!(registry.subjects().await?.contains(&subject));
    assert!(registry.schema(id + 100_000).await.is_err());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_gives_each_test_a_database() -> Result<()> {
    let postgres = TestPostgres::shared().await?;
    let (one, two) = (
        postgres.database("Smoke").await?,
        postgres.database("Smoke").await?,
    );
    one.execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1), (2)")
        .await?;
    assert_eq!(one.count("t WHERE id > 1").await?, 1);
    assert_eq!(
        one.texts("SELECT id::text FROM t ORDER BY id").await?[1].as_deref(),
        Some("2")
    );
    assert!(two.count("t").await.is_err());

    let wrong = one.url().replace(":ferrule@", ":wrong@");
    let refused = <sqlx::PgConnection as sqlx::Connection>::connect(&wrong).await;
    ensure!(refused.is_err(), "a wrong password was let in");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_definition_can_be_applied_twice() -> Result<()> {
    let database = TestPostgres::shared().await?.database("sql").await?;
    let files = definitions()?;
    ensure!(
        files.len() >= 6,
        "the table definitions are missing: {files:?}"
    );
    for file in files.iter().chain(&files) {
        database.apply(file).await?;
    }
    let indexes = "pg_indexes WHERE tablename = 'track_activity_log'";
    assert_eq!(database.count(indexes).await?, 8);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_server_keeps_its_data_through_a_crash() -> Result<()> {
    let postgres = TestPostgres::start().await?;
    let database = postgres.database("crash").await?;
    database
        .execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
        .await?;
    postgres.crash().await?;
    assert!(postgres.admin().await.is_err());
    postgres.start_again().await?;
    assert_eq!(database.count("t").await?, 1);
    postgres.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_broker_keeps_its_records_through_a_kill() -> Result<()> {
    let kafka = TestKafka::start().await?;
    kafka.create_topic("kept", 1).await?;
    kafka.produce("kept", [Record::of("one")]).await?;
    kafka.kill().await?;
    kafka.start_again().await?;
    let read = kafka.read("kept").await?;
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].text(), "one");
    kafka.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_proxy_breaks_connections_and_a_restored_one_serves() -> Result<()> {
    let registry = TestRegistry::shared().await?;
    let proxy = FaultProxy::to(registry.port()).await?;
    let through = ConnectClient::new(format!("http://127.0.0.1:{}", proxy.port()));
    let subjects = "/apis/ccompat/v7/subjects";
    through.get(subjects).await?;
    assert!(proxy.passed() > 100);
    proxy.refuse();
    assert!(through.get(subjects).await.is_err());
    proxy.restore();
    through.get(subjects).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connectors_write_to_tables_that_are_defined() -> Result<()> {
    let database = TestPostgres::shared().await?.database("connectors").await?;
    for file in definitions()? {
        database.apply(&file).await?;
    }
    let connectors = files("connectors", ".json")?;
    ensure!(
        connectors.len() >= 3,
        "connectors are missing: {connectors:?}"
    );
    for file in connectors {
        let body = connector(&file, "any", &[("tasks.max", "7")])?;
        assert_eq!(
            (&body["name"], &body["config"]["tasks.max"]),
            (&"any".into(), &"7".into())
        );
        let text = |key: &str| body["config"][key].as_str().unwrap_or_default().to_owned();
        let config = body["config"].as_object().into_iter().flatten();
        let read = text("topics");
        // They write to topics, or read tables.
        if !text("connector.class").contains("PostgresSink") && text("table.name.format").is_empty()
        {
            continue;
        }
        let mut tables: Vec<String> = match text("table.name.format").as_str() {
            // The plugin names the topics.
            "${topic}" => config
                .filter(|(key, _)| key.starts_with("transforms.") && key.ends_with(".topic"))
                .filter_map(|(_, topic)| Some(topic.as_str()?.to_owned()))
                .filter(|topic| !read.split(',').any(|read| read == topic))
                .collect(),
            table => vec![table.to_owned()],
        };
        if tables.is_empty() {
            tables = read.split(',').map(str::to_owned).collect();
        }
        ensure!(!tables.is_empty(), "{file} writes to no table");
        for table in tables {
            let count = database.count(&format!("{table} WHERE false")).await?;
            assert_eq!(count, 0, "{file}");
            if text("pk.mode") == "record_value" {
                let key = text("pk.fields");
                let upsert = format!("INSERT INTO {table} DEFAULT VALUES ON CONFLICT ({key})");
                let refused = database
                    .execute(&format!("EXPLAIN {upsert} DO NOTHING"))
                    .await;
                assert!(refused.is_ok(), "{file}: {refused:?}");
            }
        }
    }
    Ok(())
}

/// The files that make the tables: not the one for psql alone, and none that changes them to other
/// kinds.
fn definitions() -> Result<Vec<String>> {
    let mut all = files("sql", ".sql")?;
    all.retain(|file| {
        let is_variant = file.ends_with("_partitioned.sql") || file.ends_with("_policies.sql");
        file != "000_databases.sql" && !is_variant
    });
    Ok(all)
}

fn files(folder: &str, ending: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(repository().join(folder))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(ending) {
            files.push(name);
        }
    }
    files.sort();
    Ok(files)
}
