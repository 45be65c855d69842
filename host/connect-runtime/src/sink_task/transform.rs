//! Stage 4: predicates, built-in transforms and WASM plugins.

use std::sync::Arc;
use std::time::Duration;

use connect_api::{
    Disposition, Error, Measured, MemoryLimit, Offset, Origin, Outcome, Predicate, Record,
    RecordBatch, RecordTransformation, Result, SinkRecord, StateDelta, StateStore, StoredState,
    Tick, TickReason, TimestampType, TopicPartition, Transformation, panics,
};

use super::convert::{ConvertedBatch, Cut};
use crate::connector_config::OutputTopics;
use crate::errors::{DeadLetterRows, FailedRecord, RecordErrors, Stage, StoppedAt};
use crate::sink_task_loop::batch::{RawBatch, TaskBatch};

/// The transforms of a task, in order.
pub struct TransformationChain {
    steps: Vec<ChainStep>,
    output_topics: OutputTopics,
}

/// One transform of the chain.
pub struct ChainStep {
    /// Its alias in `transforms`.
    pub alias: String,
    /// Its class, or its name for a WASM plugin.
    pub class: String,
    /// The predicate that it waits for, and whether that is negated.
    pub predicate: Option<(Arc<dyn Predicate>, bool)>,
    /// The transform.
    pub transformation: StepKind,
}

impl std::fmt::Debug for ChainStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.alias, self.class)
    }
}

/// How a transform takes its records.
pub enum StepKind {
    /// One by one.
    Record(Box<dyn RecordTransformation>),
    /// By the batch.
    Batch(Box<dyn Transformation>),
}

/// Takes the records that a transform fails: class, offset, error. An error of its own ends the
/// batch.
pub type OnFailure<'a> = &'a mut dyn FnMut(&str, Offset, Error) -> Result<()>;

/// What became of a batch in the transforms.
pub enum Transformed {
    /// All that was read is in this batch for the sink.
    Whole(TaskBatch),
    /// The batch was cut when it was converted. What is in front is in the batch for the sink; none
    /// when there is nothing.
    Cut(Option<TaskBatch>, Cut),
    /// The task cannot get past a record on which a transform failed. The transforms may have seen
    /// records behind it, so that their state has to go back to what is durable before they see
    /// those in front of it again.
    Stopped(RawBatch, StoppedAt),
}

impl TransformationChain {
    /// A chain of the given steps, whose plugins may route to these topics.
    pub fn new(steps: Vec<ChainStep>, output_topics: OutputTopics) -> Self {
        let plugins = steps.iter().any(ChainStep::is_plugin);
        Self {
            output_topics: if plugins {
                output_topics
            } else {
                OutputTopics::Any
            },
            steps,
        }
    }

    /// The plugins of the chain, each after its alias; none when all transforms are built in.
    pub fn plugins(&self) -> Option<String> {
        let plugin = |step: &ChainStep| match &step.transformation {
            StepKind::Batch(transformation) => {
                Some(format!("{}: {}", step.alias, transformation.provenance()?))
            }
            StepKind::Record(_) => None,
        };
        let plugins: Vec<String> = self.steps.iter().filter_map(plugin).collect();
        (!plugins.is_empty()).then(|| plugins.join(", "))
    }

