//! What AWS asks of whoever uses it: credentials as the AWS SDKs find them, requests that are
//! signed, and the tokens of IAM that databases and brokers take for a password.
//!
//! [`CredentialsProvider`] has the credentials, renewed before they end. [`sign()`] and [`presign`]
//! are Signature Version 4, checked against AWS's own test suite. [`rds_token`] and [`msk_token`]
//! are the passwords for Postgres on RDS and for Kafka on MSK. [`SecretsManager`] reads secrets.
//!
//! No SDK: of the crates that could do this, `aws-config` brings 44 crates that nothing else here
//! needs, `aws-sigv4` 21 and `reqsign` 11, and none of them makes the tokens. The signature is two
//! hashes over a text, and each source of credentials is one request; the libraries that they take
//! are those of the Schema Registry's client and of the plugins' cache.
//!
//! Nothing here tells a secret: keys, tokens and signatures are kept for the masker where they are
//! made (Invariant 9).

mod chain;
mod credentials;
mod environment;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod metadata;
mod profile;
mod provider;
mod region;
mod secrets_manager;
mod sign;
mod sts;
#[cfg(test)]
mod tests;
mod tokens;

pub use credentials::Credentials;
pub use environment::Environment;
pub use provider::{CredentialsProvider, Role, Settings};
pub use secrets_manager::{SecretValue, SecretVersion, SecretsManager};
pub use sign::{Scope, ToSign, presign, sign};
pub use tokens::{MskToken, RdsUser, msk_token, rds_token};
