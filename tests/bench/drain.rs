//! One drain: a connector is POSTed, and the rows that land are counted by their offsets.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use harness::postgres::{TestDatabase, TestPostgres};
use harness::registry::TestRegistry;
use harness::worker::TestWorker;
use serde_json::{Value, json};

use crate::{Options, events, indexed, limit, meter};

/// How the events are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Plain JSON, without a schema.
    Json,
    /// Avro, with a registry.
    Avro,
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The encoding.
    pub format: Format,
    /// Into the table with all its indexes, or with its primary key alone.
    pub indexes: bool,
    /// Through the plugin `activity-event`.
    pub plugin: bool,
}

impl Case {
    /// What the report calls it.
    pub fn name(&self) -> String {
        let format = if self.format == Format::Json {
            "JSON"
        } else {
            "Avro"
        };
        let plugin = if self.plugin {
            "with a plugin"
        } else {
            "no plugin"
        };
        format!("{format}, {plugin}, {}", indexed(self.indexes))
    }

    fn connector(
        &self,
        name: &str,
        database: &TestDatabase,
        registry: &TestRegistry,
        tasks: i32,
    ) -> Value {
        let mut config = json!({
            "connector.class": "FerrulePostgresSink",
            "tasks.max": tasks.to_string(),
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "connection.url": database.jdbc_url(),
            "connection.user": "ferrule",
            "connection.password": "ferrule",
            "table.name.format": "drained",
            "insert.mode": "insert",
            "pk.mode": "none",
        });
        let mut set = |key: &str, value: &str| config[key] = json!(value);
        match self.format {
            Format::Json => {
                set("topics", events::JSON_TOPIC);
                set(
                    "value.converter",
                    "org.apache.kafka.connect.json.JsonConverter",
                );
                set("value.converter.schemas.enable", "false");
            }
            Format::Avro => {
                set("topics", events::AVRO_TOPIC);
                set("value.converter", "io.confluent.connect.avro.AvroConverter");
                set("value.converter.schema.registry.url", &registry.url());
            }
        }
        if self.plugin {
            set("transforms", "validate");
            set("transforms.validate.type", "activity-event");
        }
        json!({ "name": name, "config": config })
    }
}

/// What a run gave.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// From the first row to the last.
    pub rows_per_second: f64,
    /// CPU seconds of the worker per million rows.
    pub worker_cpu: Option<f64>,
    /// CPU seconds of Postgres per million rows.
    pub postgres_cpu: f64,
    /// MiB.
    pub peak_rss: Option<f64>,
    /// Seconds from the POST to the first visible row.
    pub first_row: Option<f64>,
}

/// What all cases share.
#[derive(Clone, Copy)]
pub struct Stand<'a> {
    /// The worker, warm.
    pub worker: &'a TestWorker,
    /// Its database.
    pub database: &'a TestDatabase,
    /// The server of the database.
    pub postgres: &'a TestPostgres,
    /// The registry.
    pub registry: &'a TestRegistry,
    /// The command line's options.
    pub options: &'a Options,
}

/// Drains the topic once.
pub async fn measure(case: &Case, stand: Stand<'_>) -> Result<Measured> {
    let Stand {
        worker,
        database,
        postgres,
        registry,
        options,
    } = stand;
    limit::create_table(database, "drained", case.indexes).await?;
    let name = harness::names::unique("bench");
    let pid = worker.pid().context("the worker is not running")?;
    let postgres_pid = postgres.pid().await.context("Postgres is not running")?;
    meter::reset_peak_rss(pid)?;
    let before = (
        meter::cpu_seconds(pid)?,
        meter::family_cpu_seconds(postgres_pid)?,
    );
    let posted = Instant::now();
    let connector = case.connector(&name, database, registry, options.tasks);
    worker.rest().create(&connector).await?;
    let (mut first, mut at_first) = (None, 0);
    let elapsed = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let rows = landed(database, &name).await?;
        if rows > 0 && first.is_none() {
            (first, at_first) = (Some(posted.elapsed()), rows);
        }
        if rows >= options.rows {
            break posted.elapsed();
        }
        let status = worker.rest().status(&name).await?.to_string();
        if status.contains("FAILED") {
            bail!("{}: {status}", case.name());
        }
        if posted.elapsed() > Duration::from_secs(300) {
            bail!("{}: {rows} rows landed in five minutes", case.name());
        }
    };
    let first = first.unwrap_or(elapsed);
    let after = (
        meter::cpu_seconds(pid)?,
        meter::family_cpu_seconds(postgres_pid)?,
    );
    let peak_rss = meter::peak_rss(pid)?;
    worker.rest().delete(&name).await?;
    let counted = database.count("drained").await?;
    anyhow::ensure!(
        counted as u64 == options.rows,
        "{counted} rows are in the table"
    );
    let millions = options.rows as f64 / 1e6;
    Ok(Measured {
        rows_per_second: (options.rows - at_first) as f64 / (elapsed - first).as_secs_f64(),
        worker_cpu: Some((after.0 - before.0) / millions),
        postgres_cpu: (after.1 - before.1) / millions,
        peak_rss: Some(peak_rss),
        first_row: Some(first.as_secs_f64()),
    })
}

/// Rows that are committed: every event is a row, and the offsets move with them.
async fn landed(database: &TestDatabase, connector: &str) -> Result<u64> {
    let query = format!(
        "SELECT coalesce(sum(next_offset), 0)::text FROM ferrule.offsets \
         WHERE connector = '{connector}'"
    );
    // The table is there once the connector has made it.
    match database.texts(&query).await {
        Ok(rows) => Ok(rows
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_default()
            .parse()
            .unwrap_or(0)),
        Err(_) => Ok(0),
    }
}
