//! The state against a model: a plain map for each offset.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn state(limit: u64) -> PartitionState {
    PartitionState::new(limit)
}

fn put(state: &mut PartitionState, key: &str, value: &str) {
    state
        .set(key.as_bytes().into(), value.as_bytes().into(), None)
        .unwrap();
}

fn all(state: &PartitionState) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let entries = state.scan(b"", None).map(|(k, v)| (text(k), text(v)));
    entries.collect()
}

#[test]
fn a_failed_call_leaves_nothing_and_a_reset_goes_back_to_what_is_durable() {
    let mut state = state(1 << 20);
    for (offset, value) in [(10, "a"), (20, "b"), (30, "c")] {
        state.begin(Some(offset));
        put(&mut state, "k", value);
        state.commit(offset);
    }
    state.begin(None);
    put(&mut state, "k", "lost");
    state.discard();
    assert_eq!(state.get(b"k"), Some(&b"c"[..]));
    state.durable(25);
    state.reset();
    assert_eq!(state.get(b"k"), Some(&b"b"[..]));
    assert_eq!(state.clock(), Some(20));
    assert!(state.is_ahead_of(24) && !state.is_ahead_of(25));
}

fn put_until(state: &mut PartitionState, key: &str, expires: i64) {
    state
        .set(key.as_bytes().into(), (*b"v").into(), Some(expires))
        .unwrap();
}

#[test]
fn entries_expire_by_record_time() {
    let mut state = state(1 << 20);
    state.begin(Some(1000));
    assert_eq!(state.advance(1000), Some(1000));
    put_until(&mut state, "k", 1500);
    put_until(&mut state, "now", 1000);
    state.commit(1);
    state.durable(1);
    state.begin(Some(1499));
    assert_eq!(state.get(b"k"), Some(&b"v"[..]));
    assert_eq!(state.get(b"now"), None);
    state.commit(2);
    assert_eq!(state.clock(), Some(1499));
    state.begin(Some(1500));
    assert_eq!(state.get(b"k"), Some(&b"v"[..]));
    assert_eq!(state.advance(1500), Some(1500));
    assert_eq!(state.get(b"k"), None);
    assert_eq!(all(&state), []);
    state.commit(3);
    state.durable(3);
    assert_eq!(state.bytes(), 0);
}

#[test]
fn the_clock_goes_neither_back_nor_past_the_records() {
    let mut state = state(1 << 20);
    state.begin(None);
    assert_eq!(state.advance(5), None);
    state.begin(Some(100));
    assert_eq!(state.advance(i64::MIN), Some(i64::MIN));
    assert_eq!(state.advance(50), Some(50));
    assert_eq!(state.advance(20), Some(50));
    assert_eq!(state.advance(i64::MAX), Some(100));
    state.discard();
    assert_eq!(state.clock(), None);
}

#[test]
fn what_has_expired_does_not_depend_on_where_batches_are_cut() {
    // Each record asks whether the one before it is within its time, and sets its own.
    let records = [0, 30, 100, 140, 300, 301];
    let run = |cuts: &[usize]| {
        let mut state = state(1 << 20);
        let mut seen = Vec::new();
        let mut from = 0;
        for &cut in cuts {
            let batch = &records[from..cut];
            state.begin(batch.iter().copied().max());
            for &at in batch {
                let now = state.advance(at).unwrap();
                seen.push(state.get(b"k").is_some());
                put_until(&mut state, "k", now + 50);
            }
            state.commit(cut as i64);
            from = cut;
        }
        seen
    };
    let expect = [false, true, false, true, false, true];
    for cuts in [&[6][..], &[1, 2, 3, 4, 5, 6], &[2, 6], &[3, 4, 6]] {
        assert_eq!(run(cuts), expect, "{cuts:?}");
    }
}

#[test]
fn a_later_life_replaces_an_earlier_one() {
    let mut state = state(1 << 20);
    state.begin(Some(0));
    put_until(&mut state, "k", 10);
    state.commit(1);
    state.begin(Some(1));
    state.set((*b"k").into(), (*b"w").into(), None).unwrap();
    state.commit(2);
    state.begin(Some(100));
    state.advance(100);
    assert_eq!(state.get(b"k"), Some(&b"w"[..]));
}

