//! Logins to Kafka by Kerberos, in a build of the worker with the feature `gssapi`: a real broker,
//! a real KDC, and tickets that expire while records flow. `make test-gssapi` runs it.

mod kdc;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::names::unique;
use harness::record::Record;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{install, process, run};
use kdc::Kdc;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// Longer than a session with the broker, so that each ticket is used.
const TICKETS: Duration = Duration::from_secs(5);
const SESSION: Duration = Duration::from_secs(2);

/// A realm, a broker in it with the address of its listener, and the keys of the principal
/// `connect`.
struct Realm {
    kdc: Kdc,
    kafka: TestKafka,
    address: String,
    keytab: String,
}

impl Realm {
    async fn start() -> Result<Self> {
        let kdc = Kdc::start().await?;
        let broker = kdc.add("kafka/localhost", Duration::from_secs(600))?;
        let keytab = kdc.add("connect", TICKETS)?.display().to_string();
        let krb5_conf = kdc.krb5_conf();
        let (kafka, address) = TestKafka::start_with_kerberos(&krb5_conf, &broker, SESSION).await?;
        Ok(Self {
            kdc,
            kafka,
            address,
            keytab,
        })
    }

    /// A worker that logs in with these options of the login module.
    fn worker(&self, options: &str) -> Result<WorkerConfig> {
        let jaas = format!("com.sun.security.auth.module.Krb5LoginModule required {options};");
        let cache = run::folder("tickets")?.join("cache");
        Ok(WorkerConfig::new(&self.address)?
            .env("KRB5_CONFIG", &self.kdc.krb5_conf().display().to_string())
            .env("KRB5CCNAME", &format!("FILE:{}", cache.display()))
            .set("plugin.path", "")
            .set("offset.flush.interval.ms", "100")
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.kerberos.service.name", "kafka")
            .set("sasl.kerberos.min.time.before.relogin", "1000")
            .set("sasl.jaas.config", &jaas))
    }

    /// Sends a record to the topic of a sink, and waits until the sink has it.
    async fn flows(&self, topic: &str, sent: &mut i64) -> Result<()> {
        self.kafka.produce(topic, [Record::of("x")]).await?;
        *sent += 1;
        wait_until(LIMIT, "the record's offset", async || {
            Ok(self.kafka.sink_offsets(topic).await?.get(&0) == Some(sent))
        })
        .await
    }
}

fn sink(name: &str, more: &[(&str, &str)]) -> serde_json::Value {
    let mut config = json!({
        "connector.class": "FerruleBlackholeSink",
        "topics": name,
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    });
    for (key, value) in more {
        config[*key] = json!(value);
    }
    json!({ "name": name, "config": config })
}

#[tokio::test(flavor = "multi_thread")]
async fn records_flow_while_tickets_expire_and_the_kdc_is_away() -> Result<()> {
    let realm = Realm::start().await?;
    // Without sasl.mechanism: Kafka's default is this one.
    let options = format!(
        "useKeyTab=true storeKey=true keyTab=\"{}\" principal=\"connect\"",
        realm.keytab
    );
    let mut worker = TestWorker::start(realm.worker(&options)?).await?;
    let name = unique("kerberos");
    realm.kafka.create_topic(&name, 1).await?;
    worker.rest().create(&sink(&name, &[])).await?;
    let mut sent = 0;
    let begun = realm.kdc.given("connect")?;
    while realm.kdc.given("connect")? < begun + 10 {
        realm.flows(&name, &mut sent).await?;
    }

    // The broker sends clients away whose session is over, and none has a ticket for the next one.
    realm.kdc.stop().await?;
    wait_until(LIMIT, "word of the tickets", async || {
        Ok(worker.log()?.contains("there is no new ticket of Kerberos"))
    })
    .await?;
    tokio::time::sleep(TICKETS + SESSION).await;
    realm.kdc.start_again().await?;
    realm.flows(&name, &mut sent).await?;

    let jaas = "com.sun.security.auth.module.Krb5LoginModule required useTicketCache=true;";
    let other = sink(
        &unique("other"),
        &[("consumer.override.sasl.jaas.config", jaas)],
    );
    let refused = worker.rest().create(&other).await.map(drop);
    let told = format!("{:#}", refused.err().context("it was taken")?);
    ensure!(
        told.contains("consumer.override.sasl.jaas.config") && told.contains("only the worker's"),
        "{told}"
    );
    let status = worker.stop().await?;
    ensure!(status.success(), "the worker ended with {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tickets_of_the_cache_are_used_as_they_are() -> Result<()> {
    let realm = Realm::start().await?;
    let keytab = realm.kdc.add("person", Duration::from_secs(600))?;
    let config = realm.worker("useTicketCache=true serviceName=\"kafka\"")?;
    let cache = run::folder("tickets")?.join("cache");
    let cache = format!("FILE:{}", cache.display());
    kinit(&realm, &keytab, "person", &cache)?;
    let config = config
        .env("KRB5CCNAME", &cache)
        .set("sasl.mechanism", "GSSAPI");
    let mut worker = TestWorker::start(config).await?;
    let name = unique("kerberos");
    realm.kafka.create_topic(&name, 1).await?;
    worker.rest().create(&sink(&name, &[])).await?;
    realm.flows(&name, &mut 0).await?;
    ensure!(realm.kdc.given("connect")? == 0, "another login was used");
    let status = worker.stop().await?;
    ensure!(status.success(), "the worker ended with {status}");
    Ok(())
}

fn kinit(realm: &Realm, keytab: &Path, principal: &str, cache: &str) -> Result<()> {
    let output = process::guarded(Path::new("/usr/bin/kinit"))
        .env("KRB5_CONFIG", realm.kdc.krb5_conf())
        .args(["-k", "-c", cache, "-t"])
        .arg(keytab)
        .arg(principal)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_a_ticket_says_why_and_stops() -> Result<()> {
    let realm = Realm::start().await?;
    let options = format!(
        "useKeyTab=true keyTab=\"{}\" principal=\"stranger\"",
        realm.keytab
    );
    let folder = run::folder("stranger")?;
    let log = folder.join("log");
    let mut command = process::guarded(&install::ferrule()?);
    command
        .arg("worker")
        .arg(realm.worker(&options)?.write(&folder)?)
        .env("KRB5_CONFIG", realm.kdc.krb5_conf())
        .env(
            "KRB5CCNAME",
            format!("FILE:{}", folder.join("cache").display()),
        );
    let mut worker = process::Server::spawn("ferrule worker", command, &log)?;
    for expect in [
        [
            "there is no new ticket of Kerberos",
            "stranger",
            "keyTab and principal",
        ],
        [&realm.address, "refuses the login", "sasl.jaas.config"],
    ] {
        wait_until(LIMIT, &format!("{expect:?} in the log"), async || {
            worker.ensure_running()?;
            let text = std::fs::read_to_string(&log)?;
            let has_all = |line: &str| expect.iter().all(|expect| line.contains(expect));
            Ok(text.lines().any(has_all))
        })
        .await
        .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    }
    let status = worker.stop("TERM", LIMIT / 3).await?;
    ensure!(status.success(), "the worker ended with {status}");
    Ok(())
}
