//! The statuses of all connectors and tasks of the cluster, as the status topic says them, and the
//! task that writes those of this worker.

mod topics;
mod view;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use connect_api::{Result, mask};
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::placement::WorkerInstance;
use crate::storage::{
    ActiveTopic, BackingStore, ConnectorTaskId, State, Status, StatusKey, StoredRecord,
};
use crate::topic_tracking::ForgottenTopics;
use topics::Stored;
use view::{OwnWrite, StatusView};

/// Statuses that wait to be written.
const WAITING: usize = 10_000;
/// Statuses that are written in one go.
const AT_ONCE: usize = 500;
/// Between two tries to read the topic to its end.
const CATCH_UP_PAUSE: Duration = Duration::from_secs(1);
/// How long the last statuses may take when the worker ends.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers what state connectors and tasks are in, and has this worker's own statuses written. What
/// was put is seen at once; Kafka is not waited for.
pub(super) struct Statuses {
    view: Arc<Mutex<StatusView>>,
    writes: mpsc::Sender<Write>,
    writing: JoinHandle<()>,
    /// Told when something was read.
    read: Arc<Notify>,
    behind: Arc<Behind>,
}

/// Reads what [`Statuses`] knows.
#[derive(Clone)]
pub(super) struct StatusReader(Arc<Mutex<StatusView>>);

impl StatusReader {
    /// The status of a connector or a task, whichever worker wrote it.
    pub(super) fn get(&self, key: &StatusKey) -> Option<Status> {
        lock(&self.0).get(key).cloned()
    }

    /// The state of a task, whichever worker wrote it.
    pub(super) fn state_of_task(&self, id: &ConnectorTaskId) -> State {
        let view = lock(&self.0);
        let status = view.get(&StatusKey::Task(id.clone()));
        status.map_or(State::Unassigned, |status| status.state)
    }

    /// The topics that a connector is active in, in order.
    pub(super) fn topics(&self, connector: &str) -> Vec<String> {
        lock(&self.0).topics.names(connector)
    }
}

/// Whether the topic is to be read to its end before what was read is relied upon.
#[derive(Default)]
struct Behind {
    is_behind: AtomicBool,
    asked: Notify,
}

/// A record to write.
struct Write {
    about: About,
    value: Option<Value>,
    own: OwnWrite,
}

/// What a record is about. As text it is the record's key.
enum About {
    Status(StatusKey),
    Topic(ActiveTopic),
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(key) => key.fmt(f),
            Self::Topic(topic) => topic.fmt(f),
        }
    }
}

impl Statuses {
    /// Reads the topic, and follows it from now on.
    ///
    /// # Errors
    /// When the topic cannot be read to its end.
    pub(super) async fn start(
        mut store: Box<dyn BackingStore>,
        instance: &WorkerInstance,
        forgotten: ForgottenTopics,
    ) -> Result<Self> {
        let mut view = StatusView::new(&instance.0, forgotten);
        for record in store.start().await? {
            view.read(&record);
        }
        let view = Arc::new(Mutex::new(view));
        let (writes, waiting) = mpsc::channel(WAITING);
        let read = Arc::new(Notify::new());
        let behind = Arc::<Behind>::default();
        let following = Following {
            store,
            waiting,
            view: Arc::clone(&view),
            read: Arc::clone(&read),
            behind: Arc::clone(&behind),
            again: Vec::new(),
        };
        Ok(Self {
            view,
            writes,
            writing: tokio::spawn(following.run()),
            read,
            behind,
        })
    }

    /// The status of a connector or a task, whichever worker wrote it.
    pub(super) fn get(&self, key: &StatusKey) -> Option<Status> {
        lock(&self.view).get(key).cloned()
    }

    /// Reads the same, wherever it is.
    pub(super) fn reader(&self) -> StatusReader {
        StatusReader(Arc::clone(&self.view))
    }

