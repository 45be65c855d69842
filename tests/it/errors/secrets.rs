//! What a record holds and what a config hides is told nowhere: not in the log, not in a trace,
//! not in a dead letter's headers.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::names;
use harness::pipeline::Pipeline;
use harness::record::{Received, Record};
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use reqwest::{Method, StatusCode};
use serde_json::json;

/// Stands in every field of every bad record.
const VALUE: &str = "canary-of-a-record";
/// The password, which the server does not ask of this role.
const SECRET: &str = "canary-of-a-config";

const TABLE: &str = "
    CREATE TABLE items (
        n int, name varchar(10), at timestamptz, uid uuid, amount numeric, props jsonb,
        tags bigint[], kind text CHECK (kind NOT LIKE 'canary%'), code text UNIQUE, rule text);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.rule IS NOT NULL THEN RAISE EXCEPTION 'refused: %', NEW.rule; END IF;
            RETURN NEW;
        END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION refuse();
    INSERT INTO items (code) VALUES ('canary-of-a-record')";

/// The field in which the value does not fit, for each way of not fitting.
const FIELDS: &[&str] = &[
    "n", "name", "at", "uid", "amount", "props", "tags", "kind", "code", "rule", "surplus",
];

fn bad() -> Vec<Record> {
    let mut records: Vec<_> = FIELDS
        .iter()
        .map(|field| Record::json(&json!({ *field: VALUE })))
        .collect();
    records.push(Record::json(
        &json!({ "props": { "x": format!("{VALUE}\u{0}") } }),
    ));
    records.push(Record::json(&json!({ "tags": [VALUE] })));
    records.push(Record::json(&json!(VALUE)));
    records.push(Record::of(format!("{{\"n\": \"{VALUE}")));
    records.push(Record::of(format!("{{\"n\": {VALUE}}}")));
    records.push(Record::of(VALUE));
    records.push(Record::json(&json!({ "n": 1 })).key([VALUE.as_bytes(), b"\xff"].concat()));
    records
}

fn context(letter: &Received) -> String {
    let own = letter
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("__connect."));
    let text = own.map(|(name, value)| {
        format!(
            "{name}: {}\n",
            String::from_utf8_lossy(value.as_deref().unwrap_or_default())
        )
    });
    text.collect()
}

