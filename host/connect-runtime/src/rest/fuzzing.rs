//! What is read of requests, for the fuzz targets.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use connect_http::Cors;
use serde_json::Value;

pub use super::auth::fuzzing as login_files;
use super::origin::{Page, page};
use super::query::Query;
use super::{RestError, body, media, offsets};
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

/// Whether a request to a target with these headers comes from a page of the worker's own; none: it
/// is refused.
pub fn is_own_page(target: &str, host: &[u8], origin: &[u8]) -> Option<bool> {
    let uri: Uri = target.parse().ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_bytes(host).ok()?);
    headers.insert(header::ORIGIN, HeaderValue::from_bytes(origin).ok()?);
    let page = page(&Cors::default(), &uri, &headers).ok()?;
    Some(page == Page::Own)
}

/// Whether a request that accepts this takes JSON; none: no header can say it.
pub fn takes_json(accept: &[u8]) -> Option<bool> {
    let accept = HeaderValue::from_bytes(accept).ok()?;
    let headers = HeaderMap::from_iter([(header::ACCEPT, accept)]);
    Some(media::check(&headers).is_ok())
}

/// The first value of a parameter.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    Query::new(Some(query)).first(name).map(str::to_owned)
}
