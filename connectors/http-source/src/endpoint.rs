//! A request's way: its limits, its headers, its body, and the wait for Kafka.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use connect_http::{
    Answering, BodyError, Call, Endpoint, Full, Health, InFlight, Phase, Problem, is_json, json,
    read_body,
};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::fingerprint::Fingerprint;
use crate::options::Idempotency;
use crate::rate::Rate;
use crate::requests::{Admission, Arrival, IdempotencyKey, Requests, Told};
use crate::response::Place;

/// The header of a request that names its key
/// (draft-ietf-httpapi-idempotency-key-header).
const KEY_HEADER: &str = "idempotency-key";
/// Says in an answer that the record was written for an earlier request with the same key.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The answer to a request whose record a transform dropped.
const DROPPED: &str = r#"{"status":"dropped"}"#;
/// Bytes of a key.
const KEY_BYTES: usize = 255;

/// Answers the requests of a task.
pub(crate) struct SourceEndpoint {
    requests: Arc<Requests>,
    bytes: InFlight,
    rate: Option<Mutex<Rate>>,
}

impl SourceEndpoint {
    pub(crate) fn new(requests: Arc<Requests>) -> Self {
        let limits = requests.settings.limits;
        let rate = limits.rate.map(|rate| Rate::new(rate, Instant::now()));
        Self {
            bytes: InFlight::new(limits.bytes),
            rate: rate.map(Mutex::new),
            requests,
        }
    }

    /// Not now: the request may be sent again.
    fn busy(&self, why: &str) -> Problem {
        let seconds = self.requests.settings.limits.retry_after;
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).retry_after(seconds)
    }

    /// Kafka, or the task, is not there.
    fn unavailable(&self, why: &str) -> Problem {
        let limits = self.requests.settings.limits;
        Problem::new(limits.unavailable, why).retry_after(limits.retry_after)
    }

    fn check_rate(&self) -> Result<(), Problem> {
        let Some(rate) = &self.rate else {
            return Ok(());
        };
        let mut rate = rate.lock().unwrap_or_else(PoisonError::into_inner);
        rate.take(Instant::now()).map_err(|wait| {
            let why = "more requests a second than http.rate.limit allows";
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            Problem::new(StatusCode::TOO_MANY_REQUESTS, why).retry_after(seconds)
        })
    }

    async fn take(&self, call: Call) -> Result<Response<Full>, Problem> {
        let settings = &self.requests.settings;
        let headers = &call.head.headers;
        // First of all: what cannot be taken does not count for the rate.
        if let Health::Down(why) = self.requests.health() {
            return Err(self.unavailable(&why));
        }
        self.check_rate()?;
        check_type(headers)?;
        let key = self.idempotency_key(headers)?;
        let most = settings.limits.body_bytes;
        let read = read_body(call.body, headers, most, &self.bytes).await;
        let (body, bytes) = read.map_err(|error| match error {
            BodyError::TooLarge => {
                let why = format!("the body is larger than {most} bytes");
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why)
            }
            BodyError::NoRoom => self.busy("too many bytes wait for Kafka"),
            BodyError::Broken => Problem::new(StatusCode::BAD_REQUEST, "the body has no end"),
        })?;
        call.connection.enter(Phase::Working);
        // Only now: whoever sends half a body keeps nobody from being answered.
        let request = Arc::clone(&self.requests.in_flight).try_acquire_owned();
        let request = request.map_err(|_| self.busy("too many requests wait for Kafka"))?;
        let record_key = crate::body::check(
            &body,
            settings.schema.as_ref(),
            settings.key_field.as_deref(),
        )?;
        let idempotency_key = key.map(|name| IdempotencyKey {
            name,
            fingerprint: Fingerprint::of(&body),
        });
        let admission = self.requests.admit(Arrival {
            body,
            key: record_key,
            idempotency_key,
            held: [Some(request), bytes],
        });
        self.outcome(admission).await
    }

    async fn outcome(&self, admission: Admission) -> Result<Response<Full>, Problem> {
        let settings = &self.requests.settings;
        match admission {
            Admission::Replayed(place) => Ok(self.replayed(place)),
            Admission::OtherBody => {
                let why = "belongs to a request with another body";
                let mut problem = Problem::at_field("Idempotency-Key", why);
                problem.status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(problem)
            }
            Admission::Closed => Err(self.unavailable("the task is starting or stopping")),
            Admission::NoRoom { retry_after } => {
                let why = "as many keys are remembered as idempotency.max.keys allows";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).retry_after(retry_after))
            }
            Admission::Awaits(told) => {
                let told = tokio::time::timeout(settings.limits.response_time, told).await;
                self.answered(told.ok().and_then(Result::ok))
            }
        }
    }

    /// `told` is none where nothing was heard in time.
    fn answered(&self, told: Option<Told>) -> Result<Response<Full>, Problem> {
        let settings = &self.requests.settings;
        match told {
            Some(Told::Written(place)) => Ok(settings.template.response(&settings.topic, place)),
            // It was taken, and the connector's own rules leave it out.
            Some(Told::Dropped) => Ok(json(settings.template.status(), DROPPED)),
            Some(Told::Refused(problem)) => Err(problem),
            Some(Told::Unknown) | None => {
                Err(self.unavailable("Kafka does not acknowledge records"))
            }
        }
    }

    fn replayed(&self, place: Place) -> Response<Full> {
        let settings = &self.requests.settings;
        let mut response = settings.template.response(&settings.topic, place);
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(REPLAYED, yes);
        response
    }

    fn idempotency_key(&self, headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
        let idempotency = self.requests.settings.idempotency;
        if idempotency == Idempotency::Ignored {
            return Ok(None);
        }
        let mut given = headers.get_all(KEY_HEADER).iter();
        let invalid = |why: &str| Problem::at_field("Idempotency-Key", why);
        let Some(key) = given.next() else {
            return match idempotency {
                Idempotency::Required => Err(invalid("is required")),
                Idempotency::Optional | Idempotency::Ignored => Ok(None),
            };
        };
        if given.next().is_some() {
            return Err(invalid("stands there twice"));
        }
        let is_good = |key: &&str| {
            (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
        };
        let key = key.to_str().ok().map(str::trim).filter(is_good);
        let why = "must be 1 to 255 visible ASCII characters";
        key.map(|key| Some(key.into())).ok_or_else(|| invalid(why))
    }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |why: &str| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    if !is_json(headers) {
        return refused("Content-Type: application/json is expected");
    }
    let encoding = headers.get(header::CONTENT_ENCODING);
    match encoding.is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        true => Ok(()),
        false => refused("a body with a Content-Encoding is not taken"),
    }
}

impl Endpoint for SourceEndpoint {
    fn answer(&self, call: Call) -> Answering<'_> {
        Box::pin(async {
            let taken = self.take(call).await;
            taken.unwrap_or_else(|problem| problem.response())
        })
    }

    fn health(&self) -> Health {
        self.requests.health()
    }

    fn away(&self) -> StatusCode {
        self.requests.settings.limits.unavailable
    }
}
