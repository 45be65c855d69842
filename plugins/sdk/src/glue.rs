//! What stands between the exported functions and a plugin: the instance, the loop over a batch.

use std::cell::RefCell;
use std::sync::Once;

use crate::bindings::exports::ferrule::transform::plugin::{
    Batch, ConfigError, Description, Emission, Reply,
};
use crate::bindings::ferrule::transform::data;
use crate::output::ReplyBuilder;
use crate::record::View;
use crate::{Config, Outcome, Tick, Transform, log, state};

/// The configured plugin of this instance.
pub struct Slot<T>(RefCell<Option<T>>);

impl<T> Slot<T> {
    /// No plugin yet.
    pub const fn empty() -> Slot<T> {
        Slot(RefCell::new(None))
    }
}

impl<T: Transform> Slot<T> {
    /// Makes the plugin from its configuration.
    pub fn configure(&self, config: Vec<(String, String)>) -> Result<(), Vec<ConfigError>> {
        log_panics();
        let plugin = T::configure(&Config::new(config)).map_err(|errors| errors.0)?;
        *self.0.borrow_mut() = Some(plugin);
        Ok(())
    }

    /// Lets the plugin transform a batch.
    pub fn apply(&self, batch: &Batch) -> Reply {
        match self.0.borrow_mut().as_mut() {
            Some(plugin) => apply(plugin, batch),
            None => panic!("apply called before configure"),
        }
    }

    /// Lets the plugin emit records.
    pub fn tick(&self, topic: &str, partition: i32, now: i64) -> Emission {
        match self.0.borrow_mut().as_mut() {
            Some(plugin) => tick(
                plugin,
                Tick {
                    topic,
                    partition,
                    now,
                    flush: flushing(),
                },
            ),
            None => panic!("tick called before configure"),
        }
    }
}

#[cfg(target_arch = "wasm32")]
fn flushing() -> bool {
    crate::bindings::ferrule::transform::ticks::flushing()
}

#[cfg(not(target_arch = "wasm32"))]
fn flushing() -> bool {
    false
}

/// Asks the plugin what it is.
pub fn describe<T: Transform>() -> Description {
    log_panics();
    T::describe()
}

/// One outcome for each record of the batch.
pub fn apply<T: Transform>(plugin: &mut T, batch: &Batch) -> Reply {
    let view = View::new(batch, T::FIELDS);
    let mut made = ReplyBuilder::after(batch.pool.shapes.len());
    state::begin(batch.records.iter().filter_map(|it| it.timestamp).max());
    let records: Vec<_> = view.records().collect();
    let results = plugin.apply_batch(&records);
    // Too few results, or too many, are for the worker to refuse.
    let outcomes = results.into_iter().enumerate().map(|(at, result)| {
        let to = batch.records.get(at).map(|record| (record.offset, at));
        match result {
            Ok(Outcome::Keep) => data::Outcome::Keep,
            Ok(Outcome::Drop) => data::Outcome::Drop,
            Ok(Outcome::Replace(records)) => data::Outcome::Replace(made.add(records, to)),
            Err(failure) => data::Outcome::Fail(failure),
        }
    });
    let outcomes = outcomes.collect();
    made.reply(outcomes)
}

/// What the plugin emits at a tick.
pub fn tick<T: Transform>(plugin: &mut T, tick: Tick<'_>) -> Emission {
    let mut made = ReplyBuilder::after(0);
    state::begin(None);
    made.add(plugin.tick(tick), None);
    made.emission()
}

/// A panic becomes a trap, which says nothing; its message goes to the log first.
pub fn log_panics() {
    static ONCE: Once = Once::new();
    if cfg!(target_arch = "wasm32") {
        ONCE.call_once(|| {
            std::panic::set_hook(Box::new(|panic| log::error(panic.to_string())));
        });
    }
}
