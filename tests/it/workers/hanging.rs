//! Connectors whose services or plugins hang, and what the REST calls of others notice of it.

mod vault;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::connect::ConnectClient;
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::postgres::TestPostgres;
use harness::proxy::{FaultProxy, Flow, Shape};
use harness::record::Record;
use harness::wait::wait_until;
use harness::{install, names};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Cluster, LIMIT, blackhole, figures};
use vault::Vault;

const SILENT: Shape = Shape {
    delay: Duration::ZERO,
    bytes_per_second: None,
    slice: None,
    flow: Flow::Held,
};

/// A connector that hangs.
struct Hanging {
    what: &'static str,
    pipeline: Pipeline,
    config: Value,
    /// The config that it is given while it hangs; one of a provider that hangs cannot be
    /// validated.
    next: Value,
}

/// A service that takes connections and never says a word.
async fn silent(port: u16) -> Result<FaultProxy> {
    let proxy = FaultProxy::to(port).await?;
    proxy.shape(SILENT);
    Ok(proxy)
}

async fn timed(
    times: &mut Vec<Duration>,
    rest: &ConnectClient,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<()> {
    let began = Instant::now();
    let (code, text) = rest.request(method.clone(), path, body).await?;
    let took = began.elapsed();
    ensure!(code.is_success(), "{method} {path}: {code} {text}");
    if took > Duration::from_millis(200) {
        println!("{method} {path} took {took:?}");
    }
    times.push(took);
    Ok(())
}

/// All kinds of requests about a connector that does not hang.
async fn ask_of_another(
    cluster: &Cluster<'_>,
    topic: &str,
    times: &mut Vec<Duration>,
) -> Result<()> {
    for round in 0..6 {
        let name = names::unique("healthy");
        let path = format!("/connectors/{name}");
        let config = blackhole(topic, 1);
        let body = json!({ "name": name, "config": config });
        let on = |path: &str| format!("/connectors/{name}{path}");
        timed(
            times,
            cluster.rest(round),
            Method::POST,
            "/connectors",
            Some(&body),
        )
        .await?;
        for (turn, (method, path, body)) in [
            (Method::GET, "/connectors".to_owned(), None),
            (
                Method::GET,
                "/connectors?expand=status&expand=info".to_owned(),
                None,
            ),
            (Method::GET, on("/status"), None),
            (Method::PUT, on("/config"), Some(&config)),
            (Method::PUT, on("/pause"), None),
            (Method::PUT, on("/resume"), None),
            (Method::POST, on("/restart?includeTasks=true"), None),
            (Method::GET, on("/config"), None),
            (Method::PUT, on("/stop"), None),
        ]
        .into_iter()
        .enumerate()
        {
            timed(times, cluster.rest(round + turn), method, &path, body).await?;
        }
        timed(times, cluster.rest(round), Method::DELETE, &path, None).await?;
    }
    Ok(())
}

async fn hanging(cluster: &Cluster<'_>, database: u16, registry: u16) -> Result<Vec<Hanging>> {
    let worker = &cluster.workers[0];
    let own = TestPostgres::shared().await?.port().to_string();
    let mut all = Vec::new();
    for what in ["database", "registry", "plugin", "provider"] {
        let pipeline = Pipeline::on(worker, what, 3).await?;
        let table = "CREATE TABLE items (n int, cmd text, count bigint)";
        pipeline.database.execute(table).await?;
        let url = pipeline.database.jdbc_url();
        let silent = url.replacen(&own, &database.to_string(), 1);
        let registry = format!("http://127.0.0.1:{registry}");
        let settings: &[(&str, &str)] = match what {
            "database" => &[("connection.url", &silent)],
            "registry" => &[
                ("value.converter", "io.confluent.connect.avro.AvroConverter"),
                ("value.converter.schema.registry.url", &registry),
            ],
            "provider" => &[("connection.password", "${vault:secret/db:password}")],
            _ => &[
                ("transforms", "guest"),
                ("transforms.guest.type", "test-guest"),
                ("transforms.guest.call.timeout.ms", "60000"),
            ],
        };
        let common = [("table.name.format", "items"), ("tasks.max", "3")];
        let config = pipeline.config(&[&common[..], settings].concat());
        let record = match what {
            // The magic byte and an id.
            "registry" => Record::of([0, 0, 0, 0, 7, 2]),
            "plugin" => Record::json(&json!({ "n": 1, "cmd": "loop" })),
            _ => Record::json(&json!({ "n": 1 })),
        };
        let records = (0..3).map(|partition| record.clone().partition(partition));
        pipeline.produce(records.collect::<Vec<_>>()).await?;
        let mut next = config.clone();
        if what == "provider" {
            next["connection.password"] = json!("ferrule");
        }
        all.push(Hanging {
            what,
            pipeline,
            config,
            next,
        });
    }
    Ok(all)
}

/// A cluster of three workers with all plugins, whose calls may take a minute.
async fn cluster(vault: &Vault) -> Result<Cluster<'static>> {
    let mut cluster = Cluster::none_yet(TestKafka::shared().await?)?;
    let plugins = install::plugins()?.display().to_string();
    cluster.config = cluster
        .config
        .set("plugin.path", &plugins)
        .set("config.providers", "vault")
        .set(
            "config.providers.vault.class",
            "io.lenses.connect.secrets.providers.VaultSecretProvider",
        )
        .set("config.providers.vault.param.vault.addr", &vault.url())
        .set(
            "config.providers.vault.param.vault.token",
            "hvs.of-the-test",
        )
        .set("ferrule.plugin.call.timeout.ms", "60000");
    for _ in 0..3 {
        cluster.add().await?;
    }
    Ok(cluster)
}

