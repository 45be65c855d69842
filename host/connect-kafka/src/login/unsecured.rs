//! Tokens that nobody has signed, as Kafka's `OAuthBearerUnsecuredLoginCallbackHandler` makes them
//! for development (KIP-255).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connect_api::{Error, Result};
use connect_oauth::AccessToken;
use connect_oauth::jaas::LoginModule;
use serde_json::{Map, Value as Json, json};

const PREFIX: &str = "unsecuredLogin";
const USUAL_LIFETIME: u64 = 3600;

/// The claims of such tokens.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unsecured {
    claims: Map<String, Json>,
    lifetime: Duration,
    principal: String,
}

impl Unsecured {
    /// Whether a login module describes one.
    pub(super) fn is_of(module: &LoginModule) -> bool {
        module.options().any(|(name, _)| name.starts_with(PREFIX))
    }

    /// What the options of a login module say.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] naming the option.
    pub(super) fn new(module: &LoginModule) -> Result<Self> {
        let option = |name: &str| module.option(&format!("{PREFIX}{name}"));
        let wrong = |name: &str, why: &str| Error::config(format!("{PREFIX}{name}: {why}"));
        let mut claims = Map::new();
        for (name, value) in module.options() {
            let Some(name) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let claim = match name.split_once('_') {
                Some(("StringClaim", claim)) => (claim, json!(value)),
                Some(("NumberClaim", claim)) => {
                    let number: f64 = value.parse().map_err(|_| wrong(name, "not a number"))?;
                    (claim, json!(number))
                }
                Some(("ListClaim", claim)) => (claim, list(value)),
                _ => continue,
            };
            claims.insert(claim.0.to_owned(), claim.1);
        }
        let seconds = option("LifetimeSeconds").map_or(Ok(USUAL_LIFETIME), str::parse);
        let seconds = seconds.map_err(|_| wrong("LifetimeSeconds", "not a number of seconds"))?;
        let name = option("PrincipalClaimName").unwrap_or("sub");
        let principal = claims.get(name).and_then(Json::as_str).map(str::to_owned);
        let missing = || wrong(&format!("StringClaim_{name}"), "it is missing: who logs in");
        Ok(Self {
            principal: principal
                .filter(|name| !name.is_empty())
                .ok_or_else(missing)?,
            claims,
            lifetime: Duration::from_secs(seconds.max(1)),
        })
    }

    /// Who logs in.
    pub(super) fn principal(&self) -> &str {
        &self.principal
    }

    /// A token from now on.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a claim cannot be in one.
    pub(super) fn token(&self, now: SystemTime) -> Result<AccessToken> {
        let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut claims = self.claims.clone();
        let mut default = |name: &str, value: Duration| {
            let seconds = json!(value.as_millis() as f64 / 1000.0);
            claims.entry(name.to_owned()).or_insert(seconds);
        };
        default("iat", issued);
        default("exp", issued + self.lifetime);
        let token = connect_oauth::unsigned(&Json::Object(claims));
        AccessToken::new(&token, Some(self.lifetime), now)
    }
}

/// The first character is what stands between the elements, and in front of the first.
fn list(value: &str) -> Json {
    let mut rest = value.chars();
    match rest.next() {
        Some(first) => rest.as_str().split(first).collect(),
        None => json!([]),
    }
}
