//! Starts and stops what a test needs besides Kafka: a real PostgreSQL, PgBouncer, a proxy that
//! makes faults, and any other server process.
//!
//! Kafka, the schema registry and the worker are in `connect-tests`, because their clients are what
//! takes long to build: the tests of a sink do without them.
//!
//! A service that cannot be started fails the test with the command that installs it. Nothing is
//! ever skipped. Every server dies with the test process, also when that is killed.

pub mod dice;
pub mod install;
pub mod names;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod run;
pub mod service;
pub mod wait;