/// Creates the connectors, and waits until their tasks are where they hang.
async fn deploy(cluster: &Cluster<'_>, all: &[Hanging]) -> Result<()> {
    for Hanging {
        what,
        pipeline,
        config,
        ..
    } in all
    {
        let body = json!({ "name": pipeline.name, "config": config });
        let began = Instant::now();
        cluster.rest(1).create(&body).await?;
        println!("{what}: POST took {:?}", began.elapsed());
    }
    for Hanging { what, pipeline, .. } in all {
        wait_until(LIMIT, &format!("the tasks of {what}"), async || {
            let status = cluster.rest(2).status(&pipeline.name).await?;
            let tasks = status["tasks"].as_array().context("no tasks")?;
            ensure!(tasks.len() == 3, "{status}");
            Ok(tasks.iter().all(|task| task["state"] == "RUNNING"))
        })
        .await?;
    }
    Ok(())
}

/// All kinds of requests about the one that hangs.
async fn ask_of_itself(cluster: &Cluster<'_>, hanging: &Hanging) -> Result<()> {
    let on = |path: &str| format!("/connectors/{}{path}", hanging.pipeline.name);
    let mut times = Vec::new();
    for (turn, (method, path, body)) in [
        (Method::GET, on("/status"), None),
        (Method::PUT, on("/config"), Some(&hanging.next)),
        (Method::GET, on("/config"), None),
        (Method::PUT, on("/pause"), None),
        (Method::PUT, on("/resume"), None),
        (Method::POST, on("/restart?includeTasks=true"), None),
        (Method::PUT, on("/stop"), None),
        (Method::DELETE, on(""), None),
    ]
    .into_iter()
    .enumerate()
    {
        timed(&mut times, cluster.rest(turn), method, &path, body).await?;
    }
    let what = hanging.what;
    figures(&format!("{what}: requests for the one that hangs"), &times);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_delays_no_request() -> Result<()> {
    let vault = Vault::start().await?;
    let mut cluster = cluster(&vault).await?;
    let topic = names::unique("healthy");
    TestKafka::shared().await?.create_topic(&topic, 1).await?;
    let mut before = Vec::new();
    ask_of_another(&cluster, &topic, &mut before).await?;
    figures("requests while nothing hangs", &before);

    let port = TestPostgres::shared().await?.port();
    // Whatever is behind it: nothing gets there.
    let (database, registry) = (silent(port).await?, silent(port).await?);
    let all = hanging(&cluster, database.port(), registry.port()).await?;
    deploy(&cluster, &all).await?;
    // The tasks that are restarted ask for their password again.
    vault.hang();
    for hanging in all.iter().filter(|it| it.what == "provider") {
        let path = format!(
            "/connectors/{}/restart?includeTasks=true",
            hanging.pipeline.name
        );
        let asked = cluster.rest(0).request(Method::POST, &path, None).await?;
        ensure!(asked.0.is_success(), "{asked:?}");
    }
    let mut during = Vec::new();
    ask_of_another(&cluster, &topic, &mut during).await?;
    figures("requests for others", &during);
    for hanging in &all {
        ask_of_itself(&cluster, hanging).await?;
    }
    let began = Instant::now();
    for worker in &mut cluster.workers {
        let status = worker.stop().await?;
        ensure!(status.success(), "a worker ended with {status}");
    }
    println!("all three ended after {:?}", began.elapsed());
    Ok(())
}
