//! The sink against a real Postgres.

mod battery;
mod clusters;
mod connection;
mod define;
mod delivery;
mod epoch;
mod events;
mod evolve;
mod fixture;
mod identity;
mod insert;
mod letters;
mod maintain;
mod merge;
mod modes;
mod moved_group;
mod nul;
mod oracle;
mod parents;
mod privileges;
mod rotation;
mod state;
mod types;
mod unavailable;
mod zones;
