//! The audit log: who changed what, and who was refused. Its lines have a target of their own,
//! `ferrule::audit`, and by option they go into a topic as JSON too.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use super::auth::ANONYMOUS;
use crate::logging::AUDIT;

/// Lines that may wait for the topic.
pub const WAITING: usize = 1024;
/// Bytes of the names of changed keys in a line.
const CHANGED_LIMIT: usize = 4096;
/// Characters of a name in a line.
const NAME_LIMIT: usize = 512;

/// Lines of refused requests in a second: whoever is not known must not fill a disk.
const REFUSALS: u32 = 50;

/// Where the lines go besides the log.
pub type AuditSink = mpsc::Sender<Value>;

/// Where the lines go, and how many there may be.
#[derive(Debug, Default)]
pub(super) struct AuditLog {
    topic: Option<AuditSink>,
    refusals: Mutex<Refusals>,
}

/// The refusals of a second.
#[derive(Debug, Default)]
struct Refusals {
    second: Option<Instant>,
    told: u32,
    untold: u64,
}

impl AuditLog {
    /// The log, and a topic.
    pub fn new(topic: Option<AuditSink>) -> Self {
        Self {
            topic,
            refusals: Mutex::default(),
        }
    }

    /// Whether another refusal is told in this second.
    fn has_room(&self, now: Instant) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let second = Duration::from_secs(1);
        if refusals.second.is_none_or(|since| now - since >= second) {
            if refusals.untold > 0 {
                let requests = refusals.untold;
                warn!(target: AUDIT, requests, "refused, and not told one by one");
            }
            *refusals = Refusals {
                second: Some(now),
                told: 0,
                untold: 0,
            };
        }
        if refusals.told < REFUSALS {
            refusals.told += 1;
            return true;
        }
        refusals.untold += 1;
        false
    }
}

/// A request, as the audit log tells of it.
#[derive(Debug)]
pub(super) struct AuditEntry {
    method: Method,
    path: String,
    peer: SocketAddr,
    details: Mutex<Details>,
}

#[derive(Debug, Default)]
struct Details {
    principal: String,
    connector: Option<String>,
    changed: Vec<String>,
}

impl AuditEntry {
    /// A request that has just come.
    pub fn new(method: Method, path: &str, peer: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            method,
            path: cut(path, NAME_LIMIT),
            peer,
            details: Mutex::default(),
        })
    }

    fn details(&self) -> std::sync::MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who sent it.
    pub fn principal(&self, principal: &str) {
        self.details().principal = cut(principal, NAME_LIMIT);
    }

    /// Which connector it is about.
    pub fn connector(&self, name: &str) {
        self.details().connector = Some(cut(name, NAME_LIMIT));
    }

    /// The keys of a config that it changes.
    pub fn changed<'a>(&self, keys: impl IntoIterator<Item = &'a str>) {
        let mut bytes = 0;
        let kept = keys.into_iter().take_while(|key| {
            bytes += key.len();
            bytes <= CHANGED_LIMIT
        });
        self.details().changed = kept.map(str::to_owned).collect();
    }

    /// Tells the outcome. What only reads is told where it was refused, or at level debug.
    pub fn tell(&self, status: StatusCode, log: &AuditLog) {
        let details = self.details();
        let Self {
            method, path, peer, ..
        } = self;
        let (principal, connector) = (details.principal.as_str(), details.connector.as_deref());
        let changed = details.changed.join(",");
        let changed = Some(changed).filter(|changed| !changed.is_empty());
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        let status = status.as_u16();
        if reads && !refused {
            debug!(target: AUDIT, principal, %peer, %method, path, connector, status, "request");
            return;
        }
        let known = !matches!(principal, "" | ANONYMOUS);
        let failed = status >= StatusCode::BAD_REQUEST.as_u16();
        if !known && failed && !log.has_room(Instant::now()) {
            return;
        }
        info!(target: AUDIT, principal, %peer, %method, path, connector, changed, status, "request");
        if let Some(topic) = &log.topic
            && topic.try_send(self.record(&details, status)).is_err()
        {
            error!(target: AUDIT, "the audit topic takes no more: this line is in the log alone");
        }
    }

    fn record(&self, details: &Details, status: u16) -> Value {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut record = Map::new();
        record.insert(
            "time".into(),
            json!(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
        );
        record.insert("principal".into(), json!(details.principal));
        record.insert("address".into(), json!(self.peer.to_string()));
        record.insert("method".into(), json!(self.method.as_str()));
        record.insert("path".into(), json!(self.path));
        if let Some(connector) = &details.connector {
            record.insert("connector".into(), json!(connector));
        }
        if !details.changed.is_empty() {
            record.insert("changed".into(), json!(details.changed));
        }
        record.insert("status".into(), json!(status));
        Value::Object(record)
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(method: Method) -> Arc<AuditEntry> {
        let entry = AuditEntry::new(method, "/connectors", "192.0.2.1:5".parse().unwrap());
        entry.principal("ann");
        entry
    }

    #[test]
    fn a_line_has_who_what_and_the_outcome_without_values() {
        let (topic, mut lines) = mpsc::channel(4);
        let entry = entry(Method::POST);
        entry.connector("orders");
        entry.changed(["topics", "connection.password"]);
        entry.tell(StatusCode::CREATED, &AuditLog::new(Some(topic)));
        let mut line = lines.try_recv().unwrap();
        assert!(line["time"].as_u64().unwrap() > 1_600_000_000_000);
        line["time"] = json!(0);
        assert_eq!(
            line,
            json!({
                "time": 0, "principal": "ann", "address": "192.0.2.1:5", "method": "POST",
                "path": "/connectors", "connector": "orders",
                "changed": ["topics", "connection.password"], "status": 201,
            })
        );
    }

    #[test]
    fn reads_are_told_only_where_they_are_refused() {
        let (topic, mut lines) = mpsc::channel(4);
        let log = AuditLog::new(Some(topic));
        entry(Method::GET).tell(StatusCode::OK, &log);
        assert!(lines.try_recv().is_err());
        entry(Method::GET).tell(StatusCode::FORBIDDEN, &log);
        assert_eq!(lines.try_recv().unwrap()["status"], 403);
    }

    #[test]
    fn who_is_not_known_cannot_fill_the_log() {
        let log = AuditLog::default();
        let now = Instant::now();
        let told = (0..10_000).filter(|_| log.has_room(now)).count();
        assert_eq!(told, 50);
        assert!(log.has_room(now + Duration::from_secs(1)));
    }

    #[test]
    fn a_line_has_an_end() {
        let entry = entry(Method::POST);
        let keys: Vec<String> = (0..10_000).map(|n| format!("key{n}")).collect();
        entry.changed(keys.iter().map(String::as_str));
        entry.connector(&"x".repeat(100_000));
        let line = entry.record(&entry.details(), 201).to_string();
        assert!(line.len() < 3 * CHANGED_LIMIT, "{}", line.len());
    }
}