#[test]
fn a_key_that_no_index_could_hold_is_refused() {
    let mut state = state(1 << 20);
    let key = |n| vec![7; n].into_boxed_slice();
    state.set(key(KEY_BYTES), [].into(), None).unwrap();
    let refused = state.set(key(KEY_BYTES + 1), [].into(), None);
    assert_eq!(refused, Err(Refused::KeyTooLong));
}

#[test]
fn the_limit_holds_and_what_is_overwritten_makes_room() {
    let mut state = state(200);
    state.begin(None);
    let value = |n: usize| vec![0; n].into_boxed_slice();
    assert_eq!(
        state.set((*b"k").into(), value(200), None),
        Err(Refused::Full(200))
    );
    state.set((*b"k").into(), value(100), None).unwrap();
    state.commit(1);
    state.begin(None);
    assert_eq!(
        state.set((*b"l").into(), value(100), None),
        Err(Refused::Full(200))
    );
    state.set((*b"k").into(), value(10), None).unwrap();
    state.set((*b"l").into(), value(10), None).unwrap();
    state.delete(b"k");
    state.delete(b"absent");
    assert_eq!(state.bytes(), 64 + 1 + 10);
}

#[test]
fn a_scan_pages() {
    let mut state = state(1 << 20);
    for (offset, keys) in [(1, ["a", "p1", "p3"]), (2, ["p2", "p4", "q"])] {
        state.begin(None);
        for key in keys {
            put(&mut state, key, key);
        }
        state.commit(offset);
    }
    state.begin(None);
    state.delete(b"p2");
    put(&mut state, "p3", "new");
    let page = |after: Option<&[u8]>| -> Vec<_> {
        let found = state.scan(b"p", after).take(2);
        found.map(|(k, v)| (k.to_vec(), v.to_vec())).collect()
    };
    let pair = |k: &[u8], v: &[u8]| (k.to_vec(), v.to_vec());
    assert_eq!(page(None), [pair(b"p1", b"p1"), pair(b"p3", b"new")]);
    assert_eq!(page(Some(b"p3")), [pair(b"p4", b"p4")]);
    assert_eq!(page(Some(b"a")).len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, u8),
    Delete(u8),
    Commit,
    Discard,
    Durable(u8),
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8u8, any::<u8>()).prop_map(|(k, v)| Step::Set(k, v)),
        2 => (0..8u8).prop_map(Step::Delete),
        3 => Just(Step::Commit),
        1 => Just(Step::Discard),
        1 => (0..4u8).prop_map(Step::Durable),
        1 => Just(Step::Reset),
    ]
}

proptest! {
    #[test]
    fn it_is_a_map_with_history(steps in proptest::collection::vec(step(), 0..60)) {
        let mut state = state(1 << 20);
        let mut history = vec![(0i64, BTreeMap::<u8, u8>::new())];
        let mut now = history[0].1.clone();
        for step in steps {
            match step {
                Step::Set(k, v) => {
                    state.set([k].into(), [v].into(), None).unwrap();
                    now.insert(k, v);
                }
                Step::Delete(k) => {
                    state.delete(&[k]);
                    now.remove(&k);
                }
                Step::Commit => {
                    let offset = history.last().unwrap().0 + 1;
                    state.commit(offset);
                    history.push((offset, now.clone()));
                }
                Step::Discard => {
                    state.discard();
                    now = history.last().unwrap().1.clone();
                }
                Step::Durable(count) => {
                    let at = usize::from(count).min(history.len() - 1);
                    state.durable(history[at].0);
                    history.drain(..at);
                }
                Step::Reset => {
                    state.reset();
                    history.truncate(1);
                    now = history[0].1.clone();
                }
            }
            let seen: Vec<_> = state.scan(b"", None).map(|(k, v)| (k[0], v[0])).collect();
            prop_assert_eq!(&seen, &now.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>());
            for k in 0..8 {
                prop_assert_eq!(state.get(&[k]).map(|v| v[0]), now.get(&k).copied());
            }
            prop_assert_eq!(state.bytes(), 66 * i64::try_from(now.len()).unwrap());
        }
    }
}