    /// Transforms a batch. Records that a transform fails on are reported.
    ///
    /// # Errors
    /// An error that no record is to blame for.
    pub fn transform_batch(
        &mut self,
        converted: ConvertedBatch,
        errors: &mut RecordErrors,
    ) -> Result<Transformed> {
        let ConvertedBatch {
            raw,
            records,
            mut dead_letters,
            cut,
            memory,
        } = converted;
        let topic_partition = Arc::clone(&raw.topic_partition);
        let mut stopped = None;
        let mut failed = |class: &str, offset: Offset, error| {
            let Ok(at) = raw.records.binary_search_by_key(&offset, |r| r.offset) else {
                return Err(error);
            };
            let reported = errors.report(FailedRecord {
                topic_partition: &topic_partition,
                raw: &raw.records[at],
                stage: Stage::Transformation,
                class,
                error,
            });
            let reported = reported.map_err(|why| {
                stopped = Some((at, why.retry_in));
                why.error
            });
            dead_letters.add(reported?);
            Ok(())
        };
        let Measured {
            made: applied,
            bytes,
        } = MemoryLimit::NONE.measure(|| self.apply(&topic_partition, records, &mut failed));
        let records = match (applied, stopped) {
            (Ok(records), _) => records,
            (Err(error), Some((at, retry_in))) => {
                let stopped = StoppedAt { error, retry_in };
                return Ok(Transformed::Stopped(raw.before(at), stopped));
            }
            (Err(error), None) => {
                let retry_in = errors.next_try(&topic_partition, raw.first_offset, &error);
                if retry_in.is_none() {
                    return Err(error);
                }
                let stopped = StoppedAt { error, retry_in };
                return Ok(Transformed::Stopped(raw.before(0), stopped));
            }
        };
        errors.passed(&topic_partition, raw.next_offset);
        let state = self.state_changes(&topic_partition);
        let mut batch = task_batch(raw, records, state, dead_letters);
        batch.memory = memory.saturating_add(bytes);
        Ok(match cut {
            None => Transformed::Whole(batch),
            Some(cut) => Transformed::Cut((!batch.raw.is_empty()).then_some(batch), cut),
        })
    }

    /// Transforms records of one partition.
    ///
    /// # Errors
    /// What `failed` answers, or an error that no record is to blame for.
    pub fn apply(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        mut records: Vec<SinkRecord>,
        failed: OnFailure<'_>,
    ) -> Result<Vec<SinkRecord>> {
        for step in &mut self.steps {
            if records.is_empty() {
                break;
            }
            records = step.apply(topic_partition, records, failed)?;
        }
        self.routed(topic_partition, records, failed)
    }

    /// Takes out the records that are routed where the connector does not allow it.
    fn routed(
        &self,
        topic_partition: &TopicPartition,
        mut records: Vec<SinkRecord>,
        failed: OnFailure<'_>,
    ) -> Result<Vec<SinkRecord>> {
        if let OutputTopics::Any = self.output_topics {
            return Ok(records);
        }
        let plugin = self.steps.iter().find(|step| step.is_plugin());
        let class = plugin.map_or("", |step| &*step.class);
        let mut stopped = None;
        records.retain(|record| {
            let (from, to) = (&topic_partition.topic, &record.record.topic);
            match self.output_topics.check(from, to) {
                Ok(()) => true,
                Err(_) if stopped.is_some() => false,
                Err(error) => {
                    stopped = failed(class, record.origin.offset, error).err();
                    false
                }
            }
        });
        stopped.map_or(Ok(records), Err)
    }

    /// Ticks the transforms that ask for it, of a quiet partition that stands at an offset, by the
    /// wall clock, or for the last time. What one makes goes through those behind it.
    ///
    /// # Errors
    /// As for `apply`.
    pub fn tick(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        tick: Tick,
        failed: OnFailure<'_>,
    ) -> Result<Vec<SinkRecord>> {
        let mut records = Vec::new();
        for step in &mut self.steps {
            if !records.is_empty() {
                records = step.apply(topic_partition, records, failed)?;
            }
            if let StepKind::Batch(transformation) = &mut step.transformation
                && asks_for(transformation.as_ref(), tick.reason)
            {
                records.extend(ticked(transformation.as_mut(), topic_partition, tick)?);
            }
        }
        self.routed(topic_partition, records, failed)
    }

    /// The shortest time after which a transform is to be ticked in a quiet partition.
    pub fn tick_interval(&self) -> Option<Duration> {
        let intervals = self
            .steps
            .iter()
            .filter_map(|step| match &step.transformation {
                StepKind::Batch(transformation) => transformation.tick_interval(),
                StepKind::Record(_) => None,
            });
        intervals.min()
    }

