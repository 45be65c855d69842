//! The answer to a request whose record is in Kafka.

use connect_http::{Full, json};
use hyper::{Response, StatusCode};

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// A status and a body with places for where the record is.
#[derive(Debug)]
pub(crate) struct Template {
    status: StatusCode,
    body: String,
    has_places: bool,
}

impl Template {
    pub(crate) fn new(status: StatusCode, body: &str) -> Self {
        Self {
            status,
            body: body.to_owned(),
            has_places: body.contains("{{"),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer for a record of this topic.
    pub(crate) fn response(&self, topic: &str, place: Place) -> Response<Full> {
        if !self.has_places {
            return json(self.status, self.body.clone());
        }
        let body = self.body.replace("{{topic}}", topic);
        let body = body.replace("{{partition}}", &place.partition.to_string());
        let body = body.replace("{{offset}}", &place.offset.to_string());
        json(self.status, body)
    }
}
