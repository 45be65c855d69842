//! How much memory one record may take as data.
//!
//! A record that is small in Kafka can be large as values: an array of a million nulls is a few
//! bytes of Avro, and a decimal's scale stands for as many zeros. Whatever makes values or text of
//! a record calls [`charge`] where it asks for memory by a number that the record names. Who works
//! on a record says by [`MemoryLimit::measure`] how much that may be together: what exceeds it is
//! an error of the record, before the memory is asked for.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Error, Result, Value};

thread_local! {
    /// What the record that this thread works on may still take. No limit where nobody measures.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The limit of all records of this process.
static OF_RECORD: AtomicUsize = AtomicUsize::new(MemoryLimit::DEFAULT.0);

/// Bytes of memory that the data of one record may take in one stage, beside its own bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemoryLimit(pub usize);

/// What was made, and the memory that was charged for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured<T> {
    /// What was made.
    pub made: T,
    /// Bytes; those of what was thrown away meanwhile count too.
    pub bytes: usize,
}

impl MemoryLimit {
    /// Room for a mebibyte of one-byte integers as values.
    pub const DEFAULT: Self = Self(48 << 20);

    /// The worker option.
    pub const OPTION: &str = "ferrule.record.memory.max.bytes";

    /// What a record may take: [`MemoryLimit::DEFAULT`] unless the worker has said otherwise.
    pub fn of_record() -> Self {
        Self(OF_RECORD.load(Ordering::Relaxed))
    }

    /// Makes this the limit of all records of the process, as the worker's option says.
    pub fn set_of_record(self) {
        OF_RECORD.store(self.0, Ordering::Relaxed);
    }

    /// What nothing exceeds, to find out how much memory is charged.
    pub const NONE: Self = Self(usize::MAX);

    /// Works on a record of which no more than this may be made, and tells how much was. A
    /// measurement within another one counts there too, and is not refused for it.
    pub fn measure<T>(self, work: impl FnOnce() -> T) -> Measured<T> {
        /// Goes back to the measurement around this one, also after a panic.
        struct Around {
            limit: usize,
            left: usize,
        }

        impl Drop for Around {
            fn drop(&mut self) {
                let bytes = self.limit.saturating_sub(LEFT.get());
                LEFT.set(self.left.saturating_sub(bytes));
            }
        }

        let _around = Around {
            limit: self.0,
            left: LEFT.replace(self.0),
        };
        let made = work();
        let bytes = self.0.saturating_sub(LEFT.get());
        Measured { made, bytes }
    }
}

/// Counts memory that is about to be asked for.
///
/// ```
/// use connect_api::memory::{MemoryLimit, charge};
///
/// let measured = MemoryLimit(100).measure(|| (charge(60).is_ok(), charge(60).is_ok()));
/// assert_eq!(measured.made, (true, false));
/// ```
///
/// # Errors
/// [`crate::ErrorKind::Data`] when the record that is worked on has taken too much.
#[inline]
pub fn charge(bytes: usize) -> Result<()> {
    match LEFT.get().checked_sub(bytes) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => Err(exceeded()),
    }
}

/// Counts the memory of so many values.
///
/// # Errors
/// As [`charge`].
#[inline]
pub fn charge_values(count: usize) -> Result<()> {
    charge(count.saturating_mul(size_of::<Value>()))
}

/// Adds an item to a list that grows with a record, and counts what the list grows by.
///
/// # Errors
/// As [`charge`].
#[inline]
pub fn push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    if list.len() == list.capacity() {
        grow(list)?;
    }
    list.push(item);
    Ok(())
}

/// Twice the room, as a list that is pushed to takes it.
fn grow<T>(list: &mut Vec<T>) -> Result<()> {
    let more = list.capacity().max(4);
    charge(more.saturating_mul(size_of::<T>()))?;
    list.reserve_exact(more);
    Ok(())
}

/// Counts what a cache keeps. What is cached comes from records, so that the number of entries
/// alone bounds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeptBytes(usize);

/// Whether a cache has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It has.
    Enough,
    /// It has once it is emptied.
    AfterClearing,
}

impl KeptBytes {
    /// The most that one cache keeps, but for a single entry that is larger.
    pub const MOST: usize = 2 << 20;

    /// Counts an entry that is about to be kept; `AfterClearing`: all before it are thrown away.
    pub fn add(&mut self, bytes: usize) -> Room {
        let sum = self.0.saturating_add(bytes);
        if sum > Self::MOST && self.0 > 0 {
            self.0 = bytes;
            return Room::AfterClearing;
        }
        self.0 = sum;
        Room::Enough
    }

    /// The cache was emptied.
    pub fn clear(&mut self) {
        self.0 = 0;
    }
}

/// The text of `exceeded`.
pub const EXCEEDED: &str = "as data the record would take more memory than a record may; \
ferrule.record.memory.max.bytes of the worker says how much that is";

#[cold]
fn exceeded() -> Error {
    Error::data(EXCEEDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_charged_counts_up_to_the_limit() {
        let measured = MemoryLimit(10).measure(|| {
            charge(4).unwrap();
            charge(6).unwrap();
            charge(1).unwrap_err().kind()
        });
        assert_eq!(measured.made, crate::ErrorKind::Data);
        assert_eq!(measured.bytes, 10);
    }

    #[test]
    fn one_record_does_not_pay_for_another() {
        let outer = MemoryLimit::NONE.measure(|| {
            for _ in 0..2 {
                let inner = MemoryLimit(100).measure(|| charge(100).is_ok());
                assert_eq!((inner.made, inner.bytes), (true, 100));
            }
            let refused = MemoryLimit(100).measure(|| charge(101).is_ok());
            assert_eq!((refused.made, refused.bytes), (false, 0));
        });
        assert_eq!(outer.bytes, 200);
        let small = MemoryLimit(10).measure(|| MemoryLimit(100).measure(|| charge(50).is_ok()));
        assert!(small.made.made);
        assert!(charge(1 << 40).is_ok(), "nobody measures");
    }

    #[test]
    fn a_cache_is_emptied_before_it_holds_too_much() {
        let mut kept = KeptBytes::default();
        assert_eq!(kept.add(KeptBytes::MOST), Room::Enough);
        assert_eq!(kept.add(1), Room::AfterClearing);
        assert_eq!(kept.add(KeptBytes::MOST - 1), Room::Enough);
        assert_eq!(kept.add(usize::MAX), Room::AfterClearing);
        kept.clear();
        assert_eq!(kept.add(usize::MAX), Room::Enough);
    }

    #[test]
    fn a_panic_ends_its_measurement() {
        let panics =
            || MemoryLimit(1).measure(|| -> usize { std::panic::resume_unwind(Box::new(0)) });
        assert!(std::panic::catch_unwind(panics).is_err());
        assert!(charge(1 << 40).is_ok());
    }

    #[test]
    fn a_list_is_charged_for_the_room_that_it_takes() {
        let measured = MemoryLimit(1 << 20).measure(|| {
            let mut list = Vec::new();
            for item in 0..1000_u64 {
                push(&mut list, item).unwrap();
            }
            list.capacity()
        });
        assert_eq!(measured.bytes, measured.made * 8);
        let refused = MemoryLimit(100).measure(|| {
            let mut list = Vec::new();
            (0..).find(|item| push(&mut list, *item).is_err())
        });
        assert_eq!(refused.made, Some(8_u64));
    }
}
