//! What a plugin makes by the clock, without a record that it comes from.

use std::sync::Arc;
use std::time::Instant;

use connect_api::{Error, Record, Result, Tick, TickReason, Timestamp, TopicPartition};

use super::WasmTransform;
use super::lift::{self, Lift};
use crate::bindings::ferrule::transform::data::Emission;
use crate::fault::Fault;

impl WasmTransform {
    /// The records that the plugin makes at this time, with the state of the partition at hand.
    pub(super) fn tick_at(
        &mut self,
        partition: &Arc<TopicPartition>,
        tick: Tick,
    ) -> Result<Vec<Record>> {
        let clock = self
            .guest
            .host()
            .and_then(|host| host.state.as_ref()?.clock());
        let Some(now) = clock.max(tick.reason.wall()) else {
            // No record of the partition has had a timestamp yet.
            return Ok(Vec::new());
        };
        let flushing = matches!(tick.reason, TickReason::Flush(_));
        self.tell_flushing(flushing);
        let mut emitted = self.call_tick(partition, now);
        if let Ok(Err(fault)) = &emitted
            && fault.is_worn()
        {
            self.meters.trapped(fault);
            self.discard();
            emitted = self.call_tick(partition, now);
        }
        self.tell_flushing(false);
        let most = self.limits.output_bytes;
        let emission = emitted.and_then(|emitted| {
            let emitted =
                emitted.and_then(|emission| match lift::emits_more_than(most, &emission) {
                    true => Err(Fault::output(most)),
                    false => Ok(emission),
                });
            emitted.map_err(|fault| {
                self.meters.trapped(&fault);
                let at = format!("{partition}@{}", tick.next_offset);
                self.trace(&fault, &at);
                Error::fatal(format!("{} {fault}, in its tick at {at}", self.plugin))
            })
        });
        let records = emission.and_then(|emission| {
            let says = (&*self.plugin as _, &*self.secrets);
            let mut lift = Lift::new(says, &[], &mut self.shapes, &emission.pool, &[]);
            let records = emission.records.iter();
            records
                .map(|record| lift.emitted(partition, now, record))
                .collect()
        });
        match records {
            Ok(records) => {
                self.commit(tick.next_offset);
                Ok(records)
            }
            Err(error) => {
                self.discard();
                Err(error.context(partition))
            }
        }
    }

    /// What the guest is told when it asks whether it is to emit what waits.
    fn tell_flushing(&mut self, flushing: bool) {
        if let Some(host) = self.guest.host() {
            host.flushing = flushing;
        }
    }

    fn call_tick(
        &mut self,
        partition: &TopicPartition,
        now: Timestamp,
    ) -> Result<std::result::Result<Emission, Fault>> {
        self.begin(None);
        let started = Instant::now();
        let emitted = self.guest.call(self.limits.call_timeout, |store, guest| {
            guest.call_tick(store, &partition.topic, partition.partition, now.0)
        });
        self.meters.called(started.elapsed());
        emitted
    }
}