    /// Whether a transform is to be ticked when the task ends in order.
    pub fn flushes_on_stop(&self) -> bool {
        self.steps.iter().any(|step| match &step.transformation {
            StepKind::Batch(transformation) => transformation.flushes_on_stop(),
            StepKind::Record(_) => false,
        })
    }

    /// The transforms whose state is to be kept.
    pub fn stores(&self) -> Vec<StateStore> {
        let limit = |step: &ChainStep| match &step.transformation {
            StepKind::Batch(transformation) => transformation.state_limit(),
            StepKind::Record(_) => None,
        };
        let steps = self.steps.iter();
        let stores = steps.filter_map(|step| {
            Some(StateStore {
                transform: step.alias.as_str().into(),
                limit: limit(step)?,
            })
        });
        stores.collect()
    }

    /// What the partition's batches since the last time this was asked have changed of the state.
    pub fn state_changes(&mut self, topic_partition: &TopicPartition) -> Vec<StateDelta> {
        let mut deltas = Vec::new();
        for step in &mut self.steps {
            if let StepKind::Batch(transformation) = &mut step.transformation
                && let Some(changes) = transformation.state_changes(topic_partition)
            {
                let transform = step.alias.as_str().into();
                deltas.push(StateDelta { transform, changes });
            }
        }
        deltas
    }

    /// The partition's state is what the sink has kept.
    pub fn restore(&mut self, topic_partition: &TopicPartition, stored: Vec<StoredState>) {
        for state in stored {
            let step = self.steps.iter_mut();
            let mut step = step.filter(|step| *step.alias == *state.transform);
            if let Some(StepKind::Batch(transformation)) =
                step.next().map(|step| &mut step.transformation)
            {
                transformation.restore(topic_partition, state);
            }
        }
    }

    /// Everything of the partition up to the offset is durable.
    pub fn durable(&mut self, topic_partition: &TopicPartition, next_offset: Offset) {
        self.batched(|transformation| transformation.durable(topic_partition, next_offset));
    }

    /// The partition goes back to what is durable.
    pub fn reset(&mut self, topic_partition: &TopicPartition) {
        self.batched(|transformation| transformation.reset(topic_partition));
    }

    /// The partition goes to another task, or comes from one.
    pub fn forget(&mut self, topic_partition: &TopicPartition) {
        self.batched(|transformation| transformation.forget(topic_partition));
    }

    fn batched(&mut self, mut each: impl FnMut(&mut dyn Transformation)) {
        for step in &mut self.steps {
            if let StepKind::Batch(transformation) = &mut step.transformation {
                each(transformation.as_mut());
            }
        }
    }
}

fn asks_for(transformation: &dyn Transformation, reason: TickReason) -> bool {
    match reason {
        TickReason::Batch => true,
        TickReason::Quiet(_) => transformation.tick_interval().is_some(),
        TickReason::Flush(_) => transformation.flushes_on_stop(),
    }
}

/// The batch for the sink.
fn task_batch(
    raw: RawBatch,
    records: Vec<SinkRecord>,
    state: Vec<StateDelta>,
    mut dead_letters: DeadLetterRows,
) -> TaskBatch {
    let last_timestamp = raw.last_timestamp();
    TaskBatch {
        batch: RecordBatch {
            topic_partition: raw.topic_partition,
            records,
            first_offset: raw.first_offset,
            next_offset: raw.next_offset,
            last_timestamp,
            dead_letters: dead_letters.take_rows(),
            state,
        },
        raw: raw.records,
        deliveries: dead_letters.deliveries,
        bytes: raw.bytes,
        memory: 0,
    }
}

impl ChainStep {
    pub(crate) fn is_plugin(&self) -> bool {
        matches!(self.transformation, StepKind::Batch(_))
    }

