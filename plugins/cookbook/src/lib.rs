//! The recipes of `COOKBOOK.md`. Each module is the `src/lib.rs` of a plugin, and its tests show it
//! at work; the page is made of the modules, and a test says when it is stale.

pub mod decode;
pub mod enrich;
pub mod filter;
pub mod json_schema;
pub mod mask;
pub mod route;
pub mod window;

#[cfg(test)]
mod page;
