//! Exactly once: whatever is killed, cut or moved, the table holds each record once, in order.

mod cuts;
mod deaths;
mod kafka;
mod kill;
mod letters;
mod offsets;
mod postgres;
