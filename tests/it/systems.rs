//! The example systems, deployed from the very files of `connectors/`.

mod activity;
mod iot;
mod telescope;
