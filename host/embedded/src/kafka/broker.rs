//! The broker's whole state, and the changes that concern several parts of it.
//!
//! One lock guards all: no request holds it while it waits, and what one request does is done at
//! once for all others. So the end of a transaction is atomic without a log of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::error_code::ErrorCode;
use super::group::Group;
use super::topics::Topics;
use super::transactions::{Ended, Transactions};

/// How often sessions, rebalances and transactions are looked at whose time is over.
const TICK: Duration = Duration::from_millis(50);

/// Topics, groups and transactions.
#[derive(Debug, Default)]
pub(super) struct State {
    pub topics: Topics,
    pub groups: BTreeMap<String, Group>,
    pub transactions: Transactions,
}

impl State {
    /// A group that is there.
    pub(super) fn group(&mut self, name: &str) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// A group, made where there is none.
    pub(super) fn group_or_new(&mut self, name: &str) -> &mut Group {
        let new = || Group::new(Instant::now());
        self.groups.entry(name.to_owned()).or_insert_with(new)
    }

    /// Deletes a topic, and what groups know of it.
    pub(super) fn delete_topic(&mut self, name: &str) -> Result<(), ErrorCode> {
        self.topics.delete(name)?;
        for group in self.groups.values_mut() {
            group.offsets.remove_topic(name);
        }
        Ok(())
    }

    /// Ends a transaction: its markers are written and its offsets count, or not.
    pub(super) fn end(&mut self, ended: Ended) {
        let Ended {
            producer,
            outcome,
            open,
        } = ended;
        for (topic, partition) in open.partitions {
            // A topic that was deleted meanwhile needs no marker.
            let _ = self.topics.change(&topic, partition, |log| {
                log.mark(producer, outcome, wall_clock());
                Ok(())
            });
        }
        for name in open.groups {
            if let Some(group) = self.group(&name) {
                group.offsets.end_transaction(producer.id, outcome);
            }
        }
    }
}

/// What the connections share.
#[derive(Debug)]
pub(super) struct Broker {
    /// Where it listens, and what it tells clients.
    pub addr: SocketAddr,
    state: Mutex<State>,
    appended: watch::Sender<()>,
}

impl Broker {
    pub(super) fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            state: Mutex::default(),
            appended: watch::Sender::new(()),
        }
    }

    /// The state, for as long as a request needs it. A lock that a panic has poisoned is used all
    /// the same: the broker is for trials, and going on is better than refusing each request.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the fetches that wait for records.
    pub(super) fn wake_fetches(&self) {
        self.appended.send_replace(());
    }

    /// Tells of each append from now on.
    pub(super) fn appended(&self) -> watch::Receiver<()> {
        self.appended.subscribe()
    }

    /// Ends what has run out of time, for ever.
    pub(super) async fn keep_time(&self) {
        loop {
            tokio::time::sleep(TICK).await;
            let now = Instant::now();
            let mut state = self.state();
            state.groups.values_mut().for_each(|group| group.tick(now));
            let late = state.transactions.tick(now);
            let any = !late.is_empty();
            late.into_iter().for_each(|ended| state.end(ended));
            drop(state);
            if any {
                self.wake_fetches();
            }
        }
    }
}

/// Milliseconds since 1970.
fn wall_clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| i64::try_from(it.as_millis()).unwrap_or(i64::MAX))
}