    fn apply(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        records: Vec<SinkRecord>,
        failed: OnFailure<'_>,
    ) -> Result<Vec<SinkRecord>> {
        let Self {
            class,
            predicate,
            transformation,
            ..
        } = self;
        let predicate = predicate.as_ref();
        let applies = |record: &SinkRecord| match predicate {
            Some((predicate, negate)) => predicate.test(&record.record).map(|it| it != *negate),
            None => Ok(true),
        };
        match transformation {
            StepKind::Record(transformation) => {
                let one = transformation.as_mut();
                apply_each(one, class, applies, records, failed)
            }
            StepKind::Batch(transformation) if predicate.is_none() => apply_batch(
                transformation.as_mut(),
                class,
                topic_partition,
                records,
                failed,
            ),
            StepKind::Batch(transformation) => {
                // Those that it does not apply to keep their places between the others' results.
                let (mut chosen, mut rest) = (Vec::new(), Vec::new());
                for record in records {
                    match applies(&record) {
                        Ok(true) => chosen.push(record),
                        Ok(false) => rest.push(record),
                        Err(error) => failed(class, record.origin.offset, error)?,
                    }
                }
                if !chosen.is_empty() {
                    chosen = apply_batch(
                        transformation.as_mut(),
                        class,
                        topic_partition,
                        chosen,
                        failed,
                    )?;
                }
                chosen.append(&mut rest);
                // Stable: the several results of one record stay in their order.
                chosen.sort_by_key(|record| record.origin.offset);
                Ok(chosen)
            }
        }
    }
}

fn apply_each(
    transformation: &mut dyn RecordTransformation,
    class: &str,
    applies: impl Fn(&SinkRecord) -> Result<bool>,
    mut records: Vec<SinkRecord>,
    failed: OnFailure<'_>,
) -> Result<Vec<SinkRecord>> {
    let mut fatal = None;
    let limit = MemoryLimit::of_record();
    records.retain_mut(|record| {
        if fatal.is_some() {
            return true;
        }
        let made = match applies(record) {
            Ok(true) => {
                let SinkRecord { record, origin, .. } = record;
                let apply = || transformation.apply_from(record, Some(origin));
                limit.measure(|| panics::caught(apply)).made
            }
            Ok(false) => return true,
            Err(error) => Err(error),
        };
        match made {
            Ok(Disposition::Keep) => true,
            Ok(Disposition::Drop) => false,
            Err(error) => {
                fatal = failed(class, record.origin.offset, error).err();
                false
            }
        }
    });
    fatal.map_or(Ok(records), Err)
}

fn apply_batch(
    transformation: &mut dyn Transformation,
    class: &str,
    topic_partition: &Arc<TopicPartition>,
    mut records: Vec<SinkRecord>,
    failed: OnFailure<'_>,
) -> Result<Vec<SinkRecord>> {
    let outcomes = transformation.apply(topic_partition, &mut records)?;
    if outcomes.len() != records.len() {
        return Err(Error::fatal(format!(
            "transform {class} gave {} outcomes for {} records",
            outcomes.len(),
            records.len()
        )));
    }
    let emitted = match records.last() {
        Some(last) => {
            let tick = Tick {
                next_offset: last.origin.offset.next(),
                reason: TickReason::Batch,
            };
            ticked(transformation, topic_partition, tick)?
        }
        None => Vec::new(),
    };
    let mut out = Vec::with_capacity(records.len() + emitted.len());
    for (record, outcome) in records.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Keep | Outcome::Change => out.push(record),
            Outcome::Drop => {}
            Outcome::Replace(made) => out.extend(made.into_iter().map(|made| SinkRecord {
                record: made,
                origin: record.origin.clone(),
                timestamp_type: record.timestamp_type,
            })),
            Outcome::Fail(error) => failed(class, record.origin.offset, error)?,
        }
    }
    out.extend(emitted);
    Ok(out)
}

/// What a transform makes of its own accord, in the place of the last record before the tick.
fn ticked(
    transformation: &mut dyn Transformation,
    topic_partition: &Arc<TopicPartition>,
    tick: Tick,
) -> Result<Vec<SinkRecord>> {
    let records = transformation.tick(topic_partition, tick)?;
    let emitted = |record: Record| SinkRecord {
        record,
        origin: Origin::new(topic_partition, tick.next_offset.previous()),
        timestamp_type: TimestampType::CreateTime,
    };
    Ok(records.into_iter().map(emitted).collect())
}
