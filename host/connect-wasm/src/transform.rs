//! A plugin as a transform: batches in, outcomes out, and the search for the records that make the
//! plugin fail.

mod digits;
mod lift;
mod lower;
mod nested;
mod shapes;
mod tick;

#[cfg(feature = "fuzzing")]
pub use lift::fuzzing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{
    Error, Offset, Outcome, Record, Result, SinkRecord, StateChanges, StoredState, Tick, Timestamp,
    TopicPartition, Transformation,
};

use crate::bindings::ferrule::transform::data::{Outcome as WitOutcome, Reply};
use crate::engine::TICK;
use crate::fault::Fault;
use crate::guest::Guest;
use crate::host::{Host, Identity, Secrets};
use crate::limits::WasmLimits;
use crate::meters::Meters;
use crate::plugins::{Loaded, Ticks};
use crate::state::PartitionState;
use lift::Lift;
use lower::{InputShape, Lowered};
use shapes::Shapes;

/// How many times its deadline a plugin may waste on failed calls for one batch, before the task
/// fails: one record that loops costs about three, so it takes a plugin that fails on most of them.
const WASTE: u32 = 16;
/// A call that is to find out which half of a batch is at fault gets this part of the deadline:
/// that it runs out of it only means that it is halved again.
const SEARCH: u32 = 8;

/// A plugin that runs for one transform of one task.
pub(crate) struct WasmTransform {
    plugin: Arc<Loaded>,
    guest: Guest,
    limits: WasmLimits,
    states: HashMap<TopicPartition, PartitionState>,
    shapes: Shapes,
    meters: Meters,
    ticks: Ticks,
    secrets: Arc<Secrets>,
    lowered: Lowered,
}

/// What is still to be done of a batch; the last one first.
enum Work<'a> {
    Records(&'a mut [SinkRecord]),
    Failed(Error),
}

impl WasmTransform {
    pub(crate) fn new(
        plugin: Arc<Loaded>,
        config: Vec<(String, String)>,
        limits: WasmLimits,
        host: Host,
        identity: &Identity,
    ) -> Result<Self> {
        Ok(Self {
            guest: Guest::start(Arc::clone(&plugin), config, limits, host)?,
            plugin,
            limits,
            states: HashMap::new(),
            shapes: Shapes::default(),
            meters: Meters::new(identity),
            ticks: Ticks::default(),
            secrets: Arc::default(),
            lowered: Lowered::default(),
        })
    }

    /// What no reason that the plugin gives may tell.
    pub(crate) fn hide(&mut self, secrets: Arc<Secrets>) {
        self.secrets = secrets;
    }

    /// Says when the plugin is ticked besides after each batch.
    pub(crate) fn tick_as(&mut self, ticks: Ticks) {
        self.ticks = ticks;
    }

    /// Lends the state of the partition to the guest for the time of `work`.
    fn with_state<R>(
        &mut self,
        partition: &TopicPartition,
        work: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let state = self.states.remove(partition);
        let state = state.unwrap_or_else(|| PartitionState::new(self.limits.state_bytes));
        if let Some(host) = self.guest.host() {
            host.state = Some(state);
        }
        let result = work(self);
        if let Some(state) = self.guest.host().and_then(|host| host.state.take()) {
            self.states.insert(partition.clone(), state);
        }
        result
    }

    fn apply_all(
        &mut self,
        partition: &Arc<TopicPartition>,
        records: &mut [SinkRecord],
        next_offset: Offset,
    ) -> Result<Vec<Outcome>> {
        let whole = records.len();
        let offsets = (
            records.first().map_or(Offset(-1), |r| r.origin.offset),
            next_offset.previous(),
        );
        let mut outcomes = Vec::with_capacity(whole);
        let mut work = vec![Work::Records(records)];
        let mut wasted = Duration::ZERO;
        while let Some(next) = work.pop() {
            let part = match next {
                Work::Failed(error) => {
                    outcomes.push(Outcome::Fail(error));
                    continue;
                }
                Work::Records([]) => continue,
                Work::Records(part) => part,
            };
            let timeout = self.limits.call_timeout;
            let timeout = if part.len() == whole || part.len() == 1 {
                timeout
            } else {
                (timeout / SEARCH).max(TICK)
            };
            let begin = Instant::now();
            match self.call(partition, part, next_offset, timeout)? {
                Call::Done(done) => outcomes.extend(done),
                Call::Unfit(at, error) => {
                    let (before, rest) = part.split_at_mut(at);
                    work.extend([
                        Work::Records(&mut rest[1..]),
                        Work::Failed(error),
                        Work::Records(before),
                    ]);
                }
                Call::Fault(fault) => {
                    wasted += begin.elapsed();
                    self.meters.trapped(&fault);
                    if let [record] = part {
                        if fault.is_worn() {
                            work.push(Work::Records(part));
                        } else {
                            work.push(Work::Failed(self.blame(&fault, record)));
                        }
                    } else {
                        let (left, right) = part.split_at_mut(part.len() / 2);
                        work.extend([Work::Records(right), Work::Records(left)]);
                    }
                    if wasted > self.limits.call_timeout * WASTE {
                        return Err(self.give_up(partition, offsets, &fault));
                    }
                }
            }
        }
        Ok(outcomes)
    }

