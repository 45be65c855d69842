//! Converters: what other programs write is read as it was meant.

mod formats;
mod json_schema;
mod primitive;
mod registry;
mod schemas;
