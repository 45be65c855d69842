//! The requests of a task: those that wait to be polled, those whose records are on their way to
//! Kafka, and the keys of those that are there.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use connect_api::Value;
use connect_http::{Health, Problem};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::fingerprint::Fingerprint;
use crate::memory::{Memory, Taken};
use crate::options::Settings;
use crate::response::Place;

/// How long the task may be busy with other things, or paused, before no request is taken.
const UNPOLLED: Duration = Duration::from_secs(3);
/// How long a record may wait for Kafka before no request is taken.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// What whoever sent a request is told.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// The record is in Kafka.
    Written(Place),
    /// A transform dropped it.
    Dropped,
    /// It was refused, and nothing of it is in Kafka.
    Refused(Problem),
    /// It may be in Kafka, or not.
    Unknown,
}

/// What a request is held to while it is in hand.
pub(crate) type Held = [Option<OwnedSemaphorePermit>; 2];

/// What tells a request that is sent again from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey {
    pub(crate) name: Arc<str>,
    pub(crate) fingerprint: Fingerprint,
}

/// A request in hand, and all who wait for what becomes of it: those who sent it again with the
/// same key wait for the same.
pub(crate) struct Entry {
    pub(crate) key: Option<IdempotencyKey>,
    /// Milliseconds since 1970.
    pub(crate) received: i64,
    since: Instant,
    waiters: Mutex<Vec<oneshot::Sender<Told>>>,
    _held: Held,
}

impl Entry {
    fn is_awaited(&self) -> bool {
        lock(&self.waiters).iter().any(|waiter| !waiter.is_closed())
    }

    /// Tells all who wait. Who has gone is not told.
    pub(crate) fn tell(&self, told: &Told) {
        for waiter in std::mem::take(&mut *lock(&self.waiters)) {
            let _ = waiter.send(told.clone());
        }
    }
}

/// A request that waits to be polled.
pub(crate) struct Queued {
    pub(crate) entry: Arc<Entry>,
    pub(crate) body: Bytes,
    /// The record's key.
    pub(crate) key: Value,
}

/// What a request comes with.
pub(crate) struct Arrival {
    pub(crate) body: Bytes,
    pub(crate) key: Value,
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    pub(crate) held: Held,
}

/// What is known of a request at once.
pub(crate) enum Admission {
    /// What becomes of it is told later.
    Awaits(oneshot::Receiver<Told>),
    /// Its key was taken before.
    Replayed(Place),
    /// Its key belongs to a request with another body.
    OtherBody,
    /// There is no room for another key.
    NoRoom {
        /// Seconds until there is.
        retry_after: u64,
    },
    /// The task takes no requests.
    Closed,
}

/// Whether the task takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It learns which keys are taken.
    Starting,
    Open,
    Closed,
}

struct State {
    phase: Phase,
    polling: bool,
    /// Since when it is polled, or not.
    since: Instant,
    queue: VecDeque<Queued>,
    /// By the number that is the record's source offset.
    sent: BTreeMap<u64, Arc<Entry>>,
    by_key: HashMap<Arc<str>, Arc<Entry>>,
    memory: Memory,
}

/// What the task and its listener share.
pub(crate) struct Requests {
    pub(crate) settings: Settings,
    state: Mutex<State>,
    arrived: Notify,
    pub(crate) in_flight: Arc<Semaphore>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map(|since| since.as_millis()).unwrap_or_default();
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// Says that the task is polled, until it is dropped.
pub(crate) struct Polling<'a>(&'a Requests);

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.set_polling(false);
    }
}

