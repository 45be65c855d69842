//! The commands that a native test survives.

use ferrule_plugin::testing::{reset, world};

use super::*;

fn apply(commands: &[&str]) -> Reply {
    let record = |(offset, command): (i64, &&str)| InRecord {
        offset,
        timestamp: None,
        key: Payload::Scalar(Value::Null),
        value: Payload::Scalar((**command).into()),
        headers: None,
    };
    TestGuest::apply(Batch {
        topic: "t".into(),
        partition: 0,
        shapes: vec![shape("in", &[("a", Kind::Any)])],
        records: (0..).zip(commands).map(record).collect(),
    })
}

fn value(outcome: &Outcome) -> &OutPayload {
    match outcome {
        Outcome::Replace(records) => records[0].value.as_ref().unwrap(),
        other => panic!("not a replacement: {other:?}"),
    }
}

#[test]
fn outcomes_follow_the_commands() {
    let reply = apply(&[
        "keep", "drop", "fail", "replace", "copies:3", "copies:x", "sing",
    ]);
    assert_eq!(reply.outcomes[..2], [Outcome::Keep, Outcome::Drop]);
    assert!(matches!(reply.outcomes[2], Outcome::Fail(_)));
    assert_eq!(
        value(&reply.outcomes[3]),
        &OutPayload::Scalar("replace".into())
    );
    assert!(matches!(&reply.outcomes[4], Outcome::Replace(records) if records.len() == 3));
    assert!(matches!(&reply.outcomes[5], Outcome::Fail(_)));
    assert!(matches!(&reply.outcomes[6], Outcome::Fail(_)));
}

#[test]
fn the_number_of_outcomes_can_be_wrong() {
    assert_eq!(
        apply(&["keep", "one-outcome-less", "keep"]).outcomes.len(),
        2
    );
    assert_eq!(apply(&["one-outcome-more"]).outcomes.len(), 2);
}

#[test]
fn the_count_goes_on_in_the_state() {
    reset();
    let reply = apply(&["count", "count"]);
    assert_eq!(reply.shapes.len(), 1);
    let last = OutPayload::Row(Row {
        shape: 1,
        values: vec![2i64.into()],
    });
    assert_eq!(value(&reply.outcomes[1]), &last);
    let third = OutPayload::Row(Row {
        shape: 1,
        values: vec![3i64.into()],
    });
    assert_eq!(value(&apply(&["count"]).outcomes[0]), &third);
    assert_eq!(apply(&["remember and weight"]).outcomes, [Outcome::Keep]);
    let fifth = OutPayload::Row(Row {
        shape: 1,
        values: vec![5i64.into()],
    });
    assert_eq!(value(&apply(&["count"]).outcomes[0]), &fifth);
}

#[test]
fn the_state_is_filled_and_the_log_flooded() {
    reset();
    world(|world| world.state_limit = Some(1 << 20));
    assert!(matches!(&apply(&["state"]).outcomes[0], Outcome::Fail(_)));
    assert_eq!(apply(&["log:7"]).outcomes, [Outcome::Keep]);
    assert_eq!(world(|world| world.lines.len()), 7);
    assert!(world(|world| world.lines[0].1.len()) > 1024);
}

#[test]
fn output_can_be_large_or_broken() {
    let reply = apply(&[
        "huge:1000",
        "bad-json",
        "bad-shape",
        "bad-width",
        "bad-kind",
    ]);
    assert_eq!(
        value(&reply.outcomes[0]),
        &OutPayload::Scalar(vec![b'x'; 1000].into())
    );
    let row = |at: usize| match value(&reply.outcomes[at]) {
        OutPayload::Row(row) => row.clone(),
        other => panic!("not a row: {other:?}"),
    };
    assert_eq!(row(1).values, [Value::Json("{no".into())]);
    assert_eq!(row(2).shape, u32::MAX);
    assert!(row(3).values.is_empty());
    assert_eq!(row(4).values, ["a".into()]);
}

#[test]
#[should_panic(expected = "the record says trap")]
fn trap_panics() {
    apply(&["trap"]);
}

#[test]
fn configure_obeys_too() {
    let config = |key: &str| vec![(key.to_owned(), "true".to_owned())];
    assert!(TestGuest::configure(config("configure.error")).is_err());
    assert!(TestGuest::tick("t".into(), 1, 5).records.is_empty());
    TestGuest::configure(config("tick.emit")).unwrap();
    let emission = TestGuest::tick("t".into(), 1, 5);
    let values = vec!["t".into(), 1.into(), 5i64.into()];
    assert_eq!(
        emission.records[0].value,
        Some(OutPayload::Row(Row { shape: 0, values }))
    );
}
