//! HashiCorp Vault and OpenBao: `${vault:secret/database:password}`, by the HTTP API.
//!
//! Secrets of the KV engine are asked for each time. What has a lease (users of databases) is kept
//! and its lease renewed, until Vault renews it no more; the next one who asks gets a new one.
//! Tokens are renewed before they end, and whoever logs in does so again where that fails.

#[cfg(feature = "fuzzing")]
mod fuzzing;
mod lease;
mod session;
mod settings;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use connect_api::{Error, ErrorKind, Result, mask};
use reqwest::{Client, Method, Url};
use serde_json::Value as Json;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify, OnceCell};
use tracing::{Instrument as _, info_span};

#[cfg(feature = "fuzzing")]
pub use self::fuzzing::{VaultAnswer, vault};
use self::lease::Leases;
use self::session::Session;
use self::settings::Settings;
use super::Values;
use super::http::{Answer, client, send, text};
use super::kept::Kept;
use super::parameters::Parameters;
use super::remote::RemoteProvider;

/// Lenses' class.
pub(super) const LENSES: &str = "io.lenses.connect.secrets.providers.VaultSecretProvider";
/// Jeremy Custenborder's class.
pub(super) const JCUSTENBORDER: &str =
    "com.github.jcustenborder.kafka.config.vault.VaultConfigProvider";
/// Confluent's class.
pub(super) const CONFLUENT: &str = "io.confluent.csid.config.provider.vault.VaultConfigProvider";

/// The longest that a message of Vault may be.
const MOST_MESSAGE: usize = 200;
/// How often what is due is looked for at least.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A lease that is younger is not given up where its user is refused: each new one makes a user,
/// and whoever is refused asks every few seconds.
const YOUNG: Duration = Duration::from_secs(60);

/// A Vault.
#[derive(Debug)]
pub(super) struct Vault {
    settings: Settings,
    client: OnceCell<Client>,
    session: Mutex<Option<Session>>,
    leases: Leases,
    kept: Kept,
    /// Something is due earlier than was known.
    changed: Arc<Notify>,
}

impl Vault {
    pub(super) fn new(class: &str, parameters: &Parameters) -> Result<Self> {
        let variable = |name: &str| std::env::var(name).ok();
        Ok(Self::with(Settings::new(class, parameters, &variable)?))
    }

    fn with(settings: Settings) -> Self {
        Self {
            settings,
            client: OnceCell::new(),
            session: Mutex::new(None),
            leases: Leases::default(),
            kept: Kept::default(),
            changed: Arc::default(),
        }
    }

