//! Offsets that a person gives the group of a connector whose plugin keeps state: the offsets are
//! followed, and the state of their partitions begins anew.

use anyhow::{Result, ensure};
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::wait::wait_until;
use reqwest::Method;

use super::state::{COUNTING, LIMIT, PARTITIONS, assert_counts, orders, table};

/// How many entries of state there are of each partition.
const ENTRIES: &str = "SELECT concat_ws(' ', s.\"partition\", count(*)) FROM ferrule.state e \
                       JOIN ferrule.stores s ON s.id = e.store GROUP BY s.\"partition\" \
                       ORDER BY s.\"partition\"";

async fn ask(pipeline: &Pipeline, what: &str) -> Result<()> {
    let path = format!("/connectors/{}/{what}", pipeline.name);
    let (status, body) = pipeline.rest().request(Method::PUT, &path, None).await?;
    ensure!(status.is_success(), "PUT {path} answered {status}: {body}");
    Ok(())
}

/// Stops the connector, and waits until its group has no members: it can be given offsets then.
async fn stop(pipeline: &Pipeline) -> Result<()> {
    ask(pipeline, "stop").await?;
    let group = format!("connect-{}", pipeline.name);
    let kafka = TestKafka::shared().await?;
    wait_until(LIMIT, "the tasks to have left", async || {
        Ok(kafka.members(&group).await? == 0)
    })
    .await
}

/// Waits until the partitions' offsets are all at the end of the log, and checks the counts.
async fn counted(pipeline: &Pipeline, last: &[i64]) -> Result<()> {
    pipeline.drained().await?;
    assert_counts(pipeline, last).await
}

#[tokio::test(flavor = "multi_thread")]
async fn state_begins_anew_where_someone_else_has_set_the_groups_offset() -> Result<()> {
    let pipeline = Pipeline::shared("moved_state", PARTITIONS).await?;
    let (name, kafka) = (pipeline.name.as_str(), TestKafka::shared().await?);
    table(&pipeline).await?;
    pipeline.deploy(COUNTING).await?;
    pipeline.produce(orders(200)).await?;
    counted(&pipeline, &[200; 3]).await?;
    stop(&pipeline).await?;
    pipeline.produce(orders(100)).await?;

    // The first partition is read again, and its rows go; of the second some are left out.
    let group = format!("connect-{name}");
    let told = kafka
        .reset_offsets(&group, &format!("{name}:0"), &["--to-earliest"])
        .await?;
    ensure!(told.contains(name), "{told}");
    let told = kafka
        .reset_offsets(&group, &format!("{name}:1"), &["--to-offset", "250"])
        .await?;
    ensure!(told.contains(name), "{told}");
    pipeline
        .database
        .execute("DELETE FROM counts WHERE part < 2")
        .await?;
    let kept = pipeline.database.texts(ENTRIES).await?;
    ensure!(
        kept == ["0 1", "1 1", "2 1"].map(|it| Some(it.to_owned())),
        "{kept:?}"
    );
    ask(&pipeline, "resume").await?;
    // The third partition goes on with the state that it has.
    counted(&pipeline, &[300, 50, 300]).await?;
    let log = pipeline.log()?.join("\n");
    for told in [
        format!("of {name}-0 was set to 0 by someone else, and the target has 200"),
        format!("of {name}-1 was set to 250 by someone else, and the target has 200"),
    ] {
        ensure!(log.contains(&told), "the log does not say: {told}");
    }

    // It is followed once: the next start goes on where this one ends, with its state.
    stop(&pipeline).await?;
    pipeline.produce(orders(100)).await?;
    ask(&pipeline, "resume").await?;
    counted(&pipeline, &[400, 150, 400]).await
}
