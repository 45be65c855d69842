//! The statuses of all connectors and tasks of the cluster, as the status topic says them, and the
//! task that writes those of this worker.

mod view;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use connect_api::{Result, mask};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use super::placement::WorkerInstance;
use crate::storage::{BackingStore, ConnectorTaskId, Status, StatusKey, StoredRecord};
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
}

/// Whether the topic is to be read to its end before what was read is relied upon.
#[derive(Default)]
struct Behind {
    is_behind: AtomicBool,
    asked: Notify,
}

/// A record to write.
struct Write {
    key: StatusKey,
    status: Option<Status>,
    own: OwnWrite,
}

impl Statuses {
    /// Reads the topic, and follows it from now on.
    ///
    /// # Errors
    /// When the topic cannot be read to its end.
    pub(super) async fn start(
        mut store: Box<dyn BackingStore>,
        instance: &WorkerInstance,
    ) -> Result<Self> {
        let mut view = StatusView::new(&instance.0);
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
                self.write(key, Some(status), own);
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
    }

    /// Forgets the statuses of what is not there.
    pub(super) fn retain(&self, is_there: impl Fn(&StatusKey) -> bool) {
        let keys = lock(&self.view).keys();
        let gone = keys.into_iter().filter(|key| !is_there(key));
        gone.for_each(|key| self.remove(key));
    }

    fn remove(&self, key: StatusKey) {
        let own = lock(&self.view).remove(&key);
        self.write(key, None, own);
    }

    fn write(&self, key: StatusKey, status: Option<Status>, own: OwnWrite) {
        let write = Write { key, status, own };
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
                let status = Some(status);
                self.again.push(Write { key, status, own });
            }
        }
    }

    /// Writes what waits in one go: were each waited for by itself, a crowd of connectors that are
    /// deleted would have their statuses removed when others of their names run already.
    async fn write(&mut self, writes: Vec<Write>) {
        let record = |Write { key, status, .. }: &Write| StoredRecord {
            key: key.to_string(),
            value: status.as_ref().map(Status::value),
        };
        let records = writes.iter().map(record).collect();
        match self.store.write_all(records).await {
            Ok(read) => {
                self.take_in(&read);
                let mut view = lock(&self.view);
                for Write { key, own, .. } in &writes {
                    view.written(key, *own);
                }
            }
            Err(cause) => {
                for Write { key, .. } in &writes {
                    warn!(%key, error = %cause.chain(), "could not write a status");
                }
            }
        }
    }
}

/// A view is whole after each of its changes, so one that a panic left behind can be used.
fn lock(view: &Mutex<StatusView>) -> MutexGuard<'_, StatusView> {
    view.lock().unwrap_or_else(PoisonError::into_inner)
}
