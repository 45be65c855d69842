//! The statuses that the status topic adds up to, and those that this worker has put and not yet
//! read back. Pure.

use std::collections::BTreeMap;

use tracing::debug;

use super::topics::{Stored, TopicView};
use crate::storage::{ActiveTopic, ConnectorTaskId, Status, StatusKey, StoredRecord};
use crate::topic_tracking::ForgottenTopics;

/// What the status topic says, with this worker's own latest writes on top.
#[derive(Debug, Default)]
pub(super) struct StatusView {
    /// Which start of a worker this is.
    instance: String,
    read: BTreeMap<StatusKey, Status>,
    unread: BTreeMap<StatusKey, Own>,
    generation: u64,
    writes: u64,
    /// The topics that connectors are active in.
    pub(super) topics: TopicView,
}

/// Identifies one write of this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OwnWrite(pub(super) u64);

/// The latest write of this worker; none: a tombstone.
#[derive(Debug)]
struct Own {
    status: Option<Status>,
    write: OwnWrite,
}

impl StatusView {
    /// A view of this start of a worker.
    pub(super) fn new(instance: &str, forgotten: ForgottenTopics) -> Self {
        Self {
            instance: instance.to_owned(),
            topics: TopicView::new(forgotten),
            ..Self::default()
        }
    }

    /// Takes in a record of the topic. One of an older generation is ignored, unless it is of the
    /// same worker. Where such a one has come behind a status of this worker, which compaction may
    /// then remove, that status is to be written once more.
    pub(super) fn read(&mut self, record: &StoredRecord) -> Option<(StatusKey, Status)> {
        if let Some(topic) = ActiveTopic::from_key(&record.key) {
            let stored = match record.value {
                Some(_) => Stored::Active,
                None => Stored::Forgotten,
            };
            self.topics.read(topic, stored);
            return None;
        }
        let key = StatusKey::from_key(&record.key)?;
        let Some(value) = &record.value else {
            self.read.remove(&key);
            return None;
        };
        let Some(status) = Status::from_value(value) else {
            debug!(%key, "a status that is not understood is passed over");
            return None;
        };
        self.generation = self.generation.max(status.generation);
        let known = self.read.get(&key);
        let Some(newer) = known.filter(|known| !status.may_replace(known)) else {
            self.read.insert(key, status);
            return None;
        };
        let is_last = self.is_own(newer) && !self.unread.contains_key(&key);
        let newer = newer.clone();
        is_last.then_some((key, newer))
    }

    /// The status of a connector or a task.
    pub(super) fn get(&self, key: &StatusKey) -> Option<&Status> {
        let read = self.read.get(key);
        match (self.unread.get(key), read) {
            (None, read) => read,
            (Some(own), None) => own.status.as_ref(),
            (Some(own), Some(read)) => {
                let newer = |own: &&Status| own.may_replace(read);
                own.status
                    .as_ref()
                    .map(|own| Some(own).filter(newer).unwrap_or(read))
            }
        }
    }

    /// Whether this worker has written the status.
    pub(super) fn is_own(&self, status: &Status) -> bool {
        status.instance.as_deref() == Some(&self.instance)
    }

    /// A generation greater than all that were read or given.
    pub(super) fn next_generation(&mut self) -> u64 {
        // One that was read may be anything.
        self.generation = self.generation.saturating_add(1);
        self.generation
    }

    /// Takes in a status that this worker is about to write. None when it must not be written: it
    /// is of an older generation than that of another worker.
    pub(super) fn put(&mut self, key: &StatusKey, status: &Status) -> Option<OwnWrite> {
        if self.get(key).is_some_and(|old| !status.may_replace(old)) {
            return None;
        }
        Some(self.own(key, Some(status.clone())))
    }

    /// Forgets a status; the tombstone is about to be written.
    pub(super) fn remove(&mut self, key: &StatusKey) -> OwnWrite {
        self.own(key, None)
    }

    fn own(&mut self, key: &StatusKey, status: Option<Status>) -> OwnWrite {
        let write = self.next_write();
        self.unread.insert(key.clone(), Own { status, write });
        write
    }

    fn next_write(&mut self) -> OwnWrite {
        self.writes += 1;
        OwnWrite(self.writes)
    }

    /// Takes in what this worker is about to write of a topic.
    pub(super) fn put_topic(&mut self, topic: &ActiveTopic, stored: Stored) -> OwnWrite {
        let write = self.next_write();
        self.topics.put(topic.clone(), stored, write);
        write
    }

