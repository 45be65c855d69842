//! The open connections: how many there may be, and which ones have to go.
//!
//! A connection that waits for its client is worth little: where there is no room for another one,
//! the oldest of the address that has most of them is closed. One whose request is being worked on
//! is never closed for that.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all.
    pub total: usize,
    /// From one address.
    pub per_peer: usize,
}

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is new: TLS or the first request is yet to come.
    Opening,
    /// It is kept for another request.
    Idle,
    /// A part of a request's head has come.
    Head,
    /// A request's body is coming.
    Body,
    /// A request is being answered.
    Working,
    /// An answer is on its way.
    Answering,
}

impl Phase {
    /// How long it may last. The herder's own limits end what is being worked on.
    fn limit(self) -> Option<Duration> {
        match self {
            Self::Opening | Self::Head => Some(Duration::from_secs(10)),
            Self::Body => Some(Duration::from_secs(30)),
            Self::Idle | Self::Answering => Some(Duration::from_secs(60)),
            Self::Working => None,
        }
    }

    /// How long it lasts before the connection may be closed for another one.
    fn protected(self) -> Option<Duration> {
        match self {
            Self::Opening | Self::Idle | Self::Head | Self::Body => Some(Duration::ZERO),
            Self::Answering => Some(Duration::from_secs(5)),
            Self::Working => None,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    /// Whose it is.
    pub peer: IpAddr,
    state: Mutex<(Phase, Instant)>,
    closed: Notify,
}

impl Connection {
    fn state(&self) -> MutexGuard<'_, (Phase, Instant)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is about.
    pub fn phase(&self) -> Phase {
        self.state().0
    }

    /// It is about something else from now on.
    pub fn enter(&self, phase: Phase) {
        *self.state() = (phase, Instant::now());
    }

    /// Bytes have come: a connection that was idle has begun with a request.
    pub fn has_read(&self) {
        let mut state = self.state();
        if state.0 == Phase::Idle {
            *state = (Phase::Head, Instant::now());
        }
    }

    /// Waits until it is to be closed.
    pub async fn closed(&self) {
        self.closed.notified().await;
    }

    fn close(&self) {
        // The one who waits may be about to: a permit is kept for it.
        self.closed.notify_one();
    }

    /// Since when it may be closed for another one, if it may.
    fn dispensable(&self, now: Instant) -> Option<Instant> {
        let (phase, since) = *self.state();
        let protected = phase.protected()?;
        (now.saturating_duration_since(since) >= protected).then_some(since)
    }

    fn is_late(&self, now: Instant) -> bool {
        let (phase, since) = *self.state();
        let lasts = now.saturating_duration_since(since);
        phase.limit().is_some_and(|limit| lasts > limit)
    }
}

/// All connections of all listeners.
#[derive(Debug)]
pub struct Connections {
    limits: ConnectionLimits,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
}

/// A connection that is counted until this is dropped.
pub struct Admitted {
    /// The connection.
    pub connection: Arc<Connection>,
    all: Arc<Connections>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.all.open().remove(&self.connection.id);
    }
}

impl Connections {
    /// None yet.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Connection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a new connection, and closes another one for it where there are too many. None when
    /// all that there are have requests to answer.
    pub fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Admitted> {
        let peer = peer.to_canonical();
        let mut open = self.open();
        let of_peer = open.values().filter(|one| one.peer == peer).count();
        if of_peer >= self.limits.per_peer && !make_room(&mut open, Some(peer)) {
            return None;
        }
        if open.len() >= self.limits.total && !make_room(&mut open, None) {
            return None;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
            id,
            peer,
            state: Mutex::new((Phase::Opening, Instant::now())),
            closed: Notify::new(),
        });
        open.insert(id, Arc::clone(&connection));
        drop(open);
        Some(Admitted {
            connection,
            all: Arc::clone(self),
        })
    }

    /// Closes the oldest connection that waits for its client: descriptors have run out.
    pub fn close_one(&self) -> bool {
        make_room(&mut self.open(), None)
    }

