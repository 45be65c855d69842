//! Leases: secrets that Vault makes for whoever asks, and takes back when their time is up.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value as Json, json};
use tracing::{info, warn};

use super::session::{Session, lease_duration};
use super::{Values, Vault};

/// Leases that are kept; the one that ends first goes.
const MOST: usize = 256;
/// When a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// A lease that Vault gave.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    id: String,
    given: Instant,
    /// What was asked for at first.
    duration: Duration,
    ends: Instant,
    /// None: it is not renewed.
    renew: Option<Instant>,
}

impl Lease {
    /// The lease of an answer; none where there is none. It ends with the token that it was given
    /// to.
    pub(super) fn of(answer: &Json, session: &Session) -> Option<Self> {
        let id = answer["lease_id"].as_str().filter(|id| !id.is_empty())?;
        let duration = lease_duration(answer).filter(|time| !time.is_zero())?;
        let is_renewable = answer["renewable"].as_bool().unwrap_or_default();
        let now = Instant::now();
        let ends = session.ends.unwrap_or(now + duration).min(now + duration);
        Some(Self {
            id: id.to_owned(),
            given: now,
            duration,
            ends,
            renew: is_renewable.then(|| now + duration * 2 / 3),
        })
    }

    /// The lease after an answer to its renewal; the last one, where it is not renewed again.
    pub(super) fn renewed(self, answer: &Json, session: &Session, now: Instant) -> Self {
        let lasts = lease_duration(answer).unwrap_or_default();
        let ends = session.ends.unwrap_or(now + lasts).min(now + lasts);
        // Vault gives less than what is asked for where the longest time is near.
        let is_last = lasts < self.duration / 2;
        Self {
            ends,
            renew: (!is_last).then(|| now + lasts * 2 / 3),
            ..self
        }
    }

    /// Who takes the values of a lease wants to use them for a while.
    fn is_fresh(&self) -> bool {
        let left = self.ends.saturating_duration_since(Instant::now());
        left > self.duration / 10
    }
}

/// The leases, by their paths, with the values that they are for.
#[derive(Default)]
pub(super) struct Leases(Mutex<BTreeMap<String, (Values, Lease)>>);

impl std::fmt::Debug for Leases {
    /// Without values: they are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Leases")
    }
}

impl Leases {
    pub(super) fn get(&self, path: &str) -> Option<Values> {
        let leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (values, lease) = leases.get(path)?;
        lease.is_fresh().then(|| values.clone())
    }

    pub(super) fn keep(&self, path: &str, values: Values, lease: Lease) {
        let now = Instant::now();
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|_, (_, lease)| lease.ends > now);
        if leases.len() >= MOST {
            let first = leases.iter().min_by_key(|(_, (_, lease))| lease.ends);
            let first = first.map(|(path, _)| path.clone());
            first.and_then(|path| leases.remove(&path));
        }
        leases.insert(path.to_owned(), (values, lease));
    }

    /// Forgets the lease of a path, unless it was given within this time.
    pub(super) fn forget(&self, path: &str, young: Duration) {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = leases.get(path).map(|(_, lease)| lease.given);
        if given.is_some_and(|given| given.elapsed() >= young) {
            leases.remove(path);
        }
    }

    /// The leases that are due, and when the next one is.
    fn due(&self) -> (Vec<(String, Lease)>, Option<Instant>) {
        let now = Instant::now();
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        leases.retain(|_, (_, lease)| lease.ends > now);
        let due = leases
            .iter()
            .filter(|(_, (_, lease))| lease.renew.is_some_and(|at| at <= now));
        let due = due.map(|(path, (_, lease))| (path.clone(), lease.clone()));
        let later = leases.values().filter_map(|(_, lease)| lease.renew);
        (due.collect(), later.filter(|at| *at > now).min())
    }

    fn renewed(&self, path: &str, renewed: Lease) {
        let mut leases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, lease)) = leases.get_mut(path).filter(|(_, it)| it.id == renewed.id) {
            *lease = renewed;
        }
    }
}

impl Vault {
    /// Renews the leases that are due; when the next one is.
    pub(super) async fn renew_leases(&self) -> Option<Instant> {
        let (due, _) = self.leases.due();
        for (path, lease) in due {
            let renewed = self.renew_lease(&path, lease).await;
            self.leases.renewed(&path, renewed);
        }
        self.leases.due().1
    }

    async fn renew_lease(&self, path: &str, lease: Lease) -> Lease {
        let now = Instant::now();
        let again = Lease {
            renew: Some(now + AGAIN),
            ..lease.clone()
        };
        let Ok(session) = self.session().await else {
            return again;
        };
        let body = json!({ "lease_id": lease.id, "increment": lease.duration.as_secs() });
        let token = session.token.expose();
        let answer = self
            .send(Method::PUT, "sys/leases/renew", Some(token), Some(body))
            .await;
        match answer {
            Ok(answer) if answer.status == 200 => {
                let renewed = lease.renewed(&answer.body, &session, now);
                if renewed.renew.is_none() {
                    let seconds = renewed.ends.saturating_duration_since(now).as_secs();
                    info!(
                        path,
                        seconds, "the last renewal of a lease; then there is a new secret"
                    );
                }
                renewed
            }
            Ok(answer) if matches!(answer.status, 400 | 403 | 404) => {
                let status = answer.status;
                warn!(
                    path,
                    status, "Vault does not renew a lease: its secret lasts to its end"
                );
                Lease {
                    renew: None,
                    ..lease
                }
            }
            Ok(_) | Err(_) => again,
        }
    }
}
