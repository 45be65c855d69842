//! A plugin that does harm when a record says so: only that record is lost to the dead letters.

use anyhow::{Result, ensure};
use harness::letter::{Reason, Refused};
use harness::pipeline::Pipeline;
use harness::record::Record;
use harness::worker::TestWorker;
use serde_json::json;

const GUEST: &[(&str, &str)] = &[
    ("table.name.format", "items"),
    ("transforms", "guest"),
    ("transforms.guest.type", "test-guest"),
    ("transforms.guest.call.timeout.ms", "150"),
    ("transforms.guest.memory.max.bytes", "16777216"),
    ("transforms.guest.output.max.bytes", "4194304"),
    ("transforms.guest.state.max.bytes", "1048576"),
];

/// A command and what its dead letter says.
const HARM: &[(&str, &str)] = &[
    ("loop", "ran longer than 150 ms"),
    (
        "allocate",
        "needed more memory than its limit of 16777216 bytes",
    ),
    ("recurse", "trapped"),
    ("trap", "panicked at test-guest/src/answer.rs:"),
    (
        "huge:6000000",
        "gave more output at once than its limit of 4194304 bytes",
    ),
    ("huge", "needed more memory"),
    ("one-outcome-less", "broke the contract"),
    ("bad-json", ""),
    ("bad-shape", "broke the contract"),
    ("bad-width", "broke the contract"),
    ("bad-kind", "broke the contract"),
    ("state", "the state was full at 1048576 bytes"),
    ("state-forever", "ran longer than 150 ms"),
    ("fail", "says fail"),
    ("sing", "is not a command"),
];

fn record(n: usize, command: &str) -> Record {
    Record::json(&json!({ "n": n, "cmd": command }))
        .key(format!("key {n}"))
        .header("n", n.to_string())
}

async fn numbers(pipeline: &Pipeline) -> Result<Vec<Option<String>>> {
    pipeline
        .database
        .texts("SELECT n::text FROM items ORDER BY written")
        .await
}

