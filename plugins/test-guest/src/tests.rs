//! The commands that a native test survives.

use ferrule_plugin::Value;
use ferrule_plugin::bindings::ferrule::transform::data::{self, Span};
use ferrule_plugin::testing::{reset, world};

use super::*;

fn apply(commands: &[&str]) -> Reply {
    let mut pool = Pool {
        shapes: vec![shape("in", &[("a", Kind::Any)])],
        ..Pool::EMPTY
    };
    let record = |(offset, command): (i64, &&str)| InRecord {
        offset,
        timestamp: None,
        key: Payload::Scalar(data::Value::Null),
        value: Payload::Scalar(pool.add(ValueRef::Text(command))),
        headers: Span::of(0, 0),
    };
    TestGuest::apply(Batch {
        topic: "t".into(),
        partition: 0,
        records: (0..).zip(commands).map(record).collect(),
        pool,
    })
}

/// The value of a record of the reply: its shape, where it is a row, and what it holds.
fn value(reply: &Reply, at: usize) -> (Option<u32>, Vec<Value>) {
    let pool = &reply.pool;
    match reply.records[at].value {
        Some(OutPayload::Scalar(value)) => (None, vec![pool.value(value).into()]),
        Some(OutPayload::Row(row)) => {
            let known = row.shape.checked_sub(1).map(|shape| shape as usize);
            let shape = known.and_then(|shape| pool.shapes.get(shape));
            let fields = shape.map_or(0, |shape| shape.fields.len());
            let values = pool.values_of(row, fields).iter();
            let values = values.map(|value| pool.value(*value).into());
            (Some(row.shape), values.collect())
        }
        other => panic!("not a scalar and not a row: {other:?}"),
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
        reply.outcomes[3..5],
        [Outcome::Replace(1), Outcome::Replace(3)]
    );
    assert!(matches!(&reply.outcomes[5], Outcome::Fail(_)));
    assert!(matches!(&reply.outcomes[6], Outcome::Fail(_)));
    assert_eq!(reply.records.len(), 4);
    assert_eq!(value(&reply, 0), (None, vec!["replace".into()]));
    assert_eq!(value(&reply, 3), (None, vec!["copies:3".into()]));
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
    let count = |reply: &Reply, at| match &value(reply, at) {
        (Some(1), values) => values.clone(),
        other => panic!("another shape: {other:?}"),
    };
    let reply = apply(&["count", "count"]);
    assert_eq!(reply.pool.shapes.len(), 1);
    assert_eq!(count(&reply, 1), [2i64.into()]);
    assert_eq!(count(&apply(&["count"]), 0), [3i64.into()]);
    assert_eq!(apply(&["remember and weight"]).outcomes, [Outcome::Keep]);
    assert_eq!(count(&apply(&["count"]), 0), [5i64.into()]);
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
    let reply = apply(&["huge:1000", "bad-json", "bad-shape", "bad-kind"]);
    assert_eq!(value(&reply, 0), (None, vec![vec![b'x'; 1000].into()]));
    assert_eq!(value(&reply, 1).1, [Value::Json("{no".into())]);
    assert_eq!(value(&reply, 2).0, Some(u32::MAX));
    assert_eq!(value(&reply, 3).1, ["a".into()]);
    let reply = apply(&["one-record-less", "echo:3"]);
    assert_eq!(reply.outcomes, [Outcome::Replace(1), Outcome::Replace(3)]);
    assert_eq!((reply.records.len(), reply.pool.texts.len()), (3, 1 << 16));
    let reply = apply(&["wide:5"]);
    assert_eq!((reply.records.len(), reply.sources.len()), (5, 1 << 10));
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
    let row = match emission.records[0].value {
        Some(OutPayload::Row(row)) => emission.pool.values_of(row, 3),
        other => panic!("not a row: {other:?}"),
    };
    let said: Vec<_> = row
        .iter()
        .map(|value| emission.pool.value(*value))
        .collect();
    let expect = [ValueRef::Text("t"), ValueRef::Int(1), ValueRef::Int(5)];
    assert_eq!(said, expect);
}
