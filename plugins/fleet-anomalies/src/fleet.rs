//! The vehicles of a batch: read from the state by two calls, and written back.

use std::collections::HashMap;

use ferrule_plugin::state::{self, Stored};
use ferrule_plugin::{Failure, Result};

use crate::config::Settings;
use crate::frame::Frame;
use crate::rules::Finding;
use crate::seen::{self, Seen};
use crate::vehicle::{Taken, Vehicle};

/// Before the key of a vehicle of which a frame waits.
const WAITING: &[u8] = b"w\0";
/// How many waiting vehicles a tick looks at by one call.
const PAGE: u32 = 256;

/// The vehicles of a batch.
pub(crate) struct Fleet<'a> {
    settings: &'a Settings,
    /// The greatest timestamp that the partition has shown.
    clock: i64,
    places: HashMap<&'a str, usize>,
    vehicles: Vec<Known<'a>>,
    counts: Counts,
}

/// What was dropped, or put in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) duplicate: u64,
    pub(crate) late: u64,
    pub(crate) reordered: u64,
}

struct Known<'a> {
    name: &'a str,
    /// Why its state cannot be read.
    failure: Option<Failure>,
    vehicle: Vehicle,
    seen: Seen,
    /// When the state says that the tick is to look at it.
    due: Option<i64>,
    changed: bool,
}

/// The vehicles that the state had no room for.
pub(crate) struct Lost(HashMap<String, Failure>);

impl Lost {
    /// Why a vehicle was lost, if it was.
    pub(crate) fn of(&self, vehicle: &str) -> Option<Failure> {
        self.0.get(vehicle).cloned()
    }
}

fn key(vehicle: &str) -> Vec<u8> {
    [b"v\0", vehicle.as_bytes()].concat()
}

impl<'a> Fleet<'a> {
    /// Reads the vehicles of these names.
    pub(crate) fn load(settings: &'a Settings, names: impl Iterator<Item = &'a str>) -> Fleet<'a> {
        let mut places = HashMap::new();
        let mut keys = Vec::new();
        let mut distinct = Vec::new();
        for name in names {
            places.entry(name).or_insert_with(|| {
                keys.push(key(name));
                distinct.push(name);
                distinct.len() - 1
            });
        }
        let values = state::get_many(&keys);
        let vehicles = distinct.into_iter().zip(values);
        let vehicles = vehicles.map(|(name, bytes)| Known::of(settings, name, bytes));
        let mut fleet = Fleet {
            settings,
            clock: state::clock().unwrap_or(i64::MIN),
            places,
            vehicles: vehicles.collect(),
            counts: Counts::default(),
        };
        fleet.load_seen();
        fleet
    }

    fn load_seen(&mut self) {
        let dedupe = self.settings.dedupe_ms;
        let (mut keys, mut slices) = (Vec::new(), Vec::new());
        for (place, known) in self.vehicles.iter().enumerate() {
            for slice in seen::slices(dedupe, self.clock, known.vehicle.seen) {
                keys.push(seen::key(known.name, slice));
                slices.push((place, slice));
            }
        }
        if keys.is_empty() {
            return;
        }
        for ((place, slice), bytes) in slices.into_iter().zip(state::get_many(&keys)) {
            if let (Some(known), Some(bytes)) = (self.vehicles.get_mut(place), bytes) {
                known.seen.load(dedupe, slice, &bytes);
            }
        }
    }

    /// Notes the timestamp of a record, whatever becomes of it.
    pub(crate) fn observe(&mut self, timestamp: Option<i64>) {
        self.clock = self.clock.max(timestamp.unwrap_or(i64::MIN));
    }

    /// Takes a frame, and gives what the rules found in the frames that it put in order.
    pub(crate) fn take(&mut self, frame: &Frame<'_>) -> Result<Vec<Finding>> {
        self.observe(Some(frame.received));
        let place = self.places.get(frame.vehicle);
        let Some(known) = place.and_then(|place| self.vehicles.get_mut(*place)) else {
            return Err(Failure::new("a vehicle that was not loaded"));
        };
        if let Some(failure) = &known.failure {
            return Err(failure.clone());
        }
        let settings = self.settings;
        if !known
            .seen
            .insert(settings.dedupe_ms, frame.event_id, self.clock)
        {
            self.counts.duplicate += 1;
            return Ok(Vec::new());
        }
        known.changed = true;
        let found = match known.vehicle.take(settings, frame, self.clock) {
            Taken::Ordered(found) => found,
            Taken::Reordered(found) => {
                self.counts.reordered += 1;
                found
            }
            Taken::Late(found) => {
                self.counts.late += 1;
                found
            }
        };
        Ok(found)
    }

    /// What was dropped, or put in order.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Writes to the state what has changed.
    pub(crate) fn save(self) -> std::result::Result<(), Lost> {
        let mut lost = HashMap::new();
        for known in self.vehicles.iter().filter(|known| known.changed) {
            let kept = known.save(self.settings);
            if let Err(failure) = kept {
                lost.insert(known.name.to_owned(), failure);
            }
        }
        if lost.is_empty() {
            Ok(())
        } else {
            Err(Lost(lost))
        }
    }
}

impl<'a> Known<'a> {
    fn of(settings: &Settings, name: &'a str, bytes: Option<Vec<u8>>) -> Known<'a> {
        let vehicle = bytes.map_or(Ok(Vehicle::unknown()), |it| Vehicle::from_bytes(&it));
        let (vehicle, failure) = match vehicle {
            Ok(vehicle) => (vehicle, None),
            Err(failure) => (Vehicle::unknown(), Some(failure)),
        };
        Known {
            name,
            failure,
            due: vehicle.due(settings),
            vehicle,
            seen: Seen::default(),
            changed: false,
        }
    }

    fn save(&self, settings: &Settings) -> Result<()> {
        for (slice, bytes) in self.seen.changed(settings.dedupe_ms) {
            let end = seen::end(settings.dedupe_ms, slice);
            state::set_until(seen::key(self.name, slice), bytes, end)?;
        }
        let due = self.vehicle.due(settings);
        if due != self.due {
            let key = [WAITING, self.name.as_bytes()].concat();
            match due {
                Some(due) => state::set(key, due.to_bytes())?,
                None => state::delete(key),
            }
        }
        let (key, bytes) = (key(self.name), self.vehicle.to_bytes());
        match due {
            // It must not end before its frames are put in order.
            Some(_) => state::set(key, bytes)?,
            None => {
                // It tells up to when there are events, too.
                let kept = settings.dedupe_ms.max(settings.idle_ms + 1);
                state::set_until(key, bytes, self.vehicle.seen.saturating_add(kept))?;
            }
        }
        Ok(())
    }
}

/// Puts frames in order that have waited for long enough at this time, and gives what the rules
/// found, by vehicle. A frame that the state has no room for waits on.
pub(crate) fn release_due(settings: &Settings, now: i64) -> Vec<(String, Vec<Finding>)> {
    let mut all = Vec::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = state::scan(WAITING, after.as_deref(), PAGE);
        after = page.last().map(|(key, _)| key.clone());
        let full = page.len() == PAGE as usize;
        for (waiting, due) in page {
            let due = i64::from_bytes(&due).unwrap_or(now);
            let Ok(name) = std::str::from_utf8(&waiting[WAITING.len()..]) else {
                continue;
            };
            if due > now {
                continue;
            }
            let mut known = Known::of(settings, name, state::get(key(name)));
            let found = known.vehicle.release_due(settings, now);
            if known.save(settings).is_ok() {
                all.push((name.to_owned(), found));
            }
        }
        if !full {
            return all;
        }
    }
}
