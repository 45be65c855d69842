//! The token: had once, renewed before it ends, and had anew where that fails.

use std::time::{Duration, Instant};

use connect_api::{Error, Result, Secret, keep_secrets};
use connect_client::read_file;
use reqwest::Method;
use serde_json::{Value as Json, json};
use tracing::{debug, warn};

use super::super::http::Answer;
use super::super::remote::RemoteProvider as _;
use super::settings::Login;
use super::{Vault, told};

/// A token that ends within this time is no longer used, where there can be another.
const MARGIN: Duration = Duration::from_secs(2);
/// When a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(30);

/// The longest time that is believed: a clock has no room for any number of seconds.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How long a token or a lease lasts, by an answer that says so.
pub(super) fn lease_duration(answer: &Json) -> Option<Duration> {
    let seconds = answer["lease_duration"].as_u64()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// A token of Vault, and what is known of its end.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) token: Secret,
    /// None: it has no end, or none is known.
    pub(super) ends: Option<Instant>,
    /// None: it is not to be renewed.
    renew: Option<Instant>,
}

impl Session {
    /// What Vault says of a token after a login or a renewal.
    pub(super) fn new(token: Secret, auth: &Json, renewal: Duration) -> Self {
        let lasts = lease_duration(auth).unwrap_or_default();
        let is_renewable = auth["renewable"].as_bool().unwrap_or_default();
        let now = Instant::now();
        // 0 stands for no end.
        let ends = (!lasts.is_zero()).then(|| now + lasts);
        let renew = ends.filter(|_| is_renewable);
        Self {
            token,
            ends,
            renew: renew.map(|_| now + (lasts * 2 / 3).min(renewal)),
        }
    }

    fn has_ended(&self) -> bool {
        let soon = Instant::now() + MARGIN;
        self.ends.is_some_and(|ends| ends <= soon)
    }
}

impl Vault {
    /// The token to ask with. One login at a time.
    pub(super) async fn session(&self) -> Result<Session> {
        let mut session = self.session.lock().await;
        if let Some(session) = session.as_ref()
            && !(self.settings.login.is_login() && session.has_ended())
        {
            return Ok(session.clone());
        }
        let new = match &self.settings.login {
            Login::Token(token) => Session {
                token: token.clone(),
                ends: None,
                // Its end is not known yet: that of a renewal is.
                renew: Some(Instant::now()),
            },
            login => self.log_in(login).await?,
        };
        *session = Some(new.clone());
        self.changed.notify_one();
        Ok(new)
    }

    /// Forgets a token that Vault has refused, unless there is another one already.
    pub(super) async fn forget(&self, refused: &Session) {
        let mut session = self.session.lock().await;
        if session.as_ref().is_some_and(|it| it.token == refused.token) {
            *session = None;
        }
    }

    async fn log_in(&self, login: &Login) -> Result<Session> {
        let (path, body) = match login {
            Login::Token(_) => return Err(Error::fatal("a token needs no login")),
            Login::AppRole {
                mount,
                role,
                secret,
            } => (
                format!("auth/{mount}/login"),
                json!({ "role_id": role, "secret_id": secret.expose() }),
            ),
            Login::Kubernetes {
                path,
                role,
                token_file,
            } => {
                let token = read_file(token_file).await;
                let token = token.map_err(|error| error.context(self.whom()))?;
                let token = String::from_utf8_lossy(&token).trim().to_owned();
                keep_secrets([&*token], &|part| part != token);
                (
                    format!("{path}/login"),
                    json!({ "role": role, "jwt": token }),
                )
            }
            Login::UserPass {
                mount,
                user,
                password,
            } => (
                format!("auth/{mount}/login/{user}"),
                json!({ "password": password.expose() }),
            ),
            Login::Jwt { mount, role, token } => (
                format!("auth/{mount}/login"),
                json!({ "role": role, "jwt": token.expose() }),
            ),
            Login::GitHub { mount, token } => (
                format!("auth/{mount}/login"),
                json!({ "token": token.expose() }),
            ),
        };
        let answer = self.send(Method::POST, &path, None, Some(body)).await?;
        let auth = &answer.body["auth"];
        match (answer.status, auth["client_token"].as_str()) {
            (200, Some(token)) => {
                keep_secrets([token], &|part| part != token);
                debug!(path, "logged in to Vault");
                Ok(Session::new(
                    Secret::new(token),
                    auth,
                    self.settings.renewal,
                ))
            }
            _ => Err(self.no_login(&path, &answer)),
        }
    }

    fn no_login(&self, path: &str, answer: &Answer) -> Error {
        let next = match answer.status {
            400 | 401 | 403 => "see the role and what it is shown, and the mount of the method",
            404 => "there is no such method; see its mount",
            503 => "Vault is sealed or not ready",
            _ => "see the log of Vault",
        };
        let whom = self.whom();
        let error = format!(
            "{whom}: login at {path}: {}{}: {next}",
            answer.status,
            told(answer)
        );
        match answer.status {
            412 | 429 | 472 | 473 | 500.. => Error::retriable(error),
            _ => Error::config(error).transient(),
        }
    }

    /// Renews the token if it is due; when that is next.
    pub(super) async fn renew_session(&self) -> Option<Instant> {
        let is_known = self.session.lock().await.is_some();
        if !is_known {
            if self.settings.login.is_login() {
                // The first one who asks logs in.
                return None;
            }
            self.session().await.ok()?;
        }
        let session = self.session.lock().await.clone()?;
        let due = session.renew?;
        if due > Instant::now() {
            return Some(due);
        }
        let token = session.token.expose();
        let path = "auth/token/renew-self";
        let answer = self
            .send(Method::POST, path, Some(token), Some(json!({})))
            .await;
        let renewed = match answer {
            Ok(answer) if answer.status == 200 => {
                let auth = &answer.body["auth"];
                Session::new(session.token.clone(), auth, self.settings.renewal)
            }
            Ok(answer) if matches!(answer.status, 400 | 403 | 404) => {
                self.tell_of_no_renewal(&answer);
                Session {
                    renew: None,
                    ..session.clone()
                }
            }
            Ok(_) | Err(_) => Session {
                renew: Some(Instant::now() + AGAIN),
                ..session.clone()
            },
        };
        let mut kept = self.session.lock().await;
        let is_same = kept.as_ref().is_some_and(|it| it.token == session.token);
        if is_same {
            *kept = Some(renewed.clone());
        }
        renewed.renew
    }

    fn tell_of_no_renewal(&self, answer: &Answer) {
        let vault = self.settings.shown_address();
        let (status, said) = (answer.status, told(answer));
        match self.settings.login.is_login() {
            true => debug!(
                vault,
                status, said, "the token is not renewed; the next use logs in"
            ),
            false if status == 403 => {
                warn!(
                    vault,
                    status, said, "the token is refused: give the provider another one"
                );
            }
            false => debug!(
                vault,
                status, said, "the token is not renewed: it has its end"
            ),
        }
    }
}
