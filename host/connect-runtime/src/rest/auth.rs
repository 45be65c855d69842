//! Who speaks, and what they may do.

mod credentials;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod jaas;
mod roles;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connect_api::Result;
use tokio::task::JoinSet;

use super::RestError;
use super::audit::AuditEntry;
use crate::config::RestConfig;
use connect_http::Watched;
use credentials::Credentials;
pub(super) use roles::{Role, Roles};

/// What whoever shows nothing is called, as Kafka's brokers have it.
pub(super) const ANONYMOUS: &str = "ANONYMOUS";

/// Checks passwords, tokens and roles.
pub(super) struct Auth {
    users: Option<Watched<Credentials>>,
    tokens: Option<Watched<Credentials>>,
    roles: Option<Watched<Roles>>,
}

impl Auth {
    /// Asks nothing of anybody.
    #[cfg(test)]
    pub fn open() -> Self {
        Self {
            users: None,
            tokens: None,
            roles: None,
        }
    }

    /// Reads the files that the options name.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when one is missing or wrong.
    pub async fn start(config: &RestConfig, tasks: &mut JoinSet<()>) -> Result<Self> {
        let users = match &config.jaas_file {
            None => None,
            Some(jaas) => {
                let file = jaas::password_file(jaas)?;
                let name = file.display().to_string();
                let make = move |files: &[Vec<u8>]| Credentials::passwords(&files[0], &name);
                Some(Watched::start(vec![file], make, tasks).await?)
            }
        };
        let tokens = match &config.tokens_file {
            None => None,
            Some(file) => {
                let name = file.display().to_string();
                let make = move |files: &[Vec<u8>]| Credentials::tokens(&files[0], &name);
                Some(Watched::start(vec![file.clone()], make, tasks).await?)
            }
        };
        let roles = match &config.roles_file {
            None => None,
            Some(file) => {
                let name = file.display().to_string();
                let make = move |files: &[Vec<u8>]| Roles::parse(&files[0], &name);
                Some(Watched::start(vec![file.clone()], make, tasks).await?)
            }
        };
        Ok(Self {
            users,
            tokens,
            roles,
        })
    }

    /// Who sent a request: who its password or token says, or else its client certificate.
    ///
    /// # Errors
    /// 401 when passwords or tokens are asked for and it shows none that is known.
    pub fn principal(
        &self,
        headers: &HeaderMap,
        certificate: Option<&str>,
    ) -> std::result::Result<String, Unauthorized> {
        if self.users.is_none() && self.tokens.is_none() {
            return Ok(certificate.unwrap_or(ANONYMOUS).to_owned());
        }
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let shown = given.next().and_then(|value| value.to_str().ok());
        let found = match given.next() {
            None => shown.and_then(|shown| self.known(shown)),
            Some(_) => None,
        };
        found.ok_or_else(|| self.refused())
    }

    fn known(&self, shown: &str) -> Option<String> {
        let (scheme, rest) = shown.split_once(' ')?;
        let rest = rest.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let decoded = STANDARD.decode(rest).ok()?;
            let decoded = String::from_utf8(decoded).ok()?;
            let (user, password) = decoded.split_once(':')?;
            return self.users.as_ref()?.now().user(user, password);
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            return self.tokens.as_ref()?.now().owner(rest);
        }
        None
    }

    fn refused(&self) -> Unauthorized {
        let schemes = [
            self.users.as_ref().map(|_| "Basic realm=\"Kafka Connect\""),
            self.tokens
                .as_ref()
                .map(|_| "Bearer realm=\"Kafka Connect\""),
        ];
        Unauthorized(schemes)
    }

    /// What a principal may do.
    pub fn caller(&self, principal: String, audit: Arc<AuditEntry>) -> Caller {
        Caller {
            principal: principal.into(),
            roles: self.roles.as_ref().map(Watched::now),
            audit,
        }
    }
}

/// 401, with the schemes that are taken.
#[derive(Debug)]
pub(super) struct Unauthorized([Option<&'static str>; 2]);

impl From<Unauthorized> for Response {
    fn from(Unauthorized(schemes): Unauthorized) -> Self {
        // Kafka Connect's text.
        let why = "User cannot access the resource.";
        let mut response = RestError::new(StatusCode::UNAUTHORIZED, why).into_response();
        for scheme in schemes.into_iter().flatten() {
            let scheme = HeaderValue::from_static(scheme);
            response
                .headers_mut()
                .append(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Who sent a request: an extension of each one that gets as far as the routes.
#[derive(Clone)]
pub(super) struct Caller {
    principal: Arc<str>,
    roles: Option<Arc<Roles>>,
    /// What the audit log will say of the request.
    pub audit: Arc<AuditEntry>,
}

impl Caller {
    /// Somebody who may do everything.
    #[cfg(test)]
    pub fn anybody() -> Self {
        let peer = ([127, 0, 0, 1], 1).into();
        let audit = AuditEntry::new(axum::http::Method::GET, "/", peer);
        Auth::open().caller(ANONYMOUS.to_owned(), audit)
    }

    /// Whether the caller has a role on a connector.
    pub fn may(&self, role: Role, connector: &str) -> bool {
        let roles = self.roles.as_ref();
        roles.is_none_or(|roles| roles.allow(&self.principal, role, connector))
    }

    /// Asks for a role on a connector.
    ///
    /// # Errors
    /// 403 that says what is missing.
    pub fn require(&self, role: Role, connector: &str) -> std::result::Result<(), RestError> {
        self.audit.connector(connector);
        if self.may(role, connector) {
            return Ok(());
        }
        Err(self.missing(role, &format!("the connector {connector}")))
    }

    /// Asks for a role on all connectors, for what belongs to the worker.
    ///
    /// # Errors
    /// 403 that says what is missing.
    pub fn require_everywhere(&self, role: Role) -> std::result::Result<(), RestError> {
        let roles = self.roles.as_ref();
        if roles.is_none_or(|roles| roles.allow_everywhere(&self.principal, role)) {
            return Ok(());
        }
        Err(self.missing(role, "all connectors (*)"))
    }

    /// Asks for a role on any connector at all.
    ///
    /// # Errors
    /// 403 that says what is missing.
    pub fn require_somewhere(&self, role: Role) -> std::result::Result<(), RestError> {
        let roles = self.roles.as_ref();
        if roles.is_none_or(|roles| roles.allow_somewhere(&self.principal, role)) {
            return Ok(());
        }
        Err(self.missing(role, "any connector"))
    }

    fn missing(&self, role: Role, on: &str) -> RestError {
        let why = format!("{} lacks the role {} on {on}", self.principal, role.name());
        RestError::new(StatusCode::FORBIDDEN, why)
    }
}
