//! The integration tests.

mod chaos;
mod converters;
mod delivery;
mod demo;
mod errors;
mod file_source;
mod harness_smoke;
mod hostile;
mod hostile_configs;
mod http;
mod kafka_sink;
mod maintain;
mod newcomer;
mod pages;
mod plugin;
mod quickstart;
mod readme;
mod rebalance;
mod rest;
mod restart;
mod systems;
mod tools;
mod transforms;
mod wasm;
mod wire;
mod workers;
