//! Turns of a task whose partitions stay its own: the way of a record, pauses, ticks, the end.

use std::time::Duration;

use connect_api::{Offset, Tolerance};

use super::kafka::{Call, MARKER};
use super::{LONG, MILLISECOND, PollLimits, Setup, TaskState, partition};
use crate::sink_task::consume::{Ownership, Rebalance};

#[test]
fn records_reach_the_sink_and_their_offsets_the_group() {
    let mut bench = Setup::default().start(&[partition(0), partition(1)]);
    bench.produce(0, &["a", "b"]);
    bench.produce(1, &["c"]);
    bench.until("commits", |b| {
        b.committed(0) == Some(Offset(2)) && b.committed(1) == Some(Offset(1))
    });
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.rows(1), ["c"]);
    assert_eq!(bench.count(&Call::Pause), 0);
}

#[test]
fn an_ordered_pause_reads_nothing_and_polls_on() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.until("assignment", |b| b.stored(0).is_some());
    bench.control.pause(true);
    bench.until("pause", |b| b.count(&Call::Pause) == 1);
    bench.produce(0, &["a"]);
    bench.until("polls", |b| b.count(&Call::PollPaused) > 5);
    assert_eq!(bench.rows(0), [""; 0]);
    bench.control.pause(false);
    bench.until("resumption", |b| b.rows(0) == ["a"]);
    assert_eq!(bench.count(&Call::Resume), 1);
    assert_eq!(bench.states(), [TaskState::Paused, TaskState::Running]);
}

#[test]
fn a_busy_sink_pauses_the_consumer_which_stays_in_its_group() {
    let mut setup = Setup::default();
    setup.timing.pause_consumer_after = 3 * MILLISECOND;
    setup.limits = PollLimits {
        records: 2,
        bytes: 1000,
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.close_gate();
    bench.produce(0, &["a", "b", "c", "d", "e", "f"]);
    bench.until("polls", |b| b.count(&Call::PollPaused) > 3);
    assert_eq!(bench.puts(), 1, "the next put waits for the first");
    assert_eq!(bench.rows(0), [""; 0]);
    bench.open_gate();
    bench.until("rows", |b| b.rows(0).len() == 6);
    assert_eq!(bench.rows(0), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(bench.count(&Call::Resume), 1);
    assert_eq!(bench.states(), [], "it runs all the time");
}

#[test]
fn a_record_that_fails_the_task_waits_for_those_in_front() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.produce(0, &["a", "b", "bad", "c"]);
    let error = bench.failure();
    assert!(
        error.chain().contains("t-0 at offset 2"),
        "{}",
        error.chain()
    );
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.stored(0), Some(Offset(2)));
    bench.stop().unwrap();
    assert_eq!(bench.committed(0), Some(Offset(2)));
}

#[test]
fn transforms_forget_what_they_saw_behind_a_record_that_fails_the_task() {
    let setup = Setup {
        counter: Some(None),
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    let resets = |b: &super::Bench| b.services.lock().unwrap().resets;
    bench.until("assignment", |b| b.stored(0).is_some());
    let before = resets(&bench);
    bench.services.lock().unwrap().transform_fails_on = vec!["c".to_owned()];
    bench.produce(0, &["a", "b", "c", "d", "e"]);
    let error = bench.failure();
    assert!(
        error.chain().contains("t-0 at offset 2"),
        "{}",
        error.chain()
    );
    assert_eq!(resets(&bench), before + 1);
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.stored(0), Some(Offset(2)));
    assert_eq!(
        bench.target.lock().unwrap().state_changes,
        [2],
        "of two records"
    );
}

