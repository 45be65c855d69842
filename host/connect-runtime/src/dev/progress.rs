//! How far the demo's connectors are: what has landed, how fast, and what is still to be done.

use std::time::{Duration, Instant};

use crate::produce::generate::System;
use anyhow::Result;
use embedded::Database;
use tokio::task::block_in_place;

use super::Addresses;
use super::systems::{Connector, Target};
use super::topics::{GroupOffsets, Reader, TopicEnds};

/// How far a connector is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Progress {
    /// Rows or records in its target.
    pub landed: u64,
    /// Records of its topic that it has done with, the refused ones among them.
    pub done: u64,
    /// Records of its topic.
    pub records: u64,
    /// Entries that its plugins keep; none: they are not in Postgres.
    pub state: Option<u64>,
}

/// Looks how far connectors are.
pub struct Watch {
    watched: Vec<Watched>,
    database: Database,
}

struct Watched {
    connector: Connector,
    ends: TopicEnds,
    output: Option<OutputTopic>,
}

/// Tells how far the connector is that writes to a topic.
struct OutputTopic {
    output: Reader,
    offsets: GroupOffsets,
    landed: u64,
}

impl Watch {
    /// Of these connectors. Their topics are there.
    pub fn new(
        connectors: Vec<Connector>,
        addresses: &Addresses,
        database: Database,
    ) -> Result<Self> {
        let open = |connector: Connector| {
            let System {
                topic, partitions, ..
            } = connector.input;
            anyhow::Ok(Watched {
                connector,
                ends: TopicEnds::of(&addresses.kafka, topic, partitions)?,
                output: OutputTopic::open(&connector, addresses)?,
            })
        };
        let watched = connectors.into_iter().map(open).collect::<Result<_>>()?;
        Ok(Self { watched, database })
    }

    /// The connectors, in the order of what [`Watch::look`] gives.
    pub fn connectors(&self) -> impl Iterator<Item = &Connector> {
        self.watched.iter().map(|watched| &watched.connector)
    }

    /// How far each is now.
    pub async fn look(&mut self) -> Result<Vec<Progress>> {
        let mut all = Vec::new();
        for watched in &mut self.watched {
            let Connector {
                name,
                input,
                target,
            } = watched.connector;
            // The client of Kafka waits for answers on the thread that it is called on.
            let records = block_in_place(|| watched.ends.records())?;
            let (landed, done) = match (target, &mut watched.output) {
                (Target::Table(table), _) => (
                    self.database.count(table).await?.unwrap_or(0),
                    self.database.done(name, input.topic).await?,
                ),
                (_, Some(output)) => block_in_place(|| output.look())?,
                (_, None) => (0, 0),
            };
            let state = match target {
                Target::Table(_) => self.database.state_entries(name).await?,
                Target::Topic(..) => None,
            };
            all.push(Progress {
                landed,
                done,
                records,
                state,
            });
        }
        Ok(all)
    }

    /// The database, for other questions.
    pub fn database(&mut self) -> &mut Database {
        &mut self.database
    }
}

impl OutputTopic {
    /// None for a connector that writes to a table.
    fn open(connector: &Connector, addresses: &Addresses) -> Result<Option<Self>> {
        let Target::Topic(topic, partitions) = connector.target else {
            return Ok(None);
        };
        let group = format!("connect-{}", connector.name);
        let System {
            topic: from,
            partitions: of,
            ..
        } = connector.input;
        Ok(Some(Self {
            output: Reader::open(&addresses.kafka, topic, partitions)?,
            offsets: GroupOffsets::of(&addresses.kafka, &group, from, of)?,
            landed: 0,
        }))
    }

    /// What has landed, and what is done.
    fn look(&mut self) -> Result<(u64, u64)> {
        let done = self.offsets.done()?;
        let landed = &mut self.landed;
        self.output.read(Duration::ZERO, |_| *landed += 1)?;
        Ok((*landed, done))
    }
}

/// How often a rate is taken anew: over less it jumps.
const RATE_INTERVAL: Duration = Duration::from_millis(500);

/// A table on a terminal that is drawn again in its place.
pub struct Table {
    started: Instant,
    /// What the rates are counted from.
    before: Option<(Instant, Vec<Progress>)>,
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
    pub fn draw(&mut self, watch: &Watch, all: &[Progress]) {
        let now = Instant::now();
        match &self.before {
            Some((at, before)) if now - *at >= RATE_INTERVAL => {
                let seconds = (now - *at).as_secs_f64();
                let rate = |(now, before): (&Progress, &Progress)| {
                    now.done.saturating_sub(before.done) as f64 / seconds
                };
                self.rates = all.iter().zip(before).map(rate).collect();
                self.before = Some((now, all.to_vec()));
            }
            Some(_) => {}
            None => self.before = Some((now, all.to_vec())),
        }
        let mut lines = vec![format!(
            "  {:<30} {:<27} {:>9} {:>11} {:>8} {:>7}",
            "connector", "target", "landed", "records/s", "lag", "state"
        )];
        for (at, (connector, progress)) in watch.connectors().zip(all).enumerate() {
            lines.push(line(connector, *progress, self.rates.get(at).copied()));
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
        Target::Table(name) => name.to_owned(),
        Target::Topic(name, _) => format!("topic {name}"),
    };
    let rate = rate.map_or_else(|| "-".into(), |rate| format!("{rate:.0}"));
    let state = progress.state.filter(|entries| *entries > 0);
    let state = state.map_or_else(|| "-".into(), |entries| entries.to_string());
    format!(
        "  {:<30} {target:<27} {:>9} {rate:>11} {:>8} {state:>7}",
        connector.name,
        progress.landed,
        progress.records.saturating_sub(progress.done),
    )
}
