//! The rules that no compiler checks. Each failure says where and what to do.

mod architecture;
mod clones;
mod compose;
mod connectors;
mod contributing;
mod invariants;
mod libraries;
mod loggers;
mod sinks;
mod size;
mod systems;
mod words;
