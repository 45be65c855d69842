//! What every measurement runs against: a Kafka, a registry and a Postgres that syncs to disk.

use anyhow::{Context, Result};
use harness::kafka::TestKafka;
use harness::postgres::{TestDatabase, TestPostgres};
use harness::registry::TestRegistry;
use sqlx::{Connection, PgConnection};

use crate::options::Options;

/// The services and the command line's options.
pub struct Stand {
    /// The broker.
    pub kafka: TestKafka,
    /// The schema registry.
    pub registry: TestRegistry,
    /// The server of the database.
    pub postgres: TestPostgres,
    /// The database that is written to.
    pub database: TestDatabase,
    /// The command line's options.
    pub options: Options,
}

impl Stand {
    /// Starts the services.
    pub async fn start(options: Options) -> Result<Self> {
        let postgres = TestPostgres::start_durable().await?;
        Ok(Self {
            kafka: TestKafka::start().await?,
            registry: TestRegistry::start().await?,
            database: postgres.database("bench").await?,
            postgres,
            options,
        })
    }

    /// A connection of the superuser to the database.
    pub async fn superuser(&self) -> Result<PgConnection> {
        PgConnection::connect(&self.database.superuser_url())
            .await
            .context("cannot connect as the superuser")
    }

    /// The process of the Postgres server.
    pub async fn postgres_pid(&self) -> Result<u32> {
        self.postgres.pid().await.context("Postgres is not running")
    }
}
