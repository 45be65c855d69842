//! Transforms in front of Kafka.

use connect_api::{
    Offset, Outcome, Predicate, SinkRecord, StateChanges, StoredState, Tick, TopicPartition,
    Transformation,
};

use super::*;
use crate::connector_config::OutputTopics;
use crate::sink_task::{ChainStep, StepKind};

/// Drops "drop", fails "fail", doubles "twice", and notes where records seem to come from.
struct Plugin {
    seen: Arc<Mutex<Vec<String>>>,
    state_limit: Option<u64>,
}

impl Transformation for Plugin {
    fn apply(
        &mut self,
        partition: &Arc<TopicPartition>,
        records: &mut [SinkRecord],
    ) -> Result<Vec<Outcome>> {
        lock(&self.seen).push(format!("{} of {partition}", records.len()));
        let outcomes = records
            .iter()
            .map(|record| match record.record.value.value.as_str() {
                Some("drop") => Outcome::Drop,
                Some("fail") => Outcome::Fail(Error::data("no")),
                Some("twice") => {
                    Outcome::Replace(vec![record.record.clone(), record.record.clone()])
                }
                _ => Outcome::Keep,
            });
        Ok(outcomes.collect())
    }

    fn tick(&mut self, _: &Arc<TopicPartition>, _: Tick) -> Result<Vec<Record>> {
        Ok(Vec::new())
    }

    fn state_limit(&self) -> Option<u64> {
        self.state_limit
    }

    fn state_changes(&mut self, _: &TopicPartition) -> Option<StateChanges> {
        None
    }

    fn durable(&mut self, _: &TopicPartition, _: Offset) {}
    fn reset(&mut self, _: &TopicPartition) {}
    fn restore(&mut self, _: &TopicPartition, _: StoredState) {}
    fn forget(&mut self, _: &TopicPartition) {}
}

fn step(seen: &Arc<Mutex<Vec<String>>>, state_limit: Option<u64>) -> ChainStep {
    ChainStep {
        alias: "p".into(),
        class: "plugin".into(),
        predicate: None,
        transformation: StepKind::Batch(Box::new(Plugin {
            seen: Arc::clone(seen),
            state_limit,
        })),
    }
}

fn chain(seen: &Arc<Mutex<Vec<String>>>, state_limit: Option<u64>) -> Result<SourceChain> {
    SourceChain::new(vec![step(seen, state_limit)], OutputTopics::Any)
}

#[test]
fn a_plugin_is_given_records_of_no_partition() {
    let seen = Arc::default();
    let delivery = SourceDelivery::AtLeastOnce(NEVER);
    let mut stage = Stage::new(&["a", "drop", "twice", "fail", "b"], delivery, "all");
    stage.parts.as_mut().unwrap().chain = chain(&seen, None).unwrap();
    lock(&stage.source).poll_size = 5;
    stage = stage.run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 4);
    stage.stop().unwrap();
    assert_eq!(stage.written(), ["a", "twice", "twice", "b"]);
    assert_eq!(stage.stored(), Some(5));
    assert_eq!(*lock(&seen), ["5 of lines--1"]);
}

/// It is true of all, but for "doubt", of which it knows nothing.
struct Doubtful;

impl Predicate for Doubtful {
    fn test(&self, record: &Record) -> Result<bool> {
        match record.value.value.as_str() {
            Some("doubt") => Err(Error::data("it cannot be told")),
            _ => Ok(true),
        }
    }
}

#[test]
fn a_record_that_a_predicate_cannot_tell_of_is_errant() {
    let seen = Arc::default();
    let delivery = SourceDelivery::AtLeastOnce(NEVER);
    let mut stage = Stage::new(&["a", "doubt", "b"], delivery, "all");
    let mut step = step(&seen, None);
    step.predicate = Some((Arc::new(Doubtful), false));
    let chain = SourceChain::new(vec![step], OutputTopics::Any);
    stage.parts.as_mut().unwrap().chain = chain.unwrap();
    lock(&stage.source).poll_size = 3;
    stage = stage.run();
    stage.until("the last record", |_, kafka| kafka.written.len() == 2);
    stage.stop().unwrap();
    assert_eq!(stage.written(), ["a", "b"]);
    assert_eq!(stage.stored(), Some(3));
    assert_eq!(*lock(&seen), ["2 of lines--1"]);
}

#[test]
fn the_offset_of_a_dropped_record_is_stored() {
    let delivery = SourceDelivery::AtLeastOnce(Duration::from_millis(10));
    let mut stage = Stage::new(&["drop", "drop"], delivery, "none");
    stage.parts.as_mut().unwrap().chain = chain(&Arc::default(), None).unwrap();
    stage = stage.run();
    stage.until("the offset", |source, _| source.committed == [2]);
    stage.stop().unwrap();
    assert_eq!(stage.written(), [""; 0]);
}

#[test]
fn a_plugin_that_keeps_state_is_refused() {
    let refused = chain(&Arc::default(), Some(1)).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Config);
    let text = refused.to_string();
    assert!(text.contains("transforms.p: plugin keeps state"), "{text}");
}
