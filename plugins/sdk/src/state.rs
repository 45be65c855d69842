//! The plugin's key-value store, scoped by the worker to connector, transform and partition.
//!
//! Writes are seen by later reads of the same batch. The functions are the contract's; on top of
//! them stand [`Map`], [`TtlSet`] and [`Windows`], and values of any [`Stored`] type, such as a
//! [`Ring`].

mod map;
mod ring;
mod stored;
mod ttl_set;
mod windows;

#[cfg(target_arch = "wasm32")]
use crate::bindings::ferrule::transform::state as store;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::store;

pub use crate::bindings::ferrule::transform::state::Error;
pub use map::Map;
pub use ring::Ring;
pub use stored::Stored;
pub use ttl_set::TtlSet;
pub use windows::{Session, Window, Windows};

/// The value of a key.
pub fn get(key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    store::get(key.as_ref())
}

/// The values of many keys in one call: one answer for each, in order.
pub fn get_many(keys: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    store::get_many(keys)
}

/// Sets the value of a key, until it is deleted.
pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Error> {
    store::set(key.as_ref(), value.as_ref(), None)
}

/// Sets the value of a key for some milliseconds of record time.
pub fn set_for(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, ttl: u64) -> Result<(), Error> {
    store::set(key.as_ref(), value.as_ref(), Some(ttl))
}

/// Deletes a key.
pub fn delete(key: impl AsRef<[u8]>) {
    store::delete(key.as_ref());
}

/// Entries whose keys start with `prefix` and are greater than `after`, in the order of their
/// keys, `limit` of them at most.
pub fn scan(prefix: impl AsRef<[u8]>, after: Option<&[u8]>, limit: u32) -> Vec<(Vec<u8>, Vec<u8>)> {
    store::scan(prefix.as_ref(), after, limit)
}

impl From<Error> for crate::Failure {
    fn from(error: Error) -> crate::Failure {
        match error {
            Error::Full(limit) => {
                crate::Failure::new(format_args!("the plugin's state is full ({limit} bytes)"))
            }
        }
    }
}
