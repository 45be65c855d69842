//! OAuth 2.0 access tokens by client credentials (RFC 6749 §4.4), for logins to Kafka (SASL
//! OAUTHBEARER) and to the Schema Registry: asked for, kept, and renewed before they expire.
//!
//! No error has a secret or a token in it.

mod cache;
mod client_credentials;
mod endpoint;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod jaas;
mod refresh;
mod refusal;
mod token;

pub use cache::TokenCache;
pub use client_credentials::{ClientCredentials, HeaderEncoding, TimeLimits, TokenClient};
pub use refresh::{RefreshSchedule, RetryBackoff, random};
pub use refusal::OptionNames;
pub use token::{AccessToken, Claims, unsigned};
