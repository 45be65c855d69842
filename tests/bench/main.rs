//! Drains a topic into Postgres through `POST /connectors`, and in the same run measures the
//! limit: COPY of the same rows from prepared files. It reports; it asserts nothing about time.
//!
//! `make bench BENCH_ARGS='[--rows N] [--only SUBSTRING] [--tasks N]'`

mod drain;
mod events;
mod limit;
mod meter;

use anyhow::{Context, Result};
use harness::kafka::TestKafka;
use harness::postgres::TestPostgres;
use harness::registry::TestRegistry;
use harness::worker::{TestWorker, WorkerConfig};

use drain::{Case, Format, Measured};

/// The options of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Events in the topic.
    pub rows: u64,
    /// Tasks of the connector, partitions of the topic and connections of the limit.
    pub tasks: i32,
    /// Only cases whose name holds this text.
    pub only: Option<String>,
}

impl Options {
    fn read() -> Result<Self> {
        let mut options = Self {
            rows: 1_000_000,
            tasks: 3,
            only: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--rows" => options.rows = value()?.parse()?,
                "--tasks" => options.tasks = value()?.parse()?,
                "--only" => options.only = Some(value()?),
                // Cargo passes it to every benchmark.
                "--bench" => {}
                _ => anyhow::bail!("unknown argument {arg}; see tests/bench/README.md"),
            }
        }
        Ok(options)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::read()?;
    let kafka = TestKafka::start().await?;
    let registry = TestRegistry::start().await?;
    let postgres = TestPostgres::start_durable().await?;
    eprintln!("filling two topics with {} events each", options.rows);
    events::fill(&kafka, &registry, options.rows, options.tasks).await?;

    let config = WorkerConfig::new(&kafka.bootstrap())?;
    let worker = TestWorker::start(config).await?;
    let database = postgres.database("bench").await?;
    let mut limits = Vec::new();
    for indexes in [false, true] {
        eprintln!("measuring the limit, {}", indexed(indexes));
        limits.push(limit::measure(&database, &postgres, &options, indexes).await?);
    }

    let stand = drain::Stand {
        worker: &worker,
        database: &database,
        postgres: &postgres,
        registry: &registry,
        options: &options,
    };
    print_head();
    for (indexes, limit) in [false, true].into_iter().zip(&limits) {
        print_row(
            &format!("COPY from files, {}", indexed(indexes)),
            limit,
            limit,
        );
    }
    for case in cases() {
        if options
            .only
            .as_ref()
            .is_some_and(|only| !case.name().contains(only))
        {
            continue;
        }
        let measured = drain::measure(&case, stand);
        print_row(
            &case.name(),
            &measured.await?,
            &limits[usize::from(case.indexes)],
        );
    }
    Ok(())
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for indexes in [false, true] {
        for format in [Format::Json, Format::Avro] {
            for plugin in [false, true] {
                cases.push(Case {
                    format,
                    indexes,
                    plugin,
                });
            }
        }
    }
    cases
}

/// How a table is called in the report.
pub fn indexed(indexes: bool) -> &'static str {
    if indexes {
        "all indexes"
    } else {
        "primary key only"
    }
}

fn print_head() {
    println!(
        "| case | rows/s | of the limit | worker CPU s/M | Postgres CPU s/M | peak RSS MiB | first row s |"
    );
    println!("|---|---|---|---|---|---|---|");
}

fn print_row(name: &str, measured: &Measured, limit: &Measured) {
    let or_dash = |value: Option<f64>, digits: usize| {
        value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
    };
    println!(
        "| {name} | {:.0} | {:.2} | {} | {:.1} | {} | {} |",
        measured.rows_per_second,
        measured.rows_per_second / limit.rows_per_second,
        or_dash(measured.worker_cpu, 2),
        measured.postgres_cpu,
        or_dash(measured.peak_rss, 0),
        or_dash(measured.first_row, 2),
    );
}
