//! Answers of the registry are bounded, whoever it is that answers: in their size, and in where
//! they lead to.

use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;
use http::Extensions;
use reqwest::redirect::Policy;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use schema_registry_converter::error::SRCError;

/// A schema is some kilobytes; brokers and registries take a megabyte or so.
pub(super) const MAX_ANSWER: usize = 8 << 20;
const MAX_REDIRECTS: usize = 5;

/// An answer is larger than [`MAX_ANSWER`].
#[derive(Debug)]
struct TooLarge;

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer is too large")
    }
}

impl StdError for TooLarge {}

/// Reads an answer up to [`MAX_ANSWER`], before anything is made of it.
pub(super) struct BoundedAnswers;

#[async_trait]
impl Middleware for BoundedAnswers {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let mut answer = next.run(request, extensions).await?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(Error::middleware(TooLarge));
            }
            body.extend_from_slice(&chunk);
        }
        let mut bounded = http::Response::new(body);
        *bounded.status_mut() = answer.status();
        *bounded.headers_mut() = answer.headers().clone();
        Ok(bounded.into())
    }
}

/// Asks for what is sent to be normalized: `normalize.schemas`.
pub(super) struct Normalizing;

#[async_trait]
impl Middleware for Normalizing {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        // A schema to register or to look for is what is posted.
        if request.method() == http::Method::POST {
            let mut query = request.url_mut().query_pairs_mut();
            query.append_pair("normalize", "true");
        }
        next.run(request, extensions).await
    }
}

pub(super) fn is_too_large(error: &SRCError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(Error::Middleware(error)) = error.downcast_ref() {
            return error.is::<TooLarge>();
        }
        cause = error.source();
    }
    false
}

/// The client's own error, which the chain of middleware stands for.
pub(super) fn client_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a reqwest::Error> {
    match error.downcast_ref() {
        Some(Error::Reqwest(error)) => Some(error),
        _ => error.downcast_ref(),
    }
}

/// Follows a redirect on the same server alone: credentials and a client's certificate are meant
/// for no other.
pub(super) fn same_server() -> Policy {
    Policy::custom(|attempt| {
        let origin = |url: &reqwest::Url| {
            (
                url.scheme().to_owned(),
                url.host_str().map(str::to_owned),
                url.port_or_known_default(),
            )
        };
        let first = attempt.previous().first().map(origin);
        let is_same = first == Some(origin(attempt.url()));
        if is_same && attempt.previous().len() <= MAX_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}
