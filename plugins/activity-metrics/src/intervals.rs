//! Intervals of time: each record counts in that of its own time, however late it comes, and no
//! user
//! twice in one.
//!
//! An interval makes a row when it is over, and once more whenever records have come for it since:
//! the rows of one interval follow each other, and the last has all of them. The users of an
//! interval are remembered, each as an entry of its own, so that a batch writes those alone that
//! are new.

use std::collections::{BTreeMap, HashSet};

use ferrule_plugin::state::{self, Stored};
use ferrule_plugin::{Failure, Result};

/// Before the key of an interval, of a user of one, and of an interval whose row is not whole.
const INTERVAL: u8 = b'i';
const USER: u8 = b'u';
const DUE: u8 = b'd';
/// The key of what is known of all intervals.
const TOTALS: &[u8] = b"t";
/// How many entries are looked at by one call.
const PAGE: u32 = 1000;

/// How intervals are cut, and how much is remembered of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Milliseconds.
    pub(crate) length: i64,
    /// How many messages make a row before an interval is over.
    pub(crate) messages: u64,
    /// How many users, of all intervals together, are remembered.
    pub(crate) users: u64,
}

/// A message, as far as it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// Its time, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) user: u128,
    pub(crate) is_page_view: bool,
}

/// What the messages of an interval add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) users: u64,
    pub(crate) page_views: i64,
    /// Those that its last row did not have.
    unwritten: u64,
}

/// What an interval has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// In milliseconds since 1970.
    pub(crate) start: i64,
    pub(crate) sum: Sum,
}

/// All intervals together.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    users: u64,
    /// Intervals that end by then are forgotten.
    forgotten: Option<i64>,
}

impl Settings {
    /// Counts the messages of a batch: for each that is one, the row that it has completed, if any.
    /// What the state has no room for was not counted.
    pub(crate) fn count(
        &self,
        messages: &[Result<Counted>],
    ) -> Result<Vec<Result<Option<Interval>>>> {
        let mut totals = Totals::load()?;
        let known = messages.iter().flatten();
        let known: Vec<_> = known.map(|it| (self.start(it.at), it.user)).collect();
        let mut sums = BTreeMap::new();
        for (start, _) in &known {
            sums.insert(*start, Sum::default());
        }
        let keys: Vec<_> = sums.keys().map(|start| key(INTERVAL, *start)).collect();
        for (sum, stored) in sums.values_mut().zip(state::get_many(&keys)) {
            if let Some(bytes) = stored {
                *sum = Sum::from_bytes(&bytes)?;
            }
        }
        let before = sums.clone();
        let keys: Vec<_> = known
            .iter()
            .map(|(start, user)| user_key(*start, *user))
            .collect();
        let mut seen: HashSet<(i64, u128)> = HashSet::new();
        for (pair, stored) in known.iter().zip(state::get_many(&keys)) {
            if stored.is_some() {
                seen.insert(*pair);
            }
        }
        let (mut new, mut results) = (Vec::new(), Vec::with_capacity(messages.len()));
        for message in messages {
            let counted = message.clone().and_then(|message| {
                let start = self.start(message.at);
                let sum = match sums.get_mut(&start) {
                    Some(sum) if totals.forgotten.is_none_or(|upto| start >= upto) => sum,
                    _ => return Err(forgotten()),
                };
                if seen.insert((start, message.user)) {
                    sum.users += 1;
                    new.push((start, message.user));
                }
                sum.page_views += i64::from(message.is_page_view);
                sum.unwritten += 1;
                if sum.unwritten < self.messages {
                    return Ok(None);
                }
                sum.unwritten = 0;
                Ok(Some(Interval { start, sum: *sum }))
            });
            results.push(counted);
        }
        totals.users += new.len() as u64;
        let mut writes = Writes::default();
        let kept = (|| {
            for (start, user) in &new {
                writes.add(user_key(*start, *user))?;
            }
            for (start, sum) in &sums {
                if before.get(start) != Some(sum) {
                    writes.set(key(INTERVAL, *start), sum.to_bytes())?;
                    writes.mark_due(*start, sum.unwritten > 0)?;
                }
            }
            writes.set(TOTALS.to_vec(), totals.to_bytes())
        })();
        if let Err(failure) = kept {
            writes.undo();
            return Err(failure);
        }
        Ok(results)
    }

