//! The first steps of the README, word by word, beside a running `ferrule dev --demo`.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use harness::connect::ConnectClient;
use harness::install::{ferrule, plugins, repository};
use harness::process::{Server, guarded};
use harness::run;
use harness::wait::wait_until;

use crate::pages::{self, Step, shell, steps};

const LIMIT: Duration = Duration::from_secs(120);

/// The blocks of a language below a heading.
fn blocks(heading: &str, language: &str) -> Result<Vec<String>> {
    pages::blocks(&pages::page("README.md")?, heading, language)
}

/// A running demo of few records, and what its addresses are instead of the usual ones.
struct Demo {
    server: Server,
    rest: String,
    instead: Vec<(&'static str, String)>,
}

impl Demo {
    async fn start(folder: &Path) -> Result<Self> {
        let log = folder.join("demo.log");
        let mut command = guarded(&ferrule()?);
        command.args(["dev", "--demo", "--records", "200", "--ports", "0"]);
        command.args(["--only", "telescope,iot"]);
        command.arg("--plugins").arg(plugins()?);
        command.current_dir(repository());
        let mut server = Server::spawn("ferrule dev", command, &log)?;
        wait_until(LIMIT, "the demo to stay up", async || {
            server.ensure_running()?;
            let told = std::fs::read_to_string(&log)?;
            Ok(told.contains("everything stays up until Ctrl-C"))
        })
        .await?;
        let told = std::fs::read_to_string(&log)?;
        ensure!(told.contains("Try next:"), "{told}");
        let port = |name: &str| {
            let line = told
                .lines()
                .find(|line| line.trim_start().starts_with(name));
            let line = line.with_context(|| format!("no line of {name}: {told}"))?;
            let port = line.rsplit(':').next().unwrap_or_default();
            let digits: String = port.chars().take_while(char::is_ascii_digit).collect();
            ensure!(!digits.is_empty(), "no port: {line}");
            anyhow::Ok(digits)
        };
        let local = |port: &str| format!("localhost:{port}");
        let rest = port("REST")?;
        Ok(Self {
            server,
            instead: vec![
                ("localhost:8083", local(&rest)),
                ("localhost:9092", local(&port("Kafka")?)),
                ("localhost:8081", local(&port("Schema Registry")?)),
                ("localhost:5432", local(&port("Postgres")?)),
            ],
            rest: format!("http://127.0.0.1:{rest}"),
        })
    }

    fn adapted(&self, text: &str) -> String {
        let each = self.instead.iter();
        each.fold(text.to_owned(), |text, (usual, own)| {
            text.replace(usual, own)
        })
    }

