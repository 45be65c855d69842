//! The stateful systems when their workers are killed in the midst of windows: the same rows as in
//! peace.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use harness::dice::Dice;
use harness::record::Record;
use serde_json::{Value, json};

use super::analytics::{self, NOON, activity};
use super::fleet::{self, frame};
use super::twice::{System, Twice};

/// Frames of vehicles that drive as the dice fall: on by one, out of order, twice, or far behind.
pub fn drive(dice: &mut Dice, count: usize, index: &mut [i64]) -> Vec<Record> {
    let mut frames: Vec<Record> = Vec::new();
    let mut velocity = 15.0;
    for _ in 0..count {
        let vehicle = dice.below(index.len() as u64);
        if dice.below(20) == 0
            && let Some(again) = frames.get(frames.len().saturating_sub(3))
        {
            frames.push(again.clone());
            continue;
        }
        let at = &mut index[vehicle as usize];
        *at += 1;
        let acceleration = dice.below(12) as f64 / 2.0 - 5.0;
        velocity = dice.below(300) as f64 / 10.0 + velocity / 10.0;
        let probability = dice.below(100) as f64 / 100.0;
        frames.push(frame(vehicle, *at, (velocity, acceleration, probability)));
        let last = frames.len() - 1;
        if last > 2 && dice.below(5) == 0 {
            frames.swap(last, last - 2);
        }
    }
    frames
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_finds_the_same_anomalies() -> Result<()> {
    let mut dice = Dice::new("fleet_killed");
    let system = System {
        connector: fleet::ANOMALIES,
        tables: fleet::TABLES,
        partitions: 6,
    };
    let mut twice = Twice::deploy(system, "fleet_killed", 1).await?;
    let mut index = [0; 9];
    let portions = (0..5).map(|_| drive(&mut dice, 1_500, &mut index));
    let portions = portions.collect();
    twice.shake(&mut dice, portions).await?;
    let (calm, shaken) = twice
        .rows("SELECT * FROM anomalies ORDER BY anomaly_id")
        .await?;
    ensure!(calm.len() > 100, "only {} anomalies", calm.len());
    assert_eq!(shaken, calm);
    Ok(())
}

/// What a user did, on the partition of the user, and whether it was a page view.
type Step = (i32, i64, u64, bool);

fn steps(dice: &mut Dice, count: usize, at: &mut i64) -> Vec<Step> {
    let step = |_| {
        *at += i64::try_from(dice.below(180)).unwrap_or_default();
        let user = dice.below(60);
        let partition = i32::try_from(user % 3).unwrap_or_default();
        (partition, *at, user, dice.below(3) > 0)
    };
    (0..count).map(step).collect()
}

fn record((partition, at, user, viewed): &Step) -> Record {
    let kind = if *viewed { "page_view" } else { "click" };
    activity(&format!("user {user}"), kind, *at).partition(*partition)
}

/// Start, users and page views of the windows that are closed, the plain way.
fn model(steps: &[Step]) -> Vec<(i64, usize, usize)> {
    let mut rows = Vec::new();
    for partition in 0..3 {
        let mut windows: Vec<Vec<&Step>> = Vec::new();
        for step in steps.iter().filter(|step| step.0 == partition) {
            let open = windows.last_mut();
            match open.filter(|all| step.1 - all[0].1 < 30_000 && all.len() < 100) {
                Some(all) => all.push(step),
                None => windows.push(vec![step]),
            }
        }
        let last = windows.pop().filter(|all| all.len() == 100);
        rows.extend(windows.into_iter().chain(last).map(|all| {
            let users: BTreeSet<_> = all.iter().map(|step| step.2).collect();
            let views = all.iter().filter(|step| step.3).count();
            (all[0].1, users.len(), views)
        }));
    }
    rows.sort_unstable();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_that_are_killed_count_each_user_once() -> Result<()> {
    let mut dice = Dice::new("analytics_killed");
    let system = System {
        connector: analytics::FILE,
        tables: analytics::TABLES,
        partitions: 3,
    };
    let mut twice = Twice::deploy(system, "analytics_killed", 3).await?;
    let (mut all, mut at) = (Vec::new(), 0);
    let mut portions = Vec::new();
    for _ in 0..6 {
        let portion = steps(&mut dice, 1_500, &mut at);
        portions.push(portion.iter().map(record).collect());
        all.extend(portion);
    }
    twice.shake(&mut dice, portions).await?;

    let query = "SELECT (extract(epoch FROM timestamp) * 1000)::bigint AS at, \
                 unique_users AS users, page_view_count AS views \
                 FROM user_activity_metrics ORDER BY 1, 2, 3";
    let (calm, shaken) = twice.rows(query).await?;
    let row = |(at, users, views): (i64, usize, usize)| -> Value {
        json!({
            "at": (NOON + at).to_string(),
            "users": users.to_string(),
            "views": views.to_string(),
        })
    };
    let expected: Vec<_> = model(&all).into_iter().map(row).collect();
    ensure!(expected.len() > 20, "only {} windows", expected.len());
    assert_eq!(calm, expected, "in peace");
    assert_eq!(shaken, expected, "when workers are killed");
    Ok(())
}
