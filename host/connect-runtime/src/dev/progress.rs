//! How far the demo's connectors are: what has landed, how fast, and what is still to be done.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::{JoinSet, block_in_place};

use super::Addresses;
use super::account::{CLOCKED, Facts};
use super::databases::Databases;
use super::http::Http;
use super::systems::{Connector, ExampleSystem, Target};
use super::topics::{GroupOffsets, Partition, Topics};
use crate::topics::file::Topic;

/// How often the worker is asked for the state of plugins that is not in Postgres.
const STATE_INTERVAL: Duration = Duration::from_secs(2);

/// How far a connector is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Rows or records in its target; answers that it gave with what was asked for.
    pub landed: u64,
    /// Records of its topics that it has done with, the refused ones among them.
    pub done: u64,
    /// Records of its topics that it has not done with.
    pub lag: u64,
    /// Entries that its plugins keep.
    pub state: u64,
}

/// A connector that was deployed.
pub struct Deployed {
    /// Which one.
    pub connector: &'static Connector,
    /// Of which system.
    pub system: &'static ExampleSystem,
    /// Its consumer group.
    pub group: String,
}

/// Looks how far connectors are.
pub struct Watch {
    /// What is known of their records.
    pub facts: Facts,
    /// The databases of their systems.
    pub databases: Databases,
    /// What is in the topics.
    pub topics: Topics,
    watched: Vec<Watched>,
    http: Http,
    /// Asks the worker for the entries of these connectors: it reads them out of Kafka, which takes
    /// a while. It ends with the watch.
    asking: JoinSet<Vec<(&'static str, Option<u64>)>>,
    asked: Option<Instant>,
}

struct Watched {
    deployed: Deployed,
    /// For one that writes to a topic.
    offsets: Option<GroupOffsets>,
    progress: Progress,
}

/// What a watch needs.
pub struct Watching<'a> {
    /// Where everything listens.
    pub addresses: &'a Addresses,
    /// The topics of the systems, which are there.
    pub topics: &'a [Topic],
    /// The worker's client.
    pub http: Http,
    /// What is known of the records.
    pub facts: Facts,
}

impl Watch {
    /// Of these connectors.
    pub fn new(
        deployed: Vec<Deployed>,
        databases: Databases,
        watching: Watching<'_>,
    ) -> Result<Self> {
        let Watching {
            addresses,
            topics,
            http,
            facts,
        } = watching;
        let open = |deployed: Deployed| {
            let inputs = deployed.connector.inputs;
            let offsets = match deployed.connector.target {
                Target::Topic(_) if !inputs.is_empty() => {
                    let group = &deployed.group;
                    Some(GroupOffsets::of(&addresses.kafka, group, topics, inputs)?)
                }
                _ => None,
            };
            anyhow::Ok(Watched {
                deployed,
                offsets,
                progress: Progress::default(),
            })
        };
        Ok(Self {
            facts,
            databases,
            topics: Topics::open(&addresses.kafka, topics)?,
            watched: deployed.into_iter().map(open).collect::<Result<_>>()?,
            http,
            asking: JoinSet::new(),
            asked: None,
        })
    }

    /// The connectors, with how far each was when it was looked at last.
    pub fn connectors(
        &self,
    ) -> impl Iterator<Item = (&'static ExampleSystem, &'static Connector, Progress)> + '_ {
        self.watched.iter().map(|it| {
            let Deployed {
                system, connector, ..
            } = it.deployed;
            (system, connector, it.progress)
        })
    }

    /// Whether all that is in the topics is done with. A topic that tells how far the clock is
    /// never rests.
    pub fn is_done(&self) -> bool {
        self.connectors()
            .all(|(_, connector, progress)| progress.lag == 0 || connector.inputs == [CLOCKED])
    }

    /// Looks how far each is now.
    pub async fn look(&mut self) -> Result<()> {
        // The client of Kafka waits for answers on the thread that it is called on.
        block_in_place(|| self.topics.read())?;
        self.ask_for_state();
        for watched in &mut self.watched {
            let Connector {
                name,
                inputs,
                target,
            } = *watched.deployed.connector;
            let database = self.databases.of(watched.deployed.system.name)?;
            let progress = &mut watched.progress;
            progress.landed = match target {
                Target::Tables(tables) => {
                    let mut rows = 0;
                    for table in tables {
                        rows += database.count(table).await?.unwrap_or(0);
                    }
                    rows
                }
                Target::Topic(topic) => self.facts.landed(topic, &self.topics.seen),
                Target::Answers(_) => self.facts.answered(name),
            };
            let committed: BTreeMap<Partition, i64> = match &watched.offsets {
                Some(offsets) => block_in_place(|| offsets.committed())?,
                None => {
                    let offsets = database.offsets(name).await?.into_iter();
                    offsets
                        .map(|it| ((it.topic, it.partition), it.next))
                        .collect()
                }
            };
            (progress.done, progress.lag) = (0, 0);
            for (partition, end) in &self.topics.seen.ends {
                if inputs.contains(&&*partition.0) {
                    let next = committed.get(partition).copied().unwrap_or(0).min(*end);
                    progress.done += u64::try_from(next).unwrap_or(0);
                    progress.lag += u64::try_from(end - next).unwrap_or(0);
                }
            }
            if let Target::Tables(_) = target {
                progress.state = database.state_entries(name).await?.unwrap_or(0);
            }
        }
        Ok(())
    }

    /// Takes what the worker has answered about state that is not in Postgres, and asks again.
    fn ask_for_state(&mut self) {
        if let Some(Ok(answers)) = self.asking.try_join_next() {
            for (name, entries) in answers {
                let mut watched = self.watched.iter_mut();
                let found = watched.find(|it| it.deployed.connector.name == name);
                if let (Some(watched), Some(entries)) = (found, entries) {
                    watched.progress.state = entries;
                }
            }
        }
        let is_due = self.asked.is_none_or(|at| at.elapsed() > STATE_INTERVAL);
        if !is_due || !self.asking.is_empty() {
            return;
        }
        self.asked = Some(Instant::now());
        let asked = self.watched.iter().filter(|it| it.offsets.is_some());
        let asked: Vec<_> = asked.map(|it| it.deployed.connector.name).collect();
        let http = self.http.clone();
        self.asking.spawn(async move {
            let mut answers = Vec::new();
            for name in asked {
                answers.push((name, http.state_entries(name).await));
            }
            answers
        });
    }
}
