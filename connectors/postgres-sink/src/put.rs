//! One `put`: its batches become one transaction; where Postgres refuses a row, the transaction is
//! taken apart until that row is found, and the others land in their order.

mod alter;
pub(crate) mod batch;
mod blame;
pub(crate) mod catalog;
pub(crate) mod encode;
mod part;
mod sift;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{
    DeadLetter, ErrantRecordReporter, Error, ErrorKind, Offset, RecordBatch, Result, TaskContext,
    TopicPartition,
};

use crate::config::{Delivery, PostgresSinkConfig};
use crate::error::{Policy, policy_of, sqlstate, tells_of_pooler, to_error};
use crate::letters::{LetterBox, Letters};
use crate::offsets::{Offsets, Step};
use crate::session::Session;
use crate::stores::Stores;
use batch::{Batcher, Run, position};
use catalog::Catalog;
use part::{Part, transactions};
use write::{Outcome, Transaction};

/// What Postgres said to a transaction.
enum Answer {
    Durable,
    /// A table has changed since the rows were encoded.
    Stale,
    /// Some row of it cannot be written, or all of them are too many at once, or none can be.
    Refused(Policy, Error),
}

impl Answer {
    /// None: the transaction is durable.
    ///
    /// # Errors
    /// Where smaller parts cannot help.
    fn refusal(self) -> Result<Option<(Policy, Error)>> {
        match self {
            Self::Durable => Ok(None),
            Self::Stale => Err(Error::retriable("a table changes while it is written")),
            Self::Refused(Policy::Config | Policy::Fatal, error) => Err(error),
            Self::Refused(policy, error) => Ok(Some((policy, error))),
        }
    }
}

/// What lasts from one put to the next.
#[derive(Debug)]
pub(crate) struct Writer {
    config: Arc<PostgresSinkConfig>,
    catalog: Catalog,
    batcher: Batcher,
    letter_box: Option<LetterBox>,
    /// The versions that partitions stood at when a batch was begun that moves no offset: by another
    /// version it is known to be durable.
    begun: BTreeMap<TopicPartition, i64>,
    saw_pooler: bool,
}

impl Writer {
    pub fn new(config: Arc<PostgresSinkConfig>, context: &TaskContext) -> Self {
        let table = config.letters.as_ref();
        Self {
            letter_box: table.map(|table| LetterBox::new(table, context)),
            batcher: Batcher::new(Arc::clone(&config)),
            config,
            catalog: Catalog::default(),
            begun: BTreeMap::new(),
            saw_pooler: false,
        }
    }

    /// Whether an error has shown that a pooler swaps the sessions of the server.
    pub fn saw_pooler(&self) -> bool {
        self.saw_pooler
    }

    /// Forgets what a lost connection has told.
    pub fn reconnected(&mut self) {
        self.catalog.clear();
        self.batcher.clear();
    }

    /// Forgets what was begun for the partitions.
    pub fn forget(&mut self, partitions: &[TopicPartition]) {
        self.begun
            .retain(|topic_partition, _| !partitions.contains(topic_partition));
    }
}

/// A put under way.
pub(crate) struct Put<'a> {
    pub writer: &'a mut Writer,
    pub session: &'a mut Session,
    pub offsets: &'a mut Offsets,
    pub stores: &'a Stores,
    pub reporter: &'a mut dyn ErrantRecordReporter,
    /// What this put has reported. The dead letters are written with their offsets.
    pub reported: Reported,
}

