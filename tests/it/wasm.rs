//! WASM plugins within a running connector: hostile ones, and how the worker starts and shows them.

mod hostile;
mod listing;
mod moved;
mod outage;
mod slow;
pub mod state;
mod versions;
