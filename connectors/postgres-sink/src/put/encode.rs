//! Turns records into the bytes of COPY: sorts them by table and by the columns that they fill, and
//! keeps the last write of a key.

mod columns;
mod event;
mod plan;
mod run;
pub(crate) mod value;

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::memory::{KeptBytes, Room};
use connect_api::{
    Error, ErrorKind, MemoryLimit, RecordBatch, Result, Schema, SinkRecord, Value, panics,
};

use super::batch::{Part, describe_origin};
use super::catalog::Catalog;
use crate::config::{InsertMode, PkMode, PostgresSinkConfig};
use crate::reported::ReportedRecords;
use plan::Plan;
use run::Added;

pub(crate) use columns::{WantedColumn, wanted_columns};
pub(crate) use event::{Change, change, row};
pub(crate) use plan::table_name;
pub(crate) use run::{COPY_HEADER, COPY_TRAILER, Run};

/// Plans that are kept. A topic with more shapes pays for a new plan each time.
const MAX_PLANS: usize = 4096;

/// Buffers of written runs that are kept.
const MAX_SPARE_BUFFERS: usize = 4;

/// The most bytes of the buffers that are kept, all together: what is larger goes back.
const MAX_SPARE_BYTES: usize = 8 << 20;

/// The shape of a record: its topic, and the identities of the schemas of its value and its key. A
/// plan holds on to its schemas, so that no other schema can come to have their addresses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shape {
    topic: Arc<str>,
    schemas: SchemaIds,
}

/// The addresses of the schemas of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SchemaIds {
    /// 0 for a record without a value, which deletes.
    value: usize,
    /// 0 for a record without a key, 1 for a key that is not a struct.
    key: usize,
}

/// The records of some parts as rows.
#[derive(Debug)]
pub(crate) struct Encoded<'a> {
    pub runs: Vec<Run>,
    /// The records that cannot be rows.
    pub errant: Vec<Errant<'a>>,
    /// Whether the rows of all parts together take more memory than they may. The runs then are of
    /// those in front alone.
    pub is_too_large: bool,
}

/// A record that cannot be a row.
#[derive(Debug)]
pub(crate) struct Errant<'a> {
    pub batch: &'a RecordBatch,
    /// The record's position in the batch.
    pub at: usize,
    pub error: Error,
}

/// Turns records into runs, by plans that it keeps.
#[derive(Debug)]
pub(crate) struct Encoder {
    config: Arc<PostgresSinkConfig>,
    plans: HashMap<Shape, Arc<Plan>>,
    kept: KeptBytes,
    /// The plan of the record before: records of one shape come one after another.
    last: Option<(Shape, Arc<Plan>)>,
    /// The last plan without some columns, what it was made of, and which they are.
    without: Option<(Arc<Plan>, Vec<usize>, Arc<Plan>)>,
    /// Buffers of runs that were written, for the next runs.
    spare: Vec<Vec<u8>>,
}

impl Encoder {
    pub fn new(config: Arc<PostgresSinkConfig>) -> Self {
        Self {
            config,
            plans: HashMap::new(),
            kept: KeptBytes::default(),
            last: None,
            without: None,
            spare: Vec::new(),
        }
    }

    /// Forgets what was derived from the catalog.
    pub fn clear(&mut self) {
        self.plans.clear();
        self.kept.clear();
        self.last = None;
        self.without = None;
    }