impl Put<'_> {
    /// Writes what is not durable yet of the batches.
    ///
    /// # Errors
    /// As [`connect_api::SinkTask::put`]. After one of kind Retriable or Fenced the session may
    /// be in any state.
    pub async fn run(&mut self, batches: &[RecordBatch]) -> Result<()> {
        let mut parts = Vec::with_capacity(batches.len());
        for batch in batches {
            parts.extend(self.remaining(batch)?);
        }
        // All transactions of all tasks lock the offsets in one order.
        parts.sort_by_key(|part| &part.batch.topic_partition);
        if !parts.is_empty() {
            for parts in transactions(parts, self.writer.config.batch_size) {
                self.write(&parts).await?;
            }
        }
        let topic_partitions: Vec<_> = batches
            .iter()
            .map(|batch| (*batch.topic_partition).clone())
            .collect();
        self.writer.forget(&topic_partitions);
        Ok(())
    }

    /// What is not durable yet of a batch that may be a repetition.
    fn remaining<'b>(&mut self, batch: &'b RecordBatch) -> Result<Option<Part<'b>>> {
        if batch.first_offset != batch.next_offset {
            return remaining(self.offsets, batch);
        }
        let topic_partition = &*batch.topic_partition;
        let Some(position) = self.offsets.position(topic_partition) else {
            return Err(Error::fenced(format!("{topic_partition} is not open")));
        };
        let begun = self.writer.begun.entry(topic_partition.clone());
        if *begun.or_insert(position.version) != position.version {
            return Ok(None);
        }
        Ok(Some(Part {
            batch,
            start: 0,
            end: batch.records.len(),
            next_offset: batch.next_offset,
        }))
    }

    /// Commits the parts in one transaction, or apart where Postgres refuses that.
    async fn write(&mut self, parts: &[Part<'_>]) -> Result<()> {
        let Some((policy, error)) = self.commit(parts).await? else {
            return Ok(());
        };
        if let [part] = parts[..] {
            return self.isolate(part, policy, error).await;
        }
        for &part in parts {
            if let Some((policy, error)) = self.commit(&[part]).await? {
                self.isolate(part, policy, error).await?;
            }
        }
        Ok(())
    }

    /// Commits a part that Postgres refused as a whole: halves it, in order, until the rows at
    /// fault stand alone.
    async fn isolate(&mut self, part: Part<'_>, policy: Policy, error: Error) -> Result<()> {
        if part.is_whole() {
            return self.sift(part, policy, error).await;
        }
        let mut refused = Some((policy, error));
        let mut left = vec![part];
        while let Some(part) = left.pop() {
            if refused.is_none() {
                refused = self.commit(&[part]).await?;
            }
            let Some((policy, error)) = refused.take() else {
                continue;
            };
            match part.middle() {
                Some(middle) => {
                    let (head, tail) = part.split(middle);
                    left.push(tail);
                    left.push(head);
                }
                None => self.settle(part, policy, error).await?,
            }
        }
        Ok(())
    }

    /// Commits records that share one offset, without those at fault.
    ///
    /// A transform can make several records of one; they become durable together. Each that is
    /// refused together with those before it is reported.
    async fn settle(&mut self, part: Part<'_>, policy: Policy, error: Error) -> Result<()> {
        if policy != Policy::Record {
            // A single record is too much: smaller parts do not help.
            return Err(Error::new(ErrorKind::Retriable, error.chain()));
        }
        let mut suspects: Vec<usize> = part.records().map(|(at, _)| at).collect();
        suspects.retain(|&at| !self.is_reported(part.batch, at));
        if let [only] = suspects[..] {
            let error = error.context(position(&part.batch.records[only]));
            self.report(part.batch, only, error).await?;
        } else {
            let mut good = Vec::new();
            for at in suspects {
                good.push(at);
                if let Some((_, error)) = self.probe(part, &good).await? {
                    good.pop();
                    let error = error.context(position(&part.batch.records[at]));
                    self.report(part.batch, at, error).await?;
                }
            }
        }
        match self.commit(&[part]).await? {
            None => Ok(()),
            Some((_, error)) => Err(Error::retriable(error.chain())),
        }
    }

    fn is_reported(&self, batch: &RecordBatch, at: usize) -> bool {
        // Nearly always nothing was reported: then no key is made.
        !self.reported.is_empty() && self.reported.contains_key(&key(batch, at))
    }

    async fn report(&mut self, batch: &RecordBatch, at: usize, error: Error) -> Result<()> {
        let record = &batch.records[at];
        let error = match error.kind() {
            ErrorKind::Data => error,
            _ => Error::data(error.chain()),
        };
        let letter = self.reporter.report(record, error).await?;
        self.reported.insert(key(batch, at), letter);
        Ok(())
    }

    /// Tries records of a part in a transaction that is rolled back.
    async fn probe(
        &mut self,
        part: Part<'_>,
        records: &[usize],
    ) -> Result<Option<(Policy, Error)>> {
        let mut runs = Vec::new();
        for &at in records {
            let record = &part.batch.records[at];
            let added = self
                .writer
                .batcher
                .add(&self.writer.catalog, record, &mut runs);
            added?;
        }
        runs.iter_mut().for_each(Run::finish);
        let outcome = self.try_runs(&runs).await;
        self.writer.batcher.recycle(runs);
        outcome
    }

    /// Commits the parts in one transaction, unless rows of it are refused.
    async fn commit(&mut self, parts: &[Part<'_>]) -> Result<Option<(Policy, Error)>> {
        let answer = self.attempt(parts).await?;
        let repeats = match answer {
            // The rows were encoded for a table that is no more.
            Answer::Stale => {
                self.refresh().await?;
                true
            }
            // A column or the table may be gone.
            Answer::Refused(Policy::Config, _) => self.refresh().await?,
            _ => false,
        };
        if repeats {
            self.attempt(parts).await?.refusal()
        } else {
            answer.refusal()
        }
    }

    /// Reads the tables again. True: one has changed, and what was derived from it is forgotten.
    async fn refresh(&mut self) -> Result<bool> {
        let catalog = &mut self.writer.catalog;
        let changed = catalog.refresh(self.session).await?;
        if changed {
            self.writer.batcher.clear();
            let dropped = write::drop_staging(self.session).await;
            dropped.map_err(|error| to_error("cannot drop the staging tables", &error))?;
            tracing::info!("a table has changed: its columns were read again");
        }
        Ok(changed)
    }

    async fn attempt(&mut self, parts: &[Part<'_>]) -> Result<Answer> {
        let runs = self.encode(parts).await?;
        let answer = self.transact(parts, &runs).await;
        self.writer.batcher.recycle(runs);
        answer
    }

    /// Commits the parts, whose records are these runs.
    async fn transact(&mut self, parts: &[Part<'_>], runs: &[Run]) -> Result<Answer> {
        let steps: Vec<Step<'_>> = parts
            .iter()
            .map(|part| Step {
                topic_partition: &part.batch.topic_partition,
                from: stored(self.offsets, part.batch),
                to: part.next_offset,
                last_timestamp: (part.batch.last_timestamp)
                    .filter(|_| part.next_offset == part.batch.next_offset),
            })
            .collect();
        let letters = self.letters(parts, &steps).await?;
        let fenced = self.writer.config.delivery == Delivery::ExactlyOnce;
        let deltas = parts.iter().flat_map(|part| {
            let topic_partition = &*part.batch.topic_partition;
            part.batch
                .state
                .iter()
                .map(move |delta| (topic_partition, delta))
        });
        let state = self.stores.changes(deltas)?;
        let transaction = Transaction {
            fence: fenced.then_some(&*self.offsets),
            steps: &steps,
            runs,
            letters: letters.as_ref(),
            state: state.as_ref(),
        };
        let limit = self.writer.config.socket_timeout;
        let outcome = timed(limit, write::transaction(self.session, &transaction)).await;
        match outcome {
            Ok(Outcome::Durable) => {
                self.offsets.advanced(&steps);
                Ok(Answer::Durable)
            }
            Ok(Outcome::Stale) => Ok(Answer::Stale),
            Ok(Outcome::Unposted(error)) => {
                let text = to_error("cannot write to the dead letter table", &error);
                Err(Error::config(text.chain()))
            }
            Ok(Outcome::Unkept(error)) => {
                let text = to_error("cannot write the state of the transforms", &error);
                Err(Error::config(text.chain()))
            }
            Ok(Outcome::Fenced) => Err(Error::fenced(
                "a partition has another owner, or its stored offset was moved",
            )),
            Err(error) => self.refused(&error, runs).await,
        }
    }

    /// The dead letters of the records that the steps pass over.
    async fn letters(&mut self, parts: &[Part<'_>], steps: &[Step<'_>]) -> Result<Option<Letters>> {
        let nothing_failed =
            self.reported.is_empty() && parts.iter().all(|part| part.batch.dead_letters.is_empty());
        if nothing_failed || self.writer.letter_box.is_none() {
            return Ok(None);
        }
        self.writer.prepare_letters(self.session).await?;
        let reported = &self.reported;
        let Writer {
            letter_box,
            catalog,
            ..
        } = &*self.writer;
        let mut letters: Vec<&DeadLetter> = Vec::new();
        for (part, step) in parts.iter().zip(steps) {
            let passed = step.from..step.to;
            let before = part.batch.dead_letters.iter();
            let moves = !passed.is_empty();
            letters.extend(before.filter(|l| !moves || passed.contains(&l.record.offset)));
            let here = (part.start..part.end).filter_map(|at| reported.get(&key(part.batch, at)));
            letters.extend(here.flatten());
        }
        let table = letter_box.as_ref().and_then(|to| catalog.get(&to.table));
        match (letter_box, table) {
            (Some(to), Some(table)) if !letters.is_empty() => to.rows(table, &letters).map(Some),
            _ => Ok(None),
        }
    }

    /// What an error of the server means; a transaction that it left open is rolled back.
    async fn refused(&mut self, error: &sqlx::Error, runs: &[Run]) -> Result<Answer> {
        let policy = policy_of(error);
        self.writer.saw_pooler |= sqlstate(error).is_some_and(tells_of_pooler);
        let text = to_error(&blame::doing(error, runs), error);
        match policy {
            Policy::Record | Policy::Shrink | Policy::Config | Policy::Fatal => {
                if !self.session.roll_back().await {
                    return Err(Error::retriable(text.chain()));
                }
                Ok(Answer::Refused(policy, text))
            }
            Policy::Reconnect | Policy::Retry => Err(text),
        }
    }

    /// The records of the parts as rows. Those that cannot be are reported, before there is a
    /// transaction that would have to wait for it.
    async fn encode(&mut self, parts: &[Part<'_>]) -> Result<Vec<Run>> {
        self.prepare_tables(parts).await?;
        let (mut runs, mut errant) = self.rows(parts)?;
        // A column may be wider by now, an enum may have a new label.
        if !errant.is_empty() && self.refresh().await? {
            self.writer.batcher.recycle(runs);
            self.prepare_tables(parts).await?;
            (runs, errant) = self.rows(parts)?;
        }
        for (batch, at, error) in errant {
            self.report(batch, at, error).await?;
        }
        runs.iter_mut().for_each(Run::finish);
        Ok(runs)
    }
}

/// A connection whose other side has vanished gives no error by itself.
async fn timed<T>(
    limit: Duration,
    writing: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    match tokio::time::timeout(limit, writing).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

/// Records that were reported, with the dead letters that the sink keeps.
pub(crate) type Reported = BTreeMap<RecordPlace, Option<DeadLetter>>;

/// A record of a batch: the partition, the offset that the batch starts from, and the place in it.
type RecordPlace = (TopicPartition, Offset, usize);

fn key(batch: &RecordBatch, at: usize) -> RecordPlace {
    ((*batch.topic_partition).clone(), batch.first_offset, at)
}

/// The offset that the partition is known to stand at.
fn stored(offsets: &Offsets, batch: &RecordBatch) -> Offset {
    let position = offsets.position(&batch.topic_partition);
    position
        .and_then(|position| position.next_offset)
        .unwrap_or(batch.first_offset)
}

/// What is not durable yet of a batch that may be a repetition.
fn remaining<'a>(offsets: &Offsets, batch: &'a RecordBatch) -> Result<Option<Part<'a>>> {
    let topic_partition = &batch.topic_partition;
    let Some(position) = offsets.position(topic_partition) else {
        return Err(Error::fenced(format!("{topic_partition} is not open")));
    };
    let stored = position.next_offset.unwrap_or(batch.first_offset);
    if stored == batch.next_offset {
        return Ok(None);
    }
    if stored < batch.first_offset || stored > batch.next_offset {
        return Err(Error::fenced(format!(
            "the stored offset of {topic_partition} moved to {stored}, which is not within the batch from \
             {} to {}",
            batch.first_offset, batch.next_offset
        )));
    }
    let done = batch
        .records
        .partition_point(|record| record.origin.offset < stored);
    Ok(Some(Part {
        batch,
        start: done,
        end: batch.records.len(),
        next_offset: batch.next_offset,
    }))
}
