//! Answers: whole bodies, and refusals as JSON.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json as object};

/// A body that is there as a whole.
#[derive(Clone, Debug, Default)]
pub struct Full(Option<Bytes>);

impl Full {
    /// These bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self((!bytes.is_empty()).then_some(bytes))
    }
}

impl Body for Full {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, Bytes::len) as u64)
    }
}

/// An answer whose body is JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Full> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Why a request is refused. The answer is an object with `error`, and with `field` and `reason`
/// where a field of the body is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// What is wrong, without values of the request.
    pub error: String,
    /// The field at fault.
    pub field: Option<String>,
    /// What is wrong with it.
    pub reason: Option<String>,
    /// Seconds after which the same request may be taken.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A refusal.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            field: None,
            reason: None,
            retry_after: None,
        }
    }

    /// 400 for a field.
    pub fn at_field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        let (field, reason) = (field.into(), reason.into());
        Self {
            status: StatusCode::BAD_REQUEST,
            error: format!("{field}: {reason}"),
            field: Some(field),
            reason: Some(reason),
            retry_after: None,
        }
    }

    /// The same refusal for now: the request may be repeated after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// The answer.
    pub fn response(&self) -> Response<Full> {
        let mut body = object!({ "error": self.error });
        for (name, part) in [("field", &self.field), ("reason", &self.reason)] {
            if let Some(part) = part {
                body[name] = Value::from(part.as_str());
            }
        }
        let mut response = json(self.status, body.to_string());
        if let Some(seconds) = self.retry_after {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
