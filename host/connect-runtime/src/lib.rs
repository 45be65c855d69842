//! The worker: REST, herder, tasks.

pub mod config;
pub mod config_provider;
pub mod connector_config;
pub mod connectors;
pub mod descriptors;
mod errors;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod group;
pub mod herder;
mod kafka;
pub mod logging;
pub mod metrics;
pub mod migration;
pub mod panic_log;
pub mod plugins;
pub mod rest;
pub mod sample;
mod sink_task;
mod sink_task_loop;
mod source_task;
pub mod storage;
pub mod suggest;
mod task_control;
mod task_restart;
mod topic_tracking;
pub mod worker;

pub use sink_task::consume::TaskConsumer;
pub use sink_task::write::Durable;
