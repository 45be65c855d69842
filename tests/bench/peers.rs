//! The drains of one topic side by side: the limit, Ferrule, and the others.

use std::collections::HashMap;

use anyhow::{Context, Result};

use crate::contender::Contender::{self, Connect, Faucet, Ferrule};
use crate::contender::Settings;
use crate::drain::{self, Case};
use crate::events::Format::{self, Avro, Json, JsonSchema, JsonWithSchema, Protobuf};
use crate::events::fill::Topic;
use crate::limit::Files;
use crate::stand::Stand;
use crate::table;
use crate::target::Target;

/// A row of the table.
struct Entry {
    contender: Contender,
    format: Format,
    target: Target,
    /// What is not as by default, in words and in settings.
    how: &'static str,
    settings: Settings,
    tasks: Option<i32>,
}

impl Entry {
    fn name(&self) -> String {
        let who = match self.contender {
            Ferrule => "Ferrule",
            Connect => "Kafka Connect",
            Faucet => "faucet",
        };
        let (format, target) = (self.format.name(), self.target.name());
        format!("{who}, {}{format}, {target}", self.how)
    }
}

const INSERT: Target = Target {
    indexes: true,
    upsert: false,
};
const PLAIN_INSERT: Target = Target {
    indexes: false,
    upsert: false,
};
const UPSERT: Target = Target {
    indexes: true,
    upsert: true,
};
const PLAIN_UPSERT: Target = Target {
    indexes: false,
    upsert: true,
};
const TARGETS: [Target; 4] = [PLAIN_INSERT, INSERT, PLAIN_UPSERT, UPSERT];

const PLUGIN: Settings = &[
    ("transforms", "validate"),
    ("transforms.validate.type", "activity-event"),
    // In Avro it is text.
    ("transforms.validate.rules.properties", "false"),
];

/// More rows in a transaction, for more memory.
const LARGE: Settings = &[
    ("consumer.override.max.poll.records", "8000"),
    ("worker.ferrule.task.buffer.bytes", "16777216"),
];

/// Large polls of large fetches, and many rows in one statement.
const REWRITTEN: Settings = &[
    ("driver", "reWriteBatchedInserts=true"),
    ("batch.size", "3000"),
    ("consumer.override.max.poll.records", "3000"),
    ("consumer.override.fetch.min.bytes", "262144"),
    ("consumer.override.max.partition.fetch.bytes", "4194304"),
];

/// The same with one array a column. It cannot write array columns, so they are left out.
const UNNEST: Settings = &[
    ("dialect.postgres.unnest.insert.enabled", "true"),
    ("batch.size", "3000"),
    ("consumer.override.max.poll.records", "3000"),
    ("consumer.override.fetch.min.bytes", "262144"),
    ("consumer.override.max.partition.fetch.bytes", "4194304"),
    (
        "field.exclude.list",
        "associated_track_ids,associated_kb_ids",
    ),
];

/// Measures and prints the limits and Ferrule, and the others when `peers`.
pub async fn report(stand: &Stand, peers: bool) -> Result<()> {
    let mut entries = ferrule(peers);
    if peers {
        entries.extend(others());
    }
    entries.retain(|entry| stand.options.wants(&entry.name()));
    if entries.is_empty() {
        return Ok(());
    }
    let mut topics: HashMap<&str, Topic> = HashMap::new();
    for entry in &entries {
        if !topics.contains_key(entry.format.name()) {
            let topic = Topic::new(entry.format, stand.options.tasks, stand.options.rows);
            eprintln!(
                "filling a topic with {} events as {}",
                topic.rows,
                entry.format.name()
            );
            topic.fill(stand).await?;
            topics.insert(entry.format.name(), topic);
        }
    }
    let limits = limits(stand, &entries).await?;
    for entry in &entries {
        let case = Case {
            contender: entry.contender,
            topic: &topics[entry.format.name()],
            table: "drained",
            target: entry.target,
            tasks: entry.tasks.unwrap_or(stand.options.tasks),
            connectors: 1,
            settings: entry.settings,
        };
        let measured = drain::measure(stand, &case).await.context(entry.name());
        let limit = limits.iter().find(|limit| limit.0 == entry.target);
        match measured {
            Ok(measured) => table::drained(&entry.name(), &measured, limit.map(|limit| limit.1)),
            // The others' figures are worth having all the same.
            Err(error) => println!("\n{error:#}\n"),
        }
    }
    if peers {
        println!(
            "\n* without the columns associated_track_ids and associated_kb_ids: unnest writes no arrays"
        );
    }
    Ok(())
}

/// Measures the limit of every target that occurs, in rows a second.
async fn limits(stand: &Stand, entries: &[Entry]) -> Result<Vec<(Target, f64)>> {
    eprintln!("preparing files for COPY");
    let files = Files::prepare(stand).await?;
    let title = format!(
        "{} events, {} tasks",
        stand.options.rows, stand.options.tasks
    );
    table::head(&title, &table::DRAIN);
    let mut limits = Vec::new();
    for target in TARGETS {
        if entries.iter().any(|entry| entry.target == target) {
            let measured = files.measure(stand, target).await?;
            let limit = measured.rows_per_second;
            table::drained(
                &format!("limit, COPY from files, {}", target.name()),
                &measured,
                Some(limit),
            );
            limits.push((target, limit));
        }
    }
    Ok(limits)
}

/// Ferrule's cases.
fn ferrule(peers: bool) -> Vec<Entry> {
    let entry = |format, target, how, settings| Entry {
        contender: Ferrule,
        format,
        target,
        how,
        settings,
        tasks: None,
    };
    let mut entries = Vec::new();
    for target in [PLAIN_INSERT, INSERT] {
        for format in [Json, Avro] {
            entries.push(entry(format, target, "", &[]));
            entries.push(entry(format, target, "with a plugin, ", PLUGIN));
        }
        entries.push(entry(Avro, target, "large transactions, ", LARGE));
    }
    entries.push(entry(JsonSchema, PLAIN_INSERT, "", &[]));
    entries.push(entry(Protobuf, PLAIN_INSERT, "", &[]));
    if peers {
        entries.push(entry(JsonWithSchema, INSERT, "", &[]));
    }
    for target in [PLAIN_UPSERT, UPSERT] {
        entries.push(entry(Avro, target, "", &[]));
        entries.push(entry(Avro, target, "large transactions, ", LARGE));
    }
    entries
}

fn others() -> Vec<Entry> {
    let entry = |format, target, how, settings| Entry {
        contender: Connect,
        format,
        target,
        how,
        settings,
        tasks: None,
    };
    let faucet = |target| Entry {
        contender: Faucet,
        ..entry(Json, target, "COPY*, ", &[])
    };
    let default = |format| Entry {
        tasks: Some(1),
        ..entry(format, INSERT, "defaults, ", &[])
    };
    vec![
        default(Avro),
        default(JsonWithSchema),
        entry(Avro, INSERT, "rewritten batches, ", REWRITTEN),
        entry(Avro, INSERT, "unnest*, ", UNNEST),
        entry(JsonWithSchema, INSERT, "rewritten batches, ", REWRITTEN),
        entry(Avro, PLAIN_INSERT, "rewritten batches, ", REWRITTEN),
        entry(Avro, PLAIN_INSERT, "unnest*, ", UNNEST),
        entry(Avro, UPSERT, "rewritten batches, ", REWRITTEN),
        entry(Avro, UPSERT, "unnest*, ", UNNEST),
        entry(Avro, PLAIN_UPSERT, "unnest*, ", UNNEST),
        faucet(PLAIN_INSERT),
        faucet(INSERT),
    ]
}
