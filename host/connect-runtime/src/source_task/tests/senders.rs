//! Who has sent a record is told what has become of it.

use connect_api::{Record, RecordTransformation};

use super::*;
use crate::sink_task::{ChainStep, StepKind};

/// Drops "drop", refuses "refuse".
struct Picky;

impl RecordTransformation for Picky {
    fn apply(&mut self, record: &mut Record) -> Result<connect_api::Disposition> {
        match record.value.value.as_str() {
            Some("drop") => Ok(connect_api::Disposition::Drop),
            Some("refuse") => Err(Error::data("domain: no").at_field("domain", "no")),
            _ => Ok(connect_api::Disposition::Keep),
        }
    }
}

fn stage(texts: &[&str], delivery: SourceDelivery) -> Stage {
    let mut stage = Stage::new(texts, delivery, "none");
    lock(&stage.source).senders = Senders::Waiting;
    let step = ChainStep {
        alias: "picky".into(),
        class: "Picky".into(),
        predicate: None,
        transformation: StepKind::Record(Box::new(Picky)),
    };
    let parts = stage.parts.as_mut().unwrap();
    parts.chain = SourceChain::new(vec![step], OutputTopics::Any).unwrap();
    stage
}

fn told(stage: &Stage) -> Vec<String> {
    lock(&stage.source).told.clone()
}

const STORED_LATE: SourceDelivery = SourceDelivery::AtLeastOnce(NEVER);
const BY_POLL: SourceDelivery = SourceDelivery::ExactlyOnce(TransactionBoundary::Poll);

#[test]
fn each_record_is_told_of_and_none_fails_the_task() {
    for delivery in [STORED_LATE, BY_POLL] {
        let mut stage = stage(&["a", "drop", "refuse", "b", "large"], delivery)
            .verdict(|text, _| match text {
                "large" => Verdict::Refuse(Code::MessageSizeTooLarge),
                _ => Verdict::Acknowledge,
            })
            .run();
        stage.until("all is told", |source, _| source.told.len() == 5);
        stage.stop().unwrap();
        let all = told(&stage);
        assert_eq!(
            all[..4],
            [
                "1 written to lines",
                "2 dropped",
                "3 failed: domain: no",
                "4 written to lines"
            ]
        );
        assert!(all[4].starts_with("5 failed"), "{all:?}");
        assert_eq!(stage.written(), ["a", "b"]);
    }
}

#[test]
fn nothing_is_told_before_kafka_has_answered_and_all_at_once_then() {
    let mut stage = stage(&["a", "b"], STORED_LATE)
        .verdict(|_, _| Verdict::Keep)
        .run();
    // The next poll waits for records that never come.
    stage.until("a poll waits", |source, _| source.polls == 2);
    assert_eq!(told(&stage), Vec::<String>::new());
    let kept = std::mem::take(&mut lock(&stage.kafka).kept);
    for sender in kept {
        sender.send(Ok((0, 7))).unwrap();
    }
    stage.until("both are told", |source, _| source.told.len() == 2);
    stage.stop().unwrap();
}

#[test]
fn a_broker_that_refuses_a_record_fails_that_one_alone() {
    let mut stage = stage(&["a", "large"], STORED_LATE)
        .verdict(|text, _| match text {
            "large" => Verdict::Fail(Code::MessageSizeTooLarge),
            _ => Verdict::Acknowledge,
        })
        .run();
    stage.until("both are told", |source, _| source.told.len() == 2);
    stage.stop().unwrap();
    assert_eq!(told(&stage)[0], "1 written to lines");
    assert!(told(&stage)[1].starts_with("2 failed"));
}

#[test]
fn a_task_outlives_a_transaction_whose_end_is_unknown() {
    let stage = stage(&["a", "b", "c", "d"], BY_POLL);
    let lost = Error::retriable("no answer");
    lock(&stage.kafka).commit_errors.push_back(lost);
    let mut stage = stage.run();
    stage.until("the others are told", |source, _| source.told.len() == 3);
    stage.stop().unwrap();
    let expect = [
        "given up: no answer",
        "3 written to lines",
        "4 written to lines",
    ];
    assert_eq!(told(&stage), expect);
    assert_eq!(lock(&stage.source).starts, [0]);
    assert_eq!(lock(&stage.kafka).producers, 2);
}
