//! The integration tests.

mod converters;
mod errors;
mod harness_smoke;
mod systems;
mod transforms;
mod wasm;
