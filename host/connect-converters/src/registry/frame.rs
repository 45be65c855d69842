//! Confluent's wire format: a zero, the id of the schema in four bytes, and the payload.

use connect_api::{Error, Result};

/// The id of the schema, and what stands behind it.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the bytes are no such message; `format` is its word.
pub(crate) fn split<'a>(bytes: &'a [u8], format: &str) -> Result<(u32, &'a [u8])> {
    match bytes.split_first_chunk() {
        Some(([0, a, b, c, d], payload)) => Ok((u32::from_be_bytes([*a, *b, *c, *d]), payload)),
        _ if bytes.first().is_some_and(|magic| *magic != 0) => Err(Error::data(format!(
            "Unknown magic byte! It is no {format} of a Schema Registry"
        ))),
        _ => {
            let size = bytes.len();
            Err(Error::data(format!(
                "{size} bytes are too few for a magic byte and a schema id"
            )))
        }
    }
}

/// What stands before the payload.
pub(super) fn head(id: u32) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(id.to_be_bytes());
    bytes
}
