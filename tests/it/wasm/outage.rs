//! The state of a plugin while Postgres goes away, and while somebody edits the offsets.

use anyhow::{Result, ensure};
use harness::dice::Dice;
use harness::kafka::TestKafka;
use harness::pipeline::Pipeline;
use harness::postgres::TestPostgres;
use harness::wait::wait_until;
use harness::worker::{TestWorker, WorkerConfig};

use super::state::{COUNTING, LIMIT, PARTITIONS, assert_counts, orders, progress, table};

async fn pipeline(stem: &str, postgres: &TestPostgres) -> Result<(TestWorker, Pipeline)> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?;
    let worker = TestWorker::start(config).await?;
    let pipeline = Pipeline::over(&worker, stem, PARTITIONS, postgres).await?;
    table(&pipeline).await?;
    pipeline.deploy(COUNTING).await?;
    Ok((worker, pipeline))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_restarts_leaves_the_count_as_it_is_in_peace() -> Result<()> {
    let mut dice = Dice::new("counting_outages");
    let postgres = TestPostgres::start().await?;
    let (_worker, pipeline) = pipeline("outage", &postgres).await?;
    let (mut amidst, each) = (0, 400);
    for crash in [false, true, true, false] {
        pipeline.produce(orders(each)).await?;
        progress(&pipeline).await?;
        tokio::time::sleep(dice.time(100)).await;
        if crash {
            postgres.crash().await?;
        } else {
            postgres.stop().await?;
        }
        tokio::time::sleep(dice.time(500)).await;
        postgres.start_again().await?;
        let done: i64 = pipeline.stored().await?.values().sum();
        let all: i64 = pipeline.produced().await?;
        println!("restarted at {done} of {all}");
        amidst += usize::from(done < all);
    }
    ensure!(amidst > 0, "no restart was in the middle of a drain");
    pipeline.drained().await?;
    assert_counts(&pipeline, &[1_600; 3]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_edits_the_offsets_moves_the_records_and_not_the_state() -> Result<()> {
    let (_worker, pipeline) = pipeline("edited", TestPostgres::shared().await?).await?;
    let (mut expected, mut moved) = ([0; 3], 0);
    // On, which leaves records out, and back, which counts some again.
    for (partition, by) in [(0, 10), (1, -7), (0, -3), (2, 20), (1, -30)] {
        pipeline.produce(orders(500)).await?;
        progress(&pipeline).await?;
        // Not past the end: there is nothing to go on from.
        let edit = "UPDATE ferrule.offsets SET next_offset = next_offset + $2 \
                    WHERE connector = $1 AND \"partition\" = $3 \
                    AND next_offset + $2 BETWEEN 0 AND $4";
        let end = pipeline.produced().await? / i64::from(PARTITIONS);
        let edited = sqlx::query(edit)
            .bind(&pipeline.name)
            .bind(by)
            .bind(i32::try_from(partition)?)
            .bind(end)
            .execute(pipeline.database.pool())
            .await?;
        let was_edited = i64::try_from(edited.rows_affected())?;
        println!("{was_edited} row of partition {partition} moved by {by}");
        moved += was_edited;
        // A task that has nothing to write does not look at the offsets.
        pipeline.produce(orders(1)).await?;
        expected.iter_mut().for_each(|count| *count += 501);
        expected[partition] -= by * was_edited;
        wait_until(LIMIT, "all to be done", async || {
            let all = expected.iter().sum::<i64>();
            let rows = pipeline.database.count("counts").await?;
            ensure!(rows == all, "{rows} rows of {all}");
            Ok(true)
        })
        .await?;
        assert_counts(&pipeline, &expected).await?;
    }
    ensure!(moved > 2, "only {moved} offsets were moved");
    pipeline.drained().await
}
