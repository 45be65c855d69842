//! The reader of answers, for the fuzz targets.

use std::collections::BTreeSet;
use std::time::Instant;

use connect_api::{Properties, Result, Secret};
use serde_json::Value as Json;

use super::super::Values;
use super::super::http::Answer;
use super::super::parameters::Parameters;
use super::lease::Lease;
use super::session::Session;
use super::{LENSES, Vault};

/// What was asked of Vault, and its answer.
pub struct VaultAnswer<'a> {
    /// The path of the secret.
    pub path: &'a str,
    /// The key that is wanted.
    pub key: &'a str,
    /// Of HTTP.
    pub status: u16,
    /// Of HTTP.
    pub body: &'a [u8],
}

/// The value of a key of an answer to a token that is a secret, as Lenses' class gives it. What the
/// answer says of times is taken as that of a login and of a renewal, too.
///
/// # Errors
/// As where a worker reads it.
///
/// # Panics
/// When the path leads elsewhere than below `/v1/`.
pub fn vault(token: &str, given: &VaultAnswer<'_>) -> Result<Values> {
    let token_option = "config.providers.v.param.vault.token".to_owned();
    let worker = Properties::from([(token_option, token.to_owned())]);
    let vault = Vault::new(LENSES, &Parameters::new(&worker, "v"))?;
    let url = vault.url(&vault.settings.api_path(given.path))?;
    assert!(url.path().starts_with("/v1/"), "{url}");
    assert_eq!(url.origin(), vault.settings.address.origin(), "{url}");
    let answer = Answer {
        status: given.status,
        body: serde_json::from_slice::<Json>(given.body).unwrap_or_default(),
    };
    let renewal = vault.settings.renewal;
    let session = Session::new(Secret::new(token), &answer.body["auth"], renewal);
    if let Some(lease) = Lease::of(&answer.body, &session) {
        lease.renewed(&answer.body, &session, Instant::now());
    }
    if answer.status != 200 {
        return Err(vault.refusal(given.path, &answer));
    }
    let values = vault.values(given.path, &answer, &session)?;
    vault.select(given.path, &BTreeSet::from([given.key.to_owned()]), &values)
}
