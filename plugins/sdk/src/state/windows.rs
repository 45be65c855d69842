//! Windows over the records of a partition.

use crate::Result;
use crate::state::{self, Stored};

/// Windows that follow each other and close after a time or a number of records, whichever comes
/// first. Each begins with the record that follows the close of the one before.
///
/// Time is the greatest timestamp that the partition's records have shown, so that the same records
/// make the same windows however they are cut into batches, on whatever worker. A tick closes the
/// window of a partition that is quiet.
///
/// ```
/// use ferrule_plugin::state::Windows;
///
/// let windows = Windows::<u64>::named("sum").lasting(30_000).of(100);
/// let mut session = windows.load()?;
/// session.observe(Some(1_000));
/// assert!(session.add(|sum| *sum += 5).is_empty());
/// session.observe(Some(31_000));
/// let closed = session.add(|sum| *sum += 7);
/// assert_eq!((closed[0].start, closed[0].count, closed[0].value), (1_000, 1, 5));
/// session.save()?;
/// # Ok::<(), ferrule_plugin::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct Windows<A> {
    key: String,
    length: i64,
    most: u64,
    of: std::marker::PhantomData<fn() -> A>,
}

/// A window, open or closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Window<A> {
    /// When it began, in milliseconds since 1970.
    pub start: i64,
    /// How many records were added.
    pub count: u64,
    /// What they add up to.
    pub value: A,
}

/// The windows of the partition at hand, for the length of one batch or tick.
#[derive(Debug)]
pub struct Session<'a, A> {
    windows: &'a Windows<A>,
    /// The greatest timestamp that the partition has shown.
    clock: i64,
    open: Option<Window<A>>,
    changed: bool,
}

impl<A: Stored + Default> Windows<A> {
    /// Windows that never close, under a state key of this name.
    pub fn named(name: &str) -> Windows<A> {
        Windows {
            key: name.to_owned(),
            length: i64::MAX,
            most: u64::MAX,
            of: std::marker::PhantomData,
        }
    }

    /// The same, closed some milliseconds after they began.
    pub fn lasting(mut self, millis: i64) -> Windows<A> {
        self.length = millis;
        self
    }

    /// The same, closed by their record of this number.
    pub fn of(mut self, records: u64) -> Windows<A> {
        self.most = records;
        self
    }

    /// What the state has of the partition at hand.
    pub fn load(&self) -> Result<Session<'_, A>> {
        let stored = state::get(&self.key);
        Ok(Session {
            windows: self,
            clock: state::clock().unwrap_or_default(),
            open: stored.map(|it| Stored::from_bytes(&it)).transpose()?,
            changed: false,
        })
    }
}

impl<A: Stored + Default> Session<'_, A> {
    /// Notes the timestamp of a record, also of one that is not added.
    pub fn observe(&mut self, timestamp: Option<i64>) {
        self.clock = self.clock.max(timestamp.unwrap_or(i64::MIN));
    }

    /// Adds a record to the window, and gives the windows that it closed: the one before, if its
    /// time was over, and then its own, if that is full.
    pub fn add(&mut self, add: impl FnOnce(&mut A)) -> Vec<Window<A>> {
        let mut closed = Vec::from_iter(self.close_at(self.clock));
        let clock = self.clock;
        let window = self.open.get_or_insert_with(|| Window {
            start: clock,
            count: 0,
            value: A::default(),
        });
        add(&mut window.value);
        window.count += 1;
        self.changed = true;
        if window.count >= self.windows.most {
            closed.extend(self.open.take());
        }
        closed
    }

    /// Closes the window if its time is over at `now`, which a tick tells.
    pub fn tick(&mut self, now: i64) -> Option<Window<A>> {
        self.close_at(now)
    }

    /// The window that is open.
    pub fn open(&self) -> Option<&Window<A>> {
        self.open.as_ref()
    }

    /// Writes to the state what has changed.
    pub fn save(self) -> Result<()> {
        match self.open {
            Some(open) if self.changed => state::set(&self.windows.key, open.to_bytes())?,
            None if self.changed => state::delete(&self.windows.key),
            _ => {}
        }
        Ok(())
    }

    fn close_at(&mut self, now: i64) -> Option<Window<A>> {
        let length = self.windows.length;
        let closed = self
            .open
            .take_if(|open| now.saturating_sub(open.start) >= length);
        self.changed |= closed.is_some();
        closed
    }
}

impl<A: Stored> Stored for Window<A> {
    fn write(&self, out: &mut Vec<u8>) {
        self.start.write(out);
        self.count.write(out);
        self.value.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(Window {
            start: Stored::read(bytes)?,
            count: Stored::read(bytes)?,
            value: Stored::read(bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{reset, world};

    /// All the windows of a stream, the last one open: the plain way.
    fn model(records: &[(i64, u32)]) -> Vec<Window<Vec<u32>>> {
        let mut windows: Vec<Window<Vec<u32>>> = Vec::new();
        let mut clock = 0;
        for (at, number) in records {
            clock = clock.max(*at);
            let fits = |it: &&mut Window<_>| it.count < 4 && clock - it.start < 20;
            match windows.last_mut().filter(fits) {
                Some(window) => {
                    window.count += 1;
                    window.value.push(*number);
                }
                None => windows.push(Window {
                    start: clock,
                    count: 1,
                    value: vec![*number],
                }),
            }
        }
        windows
    }

    proptest! {
        #[test]
        fn batches_and_ticks_do_not_change_the_windows(
            steps in proptest::collection::vec((-3i64..12, any::<u32>(), any::<bool>()), 0..60),
        ) {
            reset();
            let windows = Windows::<Vec<u32>>::named("w").lasting(20).of(4);
            let (mut at, mut newest) = (0, 0);
            let (mut records, mut made) = (Vec::new(), Vec::new());
            let mut session = windows.load().unwrap();
            for (step, number, cut) in steps {
                at += step;
                records.push((at, number));
                session.observe(Some(at));
                newest = newest.max(at);
                made.extend(session.add(|all| all.push(number)));
                if cut {
                    made.extend(session.tick(session.clock));
                    session.save().unwrap();
                    world(|world| world.advance(newest));
                    session = windows.load().unwrap();
                }
            }
            made.extend(session.open().cloned());
            prop_assert_eq!(made, model(&records));
        }
    }
}
