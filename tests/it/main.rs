//! The integration tests.

mod converters;
mod delivery;
mod dice;
mod errors;
mod harness_smoke;
mod ledger;
mod rebalance;
mod rest;
mod restart;
mod systems;
mod tidy;
mod transforms;
mod wasm;
mod wire;
