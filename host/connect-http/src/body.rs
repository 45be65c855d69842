//! The bodies of requests, within the limit of each and of all.

use std::pin::Pin;
use std::sync::Arc;

use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{self, HeaderMap};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit in which bytes are counted.
const UNIT: usize = 1 << 10;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is larger than a body may be.
    TooLarge,
    /// All bodies together are as large as they may be.
    NoRoom,
    /// The client broke it off.
    Broken,
}

/// Bytes of the requests that are in hand, bounded.
#[derive(Clone, Debug)]
pub struct InFlight(Arc<Semaphore>);

impl InFlight {
    /// At most so many bytes, counted in units of 1 KiB.
    pub fn new(bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }
}

/// Reads a body. What it takes of the bytes in flight is given back when the permit is dropped; it
/// is taken as the bytes come, so that whoever promises much and sends nothing holds nothing.
///
/// # Errors
/// Why it was not read.
pub async fn read_body(
    mut body: Incoming,
    headers: &HeaderMap,
    most: usize,
    in_flight: &InFlight,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError> {
    let declared = headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > most) {
        return Err(BodyError::TooLarge);
    }
    let mut first: Option<Bytes> = None;
    let mut bytes: Vec<u8> = Vec::new();
    let (mut counted, mut length) = (0, 0);
    let mut held: Option<OwnedSemaphorePermit> = None;
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let data = match frame {
            None => break,
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => data,
                Err(_) => continue,
            },
            Some(Err(_)) => return Err(BodyError::Broken),
        };
        length += data.len();
        if length > most {
            return Err(BodyError::TooLarge);
        }
        if length > counted {
            let more = (length - counted).div_ceil(UNIT) * UNIT;
            let permit = in_flight.take(more).ok_or(BodyError::NoRoom)?;
            counted += more;
            match &mut held {
                Some(held) => held.merge(permit),
                None => held = Some(permit),
            }
        }
        // Most bodies come in one piece, which is taken as it is.
        match (&first, bytes.is_empty()) {
            (None, true) => first = Some(data),
            (Some(start), true) => {
                bytes.extend_from_slice(start);
                bytes.extend_from_slice(&data);
            }
            _ => bytes.extend_from_slice(&data),
        }
    }
    let whole = match bytes.is_empty() {
        true => first.unwrap_or_default(),
        false => bytes.into(),
    };
    Ok((whole, held))
}

/// Whether a request says that its body is JSON: `application/json`, or a type that ends in
/// `+json` (RFC 6839).
pub fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    essence == "application/json"
        || essence
            .strip_prefix("application/")
            .is_some_and(|rest| rest.len() > "+json".len() && rest.ends_with("+json"))
}