    /// Closes those whose clients have taken too long.
    pub fn close_late(&self) {
        let now = Instant::now();
        self.open().retain(|_, one| {
            let late = one.is_late(now);
            if late {
                one.close();
            }
            !late
        });
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open().len()
    }
}

/// Closes a connection of this peer, or of the one that has most that wait.
fn make_room(open: &mut BTreeMap<u64, Arc<Connection>>, peer: Option<IpAddr>) -> bool {
    let now = Instant::now();
    let mut waiting: HashMap<IpAddr, (usize, Instant, u64)> = HashMap::new();
    let of_interest = open
        .values()
        .filter(|one| peer.is_none_or(|p| one.peer == p));
    for one in of_interest {
        let Some(since) = one.dispensable(now) else {
            continue;
        };
        let entry = waiting.entry(one.peer).or_insert((0, since, one.id));
        entry.0 += 1;
        if since < entry.1 {
            (entry.1, entry.2) = (since, one.id);
        }
    }
    let most = waiting.into_values().max_by_key(|(count, since, _)| {
        // Of two with as many, the one that has waited longer.
        (*count, std::cmp::Reverse(*since))
    });
    let Some(gone) = most.and_then(|(_, _, id)| open.remove(&id)) else {
        return false;
    };
    gone.close();
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(total: usize, per_peer: usize) -> Arc<Connections> {
        Arc::new(Connections::new(ConnectionLimits { total, per_peer }))
    }

    fn peer(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    /// Whether the connection was told to close; asked once.
    async fn was_closed(one: &Admitted) -> bool {
        let closed = tokio::time::timeout(Duration::from_millis(20), one.connection.closed());
        closed.await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_that_waits_makes_way_for_a_new_one() {
        let all = connections(3, 3);
        let first = all.admit(peer(1)).unwrap();
        let second = all.admit(peer(1)).unwrap();
        let third = all.admit(peer(1)).unwrap();
        first.connection.enter(Phase::Working);
        let fourth = all.admit(peer(1)).unwrap();
        assert!(was_closed(&second).await);
        assert!(!was_closed(&first).await && !was_closed(&third).await);
        assert_eq!(all.count(), 3);
        drop((first, second, third, fourth));
        assert_eq!(all.count(), 0);
    }

    #[tokio::test]
    async fn who_floods_loses_its_own_connections() {
        let all = connections(4, 100);
        let honest = all.admit(peer(1)).unwrap();
        let floods: Vec<Admitted> = (0..10).filter_map(|_| all.admit(peer(2))).collect();
        assert_eq!(floods.len(), 10);
        assert!(!was_closed(&honest).await);
        assert!(was_closed(&floods[0]).await);
        assert_eq!(all.count(), 4);
    }

    #[tokio::test]
    async fn one_peer_has_its_own_limit_however_it_is_spelled() {
        let all = connections(100, 2);
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let open = [peer(1), mapped, peer(1)].map(|peer| all.admit(peer).unwrap());
        assert!(was_closed(&open[0]).await);
        assert_eq!(all.count(), 2);
        open[1].connection.enter(Phase::Working);
        open[2].connection.enter(Phase::Working);
        assert!(all.admit(peer(1)).is_none());
        assert!(all.admit(peer(2)).is_some());
    }

    #[test]
    fn time_runs_out_in_each_phase_but_work() {
        let all = connections(9, 9);
        let one = all.admit(peer(1)).unwrap();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(3600));
        let Some(long_ago) = long_ago else { return };
        for (phase, late) in [
            (Phase::Opening, true),
            (Phase::Idle, true),
            (Phase::Head, true),
            (Phase::Body, true),
            (Phase::Answering, true),
            (Phase::Working, false),
        ] {
            *one.connection.state() = (phase, long_ago);
            assert_eq!(one.connection.is_late(Instant::now()), late, "{phase:?}");
            one.connection.enter(phase);
            assert!(!one.connection.is_late(Instant::now()), "{phase:?}");
        }
        one.connection.enter(Phase::Idle);
        one.connection.has_read();
        assert_eq!(one.connection.phase(), Phase::Head);
    }
}
