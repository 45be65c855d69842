//! The state of a plugin follows the batches: what fails leaves nothing, what is reset is void.

use connect_api::{
    Offset, Outcome, SinkRecord, StateChanges, StateEntry, StoredState, Tick, TickReason,
    Timestamp, TopicPartition, Transformation, Value,
};

use crate::{apply, apply_to, commands, guest, replacement, topic_partition};

/// Counts once at the offset, and tells what the counter came to.
fn count(guest: &mut Box<dyn Transformation>, offset: i64) -> i64 {
    let outcomes = apply(guest, &at(offset, &["count"]));
    counted(&outcomes[0])
}

fn at(offset: i64, texts: &[&str]) -> Vec<SinkRecord> {
    let mut records = commands(texts);
    for record in &mut records {
        record.origin.offset.0 += offset;
    }
    records
}

fn counted(outcome: &Outcome) -> i64 {
    let row = replacement(outcome).value.value.as_struct().unwrap();
    match row.get("count") {
        Some(Value::Int(count)) => *count,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_trap_takes_back_what_its_call_wrote() {
    let mut guest = guest(&[]);
    let batch = ["count", "count", "trap", "count", "loop", "count"];
    let outcomes = apply(&mut guest, &commands(&batch));
    let counts: Vec<_> = [0, 1, 3, 5].map(|i| counted(&outcomes[i])).into();
    assert_eq!(counts, [1, 2, 3, 4]);
    assert!(matches!(outcomes[2], Outcome::Fail(_)));
    assert!(matches!(outcomes[4], Outcome::Fail(_)));
}

#[test]
fn a_batch_that_fails_the_task_leaves_nothing() {
    let mut guest = guest(&[("call.timeout.ms", "20")]);
    let mut batch = vec!["loop"; 100];
    batch[0] = "count";
    guest
        .apply(&topic_partition(), &mut commands(&batch))
        .unwrap_err();
    assert_eq!(count(&mut guest, 0), 1);
}

/// What a sink keeps of the changes.
fn keep(kept: &mut StoredState, changes: StateChanges) {
    kept.clock = kept.clock.max(changes.clock);
    for (key, entry) in changes.entries {
        kept.entries.retain(|(known, _)| *known != key);
        kept.entries.extend(entry.map(|entry| (key, entry)));
    }
}

#[test]
fn a_restored_partition_goes_on_where_its_state_was_kept() {
    let mut guest = guest(&[]);
    let mut kept = StoredState::default();
    for offset in 0..3 {
        assert_eq!(count(&mut guest, offset), offset + 1);
        let changes = guest.state_changes(&topic_partition()).unwrap();
        assert_eq!(changes.clock, Some(Timestamp(1_000)));
        assert_eq!(
            guest.state_changes(&topic_partition()),
            None,
            "they are given once"
        );
        // The last one does not become durable.
        if offset < 2 {
            keep(&mut kept, changes);
            guest.durable(&topic_partition(), Offset(offset + 1));
        }
    }
    guest.reset(&topic_partition());
    assert_eq!(count(&mut guest, 2), 3);
    guest.forget(&topic_partition());
    guest.restore(&topic_partition(), kept.clone());
    assert_eq!(count(&mut guest, 2), 3);
    let mut elsewhere = crate::guest(&[]);
    elsewhere.restore(&topic_partition(), kept);
    assert_eq!(count(&mut elsewhere, 2), 3);
}

#[test]
fn a_state_beyond_its_limit_is_kept_and_takes_no_more() {
    let mut guest = guest(&[("state.max.bytes", "100")]);
    let entry = |bytes: usize| StateEntry {
        value: vec![0; bytes].into(),
        expires: None,
    };
    let entries = vec![("a".into(), entry(200)), ("b".into(), entry(200))];
    guest.restore(
        &topic_partition(),
        StoredState {
            entries,
            ..StoredState::default()
        },
    );
    let outcomes = apply(&mut guest, &commands(&["count"]));
    assert!(matches!(outcomes[0], Outcome::Fail(_)));
}

#[test]
fn partitions_do_not_see_each_other() {
    let mut guest = guest(&[]);
    count(&mut guest, 0);
    let other = std::sync::Arc::new(TopicPartition::new("topic", 4));
    let outcomes = apply_to(&mut guest, &other, &commands(&["count"]));
    assert_eq!(counted(&outcomes[0]), 1);
    guest.forget(&other);
    assert_eq!(count(&mut guest, 1), 2);
}

#[test]
fn a_tick_has_the_partition_and_its_time() {
    let mut guest = guest(&[("tick.emit", "true")]);
    let mut records = commands(&["keep", "keep"]);
    records[0].record.timestamp = Some(Timestamp(9_000));
    apply(&mut guest, &records);
    let emitted = guest
        .tick(
            &topic_partition(),
            Tick {
                next_offset: Offset(2),
                reason: TickReason::Batch,
            },
        )
        .unwrap();
    let [record] = &emitted[..] else {
        panic!("{emitted:?}");
    };
    let row = record.value.value.as_struct().unwrap();
    assert_eq!(row.get("topic"), Some(&Value::from("topic")));
    assert_eq!(row.get("partition"), Some(&Value::Int(3)));
    assert_eq!(row.get("now"), Some(&Value::Int(9_000)));
    assert_eq!(record.timestamp, Some(Timestamp(9_000)));
    assert_eq!(record.partition, Some(topic_partition().partition));
}

#[test]
fn without_a_time_there_is_no_tick() {
    let mut guest = guest(&[("tick.emit", "true")]);
    let mut records = commands(&["keep"]);
    records[0].record.timestamp = None;
    apply(&mut guest, &records);
    assert!(
        guest
            .tick(
                &topic_partition(),
                Tick {
                    next_offset: Offset(1),
                    reason: TickReason::Batch,
                }
            )
            .unwrap()
            .is_empty()
    );
}
