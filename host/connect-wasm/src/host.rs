//! What a plugin can ask of the worker: the imports of the contract.

mod gauges;
mod lines;

use std::sync::Arc;

use metrics::Label;

use crate::bindings::ferrule::transform::{data, log, metrics as metrics_import, state};
use crate::limits::MemoryLimit;
use crate::state::{Full, PartitionState};
use gauges::Gauges;
use lines::Lines;

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
    /// The state of the partition whose batch is at hand.
    pub(crate) state: Option<PartitionState>,
    lines: Lines,
    gauges: Gauges,
}

impl Host {
    pub(crate) fn new(identity: Arc<Identity>, memory_bytes: u64) -> Self {
        Self {
            memory: MemoryLimit::new(memory_bytes),
            state: None,
            lines: Lines::new(Arc::clone(&identity)),
            gauges: Gauges::new(identity),
        }
    }

    /// The panic that the guest told the log of during this call.
    pub(crate) fn take_panic(&mut self) -> Option<String> {
        self.lines.take_panic()
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
        self.state
            .as_mut()
            .ok_or_else(|| wasmtime::format_err!("there is no state outside of apply and tick"))
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
        ttl: Option<u64>,
    ) -> wasmtime::Result<Result<(), state::Error>> {
        let set = self.state()?.set(key.into(), value.into(), ttl);
        Ok(set.map_err(|Full(limit)| state::Error::Full(limit)))
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
    ) -> wasmtime::Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let most = self.memory.bytes();
        let mut bytes = 0usize;
        let mut entries = Vec::new();
        let scan = self.state()?.scan(&prefix, after.as_deref());
        for (key, value) in scan.take(limit as usize) {
            bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
            if bytes > most {
                break;
            }
            entries.push((key.to_vec(), value.to_vec()));
        }
        self.answer(bytes)?;
        Ok(entries)
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
