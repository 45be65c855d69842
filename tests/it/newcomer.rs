//! What somebody meets who has set something up in a wrong way: texts that name the address, the
//! setting and the next step, in the log, in REST and in the status, within seconds.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::connect::{ConnectClient, sink_config};
use harness::install::ferrule;
use harness::kafka::TestKafka;
use harness::names::{free_port, unique};
use harness::postgres::TestPostgres;
use harness::process::{Server, guarded};
use harness::run;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LIMIT: Duration = Duration::from_secs(60);

/// A worker that is not waited for: it may never be healthy. It has the minimal properties, and
/// those that are given.
fn start(properties: &[(&str, &str)]) -> Result<(Server, std::path::PathBuf)> {
    let folder = run::folder("newcomer")?;
    let port = free_port()?;
    let group = unique("newcomer");
    let mut text = format!(
        "group.id={group}\nlisteners=http://127.0.0.1:{port}\n\
         config.storage.topic={group}-configs\noffset.storage.topic={group}-offsets\n\
         status.storage.topic={group}-status\n\
         key.converter=org.apache.kafka.connect.storage.StringConverter\n\
         value.converter=org.apache.kafka.connect.storage.StringConverter\nplugin.path=\n"
    );
    for (key, value) in properties {
        text.push_str(&format!("{key}={value}\n"));
    }
    let file = folder.join("worker.properties");
    std::fs::write(&file, text)?;
    let mut command = guarded(&ferrule()?);
    command.arg("worker").arg(&file).env("RUST_BACKTRACE", "1");
    let log = folder.join("log");
    Ok((Server::spawn("ferrule worker", command, &log)?, log))
}

/// Waits until the log has all of these in one line, and then stops the worker as operators do.
pub(crate) async fn told_and_stops(properties: &[(&str, &str)], expect: &[&str]) -> Result<()> {
    let (mut worker, log) = start(properties)?;
    wait_until(LIMIT, &format!("{expect:?} in the log"), async || {
        worker.ensure_running()?;
        let text = std::fs::read_to_string(&log)?;
        let has_all = |line: &str| expect.iter().all(|expect| line.contains(expect));
        ensure!(text.lines().any(has_all), "{text}");
        Ok(true)
    })
    .await?;
    // It tries on for a minute, and hears of it at once when it is to stop.
    let status = worker.stop("TERM", LIMIT / 3).await?;
    ensure!(status.success(), "the worker ended with {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_cannot_be_reached_is_named_with_the_cause() -> Result<()> {
    let closed = format!("127.0.0.1:{}", free_port()?);
    let servers = ("bootstrap.servers", closed.as_str());
    told_and_stops(
        &[servers],
        &[&closed, "connection refused", "bootstrap.servers"],
    )
    .await?;
    let unknown = ("bootstrap.servers", "no-such-host.invalid:9092");
    let expect = [
        "no-such-host.invalid:9092",
        "host name",
        "bootstrap.servers",
    ];
    told_and_stops(&[unknown], &expect).await?;
    let plain = TestKafka::shared().await?.bootstrap();
    let tls = [
        ("bootstrap.servers", plain.as_str()),
        ("security.protocol", "SSL"),
    ];
    told_and_stops(&tls, &[&plain, "security.protocol"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_kafka_refuses_is_told_at_the_start() -> Result<()> {
    let refusing = RefusingKafka::start().await?;
    let properties = [
        ("bootstrap.servers", refusing.address.as_str()),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.jaas.config", LOGIN),
    ];
    let expect = [
        &*refusing.address,
        "refuses the login",
        "wrong user or password",
        "sasl.jaas.config",
    ];
    told_and_stops(&properties, &expect).await
}

const LOGIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                     username=\"ann\" password=\"canary\";";

/// A broker of Kafka as far as the login, which it refuses to everybody.
struct RefusingKafka {
    address: String,
}

impl RefusingKafka {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?.to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(refuse(stream));
            }
        });
        Ok(Self { address })
    }
}

