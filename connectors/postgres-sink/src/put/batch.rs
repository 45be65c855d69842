//! Records by table and shape, as the bytes that go to Postgres; last write per key wins.

mod plan;
mod run;
mod source;

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::{Error, Result, Schema, SinkRecord, Value};

use super::catalog::Catalog;
use crate::config::{InsertMode, PkMode, PostgresSinkConfig};
use plan::Plan;
use run::Added;

pub(crate) use run::{COPY_HEADER, COPY_TRAILER, Run};
pub(crate) use source::{Wanted, wanted};

/// Plans that are kept; a topic with more shapes pays for a new one each time.
const MAX_PLANS: usize = 4096;

/// Where a record's plan is found: its topic, and the identities of the schemas of its value and
/// its key. A plan holds on to its schemas, so no other can come to have their identity.
type PlanKey = (Arc<str>, usize, usize);

/// Turns records into runs.
#[derive(Debug)]
pub(crate) struct Batcher {
    config: Arc<PostgresSinkConfig>,
    plans: HashMap<PlanKey, Arc<Plan>>,
    last: Option<(PlanKey, Arc<Plan>)>,
    /// Buffers of runs that are done, for the next ones.
    spare: Vec<Vec<u8>>,
}

impl Batcher {
    pub fn new(config: Arc<PostgresSinkConfig>) -> Self {
        Self {
            config,
            plans: HashMap::new(),
            last: None,
            spare: Vec::new(),
        }
    }

    /// Forgets what was derived from the catalog.
    pub fn clear(&mut self) {
        self.plans.clear();
        self.last = None;
    }

    /// Adds a record to the runs.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when the record cannot be written; the runs are then as
    /// they were. [`connect_api::ErrorKind::Config`] when none of its kind can.
    pub fn add(
        &mut self,
        catalog: &Catalog,
        record: &SinkRecord,
        runs: &mut Vec<Run>,
    ) -> Result<()> {
        if record.record.value.value.is_null() && self.is_moot(catalog, record)? {
            return Ok(());
        }
        let plan = self.plan(catalog, record)?;
        let spare = &mut self.spare;
        let located = |error: Error| error.context(position(record));
        let run = Run::for_plan(runs, &plan, spare);
        if let Added::Repeated = run.add(&plan, record).map_err(located)? {
            let run = Run::begin(runs, &plan, spare);
            run.add(&plan, record).map_err(located)?;
        }
        Ok(())
    }

    /// Whether a record without a value would delete from a table that is yet to be created.
    fn is_moot(&self, catalog: &Catalog, record: &SinkRecord) -> Result<bool> {
        let (creates, deletes) = (self.config.auto_create, self.config.delete_enabled);
        Ok(creates
            && deletes
            && catalog
                .get(&self.config.tables.table(&record.record.topic)?)
                .is_none())
    }

    /// Whether a record of that shape was added before.
    pub fn knows(&self, record: &SinkRecord) -> bool {
        let key = self.plan_key(record);
        key.is_ok_and(|key| self.plans.contains_key(&key))
    }

    fn plan_key(&self, record: &SinkRecord) -> Result<PlanKey> {
        let (value, key) = self.identities(record)?;
        Ok((Arc::clone(&record.record.topic), value, key))
    }

    /// Takes the buffers of runs back.
    pub fn recycle(&mut self, runs: Vec<Run>) {
        for run in runs {
            for buffer in run.into_buffers() {
                if self.spare.len() < 4 {
                    self.spare.push(buffer);
                }
            }
        }
    }

    fn plan(&mut self, catalog: &Catalog, record: &SinkRecord) -> Result<Arc<Plan>> {
        let (value, key) = self.identities(record)?;
        if let Some(((topic, last_value, last_key), plan)) = &self.last
            && (value, key) == (*last_value, *last_key)
            && (Arc::ptr_eq(topic, &record.record.topic) || topic == &record.record.topic)
        {
            return Ok(Arc::clone(plan));
        }
        let found: PlanKey = (Arc::clone(&record.record.topic), value, key);
        let plan = match self.plans.get(&found) {
            Some(plan) => Arc::clone(plan),
            None => {
                let plan = Plan::new(&self.config, catalog, record);
                let plan = Arc::new(plan.map_err(|error| error.context(position(record)))?);
                if self.plans.len() >= MAX_PLANS {
                    self.plans.clear();
                }
                self.plans.insert(found.clone(), Arc::clone(&plan));
                plan
            }
        };
        self.last = Some((found, Arc::clone(&plan)));
        Ok(plan)
    }

    fn identities(&self, record: &SinkRecord) -> Result<(usize, usize)> {
        let value = self.identity(record)?;
        let key = match self.config.pk_mode {
            PkMode::RecordKey => key_identity(&record.record.key.value),
            _ => 0,
        };
        Ok((value, key))
    }

    /// The identity of the value's schema; 0 for a tombstone that deletes.
    fn identity(&self, record: &SinkRecord) -> Result<usize> {
        match &record.record.value.value {
            Value::Struct(row) => Ok(address(row.schema())),
            Value::Null if self.config.delete_enabled => Ok(0),
            other => Err(Error::data(format!(
                "{}: the sink with delete.enabled={} takes a struct or an object, but the value is \
                 {}",
                position(record),
                self.config.delete_enabled,
                other.type_name()
            ))),
        }
    }
}

fn address(schema: &Arc<Schema>) -> usize {
    Arc::as_ptr(schema).addr()
}

/// A struct's schema, or whether there is a key at all.
fn key_identity(key: &Value) -> usize {
    match key {
        Value::Struct(row) => address(row.schema()),
        Value::Null => 0,
        _ => 1,
    }
}

/// Where a record came from, for error messages.
pub(crate) fn position(record: &SinkRecord) -> String {
    format!(
        "record at offset {} of {}",
        record.origin.offset, record.origin.topic_partition
    )
}

/// Whether a mode writes by way of a staging table.
pub(crate) fn is_merge(mode: InsertMode) -> bool {
    mode != InsertMode::Insert
}