    /// A write was read back: from now on the topic has the say, unless there is a later write.
    pub(super) fn written(&mut self, key: &StatusKey, write: OwnWrite) {
        if self.unread.get(key).is_some_and(|own| own.write == write) {
            self.unread.remove(key);
        }
    }

    /// All that have a status.
    pub(super) fn keys(&self) -> Vec<StatusKey> {
        let mut keys: Vec<StatusKey> = self
            .read
            .keys()
            .chain(self.unread.keys())
            .cloned()
            .collect();
        keys.sort();
        keys.dedup();
        keys.retain(|key| self.get(key).is_some());
        keys
    }

    /// The tasks of a connector that have a status, from the given number on.
    pub(super) fn tasks_of(&self, connector: &str, from: u32) -> Vec<StatusKey> {
        let first = StatusKey::Task(ConnectorTaskId::new(connector, from));
        let of_connector = |key: &&StatusKey| key.connector() == connector;
        let read = self.read.range(first.clone()..).map(|(key, _)| key);
        let unread = self.unread.range(first..).map(|(key, _)| key);
        let mut keys: Vec<StatusKey> = read
            .take_while(of_connector)
            .chain(unread.take_while(of_connector))
            .filter(|key| self.get(key).is_some())
            .cloned()
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::storage::State;

    fn key() -> StatusKey {
        StatusKey::Task(ConnectorTaskId::new("a-b", 0))
    }

    fn status(worker: &str, generation: u64, state: State) -> Status {
        Status {
            state,
            trace: None,
            message: None,
            worker_id: worker.into(),
            generation,
            version: None,
            plugins: None,
            restarts: 0,
            next_restart: None,
            instance: None,
        }
    }

    fn record(status: &Status) -> StoredRecord {
        StoredRecord {
            key: key().to_string(),
            value: Some(status.value()),
        }
    }

    fn tombstone() -> StoredRecord {
        StoredRecord {
            key: key().to_string(),
            value: None,
        }
    }

    #[test]
    fn a_status_is_read_as_it_is_written() {
        let mut written = status("w1:8083", 7, State::Failed);
        written.trace = Some("why\n\tat x\n".into());
        written.message = Some("waits".into());
        written.version = Some("1".into());
        written.plugins = Some("p".into());
        written.restarts = 3;
        written.next_restart = Some("2026-01-01T00:00:00Z".into());
        written.instance = Some("w1:8083/1".into());
        let mut view = StatusView::default();
        view.read(&record(&written));
        assert_eq!(view.get(&key()), Some(&written));
    }

    #[test]
    fn what_other_workers_write_is_seen() {
        let mut view = StatusView::default();
        for state in [State::Unassigned, State::Running, State::Paused] {
            let theirs = status("w2:8083", 3, state);
            view.read(&record(&theirs));
            assert_eq!(view.get(&key()), Some(&theirs));
        }
        view.read(&tombstone());
        assert_eq!(view.get(&key()), None);
    }

    #[test]
    fn an_older_generation_of_another_worker_is_ignored() {
        let mut view = StatusView::default();
        let newer = status("w2:8083", 5, State::Running);
        view.read(&record(&newer));
        view.read(&record(&status("w1:8083", 4, State::Unassigned)));
        assert_eq!(view.get(&key()), Some(&newer));
        for (worker, generation) in [("w2:8083", 4), ("w1:8083", 5), ("w1:8083", 6)] {
            let mut view = StatusView::default();
            view.read(&record(&newer));
            let replaces = status(worker, generation, State::Unassigned);
            view.read(&record(&replaces));
            assert_eq!(view.get(&key()), Some(&replaces), "{worker} {generation}");
        }
    }

    #[test]
    fn workers_of_one_address_are_told_apart() {
        let of = |instance: &str, generation| Status {
            instance: Some(instance.into()),
            ..status("w:8083", generation, State::Running)
        };
        let mut view = StatusView::default();
        let newer = of("w:8083/1", 5);
        view.read(&record(&newer));
        view.read(&record(&of("w:8083/2", 4)));
        assert_eq!(view.get(&key()), Some(&newer));
        let own = of("w:8083/1", 4);
        view.read(&record(&own));
        assert_eq!(view.get(&key()), Some(&own));
    }

    #[test]
    fn a_status_that_an_older_one_has_come_behind_is_written_once_more() {
        let mut view = StatusView::new("w1:8083/1", ForgottenTopics::default());
        let mut own = status("w1:8083", 5, State::Running);
        own.instance = Some("w1:8083/1".into());
        assert_eq!(view.read(&record(&own)), None);
        let late = record(&status("w2:8083", 4, State::Unassigned));
        assert_eq!(view.read(&late), Some((key(), own.clone())));
        // What is on its way comes behind it anyway.
        let write = view.put(&key(), &own).unwrap();
        assert_eq!(view.read(&late), None);
        view.written(&key(), write);
        // That of a third is a matter of the third.
        view.read(&record(&status("w3:8083", 6, State::Running)));
        assert_eq!(view.read(&late), None);
    }

    #[test]
    fn an_older_generation_is_not_put_over_that_of_another_worker() {
        let mut view = StatusView::default();
        let theirs = status("w2:8083", 5, State::Running);
        view.read(&record(&theirs));
        let late = status("w1:8083", 4, State::Unassigned);
        assert_eq!(view.put(&key(), &late), None);
        assert_eq!(view.get(&key()), Some(&theirs));
        assert!(
            view.put(&key(), &status("w1:8083", 6, State::Running))
                .is_some()
        );
    }

    #[test]
    fn an_own_status_is_seen_before_it_is_read_back() {
        let mut view = StatusView::default();
        let (first, second) = (
            status("w1:8083", 1, State::Unassigned),
            status("w1:8083", 1, State::Running),
        );
        let write_of_first = view.put(&key(), &first).unwrap();
        let write_of_second = view.put(&key(), &second).unwrap();
        // The first is read back while the second is still on its way.
        view.read(&record(&first));
        view.written(&key(), write_of_first);
        assert_eq!(view.get(&key()), Some(&second));
        view.read(&record(&second));
        view.written(&key(), write_of_second);
        assert_eq!(view.get(&key()), Some(&second));
        // From now on others have the say.
        let theirs = status("w2:8083", 2, State::Running);
        view.read(&record(&theirs));
        assert_eq!(view.get(&key()), Some(&theirs));
    }

    #[test]
    fn a_newer_status_of_another_worker_is_seen_while_an_own_one_is_on_its_way() {
        let mut view = StatusView::default();
        view.put(&key(), &status("w1:8083", 1, State::Unassigned));
        let theirs = status("w2:8083", 2, State::Running);
        view.read(&record(&theirs));
        assert_eq!(view.get(&key()), Some(&theirs));
    }

    #[test]
    fn generations_go_on_above_all_that_were_read() {
        let mut view = StatusView::default();
        assert_eq!(view.next_generation(), 1);
        view.read(&record(&status("w2:8083", 40, State::Running)));
        view.read(&record(&status("w3:8083", 12, State::Running)));
        assert_eq!(view.next_generation(), 41);
        assert_eq!(view.next_generation(), 42);
    }

    #[test]
    fn tasks_are_found_by_their_connector_alone() {
        let mut view = StatusView::default();
        let running = status("w1:8083", 1, State::Running);
        for (name, task) in [("a", 0), ("a", 1), ("a", 10), ("a-b", 0), ("b", 2)] {
            let key = StatusKey::Task(ConnectorTaskId::new(name, task));
            view.read(&StoredRecord {
                key: key.to_string(),
                value: Some(running.value()),
            });
        }
        let of = |task| StatusKey::Task(ConnectorTaskId::new("a", task));
        assert_eq!(view.tasks_of("a", 1), [of(1), of(10)]);
        view.remove(&of(10));
        view.put(&of(2), &running);
        assert_eq!(view.tasks_of("a", 1), [of(1), of(2)]);
    }

    #[test]
    fn records_that_are_not_understood_are_passed_over() {
        let mut view = StatusView::default();
        let running = status("w1:8083", 1, State::Running);
        view.read(&record(&running));
        for value in [
            json!({}),
            json!({ "state": "DESTROYED", "worker_id": "w", "generation": 9 }),
            json!({ "state": "RUNNING", "worker_id": "w" }),
            json!("RUNNING"),
        ] {
            view.read(&StoredRecord {
                key: key().to_string(),
                value: Some(value),
            });
        }
        view.read(&StoredRecord {
            key: "status-topic-t:connector-a".into(),
            value: Some(json!({})),
        });
        assert_eq!(view.get(&key()), Some(&running));
    }
}
