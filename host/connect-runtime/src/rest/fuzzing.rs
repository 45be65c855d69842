//! The bodies of requests, for the fuzz targets.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use super::{RestError, body, offsets};
use crate::connector_config::GivenConfig;

/// Reads the body of `POST /connectors`: the name and the config.
///
/// # Errors
/// What is answered instead.
pub fn read_create(kind: &[u8], given: &[u8]) -> Result<(String, GivenConfig), RestError> {
    let mut headers = HeaderMap::new();
    if let Ok(kind) = HeaderValue::from_bytes(kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let object = body::object(&headers, &Bytes::copy_from_slice(given))?;
    let created = body::create(object)?;
    Ok((created.name, created.config))
}

/// Reads the elements of the body of `PATCH …/offsets`, as a sink's and as a source's: how many of
/// either are good.
pub fn read_offsets(elements: &[Value]) -> (usize, usize) {
    let sinks = elements.iter().filter(|it| offsets::element(it).is_ok());
    let sources = elements.iter();
    let sources = sources.filter(|it| offsets::source_element(it).is_ok());
    (sinks.count(), sources.count())
}
