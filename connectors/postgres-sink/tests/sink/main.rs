//! The sink against a real Postgres.

mod delivery;
mod fixture;
mod identity;
mod insert;
mod merge;
mod types;
