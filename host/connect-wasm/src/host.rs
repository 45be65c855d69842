//! What a plugin can ask of the worker: the imports of the contract.

mod gauges;
mod lines;
mod secrets;

use std::borrow::Cow;
use std::sync::Arc;

use connect_api::Timestamp;
use metrics::Label;

use crate::bindings::ferrule::transform::{data, log, metrics as metrics_import, state, ticks};
use crate::limits::MemoryLimit;
use crate::state::{KEY_BYTES, PartitionState, Refused};
use gauges::Gauges;
use lines::Lines;
pub(crate) use lines::Panic;
pub(crate) use secrets::Secrets;

/// Bytes of keys and values that one scan gives at most.
const PAGE_BYTES: usize = 1 << 20;

/// Whose plugin it is: what logs and metrics say beside the plugin's own words.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) connector: String,
    pub(crate) task: u32,
    pub(crate) transform: String,
    pub(crate) plugin: String,
}

impl Identity {
    pub(crate) fn labels(&self) -> Vec<Label> {
        vec![
            Label::new("connector", self.connector.clone()),
            Label::new("task", self.task.to_string()),
            Label::new("transform", self.transform.clone()),
            Label::new("plugin", self.plugin.clone()),
        ]
    }
}

/// What the worker keeps for an instance. It outlives the instance: a trap costs only the guest's
/// memory.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) memory: MemoryLimit,
    /// Whether the plugin has asked for state.
    pub(crate) stateful: bool,
    /// The state of the partition whose batch is at hand.
    pub(crate) state: Option<PartitionState>,
    /// Whether the tick at hand is the last one before the task ends.
    pub(crate) flushing: bool,
    lines: Lines,
    gauges: Gauges,
    secrets: Arc<Secrets>,
}

impl Host {
    pub(crate) fn new(identity: Arc<Identity>, memory_bytes: u64) -> Self {
        Self {
            memory: MemoryLimit::new(memory_bytes),
            stateful: false,
            state: None,
            flushing: false,
            lines: Lines::new(Arc::clone(&identity)),
            gauges: Gauges::new(identity),
            secrets: Arc::default(),
        }
    }

    /// The panic that the guest told the log of during this call.
    pub(crate) fn take_panic(&mut self) -> Option<Panic> {
        self.lines.take_panic()
    }

    /// What nothing that the plugin says may tell.
    pub(crate) fn hide(&mut self, secrets: Arc<Secrets>) {
        self.lines.hide(Arc::clone(&secrets));
        self.gauges.hide(Arc::clone(&secrets));
        self.secrets = secrets;
    }

    /// The text without secrets.
    pub(crate) fn without_secrets<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.secrets.hide(text)
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.take_panic();
        self.memory.take_refused();
    }

    /// The call counts: so do its metrics.
    pub(crate) fn commit(&mut self) {
        self.gauges.commit();
    }

    /// The call does not count.
    pub(crate) fn discard(&mut self) {
        self.gauges.discard();
        if let Some(state) = &mut self.state {
            state.discard();
        }
    }

    fn state(&mut self) -> wasmtime::Result<&mut PartitionState> {
        let stateful = self.stateful;
        let state = self.state.as_mut().filter(|_| stateful);
        state.ok_or_else(|| {
            wasmtime::format_err!(
                "it calls state, which is only there in apply and tick, and for a plugin whose \
                     description says stateful"
            )
        })
    }

    /// Refuses an answer that the guest's memory could not hold anyway, before it is made.
    fn answer(&self, bytes: usize) -> wasmtime::Result<()> {
        if bytes > self.memory.bytes() {
            wasmtime::bail!("asked for more state at once than its memory can hold");
        }
        Ok(())
    }
}

impl data::Host for Host {}

impl state::Host for Host {
    fn get(&mut self, key: Vec<u8>) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.state()?.get(&key).map(<[u8]>::to_vec))
    }

    fn get_many(&mut self, keys: Vec<Vec<u8>>) -> wasmtime::Result<Vec<Option<Vec<u8>>>> {
        let state = self.state()?;
        let bytes = keys
            .iter()
            .filter_map(|key| state.get(key))
            .map(<[u8]>::len);
        let bytes = bytes.fold(0, usize::saturating_add);
        self.answer(bytes)?;
        let state = self.state()?;
        let values = keys.iter().map(|key| state.get(key).map(<[u8]>::to_vec));
        Ok(values.collect())
    }

    fn set(
        &mut self,
        key: Vec<u8>,
        value: Vec<u8>,
        expires: Option<i64>,
    ) -> wasmtime::Result<Result<(), state::Error>> {
        let set = self
            .state()?
            .set(key.into(), value.into(), expires.map(Timestamp));
        Ok(set.map_err(|refused| match refused {
            Refused::Full(limit) => state::Error::Full(limit),
            Refused::KeyTooLong => state::Error::KeyTooLong(KEY_BYTES as u32),
        }))
    }

    fn delete(&mut self, key: Vec<u8>) -> wasmtime::Result<()> {
        self.state()?.delete(&key);
        Ok(())
    }

    fn scan(
        &mut self,
        prefix: Vec<u8>,
        after: Option<Vec<u8>>,
        limit: u32,
    ) -> wasmtime::Result<state::Page> {
        let mut bytes = 0usize;
        let mut entries = Vec::new();
        let mut more = false;
        for (key, value) in self.state()?.scan(&prefix, after.as_deref()) {
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            let full = bytes > PAGE_BYTES && !entries.is_empty();
            if full || entries.len() >= limit as usize {
                more = true;
                break;
            }
            entries.push(state::Entry {
                key: key.to_vec(),
                value: value.to_vec(),
            });
        }
        Ok(state::Page { entries, more })
    }

    fn advance(&mut self, to: i64) -> wasmtime::Result<i64> {
        let clock = self.state()?.advance(Timestamp(to));
        Ok(clock.map_or(i64::MIN, |clock| clock.0))
    }
}

impl ticks::Host for Host {
    fn flushing(&mut self) -> wasmtime::Result<bool> {
        Ok(self.flushing)
    }
}

impl log::Host for Host {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.lines.write(level, &message);
        Ok(())
    }
}

impl metrics_import::Host for Host {
    fn count(&mut self, name: String, by: u64) -> wasmtime::Result<()> {
        self.gauges.count(name, by);
        Ok(())
    }

    fn gauge(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.gauges.gauge(name, value);
        Ok(())
    }
}