    /// From now on this worker is behind, until it has read what is in the topic by now.
    pub(super) fn catch_up(&self) {
        self.behind.is_behind.store(true, Ordering::Release);
        self.behind.asked.notify_one();
    }

    /// Whether others may have written what is not read yet.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.is_behind.load(Ordering::Acquire)
    }

    /// Waits until another worker may have written. It may be cancelled.
    pub(super) async fn changed(&self) {
        self.read.notified().await;
    }

    /// A generation for a start that is about to be made: greater than all that were read or given.
    pub(super) fn next_generation(&self) -> u64 {
        lock(&self.view).next_generation()
    }

    /// Writes a status, unless another worker has written a newer one.
    pub(super) fn put(&self, key: StatusKey, mut status: Status) {
        // Here statuses leave: for the topic and for all who ask (Invariant 9).
        let texts = [&mut status.trace, &mut status.message, &mut status.plugins];
        for text in texts.into_iter().flatten() {
            *text = mask(std::mem::take(text)).into_owned();
        }
        let put = lock(&self.view).put(&key, &status);
        match put {
            Some(own) => {
                info!(%key, state = status.state.name(), generation = status.generation, "status");
                self.write(About::Status(key), Some(status.value()), own);
            }
            None => debug!(%key, "the status is not written: another worker has a newer one"),
        }
    }

    /// Changes the status of one start of a task of this worker, if that is the start that the
    /// status is about.
    pub(super) fn update(
        &self,
        id: &ConnectorTaskId,
        generation: u64,
        change: impl FnOnce(&mut Status),
    ) {
        let key = StatusKey::Task(id.clone());
        let of_start = |view: &StatusView| {
            let status = view.get(&key).filter(|s| s.generation == generation)?;
            view.is_own(status).then(|| status.clone())
        };
        let Some(before) = of_start(&lock(&self.view)) else {
            return;
        };
        let mut status = before.clone();
        change(&mut status);
        if status != before {
            self.put(key, status);
        }
    }

    /// Forgets the statuses of a connector's tasks from the given number on.
    pub(super) fn remove_tasks(&self, connector: &str, from: u32) {
        let keys = lock(&self.view).tasks_of(connector, from);
        keys.into_iter().for_each(|key| self.remove(key));
    }

    /// Forgets the status of a connector and those of its tasks.
    pub(super) fn remove_connector(&self, connector: &str) {
        self.remove(StatusKey::Connector(connector.to_owned()));
        self.remove_tasks(connector, 0);
        self.forget_topics(connector);
    }

    /// Writes that a task is active in a topic, unless that is known.
    pub(super) fn add_topic(&self, id: &ConnectorTaskId, topic: &str) {
        let active = ActiveTopic {
            connector: id.connector.clone(),
            topic: topic.to_owned(),
        };
        let put = {
            let mut view = lock(&self.view);
            let is_known = view.topics.has(&active);
            (!is_known).then(|| view.put_topic(&active, Stored::Active))
        };
        if let Some(own) = put {
            info!(task = %id, topic, "active in a topic");
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
            let value = active.value(id.task, now);
            self.write(About::Topic(active), Some(value), own);
        }
    }

    /// Forgets the topics of a connector. Its tasks tell of those that they are active in from now
    /// on.
    pub(super) fn forget_topics(&self, connector: &str) {
        self.retain_topics(|name| name != connector);
    }

    /// Forgets the topics of all connectors but those that the condition holds for.
    pub(super) fn retain_topics(&self, is_kept: impl Fn(&str) -> bool) {
        let gone = lock(&self.view).topics.of(|connector| !is_kept(connector));
        for topic in gone {
            let own = lock(&self.view).put_topic(&topic, Stored::Forgotten);
            self.write(About::Topic(topic), None, own);
        }
    }

    /// Forgets the statuses of what is not there.
    pub(super) fn retain(&self, is_there: impl Fn(&StatusKey) -> bool) {
        let keys = lock(&self.view).keys();
        let gone = keys.into_iter().filter(|key| !is_there(key));
        gone.for_each(|key| self.remove(key));
    }

    fn remove(&self, key: StatusKey) {
        let own = lock(&self.view).remove(&key);
        self.write(About::Status(key), None, own);
    }

    fn write(&self, about: About, value: Option<Value>, own: OwnWrite) {
        let write = Write { about, value, own };
        if let Err(full) = self.writes.try_send(write) {
            warn!(error = %full, "a status is not written: Kafka is too slow");
        }
    }

    /// Waits until what was put is written.
    pub(super) async fn finish(self) {
        drop(self.writes);
        if tokio::time::timeout(FINISH_TIMEOUT, self.writing)
            .await
            .is_err()
        {
            warn!("the last statuses were not written in time");
        }
    }
}

