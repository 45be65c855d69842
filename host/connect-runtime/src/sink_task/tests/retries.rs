//! Records that cannot be converted or transformed yet (KIP-298).

use connect_api::{Offset, Tolerance};

use super::kafka::Call;
use super::{Bench, LONG, MILLISECOND, RetryPolicy, Setup, TaskState, partition};

fn take_away(bench: &Bench, values: &[&str]) {
    let values = values.iter().map(|&value| value.to_owned());
    bench.services.lock().unwrap().unavailable = values.collect();
}

#[test]
fn a_registry_that_is_away_is_waited_for_and_blames_no_record() {
    // Were a record blamed, the task would fail: nothing is tolerated.
    let mut bench = Setup::default().start(&[partition(0)]);
    take_away(&bench, &["a", "b"]);
    bench.produce(0, &["a", "b"]);
    let first = Call::Seek(partition(0), Offset(0));
    bench.until("tries", |b| b.count(&first) > 3);
    assert_eq!(bench.rows(0), [""; 0]);
    assert!(bench.count(&Call::PollPaused) > 0, "it stays in its group");
    let states = bench.states();
    let [TaskState::Waiting(Some(why))] = &states[..] else {
        panic!("{states:?}");
    };
    assert_eq!(why, "the registry does not answer");
    take_away(&bench, &[]);
    bench.until("rows", |b| b.rows(0).len() == 2);
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.states(), [TaskState::Waiting(None)]);
}

#[test]
fn what_is_in_front_of_a_record_that_waits_is_written() {
    let mut bench = Setup::default().start(&[partition(0), partition(1)]);
    take_away(&bench, &["c"]);
    bench.produce(0, &["a", "b", "c", "d"]);
    bench.produce(1, &["e"]);
    bench.until("rows", |b| b.rows(0) == ["a", "b"] && b.rows(1) == ["e"]);
    bench.until("tries", |b| {
        b.count(&Call::Seek(partition(0), Offset(2))) > 3
    });
    assert_eq!(bench.stored(0), Some(Offset(2)));
    take_away(&bench, &[]);
    bench.until("rows", |b| b.rows(0).len() == 4);
    assert_eq!(bench.rows(0), ["a", "b", "c", "d"]);
}

fn with_timeout(tolerance: Tolerance) -> Setup {
    Setup {
        tolerance,
        retry: RetryPolicy {
            timeout: Some(8 * MILLISECOND),
            first_delay: MILLISECOND,
            max_delay: 2 * MILLISECOND,
        },
        ..Setup::default()
    }
}

#[test]
fn after_the_timeout_a_record_is_passed_over_where_that_is_tolerated() {
    let mut bench = with_timeout(Tolerance::All).start(&[partition(0)]);
    take_away(&bench, &["b", "c"]);
    bench.produce(0, &["a", "b", "c", "d"]);
    bench.until("rows", |b| b.stored(0) == Some(Offset(4)));
    assert_eq!(bench.rows(0), ["a", "d"]);
    for offset in [1, 2] {
        let tries = bench.count(&Call::Seek(partition(0), Offset(offset)));
        assert!(tries > 1, "offset {offset}: {tries} tries");
    }
}

#[test]
fn after_the_timeout_a_record_fails_the_task_where_it_is_not_tolerated() {
    let mut bench = with_timeout(Tolerance::None).start(&[partition(0)]);
    take_away(&bench, &["b"]);
    bench.produce(0, &["a", "b", "c"]);
    let error = bench.failure().chain();
    assert!(
        error.contains("Tolerance exceeded") && error.contains("t-0 at offset 1"),
        "{error}"
    );
    assert!(error.contains("the registry does not answer"), "{error}");
    assert_eq!(bench.rows(0), ["a"]);
}

#[test]
fn a_timeout_does_not_begin_again_with_each_try() {
    let setup = Setup {
        retry: RetryPolicy {
            timeout: Some(LONG),
            first_delay: MILLISECOND,
            max_delay: MILLISECOND,
        },
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    take_away(&bench, &["a"]);
    bench.produce(0, &["a"]);
    let tries = Call::Seek(partition(0), Offset(0));
    bench.until("tries", |b| b.count(&tries) > 5);
    take_away(&bench, &[]);
    bench.until("rows", |b| b.rows(0) == ["a"]);
}

#[test]
fn records_that_are_at_fault_themselves_are_not_tried_again() {
    let mut bench = with_timeout(Tolerance::All).start(&[partition(0)]);
    bench.produce(0, &["a", "bad", "b"]);
    bench.until("rows", |b| b.stored(0) == Some(Offset(3)));
    assert_eq!(bench.rows(0), ["a", "b"]);
    assert_eq!(bench.count(&Call::Pause), 0);
}

#[test]
fn a_transform_that_cannot_go_on_yet_begins_again_at_what_is_durable() {
    let setup = Setup {
        counter: Some(None),
        ..Setup::default()
    };
    let mut bench = setup.start(&[partition(0)]);
    bench.produce(0, &["a"]);
    bench.until("rows", |b| b.rows(0) == ["a"]);
    let mut services = bench.services.lock().unwrap();
    services.transform_fails_on = vec!["c".to_owned()];
    services.transform_is_away = true;
    drop(services);
    bench.produce(0, &["b", "c", "d"]);
    let again = Call::Seek(partition(0), Offset(1));
    bench.until("tries", |b| b.count(&again) > 2);
    assert_eq!(bench.rows(0), ["a"]);
    assert!(matches!(&bench.states()[..], [TaskState::Waiting(Some(_))]));
    bench.services.lock().unwrap().transform_fails_on.clear();
    bench.until("rows", |b| b.rows(0).len() == 4);
    assert_eq!(bench.rows(0), ["a", "b", "c", "d"]);
}

#[test]
fn a_transform_is_given_up_after_the_timeout() {
    let setup = Setup {
        counter: Some(None),
        ..with_timeout(Tolerance::All)
    };
    let mut bench = setup.start(&[partition(0)]);
    let mut services = bench.services.lock().unwrap();
    services.transform_fails_on = vec!["b".to_owned(), "c".to_owned()];
    services.transform_is_away = true;
    drop(services);
    bench.produce(0, &["a", "b", "c", "d"]);
    bench.until("rows", |b| b.stored(0) == Some(Offset(4)));
    assert_eq!(bench.rows(0), ["a", "d"]);
}
