//! The names of the metrics, and what a transform counts.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use crate::fault::Fault;
use crate::host::Identity;
use crate::state::Size;

/// Records that a transform was given.
pub const RECORDS_IN: &str = "ferrule_transform_records_in_total";
/// Records that a transform passed on.
pub const RECORDS_OUT: &str = "ferrule_transform_records_out_total";
/// Records that a transform dropped.
pub const RECORDS_DROPPED: &str = "ferrule_transform_records_dropped_total";
/// Records that a transform failed, or that made it fail.
pub const RECORDS_FAILED: &str = "ferrule_transform_records_failed_total";
/// Calls that ended without a result, by `reason`: deadline, memory, output, panic, trap, contract.
pub const TRAPS: &str = "ferrule_transform_traps_total";
/// Instances that were made: the first one, one after each fault, and one whenever the memory of
/// the one before had grown.
pub const INSTANCES: &str = "ferrule_transform_instances_total";
/// Bytes of memory that the instance has.
pub const MEMORY_BYTES: &str = "ferrule_transform_memory_bytes";
/// Entries of the state, of all partitions of the task.
pub const STATE_KEYS: &str = "ferrule_transform_state_keys";
/// Bytes of the state, as `state.max.bytes` counts them, of all partitions of the task.
pub const STATE_BYTES: &str = "ferrule_transform_state_bytes";
/// Seconds of the calls into a plugin.
pub const CALL_SECONDS: &str = "ferrule_transform_call_seconds";
/// What the metrics of plugins start with.
pub const PLUGIN_PREFIX: &str = "ferrule_plugin_";

/// The metrics of one transform of one task.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) records_in: Counter,
    pub(crate) records_out: Counter,
    pub(crate) records_dropped: Counter,
    pub(crate) records_failed: Counter,
    call_seconds: Histogram,
    instances: Counter,
    memory_bytes: Gauge,
    state_keys: Gauge,
    state_bytes: Gauge,
    labels: Vec<Label>,
}

impl Meters {
    pub(crate) fn new(identity: &Identity) -> Self {
        let labels = identity.labels();
        Self {
            records_in: counter!(RECORDS_IN, labels.clone()),
            records_out: counter!(RECORDS_OUT, labels.clone()),
            records_dropped: counter!(RECORDS_DROPPED, labels.clone()),
            records_failed: counter!(RECORDS_FAILED, labels.clone()),
            call_seconds: histogram!(CALL_SECONDS, labels.clone()),
            instances: counter!(INSTANCES, labels.clone()),
            memory_bytes: gauge!(MEMORY_BYTES, labels.clone()),
            state_keys: gauge!(STATE_KEYS, labels.clone()),
            state_bytes: gauge!(STATE_BYTES, labels.clone()),
            labels,
        }
    }

    /// What the instance has, and how many were made.
    pub(crate) fn instance(&self, memory: usize, made: u64) {
        self.memory_bytes.set(memory as f64);
        self.instances.increment(made);
    }

    /// What the state of all partitions has.
    pub(crate) fn state(&self, size: Size) {
        self.state_keys.set(size.keys as f64);
        self.state_bytes.set(size.bytes as f64);
    }

    pub(crate) fn called(&self, took: Duration) {
        self.call_seconds.record(took);
    }

    pub(crate) fn trapped(&self, fault: &Fault) {
        let mut labels = self.labels.clone();
        labels.push(Label::new("reason", fault.kind()));
        counter!(TRAPS, labels).increment(1);
    }
}

impl Drop for Meters {
    fn drop(&mut self) {
        // What is held no more is no more shown.
        self.instance(0, 0);
        self.state(Size::default());
    }
}