/// Writes what waits and reads what others write, until nobody can put a status any more.
struct Following {
    store: Box<dyn BackingStore>,
    waiting: mpsc::Receiver<Write>,
    view: Arc<Mutex<StatusView>>,
    read: Arc<Notify>,
    behind: Arc<Behind>,
    /// Statuses that older ones of other workers have come behind.
    again: Vec<Write>,
}

impl Following {
    async fn run(mut self) {
        loop {
            let mut writes = std::mem::take(&mut self.again);
            if writes.is_empty() {
                tokio::select! {
                    received = self.waiting.recv_many(&mut writes, AT_ONCE) => {
                        if received == 0 {
                            return;
                        }
                    }
                    record = self.store.next() => self.take_in(&[record]),
                    () = self.behind.asked.notified() => self.catch_up().await,
                }
            }
            if !writes.is_empty() {
                self.write(writes).await;
            }
            self.read.notify_one();
        }
    }

    /// Reads all that is in the topic by now. What others write meanwhile is on top of it.
    async fn catch_up(&mut self) {
        match self.store.read_to_end().await {
            Ok(read) => {
                self.take_in(&read);
                self.behind.is_behind.store(false, Ordering::Release);
            }
            Err(cause) => {
                warn!(error = %cause.chain(), "the statuses of others are not known yet; it is tried again");
                tokio::time::sleep(CATCH_UP_PAUSE).await;
                self.behind.asked.notify_one();
            }
        }
    }

    /// Takes in what was read, and notes the statuses that are to be written once more.
    fn take_in(&mut self, read: &[StoredRecord]) {
        let mut view = lock(&self.view);
        for record in read {
            if let Some((key, status)) = view.read(record)
                && let Some(own) = view.put(&key, &status)
            {
                warn!(%key, "another worker has written an older status; it is written once more");
                let (about, value) = (About::Status(key), Some(status.value()));
                self.again.push(Write { about, value, own });
            }
        }
    }

    /// Writes what waits in one go: were each waited for by itself, a crowd of connectors that are
    /// deleted would have their statuses removed when others of their names run already.
    async fn write(&mut self, writes: Vec<Write>) {
        let record = |Write { about, value, .. }: &Write| StoredRecord {
            key: about.to_string(),
            value: value.clone(),
        };
        let records = writes.iter().map(record).collect();
        match self.store.write_all(records).await {
            Ok(read) => {
                self.take_in(&read);
                let mut view = lock(&self.view);
                for Write { about, own, .. } in &writes {
                    match about {
                        About::Status(key) => view.written(key, *own),
                        About::Topic(topic) => view.topics.written(topic, *own),
                    }
                }
            }
            Err(cause) => {
                for Write { about, .. } in &writes {
                    warn!(key = %about, error = %cause.chain(), "could not write a status");
                }
            }
        }
    }
}

/// A view is whole after each of its changes, so one that a panic left behind can be used.
fn lock(view: &Mutex<StatusView>) -> MutexGuard<'_, StatusView> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}
