//! Whom to believe: the target, the group, or neither.

use connect_api::{ErrorKind, TopicPartition};

use super::*;

const HERE: &str = "74/5";

fn target(lost_offsets: LostOffsets) -> Target {
    Target {
        name: HERE.to_owned(),
        history: Some(TargetHistory {
            timeline: 2,
            position: 300,
            begins_at: Some(100),
        }),
        lost_offsets,
    }
}

fn opened(stored: Option<i64>) -> OpenedPartition {
    OpenedPartition {
        next_offset: stored.map(Offset),
        ..OpenedPartition::unknown(TopicPartition::new("t", 0))
    }
}

fn committed(offset: i64, mark: Option<&str>) -> GroupOffset {
    GroupOffset {
        offset: Offset(offset),
        mark: mark.map(|mark| CommitMark::read(mark).unwrap()),
    }
}

fn start(
    stored: Option<i64>,
    group: Option<(i64, Option<&str>)>,
    lost_offsets: LostOffsets,
) -> Result<Start> {
    let (opened, target) = (opened(stored), target(lost_offsets));
    let group = group.map(|(offset, mark)| committed(offset, mark));
    let known = Known {
        opened: &opened,
        group: group.as_ref(),
        target: Some(&target),
    };
    known.start()
}

#[test]
fn the_target_decides_and_the_group_where_the_target_never_had_an_offset() {
    let marked = Some("ferrule/1 target=74/5 start=0 since=1/50");
    for (stored, group, expect) in [
        (Some(4), Some((9, marked)), Start::Stored(Offset(4))),
        (Some(9), Some((4, None)), Start::Stored(Offset(9))),
        (Some(9), None, Start::Stored(Offset(9))),
        (None, None, Start::Reset),
        // Kafka Connect's, or a person's.
        (None, Some((9, None)), Start::At(Offset(9))),
        // Of the connector while Kafka alone kept its offsets.
        (None, Some((9, Some("ferrule/1"))), Start::At(Offset(9))),
    ] {
        assert_eq!(start(stored, group, LostOffsets::Fail).unwrap(), expect);
    }
}

#[test]
fn an_offset_that_the_target_has_lost_fails_or_goes_where_the_option_says() {
    let lost = Some((600, Some("ferrule/1 target=74/5 start=7 since=1/50")));
    let others = Some((600, Some("ferrule/1 target=9/9 start=7 since=1/150")));
    let nowhere = Some((600, Some("ferrule/1 target=74/5")));
    for group in [lost, others, nowhere] {
        let error = start(None, group, LostOffsets::Fail).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Fatal);
        let text = error.to_string();
        assert!(
            text.contains("offset 600 of t-0") && text.contains("no offset"),
            "{text}"
        );
        assert!(text.contains(LostOffsets::KEY), "{text}");
        let told = group != nowhere;
        assert_eq!(text.contains("start (7)"), told, "{text}");
        let at = |rule| start(None, group, rule).unwrap();
        assert_eq!(at(LostOffsets::Group), Start::At(Offset(600)));
        assert_eq!(at(LostOffsets::Earliest), Start::Earliest);
        let expect = if told {
            Start::At(Offset(7))
        } else {
            Start::Earliest
        };
        assert_eq!(at(LostOffsets::Start), expect);
    }
}

#[test]
fn what_a_branch_of_the_history_has_lost_is_written_again_from_where_it_began() {
    let at = |since: &str| {
        let mark = format!("ferrule/1 target=74/5 start=7 since={since}");
        start(None, Some((600, Some(&mark))), LostOffsets::Fail)
    };
    assert_eq!(at("1/150").unwrap(), Start::At(Offset(7)));
    // The row was there when the history branched off, or it is of this branch: someone has
    // deleted it, and the rows of the records may still be there.
    for since in ["1/99", "2/150", "3/150", "x", "1/x", ""] {
        assert!(at(since).is_err(), "{since}");
    }
}

#[test]
fn a_mark_says_for_which_target_and_from_where() {
    let mark = |stored, group: Option<&str>, keeps: bool| {
        let (opened, target) = (opened(stored), target(LostOffsets::Fail));
        let group = group.map(|mark| committed(600, Some(mark)));
        let known = Known {
            opened: &opened,
            group: group.as_ref(),
            target: keeps.then_some(&target),
        };
        known.mark(Offset(3)).to_string()
    };
    let new = "ferrule/1 since=2/300 start=3 target=74/5";
    assert_eq!(mark(None, None, true), new);
    assert_eq!(
        mark(None, Some("ferrule/1 since=1/5 start=9 target=74/5"), true),
        new
    );
    let old = "ferrule/1 deaths=2 since=1/5 start=9 target=74/5";
    assert_eq!(mark(Some(5), Some(old), true), old);
    // Of the other database it says nothing here.
    let other = "ferrule/1 deaths=2 since=1/5 start=9 target=9/9";
    assert_eq!(
        mark(Some(5), Some(other), true),
        "ferrule/1 deaths=2 target=74/5"
    );
    assert_eq!(mark(None, Some(old), false), "ferrule/1 deaths=2");
    assert_eq!(mark(None, None, false), "ferrule/1");
}

/// What is told of a group's offset that was moved, and of a target that has lost something.
fn told(stored: Option<i64>, group: &GroupOffset) -> (Option<String>, Option<String>) {
    let (opened, target) = (opened(stored), target(LostOffsets::Fail));
    let known = Known {
        opened: &opened,
        group: Some(group),
        target: Some(&target),
    };
    (known.moved(), known.difference())
}

#[test]
fn an_offset_that_someone_else_has_set_is_followed_and_told() {
    let moved = |stored, group| told(stored, &group).0;
    let back = moved(Some(500), committed(300, None)).unwrap();
    assert!(
        back.ends_with("from 300, records from 300 to 499 are written again"),
        "{back}"
    );
    let ahead = moved(Some(300), committed(500, None)).unwrap();
    assert!(
        ahead.ends_with("from 500, records from 300 to 499 are left to whoever set it"),
        "{ahead}"
    );
    for (stored, group) in [
        (Some(500), committed(500, None)),
        (None, committed(500, None)),
        (Some(300), committed(500, Some("ferrule/1"))),
        (Some(300), committed(500, Some("ferrule/1 target=74/5"))),
        (Some(500), committed(300, Some("ferrule/1 target=9/9"))),
    ] {
        assert_eq!(moved(stored, group), None);
    }
    // Of a sink that keeps no offsets in its target the group's are the only ones.
    let group = committed(300, None);
    let known = Known {
        opened: &opened(Some(500)),
        group: Some(&group),
        target: None,
    };
    assert!(!known.is_unmarked() && known.moved().is_none());
}

#[test]
fn the_user_hears_of_a_target_that_has_lost_something() {
    let difference = |stored, group| told(stored, &group).1;
    let marked = Some("ferrule/1 target=74/5");
    let text = difference(Some(300), committed(500, marked)).unwrap();
    assert!(text.contains("has lost"), "{text}");
    // The group lags.
    assert_eq!(difference(Some(500), committed(300, marked)), None);
    assert_eq!(difference(None, committed(500, None)), None);
}
