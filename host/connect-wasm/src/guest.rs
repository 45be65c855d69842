//! One instance of a plugin, made anew after every fault.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use connect_api::{Error, Result};
use wasmtime::Store;

use crate::bindings::Transform;
use crate::bindings::exports::ferrule::transform::plugin::Guest as Exports;
use crate::engine::ticks;
use crate::fault::Fault;
use crate::host::Host;
use crate::limits::WasmLimits;
use crate::plugins::{Code, Loaded};

/// The instance, or what outlives it.
enum Slot {
    Live(Box<Store<Host>>, Transform),
    Idle(Box<Host>),
    /// Only while one becomes the other.
    Empty,
}

/// An instance is replaced once its memory has grown to more than this part of its limit: memory
/// of WASM never shrinks, and what is left has to suffice for the next batch.
const GROWN: usize = 2;
/// The calls that an instance answers before it is replaced for that, so that a plugin that needs
/// as much for its work pays for a new one seldom.
const LEAST_CALLS: u64 = 16;

/// A configured instance of a plugin.
pub(crate) struct Guest {
    plugin: Arc<Loaded>,
    config: Vec<(String, String)>,
    limits: WasmLimits,
    slot: Slot,
    /// What the instance has answered.
    calls: u64,
    /// Instances made, since this was last asked.
    made: u64,
}

impl Guest {
    /// Makes an instance and configures it.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the plugin refuses the configuration, or traps.
    pub(crate) fn start(
        plugin: Arc<Loaded>,
        config: Vec<(String, String)>,
        limits: WasmLimits,
        host: Host,
    ) -> Result<Self> {
        let mut guest = Self {
            plugin,
            config,
            limits,
            slot: Slot::Idle(Box::new(host)),
            calls: 0,
            made: 0,
        };
        guest.revive()?;
        Ok(guest)
    }

    /// Calls the plugin, on a new instance if there is none.
    ///
    /// # Errors
    /// The outer one when no instance can be made; the inner one is the fault of this call, which
    /// costs the instance.
    pub(crate) fn call<R>(
        &mut self,
        timeout: Duration,
        call: impl FnOnce(&mut Store<Host>, &Exports) -> wasmtime::Result<R>,
    ) -> Result<std::result::Result<R, Fault>> {
        self.revive()?;
        let Slot::Live(store, world) = &mut self.slot else {
            return Err(Error::fatal("a plugin has no instance"));
        };
        let output = self.limits.output_bytes;
        // A panic of what the guest calls passes through the guest's frames. The instance goes, and
        // the record that led to it is found as for a trap.
        let entered = AssertUnwindSafe(|| enter(store, world, timeout, output, call));
        let outcome = catch_unwind(entered).unwrap_or_else(|_| Err(Fault::of_the_worker()));
        let memory = &store.data().memory;
        let grown = memory.used() > memory.bytes() / GROWN;
        let aged = self.calls > 0;
        self.calls += 1;
        if outcome.is_err() || (grown && self.calls >= LEAST_CALLS) {
            self.abandon();
        }
        Ok(outcome.map_err(|mut fault| {
            fault.aged = aged;
            fault
        }))
    }

    /// Bytes of memory of the instance, and how many instances were made since this was last asked.
    pub(crate) fn usage(&mut self) -> (usize, u64) {
        let memory = match &self.slot {
            Slot::Live(store, _) => store.data().memory.used(),
            Slot::Idle(_) | Slot::Empty => 0,
        };
        (memory, std::mem::take(&mut self.made))
    }

    /// What the worker keeps for the plugin.
    pub(crate) fn host(&mut self) -> Option<&mut Host> {
        match &mut self.slot {
            Slot::Live(store, _) => Some(store.data_mut()),
            Slot::Idle(host) => Some(host),
            Slot::Empty => None,
        }
    }

    /// Throws the instance away; the next call makes another.
    pub(crate) fn abandon(&mut self) {
        self.slot = match std::mem::replace(&mut self.slot, Slot::Empty) {
            Slot::Live(store, _) => Slot::Idle(Box::new(store.into_data())),
            other => other,
        };
    }

    fn revive(&mut self) -> Result<()> {
        let host = match std::mem::replace(&mut self.slot, Slot::Empty) {
            Slot::Idle(host) => *host,
            other => {
                self.slot = other;
                return Ok(());
            }
        };
        self.calls = 0;
        self.made += 1;
        let mut store = self.plugin.code.store(host);
        let world = instantiate(&self.plugin.code, &mut store, &self.limits);
        let configured = world.and_then(|world| {
            // State belongs to a partition, and configure has none.
            let state = store.data_mut().state.take();
            let config: Vec<_> = self.config.iter().map(|(k, v)| (&**k, &**v)).collect();
            let limits = &self.limits;
            let outcome = enter(
                &mut store,
                &world,
                limits.call_timeout,
                limits.output_bytes,
                |store, exports| exports.call_configure(store, &config),
            );
            store.data_mut().state = state;
            outcome.map(|refused| (world, refused))
        });
        match configured {
            Ok((world, Ok(()))) => {
                self.slot = Slot::Live(Box::new(store), world);
                Ok(())
            }
            Ok((_, Err(refused))) => {
                self.slot = Slot::Idle(Box::new(store.into_data()));
                let errors = refused
                    .iter()
                    .map(|e| format!("Invalid value for configuration {}: {}", e.key, e.message));
                let errors = errors.collect::<Vec<_>>().join("; ");
                Err(self.refused(&format!("{}: {errors}", self.plugin)))
            }
            Err(fault) => {
                self.slot = Slot::Idle(Box::new(store.into_data()));
                let (plugin, fault) = (&self.plugin, fault.in_full());
                Err(self.refused(&format!("{plugin} could not be configured: it {fault}")))
            }
        }
    }

    /// What the plugin says of its configuration may quote it (Invariant 9).
    fn refused(&mut self, why: &str) -> Error {
        let told = self.host().map(|host| host.without_secrets(why));
        Error::config(told.unwrap_or_default().into_owned())
    }
}

/// A new instance.
pub(crate) fn instantiate(
    code: &Code,
    store: &mut Store<Host>,
    limits: &WasmLimits,
) -> std::result::Result<Transform, Fault> {
    store.data_mut().memory.restart();
    // A module's start function runs code of the guest too.
    store.set_epoch_deadline(ticks(limits.call_timeout));
    let (timeout, output) = (limits.call_timeout, limits.output_bytes);
    match code.instantiate(store) {
        Ok(world) => Ok(world),
        Err(error) => Err(Fault::new(&error, store.data_mut(), timeout, output)),
    }
}

/// One call within its limits.
pub(crate) fn enter<R>(
    store: &mut Store<Host>,
    world: &Transform,
    timeout: Duration,
    output: u64,
    call: impl FnOnce(&mut Store<Host>, &Exports) -> wasmtime::Result<R>,
) -> std::result::Result<R, Fault> {
    store.data_mut().begin();
    store.set_epoch_deadline(ticks(timeout));
    store.set_hostcall_fuel(usize::try_from(output).unwrap_or(usize::MAX));
    match call(store, world.ferrule_transform_plugin()) {
        Ok(result) => Ok(result),
        Err(error) => Err(Fault::new(&error, store.data_mut(), timeout, output)),
    }
}
