//! Activities in, rows out, natively.

use std::collections::{BTreeMap, BTreeSet};

use ferrule_plugin::Value;
use ferrule_plugin::testing::{Answer, Input, Made, Runner, reset, world};
use proptest::prelude::*;

use crate::ActivityMetrics;

const CONFIG: &[(&str, &str)] = &[("window.ms", "1000"), ("window.messages", "5")];

fn runner(config: &[(&str, &str)]) -> Runner<ActivityMetrics> {
    reset();
    Runner::new(config).unwrap()
}

fn activity(user: &str, kind: &str, at: i64) -> Input {
    let fields: [(&str, Value); 4] = [
        ("user_id", user.into()),
        ("activity_type", kind.into()),
        ("timestamp", "2024-07-01T12:34:56Z".into()),
        ("metadata", Value::Json(r#"{"page_url":"/"}"#.into())),
    ];
    Input::of(fields).at(at)
}

/// Start in milliseconds, users, page views.
fn row(made: &Made) -> (i64, i64, i64) {
    assert_eq!(made.topic, None);
    let number = |field: &str| match made.field(field) {
        Value::Int(number) => *number,
        other => panic!("{field} is {other:?}"),
    };
    match made.field("timestamp") {
        Value::Timestamp(micros) => (
            micros / 1000,
            number("unique_users"),
            number("page_view_count"),
        ),
        other => panic!("timestamp is {other:?}"),
    }
}

fn rows(made: Vec<Made>) -> Vec<(i64, i64, i64)> {
    made.iter().map(row).collect()
}

#[test]
fn a_window_closes_after_its_time() {
    let mut runner = runner(&[]);
    let batch = [
        activity("a", "page_view", 1_000),
        activity("b", "click", 2_000),
        activity("a", "page_view", 30_999),
    ];
    assert!(runner.deliver(batch).made().is_empty());
    runner.restart();
    let made = runner.deliver([activity("c", "page_view", 31_000)]).made();
    assert_eq!(rows(made), [(1_000, 2, 2)]);
}

#[test]
fn a_window_closes_by_its_hundredth_message() {
    let mut runner = runner(&[]);
    let batch = (0..250).map(|n| activity(&format!("u{}", n % 7), "page_view", n));
    let made = runner.deliver(batch).made();
    assert_eq!(rows(made), [(0, 7, 100), (100, 7, 100)]);
    let made = runner.tick(30_200);
    assert_eq!(rows(made), [(200, 7, 50)], "the time of the rest is over");
    assert!(runner.tick(90_000).is_empty());
}

#[test]
fn a_bad_record_fails_and_tells_the_time() {
    let mut runner = runner(CONFIG);
    runner.deliver([activity("a", "page_view", 0)]);
    let bad = [
        (Value::Null, "page_view".into(), "user_id", "is required"),
        (
            " ".into(),
            "page_view".into(),
            "user_id",
            "must not be empty",
        ),
        (
            7i64.into(),
            1i64.into(),
            "activity_type",
            "must be text, not an integer",
        ),
    ];
    for (user, kind, field, reason) in bad {
        let input = Input::of([("user_id", user), ("activity_type", kind)]).at(999);
        let answer = runner.deliver([input]).answers.remove(0);
        assert_eq!(answer.failure(), (Some(field.into()), reason.into()));
    }
    let late = Input::of([("user_id", Value::Null)]).at(1_000);
    let delivered = runner.deliver([late]);
    assert_eq!(rows(delivered.emitted), [(0, 1, 1)]);
}

#[test]
fn a_timestamp_that_is_none_fails() {
    let with = |time: Value, config: &[(&str, &str)]| {
        let mut runner = runner(config);
        let fields: [(&str, Value); 3] = [
            ("user_id", "a".into()),
            ("activity_type", "page_view".into()),
            ("timestamp", time),
        ];
        runner.deliver([Input::of(fields).at(0)]).answers.remove(0)
    };
    for config in [CONFIG, EPOCH] {
        let (field, reason) = with("yesterday".into(), config).failure();
        assert_eq!(field.as_deref(), Some("timestamp"));
        assert!(reason.contains("must be a timestamp"), "{reason}");
        assert!(!matches!(with(Value::Null, config), Answer::Fail(_)));
    }
}

#[test]
fn a_flush_closes_the_open_window_once() {
    let mut runner = runner(CONFIG);
    runner.deliver([activity("a", "page_view", 0)]);
    assert!(runner.tick(999).is_empty());
    let made = runner.flush(10);
    assert_eq!(rows(made), [(0, 1, 1)]);
    assert!(runner.flush(11).is_empty());
    assert!(runner.tick(90_000).is_empty());
}

/// Intervals of a second since 1970, and rows at each fifth message.
const EPOCH: &[(&str, &str)] = &[
    ("window.ms", "1000"),
    ("window.messages", "5"),
    ("window.align", "epoch"),
];

#[test]
fn an_interval_counts_late_messages_and_makes_its_row_again() {
    let mut runner = runner(EPOCH);
    let made = runner.deliver([
        activity("a", "page_view", 1_100),
        activity("b", "page_view", 1_999),
    ]);
    assert!(made.made().is_empty());
    runner.restart();
    let made = runner.deliver([activity("a", "click", 2_000)]).made();
    assert_eq!(rows(made), [(1_000, 2, 2)]);
    // One that is late, of a user who is known and of one who is not.
    let made = runner.deliver([activity("b", "page_view", 1_500)]).made();
    assert_eq!(rows(made), [(1_000, 2, 3)]);
    let made = runner.deliver([activity("c", "click", 1_500)]).made();
    assert_eq!(rows(made), [(1_000, 3, 3)]);
    // The end of the task shows what there is, and nothing is counted twice behind it.
    assert_eq!(rows(runner.flush(2_100)), [(2_000, 1, 0)]);
    runner.restart();
    runner.deliver([activity("a", "page_view", 2_200)]);
    assert_eq!(rows(runner.tick(3_000)), [(2_000, 1, 1)]);
    assert!(runner.tick(4_000).is_empty());
}

#[test]
fn an_interval_makes_a_row_by_the_number_of_its_messages() {
    let mut runner = runner(EPOCH);
    let batch = (0..12).map(|n| activity(&format!("u{}", n % 7), "page_view", n));
    let made = runner.deliver(batch).made();
    assert_eq!(rows(made), [(0, 5, 5), (0, 7, 10)]);
    assert_eq!(rows(runner.tick(1_000)), [(0, 7, 12)]);
}

#[test]
fn an_interval_may_go_by_the_time_of_events() {
    let config = [EPOCH, &[("window.time", "event")]].concat();
    let mut runner = runner(&config);
    runner.deliver([activity("a", "page_view", 77)]);
    let noon = 1_719_837_296_000;
    assert_eq!(rows(runner.flush(0)), [(noon, 1, 1)]);
    let config = [("window.time", "event")];
    let errors = Runner::<ActivityMetrics>::new(&config).err().unwrap();
    assert_eq!(errors.0[0].key, "window.time");
}

#[test]
fn the_oldest_intervals_are_forgotten_and_say_so() {
    let config = [EPOCH, &[("window.remembered.users", "3")]].concat();
    let mut runner = runner(&config);
    let mut made = runner
        .deliver((0..4).map(|n| activity(&format!("u{n}"), "page_view", n * 1_000)))
        .made();
    made.extend(runner.flush(0));
    assert_eq!(made.len(), 4, "each has its row");
    let answer = runner
        .deliver([activity("x", "page_view", 10)])
        .answers
        .remove(0);
    let (_, reason) = answer.failure();
    assert!(reason.contains("window.remembered.users"), "{reason}");
    let made = runner.deliver([activity("x", "page_view", 1_000)]).made();
    assert_eq!(rows(made), [(1_000, 2, 2)], "the others go on");
    let users = world(|world| {
        let keys = world.partition().entries.keys();
        keys.filter(|key| key[0] == b'u').count()
    });
    assert_eq!(users, 2);
}

#[test]
fn intervals_are_counted_in_one_place() {
    let mut runner = runner(EPOCH);
    runner.turn_to("incoming.user_activity", 1);
    let answer = runner
        .deliver([activity("a", "page_view", 0)])
        .answers
        .remove(0);
    let (_, reason) = answer.failure();
    assert!(reason.contains("must have one partition"), "{reason}");
}

#[test]
fn a_batch_without_room_counts_for_nothing() {
    let mut runner = runner(EPOCH);
    runner.deliver([activity("a", "page_view", 0)]);
    let before = world(|world| world.partition().entries.clone());
    let size = before
        .iter()
        .map(|(key, (value, _))| key.len() + value.len())
        .sum::<usize>();
    world(|world| world.state_limit = Some(size as u64 + 30));
    let batch = ["b", "c", "d"].map(|user| activity(user, "page_view", 0));
    for answer in runner.deliver(batch).answers {
        assert!(matches!(answer, Answer::Fail(_)), "{answer:?}");
    }
    assert_eq!(world(|world| world.partition().entries.clone()), before);
    world(|world| world.state_limit = None);
    assert_eq!(rows(runner.tick(1_000)), [(0, 1, 1)]);
}

proptest! {
    #[test]
    fn the_last_rows_of_intervals_are_those_of_the_model(
        steps in prop::collection::vec(
            (-2_000i64..3_000, 0u8..6, any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)),
            0..80,
        ),
    ) {
        let mut runner = runner(EPOCH);
        let mut model = BTreeMap::<i64, (BTreeSet<u8>, i64)>::new();
        let mut table = BTreeMap::new();
        let (mut at, mut batch) = (10_000, Vec::new());
        for (step, user, viewed, cut, restart) in steps {
            at = (at + step).max(0);
            let sum = model.entry(at - at % 1_000).or_default();
            sum.0.insert(user);
            sum.1 += i64::from(viewed);
            let kind = if viewed { "page_view" } else { "click" };
            batch.push(activity(&user.to_string(), kind, at));
            if cut {
                let made = runner.deliver(std::mem::take(&mut batch)).made();
                table.extend(rows(made).into_iter().map(|(at, users, views)| (at, (users, views))));
            }
            if restart {
                runner.restart();
            }
        }
        let mut made = runner.deliver(batch).made();
        made.extend(runner.flush(0));
        table.extend(rows(made).into_iter().map(|(at, users, views)| (at, (users, views))));
        let model = model.into_iter().map(|(at, (users, views))| (at, (users.len() as i64, views)));
        prop_assert_eq!(table, model.collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn what_the_state_has_no_room_for_fails() {
    let mut runner = runner(CONFIG);
    world(|world| world.state_limit = Some(30));
    let answers = runner.deliver([activity("a", "page_view", 0)]).answers;
    let [answer] = <[Answer; 1]>::try_from(answers).unwrap();
    let reason = "the plugin's state is full (30 bytes)";
    assert_eq!(answer.failure(), (None, reason.into()));
}

#[test]
fn a_bad_configuration_names_its_key() {
    let errors = Runner::<ActivityMetrics>::new(&[("window.messages", "many")]);
    assert_eq!(errors.err().unwrap().0[0].key, "window.messages");
}

/// The rows of one partition, the plain way; the window that is open is the last one.
fn model(records: &[(i64, u8, bool)]) -> Vec<(i64, i64, i64)> {
    let mut windows: Vec<(i64, Vec<(u8, bool)>)> = Vec::new();
    let mut clock = 0;
    for (at, user, viewed) in records {
        clock = clock.max(*at);
        let open = windows.last_mut();
        match open.filter(|(start, all)| clock - start < 1000 && all.len() < 5) {
            Some((_, all)) => all.push((*user, *viewed)),
            None => windows.push((clock, vec![(*user, *viewed)])),
        }
    }
    let row = |(start, all): (i64, Vec<(u8, bool)>)| {
        let users: BTreeSet<_> = all.iter().map(|(user, _)| user).collect();
        let views = all.iter().filter(|(_, viewed)| *viewed).count();
        (start, users.len() as i64, views as i64)
    };
    windows.into_iter().map(row).collect()
}

proptest! {
    #[test]
    fn three_partitions_on_any_workers_make_the_rows_of_the_model(
        steps in prop::collection::vec(
            (
                0i32..3,
                -200i64..600,
                0u8..6,
                any::<bool>(),
                any::<bool>(),
                prop::bool::weighted(0.2),
            ),
            0..80,
        ),
    ) {
        let mut runner = runner(CONFIG);
        let (mut at, mut made) = (0, BTreeMap::<i32, Vec<_>>::new());
        let mut batches = BTreeMap::<i32, Vec<Input>>::new();
        let mut records = BTreeMap::<i32, Vec<_>>::new();
        let mut deliver = |partition: i32, batch: Vec<Input>, restart: bool| {
            if restart {
                // As when the partition comes to another task.
                runner.restart();
            }
            runner.turn_to("incoming.user_activity", partition);
            let rows = rows(runner.deliver(batch).made());
            made.entry(partition).or_default().extend(rows);
        };
        for (partition, step, user, viewed, cut, restart) in steps {
            at = (at + step).max(0);
            records.entry(partition).or_default().push((at, user, viewed));
            let kind = if viewed { "page_view" } else { "click" };
            let batch = batches.entry(partition).or_default();
            batch.push(activity(&user.to_string(), kind, at));
            if cut {
                deliver(partition, std::mem::take(batch), restart);
            }
        }
        for (partition, batch) in batches {
            deliver(partition, batch, false);
        }
        for (partition, records) in records {
            let mut rows = made.remove(&partition).unwrap_or_default();
            runner.turn_to("incoming.user_activity", partition);
            rows.extend(runner.tick(i64::MAX / 2).iter().map(row));
            prop_assert_eq!(rows, model(&records));
        }
    }
}
