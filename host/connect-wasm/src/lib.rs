//! The host of WASM plugins: finds them, compiles them once, and runs each transform of each task
//! in an instance of its own, within limits.
//!
//! A plugin that traps, runs too long or breaks the contract costs the records that make it do so,
//! and nothing else: the instance is thrown away, and the records at fault are found by halving
//! the batch. State is served from memory; the sink keeps it.

mod bindings;
mod cache;
mod compile;
mod component;
mod engine;
mod fault;
mod guest;
mod host;
mod identity;
mod limits;
pub mod meters;
mod plugins;
mod state;
mod transform;

pub use cache::check as check_cache;
pub use compile::{COMPILE_COMMAND, CompileLimits, Compiler, compile_stdin};
pub use component::{Inspection, componentize, inspect};
pub use identity::identity;
pub use limits::{WasmLimits, host_config_def};
pub use plugins::{PluginInfo, Reads, TransformContext, WasmOptions, WasmPlugins};
#[cfg(feature = "fuzzing")]
pub use transform::fuzzing;
