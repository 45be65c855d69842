//! A request's way: its parameters, the statement, and the answer with its tag and its next page.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connect_http::{Answering, Call, Endpoint, Full, Health, Phase, Problem, json};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use tracing::warn;

use crate::options::Settings;
use crate::parameters::{Bound, arguments};
use crate::pool::{Pool, QueryError, Rows};
use crate::statement::{LIMIT, OFFSET};

/// Seconds after which a request may be repeated.
const RETRY_AFTER: u64 = 1;
/// Rows that may be gone past: a client that goes through more takes a parameter of the query.
const MOST_OFFSET: i64 = 1_000_000;

/// What a task and its paths share.
pub(crate) struct Query {
    pub(crate) settings: Settings,
    pub(crate) pool: Pool,
    /// Whether Postgres answered the last time, with rows.
    is_up: AtomicBool,
}

/// Answers the requests of a task.
pub(crate) struct QueryEndpoint(pub(crate) Arc<Query>);

/// Which rows a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Page {
    limit: i64,
    offset: i64,
}

impl Query {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            pool: settings.pool(),
            settings,
            is_up: AtomicBool::new(false),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    /// Runs the statement without values and for no rows: whether it is one, and Postgres is there.
    ///
    /// # Errors
    /// Why it cannot be run.
    pub(crate) async fn probe(&self) -> Result<(), QueryError> {
        let parameters = &self.settings.statement.parameters;
        let nulls = parameters.iter().map(|one| one.bind(None));
        let nulls: Vec<Bound> = nulls.filter_map(Result::ok).collect();
        self.rows(
            &nulls,
            Page {
                limit: 0,
                offset: 0,
            },
        )
        .await
        .map(drop)
    }

    /// The rows of a page, and one more where there are more.
    async fn rows(&self, bound: &[Bound], page: Page) -> Result<Rows, QueryError> {
        let sql = &self.settings.statement.sql;
        let most_bytes = self.settings.limits.most_bytes;
        let numbers = [page.limit, page.offset, most_bytes];
        let rows = self.pool.rows(sql, &|| arguments(bound, numbers)).await;
        match &rows {
            Ok(_) => self.is_up.store(true, Ordering::Release),
            Err(QueryError::Away(_)) => self.is_up.store(false, Ordering::Release),
            Err(_) => {}
        }
        rows
    }

    fn page(&self, query: &[(String, String)]) -> Result<Page, Problem> {
        let number = |name: &str, most: i64| {
            let given = query.iter().find(|(given, _)| given == name);
            let wrong = || Problem::at_field(name, format!("must be an integer of 0 to {most}"));
            let number = given.map(|(_, text)| text.parse::<i64>().map_err(|_| wrong()));
            match number.transpose()? {
                Some(number) if !(0..=most).contains(&number) => Err(wrong()),
                number => Ok(number),
            }
        };
        let limits = self.settings.limits;
        Ok(Page {
            limit: number(LIMIT, limits.most_rows)?.unwrap_or(limits.page),
            offset: number(OFFSET, MOST_OFFSET)?.unwrap_or(0),
        })
    }

    /// The values of the parameters: of the path, and of the query for the others.
    fn bound(&self, call: &Call) -> Result<Vec<Bound>, Problem> {
        let parameters = &self.settings.statement.parameters;
        for (at, (name, _)) in call.query.iter().enumerate() {
            let in_path = call.path.iter().any(|(known, _)| known == name);
            let known = [LIMIT, OFFSET].contains(&name.as_str())
                || parameters.iter().any(|one| one.name == *name);
            if !known || in_path {
                return Err(Problem::at_field(name, "is no parameter of this path"));
            }
            if call.query[..at].iter().any(|(before, _)| before == name) {
                return Err(Problem::at_field(name, "stands there twice"));
            }
        }
        let given = |name: &str| {
            let mut all = call.path.iter().chain(&call.query);
            all.find(|(given, _)| given == name)
                .map(|(_, text)| text.as_str())
        };
        let bind = |one: &crate::parameters::Parameter| one.bind(given(&one.name));
        parameters.iter().map(bind).collect()
    }

