//! The promise under faults, each at the moment where it hurts: the table holds each record once,
//! in order, whatever breaks. The table has no key that could hide a second row.

mod commits;
mod failover;
mod offsets;
mod owners;
mod refusals;
mod storm;
mod tables;
