//! The sink against a real Postgres.

mod battery;
mod clusters;
mod connection;
mod define;
mod delivery;
mod epoch;
mod evolve;
mod fixture;
mod identity;
mod insert;
mod letters;
mod maintain;
mod merge;
mod modes;
mod nul;
mod oracle;
mod state;
mod types;
mod zones;
