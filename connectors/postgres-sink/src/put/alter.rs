//! Makes the tables ready for a put's records: reads those that are new, and creates and extends
//! them where `auto.create` and `auto.evolve` say so.
//!
//! What defines tables is a transaction of its own before that of the rows, so no rows wait for its
//! locks, and a repetition finds it done. Tasks that come to it at once go one after another.

mod define;

use std::sync::Arc;

use connect_api::{Error, ErrorKind, Result, SinkRecord};
use sqlx::Executor as _;

use super::batch::{position, wanted};
use super::part::Part;
use super::{Put, Writer, timed};
use crate::config::PostgresSinkConfig;
use crate::error::{Policy, policy_of, to_error};
use crate::letters::LetterBox;
use crate::session::{CREATION_LOCK, Session};
use crate::sql;

/// Raised by CREATE TABLE when someone who does not take the lock creates the same one.
const UNIQUE_VIOLATION: &str = "23505";

impl Put<'_> {
    /// Makes the tables of all records known and ready.
    pub(super) async fn prepare_tables(&mut self, parts: &[Part<'_>]) -> Result<()> {
        let evolves = self.writer.config.auto_evolve;
        let mut last: Option<&SinkRecord> = None;
        for part in parts {
            for (_, record) in part.records() {
                if last.is_some_and(|last| is_alike(last, record, evolves)) {
                    continue;
                }
                last = Some(record);
                self.prepare_table(parts, record)
                    .await
                    .map_err(|error| error.context(position(record)))?;
            }
        }
        Ok(())
    }

    async fn prepare_table(&mut self, parts: &[Part<'_>], record: &SinkRecord) -> Result<()> {
        let name = self.writer.config.tables.table(&record.record.topic)?;
        if !self.load(&name).await? {
            if !self.writer.config.auto_create {
                return Err(Error::config(format!(
                    "table {name} is missing and auto-creation is disabled"
                )));
            }
            if !self.create(parts, &name).await? {
                return Ok(());
            }
            if !self.load(&name).await? {
                return Err(Error::retriable(format!(
                    "table {name} was created and is gone"
                )));
            }
        }
        if self.writer.config.auto_evolve {
            self.evolve(&name, record).await?;
        }
        Ok(())
    }

    async fn load(&mut self, name: &str) -> Result<bool> {
        let catalog = &mut self.writer.catalog;
        catalog.load(self.session, name).await
    }

    /// Creates a table for the first record that tells its columns. False: none does, they are
    /// deletes or will be found errant.
    async fn create(&mut self, parts: &[Part<'_>], name: &str) -> Result<bool> {
        let config = Arc::clone(&self.writer.config);
        let mut is_schemaless = false;
        for record in parts.iter().flat_map(|part| part.records()) {
            let (_, record) = record;
            if record.record.value.value.as_struct().is_none()
                || config.tables.table(&record.record.topic)? != name
            {
                continue;
            }
            if record.record.value.schema.is_none() {
                is_schemaless = true;
                continue;
            }
            let columns = match wanted(&config, record) {
                Err(error) if error.kind() == ErrorKind::Data => continue,
                columns => columns?,
            };
            let quoted = sql::qualified(name).map_err(Error::config)?;
            let statement =
                define::create_table(&quoted, &columns, config.rules).map_err(|why| {
                    Error::config(format!("auto.create cannot create table {name}: {why}"))
                })?;
            define(self.session, &config, ("auto.create", name), statement).await?;
            return Ok(true);
        }
        if is_schemaless {
            return Err(Error::config(format!(
                "table {name} is missing, and auto.create cannot create it for records without a \
                 schema, as they do not tell the types of columns: create the table, or use a \
                 converter with schemas"
            )));
        }
        Ok(false)
    }

    /// Adds the columns that the record's shape is the first to have, and changes those that it
    /// would not fit.
    async fn evolve(&mut self, name: &str, record: &SinkRecord) -> Result<()> {
        let is_row = record.record.value.value.as_struct().is_some();
        if !is_row || record.record.value.schema.is_none() || self.writer.batcher.knows(record) {
            return Ok(());
        }
        let Some(table) = self.writer.catalog.get(name).map(Arc::clone) else {
            return Ok(());
        };
        let config = Arc::clone(&self.writer.config);
        let wanted = match wanted(&config, record) {
            // The record will be found errant.
            Err(error) if error.kind() == ErrorKind::Data => return Ok(()),
            columns => columns?,
        };
        let others = wanted.into_iter().filter(|column| !column.is_key);
        let (there, missing): (Vec<_>, Vec<_>) =
            others.partition(|column| table.column_for(&column.name).is_some());
        let mut changed = false;
        if !missing.is_empty() {
            let statement =
                define::add_columns(&table.quoted, &missing, config.rules).map_err(|why| {
                    Error::config(format!("auto.evolve cannot extend table {name}: {why}"))
                })?;
            define(self.session, &config, ("auto.evolve", name), statement).await?;
            changed = true;
        }
        for column in there {
            let Some((at, schema)) = table.column_for(&column.name).zip(column.schema) else {
                continue;
            };
            for statement in define::changes(&table, at, &schema, &config) {
                changed |= self.change(name, statement).await?;
            }
        }
        if changed {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Changes a column. False: Postgres does not, because of what depends on it; then only the
    /// records suffer that do not fit.
    async fn change(&mut self, name: &str, statement: String) -> Result<bool> {
        let config = Arc::clone(&self.writer.config);
        match define(self.session, &config, ("auto.evolve", name), statement).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Config => {
                tracing::warn!(table = name, error = %error.chain(), "a column stays as it is");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

impl Writer {
    /// Makes the dead letter table known, and there.
    pub async fn prepare_letters(&mut self, session: &mut Session) -> Result<()> {
        let Some(name) = self.letter_box.as_ref().map(|letters| &letters.table) else {
            return Ok(());
        };
        if self.catalog.load(session, name).await? {
            return Ok(());
        }
        let quoted = sql::qualified(name).map_err(Error::config)?;
        let option = "errors.deadletterqueue.table.name";
        let statement = LetterBox::definition(&quoted);
        define(session, &self.config, (option, name), statement).await?;
        match self.catalog.load(session, name).await? {
            true => Ok(()),
            false => Err(Error::retriable(format!(
                "table {name} was created and is gone"
            ))),
        }
    }
}

/// Runs a statement that can be repeated, in a transaction of its own.
async fn define(
    session: &mut Session,
    config: &PostgresSinkConfig,
    (option, table): (&str, &str),
    statement: String,
) -> Result<()> {
    let defining = async {
        let mut transaction = session.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .persistent(false)
            .bind(CREATION_LOCK)
            .execute(&mut *transaction)
            .await?;
        transaction.execute(&*statement).await?;
        transaction.commit().await
    };
    timed(config.socket_timeout, defining)
        .await
        .map_err(|error| {
            let text = to_error(&format!("{option} cannot define table {table}"), &error);
            let code = error.as_database_error().and_then(|error| error.code());
            match policy_of(&error) {
                Policy::Record if code.as_deref() == Some(UNIQUE_VIOLATION) => {
                    Error::retriable(text.chain())
                }
                // A default that Postgres does not take. No record is at fault.
                Policy::Record => Error::config(text.chain()),
                _ => text,
            }
        })?;
    tracing::info!(table, statement, "{option} has defined a table");
    Ok(())
}

/// Whether what was done for one record is done for the other too.
fn is_alike(one: &SinkRecord, other: &SinkRecord, evolves: bool) -> bool {
    let is_same_shape = || match (
        one.record.value.value.as_struct(),
        other.record.value.value.as_struct(),
    ) {
        (Some(one), Some(other)) => Arc::ptr_eq(one.schema(), other.schema()),
        (None, None) => true,
        _ => false,
    };
    Arc::ptr_eq(&one.record.topic, &other.record.topic) && (!evolves || is_same_shape())
}