    /// Runs commands of the README as a shell would, from this folder; gives what each told.
    async fn run(&self, block: &str, folder: &Path) -> Result<Vec<String>> {
        let mut told = Vec::new();
        let mut folder = folder.to_path_buf();
        for Step { command, .. } in steps(block) {
            if let Some(inner) = command.trim().strip_prefix("cd ") {
                folder = folder.join(inner);
                continue;
            }
            told.push(shell(&self.adapted(&command), &folder, &[]).await?);
        }
        Ok(told)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_steps_work_beside_a_running_demo() -> Result<()> {
    let folder = run::folder("readme")?;
    let mut demo = Demo::start(&folder).await?;

    for block in blocks("A first connector", "console")? {
        demo.run(&block, &folder).await?;
    }
    let rest = ConnectClient::new(demo.rest.clone());
    wait_until(LIMIT, "the first connector to write", async || {
        let status = rest.get("/connectors/first-connector/status").await?;
        ensure!(status["tasks"][0]["state"] != "FAILED", "{status}");
        let offsets = rest.get("/connectors/first-connector/offsets").await?;
        Ok(offsets["offsets"][0]["offset"]["kafka_offset"] == 200)
    })
    .await?;

    first_worker(&demo, &folder).await?;
    first_plugin(&demo, &folder).await?;

    let log = std::fs::read_to_string(folder.join("demo.log"))?;
    let status = demo.server.stop("TERM", LIMIT).await?;
    ensure!(status.success(), "the demo ended with {status}");
    let told = std::fs::read_to_string(folder.join("demo.log"))?;
    let last = told.strip_prefix(&log).unwrap_or(&told);
    ensure!(!last.contains("WARN"), "stopping complains: {last}");
    Ok(())
}

/// The properties file, as it stands but for the ports.
async fn first_worker(demo: &Demo, folder: &Path) -> Result<()> {
    let properties = blocks("A first worker", "properties")?.concat();
    let port = harness::names::free_port()?;
    let own = format!("localhost:{port}");
    let properties = demo.adapted(&properties).replace("localhost:8084", &own);
    std::fs::write(folder.join("first.properties"), properties)?;
    let mut command = guarded(&ferrule()?);
    command.arg("worker").arg(folder.join("first.properties"));
    command.current_dir(repository());
    let mut worker = Server::spawn("ferrule worker", command, &folder.join("worker.log"))?;
    let client = ConnectClient::new(format!("http://127.0.0.1:{port}"));
    wait_until(LIMIT, "the first worker to be healthy", async || {
        worker.ensure_running()?;
        Ok(client.get("/health").await.is_ok())
    })
    .await?;
    let plugins = client
        .get("/connector-plugins?connectorsOnly=false")
        .await?;
    let has = |name: &str| {
        plugins
            .to_string()
            .contains(&format!("\"class\":\"{name}\""))
    };
    ensure!(has("sensor-reading"), "plugin.path is not read: {plugins}");
    let status = worker.stop("TERM", LIMIT).await?;
    ensure!(status.success(), "the worker ended with {status}");
    Ok(())
}

/// The plugin that the README shows is the one that `new` makes. Building it is up to the network
/// and the toolchain: its file here is that of the same source, which `make plugins` has built.
async fn first_plugin(demo: &Demo, folder: &Path) -> Result<()> {
    let steps = blocks("A first plugin", "console")?;
    let [new, build, deploy] = &steps[..] else {
        bail!("other steps: {steps:?}");
    };
    demo.run(new, folder).await?;
    let made = std::fs::read_to_string(folder.join("room-alarm/src/lib.rs"))?;
    let shown = blocks("A first plugin", "rust")?.concat();
    ensure!(
        made.contains(shown.trim()),
        "new makes another plugin: {made}"
    );

    let built = plugins()?.join("sensor-reading.wasm");
    std::fs::copy(&built, folder.join("room-alarm/room-alarm.wasm"))?;
    ensure!(build.contains("$ ferrule plugin build\n"), "{build}");
    let without_building = build.replace("$ ferrule plugin build\n", "");
    demo.run(&without_building, folder).await?;

    let dist = folder.join("plugins/dist");
    std::fs::create_dir_all(&dist)?;
    let told = demo.run(deploy, &folder.join("room-alarm")).await?;
    ensure!(dist.join("room-alarm.wasm").is_file(), "it was not copied");
    let listed = told.last().context("nothing is told")?;
    ensure!(listed.contains("iot-measurement"), "{listed}");
    Ok(())
}

fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    [out, err]
        .map(|text| String::from_utf8_lossy(text))
        .concat()
}

async fn run_ferrule(args: &[&str]) -> Result<Output> {
    let mut command = Command::new(ferrule()?);
    command.args(args).env("RUST_BACKTRACE", "1");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONNECT_")) {
        command.env_remove(name);
    }
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_says_what_it_is_and_what_it_lacks() -> Result<()> {
    let version = told(&run_ferrule(&["--version"]).await?);
    ensure!(version.starts_with("ferrule 0."), "{version}");

    let output = run_ferrule(&["worker"]).await?;
    let text = told(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    ensure!(text.contains("ferrule worker FILE"), "{text}");
    let missing = text
        .lines()
        .filter(|line| line.contains("Missing required"));
    assert_eq!(missing.count(), 6, "{text}");
    ensure!(!text.contains("backtrace"), "{text}");

    let text = told(&run_ferrule(&["worker", "/no/such/file"]).await?);
    ensure!(
        text.contains("/no/such/file") && text.contains("No such file"),
        "{text}"
    );
    ensure!(!text.contains("backtrace"), "{text}");

    // The options of the log stand for themselves, behind those that matter.
    let help = told(&run_ferrule(&["plugin", "test", "--help"]).await?);
    let (own, log) = help.split_once("\nLog:\n").context("no heading")?;
    ensure!(
        !own.contains("--log-format") && log.contains("--log-format"),
        "{help}"
    );

    let text = told(&run_ferrule(&["dev", "--only", "sharks"]).await?);
    ensure!(text.contains("shark, fleetops"), "{text}");
    Ok(())
}
