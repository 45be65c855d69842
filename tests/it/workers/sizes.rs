//! Tasks are spread evenly after every change of the workers and of the connectors, and as few of
//! them move as can be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use harness::kafka::TestKafka;
use harness::names;
use harness::wait::wait_until;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Cluster, LIMIT, blackhole};

/// The worker of each task, by connector and number.
type Places = BTreeMap<(String, usize), String>;

/// Where the tasks are, once all of them run.
async fn places(cluster: &Cluster<'_>, tasks: &BTreeMap<String, usize>) -> Result<Places> {
    let mut places = Places::new();
    for (name, count) in tasks {
        let on = cluster.runs(0, name).await?.context("not all run")?;
        ensure!(
            on.len() == *count,
            "{name} has {} tasks of {count}",
            on.len()
        );
        places.extend((0..).zip(on).map(|(task, on)| ((name.clone(), task), on)));
    }
    Ok(places)
}

/// The most and the least tasks that a worker has, of those that are counted.
fn spread<'a>(places: impl Iterator<Item = &'a String>, workers: &BTreeSet<String>) -> usize {
    let mut loads: BTreeMap<&String, usize> = workers.iter().map(|it| (it, 0)).collect();
    for worker in places {
        *loads.entry(worker).or_default() += 1;
    }
    let (most, least) = (loads.values().max(), loads.values().min());
    most.zip(least).map_or(0, |(most, least)| most - least)
}

fn ids(cluster: &Cluster<'_>) -> BTreeSet<String> {
    let bases = cluster.workers.iter().map(|worker| worker.rest().base());
    bases
        .map(|base| base.trim_start_matches("http://").to_owned())
        .collect()
}

/// Waits until all tasks run and are spread evenly, in total and of each connector.
async fn even(cluster: &Cluster<'_>, tasks: &BTreeMap<String, usize>) -> Result<Places> {
    let workers = ids(cluster);
    let mut found = Places::new();
    wait_until(LIMIT, "tasks that are spread evenly", async || {
        let places = places(cluster, tasks).await?;
        let total = spread(places.values(), &workers);
        ensure!(total <= 1, "one worker has {total} more than another");
        ensure!(places.values().all(|on| workers.contains(on)), "{places:?}");
        for name in tasks.keys() {
            let own = places.iter().filter(|((of, _), _)| of == name);
            let own = spread(own.map(|(_, on)| on), &workers);
            ensure!(own <= 1, "{name}: one worker has {own} more than another");
        }
        found = places;
        Ok(true)
    })
    .await?;
    Ok(found)
}

/// The tasks that were elsewhere before.
fn moved<'a>(before: &'a Places, after: &'a Places) -> Vec<&'a (String, usize)> {
    let moved = after.iter().filter(|(task, on)| {
        let was = before.get(*task);
        was.is_some_and(|was| was != *on)
    });
    moved.map(|(task, _)| task).collect()
}

async fn put(cluster: &Cluster<'_>, turn: usize, name: &str, config: &Value) -> Result<()> {
    let path = format!("/connectors/{name}/config");
    let rest = cluster.rest(turn);
    let (status, body) = rest.request(Method::PUT, &path, Some(config)).await?;
    ensure!(status.is_success(), "PUT {path}: {status} {body}");
    Ok(())
}

/// One worker comes after the other, and one goes: only tasks that have to move do.
async fn workers_come_and_go(
    cluster: &mut Cluster<'_>,
    tasks: &BTreeMap<String, usize>,
) -> Result<()> {
    let mut before = even(cluster, tasks).await?;
    for workers in 2..=3 {
        let known = ids(cluster);
        cluster.add().await?;
        let began = Instant::now();
        let after = even(cluster, tasks).await?;
        let moves = moved(&before, &after).len();
        let arrived = after.values().filter(|on| !known.contains(*on)).count();
        println!(
            "{workers} workers: {moves} of {} tasks moved, even after {:?}",
            after.len(),
            began.elapsed()
        );
        // Each move is one to the worker that has come.
        ensure!(
            moves == arrived,
            "{moves} moved, and {arrived} are on the new worker"
        );
        before = after;
    }
    let mut leaves = cluster.workers.remove(1);
    let began = Instant::now();
    leaves.stop().await?;
    let after = even(cluster, tasks).await?;
    let left = before
        .values()
        .filter(|on| leaves.rest().base().ends_with(*on))
        .count();
    let moves = moved(&before, &after).len();
    println!(
        "2 workers: {moves} tasks moved, {left} of them of the one that left, even after {:?}",
        began.elapsed()
    );
    ensure!(moves == left, "{moves} moved, and {left} had to");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_even_and_few_move_whatever_changes() -> Result<()> {
    let kafka = TestKafka::shared().await?;
    let mut cluster = Cluster::start(1).await?;
    let mut tasks = BTreeMap::new();
    for count in [4, 2, 5] {
        let name = names::unique("sized");
        kafka.create_topic(&name, 9).await?;
        let body = json!({ "name": name, "config": blackhole(&name, count) });
        cluster.rest(0).create(&body).await?;
        tasks.insert(name, count);
    }
    workers_come_and_go(&mut cluster, &tasks).await?;
    cluster.add().await?;
    even(&cluster, &tasks).await?;

    // The connector itself changes; the others stay but where the balance asks for it.
    let changed = tasks.keys().next().cloned().context("no connector")?;
    let more = names::unique("sized_more");
    kafka.create_topic(&more, 3).await?;
    let topics = format!("{changed},{more}");
    for (what, topics, count) in [
        ("tasks.max 7", &changed, 7),
        ("tasks.max 1", &changed, 1),
        ("another topic", &topics, 1),
        ("tasks.max 6", &topics, 6),
    ] {
        let before = even(&cluster, &tasks).await?;
        let began = Instant::now();
        put(&cluster, count, &changed, &blackhole(topics, count)).await?;
        tasks.insert(changed.clone(), count);
        let after = even(&cluster, &tasks).await?;
        let moves = moved(&before, &after);
        let others = moves.iter().filter(|(of, _)| *of != changed).count();
        println!(
            "{what}: even after {:?}, {} tasks moved, {others} of them of other connectors",
            began.elapsed(),
            moves.len()
        );
        // What one connector gains or loses, the others make good: never more than a task each.
        ensure!(
            others < tasks.len(),
            "{others} tasks of other connectors moved"
        );
    }
    let before = even(&cluster, &tasks).await?;
    for (action, state) in [("pause", "PAUSED"), ("resume", "RUNNING")] {
        let path = format!("/connectors/{changed}/{action}");
        let (status, body) = cluster.rest(1).request(Method::PUT, &path, None).await?;
        ensure!(status.is_success(), "{path}: {status} {body}");
        cluster.rest(2).wait_for_state(&changed, state).await?;
    }
    let after = even(&cluster, &tasks).await?;
    ensure!(
        before == after,
        "a pause has moved {:?}",
        moved(&before, &after)
    );
    Ok(())
}
