//! How far the demo's connectors are: what has landed, how fast, and what is still to be done.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::block_in_place;

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

    /// Whether all that is in the topics is done with. A topic that tells how far the clock is never
    /// rests.
    pub fn is_done(&self) -> bool {
        self.connectors()
            .all(|(_, connector, progress)| progress.lag == 0 || connector.inputs == [CLOCKED])
    }

    /// Looks how far each is now.
    pub async fn look(&mut self) -> Result<()> {
        // The client of Kafka waits for answers on the thread that it is called on.
        block_in_place(|| self.topics.read())?;
        let ask_for_state = self.asked.is_none_or(|at| at.elapsed() > STATE_INTERVAL);
        if ask_for_state {
            self.asked = Some(Instant::now());
        }
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
                Target::Answers(_) => self.facts.history.unwrap_or(0),
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
            match target {
                Target::Tables(_) => {
                    progress.state = database.state_entries(name).await?.unwrap_or(0);
                }
                Target::Topic(_) if ask_for_state && watched.offsets.is_some() => {
                    let entries = self.http.state_entries(name).await;
                    progress.state = entries.unwrap_or(progress.state);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// How often a rate is taken anew: over less it jumps.
const RATE_INTERVAL: Duration = Duration::from_millis(500);

/// A table on a terminal that is drawn again in its place.
pub struct Table {
    started: Instant,
    /// What the rates are counted from.
    before: Option<(Instant, Vec<u64>)>,
    rates: Vec<f64>,
    /// Lines of the last drawing.
    drawn: usize,
}

impl Table {
    /// A table that begins now.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            before: None,
            rates: Vec::new(),
            drawn: 0,
        }
    }

    /// Draws it, over what was drawn before.
    pub fn draw(&mut self, watch: &Watch) {
        let now = Instant::now();
        // What sends requests on reads no topic: its rate is that of what lands.
        let counts = watch
            .connectors()
            .map(|(_, _, progress)| progress.done.max(progress.landed));
        let counts: Vec<u64> = counts.collect();
        match &self.before {
            Some((at, before)) if now - *at >= RATE_INTERVAL => {
                let seconds = (now - *at).as_secs_f64();
                let rate =
                    |(now, before): (&u64, &u64)| now.saturating_sub(*before) as f64 / seconds;
                self.rates = counts.iter().zip(before).map(rate).collect();
                self.before = Some((now, counts));
            }
            Some(_) => {}
            None => self.before = Some((now, counts)),
        }
        let mut lines = vec![format!(
            "  {:<30} {:<32} {:>8} {:>10} {:>7} {:>6}",
            "connector", "target", "landed", "records/s", "lag", "state"
        )];
        let mut system = "";
        for (at, (of, connector, progress)) in watch.connectors().enumerate() {
            if of.name != system {
                system = of.name;
                lines.push(format!("  {system}"));
            }
            lines.push(line(connector, progress, self.rates.get(at).copied()));
        }
        lines.push(format!("  {:.1} s", self.started.elapsed().as_secs_f64()));
        // Up to where the last drawing began; each line ends what stood there.
        let up = match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A"),
        };
        let text: String = lines.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        self.drawn = lines.len();
        print!("{up}{text}");
    }
}

fn line(connector: &Connector, progress: Progress, rate: Option<f64>) -> String {
    let target = match connector.target {
        Target::Tables(tables) => tables[0].to_owned(),
        Target::Topic(name) => format!("topic {name}"),
        Target::Answers(name) => format!("answers of {name}"),
    };
    let rate = rate.map_or_else(|| "-".into(), |rate| format!("{rate:.0}"));
    let state = match progress.state {
        0 => "-".to_owned(),
        entries => entries.to_string(),
    };
    let lag = match connector.inputs {
        [] => "-".to_owned(),
        _ => progress.lag.to_string(),
    };
    format!(
        "    {:<28} {target:<32} {:>8} {rate:>10} {lag:>7} {state:>6}",
        connector.name, progress.landed,
    )
}
