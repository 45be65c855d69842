//! Stage 3: predicates, built-in transforms and WASM plugins.
//!
//! A plugin takes batches of a partition of Kafka, which records of a source do not have yet: it is
//! shown partition -1 and offset -1 of the topic that the record is to go to.

use std::sync::Arc;

use connect_api::{
    Disposition, Error, MemoryLimit, Offset, Origin, Outcome, Predicate, Record,
    RecordTransformation, Result, SinkRecord, SourceOffset, SourcePartition, SourceRecord, Tick,
    TickReason, TimestampType, TopicPartition, Transformation, panics,
};

use super::Session;
use crate::connector_config::OutputTopics;
use crate::errors::{SourceErrant, Stage};
use crate::sink_task::{ChainStep, StepKind};

/// What has become of one record of the source.
#[derive(Debug)]
pub(super) struct Transformed {
    /// What is to be written of it: nothing if it was dropped, several if a transform made more.
    pub(super) records: Vec<Record>,
    pub(super) source_partition: Arc<SourcePartition>,
    pub(super) source_offset: SourceOffset,
    /// Why it, or a part of what was made of it, was passed over.
    pub(super) failure: Option<Box<Error>>,
}

impl Transformed {
    /// Takes note of a failure that was reported.
    fn fail(&mut self, class: &str, error: Error, failed: OnFailure<'_>) -> Result<()> {
        failed(self, class, &error)?;
        self.failure.get_or_insert_with(|| Box::new(error));
        Ok(())
    }
}

/// The transforms of a task, in order.
pub struct SourceChain {
    steps: Vec<ChainStep>,
    output_topics: OutputTopics,
}

/// Takes a record that a transform fails: its place in the batch, the transform's class, the error.
/// An error of its own ends the batch.
type OnFailure<'a> = &'a mut dyn FnMut(&Transformed, &str, &Error) -> Result<()>;

impl SourceChain {
    /// A chain of the given steps, whose plugins may route to these topics.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] for a plugin that keeps state: that belongs to a
    /// partition
    /// which is read from Kafka. No partition is quiet here, so that nothing is ticked by wall
    /// time.
    pub fn new(steps: Vec<ChainStep>, output_topics: OutputTopics) -> Result<Self> {
        for ChainStep {
            alias,
            class,
            transformation,
            ..
        } in &steps
        {
            let StepKind::Batch(transformation) = transformation else {
                continue;
            };
            let refused = |what: &str| {
                Err(Error::config(format!(
                    "transforms.{alias}: {class} {what}, which a source has no place for; use it \
                     in a sink"
                )))
            };
            if transformation.state_limit().is_some() {
                return refused("keeps state");
            }
        }
        let plugins = steps.iter().any(ChainStep::is_plugin);
        Ok(Self {
            output_topics: if plugins {
                output_topics
            } else {
                OutputTopics::Any
            },
            steps,
        })
    }

    /// The plugins of the chain, each after its alias; none when all transforms are built in.
    pub fn plugins(&self) -> Option<String> {
        let plugin = |step: &ChainStep| match &step.transformation {
            StepKind::Batch(plugin) => Some(format!("{}: {}", step.alias, plugin.provenance()?)),
            StepKind::Record(_) => None,
        };
        let plugins: Vec<String> = self.steps.iter().filter_map(plugin).collect();
        (!plugins.is_empty()).then(|| plugins.join(", "))
    }