async fn pipeline(stem: &str) -> Result<Pipeline> {
    let pipeline = Pipeline::shared(stem, 1).await?;
    let table = "CREATE TABLE items (written bigserial, n int, cmd text, count bigint)";
    pipeline.database.execute(table).await?;
    Ok(pipeline)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_record_harms_only_itself() -> Result<()> {
    let hostile = pipeline("hostile").await?;
    let neighbour = pipeline("neighbour").await?;
    let mut produced = Vec::new();
    let mut expected = Vec::new();
    for (command, why) in HARM {
        produced.extend(
            (0..4)
                .map(|ahead| record(produced.len() + ahead, "keep"))
                .collect::<Vec<_>>(),
        );
        let at = (0, i64::try_from(produced.len())?);
        let record = record(produced.len(), command);
        expected.push(Refused {
            record: record.clone(),
            at,
            reason: Reason::transform("test-guest", why),
        });
        produced.push(record);
    }
    produced.push(record(produced.len(), "keep"));
    let all = produced.len();
    // All are there before the connector is, so that they come in one batch.
    hostile.produce(produced).await?;
    neighbour.deploy(&[("table.name.format", "items")]).await?;
    hostile.create(GUEST).await?;

    // Another connector of the same worker goes on meanwhile.
    let mut rounds = 0;
    while hostile.database.count("items").await? == 0 {
        neighbour
            .produce((0..20).map(|n| record(rounds * 20 + n, "any")))
            .await?;
        neighbour.drained().await?;
        rounds += 1;
        ensure!(rounds < 500, "the hostile connector does not go on");
    }
    ensure!(
        rounds > 0,
        "the hostile connector was done before its neighbour was asked"
    );
    hostile.drained().await?;

    let refused = |n: &usize| expected.iter().any(|refused| refused.at.1 == *n as i64);
    let good = (0..all)
        .filter(|n| !refused(n))
        .map(|n| Some(n.to_string()));
    assert_eq!(
        numbers(&hostile).await?,
        good.collect::<Vec<_>>(),
        "the others, in their order"
    );
    hostile.assert_refused(&expected).await?;
    let landed = (0..rounds * 20).map(|n| Some(n.to_string()));
    assert_eq!(numbers(&neighbour).await?, landed.collect::<Vec<_>>());
    neighbour.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_outcome_of_a_plugin_is_obeyed() -> Result<()> {
    let pipeline = pipeline("outcomes").await?;
    pipeline.deploy(GUEST).await?;
    let commands = [
        "keep", "drop", "replace", "copies:3", "copies:0", "count", "trap", "count",
    ];
    let records = commands
        .iter()
        .enumerate()
        .map(|(n, command)| record(n, command));
    pipeline.produce(records).await?;
    pipeline.drained().await?;
    let rows = pipeline
        .rows("SELECT n, cmd, count FROM items ORDER BY written")
        .await?;
    let kept = |n: usize| json!({ "n": n.to_string(), "cmd": commands[n], "count": null });
    let count = |count: &str| json!({ "n": null, "cmd": null, "count": count });
    // The fault in between costs the guest its memory, and not its state.
    let expected = [
        kept(0),
        kept(2),
        kept(3),
        kept(3),
        kept(3),
        count("1"),
        count("2"),
    ];
    assert_eq!(rows, expected);
    let reason = Reason::transform("test-guest", "panicked at test-guest/src/answer.rs:");
    pipeline
        .assert_refused(&[Refused {
            record: record(6, "trap"),
            at: (0, 6),
            reason,
        }])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_routes_records_to_another_table() -> Result<()> {
    let pipeline = pipeline("router").await?;
    pipeline
        .database
        .execute("CREATE TABLE elsewhere (n int, cmd text)")
        .await?;
    let mapping = format!("{}:items,elsewhere:elsewhere", pipeline.name);
    let route = [("topics.to.tables.mapping", mapping.as_str())];
    pipeline.deploy(&[GUEST, &route].concat()).await?;
    pipeline
        .produce([record(0, "keep"), record(1, "topic"), record(2, "keep")])
        .await?;
    pipeline.drained().await?;
    assert_eq!(
        numbers(&pipeline).await?,
        [Some("0".into()), Some("2".into())]
    );
    let elsewhere = pipeline.rows("SELECT * FROM elsewhere").await?;
    assert_eq!(elsewhere, [json!({ "n": "1", "cmd": "topic" })]);
    pipeline.assert_refused(&[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_cannot_be_configured_fails_its_own_task() -> Result<()> {
    let neighbour = pipeline("neighbour").await?;
    neighbour.deploy(GUEST).await?;
    for (key, why) in [
        (
            "transforms.guest.configure.panic",
            "configure.panic is true",
        ),
        (
            "transforms.guest.configure.error",
            "configure.error: is true",
        ),
    ] {
        let pipeline = pipeline("configured").await?;
        pipeline.create(&[GUEST, &[(key, "true")]].concat()).await?;
        pipeline
            .rest()
            .wait_for_state(&pipeline.name, "FAILED")
            .await?;
        let trace = pipeline.trace().await?.unwrap_or_default();
        for part in ["test-guest", "transforms.guest", why] {
            ensure!(trace.contains(part), "{part} is missing: {trace}");
        }
    }
    neighbour.produce([record(1, "keep")]).await?;
    neighbour.drained().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_cannot_flood_the_log() -> Result<()> {
    let worker = TestWorker::shared().await?;
    let pipeline = pipeline("flood").await?;
    pipeline.deploy(GUEST).await?;
    pipeline
        .produce([record(0, "log:3000"), record(1, "keep")])
        .await?;
    pipeline.drained().await?;
    assert_eq!(
        numbers(&pipeline).await?,
        [Some("0".into()), Some("1".into())]
    );
    let log = worker.log()?;
    let flood: Vec<_> = log
        .lines()
        .filter(|line| line.contains("flood flood"))
        .collect();
    // Some are written, as whole lines that say whose they are; the most are counted and cut.
    ensure!(
        (1..1000).contains(&flood.len()),
        "{} lines were written",
        flood.len()
    );
    ensure!(
        flood
            .iter()
            .all(|line| line.contains("test-guest") && line.len() < 2048)
    );
    Ok(())
}
