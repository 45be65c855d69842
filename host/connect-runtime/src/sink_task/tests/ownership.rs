//! Partitions that come and go: rebalances, also while the sink writes, and fences.

use std::time::Instant;

use connect_api::Offset;

use super::kafka::Call;
use super::{LONG, MILLISECOND, Rebalance, Setup, partition};
use crate::sink_task::consume::Ownership;

#[test]
fn a_revoked_partition_is_drained_and_committed() {
    let setup = Setup {
        commit_interval: LONG,
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.close_gate();
    bench.produce(0, &["a", "b"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Kept));
    bench.open_gate_after(3 * MILLISECOND);
    bench.turn().unwrap();
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.committed(0), Some(Offset(2)));
    assert_eq!(bench.count(&Call::Unassign(partition(0))), 1);
}

#[test]
fn batches_of_a_revoked_partition_that_wait_are_dropped() {
    let mut bench = Setup::default().start(&[partition(0), partition(1)]);
    bench.close_gate();
    bench.produce(0, &["a"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.produce(0, &["b"]);
    bench.produce(1, &["c"]);
    bench.turn().unwrap();
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Kept));
    bench.open_gate_after(3 * MILLISECOND);
    bench.until("the other partition", |b| b.rows(1) == ["c"]);
    assert_eq!(bench.rows(0), ["a"], "b is the next owner's");
    assert_eq!(bench.committed(0), Some(Offset(1)));
}

#[test]
fn a_put_that_outlasts_a_revocation_is_abandoned() {
    let mut setup = Setup::default();
    setup.timing.revoke_drain_timeout = 4 * MILLISECOND;
    let mut bench = setup.start(&[partition(0), partition(1)]);
    bench.close_gate();
    bench.produce(0, &["a"]);
    bench.produce(1, &["b"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Kept));
    // The partition that is left is opened again, which the sink does after its put.
    bench.open_gate_after(20 * MILLISECOND);
    bench.produce(1, &["c"]);
    bench.until("the other partition", |b| b.rows(1).len() > 1);
    assert_eq!(bench.rows(1), ["b", "c"], "each once");
    assert_eq!(
        bench.target.lock().unwrap().opened.last(),
        Some(&vec![partition(1)])
    );
    assert_eq!(
        bench.committed(0),
        Some(Offset(0)),
        "how far it came is for the next owner to say"
    );
}

#[test]
fn a_lost_partition_is_given_up_at_once_and_not_committed() {
    let setup = Setup {
        commit_interval: LONG,
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.produce(0, &["a"]);
    bench.until("rows", |b| b.rows(0) == ["a"]);
    bench.close_gate();
    bench.produce(0, &["b"]);
    bench.until("a put", |b| b.puts() == 2);
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Lost));
    let start = Instant::now();
    bench.turn().unwrap();
    assert!(start.elapsed() < LONG, "it does not drain");
    assert_eq!(bench.count(&Call::Unassign(partition(0))), 1);
    bench.open_gate();
    bench.stop().unwrap();
    assert_eq!(bench.committed(0), Some(Offset(0)), "the start alone");
}

#[test]
fn a_partition_that_comes_back_goes_on_where_the_sink_says() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.produce(0, &["a", "b"]);
    bench.until("rows", |b| b.rows(0).len() == 2);
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Kept));
    bench.until("revocation", |b| {
        b.count(&Call::Unassign(partition(0))) == 1
    });
    bench
        .target
        .lock()
        .unwrap()
        .stored
        .insert(partition(0), Offset(3));
    bench.produce(0, &["another task's", "c"]);
    bench.order(Rebalance::Assign(vec![partition(0)]));
    bench.until("rows", |b| b.rows(0).len() == 3);
    assert_eq!(bench.rows(0), ["a", "b", "c"]);
    assert_eq!(bench.count(&Call::Assign(partition(0), Offset(3))), 1);
}

#[test]
fn a_fenced_task_pauses_and_reads_again_from_the_stored_offset() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.produce(0, &["a"]);
    bench.until("rows", |b| b.rows(0) == ["a"]);
    let mut target = bench.target.lock().unwrap();
    target.fence_puts = 1;
    drop(target);
    bench.produce(0, &["b", "c"]);
    bench.until("rows", |b| b.rows(0).len() == 3);
    assert_eq!(bench.rows(0), ["a", "b", "c"]);
    assert_eq!(bench.count(&Call::Pause), 1);
    assert_eq!(bench.count(&Call::Seek(partition(0), Offset(1))), 1);
    assert_eq!(bench.target.lock().unwrap().opened.len(), 2);
}

#[test]
fn batches_that_were_read_ahead_of_a_fence_are_not_written() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.close_gate();
    bench.target.lock().unwrap().fence_puts = 1;
    bench.produce(0, &["a"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.produce(0, &["b"]);
    bench.turn().unwrap();
    // The target has lost what came before, or another task has written it.
    bench
        .target
        .lock()
        .unwrap()
        .stored
        .insert(partition(0), Offset(1));
    bench.open_gate();
    bench.until("rows", |b| !b.rows(0).is_empty());
    assert_eq!(bench.rows(0), ["b"]);
    assert_eq!(bench.count(&Call::Seek(partition(0), Offset(1))), 1);
}

#[test]
fn a_fenced_task_whose_partition_is_revoked_opens_nothing() {
    let mut setup = Setup::default();
    setup.timing.rewind_pause = 20 * MILLISECOND;
    let mut bench = setup.start(&[partition(0)]);
    bench.target.lock().unwrap().fence_puts = 1;
    bench.produce(0, &["a"]);
    bench.until("the pause", |b| b.count(&Call::Pause) == 1);
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Kept));
    bench.until("the end of the pause", |b| b.count(&Call::Resume) == 1);
    assert_eq!(bench.target.lock().unwrap().opened.len(), 1);
    assert_eq!(bench.rows(0), [""; 0]);
}