    fn apply(
        &mut self,
        records: Vec<SourceRecord>,
        failed: OnFailure<'_>,
    ) -> Result<Vec<Transformed>> {
        let mut own_headers = Vec::with_capacity(records.len());
        let untouched = |record: SourceRecord| {
            own_headers.push(record.own_headers);
            Transformed {
                records: vec![record.record],
                source_partition: record.source_partition,
                source_offset: record.source_offset,
                failure: None,
            }
        };
        let mut batch: Vec<Transformed> = records.into_iter().map(untouched).collect();
        let came_with: Vec<Arc<str>> = match self.output_topics {
            OutputTopics::Any => Vec::new(),
            OutputTopics::Matching(_) => {
                let topics = batch.iter().flat_map(|from| &from.records);
                topics.map(|record| Arc::clone(&record.topic)).collect()
            }
        };
        for step in &mut self.steps {
            let ChainStep {
                class,
                predicate,
                transformation,
                ..
            } = step;
            let applies = Applies(predicate.as_ref());
            match transformation {
                StepKind::Record(one) => {
                    each(one.as_mut(), class, &applies, &mut batch, failed)?;
                }
                StepKind::Batch(all) => {
                    by_topic(all.as_mut(), class, &applies, &mut batch, failed)?;
                }
            }
        }
        self.routed(&came_with, &mut batch, failed)?;
        for (made, own) in batch.iter_mut().zip(own_headers) {
            for record in &mut made.records {
                record.headers.extend_from_slice(&own);
            }
        }
        Ok(batch)
    }
}

impl SourceChain {
    /// Takes out the records that are routed where the connector does not allow it.
    fn routed(
        &self,
        came_with: &[Arc<str>],
        batch: &mut [Transformed],
        failed: OnFailure<'_>,
    ) -> Result<()> {
        let plugin = self.steps.iter().find(|step| step.is_plugin());
        let class = plugin.map_or("", |step| &*step.class);
        for (from, topic) in batch.iter_mut().zip(came_with) {
            let mut kept = Vec::with_capacity(from.records.len());
            for record in std::mem::take(&mut from.records) {
                match self.output_topics.check(topic, &record.topic) {
                    Ok(()) => kept.push(record),
                    Err(error) => from.fail(class, error, failed)?,
                }
            }
            from.records = kept;
        }
        Ok(())
    }
}

/// The records that a step is for.
struct Applies<'a>(Option<&'a (Arc<dyn Predicate>, bool)>);

impl Applies<'_> {
    fn to(&self, record: &Record) -> Result<bool> {
        match self.0 {
            Some((predicate, negate)) => Ok(predicate.test(record)? != *negate),
            None => Ok(true),
        }
    }
}

fn each(
    transformation: &mut dyn RecordTransformation,
    class: &str,
    applies: &Applies<'_>,
    batch: &mut [Transformed],
    failed: OnFailure<'_>,
) -> Result<()> {
    for from in batch {
        let mut kept = Vec::with_capacity(from.records.len());
        for mut record in std::mem::take(&mut from.records) {
            let limit = MemoryLimit::of_record();
            let made = match applies.to(&record) {
                Ok(true) => {
                    let apply = || transformation.apply_from(&mut record, None);
                    limit.measure(|| panics::caught(apply)).made
                }
                Ok(false) => Ok(Disposition::Keep),
                Err(error) => Err(error),
            };
            match made {
                Ok(Disposition::Keep) => kept.push(record),
                Ok(Disposition::Drop) => {}
                Err(error) => from.fail(class, error, failed)?,
            }
        }
        from.records = kept;
    }
    Ok(())
}

/// A record that a plugin is given, and the place of the record of the source in the batch.
struct Chosen {
    at: usize,
    record: SinkRecord,
}

/// Gives a plugin the records that it applies to, in runs of one topic. The others keep their
/// places between its results.
fn by_topic(
    transformation: &mut dyn Transformation,
    class: &str,
    applies: &Applies<'_>,
    batch: &mut [Transformed],
    failed: OnFailure<'_>,
) -> Result<()> {
    let mut run: Vec<Chosen> = Vec::new();
    for at in 0..batch.len() {
        for record in std::mem::take(&mut batch[at].records) {
            let applied = match applies.to(&record) {
                Ok(applied) => applied,
                Err(error) => {
                    batch[at].fail(class, error, failed)?;
                    continue;
                }
            };
            let ends_run = run.last().is_some_and(|last| match applied {
                true => last.record.record.topic != record.topic,
                // The results for what came before this record go in front of it.
                false => last.at == at,
            });
            if ends_run {
                apply_run(
                    transformation,
                    class,
                    std::mem::take(&mut run),
                    batch,
                    failed,
                )?;
            }
            if applied {
                let record = unread(record, run.last());
                run.push(Chosen { at, record });
            } else {
                batch[at].records.push(record);
            }
        }
    }
    apply_run(transformation, class, run, batch, failed)
}

