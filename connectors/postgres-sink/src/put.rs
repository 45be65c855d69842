//! One `put`: its batches become transactions. Where Postgres refuses a transaction for its rows,
//! `bisect.rs` finds the errant records, and the others land in their order.
//!
//! The files of `put/` are the stages of a put, in the order in which a batch passes them:
//!
//! 1. `batch` leaves out what is durable and cuts the batches into transactions.
//! 2. `catalog` reads the columns of the tables.
//! 3. `define` creates and extends tables where it may.
//! 4. `encode` makes rows of the records.
//! 5. `offsets` compares and sets the offsets: the transaction's first statement.
//! 6. `write` runs the transaction: the offsets, the rows, dead letters, state, COMMIT.
//!
//! The nouns of these files:
//!
//! - batch: the records of one partition that the worker hands over ([`RecordBatch`]).
//! - part: consecutive records of a batch that one transaction commits.
//! - shape: the topic of a record and the schemas of its value and key.
//! - plan: how the records of one shape become rows, as a list of cells. A cell is a column and the
//!   part of the record that is its value.
//! - row: a record as a tuple of COPY's binary format.
//! - run: rows of one table and the same columns, which one COPY takes.

pub(crate) mod batch;
pub(crate) mod catalog;
pub(crate) mod define;
pub(crate) mod encode;
pub(crate) mod offsets;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use connect_api::{
    DeadLetter, ErrantRecordReporter, Error, ErrorKind, RecordBatch, Result, TaskContext,
    TopicPartition,
};

use crate::bisect::describe_columns;
use crate::config::{Delivery, PostgresSinkConfig};
use crate::error::{Policy, policy_of, sqlstate, tells_of_pooler, to_error};
use crate::reported::ReportedRecords;
use crate::session::{Session, within};
use batch::{Part, Progress};
use catalog::{Catalog, Columns};
use define::Tables;
use encode::{Encoded, Encoder, Run};
use offsets::{Offsets, Step};
use write::dead_letters::{DeadLetterRows, DeadLetterTable};
use write::state::StateStores;
use write::{Outcome, Transaction};

/// A row refers to one that is not there, or is referred to.
const FOREIGN_KEY_VIOLATION: &str = "23503";

/// What a task remembers from one put to the next.
#[derive(Debug)]
pub(crate) struct PutCache {
    pub config: Arc<PostgresSinkConfig>,
    pub catalog: Catalog,
    pub encoder: Encoder,
    dead_letter_table: Option<DeadLetterTable>,
    /// As [`Progress::begun_versions`].
    begun_versions: BTreeMap<TopicPartition, i64>,
    saw_pooler: bool,
    /// Whether the last error is of a row that waits for another.
    awaits_parent: bool,
}

impl PutCache {
    pub fn new(config: Arc<PostgresSinkConfig>, context: &TaskContext) -> Self {
        let table = config.dead_letter_table.as_ref();
        Self {
            dead_letter_table: table.map(|table| DeadLetterTable::new(table, context)),
            encoder: Encoder::new(Arc::clone(&config)),
            config,
            catalog: Catalog::default(),
            begun_versions: BTreeMap::new(),
            saw_pooler: false,
            awaits_parent: false,
        }
    }

    /// Whether an error has shown that a pooler swaps the sessions of the server.
    pub fn saw_pooler(&self) -> bool {
        self.saw_pooler
    }

    /// Forgets what was read over a connection that is lost.
    pub fn forget_connection(&mut self) {
        self.catalog.clear();
        self.encoder.clear();
    }

    /// Forgets what was begun for the partitions.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        self.begun_versions
            .retain(|topic_partition, _| !partitions.contains(topic_partition));
    }

    /// Makes the dead letter table known, and creates it if it is missing.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it cannot be created.
    pub async fn prepare_dead_letter_table(&mut self, session: &mut Session) -> Result<()> {
        let Some(table) = &self.dead_letter_table else {
            return Ok(());
        };
        let mut tables = Tables {
            config: &self.config,
            session,
            catalog: &mut self.catalog,
            encoder: &mut self.encoder,
        };
        tables.prepare_dead_letter_table(&table.name).await
    }
}

