//! `ferrule plugin …`: the worker's host on the command line.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::record::Record;
use harness::{install, names, run};

async fn plugin(args: &[&str]) -> Result<Output> {
    let mut command = Command::new(install::ferrule()?);
    command.arg("plugin").args(args).env("NO_COLOR", "1");
    Ok(tokio::task::spawn_blocking(move || command.output()).await??)
}

fn told(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(err)
    )
}

fn dist(name: &str) -> Result<String> {
    Ok(install::plugins()?
        .join(format!("{name}.wasm"))
        .display()
        .to_string())
}

fn example(file: &str) -> String {
    let folder = install::repository().join("plugins/sensor-reading/tests");
    folder.join(file).display().to_string()
}

fn written(folder: &Path, name: &str, text: &str) -> Result<String> {
    let path = folder.join(name);
    std::fs::write(&path, text)?;
    Ok(path.display().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_looked_into() -> Result<()> {
    let output = plugin(&["check", &dist("sensor-reading")?, "--timing"]).await?;
    let text = told(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for expect in [
        "plugin    sensor-reading 0.1.0",
        "contract  0.",
        "ferrule:transform/state@",
        "exports   ferrule:transform/plugin@",
        "reads     value",
        "config    max.celsius: double, default \"85\"",
        "ms from the cache",
    ] {
        ensure!(text.contains(expect), "{expect} is missing: {text}");
    }

    let folder = run::folder("check")?;
    let broken = written(&folder, "broken.wasm", "\0asm\x01\0\0\0")?;
    let output = plugin(&["check", &broken]).await?;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    ensure!(told(&output).contains("refused"), "{}", told(&output));
    Ok(())
}

#[test]
fn whoever_reads_no_further_ends_it_quietly() -> Result<()> {
    let mut command = Command::new(install::ferrule()?);
    command.args(["plugin", "check", &dist("test-guest")?]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = command.spawn()?;
    drop(check.stdout.take());
    let output = check.wait_with_output()?;
    assert_eq!(told(&output), "");
    assert_eq!(output.status.code(), Some(141));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn records_go_through_and_are_compared() -> Result<()> {
    let (file, input, expect) = (
        dist("sensor-reading")?,
        example("records.jsonl"),
        example("expected.jsonl"),
    );
    let test = ["test", &file, "--input", &input, "--expect", &expect];
    let output = plugin(&test).await?;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));

    // Another limit: one record more goes through, and the difference is shown.
    let output = plugin(&[&test[..], &["--config", "max.celsius=1000"]].concat()).await?;
    let text = told(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    ensure!(text.contains("test-0@4         replace"), "{text}");
    ensure!(text.contains("  + fahrenheit: 843.8"), "{text}");
    ensure!(text.contains("expected.jsonl:5\n- {"), "{text}");

    // What is accepted is expected from then on, however the records are cut.
    let folder = run::folder("golden")?;
    let blessed = folder.join("blessed.jsonl").display().to_string();
    let test = ["test", &file, "--input", &input, "--expect", &blessed];
    let output = plugin(&[&test[..], &["--bless"]].concat()).await?;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let output = plugin(&[&test[..], &["--batch", "1"]].concat()).await?;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert_eq!(std::fs::read(&blessed)?, std::fs::read(&expect)?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_tried_is_said() -> Result<()> {
    let (file, input) = (dist("sensor-reading")?, example("records.jsonl"));
    for (args, expect) in [
        (
            vec!["--config", "max.kelvin=1"],
            "there is no key max.kelvin",
        ),
        (vec!["--config", "max.celsius=hot"], "max.celsius"),
        (vec!["--config", "memory.max.bytes=1"], "memory"),
        (
            vec!["-D", "value.converter=NoSuchConverter"],
            "NoSuchConverter",
        ),
    ] {
        let output = plugin(&[&["test", &file, "--input", &input], &args[..]].concat()).await?;
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        ensure!(told(&output).contains(expect), "{}", told(&output));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connectors_config_says_converters_and_keys() -> Result<()> {
    let folder = run::folder("connector")?;
    let config = r#"{ "name": "c", "config": {
        "transforms": "other, check",
        "transforms.check.type": "sensor-reading",
        "transforms.check.max.celsius": "10",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true" } }"#;
    let config = written(&folder, "connector.json", config)?;
    let field = r#"{"field":"device","type":"string"},{"field":"celsius","type":"double"}"#;
    let record = |celsius: &str| {
        format!(
            "{{\"value\":{{\"schema\":{{\"type\":\"struct\",\"fields\":[{field}]}},\
             \"payload\":{{\"device\":\"d\",\"celsius\":{celsius}}}}}}}\n"
        )
    };
    let lines = format!(
        "{}{}{{\"value\":{{\"a\":1}}}}\n",
        record("9.5"),
        record("10.5")
    );
    let input = written(&folder, "records.jsonl", &lines)?;
    let file = dist("sensor-reading")?;
    let output = plugin(&["test", &file, "--input", &input, "--connector", &config]).await?;
    let text = told(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    ensure!(text.contains("fahrenheit: 49.1"), "{text}");
    ensure!(text.contains("celsius: is above max.celsius"), "{text}");
    ensure!(
        text.contains("test-0@2         unconverted  JsonConverter: "),
        "{text}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_read_and_nothing_is_left_behind() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let topic = names::unique("plugin-test");
    kafka.create_topic(&topic, 2).await?;
    let reading = |celsius: f64, partition: i32| {
        let value = format!("{{\"device\":\"d\",\"celsius\":{celsius}}}");
        Record::of(value).partition(partition)
    };
    let records = [(1.0, 0), (1.0, 0), (2.0, 0), (99.0, 1)];
    let records = records.map(|(celsius, partition)| reading(celsius, partition));
    kafka.produce(&topic, records).await?;

    let (file, bootstrap) = (dist("sensor-reading")?, kafka.bootstrap());
    let live = ["test", &file, "--topic", &topic, "--bootstrap", &bootstrap];
    let output = plugin(&live).await?;
    let text = told(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for expect in [
        format!("{topic}-0@1 drop"),
        format!("{topic}-1@0 fail"),
        "4 records: 0 kept, 1 dropped, 2 replaced by 2, 1 failed".to_owned(),
    ] {
        ensure!(text.contains(&expect), "{expect} is missing: {text}");
    }
    let output = plugin(&[&live[..], &["--limit", "1", "--newest"]].concat()).await?;
    ensure!(
        told(&output).contains(&format!("{topic}-0@2")),
        "{}",
        told(&output)
    );
    ensure!(told(&output).contains("2 records: "), "{}", told(&output));

    let committed = kafka.committed("ferrule-plugin-test", &topic).await?;
    ensure!(committed.is_empty(), "{committed:?}");
    let output = plugin(&[
        "test",
        &file,
        "--topic",
        "none-such",
        "--bootstrap",
        &bootstrap,
    ])
    .await?;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_is_measured() -> Result<()> {
    let (file, input) = (dist("sensor-reading")?, example("records.jsonl"));
    let output = plugin(&["bench", &file, "--input", &input, "--seconds", "0.01"]).await?;
    let text = told(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for expect in [
        "identity (keeps each)",
        "sensor-reading  ",
        "memory of the instance",
    ] {
        ensure!(text.contains(expect), "{expect} is missing: {text}");
    }
    let memory = text
        .lines()
        .find_map(|line| line.strip_prefix("memory of the instance"));
    let memory: u64 = memory
        .context("no memory")?
        .trim()
        .trim_end_matches(" KiB")
        .parse()?;
    ensure!(memory >= 64, "{memory} KiB");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_plugin_has_all_that_it_needs() -> Result<()> {
    let folder = run::folder("new")?.join("hot-rooms");
    let path = folder.display().to_string();
    let output = plugin(&["new", "hot-rooms", "--path", &path]).await?;
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).context(file.to_owned());
    ensure!(read("Cargo.toml")?.contains("name = \"hot-rooms\""));
    ensure!(read("README.md")?.contains("hot-rooms.wasm"));
    ensure!(!read("src/lib.rs")?.contains("sensor-reading"));
    let contract = PathBuf::from("wit/world.wit");
    let own = std::fs::read_to_string(install::repository().join(&contract))?;
    assert_eq!(std::fs::read_to_string(folder.join(contract))?, own);

    let output = plugin(&["new", "hot-rooms", "--path", &path]).await?;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    let output = plugin(&["new", "Hot Rooms"]).await?;
    assert_eq!(output.status.code(), Some(2), "{}", told(&output));
    Ok(())
}
