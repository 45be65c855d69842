//! `ferrule maintain` on the command line, on the partitioned table of an example system.

use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Result, ensure};
use harness::postgres::{TestDatabase, TestPostgres};
use harness::process::{Server, guarded, tail};
use harness::wait::wait_until;
use harness::{install, run};

const LIMIT: Duration = Duration::from_secs(60);
const TABLE: &str = "002b_track_activity_log_partitioned.sql";

fn arguments(database: &TestDatabase) -> Vec<String> {
    let url = database.url();
    let words = ["maintain", "--url", &url, "--table", "track_activity_log"];
    let words = words.into_iter().chain(["--retention", "90 days"]);
    words.map(str::to_owned).collect()
}

async fn maintain(database: &TestDatabase, more: &[&str]) -> Result<Output> {
    let mut command = Command::new(install::ferrule()?);
    command.args(arguments(database)).args(more);
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

async fn table() -> Result<TestDatabase> {
    let database = TestPostgres::shared().await?.database("maintain").await?;
    database.apply(TABLE).await?;
    let old = "CREATE TABLE very_old PARTITION OF track_activity_log \
               FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')";
    database.execute(old).await?;
    Ok(database)
}

async fn has_old(database: &TestDatabase) -> Result<bool> {
    let count = database
        .count("pg_class WHERE relname = 'very_old'")
        .await?;
    Ok(count == 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_shown_and_then_done() -> Result<()> {
    let database = table().await?;
    let shown = maintain(&database, &["--ahead", "4", "--dry-run"]).await?;
    let text = told(&shown);
    assert_eq!(shown.status.code(), Some(0), "{text}");
    ensure!(
        text.contains("would  drop \"public\".\"very_old\""),
        "{text}"
    );
    // The file has made this month and two more.
    assert_eq!(text.matches("would  create").count(), 2, "{text}");
    ensure!(has_old(&database).await?);

    let done = maintain(&database, &["--ahead", "4"]).await?;
    let text = told(&done);
    assert_eq!(done.status.code(), Some(0), "{text}");
    assert_eq!(text.matches("done   create").count(), 2, "{text}");
    ensure!(!has_old(&database).await?);
    let again = told(&maintain(&database, &["--ahead", "4"]).await?);
    ensure!(again.contains("nothing to do"), "{again}");

    let refused = maintain(&database, &["--interval", "soon"]).await?;
    assert_eq!(refused.status.code(), Some(1));
    ensure!(told(&refused).contains("soon"), "{}", told(&refused));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_over_what_fails_until_it_is_told_to_stop() -> Result<()> {
    let database = table().await?;
    // The table is not there yet, which is no reason to give up.
    let rename = "ALTER TABLE track_activity_log RENAME TO track_activity_log_later";
    database.execute(rename).await?;
    let log = run::folder("maintain")?.join("log");
    let mut command = guarded(&install::ferrule()?);
    command.args(arguments(&database)).args(["--every", "1s"]);
    let mut running = Server::spawn("ferrule maintain", command, &log)?;
    wait_until(LIMIT, "the first failure to be told", async || {
        ensure!(
            tail(&log, 20).contains("there is no table"),
            "{}",
            tail(&log, 20)
        );
        Ok(true)
    })
    .await?;
    let rename = "ALTER TABLE track_activity_log_later RENAME TO track_activity_log";
    database.execute(rename).await?;
    wait_until(LIMIT, "the old partition to go", async || {
        Ok(!has_old(&database).await?)
    })
    .await?;
    running.ensure_running()?;
    let status = running.stop("TERM", LIMIT).await?;
    assert_eq!(status.code(), Some(0), "{}", tail(&log, 20));
    Ok(())
}