    /// The intervals that are over at this time, or all, and whose rows lack something. Then what
    /// is
    /// remembered beyond the limit is forgotten, the oldest first.
    pub(crate) fn close(&self, now: i64) -> Result<Vec<Interval>> {
        let mut closed = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = state::scan([DUE], after.as_deref(), PAGE);
            after = page.last().map(|(key, _)| key.clone());
            for (due, _) in &page {
                let Some(start) = start_of(due) else { continue };
                if start.saturating_add(self.length) <= now {
                    closed.extend(write_row(start)?);
                }
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        self.forget(&mut closed)?;
        Ok(closed)
    }

    /// Forgets the oldest intervals for as long as there are too many users, but never the newest.
    fn forget(&self, closed: &mut Vec<Interval>) -> Result<()> {
        let mut totals = Totals::load()?;
        if totals.users <= self.users {
            return Ok(());
        }
        while totals.users > self.users {
            let oldest = state::scan([INTERVAL], None, 2);
            let [(first, _), _] = &oldest[..] else { break };
            let Some(start) = start_of(first) else { break };
            closed.extend(write_row(start)?);
            let prefix = key(USER, start);
            loop {
                let page = state::scan(&prefix, None, PAGE);
                for (user, _) in &page {
                    state::delete(user);
                }
                totals.users = totals.users.saturating_sub(page.len() as u64);
                if page.len() < PAGE as usize {
                    break;
                }
            }
            state::delete(first);
            totals.forgotten = Some(start.saturating_add(self.length));
        }
        state::set(TOTALS, totals.to_bytes())?;
        Ok(())
    }

    fn start(&self, at: i64) -> i64 {
        at.saturating_sub(at.rem_euclid(self.length))
    }
}

fn forgotten() -> Failure {
    Failure::new(
        "its interval is so old that its users are forgotten, and its row cannot be changed any \
         more; window.remembered.users says how many are remembered",
    )
}

/// The row of an interval, if the one before lacks something.
fn write_row(start: i64) -> Result<Option<Interval>> {
    state::delete(key(DUE, start));
    let Some(stored) = state::get(key(INTERVAL, start)) else {
        return Ok(None);
    };
    let mut sum = Sum::from_bytes(&stored)?;
    if sum.unwritten == 0 {
        return Ok(None);
    }
    sum.unwritten = 0;
    state::set(key(INTERVAL, start), sum.to_bytes())?;
    Ok(Some(Interval { start, sum }))
}

/// Keys in the order of time.
fn key(kind: u8, start: i64) -> Vec<u8> {
    let ordered = start.cast_unsigned() ^ (1 << 63);
    let mut key = vec![kind];
    key.extend_from_slice(&ordered.to_be_bytes());
    key
}

fn user_key(start: i64, user: u128) -> Vec<u8> {
    let mut key = key(USER, start);
    key.extend_from_slice(&user.to_be_bytes());
    key
}

fn start_of(key: &[u8]) -> Option<i64> {
    let ordered = u64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
    Some((ordered ^ (1 << 63)).cast_signed())
}

/// Writes to the state that can be taken back: a batch for which there is no room counts for
/// nothing.
#[derive(Default)]
struct Writes(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Writes {
    fn set(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<()> {
        let old = state::get(&key);
        state::set(&key, value)?;
        self.0.push((key, old));
        Ok(())
    }

    /// An entry that is known not to be there.
    fn add(&mut self, key: Vec<u8>) -> Result<()> {
        state::set(&key, [])?;
        self.0.push((key, None));
        Ok(())
    }

    fn mark_due(&mut self, start: i64, is_due: bool) -> Result<()> {
        let key = key(DUE, start);
        let old = state::get(&key);
        match (is_due, old.is_some()) {
            (true, false) => self.set(key, Vec::new())?,
            (false, true) => {
                state::delete(&key);
                self.0.push((key, old));
            }
            _ => {}
        }
        Ok(())
    }

    fn undo(self) {
        for (key, old) in self.0.into_iter().rev() {
            match old {
                // It was there before, so there is room for it.
                Some(old) => drop(state::set(&key, old)),
                None => state::delete(&key),
            }
        }
    }
}

impl Totals {
    fn load() -> Result<Totals> {
        let stored = state::get(TOTALS);
        stored.map_or(Ok(Totals::default()), |bytes| Totals::from_bytes(&bytes))
    }
}

impl Stored for Totals {
    fn write(&self, out: &mut Vec<u8>) {
        self.users.write(out);
        self.forgotten.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Totals> {
        Some(Totals {
            users: Stored::read(bytes)?,
            forgotten: Stored::read(bytes)?,
        })
    }
}

impl Stored for Sum {
    fn write(&self, out: &mut Vec<u8>) {
        self.users.write(out);
        self.page_views.write(out);
        self.unwritten.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Sum> {
        Some(Sum {
            users: Stored::read(bytes)?,
            page_views: Stored::read(bytes)?,
            unwritten: Stored::read(bytes)?,
        })
    }
}
