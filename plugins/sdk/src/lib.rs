//! Write a Ferrule transform plugin in a few lines.
//!
//! A plugin implements [`Transform`] for a type and names the type in [`export!`]. The SDK loops
//! over the batch, resolves the names of fields once a batch, and turns `?` into an errant record.
//!
//! ```
//! use ferrule_plugin::{Config, ConfigErrors, ConfigKey, Description, Outcome, Record, Transform};
//!
//! pub struct MaxSpeed(i64);
//!
//! impl Transform for MaxSpeed {
//!     fn describe() -> Description {
//!         Description::new("max-speed", "0.1.0", "Drops what is faster than a limit.")
//!             .key(ConfigKey::int("limit", 300, "Greatest speed, in knots."))
//!     }
//!     fn configure(config: &Config) -> Result<Self, ConfigErrors> {
//!         Ok(MaxSpeed(config.int("limit")?))
//!     }
//!     fn apply(&mut self, record: Record<'_>) -> ferrule_plugin::Result {
//!         let speed: i64 = record.row()?.required("speed_kts")?;
//!         Ok(if speed > self.0 { Outcome::Drop } else { Outcome::Keep })
//!     }
//! }
//! ferrule_plugin::export!(MaxSpeed);
//!
//! // In a test, without WASM:
//! use ferrule_plugin::testing::{Answer, Runner};
//! let mut plugin = Runner::<MaxSpeed>::new(&[("limit", "250")]).unwrap();
//! assert_eq!(plugin.row([("speed_kts", 200i64.into())]), Answer::Keep);
//! assert_eq!(plugin.row([("speed_kts", 251i64.into())]), Answer::Drop);
//! ```
//!
//! Built for `wasm32-unknown-unknown` as a `cdylib`, the module carries its part of the contract
//! and the worker makes it a component when it loads it. Built for the host, [`state`], [`log`] and
//! [`metrics`] are kept in memory by [`testing`], so that a plugin is tested by `cargo test`.
//!
//! What a plugin keeps in `self` is only a cache: the worker may replace the instance between any
//! two batches. What must last goes through [`state`].

#[expect(
    missing_docs,
    reason = "generated; the contract in wit/ documents what it declares"
)]
pub mod bindings;
mod coerce;
mod config;
mod description;
#[doc(hidden)]
pub mod glue;
pub mod iso8601;
pub mod log;
pub mod metrics;
mod output;
mod pool;
mod record;
mod row;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod value;

pub use bindings::exports::ferrule::transform::plugin::{
    ConfigError, ConfigKey, ConfigType, Description, Importance, Parts, Validator,
};
pub use bindings::ferrule::transform::data::{Failure, Kind};
pub use coerce::Coerce;
pub use config::{Config, ConfigErrors};
pub use output::{OutPayload, OutRecord, OutRow, Outcome, RowShape};
pub use record::{Column, Field, Payload, Record, Row};
#[doc(hidden)]
pub use row::present;
pub use row::{FromRow, Rows, ToRow};
pub use value::{FromValue, Header, Json, JsonText, OfKind, Timestamp, Value, ValueRef, kind_of};

/// What [`Transform::apply`] returns: an [`Outcome`], or the [`Failure`] that makes the record an
/// errant one.
pub type Result<T = Outcome> = std::result::Result<T, Failure>;

/// A transform: what a plugin is.
pub trait Transform: Sized {
    /// The fields that the plugin reads by [`Field`]; see [`fields!`]. Their places are looked up
    /// once for each shape of a batch.
    const FIELDS: &'static [&'static str] = &[];

    /// What the plugin is and how it is configured. No state is at hand here.
    fn describe() -> Description;

    /// Takes the configuration: every key of [`Transform::describe`], with its default where none
    /// was given.
    fn configure(config: &Config) -> std::result::Result<Self, ConfigErrors>;

    /// Says what becomes of one record.
    fn apply(&mut self, record: Record<'_>) -> Result;

    /// Says what becomes of the records of a batch, all of one partition: one result for each, in
    /// order. A plugin that reads and writes its state once for many records does it here; its
    /// entries end only between batches, unless it calls [`state::arrive`].
    fn apply_batch(&mut self, records: &[Record<'_>]) -> Vec<Result> {
        let each = records.iter().map(|record| {
            state::arrive(record.timestamp());
            self.apply(*record)
        });
        each.collect()
    }

    /// Called after a batch with the greatest timestamp that the partition's records have shown,
    /// if the description asks for it by [`Description::ticking`].
    fn tick(&mut self, tick: Tick<'_>) -> Vec<OutRecord> {
        let _ = tick;
        Vec::new()
    }
}

/// The partition and the time of a tick.
#[derive(Clone, Copy, Debug)]
pub struct Tick<'a> {
    /// The topic whose batch was transformed.
    pub topic: &'a str,
    /// The partition whose batch was transformed.
    pub partition: i32,
    /// The greatest timestamp seen in the partition, in milliseconds since 1970; that of the wall
    /// clock, if it is greater and the partition is quiet.
    pub now: i64,
    /// Whether the task ends, and what waits is to be emitted now (`flush.on.stop`).
    pub flush: bool,
}

/// Makes a type that implements [`Transform`] the plugin of this module.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: fn() = || {
            fn is_a_transform<T: $crate::Transform>() {}
            is_a_transform::<$plugin>()
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::exports::ferrule::transform::plugin as contract;

            ::std::thread_local! {
                static PLUGIN: $crate::glue::Slot<$plugin> = const { $crate::glue::Slot::empty() };
            }

            struct Export;

            impl contract::Guest for Export {
                fn describe() -> contract::Description {
                    $crate::glue::describe::<$plugin>()
                }
                fn configure(
                    config: ::std::vec::Vec<(::std::string::String, ::std::string::String)>,
                ) -> ::std::result::Result<(), ::std::vec::Vec<contract::ConfigError>> {
                    PLUGIN.with(|plugin| plugin.configure(config))
                }
                fn apply(batch: contract::Batch) -> contract::Reply {
                    PLUGIN.with(|plugin| plugin.apply(&batch))
                }
                fn tick(
                    topic: ::std::string::String,
                    partition: i32,
                    now: contract::EpochMillis,
                ) -> contract::Emission {
                    PLUGIN.with(|plugin| plugin.tick(&topic, partition, now))
                }
            }

    $crate::bindings::export!(Export with_types_in $crate::bindings);
        };
    };
}

/// Declares the fields that a plugin reads: a constant [`Field`] for each, and the list of their
/// names for [`Transform::FIELDS`].
///
/// ```
/// ferrule_plugin::fields! {
///     /// What the rules look at.
///     pub const FIELDS;
///     TRACK_ID = "track_id",
///     DOMAIN = "domain",
/// }
/// assert_eq!(FIELDS, ["track_id", "domain"]);
/// assert_eq!(DOMAIN.name(), "domain");
/// ```
#[macro_export]
macro_rules! fields {
    ($(#[$doc:meta])* $vis:vis const $all:ident; $($field:ident = $name:literal),+ $(,)?) => {
        $(#[$doc])*
        $vis const $all: &[&str] = &[$($name),+];
        $(
            #[doc = concat!("The field `", $name, "`.")]
            $vis const $field: $crate::Field = $crate::Field::of($all, $name);
        )+
    };
}
