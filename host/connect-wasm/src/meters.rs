//! The names of the metrics, and what a transform counts.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, Label, counter, gauge, histogram};

use crate::fault::Fault;
use crate::host::Identity;

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
/// Seconds of the calls into a plugin.
pub const CALL_SECONDS: &str = "ferrule_transform_call_seconds";
/// Bytes of memory of the instance that a transform runs in.
pub const MEMORY_BYTES: &str = "ferrule_transform_memory_bytes";
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
    memory: Gauge,
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
            memory: gauge!(MEMORY_BYTES, labels.clone()),
            labels,
        }
    }

    pub(crate) fn called(&self, took: Duration, memory: usize) {
        self.call_seconds.record(took);
        self.memory.set(memory as f64);
    }

    pub(crate) fn trapped(&self, fault: &Fault) {
        let mut labels = self.labels.clone();
        labels.push(Label::new("reason", fault.kind()));
        counter!(TRAPS, labels).increment(1);
    }
}