/// A put that is being made.
pub(crate) struct Put<'a> {
    pub cache: &'a mut PutCache,
    pub session: &'a mut Session,
    pub offsets: &'a mut Offsets,
    pub state: &'a StateStores,
    pub reporter: &'a mut dyn ErrantRecordReporter,
    /// The records that this put has reported.
    pub reported: ReportedRecords,
    pub parents: Parents,
}

/// What becomes of rows that refer to a row that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parents {
    /// They wait: it may be on its way in another topic.
    Awaited,
    /// They have waited long enough, and are errant.
    Missing,
}

/// What a put has come to.
#[derive(Debug)]
pub(crate) enum Made {
    Durable,
    /// All but what is behind a row that waits for the one that it refers to.
    AwaitsParent(Error),
}

/// Partitions that have come to a row that waits for another.
#[derive(Debug, Default)]
struct Stalled {
    partitions: Vec<TopicPartition>,
    error: Option<Error>,
}

/// Why Postgres refused a transaction, which has been rolled back.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub policy: Policy,
    /// Whether a row refers to one that is not there.
    pub lacks_parent: bool,
    pub error: Error,
}

/// What became of parts that were to be committed.
#[derive(Debug)]
pub(crate) enum Commit {
    Durable,
    /// Some record of them cannot be written, or all of them are too many at once.
    Refused(Refusal),
}

/// What became of one transaction.
#[derive(Debug)]
pub(crate) enum Attempt {
    Durable,
    /// A table has changed since the rows were encoded.
    TableChanged,
    Refused(Refusal),
}

impl Attempt {
    /// # Errors
    /// Where the transaction cannot succeed in smaller parts.
    pub fn into_commit(self) -> Result<Commit> {
        match self {
            Self::Durable => Ok(Commit::Durable),
            Self::TableChanged => Err(Error::retriable("a table changes while it is written")),
            Self::Refused(refusal) => match refusal.policy {
                Policy::Config | Policy::Fatal => Err(refusal.error),
                _ => Ok(Commit::Refused(refusal)),
            },
        }
    }
}