/// A record in the form that plugins take, which was not read from Kafka.
fn unread(record: Record, before: Option<&Chosen>) -> SinkRecord {
    let origin = match before {
        Some(before) => before.record.origin.clone(),
        None => {
            let nowhere = Arc::new(TopicPartition::new(Arc::clone(&record.topic), -1));
            Origin::new(&nowhere, Offset(-1))
        }
    };
    SinkRecord {
        record,
        origin,
        timestamp_type: TimestampType::CreateTime,
    }
}

fn apply_run(
    transformation: &mut dyn Transformation,
    class: &str,
    run: Vec<Chosen>,
    batch: &mut [Transformed],
    failed: OnFailure<'_>,
) -> Result<()> {
    let (places, mut records): (Vec<usize>, Vec<SinkRecord>) = run
        .into_iter()
        .map(|chosen| (chosen.at, chosen.record))
        .unzip();
    let (Some(first), Some(last_place)) = (records.first(), places.last().copied()) else {
        return Ok(());
    };
    let partition = Arc::clone(&first.origin.topic_partition);
    let outcomes = transformation.apply(&partition, &mut records)?;
    if outcomes.len() != records.len() {
        return Err(Error::fatal(format!(
            "transform {class} gave {} outcomes for {} records",
            outcomes.len(),
            records.len()
        )));
    }
    for ((at, record), outcome) in places.into_iter().zip(records).zip(outcomes) {
        match outcome {
            Outcome::Keep | Outcome::Change => batch[at].records.push(record.record),
            Outcome::Drop => {}
            Outcome::Replace(made) => batch[at].records.extend(made),
            Outcome::Fail(error) => batch[at].fail(class, error, failed)?,
        }
    }
    let tick = Tick {
        next_offset: Offset(0),
        reason: TickReason::Batch,
    };
    let made = transformation.tick(&partition, tick)?;
    batch[last_place].records.extend(made);
    // Nothing is kept of a partition that does not exist.
    transformation.durable(&partition, tick.next_offset);
    Ok(())
}

impl Session<'_> {
    /// What the transforms make of the records. One that fails is passed over, or fails the task.
    pub(super) fn transform(&mut self, records: Vec<SourceRecord>) -> Result<Vec<Transformed>> {
        let parts = &mut self.worker.parts;
        let errors = &parts.errors;
        parts.chain.apply(records, &mut |from, class, error| {
            errors.report(&SourceErrant {
                source_partition: &from.source_partition,
                source_offset: &from.source_offset,
                stage: Stage::Transformation,
                class,
                error,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use connect_api::{Datum, Header, Value};

    use super::*;

    /// Leaves no header.
    struct Bare;

    impl RecordTransformation for Bare {
        fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
            record.headers.clear();
            Ok(Disposition::Keep)
        }
    }

    #[test]
    fn no_transform_takes_what_the_source_has_to_find_again() {
        let step = ChainStep {
            alias: "t".into(),
            class: "Bare".into(),
            predicate: None,
            transformation: StepKind::Record(Box::new(Bare)),
        };
        let mut chain = SourceChain::new(vec![step], OutputTopics::Any).unwrap();
        let header = |name: &str| Header {
            name: name.into(),
            value: Datum::schemaless(Value::from("v")),
        };
        let record = SourceRecord {
            record: Record {
                topic: "t".into(),
                partition: None,
                key: Datum::NULL,
                value: Datum::NULL,
                headers: vec![header("own"), header("other")],
                timestamp: None,
            },
            source_partition: Arc::default(),
            source_offset: SourceOffset::default(),
            own_headers: vec![header("own")],
        };
        let made = chain.apply(vec![record], &mut |_, _, error| panic!("{error}"));
        let made = made.unwrap().remove(0).records.remove(0);
        assert_eq!(made.headers, [header("own")]);
    }
}
