//! A worker that dies with a batch in hand, again and again.

use connect_kafka::CommitMark;

use super::*;
use crate::sink_task::consume::Ownership;
use crate::sink_task_loop::attempts::MOST_ATTEMPTS;
use crate::task_control::Awaited;

const BOTH: [i32; 2] = [0, 1];

/// The attempts that the group knows of at its offset of a partition.
fn attempts(bench: &Bench, number: i32) -> Option<String> {
    let kafka = bench.kafka.lock().unwrap();
    let mark = kafka.committed_marks.get(&partition(number))?;
    mark.get(CommitMark::ATTEMPTS).map(str::to_owned)
}

fn start() -> Bench {
    Setup::default().start(&BOTH.map(partition))
}

/// The worker dies, and another one takes its place: the task ends where it stands.
fn die(dead: Bench) -> Bench {
    let next = start();
    {
        let (old, mut new) = (dead.kafka.lock().unwrap(), next.kafka.lock().unwrap());
        new.logs.clone_from(&old.logs);
        new.committed.clone_from(&old.committed);
        new.committed_marks.clone_from(&old.committed_marks);
        let (old, mut new) = (dead.target.lock().unwrap(), next.target.lock().unwrap());
        new.stored.clone_from(&old.stored);
        new.rows.clone_from(&old.rows);
    }
    next
}

/// A task whose worker has died so often with records of partition 0 in hand.
fn after_deaths(deaths: u32) -> Bench {
    let mut bench = start();
    bench.produce(0, &["kills"]);
    for death in 0..deaths {
        bench.close_gate();
        bench.until("a put", |b| b.puts() == 1);
        assert_eq!(attempts(&bench, 0), Some((death + 1).to_string()));
        bench = die(bench);
    }
    bench
}

fn note(bench: &mut Bench) -> Option<String> {
    let states = bench.states().into_iter();
    let mut notes = states.filter_map(|state| match state {
        TaskState::Waiting(note) => Some(note),
        _ => None,
    });
    notes.next_back().flatten()
}

#[test]
fn a_partition_over_which_workers_die_is_held_and_the_rest_runs() {
    let mut bench = after_deaths(MOST_ATTEMPTS);
    bench.produce(1, &["good"]);
    bench.until("the other's row", |b| b.rows(1) == ["good"]);
    assert!(bench.rows(0).is_empty());
    let note = note(&mut bench).unwrap();
    assert!(
        note.contains("t-0 at offset 0") && !note.contains("t-1"),
        "{note}"
    );
    // It is held by the next worker too, though this one died of something else.
    bench.until("a commit", |b| b.committed(1) == Some(Offset(1)));
    let mut bench = die(bench);
    bench.produce(1, &["better"]);
    bench.until("the next row", |b| b.rows(1) == ["good", "better"]);
    assert!(bench.rows(0).is_empty());
}

/// Whoever has a held partition next holds it too, though it was given up in order.
#[test]
fn a_held_partition_that_goes_to_another_task_or_worker_stays_held() {
    let opened = |b: &Bench| b.target.lock().unwrap().opened.len() == 1;
    let held = Some(MOST_ATTEMPTS.to_string());
    let mut bench = after_deaths(MOST_ATTEMPTS);
    bench.until("it is opened", opened);
    bench.order(Rebalance::Revoke(vec![partition(0)], Ownership::Kept));
    bench.produce(1, &["good"]);
    bench.until("the other's row", |b| b.rows(1) == ["good"]);
    assert_eq!(attempts(&bench, 0), held);
    let mut bench = die(bench);
    bench.until("it is opened", opened);
    bench.stop().unwrap();
    assert_eq!(attempts(&bench, 0), held);
    let mut bench = die(bench);
    bench.produce(1, &["better"]);
    bench.until("the next row", |b| b.rows(1) == ["good", "better"]);
    assert!(bench.rows(0).is_empty());
}

#[test]
fn fewer_deaths_hold_nothing_and_progress_forgets_them() {
    let mut bench = after_deaths(MOST_ATTEMPTS - 1);
    bench.until("the row", |b| b.rows(0) == ["kills"]);
    bench.until("a commit", |b| b.committed(0) == Some(Offset(1)));
    assert_eq!(attempts(&bench, 0), None);
    // The next batch has a count of its own.
    bench.produce(0, &["next"]);
    bench.until("the next row", |b| b.rows(0) == ["kills", "next"]);
    assert_eq!(attempts(&bench, 0), None);
}

#[test]
fn a_task_that_ends_in_order_is_no_death() {
    let mut bench = after_deaths(MOST_ATTEMPTS - 1);
    bench.close_gate();
    bench.until("a put", |b| b.puts() == 1);
    bench.control.abandon();
    // The sink's thread ends once its put does.
    bench.open_gate_after(20 * MILLISECOND);
    bench.stop().unwrap();
    assert_eq!(attempts(&bench, 0), None);
}

/// The task that is restarted and the one that has the partition next may be two.
#[test]
fn a_held_partition_is_tried_again_by_whoever_opens_it_after_a_restart_was_asked_for() {
    let bench = after_deaths(MOST_ATTEMPTS);
    let mut bench = die(bench);
    bench
        .control
        .retry_held(Instant::now() + Duration::from_secs(60));
    bench.close_gate();
    bench.until("a put", |b| b.puts() == 1);
    // It counts from the beginning.
    assert_eq!(attempts(&bench, 0).as_deref(), Some("1"));
    let mut bench = die(bench);
    bench.until("the row", |b| b.rows(0) == ["kills"]);
}

#[test]
fn a_restart_is_asked_for_only_for_a_while() {
    let bench = after_deaths(MOST_ATTEMPTS);
    let mut bench = die(bench);
    bench.control.retry_held(Instant::now());
    bench.produce(1, &["good"]);
    bench.until("the other's row", |b| b.rows(1) == ["good"]);
    assert!(bench.rows(0).is_empty());
}

#[test]
fn a_task_that_waits_is_not_killed_by_what_it_has_in_hand() {
    let mut bench = start();
    bench.produce(0, &["waits"]);
    bench.close_gate();
    bench.until("an attempt", |b| attempts(b, 0).is_some());
    let error = Error::retriable("the target is away");
    let task = bench.task.as_ref().unwrap();
    let reports = &task.state.parts.reports;
    reports.waiting(Awaited::Target, error.chain());
    bench.until("no attempt", |b| attempts(b, 0).is_none());
    // Its death is none of the batch's: the next one begins to count.
    let mut bench = die(bench);
    bench.close_gate();
    bench.until("an attempt", |b| attempts(b, 0).is_some());
    assert_eq!(attempts(&bench, 0).as_deref(), Some("1"));
}

#[test]
fn a_quiet_partition_is_not_in_hand() {
    let mut bench = start();
    bench.produce(1, &["row"]);
    bench.until("a row", |b| b.rows(1) == ["row"]);
    bench.until("a commit", |b| b.committed(1) == Some(Offset(1)));
    assert_eq!(attempts(&bench, 0), None);
}
