//! Exactly once (KIP-618): a worker that is killed again and again.

use super::*;

async fn worker() -> Result<TestWorker> {
    let config = WorkerConfig::new(&TestKafka::shared().await?.bootstrap())?
        .set("plugin.path", "")
        .set("exactly.once.source.support", "enabled");
    TestWorker::start(config).await
}

async fn each_line_once(settings: &[(&str, &str)]) -> Result<()> {
    let (mut worker, mut lines) = (worker().await?, Lines::new("once").await?);
    lines.deploy(worker.rest(), settings).await?;
    for round in 1..=3 {
        lines.add(500)?;
        wait_until(LIMIT, "some lines", async || {
            Ok(lines.read().await?.len() > round * 500 - 450)
        })
        .await?;
        worker.kill()?;
        worker.start_again().await?;
    }
    lines.add(10)?;
    lines.holds(&lines.expected()).await?;
    let offsets = lines.offsets(worker.rest()).await?;
    let size = usize::try_from(std::fs::metadata(&lines.path)?.len())?;
    ensure!(offsets == lines.at(size), "{offsets}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_arrives_once_though_the_worker_is_killed() -> Result<()> {
    each_line_once(&[("batch.size", "3"), ("exactly.once.support", "required")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_may_end_by_time() -> Result<()> {
    let settings = [
        ("batch.size", "3"),
        ("transaction.boundary", "interval"),
        ("transaction.boundary.interval.ms", "200"),
    ];
    each_line_once(&settings).await
}