fn ensure_silent(what: &str, text: &str) -> Result<()> {
    for canary in [VALUE, SECRET] {
        let line = text.lines().find(|line| line.contains(canary));
        ensure!(line.is_none(), "{what} tells {canary}: {line:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_value_and_no_secret_is_told() -> Result<()> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let config = config
        .set("offset.flush.interval.ms", "100")
        .env("FERRULE_LOG", "debug");
    let worker = TestWorker::start(config).await?;
    let pipeline = Pipeline::on(&worker, "secrets", 1).await?;
    pipeline.database.execute(TABLE).await?;
    // A superuser is let in from this machine without a password. What it makes is its own, so
    // that the table of the offsets is made before, for the test to look at.
    pipeline.database.apply("001_ferrule.sql").await?;
    let settings = [
        ("table.name.format", "items"),
        ("connection.user", "postgres"),
        ("connection.password", SECRET),
        ("errors.log.enable", "true"),
        ("errors.log.include.messages", "true"),
    ];
    pipeline.deploy(&settings).await?;
    pipeline.produce(bad()).await?;
    pipeline.produce([Record::json(&json!({ "n": 5 }))]).await?;
    pipeline.drained().await?;
    assert_eq!(pipeline.database.count("items WHERE n = 5").await?, 1);

    let letters = pipeline.letters().await?;
    assert_eq!(letters.len(), bad().len());
    for ((_, offset), letter) in &letters {
        ensure_silent(
            &format!("the dead letter of offset {offset}"),
            &context(letter),
        )?;
    }

    failed_by_a_record(&worker, &settings).await?;
    refused_login(&worker).await?;
    unreachable(&worker).await?;
    refused_config(&worker).await?;
    let log = worker.log()?;
    ensure!(
        log.contains("errant record"),
        "errant records are not logged"
    );
    ensure_silent("the log", &log)
}

/// The trace of a task that such a record fails.
async fn failed_by_a_record(worker: &TestWorker, settings: &[(&str, &str)]) -> Result<()> {
    for record in [
        bad().swap_remove(7),
        bad().swap_remove(9),
        bad().swap_remove(15),
    ] {
        let failing = Pipeline::on(worker, "secrets_none", 1).await?;
        failing.database.execute(TABLE).await?;
        failing.produce([record]).await?;
        let none = [settings, &[("errors.tolerance", "none")]].concat();
        failing.create(&none).await?;
        failing
            .rest()
            .wait_for_state(&failing.name, "FAILED")
            .await?;
        ensure_silent("the trace", &failing.trace().await?.context("no trace")?)?;
    }
    Ok(())
}

/// A server that asks for the password is told a wrong one.
async fn refused_login(worker: &TestWorker) -> Result<()> {
    let refused = Pipeline::on(worker, "secrets_login", 1).await?;
    let login = [
        ("table.name.format", "items"),
        ("connection.password", SECRET),
    ];
    refused.produce([Record::json(&json!({ "n": 1 }))]).await?;
    refused.create(&login).await?;
    refused
        .rest()
        .wait_for_state(&refused.name, "FAILED")
        .await?;
    let trace = refused.trace().await?.context("no trace")?;
    ensure_silent("the trace", &trace)?;
    ensure!(
        trace.contains("28P01"),
        "the trace does not tell what is wrong: {trace}"
    );
    Ok(())
}

/// Services that are away are waited for, and the status says which: without what their addresses
/// hold besides.
async fn unreachable(worker: &TestWorker) -> Result<()> {
    let port = names::free_port()?;
    let addresses = [
        format!("postgres://ferrule:{SECRET}@127.0.0.1:{port}/any"),
        format!("jdbc:postgresql://127.0.0.1:{port}/any?user=ferrule&password={SECRET}"),
    ];
    for address in &addresses {
        let away = Pipeline::on(worker, "secrets_away", 1).await?;
        away.deploy(&[("connection.url", address), ("connection.password", SECRET)])
            .await?;
        told(&away).await?;
    }
    let registry = format!("http://user:{SECRET}@127.0.0.1:{port}");
    let away = Pipeline::on(worker, "secrets_registry", 1).await?;
    away.produce([Record::of(b"\0\0\0\0\x01\x02".as_slice())])
        .await?;
    let avro = [
        ("value.converter", "io.confluent.connect.avro.AvroConverter"),
        ("value.converter.schema.registry.url", registry.as_str()),
    ];
    away.deploy(&avro).await?;
    told(&away).await
}

/// Waits until the log tells that the connector waits, and checks what the status tells.
async fn told(away: &Pipeline) -> Result<()> {
    wait_until(
        Duration::from_secs(15),
        "the log to tell what is away",
        async || {
            let log = away.log()?;
            Ok(log
                .iter()
                .any(|line| line.contains("WARN") && line.contains("wait")))
        },
    )
    .await?;
    let status = away.rest().status(&away.name).await?;
    assert_eq!(status["tasks"][0]["state"], "RUNNING", "{status}");
    ensure_silent("the status", &status.to_string())
}

/// An address that is none is refused, and not repeated.
async fn refused_config(worker: &TestWorker) -> Result<()> {
    let pipeline = Pipeline::on(worker, "secrets_config", 1).await?;
    let address = format!("postgres://ferrule:{SECRET}@127.0.0.1:none/any");
    let config = pipeline.config(&[("connection.url", &address)]);
    let body = json!({ "name": pipeline.name, "config": config });
    let rest = pipeline.rest();
    let (status, answer) = rest
        .request(Method::POST, "/connectors", Some(&body))
        .await?;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let message = answer["message"].as_str().unwrap_or_default();
    ensure!(message.contains("connection.url"), "{message}");
    ensure_silent("the refusal", message)
}
