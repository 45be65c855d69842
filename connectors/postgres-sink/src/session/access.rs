//! How a task comes to its servers: with the credentials of now, which config providers and files
//! may give anew, and what becomes of a login that is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use connect_api::{Config, Error, ProvidedOptions, Result};

use super::Servers;
use crate::error::{Policy, policy_of, server_message, sqlstate};

/// The options that say where the servers are and who connects, by their names in each class.
const CONNECTION: &str = "connection.";

/// The servers of a task, asked for at each connect.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    /// As they were when the task was made.
    started: Servers,
    provided: Option<ProvidedOptions>,
    /// How the servers follow from the options.
    servers_of: fn(&Config) -> Result<Servers>,
}

impl Access {
    /// Of servers as they are configured now, and of who may know better later.
    pub fn new(
        mut started: Servers,
        provided: Option<ProvidedOptions>,
        servers_of: fn(&Config) -> Result<Servers>,
    ) -> Self {
        let provided = provided.filter(|options| options.provides(CONNECTION));
        started.login.may_change |= provided.is_some();
        Self {
            started,
            provided,
            servers_of,
        }
    }

    /// The servers with the credentials of now.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Retriable`] when a config provider does not give them.
    pub async fn servers(&self) -> Result<Servers> {
        let Some(provided) = &self.provided else {
            return Ok(self.started.clone());
        };
        if self
            .started
            .login
            .was_refused
            .swap(false, Ordering::Relaxed)
        {
            provided.refused(CONNECTION);
        }
        let limit = self.started.timeout;
        let asking = tokio::time::timeout(limit, provided.current(CONNECTION));
        let current = asking.await.unwrap_or_else(|_| {
            let text = "no answer within connection.timeout.ms";
            Err(Error::retriable(text))
        });
        // Whoever writes what the provider reads may be in the midst of it.
        let servers = current.and_then(|config| (self.servers_of)(&config));
        let servers = servers.map_err(|error| {
            let why = error.chain();
            Error::retriable(format!(
                "cannot read the login from its config provider: {why}"
            ))
        })?;
        Ok(servers.following(&self.started))
    }
}

/// What becomes of a login that is refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Login {
    /// Whether the credentials may be others at the next connect.
    pub may_change: bool,
    /// Whether a server has let this task in.
    pub was_let_in: Arc<AtomicBool>,
    /// Whether the server has refused the credentials since they were asked for.
    pub was_refused: Arc<AtomicBool>,
}

impl Login {
    /// A server has let this task in.
    pub fn let_in(&self) {
        self.was_let_in.store(true, Ordering::Relaxed);
    }

    /// A server has refused this login.
    pub fn refused(&self, error: &sqlx::Error) {
        if matches!(Refusal::of(error), Some(Refusal::Login)) {
            self.was_refused.store(true, Ordering::Relaxed);
        }
    }

    /// What keeps a task from having credentials at all: one that was let in waits for them.
    pub fn judged(&self, error: Error) -> Error {
        match self.was_let_in.load(Ordering::Relaxed) {
            true => Error::retriable(error.chain()),
            false => error.transient(),
        }
    }

    /// Whether time may mend what is wrong with the credentials. Those of a task that was let in
    /// were right: they, or the server's, are being changed. A new task has to have credentials
    /// that may change, or it fails: a typo is better known at once.
    pub fn is_waited_for(&self, error: &sqlx::Error) -> bool {
        let was_let_in = self.was_let_in.load(Ordering::Relaxed);
        match Refusal::of(error) {
            Some(Refusal::Away) => true,
            Some(Refusal::Login) => was_let_in || self.may_change,
            Some(Refusal::Own) => was_let_in,
            None => false,
        }
    }
}

/// What keeps a task from its server, beside what the policy of an SQLSTATE says.
enum Refusal {
    /// Whoever asks for the credentials does not take them.
    Login,
    /// On this side: certificates and keys, or what the server's certificate is checked with.
    Own,
    /// A pooler has no server.
    Away,
}

/// PgBouncer's code for whatever it refuses; it has no other one before 1.24.
const OF_POOLER: &str = "08P01";

impl Refusal {
    fn of(error: &sqlx::Error) -> Option<Self> {
        let Some(code) = sqlstate(error) else {
            return (policy_of(error) == Policy::Config).then_some(Self::Own);
        };
        if code.starts_with("28") {
            return Some(Self::Login);
        }
        let says = |words: &[&str]| words.iter().any(|w| server_message(error).contains(w));
        let login = ["authentication failed", "login failed", "no such user"];
        let away = ["cannot connect to server", "login has been failing"];
        match code == OF_POOLER {
            true if says(&login) => Some(Self::Login),
            true if says(&away) => Some(Self::Away),
            _ => None,
        }
    }
}
