//! Creates and extends the tables of a put's records where `auto.create` and `auto.evolve` say so.
//!
//! Each definition is a transaction of its own before the transaction of the rows: no rows wait for
//! its locks, and a repeated put finds it done. Tasks that define tables at the same time do it one
//! after another.

mod statements;

use std::sync::Arc;

use connect_api::{Error, ErrorKind, Result, SinkRecord};
use sqlx::Executor as _;
use sqlx::error::DatabaseError;

use super::batch::{Part, describe_origin};
use super::catalog::{Catalog, Columns, Presence};
use super::encode::{Change, Encoder, Errant, change, row, table_name, wanted_columns};
use super::write::dead_letters::DeadLetterTable;
use super::write::staging;
use crate::config::PostgresSinkConfig;
use crate::error::{Policy, policy_of, to_error};
use crate::reported::ReportedRecords;
use crate::session::{CREATION_LOCK, Session, within};
use crate::sql;

/// SQLSTATE of CREATE TABLE when another session, which does not take the lock, creates the same
/// table.
const UNIQUE_VIOLATION: &str = "23505";

/// What SQLSTATE says of a definition that is wrong in itself, by what the schema of a record says:
/// syntax, names, columns that stand twice, types.
const SCHEMA_ERRORS: &[&str] = &[
    "42601", "42602", "42611", "42622", "42701", "42704", "42939", "42P16",
];

/// A record whose table has been seen to.
struct Prepared<'a> {
    record: &'a SinkRecord,
    /// Why there is no table for records of its schema.
    refusal: Option<String>,
}

impl<'a> Prepared<'a> {
    fn done(record: &'a SinkRecord) -> Self {
        Self {
            record,
            refusal: None,
        }
    }

    fn refused(record: &'a SinkRecord, why: String) -> Self {
        Self {
            record,
            refusal: Some(why),
        }
    }
}

/// The tables that a put writes to, and what is known of them.
pub(crate) struct Tables<'a> {
    pub config: &'a PostgresSinkConfig,
    pub session: &'a mut Session,
    pub catalog: &'a mut Catalog,
    pub encoder: &'a mut Encoder,
}

/// A table to define, and the option that asks for it.
#[derive(Clone, Copy)]
struct Definition<'a> {
    option: &'static str,
    table: &'a str,
}

