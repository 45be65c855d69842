//! The metrics of a plugin: bounded in number and name, and counted only when the call counts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use metrics::{Counter, Gauge, counter, gauge};

use crate::host::{Identity, Secrets};
use crate::meters::PLUGIN_PREFIX;

/// Metrics of one transform; a name made of data must not fill the worker's memory.
const NAMES: usize = 64;
const NAME_BYTES: usize = 64;

#[derive(Debug)]
pub(crate) struct Gauges {
    identity: Arc<Identity>,
    counters: HashMap<String, (Counter, u64)>,
    gauges: HashMap<String, (Gauge, Option<f64>)>,
    warned: bool,
    secrets: Arc<Secrets>,
}

impl Gauges {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self {
            identity,
            counters: HashMap::new(),
            gauges: HashMap::new(),
            warned: false,
            secrets: Arc::default(),
        }
    }

    /// What no name may tell.
    pub(crate) fn hide(&mut self, secrets: Arc<Secrets>) {
        self.secrets = secrets;
    }

    pub(crate) fn count(&mut self, name: String, by: u64) {
        if let Some((_, pending)) = self.counters.get_mut(&name) {
            *pending = pending.saturating_add(by);
        } else if self.admit(&name) {
            let counter = counter!(format!("{PLUGIN_PREFIX}{name}"), self.identity.labels());
            self.counters.insert(name, (counter, by));
        }
    }

    pub(crate) fn gauge(&mut self, name: String, value: f64) {
        if let Some((_, pending)) = self.gauges.get_mut(&name) {
            *pending = Some(value);
        } else if self.admit(&name) {
            let gauge = gauge!(format!("{PLUGIN_PREFIX}{name}"), self.identity.labels());
            self.gauges.insert(name, (gauge, Some(value)));
        }
    }

    pub(crate) fn commit(&mut self) {
        for (counter, pending) in self.counters.values_mut() {
            if *pending > 0 {
                counter.increment(std::mem::take(pending));
            }
        }
        for (gauge, pending) in self.gauges.values_mut() {
            if let Some(value) = pending.take() {
                gauge.set(value);
            }
        }
    }

    pub(crate) fn discard(&mut self) {
        for (_, pending) in self.counters.values_mut() {
            *pending = 0;
        }
        for (_, pending) in self.gauges.values_mut() {
            *pending = None;
        }
    }

    fn admit(&mut self, name: &str) -> bool {
        let known = self.counters.contains_key(name) || self.gauges.contains_key(name);
        let good = (1..=NAME_BYTES).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && matches!(self.secrets.hide(name), Cow::Borrowed(_))
            && !known
            && self.counters.len() + self.gauges.len() < NAMES;
        if !good && !self.warned {
            self.warned = true;
            let Identity {
                connector,
                transform,
                plugin,
                ..
            } = &*self.identity;
            tracing::warn!(
                connector,
                transform,
                plugin,
                "a metric of the plugin is left out: a name has up to {NAME_BYTES} letters, \
                 digits and _, holds no secret, is of one type, and there are {NAMES} at most"
            );
        }
        good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gauges() -> Gauges {
        Gauges::new(Arc::new(Identity {
            connector: "c".into(),
            task: 0,
            transform: "t".into(),
            plugin: "p".into(),
        }))
    }

    #[test]
    fn no_name_tells_a_secret() {
        let mut gauges = gauges();
        gauges.hide(Arc::new(Secrets::new(["canary".into()])));
        gauges.count("canary_seen".into(), 1);
        gauges.gauge("a_canary".into(), 1.0);
        gauges.count("bird_seen".into(), 1);
        let counters: Vec<_> = gauges.counters.keys().collect();
        assert_eq!(
            (counters, gauges.gauges.len()),
            (vec![&"bird_seen".to_owned()], 0)
        );
    }

    #[test]
    fn names_are_bounded_and_calls_that_fail_do_not_count() {
        let mut gauges = gauges();
        for i in 0..2 * NAMES {
            gauges.count(format!("n{i}"), 1);
        }
        gauges.count("bad name".into(), 1);
        gauges.count(String::new(), 1);
        gauges.gauge("n0".into(), 1.0);
        assert_eq!((gauges.counters.len(), gauges.gauges.len()), (NAMES, 0));
        gauges.count("n0".into(), 2);
        assert_eq!(gauges.counters["n0"].1, 3);
        gauges.discard();
        gauges.count("n0".into(), 5);
        assert_eq!(gauges.counters["n0"].1, 5);
        gauges.commit();
        assert_eq!(gauges.counters["n0"].1, 0);
    }
}
