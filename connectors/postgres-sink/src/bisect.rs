//! Finds the errant records of a part that Postgres refused, and commits the others.

use connect_api::{Error, ErrorKind, Result};

use crate::error::{Policy, copied_column, is_data, policy_of};
use crate::put::batch::{Part, describe_origin};
use crate::put::catalog::Column;
use crate::put::encode::Run;
use crate::put::{Attempt, Commit, Put, Refusal, write};
use crate::session::within;

impl Put<'_> {
    /// Commits a part that Postgres refused: halves it, in order, until the errant records are
    /// alone.
    ///
    /// # Errors
    /// When a record cannot be reported, or what was refused is not the fault of a record.
    pub(crate) async fn bisect(&mut self, part: Part<'_>, refusal: Refusal) -> Result<()> {
        if part.is_indivisible() {
            return self.commit_indivisible(part, refusal).await;
        }
        let mut refusal = Some(refusal);
        let mut left = vec![part];
        while let Some(part) = left.pop() {
            // The whole part has been refused already.
            let refusal = match refusal.take() {
                Some(refusal) => refusal,
                None => match self.commit(&[part]).await? {
                    Commit::Durable => continue,
                    Commit::Refused(refusal) => refusal,
                },
            };
            match part.middle() {
                Some(middle) => {
                    let (head, tail) = part.split(middle);
                    left.push(tail);
                    left.push(head);
                }
                None => self.commit_one_offset(part, refusal).await?,
            }
        }
        Ok(())
    }

    /// Commits records that share one offset, without the errant ones.
    ///
    /// A transform can make several records of one; they become durable together. A record is
    /// reported if it is refused together with the good ones before it.
    async fn commit_one_offset(&mut self, part: Part<'_>, refusal: Refusal) -> Result<()> {
        if refusal.policy != Policy::Record {
            // A single record is too much: smaller parts do not help.
            return Err(retriable(&refusal.error));
        }
        self.await_parent(&refusal)?;
        let suspects = self.unreported(part);
        if let [only] = suspects[..] {
            self.report_refused(part, only, refusal.error).await?;
        } else {
            let mut good = Vec::new();
            for at in suspects {
                good.push(at);
                if let Commit::Refused(refusal) = self.try_records(part, &good).await? {
                    self.await_parent(&refusal)?;
                    good.pop();
                    self.report_refused(part, at, refusal.error).await?;
                }
            }
        }
        match self.commit(&[part]).await? {
            Commit::Durable => Ok(()),
            Commit::Refused(refusal) => Err(retriable(&refusal.error)),
        }
    }

    /// Commits a part with changes of state, without its errant records, in one transaction: the
    /// state belongs to all of its records (Invariant 2). The errant records are found in
    /// transactions that are rolled back. Each has the records known to be good and a range of the
    /// rest.
    async fn commit_indivisible(&mut self, part: Part<'_>, refusal: Refusal) -> Result<()> {
        if refusal.policy != Policy::Record {
            // No record could be committed by itself.
            return Err(retriable(&refusal.error));
        }
        self.await_parent(&refusal)?;
        let records = self.unreported(part);
        let mut good: Vec<Run> = Vec::new();
        let mut left = vec![&records[..]];
        while let Some(range) = left.pop() {
            let before = good.len();
            good.extend(self.encode_records(part, range)?);
            let Commit::Refused(refusal) = self.try_runs(&good).await? else {
                continue;
            };
            self.await_parent(&refusal)?;
            let Refusal { policy, error, .. } = refusal;
            let refused = good.split_off(before);
            self.cache.encoder.recycle(refused);
            match range {
                [] => {}
                [only] if policy == Policy::Record => {
                    self.report_refused(part, *only, error).await?;
                }
                [_] => return Err(retriable(&error)),
                _ => {
                    let (head, tail) = range.split_at(range.len() / 2);
                    left.extend([tail, head]);
                }
            }
        }
        let attempt = self.commit_runs(&[part], &good).await;
        self.cache.encoder.recycle(good);
        match attempt? {
            Attempt::Durable => Ok(()),
            Attempt::TableChanged => Err(Error::retriable("a table changes while it is written")),
            Attempt::Refused(refusal) => Err(retriable(&refusal.error)),
        }
    }

    /// The positions of the records of a part that were not reported yet.
    fn unreported(&self, part: Part<'_>) -> Vec<usize> {
        let positions = part.records().map(|(at, _)| at);
        let reported = &self.reported;
        positions
            .filter(|&at| !reported.contains(part.batch, at))
            .collect()
    }

    async fn report_refused(&mut self, part: Part<'_>, at: usize, error: Error) -> Result<()> {
        let error = error.context(describe_origin(&part.batch.records[at]));
        self.report(part.batch, at, error).await
    }

    /// Tries records of a part in a transaction that is rolled back.
    async fn try_records(&mut self, part: Part<'_>, records: &[usize]) -> Result<Commit> {
        let runs = self.encode_records(part, records)?;
        let tried = self.try_runs(&runs).await;
        self.cache.encoder.recycle(runs);
        tried
    }

    /// The records as runs of their own, which are written after those of the records before.
    fn encode_records(&mut self, part: Part<'_>, records: &[usize]) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for &at in records {
            let record = &part.batch.records[at];
            let encoder = &mut self.cache.encoder;
            encoder.add(&self.cache.catalog, record, &mut runs)?;
        }
        runs.iter_mut().for_each(Run::finish);
        Ok(runs)
    }

    /// Tries rows in a transaction that is rolled back.
    async fn try_runs(&mut self, runs: &[Run]) -> Result<Commit> {
        let limit = self.cache.config.socket_timeout;
        match within(limit, write::try_runs(self.session, runs)).await {
            Ok(()) => Ok(Commit::Durable),
            Err(error) => self.refused(&error, runs).await?.into_commit(),
        }
    }
}

/// The worker repeats the put.
fn retriable(error: &Error) -> Error {
    Error::new(ErrorKind::Retriable, error.chain())
}

/// What could not be written: the columns, as far as the error and the runs tell them.
pub(crate) fn describe_columns(error: &sqlx::Error, runs: &[Run]) -> String {
    let columns = refused_columns(error, runs);
    if columns.is_empty() {
        return "cannot write to Postgres".to_owned();
    }
    let named = columns
        .iter()
        .map(|Column { name, shown, .. }| format!("column {name} of type {shown}"));
    let named: Vec<_> = named.collect();
    format!("cannot write to Postgres, {}", named.join(" or "))
}

fn refused_columns<'a>(error: &sqlx::Error, runs: &'a [Run]) -> Vec<&'a Column> {
    if policy_of(error) != Policy::Record {
        return Vec::new();
    }
    let mut columns = runs.iter().flat_map(|run| &run.table.columns);
    if let Some(name) = copied_column(error) {
        return columns
            .find(|column| column.name == name)
            .into_iter()
            .collect();
    }
    // For a text that went through a staging table Postgres does not name the column: it may be
    // any of those that are cast.
    let is_text = is_data(error);
    let written = runs.iter().flat_map(|run| {
        let columns = run.columns.as_deref().unwrap_or(&run.keys);
        columns.iter().map(|&at| &run.table.columns[at])
    });
    let inputs = written.filter(|column| is_text && column.is_input());
    let mut inputs: Vec<_> = inputs.collect();
    inputs.dedup_by_key(|column| &column.name);
    inputs
}
