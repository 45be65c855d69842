//! What the loop of a sink task needs beside its stages, which are in `sink_task/`.

pub mod batch;
pub mod rebalance;
pub mod start;
pub mod state;
pub mod tick;
pub mod timing;
pub mod verify;
