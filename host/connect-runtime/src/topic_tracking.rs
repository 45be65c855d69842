//! The topics that connectors are active in (KIP-558): a task tells of each that it reads from or
//! writes to, and the status topic keeps them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often topics of connectors were forgotten. A task that sees another count than before tells
/// of its topics anew.
#[derive(Clone, Debug, Default)]
pub struct ForgottenTopics(Arc<AtomicU64>);

impl ForgottenTopics {
    /// A topic of a connector was forgotten.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The topics that a task has told of.
#[derive(Debug, Default)]
pub struct ToldTopics {
    topics: BTreeSet<String>,
    forgotten: u64,
}

impl ToldTopics {
    /// Whether the task is to tell of a topic that it is active in. It is taken for told then.
    pub fn is_news(&mut self, topic: &str, forgotten: &ForgottenTopics) -> bool {
        let count = forgotten.count();
        if count != self.forgotten {
            self.forgotten = count;
            self.topics.clear();
        }
        !self.topics.contains(topic) && self.topics.insert(topic.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_told_once_and_anew_when_topics_were_forgotten() {
        let (forgotten, mut told) = (ForgottenTopics::default(), ToldTopics::default());
        assert!(told.is_news("a", &forgotten));
        assert!(!told.is_news("a", &forgotten));
        assert!(told.is_news("b", &forgotten));
        forgotten.clone().add();
        assert!(told.is_news("a", &forgotten));
        assert!(!told.is_news("a", &forgotten));
    }
}