impl Requests {
    pub(crate) fn new(settings: Settings) -> Self {
        let memory = Memory::new(settings.window, settings.most_keys);
        let permits = settings.limits.requests.min(Semaphore::MAX_PERMITS);
        Self {
            in_flight: Arc::new(Semaphore::new(permits)),
            state: Mutex::new(State {
                phase: Phase::Starting,
                polling: false,
                since: Instant::now(),
                queue: VecDeque::new(),
                sent: BTreeMap::new(),
                by_key: HashMap::new(),
                memory,
            }),
            arrived: Notify::new(),
            settings,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn set_polling(&self, polling: bool) {
        let mut state = self.state();
        state.polling = polling;
        state.since = Instant::now();
    }

    /// Takes note that the task is polled.
    pub(crate) fn polling(&self) -> Polling<'_> {
        self.set_polling(true);
        Polling(self)
    }

    /// Takes a request, or finds the one with the same key.
    pub(crate) fn admit(&self, arrival: Arrival) -> Admission {
        let now = now();
        let (sender, receiver) = oneshot::channel();
        let mut state = self.state();
        if state.phase != Phase::Open {
            return Admission::Closed;
        }
        if let Some(key) = &arrival.idempotency_key {
            if let Some(taken) = state.memory.find(&key.name, now) {
                return match taken
                    .fingerprint
                    .is_none_or(|known| known == key.fingerprint)
                {
                    true => Admission::Replayed(taken.place),
                    false => Admission::OtherBody,
                };
            }
            if let Some(entry) = state.by_key.get(&key.name) {
                if entry.key.as_ref() != Some(key) {
                    return Admission::OtherBody;
                }
                lock(&entry.waiters).push(sender);
                return Admission::Awaits(receiver);
            }
            let waiting = state.by_key.len();
            if let Err(retry_after) = state.memory.room(waiting, now) {
                return Admission::NoRoom { retry_after };
            }
        }
        let entry = Arc::new(Entry {
            key: arrival.idempotency_key.clone(),
            received: now,
            since: Instant::now(),
            waiters: Mutex::new(vec![sender]),
            _held: arrival.held,
        });
        if let Some(key) = arrival.idempotency_key {
            state.by_key.insert(key.name, Arc::clone(&entry));
        }
        state.queue.push_back(Queued {
            entry,
            body: arrival.body,
            key: arrival.key,
        });
        drop(state);
        self.arrived.notify_one();
        Admission::Awaits(receiver)
    }

    /// Waits for a request.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// The next requests, in the order in which they came; those that nobody waits for any more are
    /// forgotten.
    pub(crate) fn take(&self, most: usize, bytes: usize) -> Vec<Queued> {
        let mut state = self.state();
        let (mut taken, mut size) = (Vec::new(), 0);
        while taken.len() < most && size < bytes {
            let Some(queued) = state.queue.pop_front() else {
                break;
            };
            if queued.entry.is_awaited() {
                size += queued.body.len();
                taken.push(queued);
            } else {
                state.forget_key(&queued.entry);
            }
        }
        if !state.queue.is_empty() {
            // The next poll need not wait.
            self.arrived.notify_one();
        }
        taken
    }

    /// A request's record is on its way to Kafka, under this number.
    pub(crate) fn sent(&self, number: u64, entry: Arc<Entry>) {
        self.state().sent.insert(number, entry);
    }

    /// A request was refused before it was a record.
    pub(crate) fn refused(&self, entry: &Entry, problem: Problem) {
        self.state().forget_key(entry);
        entry.tell(&Told::Refused(problem));
    }

    /// What has become of the record of this number. Gives the request back, which was told.
    pub(crate) fn settle(&self, number: u64, told: &Told) -> Option<Arc<Entry>> {
        let mut state = self.state();
        let entry = state.sent.remove(&number)?;
        state.forget_key(&entry);
        if let (Told::Written(place), Some(key)) = (told, &entry.key) {
            let taken = Taken {
                at: entry.received,
                place: *place,
                fingerprint: Some(key.fingerprint),
            };
            state.memory.insert(Arc::clone(&key.name), taken);
        }
        drop(state);
        entry.tell(told);
        Some(entry)
    }

    /// Nothing will be known of what is on its way. Which keys are taken has to be learned again.
    pub(crate) fn give_up(&self) {
        let mut state = self.state();
        state.phase = Phase::Starting;
        for entry in std::mem::take(&mut state.sent).into_values() {
            state.forget_key(&entry);
            entry.tell(&Told::Unknown);
        }
    }

    /// Begins to learn which keys are taken: since when, in milliseconds since 1970.
    pub(crate) fn learning(&self) -> i64 {
        let mut state = self.state();
        state.memory.clear();
        state.memory.since(now())
    }

    /// A key is taken.
    pub(crate) fn learn(&self, key: &str, taken: Taken) {
        self.state().memory.insert(key.into(), taken);
    }

    /// Takes requests from now on. Gives the number of keys that are known.
    pub(crate) fn open(&self) -> usize {
        let mut state = self.state();
        state.phase = Phase::Open;
        state.memory.len()
    }

    /// Takes no more requests. Those that were not polled are told so.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.phase = Phase::Closed;
        let queue = std::mem::take(&mut state.queue);
        let sent = std::mem::take(&mut state.sent);
        state.by_key.clear();
        drop(state);
        for queued in queue {
            queued.entry.tell(&Told::Unknown);
        }
        for entry in sent.into_values() {
            entry.tell(&Told::Unknown);
        }
    }

    /// Whether requests are taken.
    pub(crate) fn health(&self) -> Health {
        let state = self.state();
        let down = |why: &str| Health::Down(why.to_owned());
        match state.phase {
            Phase::Starting => return down("the task is starting"),
            Phase::Closed => return down("the task is stopping"),
            Phase::Open => {}
        }
        // Kafka acknowledges in order.
        let oldest = state.sent.first_key_value();
        let oldest = oldest.map_or(Duration::ZERO, |(_, entry)| entry.since.elapsed());
        if oldest > UNACKNOWLEDGED.min(self.settings.limits.response_time) {
            return down("Kafka does not acknowledge records");
        }
        if !state.polling && state.since.elapsed() > UNPOLLED {
            return down("the task is paused, or Kafka does not answer");
        }
        Health::Up
    }
}

impl State {
    fn forget_key(&mut self, entry: &Entry) {
        if let Some(key) = &entry.key {
            self.by_key.remove(&key.name);
        }
    }
}
