//! The example systems, deployed from the very files of `connectors/`.

mod activity;
mod analytics;
mod chain;
mod fleet;
mod iot;
mod killed;
mod telescope;
mod twice;