    /// Encodes the records of the parts, but for those that were reported before. Rows that take
    /// more memory than one record may are not made for several records together, as long as the
    /// parts can be committed one after another; of what cannot be divided, the records behind
    /// such rows are errant.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when no record of a shape can be written.
    pub fn encode<'a>(
        &mut self,
        catalog: &Catalog,
        parts: &[Part<'a>],
        reported: &ReportedRecords,
    ) -> Result<Encoded<'a>> {
        let limit = MemoryLimit::of_record();
        let mut encoded = Encoded {
            runs: Vec::new(),
            errant: Vec::new(),
            is_too_large: false,
        };
        let mut bytes = 0;
        for part in parts {
            let batch = part.batch;
            for (at, record) in part.records() {
                if reported.contains(batch, at) {
                    continue;
                }
                if bytes > limit.0 {
                    encoded.is_too_large = is_divisible(parts);
                    if encoded.is_too_large {
                        return Ok(encoded);
                    }
                    let error = indivisible().context(describe_origin(record));
                    encoded.errant.push(Errant { batch, at, error });
                    continue;
                }
                match self.add(catalog, record, &mut encoded.runs) {
                    Ok(added) => bytes += added,
                    Err(error) if error.kind() == ErrorKind::Data => {
                        encoded.errant.push(Errant { batch, at, error });
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(encoded)
    }

    /// Adds a record to the runs, and tells how many bytes that takes.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the record cannot be written; the runs are then as
    /// they were. [`connect_api::ErrorKind::Config`] when no record of its shape can.
    pub fn add(
        &mut self,
        catalog: &Catalog,
        record: &SinkRecord,
        runs: &mut Vec<Run>,
    ) -> Result<usize> {
        let located = |error: Error| error.context(describe_origin(record));
        let change = change(&self.config, record).map_err(located)?;
        match change {
            Change::Nothing => return Ok(0),
            Change::Truncate => {
                let name = table_name(&self.config, record).map_err(located)?;
                runs.extend(catalog.get(&name).map(Run::truncate));
                return Ok(0);
            }
            Change::Delete if self.deletes_from_missing_table(catalog, record)? => return Ok(0),
            Change::Delete | Change::Write(_) => {}
        }
        let plan = panics::caught(|| self.plan(catalog, record, change))?;
        let added = self.add_by(&plan, record, runs).map_err(located)?;
        if let Some(bytes) = added {
            return Ok(bytes);
        }
        let plan = self.plan_without(&plan, record).map_err(located)?;
        let added = self.add_by(&plan, record, runs).map_err(located)?;
        Ok(added.unwrap_or_default())
    }

    /// Adds a record by a plan, and tells how many bytes that takes. None: its source did not send
    /// one of its values.
    fn add_by(
        &mut self,
        plan: &Plan,
        record: &SinkRecord,
        runs: &mut Vec<Run>,
    ) -> Result<Option<usize>> {
        let spare = &mut self.spare;
        let mut run = Run::for_plan(runs, plan, spare);
        let mut before = run.bytes();
        let mut added = run.add(plan, record)?;
        if added == Added::Repeated {
            run = Run::begin(runs, plan, spare);
            before = run.bytes();
            added = run.add(plan, record)?;
        }
        Ok((added != Added::Unavailable).then(|| run.bytes().saturating_sub(before)))
    }

    /// The plan for a record some of whose values its source did not send.
    fn plan_without(&mut self, plan: &Arc<Plan>, record: &SinkRecord) -> Result<Arc<Plan>> {
        let columns = plan.unavailable_columns(record);
        if let Some((of, left_out, made)) = &self.without
            && Arc::ptr_eq(of, plan)
            && *left_out == columns
        {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(plan.without(&columns)?);
        self.without = Some((Arc::clone(plan), columns, Arc::clone(&made)));
        Ok(made)
    }

    /// Whether a record without a value would delete from a table that `auto.create` has yet to
    /// create: then there is nothing to delete.
    fn deletes_from_missing_table(&self, catalog: &Catalog, record: &SinkRecord) -> Result<bool> {
        let (creates, deletes) = (self.config.auto_create, self.config.delete_enabled);
        Ok(creates && deletes && catalog.get(&table_name(&self.config, record)?).is_none())
    }

    /// Whether a record of that shape was added before.
    pub fn has_plan(&self, record: &SinkRecord) -> bool {
        let Ok(change) = change(&self.config, record) else {
            return false;
        };
        let schemas = self.schema_ids(record, change);
        let topic = self.shape_topic(record);
        topic.is_ok_and(|topic| self.plans.contains_key(&Shape { topic, schemas }))
    }

    /// What stands for the topic in a shape: with the table, where records of one topic may have
    /// several.
    fn shape_topic(&self, record: &SinkRecord) -> Result<Arc<str>> {
        let topic = &record.record.topic;
        if !self.config.tables.depends_on_source() {
            return Ok(Arc::clone(topic));
        }
        let name = table_name(&self.config, record)?;
        Ok(format!("{topic}\0{name}").into())
    }

    /// Takes the buffers of written runs back.
    pub fn recycle(&mut self, runs: Vec<Run>) {
        for run in runs {
            for buffer in run.into_buffers() {
                let kept: usize = self.spare.iter().map(Vec::capacity).sum();
                let fits = kept + buffer.capacity() <= MAX_SPARE_BYTES;
                if fits && self.spare.len() < MAX_SPARE_BUFFERS {
                    self.spare.push(buffer);
                }
            }
        }
    }

    fn plan(
        &mut self,
        catalog: &Catalog,
        record: &SinkRecord,
        change: Change<'_>,
    ) -> Result<Arc<Plan>> {
        let schemas = self.schema_ids(record, change);
        let topic = self.shape_topic(record);
        let topic = topic.map_err(|error| error.context(describe_origin(record)))?;
        if let Some((last, plan)) = &self.last
            && last.schemas == schemas
            && (Arc::ptr_eq(&last.topic, &topic) || last.topic == topic)
        {
            return Ok(Arc::clone(plan));
        }
        let shape = Shape { topic, schemas };
        let plan = match self.plans.get(&shape) {
            Some(plan) => Arc::clone(plan),
            None => {
                let plan = Plan::new(&self.config, catalog, record);
                let plan = Arc::new(plan.map_err(|error| error.context(describe_origin(record)))?);
                let full = self.kept.add(plan.memory()) == Room::AfterClearing;
                if full || self.plans.len() >= MAX_PLANS {
                    self.plans.clear();
                }
                self.plans.insert(shape.clone(), Arc::clone(&plan));
                plan
            }
        };
        self.last = Some((shape, Arc::clone(&plan)));
        Ok(plan)
    }

    fn schema_ids(&self, record: &SinkRecord, change: Change<'_>) -> SchemaIds {
        let value = match change {
            Change::Write(row) => address(row.schema()),
            Change::Delete | Change::Truncate | Change::Nothing => 0,
        };
        let key = match (self.config.pk_mode, &record.record.key.value) {
            (PkMode::RecordKey, Value::Struct(row)) => address(row.schema()),
            (PkMode::RecordKey, Value::Null) => 0,
            (PkMode::RecordKey, _) => 1,
            _ => 0,
        };
        SchemaIds { value, key }
    }
}

/// Whether the parts can become durable in smaller ones.
fn is_divisible(parts: &[Part<'_>]) -> bool {
    match parts {
        [part] => !part.is_indivisible() && part.middle().is_some(),
        _ => true,
    }
}

fn indivisible() -> Error {
    Error::data(format!(
        "the rows in front of it, which have to become durable with it, take all the memory that \
         one record may ({})",
        MemoryLimit::OPTION
    ))
}

fn address(schema: &Arc<Schema>) -> usize {
    Arc::as_ptr(schema).addr()
}

/// Whether a mode writes by way of a staging table.
pub(crate) fn is_merge(mode: InsertMode) -> bool {
    mode != InsertMode::Insert
}
