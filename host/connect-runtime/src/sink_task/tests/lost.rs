//! The target has lost offsets: while nothing is put, and before the task began.

use connect_api::{ErrorKind, LostOffsets, Offset};
use connect_kafka::CommitMark;

use super::{Bench, LONG, Setup, partition};
use crate::task_control::TaskState;

const NAME: &str = "cluster/database";

/// A task whose target has this name and has written two records.
fn written() -> Bench {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.target.lock().unwrap().name = Some(NAME);
    bench.produce(0, &["a", "b"]);
    bench.until("rows", |b| b.rows(0) == ["a", "b"]);
    bench.until("a commit", |b| b.committed(0) == Some(Offset(2)));
    bench
}

/// The target is as it was when it had so many records.
fn restore(bench: &Bench, records: usize) {
    let mut target = bench.target.lock().unwrap();
    target
        .rows
        .entry(partition(0))
        .or_default()
        .truncate(records);
    let at = Offset(i64::try_from(records).unwrap());
    target.restored = Some([(partition(0), at)].into());
}

fn mark(bench: &Bench) -> String {
    let kafka = bench.kafka.lock().unwrap();
    kafka.committed_marks[&partition(0)].to_string()
}

#[test]
fn what_a_quiet_target_has_lost_is_written_again() {
    let mut bench = written();
    restore(&bench, 1);
    // No record comes: the comparison alone finds it.
    bench.until("the row again", |b| b.rows(0) == ["a", "b"]);
    bench.until("a commit", |b| b.committed(0) == Some(Offset(2)));
    bench.produce(0, &["c"]);
    bench.until("the next row", |b| b.rows(0) == ["a", "b", "c"]);
}

#[test]
fn a_target_that_kept_everything_is_left_alone() {
    let mut bench = written();
    let opened = bench.target.lock().unwrap().opened.len();
    bench.until("comparisons", |b| b.target.lock().unwrap().comparisons > 3);
    assert_eq!(bench.target.lock().unwrap().opened.len(), opened);
    assert_eq!(bench.rows(0), ["a", "b"]);
}

#[test]
fn a_comparison_that_hangs_delays_no_stop() {
    let mut setup = Setup::default();
    setup.timing.revoke_drain_timeout = LONG;
    let mut bench = setup.start(&[partition(0)]);
    bench.target.lock().unwrap().verify_hangs = true;
    bench.until("a comparison", |b| {
        b.target.lock().unwrap().comparisons == 1
    });
    bench.stop().unwrap();
}

#[test]
fn the_group_is_told_of_the_first_offset_with_the_mark_of_the_target() {
    let mut bench = Setup::default().start(&[partition(0)]);
    bench.target.lock().unwrap().name = Some(NAME);
    bench
        .kafka
        .lock()
        .unwrap()
        .committed
        .insert(partition(0), Offset(1));
    bench.produce(0, &["theirs"]);
    bench.until("a commit", |b| {
        b.kafka
            .lock()
            .unwrap()
            .committed_marks
            .contains_key(&partition(0))
    });
    assert_eq!(bench.committed(0), Some(Offset(1)));
    assert_eq!(mark(&bench), format!("ferrule/1 start=1 target={NAME}"));
    bench.produce(0, &["ours"]);
    bench.until("the row", |b| b.rows(0) == ["ours"]);
}

/// A task that finds in the group what a former one has committed for a target.
fn after_loss(lost_offsets: LostOffsets) -> Bench {
    let bench = Setup::default().start(&[partition(0)]);
    bench.produce(0, &["a", "b", "c", "d"]);
    {
        let mut target = bench.target.lock().unwrap();
        target.name = Some(NAME);
        target.lost_offsets = lost_offsets;
    }
    let mut kafka = bench.kafka.lock().unwrap();
    kafka.committed.insert(partition(0), Offset(3));
    let mark = CommitMark::default().with(CommitMark::TARGET, NAME);
    let mark = mark.with(CommitMark::START, 1);
    kafka.committed_marks.insert(partition(0), mark);
    drop(kafka);
    bench
}

#[test]
fn a_marked_offset_that_the_target_does_not_have_fails_the_task() {
    let mut bench = after_loss(LostOffsets::Fail);
    let error = bench.failure();
    assert_eq!(error.kind(), ErrorKind::Fatal);
    assert!(
        error.to_string().contains("the group has offset 3 of t-0"),
        "{error}"
    );
    assert_eq!(bench.stored(0), None);
    assert_eq!(bench.committed(0), Some(Offset(3)));
}

#[test]
fn an_option_says_where_to_go_on_after_a_loss() {
    for (rule, expect) in [
        (LostOffsets::Earliest, &["a", "b", "c", "d"][..]),
        (LostOffsets::Start, &["b", "c", "d"]),
        (LostOffsets::Group, &["d"]),
    ] {
        let mut bench = after_loss(rule);
        bench.until("the rows", |b| b.rows(0) == expect);
        bench.until("a commit", |b| b.committed(0) == Some(Offset(4)));
    }
}

/// A task whose target has an offset, and whose group was set to another by someone else.
fn after_a_move(stored: i64, group: i64, refuse_commits: usize) -> Bench {
    let bench = Setup::default().start(&[partition(0)]);
    {
        let mut target = bench.target.lock().unwrap();
        target.name = Some(NAME);
        target.stored.insert(partition(0), Offset(stored));
    }
    {
        let mut kafka = bench.kafka.lock().unwrap();
        kafka.committed.insert(partition(0), Offset(group));
        kafka.refuse_commits = refuse_commits;
    }
    bench.produce(0, &["a", "b", "c", "d"]);
    bench
}

#[test]
fn an_offset_that_someone_else_has_set_is_followed_and_told_of() {
    for (stored, group, expect, becomes) in [
        (
            1,
            3,
            &["d"][..],
            "from 3, records from 1 to 2 are left to whoever",
        ),
        (
            3,
            1,
            &["b", "c", "d"],
            "from 1, records from 1 to 2 are written again",
        ),
    ] {
        let mut bench = after_a_move(stored, group, 0);
        bench.until("the rows", |b| b.rows(0) == expect);
        bench.until("a commit", |b| b.committed(0) == Some(Offset(4)));
        let told = |state: &TaskState| match state {
            TaskState::Waiting(Some(text)) => text.contains(becomes),
            _ => false,
        };
        assert!(bench.states().iter().any(told), "{becomes}");
    }
}

#[test]
fn nothing_is_read_before_the_group_is_marked() {
    let mut bench = after_a_move(3, 1, 1);
    bench.until("the rows", |b| b.rows(0) == ["b", "c", "d"]);
    let kafka = bench.kafka.lock().unwrap();
    assert_eq!(kafka.refuse_commits, 0);
    assert!(kafka.committed_marks.contains_key(&partition(0)));
}
