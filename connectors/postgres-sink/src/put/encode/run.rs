//! Runs: rows of one table with the same columns, as the bytes of COPY.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use connect_api::{MemoryLimit, Result, SinkRecord, panics};

use super::plan::{Encoding, Merging, Plan};
use crate::config::InsertMode;
use crate::put::catalog::Table;

/// The signature, no flags and no extension.
pub(crate) const COPY_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// No fields: the end.
pub(crate) const COPY_TRAILER: [u8; 2] = (-1_i16).to_be_bytes();

/// Bytes of a buffer that stay free behind its rows when a record did not fit.
const MAX_UNUSED: usize = 4 << 20;

/// Rows in COPY's binary format.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    data: Vec<u8>,
    /// Where each row of a merge is in the data. `None`: a later row of its key replaced it.
    spans: Vec<Option<Range<usize>>>,
    count: u64,
    replaced: u64,
}

impl Rows {
    fn start(&mut self, spare: &mut Vec<Vec<u8>>) {
        if self.data.is_empty() {
            self.data = spare.pop().unwrap_or_default();
            self.data.clear();
            self.data.extend_from_slice(COPY_HEADER);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == self.replaced
    }

    fn discard(&mut self, row: usize) {
        if self.spans[row].take().is_some() {
            self.replaced += 1;
        }
    }

    /// Leaves out the rows that later rows replaced, and ends the data.
    fn finish(&mut self) {
        if self.replaced > 0 {
            let mut end = COPY_HEADER.len();
            for span in self.spans.iter().flatten() {
                self.data.copy_within(span.clone(), end);
                end += span.len();
            }
            self.data.truncate(end);
        }
        self.data.extend_from_slice(&COPY_TRAILER);
    }

    /// The whole input of a COPY.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Done,
    /// It was not added: the run has a write of its key already, which must be made first.
    Repeated,
    /// It was not added: the source did not send one of its values.
    Unavailable,
}

/// The rows of a run that have one key.
#[derive(Debug, Default)]
struct KeyRows {
    /// The write that counts: its index in the spans.
    write: Option<usize>,
    is_deleted_first: bool,
}

/// Rows of one table: first the deletes, then the writes.
#[derive(Debug)]
pub(crate) struct Run {
    pub table: Arc<Table>,
    pub merging: Merging,
    /// The columns of the writes, by their positions in the table.
    pub columns: Option<Arc<[usize]>>,
    /// The columns of the primary key, by their positions in the table.
    pub keys: Arc<[usize]>,
    /// Whether all rows of the table are deleted. Such a run has no rows of its own.
    pub truncates: bool,
    pub deletes: Rows,
    pub writes: Rows,
    /// What the run does with a key, by the key's bytes.
    by_key: HashMap<Box<[u8]>, KeyRows>,
    /// The key of the record that is being added.
    key: Vec<u8>,
}

impl Run {
    /// The run that rows of the plan go to: the table's last run, unless its rows have other
    /// columns, or a delete would then be made before an earlier insert.
    pub(super) fn for_plan<'a>(
        runs: &'a mut Vec<Self>,
        plan: &Plan,
        spare: &mut Vec<Vec<u8>>,
    ) -> &'a mut Self {
        let last = runs
            .iter()
            .rposition(|run| Arc::ptr_eq(&run.table, &plan.table));
        match last.filter(|&at| runs[at].takes(plan)) {
            Some(at) => {
                let run = &mut runs[at];
                run.start(plan, spare);
                run
            }
            None => Self::begin(runs, plan, spare),
        }
    }

    /// A new run behind the others.
    pub(super) fn begin<'a>(
        runs: &'a mut Vec<Self>,
        plan: &Plan,
        spare: &mut Vec<Vec<u8>>,
    ) -> &'a mut Self {
        runs.push(Self {
            table: Arc::clone(&plan.table),
            merging: plan.merging,
            columns: None,
            keys: Arc::clone(&plan.keys),
            truncates: false,
            deletes: Rows::default(),
            writes: Rows::default(),
            by_key: HashMap::new(),
            key: Vec::new(),
        });
        let at = runs.len() - 1;
        let run = &mut runs[at];
        run.start(plan, spare);
        run
    }

    /// A run that empties a table.
    pub(super) fn truncate(table: &Arc<Table>) -> Self {
        Self {
            table: Arc::clone(table),
            merging: Merging::INSERT,
            columns: None,
            keys: Arc::new([]),
            truncates: true,
            deletes: Rows::default(),
            writes: Rows::default(),
            by_key: HashMap::new(),
            key: Vec::new(),
        }
    }

    fn start(&mut self, plan: &Plan, spare: &mut Vec<Vec<u8>>) {
        if plan.deletes {
            self.deletes.start(spare);
        } else {
            self.writes.start(spare);
            self.merging = plan.merging;
            self.columns
                .get_or_insert_with(|| Arc::clone(&plan.columns));
        }
    }

    /// Whether all writes of a key go to Postgres, which decides which of them count.
    fn keeps_all(&self) -> bool {
        let Merging {
            mode,
            newer,
            keeps_nulls,
            ..
        } = self.merging;
        match mode {
            InsertMode::Insert | InsertMode::InsertIgnore => true,
            InsertMode::Upsert | InsertMode::Update => newer.is_some() && !keeps_nulls,
        }
    }

    fn takes(&self, plan: &Plan) -> bool {
        if self.truncates || plan.keys != self.keys {
            return false;
        }
        if plan.deletes {
            return !self.keeps_all() || self.writes.count == 0;
        }
        let updates_alike = self.merging.updates_first == plan.merging.updates_first;
        let is_alike = |own: &Arc<[usize]>| Arc::ptr_eq(own, &plan.columns) || *own == plan.columns;
        let columns = self.columns.as_ref();
        columns.is_none_or(|own| updates_alike && is_alike(own))
    }

    /// Adds the record, or leaves the run as it was.
    pub(super) fn add(&mut self, plan: &Plan, record: &SinkRecord) -> Result<Added> {
        let rows = if plan.deletes {
            &mut self.deletes
        } else {
            &mut self.writes
        };
        let start = rows.data.len();
        self.key.clear();
        let (data, key) = (&mut rows.data, &mut self.key);
        let encode = || panics::caught(|| plan.encode(record, data, key));
        let made = MemoryLimit::of_record().measure(encode).made;
        if !matches!(made, Ok(Encoding::Whole)) {
            rows.data.truncate(start);
            if rows.data.capacity() - start > MAX_UNUSED {
                rows.data.shrink_to(start + MAX_UNUSED);
            }
            return made.map(|_| Added::Unavailable);
        }
        if plan.deletes {
            self.add_delete(start);
        } else if self.keeps_all() {
            self.writes.count += 1;
        } else if self.merging.keeps_nulls && self.has_write() {
            // A null in the later write keeps the earlier write's value, which must be there first.
            self.writes.data.truncate(start);
            return Ok(Added::Repeated);
        } else {
            self.add_merge(start);
        }
        Ok(Added::Done)
    }

    fn has_write(&self) -> bool {
        let entry = self.by_key.get(self.key.as_slice());
        entry.is_some_and(|rows| rows.write.is_some())
    }

    /// Of several writes of a key only the last counts.
    fn add_merge(&mut self, start: usize) {
        let row = self.writes.spans.len();
        self.writes.spans.push(Some(start..self.writes.data.len()));
        self.writes.count += 1;
        match self.by_key.get_mut(self.key.as_slice()) {
            Some(rows) => {
                if let Some(before) = rows.write.replace(row) {
                    self.writes.discard(before);
                }
            }
            None => {
                let key = self.key.as_slice().into();
                let rows = KeyRows {
                    write: Some(row),
                    is_deleted_first: false,
                };
                self.by_key.insert(key, rows);
            }
        }
    }

    /// A delete undoes the writes before it. It stays when another write follows: an upsert must
    /// not keep values of the row that was there before.
    fn add_delete(&mut self, start: usize) {
        let rows = self.by_key.entry(self.key.as_slice().into()).or_default();
        if let Some(before) = rows.write.take() {
            self.writes.discard(before);
        }
        if rows.is_deleted_first {
            self.deletes.data.truncate(start);
            return;
        }
        rows.is_deleted_first = true;
        self.deletes
            .spans
            .push(Some(start..self.deletes.data.len()));
        self.deletes.count += 1;
    }

    /// Ends the data of the rows.
    pub fn finish(&mut self) {
        for rows in [&mut self.deletes, &mut self.writes] {
            if !rows.is_empty() {
                rows.finish();
            }
        }
    }

    /// Bytes of its rows.
    pub fn bytes(&self) -> usize {
        self.deletes.data.len() + self.writes.data.len()
    }

    pub fn into_buffers(self) -> [Vec<u8>; 2] {
        [self.deletes.data, self.writes.data]
    }
}
