//! The databases of the example systems, beside that of `ferrule dev` itself.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use embedded::{Database, Postgres};

use super::systems::ExampleSystem;

/// The databases and users of all systems.
const DATABASES: &str = include_str!("../../../../sql/000_databases.sql");
/// Ferrule's own tables, which are beside those that it writes to.
const OWN_TABLES: &str = include_str!("../../../../sql/001_ferrule.sql");

/// A connection to the database of each system, as its user.
pub struct Databases(BTreeMap<&'static str, Database>);

impl Databases {
    /// Makes the databases and users of all systems, and the tables of these.
    pub async fn set_up(postgres: &Postgres, systems: &[&'static ExampleSystem]) -> Result<Self> {
        let mut own = Database::connect(postgres.url()).await?;
        own.apply(OWN_TABLES).await?;
        own.apply_made_statements(DATABASES).await?;
        let mut databases = BTreeMap::new();
        for system in systems {
            let url = system.database.url(postgres.addr());
            let mut database = Database::connect(&url).await?;
            for statements in [OWN_TABLES].iter().chain(system.tables) {
                let applied = database.apply(statements).await;
                applied.with_context(|| format!("the tables of {}", system.name))?;
            }
            databases.insert(system.name, database);
        }
        Ok(Self(databases))
    }

    /// That of a system.
    pub fn of(&mut self, system: &str) -> Result<&mut Database> {
        let database = self.0.get_mut(system);
        database.with_context(|| format!("no database of {system}"))
    }
}

#[cfg(test)]
mod tests {
    use embedded::PostgresOptions;

    use super::super::systems::SYSTEMS;
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn each_system_has_its_database_and_its_user() -> Result<()> {
        embedded::install_tls_provider();
        const ALL: &[ExampleSystem] = &SYSTEMS;
        let systems: Vec<_> = ALL.iter().collect();
        let postgres = Postgres::start(PostgresOptions {
            port: 0,
            ..PostgresOptions::default()
        })
        .await?;
        // A second time: what is there stays.
        for _ in 0..2 {
            let mut databases = Databases::set_up(&postgres, &systems).await?;
            for system in &systems {
                let database = databases.of(system.name)?;
                let who = "SELECT ARRAY[current_user::text, current_database()::text]";
                let expected = [system.database.user, system.database.name];
                assert_eq!(database.texts(who).await?, [expected]);
                let owned = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' \
                             AND tableowner = current_user";
                assert!(database.number(owned).await? > 0, "{}", system.name);
                assert_eq!(database.count("ferrule.offsets").await?, Some(0));
            }
        }
        postgres.stop().await?;
        Ok(())
    }
}
