//! A registry that is away, and one that asks who is there.

use std::time::Duration;

use anyhow::{Result, ensure};
use harness::avro::Avro;
use harness::names;
use harness::pipeline::Pipeline;
use harness::proxy::FaultProxy;
use harness::record::Record;
use harness::registry::TestRegistry;
use harness::wait::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

const SCHEMA: &str =
    r#"{"type": "record", "name": "Item", "fields": [{"name": "n", "type": "int"}]}"#;
/// `user:secret` as HTTP has it.
const CREDENTIALS: &str = "authorization: basic dxnlcjpzzwnyzxq=";

async fn prepared(stem: &str) -> Result<(Pipeline, u32)> {
    let pipeline = Pipeline::shared(stem, 1).await?;
    pipeline
        .database
        .execute("CREATE TABLE items (n int)")
        .await?;
    let subject = format!("{}-value", pipeline.name);
    let id = TestRegistry::shared()
        .await?
        .register(&subject, SCHEMA)
        .await?;
    Ok((pipeline, id))
}

fn settings(url: &str) -> [(&'static str, &str); 3] {
    [
        ("table.name.format", "items"),
        ("value.converter", "io.confluent.connect.avro.AvroConverter"),
        ("value.converter.schema.registry.url", url),
    ]
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/apis/ccompat/v7")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_is_waited_for() -> Result<()> {
    let proxy = FaultProxy::to(TestRegistry::shared().await?.port()).await?;
    let (pipeline, id) = prepared("registry_down").await?;
    proxy.refuse();
    pipeline
        .produce((0..50).map(|n| Record::of(Avro::framed(id).long(n))))
        .await?;
    pipeline.deploy(&settings(&url(proxy.port()))).await?;

    // It has asked for the schema in vain, and says in the log and in its status that it waits.
    let limit = Duration::from_secs(30);
    wait_until(limit, "the task to wait for the registry", async || {
        let status = pipeline.rest().status(&pipeline.name).await?;
        assert_eq!(status["tasks"][0]["state"], "RUNNING", "{status}");
        let log = pipeline.log()?;
        let waits = |line: &String| line.contains("WARN") && line.contains("wait");
        Ok(log.iter().any(waits) && status["tasks"][0]["message"].is_string())
    })
    .await?;
    assert_eq!(pipeline.database.count("items").await?, 0);
    assert_eq!(pipeline.stored().await?, [].into(), "nothing is done");

    proxy.restore();
    pipeline.drained().await?;
    let numbers = pipeline
        .database
        .texts("SELECT n::text FROM items ORDER BY items.n")
        .await?;
    assert_eq!(
        numbers,
        (0..50).map(|n| Some(n.to_string())).collect::<Vec<_>>()
    );
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_stays_away_is_given_up_after_the_retry_timeout() -> Result<()> {
    let proxy = FaultProxy::to(TestRegistry::shared().await?.port()).await?;
    let (pipeline, id) = prepared("registry_timeout").await?;
    proxy.refuse();
    pipeline
        .produce([Record::of(Avro::framed(id).long(5))])
        .await?;
    let url = url(proxy.port());
    let retries = [
        ("errors.retry.timeout", "700"),
        ("errors.retry.delay.max.ms", "200"),
        ("errors.tolerance", "none"),
    ];
    pipeline
        .create(&[settings(&url).as_slice(), &retries].concat())
        .await?;
    pipeline
        .rest()
        .wait_for_state(&pipeline.name, "FAILED")
        .await?;
    let trace = pipeline.trace().await?.unwrap_or_default();
    for part in [
        "Tolerance exceeded in error handler: VALUE_CONVERTER",
        "org.apache.kafka.connect.errors.RetriableException",
    ] {
        ensure!(trace.contains(part), "{trace}");
    }
    assert_eq!(pipeline.stored().await?, [].into(), "nothing is done");
    // A record that fails the task has its dead letter, as in Kafka Connect.
    let dead_letters = pipeline.letters().await?;
    assert_eq!(dead_letters.keys().collect::<Vec<_>>(), [&(0, 0)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_is_told_who_asks() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", names::free_port()?)).await?;
    let port = listener.local_addr()?.port();
    let target = TestRegistry::shared().await?.port();
    let guard = tokio::spawn(guarded(listener, target));
    let (pipeline, id) = prepared("registry_auth").await?;
    let url = url(port);
    let credentials = [
        ("value.converter.basic.auth.credentials.source", "USER_INFO"),
        ("value.converter.basic.auth.user.info", "user:secret"),
    ];
    pipeline
        .deploy(&[settings(&url).as_slice(), &credentials].concat())
        .await?;
    pipeline
        .produce([Record::of(Avro::framed(id).long(5))])
        .await?;
    pipeline.drained().await?;
    guard.abort();
    assert_eq!(pipeline.database.count("items WHERE n = 5").await?, 1);
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_fail_the_task_and_no_record() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", names::free_port()?)).await?;
    let url = url(listener.local_addr()?.port());
    let guard = tokio::spawn(guarded(listener, TestRegistry::shared().await?.port()));
    let (pipeline, id) = prepared("registry_401").await?;
    let credentials = [
        ("value.converter.basic.auth.credentials.source", "USER_INFO"),
        ("value.converter.basic.auth.user.info", "user:canary"),
    ];
    pipeline
        .produce([Record::of(Avro::framed(id).long(5))])
        .await?;
    pipeline
        .create(&[settings(&url).as_slice(), &credentials].concat())
        .await?;
    pipeline
        .rest()
        .wait_for_state(&pipeline.name, "FAILED")
        .await?;
    guard.abort();
    let trace = pipeline.trace().await?.unwrap_or_default();
    ensure!(
        trace.contains("HTTP 401 from the Schema Registry"),
        "{trace}"
    );
    ensure!(!trace.contains("canary"), "{trace}");
    assert_eq!(pipeline.stored().await?, [].into(), "nothing is done");
    pipeline.assert_refused(&[]).await
}

/// Passes on the connections whose first request has the right credentials.
async fn guarded(listener: TcpListener, target: u16) {
    while let Ok((mut client, _)) = listener.accept().await {
        tokio::spawn(async move {
            if let Err(error) = guard(&mut client, target).await {
                eprintln!("the guard of the registry: {error:#}");
            }
        });
    }
}

async fn guard(client: &mut TcpStream, target: u16) -> Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        ensure!(
            client.read_buf(&mut head).await? > 0,
            "a request without an end"
        );
    }
    if !String::from_utf8_lossy(&head)
        .to_lowercase()
        .contains(CREDENTIALS)
    {
        let refusal = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        return Ok(client.write_all(refusal.as_bytes()).await?);
    }
    let mut registry = TcpStream::connect(("127.0.0.1", target)).await?;
    registry.write_all(&head).await?;
    copy_bidirectional(client, &mut registry).await?;
    Ok(())
}
