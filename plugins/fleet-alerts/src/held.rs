//! Actions that wait for their turn, and how far the partitions that they come from have been read.
//!
//! Two actions on one alert may come from two partitions, of which either may be read first. An
//! action waits until all partitions have been read up to a while after it: what was before it is
//! known then, whatever was restarted meanwhile.

use std::collections::BTreeSet;

use ferrule_plugin::Result;
use ferrule_plugin::state::{self, Stored};

/// Before the key of an action, of its place by time, and of a partition.
const HELD: u8 = b'h';
const TURN: u8 = b'q';
const SOURCE: u8 = b's';
/// How many entries are looked at by one call.
const PAGE: u32 = 256;

/// An action that waits. Times are microseconds since 1970, but for `came`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    /// When its record came, in milliseconds since 1970.
    pub(crate) came: i64,
    pub(crate) partition: i64,
    pub(crate) offset: i64,
    pub(crate) action_id: u128,
    pub(crate) vehicle_id: String,
    pub(crate) operator_id: String,
    pub(crate) action_type: String,
    pub(crate) processing_time: i64,
    pub(crate) metadata: Option<String>,
}

/// How far partitions have been read, in milliseconds since 1970: none where none is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Those of actions.
    pub(crate) actions: Option<i64>,
    /// All of them.
    pub(crate) all: Option<i64>,
}

impl Held {
    /// Who goes first.
    fn turn(&self) -> (i64, i64, i64, i64) {
        (self.processing_time, self.came, self.partition, self.offset)
    }

    fn place(&self) -> Vec<u8> {
        let mut place = Vec::with_capacity(24);
        for number in [self.came, self.partition, self.offset] {
            place.extend_from_slice(&ordered(number));
        }
        place
    }

    fn keys(&self, alert_id: u128) -> [Vec<u8>; 2] {
        let (alert, place) = (alert_id.to_be_bytes(), self.place());
        [
            [&[HELD][..], &alert, &place].concat(),
            [&[TURN][..], &place, &alert].concat(),
        ]
    }

    /// It waits from now on.
    pub(crate) fn hold(&self, alert_id: u128) -> Result<()> {
        let [held, turn] = self.keys(alert_id);
        state::set(&held, self.to_bytes())?;
        if let Err(full) = state::set(turn, []) {
            state::delete(held);
            return Err(full.into());
        }
        Ok(())
    }

    /// It waits no more.
    pub(crate) fn release(&self, alert_id: u128) {
        for key in self.keys(alert_id) {
            state::delete(key);
        }
    }
}

/// The actions on an alert that wait, in their turn.
pub(crate) fn of_alert(alert_id: u128) -> Result<Vec<Held>> {
    let prefix = [&[HELD][..], &alert_id.to_be_bytes()].concat();
    let mut all = Vec::new();
    for (_, bytes) in scan(&prefix) {
        all.push(Held::from_bytes(&bytes)?);
    }
    all.sort_by_key(Held::turn);
    Ok(all)
}

/// The alerts on which actions wait that came by this time.
pub(crate) fn alerts_of_actions_by(upto: i64) -> BTreeSet<u128> {
    let mut alerts = BTreeSet::new();
    let mut after: Option<Vec<u8>> = None;
    loop {
        let page = state::scan([TURN], after.as_deref(), PAGE);
        for (key, _) in &page {
            let came = key.get(1..9).and_then(|bytes| bytes.try_into().ok());
            if came.is_none_or(|came| unordered(came) > upto) {
                return alerts;
            }
            let alert = key.get(25..).and_then(|bytes| bytes.try_into().ok());
            alerts.extend(alert.map(u128::from_be_bytes));
        }
        if page.len() < PAGE as usize {
            return alerts;
        }
        after = page.into_iter().last().map(|(key, _)| key);
    }
}

/// A partition has been read up to this time. Says how far all have been, before and now.
pub(crate) fn note_progress(
    actions_topic: &str,
    (topic, partition): (&str, i64),
    upto: i64,
) -> Result<(Progress, Progress)> {
    let key = [&[SOURCE][..], topic.as_bytes(), b"\0", &ordered(partition)].concat();
    let actions = [&[SOURCE][..], actions_topic.as_bytes(), b"\0"].concat();
    let (mut before, mut now) = (Progress::default(), Progress::default());
    let mut known = None;
    for (source, bytes) in scan(&[SOURCE]) {
        let mut at = i64::from_bytes(&bytes)?;
        before.include(at, source.starts_with(&actions));
        if source == key {
            known = Some(at);
            at = at.max(upto);
        }
        now.include(at, source.starts_with(&actions));
    }
    if known.is_none() {
        now.include(upto, key.starts_with(&actions));
    }
    // While nobody waits, it need not be kept: whoever comes is behind the next message of each.
    let waits = || !state::scan([TURN], None, 1).is_empty();
    if known.is_none_or(|known| known < upto && waits()) {
        state::set(key, upto.to_bytes())?;
    }
    Ok((before, now))
}

impl Progress {
    fn include(&mut self, at: i64, is_of_actions: bool) {
        let least = |known: Option<i64>| Some(known.map_or(at, |known| known.min(at)));
        self.all = least(self.all);
        if is_of_actions {
            self.actions = least(self.actions);
        }
    }
}

fn scan(prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    loop {
        let after = all.last().map(|(key, _): &(Vec<u8>, _)| key.clone());
        let page = state::scan(prefix, after.as_deref(), PAGE);
        let is_last = page.len() < PAGE as usize;
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

/// Bytes in the order of the numbers.
fn ordered(number: i64) -> [u8; 8] {
    (number.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

fn unordered(bytes: [u8; 8]) -> i64 {
    (u64::from_be_bytes(bytes) ^ (1 << 63)).cast_signed()
}

impl Stored for Held {
    fn write(&self, out: &mut Vec<u8>) {
        self.came.write(out);
        self.partition.write(out);
        self.offset.write(out);
        self.action_id.write(out);
        self.vehicle_id.write(out);
        self.operator_id.write(out);
        self.action_type.write(out);
        self.processing_time.write(out);
        self.metadata.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Held> {
        Some(Held {
            came: Stored::read(bytes)?,
            partition: Stored::read(bytes)?,
            offset: Stored::read(bytes)?,
            action_id: Stored::read(bytes)?,
            vehicle_id: Stored::read(bytes)?,
            operator_id: Stored::read(bytes)?,
            action_type: Stored::read(bytes)?,
            processing_time: Stored::read(bytes)?,
            metadata: Stored::read(bytes)?,
        })
    }
}
