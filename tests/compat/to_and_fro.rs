//! A JDBC sink that goes from Kafka Connect to Ferrule, back, and to Ferrule again: one cluster of
//! Kafka, one `group.id`, the same topics and the same config. Its table has no key, so that each
//! record that is lost or doubled shows.
//!
//! Where all workers are stopped in order, and where Ferrule is killed and started again, each
//! record is there once. Where a worker is killed and the other kind comes next, it is not: Kafka
//! Connect knows the group's offsets alone, which are behind the rows then.

mod stand;

use anyhow::{Result, ensure};
use harness::dice::Dice;
use harness::kafka_connect::KafkaConnect;
use harness::worker::TestWorker;

use stand::{Moved, Offsets, Stand, Times, again, ensure_same};

/// How a leg on Ferrule goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leg {
    /// It is started, writes, and is stopped in order.
    InOrder,
    /// It is killed while it writes, again and again, and at last stopped in order.
    Killed,
}

/// Takes the connector through a leg on Kafka Connect, which is stopped in order: it commits what
/// it has written.
async fn leg_on_kafka_connect(stand: &Stand, partitions: &[i32]) -> Result<()> {
    let worker = stand.kafka_connect().await?;
    stand.produce(partitions, 50).await?;
    stand.arrived(worker.rest(), &stand.once().await).await?;
    end(worker).await?;
    stand.ensure_all_committed(false).await
}

/// Makes the connector on Kafka Connect, and takes it through a leg there.
async fn first_leg(stand: &Stand) -> Result<()> {
    let worker = stand.kafka_connect().await?;
    stand.create(worker.rest()).await?;
    stand.produce(&[0, 1], 50).await?;
    stand.arrived(worker.rest(), &stand.once().await).await?;
    end(worker).await?;
    stand.ensure_all_committed(false).await
}

async fn end(worker: KafkaConnect) -> Result<()> {
    // A JVM that a signal ends says so, whatever it did in its shutdown hooks.
    let ended = worker.stop().await?;
    ensure!(
        ended.code() == Some(143) || ended.success(),
        "Kafka Connect ended with {ended}"
    );
    Ok(())
}

async fn end_in_order(worker: &mut TestWorker) -> Result<()> {
    let ended = worker.stop().await?;
    ensure!(ended.success(), "the worker ended with {ended}");
    Ok(())
}

/// Takes the connector through a leg on Ferrule.
async fn leg_on_ferrule(stand: &Stand, leg: Leg, dice: &mut Dice) -> Result<TestWorker> {
    let mut worker = stand.ferrule().await?;
    stand.produce(&[0, 1], 50).await?;
    if leg == Leg::Killed {
        for _ in 0..3 {
            let pause = dice.time(400);
            let writing = async {
                stand.progress().await?;
                tokio::time::sleep(pause).await;
                worker.kill()?;
                worker.start_again().await
            };
            stand.meanwhile(writing).await?;
        }
    }
    stand.arrived(worker.rest(), &stand.once().await).await?;
    Ok(worker)
}

/// Kafka Connect, Ferrule, Kafka Connect, Ferrule.
async fn four_legs(stem: &str, leg: Leg) -> Result<()> {
    let (stand, mut dice) = (Stand::new(stem).await?, Dice::new(stem));
    first_leg(&stand).await?;
    stand.ensure_once().await?;

    let mut second = leg_on_ferrule(&stand, leg, &mut dice).await?;
    stand.ensure_nothing_moved(&second)?;
    end_in_order(&mut second).await?;
    stand.ensure_once().await?;
    // The group has all of it, also where a killed worker had not committed: Kafka Connect knows
    // nothing else.
    stand.ensure_all_committed(true).await?;
    let left = stand.stored().await?;

    // Where Ferrule was not killed, the last partition gets its first records here.
    leg_on_kafka_connect(&stand, &[0, 1, 2]).await?;
    stand.ensure_once().await?;
    ensure!(stand.stored().await? == left, "Kafka Connect has no table");
    let moved = moved(&offsets(&stand).await?, &left);
    ensure!(moved.len() == 3, "{moved:?}");

    let mut fourth = leg_on_ferrule(&stand, leg, &mut dice).await?;
    stand.ensure_once().await?;
    stand.ensure_logged(&fourth, &moved)?;
    if leg == Leg::InOrder {
        stand.ensure_shown(&fourth, &moved).await?;
    }
    end_in_order(&mut fourth).await?;
    stand.ensure_all_committed(true).await?;
    stand.ensure_once().await
}

