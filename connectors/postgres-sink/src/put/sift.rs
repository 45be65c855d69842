//! Parts records from those at fault: those that cannot be rows, and those that Postgres refuses of
//! a part that is committed as a whole or not at all.

use connect_api::{Error, ErrorKind, RecordBatch, Result};

use super::batch::{Run, position};
use super::part::Part;
use super::{Answer, Put, timed, write};
use crate::error::Policy;

impl Put<'_> {
    /// Commits a part that Postgres refused, without the rows at fault, in one transaction: its
    /// state belongs to all of its records (Invariant 2). The rows are found in transactions that
    /// are rolled back, each of what was found good so far and a range of the rest.
    pub(super) async fn sift(
        &mut self,
        part: Part<'_>,
        policy: Policy,
        error: Error,
    ) -> Result<()> {
        if policy != Policy::Record {
            // Nothing of it could be committed by itself.
            return Err(Error::new(ErrorKind::Retriable, error.chain()));
        }
        let mut records: Vec<usize> = part.records().map(|(at, _)| at).collect();
        records.retain(|&at| !self.is_reported(part.batch, at));
        let mut good: Vec<Run> = Vec::new();
        let mut left = vec![&records[..]];
        while let Some(range) = left.pop() {
            let before = good.len();
            self.encode_range(part, range, &mut good)?;
            let Some((policy, error)) = self.try_runs(&good).await? else {
                continue;
            };
            let refused = good.split_off(before);
            self.writer.batcher.recycle(refused);
            match range {
                [] => {}
                [only] if policy == Policy::Record => {
                    let error = error.context(position(&part.batch.records[*only]));
                    self.report(part.batch, *only, error).await?;
                }
                [_] => return Err(Error::new(ErrorKind::Retriable, error.chain())),
                _ => {
                    let (head, tail) = range.split_at(range.len() / 2);
                    left.extend([tail, head]);
                }
            }
        }
        let answer = self.transact(&[part], &good).await;
        self.writer.batcher.recycle(good);
        match answer? {
            Answer::Durable => Ok(()),
            Answer::Stale => Err(Error::retriable("a table changes while it is written")),
            Answer::Refused(_, error) => Err(Error::retriable(error.chain())),
        }
    }

    /// Adds the records as runs of their own: they are written after those before them.
    fn encode_range(&mut self, part: Part<'_>, range: &[usize], runs: &mut Vec<Run>) -> Result<()> {
        let mut own = Vec::new();
        for &at in range {
            let record = &part.batch.records[at];
            let batcher = &mut self.writer.batcher;
            batcher.add(&self.writer.catalog, record, &mut own)?;
        }
        own.iter_mut().for_each(Run::finish);
        runs.append(&mut own);
        Ok(())
    }

    /// Tries rows in a transaction that is rolled back.
    pub(super) async fn try_runs(&mut self, runs: &[Run]) -> Result<Option<(Policy, Error)>> {
        let limit = self.writer.config.socket_timeout;
        match timed(limit, write::probe(self.session, runs)).await {
            Ok(()) => Ok(None),
            Err(error) => self.refused(&error, runs).await?.refusal(),
        }
    }

    /// The rows, and the records that cannot be any.
    pub(super) fn rows<'b>(&mut self, parts: &[Part<'b>]) -> Result<(Vec<Run>, Vec<Errant<'b>>)> {
        let mut runs = Vec::new();
        let mut errant = Vec::new();
        for part in parts {
            for (at, record) in part.records() {
                if self.is_reported(part.batch, at) {
                    continue;
                }
                let added = self
                    .writer
                    .batcher
                    .add(&self.writer.catalog, record, &mut runs);
                match added {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::Data => {
                        errant.push((part.batch, at, error));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok((runs, errant))
    }
}

/// A record by its batch and its position there, and why it cannot be a row.
pub(super) type Errant<'a> = (&'a RecordBatch, usize, Error);
