//! The list of targets.

mod avro;
mod aws;
mod changelog;
mod copy;
mod files;
mod header;
mod http;
mod jaas;
mod json;
mod json_schema;
mod logins;
mod mark;
mod number;
mod oauth;
mod primitive;
mod properties;
mod protobuf;
mod providers;
mod request;
mod rest;
mod secret;
mod stores;
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
    json_schema::READ,
    json_schema::WRITTEN,
    protobuf::READ,
    protobuf::WRITTEN,
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
    mark::TARGET,
    aws::TARGET,
    oauth::TARGET,
    providers::TARGET,
    logins::TARGET,
    stores::TARGET,
    request::TARGET,
];
