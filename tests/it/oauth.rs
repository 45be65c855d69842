//! Logins by tokens of OAuth: to a real broker, which checks their signatures and sends a client
//! away whose token has expired.

mod server;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::names::{free_port, unique};
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::json;

use crate::newcomer::{says, told_and_stops};
use server::{SECRET, TokenServer};

const LIMIT: Duration = Duration::from_secs(60);
const MECHANISM: (&str, &str) = ("sasl.mechanism", "OAUTHBEARER");
const PROTOCOL: (&str, &str) = ("security.protocol", "SASL_PLAINTEXT");
const HANDLER: (&str, &str) = (
    "sasl.login.callback.handler.class",
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
);

fn login(secret: &str) -> String {
    format!(
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
         clientId=\"ferrule\" clientSecret=\"{secret}\" scope=\"kafka\" extension_traceId=\"t1\";"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn records_flow_while_tokens_expire_and_are_renewed() -> Result<()> {
    let server = TokenServer::start().await?;
    let (kafka, address) = TestKafka::start_with_tokens(&server.keys()).await?;
    let mut config = WorkerConfig::new(&address)?
        .set("plugin.path", "")
        .set("offset.flush.interval.ms", "100")
        .set("sasl.oauthbearer.token.endpoint.url", &server.tokens())
        .set("sasl.jaas.config", &login(SECRET));
    for (key, value) in [MECHANISM, PROTOCOL, HANDLER] {
        config = config.set(key, value);
    }
    let mut worker = TestWorker::start(config).await?;
    let name = unique("oauth");
    kafka.create_topic(&name, 1).await?;
    let sink = |name: &str, more: &[(&str, &str)]| {
        let mut config = json!({
            "connector.class": "FerruleBlackholeSink",
            "topics": name,
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        });
        for (key, value) in more {
            config[*key] = json!(value);
        }
        json!({ "name": name, "config": config })
    };
    worker.rest().create(&sink(&name, &[])).await?;
    // Each token lives for some seconds, and no connection outlives it.
    let begun = server.given();
    let mut sent = 0;
    while server.given() < begun + 3 {
        kafka.produce(&name, [Record::of("x")]).await?;
        sent += 1;
        wait_until(LIMIT, "the record's offset", async || {
            Ok(kafka.sink_offsets(&name).await?.get(&0) == Some(&sent))
        })
        .await?;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    let other = unique("wrong");
    kafka.create_topic(&other, 1).await?;
    let wrong = login("another-canary");
    let overrides = [("consumer.override.sasl.jaas.config", wrong.as_str())];
    worker.rest().create(&sink(&other, &overrides)).await?;
    let endpoint = server.tokens();
    let expect = [
        endpoint.as_str(),
        "invalid_client",
        "clientSecret",
        "consumer.override.*",
    ];
    says(worker.rest(), &other, &expect).await?;

    let log = worker.log()?;
    let status = worker.stop().await?;
    ensure!(status.success(), "the worker ended with {status}");
    for secret in [SECRET, "another-canary", "eyJ"] {
        ensure!(!log.contains(secret), "a secret is in the log: {log}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_token_says_why_and_stops() -> Result<()> {
    let server = TokenServer::start().await?;
    let kafka = format!("127.0.0.1:{}", free_port()?);
    let properties = |url: &str, secret: &str| -> Vec<(String, String)> {
        let own = [
            ("bootstrap.servers".to_owned(), kafka.clone()),
            (
                "sasl.oauthbearer.token.endpoint.url".to_owned(),
                url.to_owned(),
            ),
            ("sasl.jaas.config".to_owned(), login(secret)),
        ];
        let common = [MECHANISM, PROTOCOL, HANDLER].map(|(k, v)| (k.to_owned(), v.to_owned()));
        own.into_iter().chain(common).collect()
    };
    let told = async |url: &str, secret: &str, expect: &[&str]| {
        let properties = properties(url, secret);
        let properties: Vec<_> = properties.iter().map(|(k, v)| (&**k, &**v)).collect();
        told_and_stops(&properties, expect).await
    };
    let url = server.tokens();
    told(
        &url,
        "canary",
        &[&url, "invalid_client", "clientId and clientSecret"],
    )
    .await?;
    let closed = format!("http://127.0.0.1:{}/token", free_port()?);
    told(&closed, SECRET, &[&closed, "does not answer", "refused"])
        .await
        .context("a server that is away")
}