    /// One call. Only what it answers leaves a trace.
    fn call(
        &mut self,
        partition: &Arc<TopicPartition>,
        records: &mut [SinkRecord],
        next_offset: Offset,
        timeout: Duration,
    ) -> Result<Call> {
        let mut lowered = std::mem::take(&mut self.lowered);
        let called = match lowered.fill(&self.plugin.info.reads, records) {
            Ok(()) => {
                let newest = records.iter().filter_map(|r| r.record.timestamp).max();
                self.begin(newest);
                let started = Instant::now();
                let replied = lowered.lend(partition, |batch| {
                    self.guest
                        .call(timeout, |store, guest| guest.call_apply(store, batch))
                });
                self.meters.called(started.elapsed());
                match replied {
                    Ok(replied) => Ok(self.judge(replied, records, lowered.shapes(), next_offset)),
                    Err(error) => {
                        self.discard();
                        Err(error.context(partition))
                    }
                }
            }
            Err((at, error)) => Ok(Call::Unfit(at, error)),
        };
        self.lowered = lowered;
        called
    }

    fn judge(
        &mut self,
        replied: std::result::Result<Reply, Fault>,
        records: &mut [SinkRecord],
        inputs: &[InputShape],
        next_offset: Offset,
    ) -> Call {
        let most = self.limits.output_bytes;
        let sound = replied.and_then(|reply| match fault_of(&reply, records, inputs, most) {
            None => Ok(reply),
            Some(fault) => {
                // Whatever the guest remembers of this batch is in doubt.
                self.guest.abandon();
                Err(fault)
            }
        });
        match sound {
            Ok(reply) => Call::Done(self.lift(&reply, records, inputs, next_offset)),
            Err(fault) => {
                self.discard();
                Call::Fault(fault)
            }
        }
    }

    fn lift(
        &mut self,
        reply: &Reply,
        records: &mut [SinkRecord],
        inputs: &[InputShape],
        next_offset: Offset,
    ) -> Vec<Outcome> {
        self.commit(next_offset);
        let says = (&*self.plugin as _, &*self.secrets);
        let Reply { pool, sources, .. } = reply;
        let mut lift = Lift::new(says, inputs, &mut self.shapes, pool, sources);
        let mut made = &reply.records[..];
        let outcomes = records.iter_mut().zip(&reply.outcomes);
        outcomes
            .map(|(record, outcome)| lift.guarded(&mut record.record, outcome, &mut made))
            .collect()
    }

    fn begin(&mut self, newest: Option<Timestamp>) {
        if let Some(state) = self.guest.host().and_then(|host| host.state.as_mut()) {
            state.begin(newest);
        }
    }

    fn commit(&mut self, next_offset: Offset) {
        if let Some(host) = self.guest.host() {
            host.commit();
            if let Some(state) = &mut host.state {
                state.commit(next_offset);
            }
        }
    }

    fn discard(&mut self) {
        if let Some(host) = self.guest.host() {
            host.discard();
        }
    }

    fn blame(&self, fault: &Fault, record: &SinkRecord) -> Error {
        let at = format!("{}@{}", record.origin.topic_partition, record.origin.offset);
        self.trace(fault, &at);
        Error::data(format!("{} {fault}, at {at}", self.plugin))
    }

    /// All that is known of a fault. The message of a panic is not told above debug, because it
    /// may quote a value of the record.
    fn trace(&self, fault: &Fault, at: &str) {
        let (fault, backtrace) = (fault.in_full(), fault.backtrace());
        tracing::debug!(at, backtrace, "{} {fault}", self.plugin);
    }

    fn give_up(
        &self,
        partition: &TopicPartition,
        (first, last): (Offset, Offset),
        fault: &Fault,
    ) -> Error {
        Error::fatal(format!(
            "{} failed on too many records of {partition} between the offsets {} and {}: the failed \
             calls took more than {WASTE} times {} ms, the last one by a fault of kind {}",
            self.plugin,
            first,
            last,
            self.limits.call_timeout.as_millis(),
            fault.kind(),
        ))
    }

