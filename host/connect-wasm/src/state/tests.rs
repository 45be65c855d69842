//! The state against a model: a plain map for each offset.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn key(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn state(limit: u64) -> PartitionState {
    PartitionState::new(limit)
}

fn put(state: &mut PartitionState, key: &str, value: &str) {
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    state.set(bytes(key), bytes(value), None).unwrap();
}

fn all(state: &PartitionState) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let entries = state.scan(b"", None).map(|(k, v)| (text(k), text(v)));
    entries.collect()
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
fn a_failed_call_leaves_nothing_and_what_is_kept_is_what_is_durable() {
    let mut state = state(1 << 20);
    let mut kept = StoredState::default();
    for (offset, value) in [(10, "a"), (20, "b"), (30, "c")] {
        state.begin(Some(Timestamp(offset)));
        put(&mut state, "k", value);
        state.commit(Offset(offset));
        let changes = state.changes().unwrap();
        assert_eq!(state.changes(), None);
        if offset < 25 {
            keep(&mut kept, changes);
        }
    }
    state.begin(None);
    put(&mut state, "k", "lost");
    state.discard();
    assert_eq!(state.get(b"k"), Some(&b"c"[..]));
    let state = PartitionState::restored(1 << 20, kept);
    assert_eq!(state.get(b"k"), Some(&b"b"[..]));
    assert_eq!(state.clock(), Some(Timestamp(20)));
}

#[test]
fn a_call_that_changes_nothing_leaves_no_trace() {
    let mut state = state(1 << 20);
    state.begin(Some(Timestamp(5)));
    state.commit(Offset(1));
    let clock = state.changes().unwrap();
    assert_eq!((clock.entries.len(), clock.clock), (0, Some(Timestamp(5))));
    for _ in 0..3 {
        state.begin(Some(Timestamp(4)));
        state.delete(b"absent");
        state.commit(Offset(1));
        assert_eq!(state.changes(), None);
    }
}

fn put_until(state: &mut PartitionState, key: &str, expires: i64) {
    let key = Bytes::copy_from_slice(key.as_bytes());
    state
        .set(key, Bytes::from_static(b"v"), Some(Timestamp(expires)))
        .unwrap();
}

#[test]
fn entries_expire_by_record_time() {
    let mut state = state(1 << 20);
    state.begin(Some(Timestamp(1000)));
    assert_eq!(state.advance(Timestamp(1000)), Some(Timestamp(1000)));
    put_until(&mut state, "k", 1500);
    put_until(&mut state, "now", 1000);
    state.commit(Offset(1));
    state.durable(Offset(1));
    state.begin(Some(Timestamp(1499)));
    assert_eq!(state.get(b"k"), Some(&b"v"[..]));
    assert_eq!(state.get(b"now"), None);
    state.commit(Offset(2));
    assert_eq!(state.clock(), Some(Timestamp(1499)));
    state.begin(Some(Timestamp(1500)));
    assert_eq!(state.get(b"k"), Some(&b"v"[..]));
    assert_eq!(state.advance(Timestamp(1500)), Some(Timestamp(1500)));
    assert_eq!(state.get(b"k"), None);
    assert_eq!(all(&state), []);
    state.commit(Offset(3));
    state.durable(Offset(3));
    assert_eq!(state.size().bytes, 0);
}

#[test]
fn the_clock_goes_neither_back_nor_past_the_records() {
    let mut state = state(1 << 20);
    state.begin(None);
    assert_eq!(state.advance(Timestamp(5)), None);
    state.begin(Some(Timestamp(100)));
    assert_eq!(
        state.advance(Timestamp(i64::MIN)),
        Some(Timestamp(i64::MIN))
    );
    assert_eq!(state.advance(Timestamp(50)), Some(Timestamp(50)));
    assert_eq!(state.advance(Timestamp(20)), Some(Timestamp(50)));
    assert_eq!(state.advance(Timestamp(i64::MAX)), Some(Timestamp(100)));
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
            state.begin(batch.iter().copied().max().map(Timestamp));
            for &at in batch {
                let now = state.advance(Timestamp(at)).unwrap();
                seen.push(state.get(b"k").is_some());
                put_until(&mut state, "k", now.0 + 50);
            }
            state.commit(Offset(cut as i64));
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
    state.begin(Some(Timestamp(0)));
    put_until(&mut state, "k", 10);
    state.commit(Offset(1));
    state.begin(Some(Timestamp(1)));
    state.set(key("k"), key("w"), None).unwrap();
    state.commit(Offset(2));
    state.begin(Some(Timestamp(100)));
    state.advance(Timestamp(100));
    assert_eq!(state.get(b"k"), Some(&b"w"[..]));
}

#[test]
fn a_key_that_no_index_could_hold_is_refused() {
    let mut state = state(1 << 20);
    let key = |n| Bytes::from(vec![7; n]);
    state.set(key(KEY_BYTES), Bytes::new(), None).unwrap();
    let refused = state.set(key(KEY_BYTES + 1), Bytes::new(), None);
    assert_eq!(refused, Err(Refused::KeyTooLong));
}