impl Tables<'_> {
    /// Makes the tables of all records known, but for those that were reported before: reads them,
    /// and creates and extends them where the configuration allows it. Answers the records whose
    /// schema no table can have: that is their fault, not that of the others.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a table is missing and may not be created, or cannot
    /// be written to.
    pub async fn prepare<'a>(
        &mut self,
        parts: &[Part<'a>],
        reported: &ReportedRecords,
    ) -> Result<Vec<Errant<'a>>> {
        let mut errant = Vec::new();
        let mut last: Option<Prepared<'a>> = None;
        for part in parts {
            let batch = part.batch;
            for (at, record) in part.records() {
                let does_nothing = matches!(change(self.config, record), Ok(Change::Nothing));
                if does_nothing || reported.contains(batch, at) {
                    continue;
                }
                let known = last.take().filter(|last| self.holds_for(last, record));
                let prepared = match known {
                    Some(known) => known,
                    None => match self.prepare_table(parts, record).await {
                        Ok(()) => Prepared::done(record),
                        Err(error) if error.kind() == ErrorKind::Data => {
                            Prepared::refused(record, error.chain())
                        }
                        Err(error) => return Err(error.context(describe_origin(record))),
                    },
                };
                if let Some(why) = &prepared.refusal {
                    let error = Error::data(why.clone()).context(describe_origin(record));
                    errant.push(Errant { batch, at, error });
                }
                last = Some(prepared);
            }
        }
        Ok(errant)
    }

    async fn prepare_table(&mut self, parts: &[Part<'_>], record: &SinkRecord) -> Result<()> {
        let name = table_name(self.config, record)?;
        if self.catalog.load(self.session, &name).await? == Presence::Missing {
            if !self.config.auto_create {
                let text = format!("table {name} is missing and auto-creation is disabled");
                return Err(Error::config(text).transient());
            }
            if self.create(parts, &name, record).await? == Presence::Missing {
                return Ok(());
            }
            self.load_created(&name).await?;
        }
        if self.config.auto_evolve {
            self.evolve(&name, record).await?;
        }
        Ok(())
    }

    /// Makes the dead letter table known, and creates it if it is missing.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when it cannot be created.
    pub async fn prepare_dead_letter_table(&mut self, name: &str) -> Result<()> {
        if self.catalog.load(self.session, name).await? == Presence::Present {
            return Ok(());
        }
        let quoted = sql::qualified(name).map_err(Error::config)?;
        let definition = Definition {
            option: "errors.deadletterqueue.table.name",
            table: name,
        };
        self.define(definition, DeadLetterTable::definition(&quoted))
            .await?;
        self.load_created(name).await
    }

    async fn load_created(&mut self, name: &str) -> Result<()> {
        match self.catalog.load(self.session, name).await? {
            Presence::Present => Ok(()),
            Presence::Missing => Err(Error::retriable(format!(
                "table {name} was created and is gone"
            ))),
        }
    }

    /// Reads the tables again. Where one has changed, everything derived from its columns is
    /// forgotten.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn refresh(&mut self) -> Result<Columns> {
        let columns = self.catalog.refresh(self.session).await?;
        if columns == Columns::Changed {
            self.encoder.clear();
            let dropped = staging::drop_all(self.session).await;
            dropped.map_err(|error| to_error("cannot drop the staging tables", &error))?;
            tracing::info!("a table has changed: its columns were read again");
        }
        Ok(columns)
    }

    /// Creates a table for this record, or for the first of all whose schema tells its columns. It
    /// stays missing if there is no such record: the records delete, or the encoder will find them
    /// errant.
    ///
    /// # Errors
    /// [`ErrorKind::Data`] when no table can be as the record's schema says.
    async fn create(
        &mut self,
        parts: &[Part<'_>],
        name: &str,
        wanting: &SinkRecord,
    ) -> Result<Presence> {
        let config = self.config;
        let mut is_schemaless = false;
        let all = parts
            .iter()
            .flat_map(Part::records)
            .map(|(_, record)| record);
        for record in std::iter::once(wanting).chain(all) {
            let is_row = row(config.change_events, record).is_some();
            let is_of_table = || table_name(config, record).is_ok_and(|own| own == name);
            if !is_row || !is_of_table() {
                continue;
            }
            if record.record.value.schema.is_none() {
                is_schemaless = true;
                continue;
            }
            match self.create_for(name, record).await {
                Err(error) if error.kind() == ErrorKind::Data => {
                    if std::ptr::eq(record, wanting) {
                        return Err(error);
                    }
                }
                created => return created.map(|()| Presence::Present),
            }
        }
        if is_schemaless {
            return Err(Error::config(format!(
                "table {name} is missing, and auto.create cannot create it for records without a \
                 schema, as they do not tell the types of columns: create the table, or use a \
                 converter with schemas"
            ))
            .transient());
        }
        Ok(Presence::Missing)
    }

    async fn create_for(&mut self, name: &str, record: &SinkRecord) -> Result<()> {
        let columns = wanted_columns(self.config, record)?;
        let quoted = sql::qualified(name).map_err(Error::config)?;
        let statement = statements::create_table(&quoted, &columns, self.config.rules);
        let statement = statement
            .map_err(|why| Error::data(format!("auto.create cannot create table {name}: {why}")))?;
        let definition = Definition {
            option: "auto.create",
            table: name,
        };
        self.define(definition, statement).await
    }

    /// For the first record of a shape: adds the columns that it needs, and changes columns that
    /// cannot hold all values of its schema.
    async fn evolve(&mut self, name: &str, record: &SinkRecord) -> Result<()> {
        let is_row = row(self.config.change_events, record).is_some();
        if !is_row || record.record.value.schema.is_none() || self.encoder.has_plan(record) {
            return Ok(());
        }
        let Some(table) = self.catalog.get(name).map(Arc::clone) else {
            return Ok(());
        };
        let wanted = match wanted_columns(self.config, record) {
            // The encoder will find the record errant.
            Err(error) if error.kind() == ErrorKind::Data => return Ok(()),
            columns => columns?,
        };
        let others = wanted.into_iter().filter(|column| !column.is_key);
        let (present, missing): (Vec<_>, Vec<_>) =
            others.partition(|column| table.column_for(&column.name).is_some());
        let definition = Definition {
            option: "auto.evolve",
            table: name,
        };
        let mut columns = Columns::Unchanged;
        if !missing.is_empty() {
            let statement = statements::add_columns(&table.quoted, &missing, self.config.rules);
            let statement = match statement {
                Ok(statement) => statement,
                // The encoder will find the records errant that have the fields.
                Err(why) => {
                    tracing::debug!(table = name, why, "auto.evolve cannot extend the table");
                    return Ok(());
                }
            };
            self.define(definition, statement).await?;
            columns = Columns::Changed;
        }
        for column in present {
            let Some((at, schema)) = table.column_for(&column.name).zip(column.schema) else {
                continue;
            };
            for statement in statements::changes(&table, at, &schema, self.config) {
                if self.change_column(definition, statement).await? == Columns::Changed {
                    columns = Columns::Changed;
                }
            }
        }
        if columns == Columns::Changed {
            self.refresh().await?;
        }
        Ok(())
    }

    /// Changes a column, unless Postgres refuses that because of something that depends on it. Then
    /// only those records are errant that do not fit the column.
    async fn change_column(
        &mut self,
        definition: Definition<'_>,
        statement: String,
    ) -> Result<Columns> {
        match self.define(definition, statement).await {
            Ok(()) => Ok(Columns::Changed),
            Err(error) if matches!(error.kind(), ErrorKind::Config | ErrorKind::Data) => {
                tracing::warn!(
                    table = definition.table,
                    error = %error.chain(),
                    "auto.evolve could not change the column"
                );
                Ok(Columns::Unchanged)
            }
            Err(error) => Err(error),
        }
    }

    /// Runs a statement that can be repeated, in a transaction of its own.
    async fn define(&mut self, definition: Definition<'_>, statement: String) -> Result<()> {
        let Definition { option, table } = definition;
        let (limit, session) = (self.config.socket_timeout, &mut *self.session);
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
        within(limit, defining).await.map_err(|error| {
            let text = to_error(&format!("{option} cannot define table {table}"), &error);
            let code = error.as_database_error().and_then(DatabaseError::code);
            match policy_of(&error) {
                Policy::Record if code.as_deref() == Some(UNIQUE_VIOLATION) => {
                    Error::retriable(text.chain())
                }
                // Postgres refuses a name, a type or a default of the record's schema.
                Policy::Record => Error::data(text.chain()),
                Policy::Config
                    if code
                        .as_deref()
                        .is_some_and(|code| SCHEMA_ERRORS.contains(&code)) =>
                {
                    Error::data(text.chain())
                }
                _ => text,
            }
        })?;
        tracing::info!(table, statement, "{option} has defined a table");
        Ok(())
    }

    /// Whether what was done for one record is done for the other too.
    fn holds_for(&self, done: &Prepared<'_>, other: &SinkRecord) -> bool {
        let one = done.record;
        let is_same_shape = || match (
            row(self.config.change_events, one),
            row(self.config.change_events, other),
        ) {
            (Some(one), Some(other)) => Arc::ptr_eq(one.schema(), other.schema()),
            (None, None) => true,
            _ => false,
        };
        let any_shape = !self.config.auto_evolve && done.refusal.is_none();
        let is_same_table = || {
            if !self.config.tables.depends_on_source() {
                return true;
            }
            let tables = [one, other].map(|record| table_name(self.config, record).ok());
            tables[0].is_some() && tables[0] == tables[1]
        };
        Arc::ptr_eq(&one.record.topic, &other.record.topic)
            && is_same_table()
            && (any_shape || is_same_shape())
    }
}
