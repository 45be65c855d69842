//! What a plugin may use up: the worker's limits, the keys by which a transform lowers them, and
//! the limiter that wasmtime asks (Invariant 7).

use std::time::Duration;

use connect_api::{Config, ConfigDef, ConfigKey, ConfigType, Error, Importance, Result, Validator};
use wasmtime::ResourceLimiter;

use crate::engine::TICK;

/// The keys of [`host_config_def`].
pub(crate) const MEMORY: &str = "memory.max.bytes";
pub(crate) const TIMEOUT: &str = "call.timeout.ms";
pub(crate) const OUTPUT: &str = "output.max.bytes";
pub(crate) const STATE: &str = "state.max.bytes";
pub(crate) const TICK_INTERVAL: &str = "tick.interval.ms";
pub(crate) const FLUSH_ON_STOP: &str = "flush.on.stop";
pub(crate) const SHA256: &str = "sha256";

/// The shortest time between two ticks of a quiet partition: each may be a transaction.
const LEAST_INTERVAL: i64 = 100;
/// How long the partition of a plugin that ticks is quiet before it is ticked by wall time, in
/// milliseconds, unless the transform says otherwise.
pub(crate) const DEFAULT_INTERVAL: i64 = 1000;
/// Elements of all tables of an instance; a Rust guest has a few hundred.
const TABLE_ELEMENTS: usize = 100_000;

/// What a transform may use up. A transform's own keys can only lower it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasmLimits {
    /// Bytes of all linear memories of an instance.
    pub memory_bytes: u64,
    /// How long one call into the plugin may run.
    pub call_timeout: Duration,
    /// Bytes that the reply to one call, or one value given to an import, takes in the worker.
    pub output_bytes: u64,
    /// Bytes of the state of one partition: keys, values and 64 for each entry.
    pub state_bytes: u64,
}

impl Default for WasmLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 128 << 20,
            call_timeout: Duration::from_secs(2),
            output_bytes: 32 << 20,
            state_bytes: 64 << 20,
        }
    }
}

impl WasmLimits {
    /// The most that a key may ask for.
    fn ceiling(&self, key: &str) -> Option<u64> {
        let timeout = || u64::try_from(self.call_timeout.as_millis()).unwrap_or(u64::MAX);
        match key {
            MEMORY => Some(self.memory_bytes),
            TIMEOUT => Some(timeout()),
            OUTPUT => Some(self.output_bytes),
            STATE => Some(self.state_bytes),
            _ => None,
        }
    }

    /// These limits, lowered by a transform's keys.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a key asks for more than the worker gives.
    pub(crate) fn lowered(self, config: &Config) -> Result<Self> {
        let mut errors = Vec::new();
        let mut lower = |key: &str| {
            let ceiling = self.ceiling(key).unwrap_or(u64::MAX);
            match config.optional_integer(key) {
                Some(given) if given.unsigned_abs() > ceiling => {
                    errors.push(format!(
                        "Invalid value {given} for configuration {key}: \
                         Value must be no more than {ceiling}, the worker's limit"
                    ));
                    ceiling
                }
                Some(given) => given.unsigned_abs(),
                None => ceiling,
            }
        };
        let lowered = Self {
            memory_bytes: lower(MEMORY),
            call_timeout: Duration::from_millis(lower(TIMEOUT)),
            output_bytes: lower(OUTPUT),
            state_bytes: lower(STATE),
        };
        if errors.is_empty() {
            Ok(lowered)
        } else {
            Err(Error::config(errors.join("; ")))
        }
    }
}

/// Whether a plugin's description asks for ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ticking {
    Yes,
    No,
}

