//! A stateful system whose worker is killed in the midst of windows: the same rows as in peace.

use anyhow::{Result, ensure};
use harness::dice::Dice;
use harness::record::Record;

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
        // Frames wait by record time alone: by the clock, a pause of the test would be one of
        // theirs.
        settings: &[
            ("transforms.anomalies.tick.interval.ms", "0"),
            ("transforms.anomalies.cooldown.ms", "300"),
        ],
    };
    let mut twice = Twice::deploy(system, "fleet_killed", 1).await?;
    let mut index = [0; 9];
    let portions = (0..5).map(|_| drive(&mut dice, 1_500, &mut index));
    let portions = portions.collect();
    twice.shake(&mut dice, portions).await?;
    let (calm, shaken) = twice
        .rows("SELECT * FROM anomalies ORDER BY anomaly_id")
        .await?;
    ensure!(calm.len() > 50, "only {} anomalies", calm.len());
    assert_eq!(shaken, calm);
    Ok(())
}