    /// Shows what the instance and the state have come to.
    fn show_usage(&mut self) {
        let (memory, made) = self.guest.usage();
        self.meters.instance(memory, made);
        if self.plugin.stateful {
            let sizes = self.states.values().map(PartitionState::size);
            self.meters.state(sizes.sum());
        }
    }

    fn count(&self, outcomes: &[Outcome]) {
        let (mut out, mut dropped, mut failed) = (0, 0, 0);
        for outcome in outcomes {
            match outcome {
                Outcome::Keep | Outcome::Change => out += 1,
                Outcome::Drop => dropped += 1,
                Outcome::Replace(records) => out += records.len() as u64,
                Outcome::Fail(_) => failed += 1,
            }
        }
        self.meters.records_in.increment(outcomes.len() as u64);
        self.meters.records_out.increment(out);
        self.meters.records_dropped.increment(dropped);
        self.meters.records_failed.increment(failed);
    }
}

/// What is wrong with a reply as a whole: the number of its outcomes or records, or that they come
/// to more than `most` bytes.
fn fault_of(
    reply: &Reply,
    records: &[SinkRecord],
    inputs: &[InputShape],
    most: u64,
) -> Option<Fault> {
    let (outcomes, given) = (reply.outcomes.len(), records.len());
    if outcomes != given {
        let text = format!("{outcomes} outcomes for {given} records");
        return Some(Fault::contract(text));
    }
    let named = reply.outcomes.iter().map(|outcome| match outcome {
        WitOutcome::Replace(count) => u64::from(*count),
        _ => 0,
    });
    let (named, made) = (named.sum::<u64>(), reply.records.len());
    if named != made as u64 {
        let text = format!("{made} records for outcomes that name {named}");
        return Some(Fault::contract(text));
    }
    let records = records.iter().map(|record| &record.record);
    lift::gives_more_than(most, records, inputs, reply).then(|| Fault::output(most))
}

/// What became of one call.
enum Call {
    Done(Vec<Outcome>),
    /// The record at this place cannot be given to a plugin.
    Unfit(usize, Error),
    Fault(Fault),
}

impl Transformation for WasmTransform {
    fn apply(
        &mut self,
        partition: &Arc<TopicPartition>,
        records: &mut [SinkRecord],
    ) -> Result<Vec<Outcome>> {
        let Some(last) = records.last() else {
            return Ok(Vec::new());
        };
        let next_offset = last.origin.offset.next();
        let outcomes = self.with_state(partition, |this| {
            let outcomes = this.apply_all(partition, records, next_offset);
            if outcomes.is_err()
                && let Some(state) = this.guest.host().and_then(|host| host.state.as_mut())
            {
                state.rollback(next_offset);
            }
            outcomes
        });
        self.show_usage();
        let outcomes = outcomes?;
        self.count(&outcomes);
        Ok(outcomes)
    }

    fn tick(&mut self, partition: &Arc<TopicPartition>, tick: Tick) -> Result<Vec<Record>> {
        if !self.plugin.ticks {
            return Ok(Vec::new());
        }
        let records = self.with_state(partition, |this| this.tick_at(partition, tick));
        self.show_usage();
        let records = records?;
        self.meters.records_out.increment(records.len() as u64);
        Ok(records)
    }

    fn tick_interval(&self) -> Option<Duration> {
        self.ticks.interval
    }

    fn flushes_on_stop(&self) -> bool {
        self.ticks.flush_on_stop
    }

    fn state_limit(&self) -> Option<u64> {
        self.plugin.stateful.then_some(self.limits.state_bytes)
    }

    fn state_changes(&mut self, partition: &TopicPartition) -> Option<StateChanges> {
        if !self.plugin.stateful {
            return None;
        }
        self.states.get_mut(partition)?.changes()
    }

    fn durable(&mut self, partition: &TopicPartition, next_offset: Offset) {
        if let Some(state) = self.states.get_mut(partition) {
            state.durable(next_offset);
        }
    }

    fn reset(&mut self, partition: &TopicPartition) {
        if let Some(state) = self.states.get_mut(partition) {
            state.reset();
        }
        // What the guest remembers may be ahead of what is durable.
        self.guest.abandon();
    }

    fn restore(&mut self, partition: &TopicPartition, stored: StoredState) {
        let state = PartitionState::restored(self.limits.state_bytes, stored);
        self.states.insert(partition.clone(), state);
        self.guest.abandon();
        self.show_usage();
    }

    fn forget(&mut self, partition: &TopicPartition) {
        self.states.remove(partition);
        self.guest.abandon();
        self.show_usage();
    }

    fn provenance(&self) -> Option<String> {
        let plugin = &self.plugin;
        Some(format!("{plugin} (sha256 {})", plugin.info.sha256))
    }
}