/// The keys of [`host_config_def`], which may ask for no more than the worker gives, with the
/// defaults that they have for a plugin.
pub(crate) fn limited_config_def(limits: WasmLimits, ticking: Ticking) -> ConfigDef {
    let unlimited = host_config_def();
    let keys = unlimited.keys().iter().cloned().map(|mut key| {
        if key.name == TICK_INTERVAL && ticking == Ticking::Yes {
            key.default = Some(Some(DEFAULT_INTERVAL.to_string().into()));
        }
        if let (Validator::AtLeast(least), Some(most)) = (&key.validator, limits.ceiling(&key.name))
        {
            key.validator = Validator::Between(*least as f64, most as f64);
        }
        key
    });
    ConfigDef::new(keys.collect())
}

/// The keys that every WASM transform has beside those of its plugin.
pub fn host_config_def() -> ConfigDef {
    let limit = |name: &'static str, least: i64, doc: &'static str| {
        ConfigKey::nullable(name, ConfigType::Long, doc)
            .validator(Validator::AtLeast(least))
            .importance(Importance::Low)
    };
    let tick = i64::try_from(TICK.as_millis()).unwrap_or(i64::MAX);
    ConfigDef::new(vec![
        limit(
            MEMORY,
            1,
            "Most bytes of memory that the plugin may use. Default: the worker's limit.",
        ),
        limit(
            TIMEOUT,
            tick,
            "Milliseconds that one call into the plugin may take. Default: the worker's limit.",
        ),
        limit(
            OUTPUT,
            1,
            "Most bytes that one reply of the plugin may take in the worker's memory. \
             Default: the worker's limit.",
        ),
        limit(
            STATE,
            1,
            "Most bytes of state that the plugin may keep for a partition: keys, values and 64 \
             for each entry. Default: the worker's limit.",
        ),
        ConfigKey::nullable(
            TICK_INTERVAL,
            ConfigType::Long,
            "Milliseconds for which a partition is quiet before the plugin is ticked by wall time, \
             and then again; 0: it is ticked by record time alone. Only for a plugin that ticks, \
             for which the default is 1000. A source has no partitions that could be quiet.",
        )
        .validator(Validator::Check(interval))
        .importance(Importance::Low),
        ConfigKey::new(
            FLUSH_ON_STOP,
            ConfigType::Boolean,
            "false",
            "Whether the plugin is told to emit what waits when the task ends in order: when the \
             worker, the connector or the task is stopped, restarted or deleted. A pause, and a \
             partition that goes to another task, flush nothing: what waits is in the state. Only \
             for a plugin that ticks.",
        )
        .importance(Importance::Low),
        ConfigKey::nullable(
            SHA256,
            ConfigType::String,
            "SHA-256 of the plugin's file in hex. When given, no other file is accepted.",
        )
        .validator(Validator::Check(digest))
        .importance(Importance::Low),
    ])
}

fn interval(text: &str) -> std::result::Result<(), String> {
    match text.parse::<i64>() {
        Ok(0 | LEAST_INTERVAL..) => Ok(()),
        _ => Err(format!("Value must be 0 or at least {LEAST_INTERVAL}")),
    }
}

fn digest(text: &str) -> std::result::Result<(), String> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(())
    } else {
        Err("must be 64 hexadecimal digits".into())
    }
}

/// Bounds what one instance allocates, over all its memories together.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    used: usize,
    table_elements: usize,
    refused: bool,
}

impl MemoryLimit {
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            limit: usize::try_from(bytes).unwrap_or(usize::MAX),
            used: 0,
            table_elements: 0,
            refused: false,
        }
    }

    /// A new instance starts with nothing.
    pub(crate) fn restart(&mut self) {
        *self = Self::new(self.limit as u64);
    }

    /// What the instance uses.
    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn bytes(&self) -> usize {
        self.limit
    }

    /// Whether memory was refused since the last time this was asked.
    pub(crate) fn take_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(desired.saturating_sub(current));
        let fits = wanted <= self.limit;
        if fits {
            self.used = wanted;
        }
        self.refused |= !fits;
        Ok(fits)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let wanted = self.table_elements.saturating_add(more);
        let fits = wanted <= TABLE_ELEMENTS;
        if fits {
            self.table_elements = wanted;
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}
