//! Records that take too much memory, and records on which code panics.

use connect_api::{MemoryLimit, Offset, Tolerance};

use super::kafka::Call;
use super::{Setup, partition};

fn tolerant() -> Setup {
    Setup {
        tolerance: Tolerance::All,
        fragile: true,
        ..Setup::default()
    }
}

#[test]
fn a_panic_is_the_error_of_its_record() {
    let mut bench = tolerant().start(&[partition(0)]);
    bench.produce(0, &["a", "panics", "b", "panics later", "c"]);
    bench.until("all", |b| b.stored(0) == Some(Offset(5)));
    assert_eq!(bench.rows(0), ["a", "b", "c"]);
}

#[test]
fn a_panic_that_is_not_tolerated_names_the_record_and_not_its_value() {
    let mut setup = tolerant();
    setup.tolerance = Tolerance::None;
    let mut bench = setup.start(&[partition(0)]);
    bench.produce(0, &["a", "panics"]);
    let error = bench.failure().chain();
    assert!(error.contains("t-0 at offset 1"), "{error}");
    assert!(error.contains("panicked"), "{error}");
    assert!(!error.contains("assertion"), "{error}");
    assert_eq!(bench.rows(0), ["a"]);
}

#[test]
fn a_record_that_takes_too_much_memory_is_errant() {
    let mut bench = tolerant().start(&[partition(0)]);
    let large = format!("takes {}", MemoryLimit::DEFAULT.0 + 1);
    bench.produce(0, &["a", &large, "grows", "b"]);
    bench.until("all", |b| b.stored(0) == Some(Offset(4)));
    assert_eq!(bench.rows(0), ["a", "b"]);
}

#[test]
fn records_that_have_no_room_together_are_put_one_after_another() {
    let mut bench = tolerant().start(&[partition(0), partition(1)]);
    let most = format!("takes {}", MemoryLimit::DEFAULT.0);
    let half = format!("takes {}", MemoryLimit::DEFAULT.0 / 2);
    bench.until("assignment", |b| b.stored(1).is_some());
    bench.close_gate();
    bench.produce(0, &["a", &half, &half, &most, "b", &most]);
    bench.produce(1, &["c", &most, "d"]);
    bench.until("a put", |b| b.puts() == 1);
    bench.until("a seek", |b| {
        let calls = &b.kafka.lock().unwrap().calls;
        calls.iter().any(|call| matches!(call, Call::Seek(..)))
    });
    bench.open_gate();
    bench.until("all", |b| {
        b.stored(0) == Some(Offset(6)) && b.stored(1) == Some(Offset(3))
    });
    assert_eq!(bench.rows(0), ["a", &half, &half, &most, "b", &most]);
    assert_eq!(bench.rows(1), ["c", &most, "d"]);
    assert!(bench.puts() > 2);
    assert_eq!(bench.states(), [], "it runs all the time");
}
