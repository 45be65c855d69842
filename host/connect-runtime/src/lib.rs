//! The worker: REST, herder, tasks.

pub mod worker;