#[test]
fn a_tolerated_record_is_passed_over() {
    let setup = Setup {
        tolerance: Tolerance::All,
        counter: Some(None),
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.services.lock().unwrap().transform_fails_on = vec!["b".to_owned()];
    bench.produce(0, &["bad", "a", "b", "c"]);
    bench.until("rows", |b| b.stored(0) == Some(Offset(4)));
    assert_eq!(bench.rows(0), ["a", "c"]);
}

#[test]
fn the_last_offsets_are_committed_once_the_group_takes_them() {
    let setup = Setup {
        commit_interval: LONG,
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.produce(0, &["a", "b"]);
    bench.until("rows", |b| b.rows(0).len() == 2);
    assert_eq!(bench.committed(0), Some(Offset(0)), "the start alone");
    bench.kafka.lock().unwrap().refuse_commits = 3;
    bench.stop().unwrap();
    assert_eq!(bench.committed(0), Some(Offset(2)));
}

#[test]
fn the_last_commit_is_given_up_in_time() {
    let mut setup = Setup {
        commit_interval: LONG,
        ..Setup::default()
    };
    setup.timing.final_commit_timeout = 5 * MILLISECOND;
    let mut bench = setup.start(&[partition(0)]);
    bench.produce(0, &["a"]);
    bench.until("rows", |b| b.rows(0).len() == 1);
    bench.kafka.lock().unwrap().refuse_commits = usize::MAX;
    bench.stop().unwrap();
    assert_eq!(bench.committed(0), Some(Offset(0)), "the start alone");
}

#[test]
fn a_stop_writes_what_is_in_hand() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.close_gate();
    bench.produce(0, &["a"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.produce(0, &["b"]);
    bench.turn().unwrap();
    bench.open_gate_after(3 * MILLISECOND);
    bench.stop().unwrap();
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.committed(0), Some(Offset(2)));
}

#[test]
fn an_abandoned_task_does_not_wait_for_its_sink() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.close_gate();
    bench.produce(0, &["a"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.produce(0, &["b"]);
    bench.turn().unwrap();
    bench.control.abandon();
    // The sink's thread ends once its put does, the loop before.
    bench.open_gate_after(20 * MILLISECOND);
    bench.stop().unwrap();
    assert_eq!(bench.puts(), 1, "b is left to the next owner");
    assert_eq!(bench.committed(0), Some(Offset(0)), "the start alone");
}

#[test]
fn quiet_partitions_are_ticked_and_move_no_offset() {
    let setup = Setup {
        counter: Some(Some(2 * MILLISECOND)),
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.produce(0, &["a"]);
    bench.until("ticks", |b| b.rows(0).len() > 3);
    assert_eq!(bench.rows(0)[0], "a");
    assert!(bench.rows(0)[1..].iter().all(|row| row == "tick"));
    assert_eq!(bench.stored(0), Some(Offset(1)));
}

#[test]
fn a_paused_partition_is_not_ticked() {
    let setup = Setup {
        counter: Some(Some(MILLISECOND)),
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.until("ticks", |b| b.rows(0).len() > 1);
    bench.control.pause(true);
    bench.until("pause", |b| b.count(&Call::PollPaused) > 2);
    let ticks = bench.rows(0).len();
    std::thread::sleep(Duration::from_millis(5));
    bench.until("polls", |b| b.count(&Call::PollPaused) > 6);
    assert_eq!(bench.rows(0).len(), ticks);
}

#[test]
fn what_waits_in_transforms_is_flushed_once_when_the_task_stops() {
    let setup = Setup {
        counter: Some(None),
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0), partition(1)]);
    bench.services.lock().unwrap().flushes_on_stop = true;
    bench.close_gate();
    bench.produce(0, &["a"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.produce(0, &["b"]);
    bench.turn().unwrap();
    bench.open_gate_after(3 * MILLISECOND);
    bench.stop().unwrap();
    assert_eq!(
        bench.rows(0),
        ["a", "b", "flush"],
        "behind all that was read"
    );
    assert_eq!(bench.rows(1), ["flush"]);
    assert_eq!(bench.stored(0), Some(Offset(2)));
    assert_eq!(bench.committed(0), Some(Offset(2)));
}

#[test]
fn a_partition_that_goes_and_a_task_that_fails_flush_nothing() {
    let setup = || Setup {
        counter: Some(None),
        ..Setup::default()
    };
    let mut bench = setup().start(&[partition(0)]);
    bench.services.lock().unwrap().flushes_on_stop = true;
    bench.produce(0, &["a"]);
    bench.until("a row", |b| b.rows(0) == ["a"]);
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Kept));
    bench.until("revocation", |b| {
        b.count(&Call::Unassign(partition(0))) == 1
    });
    bench.stop().unwrap();
    assert_eq!(bench.rows(0), ["a"]);

    let mut bench = setup().start(&[partition(0)]);
    bench.services.lock().unwrap().flushes_on_stop = true;
    bench.produce(0, &["a", "bad"]);
    bench.failure();
    assert_eq!(bench.rows(0), ["a"]);

    // The state of a transform that waits is ahead of what is durable.
    let mut bench = setup().start(&[partition(0)]);
    bench.services.lock().unwrap().flushes_on_stop = true;
    bench.services.lock().unwrap().transform_is_away = true;
    bench.services.lock().unwrap().transform_fails_on = vec!["b".to_owned()];
    bench.produce(0, &["b"]);
    bench.until("assignment", |b| b.stored(0).is_some());
    for _ in 0..5 {
        bench.turn().unwrap();
    }
    bench.stop().unwrap();
    assert_eq!(bench.rows(0), [""; 0]);
}

#[test]
fn offsets_move_past_the_marks_of_transactions() {
    let mut bench = Setup::default().start(&[partition(0), partition(1)]);
    bench.produce(0, &["a", "b", MARKER]);
    bench.until("the mark", |b| b.committed(0) == Some(Offset(3)));
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.stored(0), Some(Offset(3)));
    assert_eq!(bench.stored(1), Some(Offset(0)), "nothing is there to pass");
    bench.produce(0, &["c", MARKER, MARKER]);
    bench.until("two marks", |b| b.committed(0) == Some(Offset(6)));
    assert_eq!(bench.rows(0), ["a", "b", "c"]);
}

#[test]
fn no_mark_is_passed_in_front_of_what_is_not_durable() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.close_gate();
    bench.produce(0, &["a", MARKER]);
    bench.until("a put", |b| b.puts() == 1);
    for _ in 0..20 {
        bench.turn().unwrap();
        std::thread::sleep(MILLISECOND);
    }
    assert_eq!(bench.committed(0), Some(Offset(0)), "the start alone");
    bench.open_gate();
    bench.until("the mark", |b| b.committed(0) == Some(Offset(2)));
}
