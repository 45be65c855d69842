//! One vehicle: its frames in order.

use ferrule_plugin::state::{Ring, Stored};
use uuid::Uuid;

use crate::config::Settings;
use crate::episode::Episodes;
use crate::frame::{Frame, Sample};
use crate::rules::{self, Finding};

/// How many frames the rules look back on.
pub(crate) const FRAMES: usize = 10;
/// How many replays that another one has taken the place of are remembered.
const FORMER: usize = 4;

/// What is known of a vehicle between two of its frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Vehicle {
    /// The record time of its last frame, whatever became of it.
    pub(crate) seen: i64,
    /// That of the last one of a replay that is not over.
    active: i64,
    session: u64,
    /// Replays that came before: frames of theirs that are late do not begin the history anew.
    former: Ring<u64, FORMER>,
    /// The index of the frame that was last put in order.
    last: Option<i64>,
    /// The greatest index that was shown.
    newest: Option<i64>,
    history: Ring<Sample, FRAMES>,
    /// Frames that wait for those before them, by index.
    waiting: Vec<Waiting>,
    episodes: Episodes,
}

/// A frame that waits.
#[derive(Clone, Debug, PartialEq)]
struct Waiting {
    event_id: Uuid,
    received: i64,
    /// The record time at which it came.
    since: i64,
    sample: Sample,
}

/// What became of a frame.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Taken {
    /// It is in order, or waits to be; what the rules found in the frames that were put in order.
    Ordered(Vec<Finding>),
    /// The same, and it came after a frame that it goes before.
    Reordered(Vec<Finding>),
    /// It is behind by too much, of a replay that is over, or its index is there already. With
    /// what the rules found in
    /// frames whose wait was over.
    Late(Vec<Finding>),
}

impl Vehicle {
    /// A vehicle that was never seen.
    pub(crate) fn unknown() -> Vehicle {
        Vehicle {
            seen: i64::MIN,
            active: i64::MIN,
            ..Vehicle::default()
        }
    }

    /// Takes a frame that is no duplicate.
    pub(crate) fn take(&mut self, settings: &Settings, frame: &Frame<'_>, now: i64) -> Taken {
        let mut found = self.release_due(settings, now);
        let silent = now.saturating_sub(self.active) > settings.idle_ms;
        let is_other = self.session != frame.session;
        self.seen = now;
        if is_other && !silent && self.former.iter().any(|it| *it == frame.session) {
            return Taken::Late(found);
        }
        if self.newest.is_some() && (silent || is_other) {
            self.release(settings, &mut found, |_, _| true);
            let mut former = std::mem::take(&mut self.former);
            if silent {
                former = Ring::default();
            } else {
                former.push(self.session);
            }
            *self = Vehicle {
                seen: now,
                former,
                ..Vehicle::default()
            };
        }
        (self.active, self.session) = (now, frame.session);
        let index = frame.sample.index;
        let before = self.newest;
        let newest = before.map_or(index, |newest| newest.max(index));
        let place = self
            .waiting
            .binary_search_by_key(&index, |waiting| waiting.sample.index);
        let Err(place) = place else {
            return Taken::Late(found);
        };
        if self.last.is_some_and(|last| index <= last) || index < newest - settings.tolerance {
            return Taken::Late(found);
        }
        self.newest = Some(newest);
        self.waiting.insert(
            place,
            Waiting {
                event_id: frame.event_id,
                received: frame.received,
                since: now,
                sample: frame.sample,
            },
        );
        // A frame goes when it follows the last one, or when no frame before it would be taken.
        let floor = newest - settings.tolerance;
        self.release(settings, &mut found, |last, index| {
            last.is_some_and(|last| index == last + 1) || index <= floor
        });
        if before.is_some_and(|before| index < before) {
            Taken::Reordered(found)
        } else {
            Taken::Ordered(found)
        }
    }

    /// Puts frames in order that have waited for long enough, and those before them.
    pub(crate) fn release_due(&mut self, settings: &Settings, now: i64) -> Vec<Finding> {
        let mut found = Vec::new();
        let due = |waiting: &&Waiting| now.saturating_sub(waiting.since) >= settings.hold_ms;
        if let Some(last_due) = self.waiting.iter().rev().find(due) {
            let upto = last_due.sample.index;
            self.release(settings, &mut found, |_, index| index <= upto);
        }
        found
    }

    /// The record time at which the first of the waiting frames has waited for long enough.
    pub(crate) fn due(&self, settings: &Settings) -> Option<i64> {
        let since = self.waiting.iter().map(|waiting| waiting.since).min()?;
        Some(since.saturating_add(settings.hold_ms))
    }

    /// Puts waiting frames in order for as long as `may_go` says so of the last index and theirs.
    fn release(
        &mut self,
        settings: &Settings,
        found: &mut Vec<Finding>,
        may_go: impl Fn(Option<i64>, i64) -> bool,
    ) {
        let mut gone = 0;
        for waiting in &self.waiting {
            if !may_go(self.last, waiting.sample.index) {
                break;
            }
            gone += 1;
            self.last = Some(waiting.sample.index);
            let sample = waiting.sample.after(self.history.last());
            self.history.push(sample);
            let (event_id, received) = (waiting.event_id, waiting.received);
            let findings = rules::check(settings, &self.history, event_id, received);
            let episodes = &mut self.episodes;
            found.extend(findings.filter_map(|finding| episodes.take(settings, finding)));
        }
        self.waiting.drain(..gone);
    }
}

impl Stored for Vehicle {
    fn write(&self, out: &mut Vec<u8>) {
        self.seen.write(out);
        self.session.write(out);
        self.last.write(out);
        self.newest.write(out);
        self.history.write(out);
        self.waiting.write(out);
        self.active.write(out);
        self.former.write(out);
        self.episodes.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Vehicle> {
        let mut vehicle = Vehicle {
            seen: Stored::read(bytes)?,
            session: Stored::read(bytes)?,
            last: Stored::read(bytes)?,
            newest: Stored::read(bytes)?,
            history: Stored::read(bytes)?,
            waiting: Stored::read(bytes)?,
            ..Vehicle::default()
        };
        // A state of before there were episodes ends here.
        vehicle.active = vehicle.seen;
        if !bytes.is_empty() {
            vehicle.active = Stored::read(bytes)?;
            vehicle.former = Stored::read(bytes)?;
            vehicle.episodes = Stored::read(bytes)?;
        }
        Some(vehicle)
    }
}

impl Stored for Waiting {
    fn write(&self, out: &mut Vec<u8>) {
        self.event_id.as_u128().write(out);
        self.received.write(out);
        self.since.write(out);
        self.sample.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Waiting> {
        Some(Waiting {
            event_id: Uuid::from_u128(Stored::read(bytes)?),
            received: Stored::read(bytes)?,
            since: Stored::read(bytes)?,
            sample: Stored::read(bytes)?,
        })
    }
}
