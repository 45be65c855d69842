//! Exactly once: records and offsets in one transaction, and what goes wrong in one.

use super::*;

fn exactly_once(boundary: TransactionBoundary) -> SourceDelivery {
    SourceDelivery::ExactlyOnce(boundary)
}

#[test]
fn each_poll_is_a_transaction_with_its_offset() {
    let delivery = exactly_once(TransactionBoundary::Poll);
    let mut stage = Stage::new(&["a", "b", "c"], delivery, "none").run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 3);
    assert_eq!(stage.stored(), Some(3));
    assert_eq!(lock(&stage.kafka).commits, 2);
    stage.stop().unwrap();
    assert_eq!(stage.written(), ["a", "b", "c"]);
    assert_eq!(lock(&stage.source).committed, [2, 3]);
}

#[test]
fn a_transaction_is_ended_by_the_interval_and_by_a_stop() {
    let delivery = exactly_once(TransactionBoundary::Interval(NEVER));
    let mut stage = Stage::new(&["a", "b", "c"], delivery, "none").run();
    stage.until("the last record", |_, kafka| kafka.open.len() == 3);
    assert_eq!(stage.written(), [""; 0]);
    stage.stop().unwrap();
    assert_eq!((stage.written().len(), stage.stored()), (3, Some(3)));
    assert_eq!(lock(&stage.kafka).commits, 1);
    let delivery = exactly_once(TransactionBoundary::Interval(Duration::from_millis(20)));
    let mut stage = Stage::new(&["a", "b", "c"], delivery, "none").run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 3);
    stage.stop().unwrap();
}

/// Whether such a transaction was committed does not matter: the stored offsets say it.
#[test]
fn a_failed_transaction_begins_again_from_the_stored_offset() {
    let delivery = exactly_once(TransactionBoundary::Poll);
    let mut stage = Stage::new(&["a", "b", "c"], delivery, "none");
    lock(&stage.kafka)
        .commit_errors
        .push_back(Error::retriable("timed out"));
    stage = stage.run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 3);
    stage.stop().unwrap();
    assert_eq!(stage.written(), ["a", "b", "c"]);
    assert_eq!(lock(&stage.source).starts, [0, 0]);
    let kafka = lock(&stage.kafka);
    assert_eq!((kafka.producers, kafka.aborts), (2, 1));
}

#[test]
fn a_fenced_task_ends() {
    let delivery = exactly_once(TransactionBoundary::Poll);
    let mut stage = Stage::new(&["a"], delivery, "none");
    lock(&stage.kafka)
        .commit_errors
        .push_back(Error::fenced("another"));
    stage = stage.run();
    assert_eq!(stage.end().unwrap_err().kind(), ErrorKind::Fenced);
    assert_eq!((stage.written(), stage.stored()), (Vec::new(), None));
}

#[test]
fn a_record_that_kafka_refuses_fails_the_task_even_where_errors_are_tolerated() {
    let delivery = exactly_once(TransactionBoundary::Poll);
    let mut stage = Stage::new(&["a", "b", "c"], delivery, "all")
        .verdict(|text, _| match text {
            "c" => Verdict::Fail(Code::MessageSizeTooLarge),
            _ => Verdict::Acknowledge,
        })
        .run();
    assert_eq!(stage.end().unwrap_err().kind(), ErrorKind::Fatal);
    assert_eq!((stage.written().len(), stage.stored()), (2, Some(2)));
}

#[test]
fn a_record_that_the_client_refuses_is_passed_over_where_errors_are_tolerated() {
    let delivery = exactly_once(TransactionBoundary::Poll);
    let mut stage = Stage::new(&["a", "b", "c"], delivery, "all")
        .verdict(|text, _| match text {
            "b" => Verdict::Refuse(Code::MessageSizeTooLarge),
            _ => Verdict::Acknowledge,
        })
        .run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 2);
    stage.stop().unwrap();
    assert_eq!((stage.written().len(), stage.stored()), (2, Some(3)));
}
