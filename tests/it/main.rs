//! The integration tests.

mod chaos;
mod converters;
mod delivery;
mod errors;
mod file_source;
mod harness_smoke;
mod hostile;
mod hostile_configs;
mod kafka_sink;
mod plugin;
mod rebalance;
mod rest;
mod restart;
mod systems;
mod transforms;
mod wasm;
mod wire;
mod workers;
