//! The topics that connectors are active in, as the status topic says them, with this worker's own
//! latest writes on top. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::view::OwnWrite;
use crate::storage::ActiveTopic;
use crate::topic_tracking::ForgottenTopics;

/// The topics of all connectors.
#[derive(Debug, Default)]
pub(super) struct TopicView {
    read: BTreeSet<ActiveTopic>,
    unread: BTreeMap<ActiveTopic, Own>,
    forgotten: ForgottenTopics,
}

/// The latest write of this worker.
#[derive(Debug)]
struct Own {
    stored: Stored,
    write: OwnWrite,
}

/// What a record says of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// The connector is active in it.
    Active,
    /// It is not, or that was reset: a tombstone.
    Forgotten,
}

impl TopicView {
    pub(super) fn new(forgotten: ForgottenTopics) -> Self {
        Self {
            forgotten,
            ..Self::default()
        }
    }

    /// Takes in a record of the topic.
    pub(super) fn read(&mut self, topic: ActiveTopic, stored: Stored) {
        match stored {
            Stored::Active => {
                self.read.insert(topic);
            }
            Stored::Forgotten => {
                if self.read.remove(&topic) {
                    self.forgotten.add();
                }
            }
        }
    }

    /// Takes in a record that this worker is about to write.
    pub(super) fn put(&mut self, topic: ActiveTopic, stored: Stored, write: OwnWrite) {
        self.unread.insert(topic, Own { stored, write });
        if stored == Stored::Forgotten {
            self.forgotten.add();
        }
    }

    /// A write was read back: from now on the topic has the say, unless there is a later write.
    pub(super) fn written(&mut self, topic: &ActiveTopic, write: OwnWrite) {
        if self.unread.get(topic).is_some_and(|own| own.write == write) {
            self.unread.remove(topic);
        }
    }

    pub(super) fn has(&self, topic: &ActiveTopic) -> bool {
        match self.unread.get(topic) {
            Some(own) => own.stored == Stored::Active,
            None => self.read.contains(topic),
        }
    }

    /// The topics of all connectors that the condition holds for.
    pub(super) fn of(&self, connector: impl Fn(&str) -> bool) -> Vec<ActiveTopic> {
        let all: BTreeSet<&ActiveTopic> = self.read.iter().chain(self.unread.keys()).collect();
        let own = all
            .into_iter()
            .filter(|topic| connector(&topic.connector) && self.has(topic));
        own.cloned().collect()
    }

    /// The names of a connector's topics.
    pub(super) fn names(&self, connector: &str) -> Vec<String> {
        let first = ActiveTopic {
            connector: connector.to_owned(),
            topic: String::new(),
        };
        let own = |topic: &&ActiveTopic| topic.connector == connector;
        let read = self.read.range(first.clone()..).take_while(own);
        let unread = self.unread.range(first..).map(|(topic, _)| topic);
        let all: BTreeSet<&ActiveTopic> = read.chain(unread.take_while(own)).collect();
        let active = all.into_iter().filter(|topic| self.has(topic));
        active.map(|active| active.topic.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic_tracking::ToldTopics;

    fn topic(connector: &str, topic: &str) -> ActiveTopic {
        ActiveTopic {
            connector: connector.into(),
            topic: topic.into(),
        }
    }

    #[test]
    fn own_writes_are_seen_before_they_are_read_back_and_others_afterwards() {
        let mut view = TopicView::default();
        view.put(topic("c", "t"), Stored::Active, OwnWrite(1));
        view.put(topic("c", "t"), Stored::Forgotten, OwnWrite(2));
        // The first is read back while the tombstone is still on its way.
        view.read(topic("c", "t"), Stored::Active);
        view.written(&topic("c", "t"), OwnWrite(1));
        assert!(view.names("c").is_empty());
        view.read(topic("c", "t"), Stored::Forgotten);
        view.written(&topic("c", "t"), OwnWrite(2));
        assert!(view.names("c").is_empty());
        view.read(topic("c", "t"), Stored::Active);
        assert_eq!(view.names("c"), ["t"]);
    }

    #[test]
    fn topics_are_found_by_their_connector_alone() {
        let mut view = TopicView::default();
        for (connector, name) in [("a", "t2"), ("a", "t1"), ("a-b", "t"), ("b", "t")] {
            view.read(topic(connector, name), Stored::Active);
        }
        view.put(topic("a", "t0"), Stored::Active, OwnWrite(1));
        assert_eq!(view.names("a"), ["t0", "t1", "t2"]);
        assert!(view.names("").is_empty());
        assert_eq!(view.of(|name| name != "a").len(), 2);
    }

    #[test]
    fn tasks_tell_anew_of_what_another_worker_has_forgotten() {
        let forgotten = ForgottenTopics::default();
        let mut view = TopicView::new(forgotten.clone());
        let mut told = ToldTopics::default();
        assert!(told.is_news("t", &forgotten));
        view.read(topic("c", "t"), Stored::Active);
        assert!(!told.is_news("t", &forgotten));
        view.read(topic("c", "t"), Stored::Forgotten);
        assert!(told.is_news("t", &forgotten));
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for (connector, name) in [("a-b:c", "t.1_x"), ("connector-", "status-topic-")] {
            let written = topic(connector, name);
            assert_eq!(ActiveTopic::from_key(&written.to_string()), Some(written));
        }
        for key in ["status-topic-t", "status-task-a-0", "status-topic-t:a"] {
            assert_eq!(ActiveTopic::from_key(key), None, "{key}");
        }
    }
}