impl Put<'_> {
    /// Makes durable what is not yet durable of the batches.
    ///
    /// # Errors
    /// As [`connect_api::SinkTask::put`]. After an error of kind Retriable or Fenced the session
    /// may be in any state.
    pub async fn make_durable(&mut self, batches: &[RecordBatch]) -> Result<Made> {
        let progress = Progress {
            offsets: self.offsets,
            begun_versions: &mut self.cache.begun_versions,
        };
        let max_records = self.cache.config.batch_size;
        let mut stalled = Stalled::default();
        for mut parts in batch::transactions(batches, progress, max_records)? {
            parts.retain(|part| !stalled.partitions.contains(&part.batch.topic_partition));
            self.commit_or_bisect(&parts, &mut stalled).await?;
        }
        if let Some(error) = stalled.error {
            return Ok(Made::AwaitsParent(error));
        }
        let partitions = batches.iter().map(|batch| &*batch.topic_partition);
        let partitions: Vec<_> = partitions.cloned().collect();
        self.cache.forget(&partitions);
        Ok(Made::Durable)
    }

    /// Commits the parts in one transaction. Where Postgres refuses that, each part is committed by
    /// itself, and one that is refused again is bisected.
    async fn commit_or_bisect(&mut self, parts: &[Part<'_>], stalled: &mut Stalled) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let Commit::Refused(refusal) = self.commit(parts).await? else {
            return Ok(());
        };
        if let [part] = parts[..] {
            return self.bisect_or_stall(part, refusal, stalled).await;
        }
        for &part in parts {
            if let Commit::Refused(refusal) = self.commit(&[part]).await? {
                self.bisect_or_stall(part, refusal, stalled).await?;
            }
        }
        Ok(())
    }

    /// Bisects a part. One that comes to a row that waits for another stalls its partition alone:
    /// the other may be in a part behind it.
    async fn bisect_or_stall(
        &mut self,
        part: Part<'_>,
        refusal: Refusal,
        stalled: &mut Stalled,
    ) -> Result<()> {
        let Err(error) = self.bisect(part, refusal).await else {
            return Ok(());
        };
        if !std::mem::take(&mut self.cache.awaits_parent) {
            return Err(error);
        }
        let partition = TopicPartition::clone(&part.batch.topic_partition);
        stalled.partitions.push(partition);
        stalled.error.get_or_insert(error);
        Ok(())
    }

    /// Leaves a row that refers to one that is not there for later, while it may still come.
    ///
    /// # Errors
    /// [`ErrorKind::Retriable`] then.
    pub(crate) fn await_parent(&mut self, refusal: &Refusal) -> Result<()> {
        if !refusal.lacks_parent || self.parents == Parents::Missing {
            return Ok(());
        }
        self.cache.awaits_parent = true;
        Err(Error::retriable(format!(
            "a row waits for the one that it refers to, for max.retries times retry.backoff.ms: {}",
            refusal.error.chain()
        )))
    }

    /// Commits the parts in one transaction, and once more where a table has changed meanwhile.
    pub(crate) async fn commit(&mut self, parts: &[Part<'_>]) -> Result<Commit> {
        let attempt = self.encode_and_commit(parts).await?;
        let columns = match attempt {
            Attempt::TableChanged => {
                self.tables().refresh().await?;
                Columns::Changed
            }
            // A column or the table may be gone.
            Attempt::Refused(Refusal {
                policy: Policy::Config,
                ..
            }) => self.tables().refresh().await?,
            _ => Columns::Unchanged,
        };
        match columns {
            Columns::Unchanged => attempt.into_commit(),
            Columns::Changed => self.encode_and_commit(parts).await?.into_commit(),
        }
    }

    async fn encode_and_commit(&mut self, parts: &[Part<'_>]) -> Result<Attempt> {
        let mut encoded = self.define_and_encode(parts).await?;
        // A column may be wider by now, an enum may have a new label.
        if !encoded.errant.is_empty() && self.tables().refresh().await? == Columns::Changed {
            self.cache.encoder.recycle(encoded.runs);
            encoded = self.define_and_encode(parts).await?;
        }
        let Encoded {
            mut runs,
            errant,
            is_too_large,
        } = encoded;
        if is_too_large {
            self.cache.encoder.recycle(runs);
            return Ok(Attempt::Refused(Refusal {
                policy: Policy::Shrink,
                lacks_parent: false,
                error: Error::data("the rows take too much memory to be written at once"),
            }));
        }
        // Before there is a transaction that would stay open for as long as the report takes.
        for errant in errant {
            self.report(errant.batch, errant.at, errant.error).await?;
        }
        runs.iter_mut().for_each(Run::finish);
        let attempt = self.commit_runs(parts, &runs).await;
        self.cache.encoder.recycle(runs);
        attempt
    }

    async fn define_and_encode<'b>(&mut self, parts: &[Part<'b>]) -> Result<Encoded<'b>> {
        let mut tables = Tables {
            config: &self.cache.config,
            session: self.session,
            catalog: &mut self.cache.catalog,
            encoder: &mut self.cache.encoder,
        };
        for errant in tables.prepare(parts, &self.reported).await? {
            self.report(errant.batch, errant.at, errant.error).await?;
        }
        let PutCache {
            encoder, catalog, ..
        } = &mut *self.cache;
        encoder.encode(catalog, parts, &self.reported)
    }

    /// Commits the parts, whose records are these runs, with their offsets, dead letters and state.
    pub(crate) async fn commit_runs(
        &mut self,
        parts: &[Part<'_>],
        runs: &[Run],
    ) -> Result<Attempt> {
        let steps: Vec<Step<'_>> = parts.iter().map(|part| part.step(self.offsets)).collect();
        let dead_letters = self.dead_letters(parts, &steps).await?;
        let deltas = parts.iter().flat_map(|part| {
            let topic_partition = &*part.batch.topic_partition;
            let state = part.batch.state.iter();
            state.map(move |delta| (topic_partition, delta))
        });
        let state = self.state.changes(deltas)?;
        let is_exactly_once = self.cache.config.delivery == Delivery::ExactlyOnce;
        let transaction = Transaction {
            offsets: is_exactly_once.then_some(&*self.offsets),
            steps: &steps,
            runs,
            dead_letters: dead_letters.as_ref(),
            state: state.as_ref(),
        };
        let limit = self.cache.config.socket_timeout;
        let committing = write::commit_transaction(self.session, &transaction);
        let outcome = within(limit, committing).await;
        match outcome {
            Ok(Outcome::Durable) => {
                self.offsets.remember_steps(&steps);
                Ok(Attempt::Durable)
            }
            Ok(Outcome::TableChanged) => Ok(Attempt::TableChanged),
            Ok(Outcome::DeadLettersRefused(error)) => {
                let text = to_error("cannot write to the dead letter table", &error);
                Err(Error::config(text.chain()).transient())
            }
            Ok(Outcome::StateRefused(error)) => {
                let text = to_error("cannot write the state of the transforms", &error);
                Err(Error::config(text.chain()).transient())
            }
            Ok(Outcome::Fenced) => Err(Error::fenced(
                "a partition has another owner, or its stored offset was moved",
            )),
            Err(error) => self.refused(&error, runs).await,
        }
    }

    /// The dead letters of the records that the steps pass over.
    async fn dead_letters(
        &mut self,
        parts: &[Part<'_>],
        steps: &[Step<'_>],
    ) -> Result<Option<DeadLetterRows>> {
        let nothing_failed =
            self.reported.is_empty() && parts.iter().all(|part| part.batch.dead_letters.is_empty());
        if nothing_failed || self.cache.dead_letter_table.is_none() {
            return Ok(None);
        }
        self.cache.prepare_dead_letter_table(self.session).await?;
        let PutCache {
            dead_letter_table,
            catalog,
            ..
        } = &*self.cache;
        let mut dead_letters: Vec<&DeadLetter> = Vec::new();
        for (part, step) in parts.iter().zip(steps) {
            let passed = step.from..step.to;
            let moves = !passed.is_empty();
            let failed_before = part.batch.dead_letters.iter();
            dead_letters
                .extend(failed_before.filter(|d| !moves || passed.contains(&d.record.offset)));
            let failed_here = part.start..part.end;
            dead_letters
                .extend(failed_here.filter_map(|at| self.reported.dead_letter(part.batch, at)));
        }
        let Some(table) = dead_letter_table.as_ref() else {
            return Ok(None);
        };
        match catalog.get(&table.name) {
            Some(known) if !dead_letters.is_empty() => table.rows(known, &dead_letters).map(Some),
            _ => Ok(None),
        }
    }

    /// What an error of the server means for a transaction, which is rolled back if it is still
    /// open.
    ///
    /// # Errors
    /// Where the connection or the transaction has to be tried again as it is.
    pub(crate) async fn refused(&mut self, error: &sqlx::Error, runs: &[Run]) -> Result<Attempt> {
        let policy = policy_of(error);
        self.cache.saw_pooler |= sqlstate(error).is_some_and(tells_of_pooler);
        let text = to_error(&describe_columns(error, runs), error);
        match policy {
            Policy::Record | Policy::Shrink | Policy::Config | Policy::Fatal => {
                if !self.session.roll_back().await {
                    return Err(Error::retriable(text.chain()));
                }
                Ok(Attempt::Refused(Refusal {
                    policy,
                    lacks_parent: sqlstate(error) == Some(FOREIGN_KEY_VIOLATION),
                    error: text,
                }))
            }
            Policy::Reconnect | Policy::Retry => Err(text),
        }
    }

    /// Reports a record as errant; from then on it is left out.
    pub(crate) async fn report(
        &mut self,
        batch: &RecordBatch,
        at: usize,
        error: Error,
    ) -> Result<()> {
        let record = &batch.records[at];
        let error = match error.kind() {
            ErrorKind::Data => error,
            _ => Error::data(error.chain()),
        };
        let dead_letter = self.reporter.report(record, error).await?;
        self.reported.insert(batch, at, dead_letter);
        Ok(())
    }

    fn tables(&mut self) -> Tables<'_> {
        Tables {
            config: &self.cache.config,
            session: self.session,
            catalog: &mut self.cache.catalog,
            encoder: &mut self.cache.encoder,
        }
    }
}
