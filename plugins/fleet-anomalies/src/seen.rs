//! The events of a vehicle that were seen of late.
//!
//! They lie in the state by slices of time: a batch writes the newest slice and no other, and a
//! slice goes as a whole when all of it is too old.

use std::ops::RangeInclusive;

use uuid::Uuid;

/// How many slices the time is cut in.
const SLICES: i64 = 6;
/// An id, and four bytes of when it came.
const ENTRY: usize = 20;

/// The slices of one vehicle, as far as they matter.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The id and the record time of each.
    events: Vec<(u128, i64)>,
    /// How many of them the state has.
    stored: usize,
}

/// How wide a slice is, in milliseconds.
fn width(dedupe_ms: i64) -> i64 {
    (dedupe_ms / SLICES).max(1)
}

/// The numbers of the slices that hold events of the time before `now` and up to `last`.
pub(crate) fn slices(dedupe_ms: i64, now: i64, last: i64) -> RangeInclusive<i64> {
    let width = width(dedupe_ms);
    let oldest = now.saturating_sub(dedupe_ms).saturating_add(1);
    oldest.div_euclid(width)..=last.div_euclid(width)
}

/// The key of a slice of a vehicle.
pub(crate) fn key(vehicle: &str, slice: i64) -> Vec<u8> {
    [b"s\0", vehicle.as_bytes(), b"\0", &slice.to_be_bytes()].concat()
}

/// The record time from which on no event of a slice matters.
pub(crate) fn end(dedupe_ms: i64, slice: i64) -> i64 {
    let end = slice.saturating_add(1).saturating_mul(width(dedupe_ms));
    end.saturating_add(dedupe_ms)
}

impl Seen {
    /// Adds a slice as the state has it. What is cut off at its end cannot be.
    pub(crate) fn load(&mut self, dedupe_ms: i64, slice: i64, bytes: &[u8]) {
        let begin = slice.saturating_mul(width(dedupe_ms));
        for entry in bytes.chunks_exact(ENTRY) {
            let (id, after) = entry.split_at(ENTRY - 4);
            if let (Ok(id), Ok(after)) = (id.try_into(), after.try_into()) {
                let at = begin.saturating_add(u32::from_le_bytes(after).into());
                self.events.push((u128::from_le_bytes(id), at));
            }
        }
        self.stored = self.events.len();
    }

    /// Whether the event was not seen of late; from now on it is.
    pub(crate) fn insert(&mut self, dedupe_ms: i64, id: Uuid, now: i64) -> bool {
        let id = id.as_u128();
        let recent = |at: i64| now.saturating_sub(at) < dedupe_ms;
        // The newest are the likeliest.
        let mut events = self.events.iter().rev();
        if events.any(|(seen, at)| *seen == id && recent(*at)) {
            return false;
        }
        self.events.push((id, now));
        true
    }

    /// The slices that the state does not have as they are now, with their numbers.
    pub(crate) fn changed(&self, dedupe_ms: i64) -> Vec<(i64, Vec<u8>)> {
        let width = width(dedupe_ms);
        let Some((_, first)) = self.events.get(self.stored) else {
            return Vec::new();
        };
        let first = first.div_euclid(width);
        // Record time does not go back, so the events are in the order of their slices.
        let mut slices: Vec<(i64, Vec<u8>)> = Vec::new();
        let from = self
            .events
            .partition_point(|(_, at)| at.div_euclid(width) < first);
        for (id, at) in &self.events[from..] {
            let slice = at.div_euclid(width);
            if slices.last().is_none_or(|(last, _)| *last != slice) {
                slices.push((slice, Vec::new()));
            }
            if let Some((_, bytes)) = slices.last_mut() {
                // A slice is no wider than a day.
                let after = u32::try_from(at.rem_euclid(width)).unwrap_or(u32::MAX);
                bytes.extend_from_slice(&id.to_le_bytes());
                bytes.extend_from_slice(&after.to_le_bytes());
            }
        }
        slices
    }
}
