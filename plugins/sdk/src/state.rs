//! The plugin's durable key-value store, scoped by the worker to connector, transform and
//! partition.
//!
//! A plugin that uses it says so by [`Description::stateful`](crate::Description::stateful). Writes
//! are seen by later reads of the same batch, and become durable together with what the batch
//! makes. Lifetimes are counted in record time, wherever the worker cuts its batches.
//!
//! The functions are the contract's; on top of them stand [`Map`], [`TtlSet`] and [`Windows`], and
//! values of any [`Stored`] type, such as a [`Ring`].

mod map;
mod ring;
mod stored;
mod ttl_set;
mod windows;

use std::cell::Cell;

#[cfg(target_arch = "wasm32")]
use crate::bindings::ferrule::transform::state as store;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::store;

pub use crate::bindings::ferrule::transform::state::{Entry, Error};
pub use map::Map;
pub use ring::Ring;
pub use stored::Stored;
pub use ttl_set::TtlSet;
pub use windows::{Session, Window, Windows};

thread_local! {
    /// The timestamp of the record at hand, until the worker is told that it has come.
    static ARRIVED: Cell<Option<i64>> = const { Cell::new(None) };
    /// The clock as the worker gave it for the record at hand.
    static CLOCK: Cell<Option<i64>> = const { Cell::new(None) };
    /// The greatest timestamp of a batch whose records are not told apart.
    static NEWEST: Cell<Option<i64>> = const { Cell::new(None) };
}

/// A call begins, with records up to this timestamp.
pub(crate) fn begin(newest: Option<i64>) {
    ARRIVED.set(None);
    CLOCK.set(None);
    NEWEST.set(newest);
}

/// The record of this timestamp comes to be worked on: what has ended by then is gone. Only
/// [`Transform::apply_batch`](crate::Transform::apply_batch) has to call it.
pub fn arrive(timestamp: Option<i64>) {
    NEWEST.set(None);
    if timestamp.is_some() {
        ARRIVED.set(timestamp);
    }
}

/// Tells the worker of the record at hand. Only a plugin that uses the state pays for it.
fn settle() {
    if let Some(to) = ARRIVED.take() {
        CLOCK.set(Some(store::advance(to)));
    }
}

/// The greatest timestamp that the partition's records have shown up to the one at hand, in
/// milliseconds since 1970. None: no record has had one.
pub fn clock() -> Option<i64> {
    settle();
    let clock = CLOCK.get().unwrap_or_else(|| store::advance(i64::MIN));
    Some(clock).filter(|clock| *clock != i64::MIN)
}

/// The value of a key.
pub fn get(key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    settle();
    store::get(key.as_ref())
}

/// The values of many keys in one call: one answer for each, in order.
pub fn get_many(keys: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    settle();
    store::get_many(keys)
}

/// Sets the value of a key, until it is deleted.
pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Error> {
    settle();
    store::set(key.as_ref(), value.as_ref(), None)
}

/// Sets the value of a key for some milliseconds of record time, counted from [`clock`], or from
/// the newest record of a batch whose records are not told apart.
pub fn set_for(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, ttl: u64) -> Result<(), Error> {
    let from = clock().max(NEWEST.get());
    let expires = from.map(|from| from.saturating_add_unsigned(ttl));
    store::set(key.as_ref(), value.as_ref(), expires)
}

/// Sets the value of a key until the clock comes to `expires`.
pub fn set_until(
    key: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
    expires: i64,
) -> Result<(), Error> {
    settle();
    store::set(key.as_ref(), value.as_ref(), Some(expires))
}

/// Deletes a key.
pub fn delete(key: impl AsRef<[u8]>) {
    settle();
    store::delete(key.as_ref());
}

/// Entries whose keys start with `prefix` and are greater than `after`, in the order of their
/// keys, `limit` of them at most.
pub fn scan(prefix: impl AsRef<[u8]>, after: Option<&[u8]>, limit: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    settle();
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    loop {
        let left = limit - found.len() as u32;
        let last = found.last().map(|(key, _)| key.as_slice());
        let page = store::scan(prefix.as_ref(), last.or(after), left);
        let more = page.more && !page.entries.is_empty();
        found.extend(
            page.entries
                .into_iter()
                .map(|entry| (entry.key, entry.value)),
        );
        if !more || found.len() >= limit as usize {
            return found;
        }
    }
}

impl From<Error> for crate::Failure {
    fn from(error: Error) -> crate::Failure {
        match error {
            Error::Full(limit) => {
                crate::Failure::new(format_args!("the plugin's state is full ({limit} bytes)"))
            }
            Error::KeyTooLong(limit) => crate::Failure::new(format_args!(
                "a key of the plugin's state is longer than {limit} bytes"
            )),
        }
    }
}
