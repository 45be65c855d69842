//! The plugin `fleet-anomalies`: telemetry of vehicles goes in, anomalies come out.
//!
//! Frames of a vehicle are freed of duplicates and put in order, and two rules look at the last
//! ones. All of it is in the state, so that a restart changes nothing. Time is that of the records:
//! the greatest timestamp that the partition has shown.

mod anomaly;
mod config;
mod episode;
mod fault;
mod fleet;
mod frame;
mod rules;
mod seen;
#[cfg(test)]
mod tests;
mod vehicle;

use ferrule_plugin::{
    Config, ConfigErrors, Description, FromRow as _, OutRecord, Outcome, Record, Tick, Transform,
    metrics,
};

use anomaly::Anomalies;
use config::Settings;
use fleet::{Counts, Fleet};
use frame::{Frame, Telemetry};

/// Holds the configuration; the vehicles are in the state.
pub struct FleetAnomalies {
    settings: Settings,
    anomalies: Anomalies,
}

impl Transform for FleetAnomalies {
    const FIELDS: &'static [&'static str] = Telemetry::FIELDS;

    fn describe() -> Description {
        let description = Description::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            "Finds anomalies in the telemetry of vehicles: sudden_deceleration and \
             perception_instability. An event that comes again is dropped, frames out of order are \
             put in order, and a frame that is too late is dropped; the counters \
             events_duplicate and frames_late tell how many. What comes out are the anomalies, \
             keyed by vehicle_id, under ids that are the same when the records are read again. What \
             a rule finds in frame after frame is one anomaly; it comes again, under the same id, \
             when its severity rises.",
        )
        .reading_fields(Telemetry::FIELDS);
        config::keys()
            .into_iter()
            .fold(description.stateful().ticking(), Description::key)
    }

    fn configure(config: &Config) -> Result<Self, ConfigErrors> {
        let settings = Settings::read(config)?;
        Ok(FleetAnomalies {
            anomalies: Anomalies::new(&settings),
            settings,
        })
    }

    fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
        let result = self.apply_batch(&[record]).pop();
        result.unwrap_or(Ok(Outcome::Drop))
    }

    fn apply_batch(&mut self, records: &[Record<'_>]) -> Vec<ferrule_plugin::Result> {
        let frames: Vec<_> = records.iter().map(|record| Frame::read(*record)).collect();
        let vehicles = frames.iter().flatten().map(|frame| frame.vehicle);
        let mut fleet = Fleet::load(&self.settings, vehicles);
        let mut results = Vec::with_capacity(records.len());
        for (record, frame) in records.iter().zip(&frames) {
            fleet.observe(record.timestamp());
            results.push(match frame {
                Ok(frame) => match fleet.take(frame) {
                    Ok(found) => Ok(self.outcome(frame.vehicle, found)),
                    Err(failure) => Err(failure),
                },
                Err(failure) => Err(failure.clone()),
            });
        }
        count(&fleet.counts());
        // What could not be kept did not happen: its records fail.
        if let Err(lost) = fleet.save() {
            for (result, frame) in results.iter_mut().zip(&frames) {
                if let Ok(frame) = frame
                    && let Some(failure) = lost.of(frame.vehicle)
                {
                    *result = Err(failure);
                }
            }
        }
        results
    }

    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        let now = if tick.flush { i64::MAX } else { tick.now };
        let due = fleet::release_due(&self.settings, now);
        due.into_iter()
            .flat_map(|(vehicle, found)| self.anomalies.records(&vehicle, found))
            .collect()
    }
}

impl FleetAnomalies {
    fn outcome(&self, vehicle: &str, found: Vec<rules::Finding>) -> Outcome {
        if found.is_empty() {
            return Outcome::Drop;
        }
        Outcome::Replace(self.anomalies.records(vehicle, found))
    }
}

fn count(counts: &Counts) {
    for (name, by) in [
        ("events_duplicate", counts.duplicate),
        ("frames_late", counts.late),
        ("frames_reordered", counts.reordered),
    ] {
        if by > 0 {
            metrics::count(name, by);
        }
    }
}

ferrule_plugin::export!(FleetAnomalies);
