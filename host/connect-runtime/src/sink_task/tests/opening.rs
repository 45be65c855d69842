//! Partitions whose opening is waited for: the group, and all of its other tasks, go on meanwhile.

use std::sync::Arc;
use std::time::Instant;

use connect_api::Offset;

use super::kafka::Call;
use super::{Bench, Duration, LONG, MILLISECOND, Rebalance, Setup, partition};
use crate::sink_task::consume::Ownership;

fn start(numbers: &[i32]) -> Bench {
    let mut setup = Setup::default();
    setup.timing.answer_group_after = 3 * MILLISECOND;
    let partitions: Vec<_> = numbers.iter().copied().map(partition).collect();
    setup.start(&partitions)
}

/// The group asks for a change while the task waits for the sink.
fn order_after(bench: &Bench, wait: Duration, change: Rebalance) {
    let kafka = Arc::clone(&bench.kafka);
    std::thread::spawn(move || {
        std::thread::sleep(wait);
        kafka.lock().unwrap().rebalances.push_back(change);
    });
}

fn set_opens_hang(bench: &Bench, hang: bool) {
    bench.target.lock().unwrap().opens_hang = hang;
}

#[test]
fn a_target_that_does_not_open_keeps_no_partition_from_other_tasks() {
    let mut bench = start(&[0]);
    set_opens_hang(&bench, true);
    let revoked = Rebalance::Revoke(vec![partition(0)], Ownership::Kept);
    order_after(&bench, 20 * MILLISECOND, revoked);
    bench.until("it is given up", |b| {
        b.count(&Call::Unassign(partition(0))) == 1
    });
    assert_eq!(bench.count(&Call::AnswerAssignment), 1, "the group waits");
    assert_eq!(bench.count(&Call::Assign(partition(0), Offset(0))), 0);
    // It comes again once the target is there.
    set_opens_hang(&bench, false);
    bench.order(Rebalance::Assign(vec![partition(0)]));
    bench.produce(0, &["a"]);
    bench.until("the row", |b| b.rows(0) == ["a"]);
}

#[test]
fn what_is_opened_again_is_given_up_too() {
    let mut bench = start(&[0, 1]);
    bench.produce(0, &["a"]);
    bench.produce(1, &["b"]);
    bench.until("the rows", |b| b.rows(0) == ["a"] && b.rows(1) == ["b"]);
    set_opens_hang(&bench, true);
    bench.target.lock().unwrap().fence_puts = 1;
    bench.produce(1, &["c"]);
    let revoked = Rebalance::Revoke(vec![partition(0)], Ownership::Kept);
    order_after(&bench, 40 * MILLISECOND, revoked);
    // The other is opened once one is given up.
    let (kafka, target) = (Arc::clone(&bench.kafka), Arc::clone(&bench.target));
    let opens = std::thread::spawn(move || {
        let since = Instant::now();
        let given_up = Call::Unassign(partition(0));
        while kafka.lock().unwrap().count(&given_up) == 0 && since.elapsed() < LONG / 10 {
            std::thread::sleep(MILLISECOND);
        }
        target.lock().unwrap().opens_hang = false;
        kafka.lock().unwrap().count(&given_up)
    });
    bench.until("the rest", |b| b.rows(1) == ["b", "c"]);
    assert_eq!(opens.join().unwrap(), 1);
    assert_eq!(bench.rows(0), ["a"]);
}

#[test]
fn batches_in_front_of_an_opening_that_is_given_up_are_read_again() {
    let mut bench = start(&[0]);
    bench.close_gate();
    bench.produce(0, &["a"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.produce(0, &["b"]);
    bench.turn().unwrap();
    bench.order(Rebalance::Assign(vec![partition(1)]));
    let revoked = Rebalance::Revoke(vec![partition(1)], Ownership::Kept);
    order_after(&bench, 10 * MILLISECOND, revoked);
    bench.open_gate_after(30 * MILLISECOND);
    bench.until("both rows", |b| b.rows(0).len() > 1);
    assert_eq!(bench.rows(0), ["a", "b"], "each once");
    assert_eq!(bench.count(&Call::Unassign(partition(1))), 1);
}

#[test]
fn a_change_that_brings_nothing_is_answered() {
    let mut bench = start(&[]);
    bench.order(Rebalance::Assign(Vec::new()));
    bench.turn().unwrap();
    assert!(bench.count(&Call::AnswerAssignment) > 0);
}
