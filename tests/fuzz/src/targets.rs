//! The list of targets.

mod avro;
mod changelog;
mod copy;
mod files;
mod header;
mod http;
mod jaas;
mod json;
mod number;
mod primitive;
mod properties;
mod rest;
mod topics;
mod transform;
mod url;
mod wasm;

use crate::Target;

pub use copy::CopyField;
pub(crate) use copy::fields as copy_fields;

/// All of them, in the order in which they are run.
pub(crate) const ALL: &[Target] = &[
    json::PLAIN,
    json::ENVELOPE,
    json::WRITTEN,
    avro::READ,
    avro::WRITTEN,
    primitive::TARGET,
    header::TARGET,
    number::TARGET,
    copy::TARGET,
    transform::ANY,
    transform::REGEX,
    transform::DATES,
    wasm::TARGET,
    jaas::TARGET,
    url::TARGET,
    properties::FILE,
    properties::WORKER,
    rest::TARGET,
    topics::TARGET,
    files::TOPICS,
    files::DECLARATION,
    http::TARGET,
    changelog::TARGET,
];