/// Answers ApiVersions, SaslHandshake and SaslAuthenticate (KIP-152), the last with an error.
async fn refuse(mut stream: TcpStream) -> Result<()> {
    loop {
        let length = usize::try_from(stream.read_i32().await?)?;
        let mut request = vec![0; length];
        stream.read_exact(&mut request).await?;
        let api = i16::from_be_bytes([request[0], request[1]]);
        let version = i16::from_be_bytes([request[2], request[3]]);
        let mut answer = request[4..8].to_vec();
        match api {
            // Another version than this one is answered in the first, with what there is.
            18 => {
                let error: i16 = if version == 0 { 0 } else { 35 };
                answer.extend(error.to_be_bytes());
                let apis: [(i16, i16, i16); 4] = [(3, 1, 5), (17, 1, 1), (18, 0, 0), (36, 0, 0)];
                answer.extend(i32::try_from(apis.len())?.to_be_bytes());
                for (key, from, to) in apis {
                    answer.extend([key, from, to].map(i16::to_be_bytes).concat());
                }
            }
            17 => {
                answer.extend(0_i16.to_be_bytes());
                answer.extend(1_i32.to_be_bytes());
                answer.extend(5_i16.to_be_bytes());
                answer.extend(b"PLAIN");
            }
            _ => {
                let why = b"wrong user or password";
                answer.extend(58_i16.to_be_bytes());
                answer.extend(i16::try_from(why.len())?.to_be_bytes());
                answer.extend(why);
                answer.extend(0_i32.to_be_bytes());
            }
        }
        stream.write_i32(i32::try_from(answer.len())?).await?;
        stream.write_all(&answer).await?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_kafka_has_no_brokers_for_are_told_with_the_option() -> Result<()> {
    let kafka = TestKafka::shared().await?.bootstrap();
    let (mut worker, log) = start(&[("bootstrap.servers", &kafka)])?;
    wait_until(LIMIT, "the worker to end", async || {
        Ok(worker.ensure_running().is_err())
    })
    .await?;
    let text = std::fs::read_to_string(log)?;
    for expect in [
        "config.storage.replication.factor",
        "3 replicas",
        "1 broker",
    ] {
        ensure!(text.contains(expect), "{expect} is missing: {text}");
    }
    ensure!(!text.contains("stack backtrace"), "{text}");
    Ok(())
}

/// The messages of a connector's tasks; none for one that has none.
async fn messages(rest: &ConnectClient, name: &str) -> Result<Vec<Option<String>>> {
    let status = rest.status(name).await?;
    let tasks = status["tasks"].as_array().context("no tasks")?;
    for task in tasks {
        ensure!(task["state"] != "FAILED", "{task}");
    }
    let message = |task: &Value| Some(task["message"].as_str()?.to_owned());
    Ok(tasks.iter().map(message).collect())
}

/// Waits until every task of a connector says all of this.
pub(crate) async fn says(rest: &ConnectClient, name: &str, expect: &[&str]) -> Result<()> {
    wait_until(LIMIT, &format!("{name} to say {expect:?}"), async || {
        let told = messages(rest, name).await?;
        let says = |told: &Option<String>| {
            let told = told.as_deref().unwrap_or_default();
            expect.iter().all(|expect| told.contains(expect))
        };
        ensure!(
            !told.is_empty() && told.iter().all(says),
            "it says {told:?}"
        );
        Ok(true)
    })
    .await
}

async fn says_nothing(rest: &ConnectClient, name: &str) -> Result<()> {
    wait_until(LIMIT, &format!("{name} to say nothing more"), async || {
        let told = messages(rest, name).await?;
        ensure!(told.iter().all(Option::is_none), "it says {told:?}");
        Ok(true)
    })
    .await
}

async fn create(rest: &ConnectClient, name: &str, settings: &[(&str, &str)]) -> Result<Value> {
    let body = json!({ "name": name, "config": sink_config(&[settings]) });
    rest.create(&body).await
}

fn closed_database() -> Result<String> {
    Ok(format!("jdbc:postgresql://127.0.0.1:{}/d", free_port()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_told_until_it_is() -> Result<()> {
    let (worker, kafka) = (TestWorker::shared().await?, TestKafka::shared().await?);
    let database = TestPostgres::shared().await?.database("missing").await?;
    let (name, there, rest) = (unique("missing"), unique("there"), worker.rest());
    kafka.create_topic(&there, 1).await?;
    let topics = format!("{there},{name}");
    let settings = [
        ("topics", topics.as_str()),
        ("tasks.max", "3"),
        ("connection.url", &database.jdbc_url()),
    ];
    create(rest, &name, &settings).await?;
    let expect = format!("topic {name} does not exist");
    says(rest, &name, &[&expect]).await?;
    kafka.create_topic(&name, 1).await?;
    says_nothing(rest, &name).await?;
    rest.delete(&name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_whose_own_kafka_refuses_its_login_says_so() -> Result<()> {
    let refusing = RefusingKafka::start().await?;
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let config = config.set("plugin.path", "");
    let config = config.set("connector.client.config.override.policy", "All");
    let mut worker = TestWorker::start(config).await?;
    let name = unique("login");
    let settings = [
        ("topics", "t"),
        ("tasks.max", "3"),
        ("connection.url", &closed_database()?),
        ("consumer.override.bootstrap.servers", &refusing.address),
        ("consumer.override.security.protocol", "SASL_PLAINTEXT"),
        ("consumer.override.sasl.mechanism", "PLAIN"),
        ("consumer.override.sasl.jaas.config", LOGIN),
    ];
    create(worker.rest(), &name, &settings).await?;
    let expect = [
        &*refusing.address,
        "refuses the login",
        "consumer.override.*",
    ];
    says(worker.rest(), &name, &expect).await?;
    let log = worker.log()?;
    ensure!(!log.contains("canary"), "the password is in the log");
    let status = worker.stop().await?;
    ensure!(status.success(), "the worker ended with {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_says_that_the_database_is_away_and_stops_in_time() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let config = WorkerConfig::new(&kafka.bootstrap())?.set("plugin.path", "");
    let mut worker = TestWorker::start(config).await?;
    let name = unique("away");
    kafka.create_topic(&name, 3).await?;
    let url = closed_database()?;
    let settings = [
        ("topics", name.as_str()),
        ("tasks.max", "3"),
        ("connection.url", &url),
    ];
    create(worker.rest(), &name, &settings).await?;
    let address = url
        .trim_start_matches("jdbc:postgresql://")
        .trim_end_matches("/d");
    let expect = [address, "nothing listens there", "connection.url"];
    says(worker.rest(), &name, &expect).await?;

    let status = worker.stop().await?;
    ensure!(status.success(), "the worker ended with {status}");
    let log = worker.log()?;
    ensure!(!log.contains("does not end in time"), "a task was given up");
    ensure!(!log.contains("did not stop in time"), "a task was given up");
    // A member that has not left keeps its partitions until its session is over.
    let group = format!("connect-{name}");
    let consumer: rdkafka::consumer::BaseConsumer = kafka.client().create()?;
    let members = tokio::task::spawn_blocking(move || {
        use rdkafka::consumer::Consumer as _;
        let list = consumer.fetch_group_list(Some(&group), LIMIT)?;
        let members = list.groups().iter().map(|group| group.members().len());
        anyhow::Ok(members.sum::<usize>())
    })
    .await??;
    assert_eq!(members, 0, "a member has not left its group");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_postgres_names_the_address_and_the_setting() -> Result<()> {
    // Of its own: a password beside another user's name is a secret from then on.
    let (worker, kafka) = (TestWorker::own().await?, TestKafka::shared().await?);
    let database = TestPostgres::shared().await?.database("refusals").await?;
    let url = database.jdbc_url();
    let (server, _) = url.rsplit_once('/').context("no database in the URL")?;
    let address = server.trim_start_matches("jdbc:postgresql://").to_owned();
    let (none, encrypted) = (
        format!("{server}/no_such"),
        format!("{url}?sslmode=require"),
    );
    for (settings, expect) in [
        (
            vec![("connection.password", "wrong")],
            vec!["28P01", "connection.password"],
        ),
        (
            vec![("connection.user", "nobody")],
            vec!["nobody", "connection.user"],
        ),
        (
            vec![("connection.url", &*none)],
            vec!["3D000", "no_such", "the database in connection.url"],
        ),
        (vec![("connection.url", &*encrypted)], vec!["sslmode"]),
    ] {
        let name = unique("refused");
        kafka.create_topic(&name, 1).await?;
        let mut all = vec![("topics", name.as_str()), ("connection.url", &url)];
        all.extend(settings);
        create(worker.rest(), &name, &all).await?;
        worker.rest().wait_for_state(&name, "FAILED").await?;
        let trace = worker.rest().trace(&name).await?.unwrap_or_default();
        for expect in expect.iter().chain([&&*address]) {
            ensure!(trace.contains(expect), "{expect} is missing: {trace}");
        }
        worker.rest().delete(&name).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_replicas_of_a_dead_letter_topic_are_told_with_the_option() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let name = unique("replicas");
    let letters = format!("{name}-dlq");
    let settings = [
        ("topics", name.as_str()),
        ("connection.url", &closed_database()?),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", &letters),
    ];
    create(worker.rest(), &name, &settings).await?;
    worker.rest().wait_for_state(&name, "FAILED").await?;
    let trace = worker.rest().trace(&name).await?.unwrap_or_default();
    let option = "errors.deadletterqueue.topic.replication.factor";
    for expect in [&*letters, option, "1 broker"] {
        ensure!(trace.contains(expect), "{expect} is missing: {trace}");
    }
    worker.rest().delete(&name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_option_is_a_warning_of_the_answer() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let name = unique("misspelt");
    let settings = [
        ("topics", name.as_str()),
        ("connection.url", &closed_database()?),
        ("insert.mdoe", "insert"),
        ("transforms", "metrics"),
        ("transforms.metrics.type", "activity-metrics"),
        ("tick.interval.ms", "1000"),
        ("transforms.metrcs.window.messages", "5"),
        ("transforms.metrics.window.mesages", "5"),
    ];
    let created = create(worker.rest(), &name, &settings).await?;
    let mut config = sink_config(&[&settings]);
    config["name"] = json!(name);
    let path = "/connector-plugins/FerrulePostgresSink/config/validate";
    let (_, validated) = worker
        .rest()
        .request(reqwest::Method::PUT, path, Some(&config))
        .await?;
    assert_eq!(validated["error_count"], 0, "{validated}");
    for answer in [created, validated] {
        let warnings = answer["warnings"].as_array().context("no warnings")?;
        let text = warnings.iter().filter_map(Value::as_str);
        let text = text.collect::<Vec<_>>().join("\n");
        for expect in [
            "insert.mdoe: unknown option, which has no effect; did you mean insert.mode?",
            "did you mean transforms.metrics.tick.interval.ms?",
            "transforms names no transform metrcs, did you mean metrics?",
            "did you mean transforms.metrics.window.messages?",
        ] {
            ensure!(text.contains(expect), "{expect} is missing: {text}");
        }
        assert_eq!(warnings.len(), 4, "{text}");
    }
    worker.rest().delete(&name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connectors_of_the_repository_have_no_warning() -> Result<()> {
    let worker = TestWorker::shared().await?;
    for entry in std::fs::read_dir(harness::install::repository().join("connectors"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let connector: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        let mut config = connector["config"].clone();
        config["name"] = connector["name"].clone();
        let class = config["connector.class"].as_str().unwrap_or_default();
        let url = format!("/connector-plugins/{class}/config/validate");
        let rest = worker.rest();
        let (_, answer) = rest
            .request(reqwest::Method::PUT, &url, Some(&config))
            .await?;
        assert_eq!(answer["error_count"], 0, "{}: {answer}", path.display());
        assert_eq!(answer["warnings"], Value::Null, "{}", path.display());
    }
    Ok(())
}

/// What `ferrule` tells, with its exit code.
async fn ferrule_tells(args: &[&str]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(ferrule()?);
    command.args(args).env("NO_COLOR", "1");
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let told = [output.stdout, output.stderr].concat();
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&told).into_owned(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_plugin_is_told_in_plain_words() -> Result<()> {
    let folder = run::folder("no-plugin")?;
    let file = folder.join("text.wasm");
    std::fs::write(&file, "this is no WebAssembly")?;
    let (code, told) = ferrule_tells(&["plugin", "check", &file.display().to_string()]).await?;
    assert_eq!(code, Some(1), "{told}");
    ensure!(told.contains("is no WebAssembly"), "{told}");
    ensure!(!told.contains("magic"), "{told}");
    Ok(())
}
