//! A predicate that cannot tell: the record is at fault, and those beside it are not.

use connect_api::{
    Datum, Disposition, Origin, Predicate, Record, RecordTransformation, SinkRecord, TimestampType,
    Value,
};

use super::*;

/// It is true of what is not "skip", and knows nothing of "doubt".
struct Doubtful;

impl Predicate for Doubtful {
    fn test(&self, record: &Record) -> Result<bool> {
        match record.value.value.as_str() {
            Some("doubt") => Err(Error::data("it cannot be told")),
            said => Ok(said != Some("skip")),
        }
    }
}

/// Notes that it has seen a record.
struct Marked;

impl RecordTransformation for Marked {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let said = record.value.value.as_str().unwrap_or_default();
        record.value = Datum::schemaless(Value::from(&*format!("{said}!")));
        Ok(Disposition::Keep)
    }
}

fn records(values: &[&str]) -> Vec<SinkRecord> {
    let at = Arc::new(TopicPartition::new("t", 0));
    let numbered = (0..).zip(values);
    let record = |(offset, value): (i64, &&str)| SinkRecord {
        record: Record {
            topic: "t".into(),
            partition: Some(0),
            key: Datum::NULL,
            value: Datum::schemaless(Value::from(*value)),
            headers: Vec::new(),
            timestamp: None,
        },
        origin: Origin::new(&at, Offset(offset)),
        timestamp_type: TimestampType::CreateTime,
    };
    numbered.map(record).collect()
}

/// What leaves a chain of one step, and the offsets of what was at fault.
fn chained(transformation: StepKind) -> (Vec<String>, Vec<i64>) {
    let step = ChainStep {
        alias: "t".to_owned(),
        class: "Marked".to_owned(),
        predicate: Some((Arc::new(Doubtful), false)),
        transformation,
    };
    let mut chain = TransformationChain::new(vec![step], OutputTopics::Any);
    let at = Arc::new(TopicPartition::new("t", 0));
    let mut errant = Vec::new();
    let left = chain.apply(
        &at,
        records(&["a", "doubt", "skip", "b"]),
        &mut |_, offset, error| {
            assert_eq!(error.to_string(), "it cannot be told");
            errant.push(offset.0);
            Ok(())
        },
    );
    let said = left.unwrap().into_iter();
    let said = said.map(|it| {
        it.record
            .value
            .value
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    (said.collect(), errant)
}

#[test]
fn a_record_that_a_predicate_cannot_tell_of_is_errant() {
    let (left, errant) = chained(StepKind::Record(Box::new(Marked)));
    assert_eq!(left, ["a!", "skip", "b!"]);
    assert_eq!(errant, [1]);
    let services = Shared::<Services>::default();
    let (left, errant) = chained(StepKind::Batch(Box::new(Counter::new(&services, None))));
    assert_eq!(left.len(), 3);
    assert_eq!(errant, [1]);
}
