//! Workers that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::ledger::Ledger;
use harness::postgres::TestPostgres;
use harness::wait::wait_until;

use super::{Cluster, LIMIT};

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_shared_and_each_row_is_written_once() -> Result<()> {
    let ledger = Ledger::shared("shared_tasks", 6).await?;
    let mut cluster = Cluster::start(1).await?;
    ledger
        .deploy(cluster.workers[0].rest(), &[("tasks.max", "6")])
        .await?;
    cluster.balanced(0, &ledger.name, 1).await?;
    let changing = async {
        for workers in 2..=3 {
            cluster.add().await?;
            cluster.balanced(workers - 1, &ledger.name, workers).await?;
        }
        // In order: the others take over before it ends.
        let mut leaves = cluster.workers.remove(0);
        let began = Instant::now();
        let status = leaves.stop().await?;
        ensure!(status.success(), "the worker ended with {status}");
        println!("a worker ended in {:?}", began.elapsed());
        cluster.balanced(0, &ledger.name, 2).await?;
        // And without a word.
        let mut dies = cluster.workers.remove(1);
        dies.kill()?;
        let began = Instant::now();
        cluster.balanced(0, &ledger.name, 1).await?;
        println!("tasks of a killed worker ran after {:?}", began.elapsed());
        Ok(())
    };
    ledger.meanwhile(changing).await?;
    ledger.complete(cluster.workers[0].rest()).await
}

/// How often each partition has changed hands.
async fn epochs(ledger: &Ledger<'_>) -> Result<BTreeMap<String, String>> {
    let query = format!(
        "SELECT \"partition\"::text || ' ' || epoch::text FROM ferrule.offsets \
         WHERE connector = '{}' ORDER BY \"partition\"",
        ledger.name
    );
    let rows = ledger.database.texts(&query).await?;
    let pair = |row: Option<String>| {
        let row = row?;
        let (partition, epoch) = row.split_once(' ')?;
        Some((partition.to_owned(), epoch.to_owned()))
    };
    Ok(rows.into_iter().filter_map(pair).collect())
}

/// For so long one of them sleeps.
const LONG_SLEEP: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_freezes_and_wakes_writes_nothing_twice() -> Result<()> {
    let ledger = Ledger::shared("frozen_worker", 6).await?;
    let cluster = Cluster::start(3).await?;
    // One that sleeps in the middle of a transaction holds its locks until it is ended.
    let settings = [("tasks.max", "6"), ("lock.timeout.ms", "1500")];
    ledger.deploy(cluster.workers[0].rest(), &settings).await?;
    cluster.balanced(0, &ledger.name, 3).await?;
    let freezing = async {
        for frozen in 0..3 {
            ledger.progress().await?;
            let since = Instant::now();
            cluster.workers[frozen].signal("STOP")?;
            let others = (frozen + 1) % 3;
            cluster.balanced(others, &ledger.name, 2).await?;
            ledger.progress().await?;
            // The other two sleep for little longer than a session.
            let sleep = match frozen {
                0 => LONG_SLEEP,
                _ => Duration::ZERO,
            };
            tokio::time::sleep(sleep.saturating_sub(since.elapsed())).await;
            cluster.workers[frozen].signal("CONT")?;
            // Whoever was asleep says nothing of tasks that are others' by now.
            let on = cluster.balanced(others, &ledger.name, 3).await?;
            wait_until(LIMIT, "the one that woke to say the same", async || {
                let said = cluster.runs(frozen, &ledger.name).await?;
                ensure!(said.as_ref() == Some(&on), "{said:?}, and {on:?}");
                Ok(true)
            })
            .await?;
        }
        Ok(())
    };
    ledger.meanwhile(freezing).await?;
    ledger.complete(cluster.workers[0].rest()).await
}

/// How long the rows of tasks that stay are counted.
const WATCHED: Duration = Duration::from_secs(10);

