//! The command line.

use anyhow::{Context, Result, bail};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Ferrule's drains beside the limit.
    Drain,
    /// The same beside Kafka Connect and faucet, and the end-to-end latency.
    Peers,
    /// Partitions, connectors, sizes and idleness.
    Scale,
    /// Several workers with hundreds of connectors.
    Cluster,
    /// A hostile neighbour on the same worker.
    Hostile,
    /// Requests to the HTTP source.
    Http,
    /// The IoT system on a small machine.
    Small,
}

/// The options of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is measured.
    pub part: Part,
    /// Events in the topic.
    pub rows: u64,
    /// Tasks of a connector, partitions of its topic and connections of the limit.
    pub tasks: i32,
    /// Connectors of a cluster.
    pub connectors: u32,
    /// Only cases whose name holds one of these texts.
    pub only: Vec<String>,
}

impl Options {
    /// Reads the arguments of this process.
    pub fn read() -> Result<Self> {
        let mut options = Self {
            part: Part::Drain,
            rows: 1_000_000,
            tasks: 3,
            connectors: 200,
            only: Vec::new(),
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "drain" => options.part = Part::Drain,
                "peers" => options.part = Part::Peers,
                "scale" => options.part = Part::Scale,
                "cluster" => options.part = Part::Cluster,
                "hostile" => options.part = Part::Hostile,
                "http" => options.part = Part::Http,
                "small" => options.part = Part::Small,
                "--rows" => options.rows = value()?.parse()?,
                "--tasks" => options.tasks = value()?.parse()?,
                "--connectors" => options.connectors = value()?.parse()?,
                "--only" => options.only.push(value()?),
                // Cargo passes it to every benchmark.
                "--bench" => {}
                _ => bail!("unknown argument {arg}; see tests/bench/README.md"),
            }
        }
        Ok(options)
    }

    /// Whether a case is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| name.contains(only.as_str()))
    }
}
