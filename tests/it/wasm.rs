//! WASM plugins within a running connector: hostile ones, and how the worker shows them.

mod hostile;
mod listing;
mod state;