/// The group's offsets.
async fn offsets(stand: &Stand) -> Result<Offsets> {
    let group = stand.group().await?.into_iter();
    Ok(group.map(|(partition, (at, _))| (partition, at)).collect())
}

/// Where the group is elsewhere than the target.
fn moved(group: &Offsets, target: &Offsets) -> Vec<Moved> {
    let all = group.iter().map(|(partition, group)| Moved {
        partition: *partition,
        group: *group,
        target: target.get(partition).copied().unwrap_or_default(),
    });
    all.filter(|one| one.group != one.target).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_there_once_where_workers_are_stopped_in_order() -> Result<()> {
    four_legs("stopped_legs", Leg::InOrder).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_there_once_where_ferrule_is_killed_and_started_again() -> Result<()> {
    four_legs("killed_legs", Leg::Killed).await
}

/// Ferrule is killed and Kafka Connect comes next; Kafka Connect is killed and Ferrule comes next.
/// What comes twice is what the killed worker had written and not committed, and none is missing.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_not_committed_comes_again_at_the_other() -> Result<()> {
    let stand = Stand::new("killed_between").await?;
    first_leg(&stand).await?;

    let mut ferrule = stand.ferrule().await?;
    let writing = async {
        stand.target_is_ahead().await?;
        ferrule.kill()
    };
    stand.meanwhile(writing).await?;
    stand.ensure_member_is_told().await?;
    let group = offsets(&stand).await?;

    let kafka_connect = stand.kafka_connect().await?;
    // What Ferrule had sent when it was killed has been committed by now, or never will be.
    let stored = stand.stored().await?;
    stand.produce(&[0, 1, 2], 50).await?;
    let mut wanted = stand.once().await;
    again(&mut wanted, &group, &stored);
    stand.arrived(kafka_connect.rest(), &wanted).await?;
    end(kafka_connect).await?;
    ensure_same(&wanted, &stand.times().await?)?;
    let moved = moved(&offsets(&stand).await?, &stored);
    ensure!(moved.len() == 3, "{moved:?}");

    let mut ferrule = stand.ferrule().await?;
    stand.produce(&[0, 1, 2], 50).await?;
    add_new(&mut wanted, &stand).await;
    stand.arrived(ferrule.rest(), &wanted).await?;
    stand.ensure_logged(&ferrule, &moved)?;
    stand.ensure_shown(&ferrule, &moved).await?;
    end_in_order(&mut ferrule).await?;
    ensure_same(&wanted, &stand.times().await?)?;
    let stored = stand.stored().await?;

    let kafka_connect = stand.kafka_connect().await?;
    stand.produce(&[0, 1, 2], 50).await?;
    add_new(&mut wanted, &stand).await;
    stand.arrived(kafka_connect.rest(), &wanted).await?;
    kafka_connect.kill()?;
    // What it has committed meanwhile is followed; what it has not, Ferrule cannot know of.
    let starts = stand.group().await?.into_iter();
    let starts = starts.map(|(partition, (at, is_marked))| match is_marked {
        true => (
            partition,
            stored.get(&partition).copied().unwrap_or_default(),
        ),
        false => (partition, at),
    });
    again(&mut wanted, &starts.collect(), &stand.produced().await);

    let mut ferrule = stand.ferrule().await?;
    stand.produce(&[0, 1, 2], 50).await?;
    add_new(&mut wanted, &stand).await;
    stand.arrived(ferrule.rest(), &wanted).await?;
    end_in_order(&mut ferrule).await?;
    let again = wanted.values().filter(|times| **times > 1).count();
    println!("{again} of {} records came again", wanted.len());
    ensure_same(&wanted, &stand.times().await?)
}

/// Counts records that are new.
async fn add_new(times: &mut Times, stand: &Stand) {
    for (at, once) in stand.once().await {
        times.entry(at).or_insert(once);
    }
}
