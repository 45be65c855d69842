//! Starts and stops the real services that the integration tests use.
//!
//! One Kafka, one schema registry and one Postgres serve a whole test run; a test takes them with
//! `shared()` and keeps apart from the others by [`names::unique`] topics and connectors and by a
//! database of its own. A test that stops or kills a service starts a private one with `start()`.
//!
//! With `FERRULE_TIMESCALE` each database has the extension TimescaleDB (`make timescale`), of the
//! PostgreSQL of `FERRULE_POSTGRES` or of Debian's.
//!
//! A service that cannot be started fails the test with the command that installs it. Nothing is
//! ever skipped. Every server dies with the test process, also when that is killed.
//!
//! What needs no Kafka is in the crate `harness-postgres`, so that the tests of a sink build
//! without librdkafka; it is named here too, so that a test need not know which half it uses.

pub mod avro;
pub mod connect;
mod http;
pub mod kafka;
pub mod kafka_connect;
pub mod ledger;
pub mod letter;
pub mod limits;
pub mod pipeline;
pub mod record;
pub mod registry;
pub mod worker;

pub use harness_postgres::{dice, install, names, pgbouncer, postgres, process, proxy, run, wait};

use harness_postgres::service;