    async fn answer(&self, call: Call) -> Result<Response<Full>, Problem> {
        call.connection.enter(Phase::Working);
        let page = self.page(&call.query)?;
        let bound = self.bound(&call)?;
        let one_more = Page {
            limit: page.limit + 1,
            ..page
        };
        let found = self
            .rows(&bound, one_more)
            .await
            .map_err(|error| problem(&error))?;
        if found.bytes > self.settings.limits.most_bytes {
            let why = "the answer has too many bytes: ask for fewer rows by limit";
            return Err(Problem::new(StatusCode::BAD_REQUEST, why));
        }
        let wanted = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let has_more = found.rows.len() > wanted;
        let rows = &found.rows[..wanted.min(found.rows.len())];
        if rows.is_empty() && page.offset == 0 && self.settings.limits.no_rows != StatusCode::OK {
            return Err(Problem::new(StatusCode::NOT_FOUND, "there are no rows"));
        }
        let body = format!("[{}]", rows.join(","));
        let mut response = tagged(&call.head.headers, body);
        if has_more && wanted > 0 {
            let next = next_page(&call, page);
            response
                .headers_mut()
                .extend(next.map(|next| (header::LINK, next)));
        }
        Ok(response)
    }
}

/// The answer with its tag (RFC 9110, 8.8.3); 304 for a client that has it.
fn tagged(headers: &HeaderMap, body: String) -> Response<Full> {
    let mut tag = String::from("\"");
    for byte in &Sha256::digest(&body)[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    let known = headers.get_all(header::IF_NONE_MATCH).iter();
    let known = known.filter_map(|value| value.to_str().ok()).any(|tags| {
        let mut tags = tags.split(',').map(str::trim);
        tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
    });
    let mut response = match known {
        true => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
        false => json(StatusCode::OK, body),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    // Each use asks whether it is still so.
    let asks = HeaderValue::from_static("no-cache");
    response.headers_mut().insert(header::CACHE_CONTROL, asks);
    response
}

/// Where the next page is (RFC 8288).
fn next_page(call: &Call, page: Page) -> Option<HeaderValue> {
    let Parts { uri, .. } = &call.head;
    let mut next = format!("<{}?", uri.path());
    let others = call
        .query
        .iter()
        .filter(|(name, _)| name != OFFSET && name != LIMIT);
    for (name, value) in others {
        let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let _ = write!(next, "{}={}&", encoded(name), encoded(value));
    }
    let offset = page.offset + page.limit;
    let _ = write!(next, "limit={}&offset={offset}>; rel=\"next\"", page.limit);
    HeaderValue::from_str(&next).ok()
}

fn problem(error: &QueryError) -> Problem {
    let busy = |why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, why).retry_after(RETRY_AFTER);
    match error {
        QueryError::Busy => busy("as many queries run as may"),
        QueryError::Away(error) => {
            warn!(error = %error.chain(), "a query could not be run");
            busy("Postgres does not answer")
        }
        QueryError::TimedOut => {
            let why = "the query took longer than it may";
            Problem::new(StatusCode::GATEWAY_TIMEOUT, why)
        }
        // What is wrong is the operator's business.
        QueryError::Failed(error) => {
            warn!(error = %error.chain(), "a query failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the query failed")
        }
    }
}

impl Endpoint for QueryEndpoint {
    fn answer(&self, call: Call) -> Answering<'_> {
        Box::pin(async {
            let answered = self.0.answer(call).await;
            answered.unwrap_or_else(|problem| problem.response())
        })
    }

    fn health(&self) -> Health {
        match self.0.is_up() {
            true => Health::Up,
            false => Health::Down("Postgres does not answer".into()),
        }
    }
}