    /// Sends a request with a token, or one without.
    async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Json>,
    ) -> Result<Answer> {
        let client = self.client.get_or_try_init(|| client(&self.settings.trust));
        let client = client.await.map_err(|error| error.context(self.whom()))?;
        let mut request = client.request(method, self.url(path)?);
        // Agents and proxies of Vault ask for it.
        request = request.header("x-vault-request", "true");
        if let Some(namespace) = &self.settings.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if let Some(token) = token {
            request = request.header("x-vault-token", token);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            request = request.body(body.to_string());
        }
        send(request, &self.whom()).await
    }

    fn url(&self, path: &str) -> Result<Url> {
        let mut url = self.settings.address.clone();
        let (path, version) = match path.split_once("?version=") {
            Some((path, version)) => (path, Some(version)),
            None => (path, None),
        };
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let is_odd = parts.is_empty() || parts.iter().any(|part| matches!(*part, "." | ".."));
        match url.path_segments_mut() {
            Ok(mut segments) if !is_odd => {
                segments.pop_if_empty().push("v1").extend(parts);
            }
            _ => return Err(Error::config(format!("{}: {path} is no path", self.whom()))),
        }
        url.set_query(
            version
                .map(|version| format!("version={version}"))
                .as_deref(),
        );
        Ok(url)
    }

    /// Reads a path, with a new login where the token is refused.
    async fn read(&self, path: &str) -> Result<Values> {
        let api_path = self.settings.api_path(path);
        for is_last in [false, true] {
            let session = self.session().await?;
            let token = session.token.expose();
            let answer = self.send(Method::GET, &api_path, Some(token), None).await?;
            match answer.status {
                200 => return self.values(path, &answer, &session),
                403 if !is_last && self.settings.login.is_login() => self.forget(&session).await,
                _ => return Err(self.refusal(path, &answer)),
            }
        }
        Err(Error::fatal("unreachable: the last try returns"))
    }

    /// The values of an answer; those that have a lease are kept.
    fn values(&self, path: &str, answer: &Answer, session: &Session) -> Result<Values> {
        let data = &answer.body["data"];
        let is_versioned = self.settings.is_versioned(path);
        let data = if is_versioned { &data["data"] } else { data };
        let Some(data) = data.as_object() else {
            let next = match is_versioned {
                true => "is the path one of a KV engine of version 2?",
                false => "is the path one of a secret?",
            };
            let error = format!("{}: {path} has no values; {next}", self.whom());
            return Err(Error::config(error).transient());
        };
        let mut values = Values::new();
        for (key, value) in data {
            if let Some(text) = text(value) {
                values.insert(key.clone(), text);
            }
        }
        if let Some(lease) = lease::Lease::of(&answer.body, session) {
            self.leases.keep(path, values.clone(), lease);
            self.changed.notify_one();
        } else if let Some(time) = self.settings.keep_for {
            self.kept.keep(path, values.clone(), time);
        }
        Ok(values)
    }

    /// Why there are no values: what is asked for, what Vault says, what to do.
    fn refusal(&self, path: &str, answer: &Answer) -> Error {
        let next = match answer.status {
            404 => "there is no such secret, or its version is deleted; see the path and the mount",
            403 => "see the policies of the token, and whether it has ended",
            400 => "see the path, and the namespace",
            503 => "Vault is sealed or not ready",
            301..=308 => "this is a standby that does not forward; name the active server",
            429 | 472 | 473 => "this server answers no requests; name the active one",
            _ => "see the log of Vault",
        };
        let whom = self.whom();
        let error = format!(
            "{whom}, asked for {path}, answers {}{}: {next}",
            answer.status,
            told(answer)
        );
        match answer.status {
            412 | 429 | 472 | 473 | 500.. => Error::retriable(error),
            _ => Error::config(error).transient(),
        }
    }

    /// Renews what is due, and tells how long nothing will be.
    async fn renew_what_is_due(&self) -> Duration {
        let next = self.renew_session().await;
        let leases = self.renew_leases().await;
        let now = Instant::now();
        let due = [next, leases].into_iter().flatten().min();
        let wait = due.map_or(LONGEST_WAIT, |due| due.saturating_duration_since(now));
        wait.min(LONGEST_WAIT)
    }

    /// Selects keys, and makes of each what the class makes of it.
    fn select(&self, path: &str, keys: &BTreeSet<String>, values: &Values) -> Result<Values> {
        let selected = keys.iter().map(|key| {
            let value = values.get(key).ok_or_else(|| {
                let whom = self.whom();
                Error::config(format!("{whom}: {path} has no key {key}")).transient()
            })?;
            let decoded = self.settings.decoded(key, value);
            let decoded = decoded.map_err(|error| error.context(path).context(self.whom()))?;
            Ok((key.clone(), decoded))
        });
        selected.collect()
    }
}

#[async_trait]
impl RemoteProvider for Vault {
    fn whom(&self) -> String {
        format!("Vault at {}", self.settings.shown_address())
    }

    async fn get(&self, path: &str, keys: &BTreeSet<String>) -> Result<Values> {
        let kept = self.leases.get(path).or_else(|| self.kept.get(path));
        // A key that has come since is looked for.
        if let Some(values) = kept.filter(|kept| keys.iter().all(|key| kept.contains_key(key))) {
            return self.select(path, keys, &values);
        }
        let mut tries = self.settings.retries;
        loop {
            match self.read(path).await {
                Ok(values) => return self.select(path, keys, &values),
                Err(error) if error.kind() == ErrorKind::Retriable && tries > 0 => {
                    tries -= 1;
                    tokio::time::sleep(self.settings.retry_after).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn forget(&self, path: &str) {
        self.kept.forget(path);
        self.leases.forget(path, YOUNG);
    }

    fn start(self: Arc<Self>, runtime: &Handle) {
        let vault = Arc::downgrade(&self);
        let changed = Arc::clone(&self.changed);
        let span = info_span!("config_provider", provider = self.settings.name);
        runtime.spawn(renew(vault, changed).instrument(span));
    }
}

/// Renews tokens and leases for as long as there is a Vault.
async fn renew(vault: Weak<Vault>, changed: Arc<Notify>) {
    while let Some(vault) = vault.upgrade() {
        let wait = vault.renew_what_is_due().await;
        drop(vault);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = changed.notified() => {}
        }
    }
}

/// What Vault says is wrong, if it says so.
fn told(answer: &Answer) -> String {
    let errors = answer.body["errors"].as_array();
    let first = errors.and_then(|errors| errors.first()?.as_str());
    let Some(message) = first.map(str::trim).filter(|text| !text.is_empty()) else {
        return String::new();
    };
    let message: String = message.chars().filter(|c| !c.is_control()).collect();
    // First: half of a secret is no longer known as one.
    let message = mask(message);
    let end = message.floor_char_boundary(MOST_MESSAGE);
    format!(" ({})", &message[..end])
}

#[cfg(test)]
mod tests;
