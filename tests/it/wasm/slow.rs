//! Plugins that are huge, or that take the compiler long.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};
use harness::{install, run};
use reqwest::StatusCode;
use serde_json::{Value, json};

const LIST: &str = "/connector-plugins?connectorsOnly=false";

/// An unsigned number as WebAssembly writes it (LEB128).
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn sized(content: &[u8]) -> Vec<u8> {
    [&leb(content.len()), content].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &*sized(content)].concat()
}

/// A component of one module with functions of this body, all of type `() -> ()`.
fn component(bodies: usize, body: &[u8]) -> Vec<u8> {
    let functions = [leb(bodies), vec![0; bodies]].concat();
    let code = [leb(bodies), sized(body).repeat(bodies)].concat();
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &[1, 0x60, 0, 0]),
        section(3, &functions),
        section(10, &code),
    ]
    .concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

/// Minutes of work for a compiler: a loop in which thousands of variables live, and which has
/// thousands of branches.
fn slow_component() -> Vec<u8> {
    const VARIABLES: usize = 6_000;
    const BRANCHES: usize = 60_000;
    let mut body = [&[1][..], &leb(VARIABLES), &[0x7e]].concat();
    // loop
    body.extend([0x03, 0x40]);
    for number in 0..BRANCHES {
        let (from, to) = (leb(number % VARIABLES), leb(number * 7 % VARIABLES));
        // local.get; i64.eqz; if; local.get; local.set; else; local.get; local.set; end
        body.extend([&[0x20], &*from, &[0x50, 0x04, 0x40]].concat());
        body.extend([&[0x20], &*from, &[0x21], &*to].concat());
        body.extend([&[0x05, 0x20], &*to, &[0x21], &*from, &[0x0b]].concat());
    }
    // br 0; end; end
    body.extend([0x0c, 0, 0x0b, 0x0b]);
    component(1, &body)
}

async fn names(worker: &TestWorker) -> Result<Vec<String>> {
    let list = worker.rest().get(LIST).await?;
    let list = list.as_array().context("the list is none")?;
    let name = |entry: &Value| Some(entry["class"].as_str()?.to_owned());
    Ok(list.iter().filter_map(name).collect())
}

fn config(plugin: &str) -> Value {
    json!({
        "name": "any",
        "connector.class": "FerruleBlackholeSink",
        "topics": "any",
        "transforms": "check",
        "transforms.check.type": plugin,
    })
}

async fn start(path: &Path, settings: &[(&str, &str)]) -> Result<TestWorker> {
    let mut config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("plugin.path", &path.display().to_string());
    for (key, value) in settings {
        config = config.set(key, value);
    }
    TestWorker::start(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_takes_the_compiler_long_holds_up_nothing() -> Result<()> {
    let path = run::folder("plugins")?;
    std::fs::copy(
        install::plugins()?.join("test-guest.wasm"),
        path.join("b.wasm"),
    )?;
    // The first of the folder, so that a scan meets it before the good one.
    std::fs::write(path.join("a.wasm"), slow_component())?;
    let timeout = ("ferrule.plugin.compile.timeout.ms", "20000");
    let mut worker = start(&path, &[timeout]).await?;
    // Who names a plugin that is ready, or none, does not wait for the other.
    let validate = "/connector-plugins/FerruleBlackholeSink/config/validate";
    let rest = worker.rest();
    let put = |plugin: &str| {
        let config = config(plugin);
        async move {
            rest.request(reqwest::Method::PUT, validate, Some(&config))
                .await
        }
    };
    let (status, infos) = put("test-guest").await?;
    ensure!(
        status == StatusCode::OK && infos["error_count"] == 0,
        "{infos}"
    );
    ensure!(names(&worker).await?.contains(&"test-guest".to_owned()));
    let limit = Duration::from_secs(60);
    wait_until(limit, "the refusal of the other", async || {
        Ok(worker.log()?.contains("cannot be compiled within"))
    })
    .await?;
    let (_, infos) = put("test-guest").await?;
    ensure!(infos["error_count"] == 0, "{infos}");
    // A worker that is told to end does, whatever is being compiled.
    worker.stop().await?;
    let touched = [slow_component(), section(0, b"\x01v")].concat();
    std::fs::write(path.join("a.wasm"), touched)?;
    worker.start_again().await?;
    worker.stop().await?;
    ensure!(!worker.log()?.contains("panicked"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_beyond_the_limits_are_refused_and_the_rest_is_there() -> Result<()> {
    let path = run::folder("plugins")?;
    std::fs::copy(
        install::plugins()?.join("test-guest.wasm"),
        path.join("good.wasm"),
    )?;
    // Many functions, each of which does nothing: local count 0, end.
    std::fs::write(path.join("functions.wasm"), component(100_001, &[0, 0x0b]))?;
    let padding = section(0, &[&[1, b'p'][..], &vec![0; 32 << 20]].concat());
    std::fs::write(
        path.join("large.wasm"),
        [component(1, &[0, 0x0b]), padding].concat(),
    )?;
    let sparse = std::fs::File::create(path.join("sparse.wasm"))?;
    sparse.set_len(1 << 40)?;
    let worker = start(&path, &[]).await?;
    ensure!(names(&worker).await?.contains(&"test-guest".to_owned()));
    wait_until(Duration::from_secs(30), "three refusals", async || {
        let log = worker.log()?;
        Ok(log.contains("more than 100000 functions")
            && log.contains("large.wasm")
            && log.contains("sparse.wasm"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compiler_that_needs_too_much_memory_costs_its_plugin_alone() -> Result<()> {
    let path = run::folder("plugins")?;
    std::fs::copy(
        install::plugins()?.join("test-guest.wasm"),
        path.join("b.wasm"),
    )?;
    std::fs::write(path.join("a.wasm"), slow_component())?;
    let memory = ("ferrule.plugin.compile.memory.max.bytes", "402653184");
    let worker = start(&path, &[memory]).await?;
    ensure!(names(&worker).await?.contains(&"test-guest".to_owned()));
    wait_until(Duration::from_secs(90), "a refusal", async || {
        Ok(worker.log()?.contains("cannot be compiled within"))
    })
    .await
}