#[test]
fn the_limit_holds_and_what_is_overwritten_makes_room() {
    let mut state = state(200);
    state.begin(None);
    let value = |n: usize| Bytes::from(vec![0; n]);
    assert_eq!(
        state.set(key("k"), value(200), None),
        Err(Refused::Full(200))
    );
    state.set(key("k"), value(100), None).unwrap();
    state.commit(Offset(1));
    state.begin(None);
    assert_eq!(
        state.set(key("l"), value(100), None),
        Err(Refused::Full(200))
    );
    state.set(key("k"), value(10), None).unwrap();
    state.set(key("l"), value(10), None).unwrap();
    state.delete(b"k");
    state.delete(b"absent");
    assert_eq!(state.size().bytes, 64 + 1 + 10);
}

#[test]
fn a_scan_pages() {
    let mut state = state(1 << 20);
    for (offset, keys) in [(1, ["a", "p1", "p3"]), (2, ["p2", "p4", "q"])] {
        state.begin(None);
        for key in keys {
            put(&mut state, key, key);
        }
        state.commit(Offset(offset));
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
    Expiring(u8, u8, i64),
    Delete(u8),
    Advance(i64),
    Commit(i64),
    Discard,
    Durable(u8),
    Restore,
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8u8, any::<u8>()).prop_map(|(k, v)| Step::Set(k, v)),
        3 => (0..8u8, any::<u8>(), 1..20i64).prop_map(|(k, v, t)| Step::Expiring(k, v, t)),
        2 => (0..8u8).prop_map(Step::Delete),
        2 => (1..10i64).prop_map(Step::Advance),
        3 => (0..10i64).prop_map(Step::Commit),
        1 => Just(Step::Discard),
        1 => (0..4u8).prop_map(Step::Durable),
        1 => Just(Step::Restore),
        1 => Just(Step::Reset),
    ]
}

/// The plain way: a map, and the time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<u8, (u8, Option<i64>)>,
    clock: i64,
}

impl Model {
    fn advance(&mut self, by: i64) {
        self.clock += by;
        let clock = self.clock;
        self.entries
            .retain(|_, (_, end)| end.is_none_or(|end| end > clock));
    }
}

/// A state, the model of each of its commits, and what a sink has kept of them.
struct Case {
    state: PartitionState,
    history: Vec<(i64, Model)>,
    now: Model,
    given: VecDeque<(i64, StateChanges)>,
    kept: StoredState,
}

impl Case {
    fn new() -> Self {
        let mut case = Self {
            state: state(1 << 20),
            history: vec![(0, Model::default())],
            now: Model::default(),
            given: VecDeque::new(),
            kept: StoredState {
                clock: Some(Timestamp(0)),
                ..StoredState::default()
            },
        };
        case.restore();
        case
    }

    fn restore(&mut self) {
        self.state = PartitionState::restored(1 << 20, self.kept.clone());
        self.history.truncate(1);
        self.given.clear();
        self.begin();
    }

    /// A call begins whose records reach as far as any step can go.
    fn begin(&mut self) {
        self.state.begin(Some(Timestamp(i64::MAX)));
        self.now = self.history.last().unwrap().1.clone();
    }

    fn set(&mut self, key: u8, value: u8, expires: Option<i64>) {
        let bytes = |byte| Bytes::from(vec![byte]);
        let until = expires.map(Timestamp);
        self.state.set(bytes(key), bytes(value), until).unwrap();
        self.now.entries.insert(key, (value, expires));
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Set(key, value) => self.set(key, value, None),
            Step::Expiring(key, value, time) => {
                self.set(key, value, Some(self.now.clock + time));
            }
            Step::Delete(key) => {
                self.state.delete(&[key]);
                self.now.entries.remove(&key);
            }
            Step::Advance(by) => {
                self.now.advance(by);
                assert_eq!(
                    self.state.advance(Timestamp(self.now.clock)),
                    Some(Timestamp(self.now.clock))
                );
            }
            Step::Commit(by) => {
                self.now.advance(by);
                self.state.advance(Timestamp(self.now.clock));
                self.state.newest = Some(Timestamp(self.now.clock));
                let offset = self.history.last().unwrap().0 + 1;
                self.state.commit(Offset(offset));
                let changes = self.state.changes();
                self.given.extend(changes.map(|changes| (offset, changes)));
                self.history.push((offset, self.now.clone()));
                self.begin();
            }
            Step::Discard => {
                self.state.discard();
                self.begin();
            }
            Step::Durable(count) => {
                let at = usize::from(count).min(self.history.len() - 1);
                let offset = self.history[at].0;
                while let Some((_, changes)) = self.given.pop_front_if(|(o, _)| *o <= offset) {
                    keep(&mut self.kept, changes);
                }
                self.state.durable(Offset(offset));
                self.history.drain(..at);
            }
            Step::Restore => self.restore(),
            Step::Reset => {
                self.state.reset();
                self.history.truncate(1);
                self.given.clear();
                self.begin();
            }
        }
    }
}

proptest! {
    #[test]
    fn it_is_a_map_with_history(steps in proptest::collection::vec(step(), 0..60)) {
        let mut case = Case::new();
        for step in steps {
            case.take(step);
            let (state, now) = (&case.state, &case.now.entries);
            let seen: Vec<_> = state.scan(b"", None).map(|(k, v)| (k[0], v[0])).collect();
            prop_assert_eq!(&seen, &now.iter().map(|(k, (v, _))| (*k, *v)).collect::<Vec<_>>());
            for k in 0..8 {
                let value = now.get(&k).map(|(v, _)| *v);
                prop_assert_eq!(state.get(&[k]).map(|v| v[0]), value);
            }
            prop_assert_eq!(state.size().bytes, 66 * i64::try_from(now.len()).unwrap());
        }
    }
}