/// Rows a second of each connector in a time.
async fn rates(ledgers: &[Ledger<'_>], time: Duration) -> Result<Vec<f64>> {
    let (mut before, began) = (Vec::new(), Instant::now());
    for ledger in ledgers {
        before.push(ledger.rows().await?);
    }
    tokio::time::sleep(time).await;
    let mut rates = Vec::new();
    for (ledger, before) in ledgers.iter().zip(before) {
        let rows = i32::try_from(ledger.rows().await? - before)?;
        rates.push(f64::from(rows) / began.elapsed().as_secs_f64());
    }
    Ok(rates)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_killed_worker_commits_elsewhere_after_its_session() -> Result<()> {
    let ledger = Ledger::shared("killed_worker", 1).await?;
    let mut cluster = Cluster::start(2).await?;
    ledger
        .deploy(cluster.workers[0].rest(), &[("tasks.max", "1")])
        .await?;
    let on = cluster.balanced(0, &ledger.name, 1).await?;
    let of = |worker: &harness::worker::TestWorker| worker.rest().base().ends_with(&on[0]);
    let at = cluster.workers.iter().position(of);
    let mut dying = cluster.workers.remove(at.context("an unknown worker")?);
    let killing = async {
        ledger.progress().await?;
        dying.kill()?;
        let killed = Instant::now();
        // What was committed before it died is there by now.
        tokio::time::sleep(Duration::from_millis(100)).await;
        ledger.progress().await?;
        let took = killed.elapsed();
        println!("a task of a killed worker commits elsewhere after {took:?}, of a session of 5 s");
        Ok(())
    };
    ledger.meanwhile(killing).await?;
    ledger.complete(cluster.workers[0].rest()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_stay_do_not_notice_that_a_worker_dies() -> Result<()> {
    let mut cluster = Cluster::start(3).await?;
    // A connector for each worker: its task owns all partitions, whatever becomes of the others.
    let mut ledgers = Vec::new();
    for number in 0..3 {
        let ledger = Ledger::shared(&format!("stays{number}"), 2).await?;
        ledger
            .deploy(cluster.workers[0].rest(), &[("tasks.max", "1")])
            .await?;
        ledger.produce(10).await?;
        ledger.complete(cluster.workers[0].rest()).await?;
        ledgers.push(ledger);
    }
    let mut on = Vec::new();
    for ledger in &ledgers {
        let found = cluster.balanced(0, &ledger.name, 1).await?;
        on.push(found.first().context("no task")?.clone());
    }
    let dies = on.first().context("no connector")?.clone();
    let at = cluster
        .workers
        .iter()
        .position(|worker| worker.rest().base().ends_with(&dies))
        .context("an unknown worker")?;
    let (mut before, mut starts) = (Vec::new(), Vec::new());
    for ledger in &ledgers {
        before.push(epochs(ledger).await?);
        starts.push(cluster.starts(&ledger.name).await?);
    }
    let mut dying = cluster.workers.remove(at);
    let (alone, around) = ledgers[1]
        .meanwhile(ledgers[2].meanwhile(async {
            let alone = rates(&ledgers[1..], WATCHED).await?;
            let dies = async {
                tokio::time::sleep(WATCHED / 2).await;
                dying.kill()
            };
            let (around, died) = tokio::join!(rates(&ledgers[1..], WATCHED), dies);
            died?;
            Ok((alone, around?))
        }))
        .await?;
    for (alone, around) in alone.iter().zip(&around) {
        println!(
            "a task that stays had {alone:.0} rows/s before and {around:.0} in the 10 s around a \
             kill, {:.2} of that",
            around / alone
        );
    }
    ledgers[0].produce(10).await?;
    ledgers[0].progress().await?;
    let moved = cluster.balanced(0, &ledgers[0].name, 1).await?;
    ensure!(moved != [dies.clone()], "it is still on {dies}");
    for (ledger, starts) in ledgers.iter().zip(starts).skip(1) {
        let now = cluster.starts(&ledger.name).await?;
        ensure!(now == starts, "{} was started again", ledger.name);
    }
    for (ledger, (before, on)) in ledgers.iter().zip(before.into_iter().zip(on)).skip(1) {
        ledger.produce(10).await?;
        ledger.complete(cluster.workers[0].rest()).await?;
        ensure!(epochs(ledger).await? == before, "{} was moved", ledger.name);
        let stays = cluster.balanced(0, &ledger.name, 1).await?;
        ensure!(stays == [on], "{} is on {stays:?}", ledger.name);
    }
    ledgers[0].complete(cluster.workers[0].rest()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tasks_go_on_when_the_brokers_are_back() -> Result<()> {
    let kafka = TestKafka::start().await?;
    let postgres = TestPostgres::shared().await?;
    let ledger = Ledger::new(&kafka, postgres, "brokers_away", 4).await?;
    let cluster = Cluster::on(&kafka, 3).await?;
    ledger
        .deploy(cluster.workers[0].rest(), &[("tasks.max", "4")])
        .await?;
    cluster.balanced(0, &ledger.name, 3).await?;
    ledger.produce(20).await?;
    ledger.complete(cluster.workers[0].rest()).await?;
    let starts = cluster.starts(&ledger.name).await?;
    kafka.kill().await?;
    // Longer than a session, and than what clients wait for by default.
    tokio::time::sleep(Duration::from_secs(60)).await;
    kafka.start_again().await?;
    let back = Instant::now();
    ledger.produce(20).await?;
    ledger.complete(cluster.workers[1].rest()).await?;
    println!(
        "all tasks had committed {:?} after the broker was back",
        back.elapsed()
    );
    cluster.balanced(2, &ledger.name, 3).await?;
    for (task, now) in cluster.starts(&ledger.name).await? {
        let before = starts.get(&task).map_or(0, BTreeSet::len);
        let more = now.len() - before;
        println!("task {task} was started {more} times more");
    }
    ledger.audit().await
}
