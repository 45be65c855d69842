//! The battery of tests that every sink passes: delivery, order, errant records, repetition,
//! restarts and stops.
//!
//! The tests of a sink implement [`SinkUnderTest`], which makes a task and reads back what landed
//! in the target, and name it in [`battery!`], which makes a test of each check. A sink that keeps
//! offsets is held to exactly once, any other to at least once.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use anyhow::Result;
//! use async_trait::async_trait;
//! use connect_api::{Datum, ErrantRecordReporter, Error, RecordBatch, SinkTask, Value};
//! use connect_sink_tests::{Landed, LandedRecord, SinkUnderTest};
//!
//! /// A sink that writes numbers to a list.
//! struct ListSinkTask(Arc<Mutex<Vec<LandedRecord>>>);
//!
//! #[async_trait]
//! impl SinkTask for ListSinkTask {
//!     async fn put(
//!         &mut self,
//!         batches: &[RecordBatch],
//!         reporter: &mut dyn ErrantRecordReporter,
//!     ) -> connect_api::Result<()> {
//!         for batch in batches {
//!             for record in &batch.records {
//!                 let Value::Int(number) = record.record.value.value else {
//!                     let error = Error::data(format!("{}: not a number", record.origin));
//!                     reporter.report(record, error).await?;
//!                     continue;
//!                 };
//!                 let partition = batch.topic_partition.partition;
//!                 let mut list = self.0.lock().unwrap();
//!                 list.push(LandedRecord { partition, number });
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! struct List(Arc<Mutex<Vec<LandedRecord>>>);
//!
//! #[async_trait(?Send)]
//! impl SinkUnderTest for List {
//!     async fn new() -> Result<Self> {
//!         Ok(Self(Arc::default()))
//!     }
//!
//!     async fn task(&mut self) -> Result<Box<dyn SinkTask>> {
//!         Ok(Box::new(ListSinkTask(Arc::clone(&self.0))))
//!     }
//!
//!     fn value(&self, _: i32, number: i64) -> Datum {
//!         Datum::schemaless(Value::Int(number))
//!     }
//!
//!     fn errant_value(&self) -> Option<Datum> {
//!         Some(Datum::schemaless(Value::from("x")))
//!     }
//!
//!     async fn landed(&mut self) -> Result<Landed> {
//!         Ok(Landed::Records(self.0.lock().unwrap().clone()))
//!     }
//! }
//!
//! connect_sink_tests::battery!(List);
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(connect_sink_tests::checks::errant_records::<List>()).unwrap();
//! # runtime.block_on(connect_sink_tests::checks::repetition::<List>()).unwrap();
//! ```

pub mod checks;
mod records;
mod reports;
mod worker;

use anyhow::Result;
use async_trait::async_trait;
use connect_api::{Datum, SinkTask};

pub use records::{batch, partition, record};
pub use reports::Reports;
pub use worker::TestWorker;

/// The topic of all records of the battery.
pub const TOPIC: &str = "events";

/// A sink, and a target of its own.
#[async_trait(?Send)]
pub trait SinkUnderTest: Sized {
    /// The sink with an empty target, which no other test writes to.
    ///
    /// # Errors
    /// When the target is not there. No test is skipped.
    async fn new() -> Result<Self>;

    /// A task of the connector that writes to this target. Called again, it is the task after a
    /// restart: the former one was stopped or dropped.
    ///
    /// # Errors
    /// When the task cannot be made.
    async fn task(&mut self) -> Result<Box<dyn SinkTask>>;

    /// The value of the record that has this number, of this partition of [`TOPIC`].
    fn value(&self, partition: i32, number: i64) -> Datum;

    /// A value that the target does not take. None: it takes every value.
    fn errant_value(&self) -> Option<Datum>;

    /// Makes the next put, or the next call that reaches the target, fail in a way that passes: a
    /// connection that is closed, a server that refuses once. Nothing where that cannot be done.
    ///
    /// # Errors
    /// When it should have been done, and was not.
    async fn disturb(&mut self) -> Result<()> {
        Ok(())
    }

    /// What the target has.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn landed(&mut self) -> Result<Landed>;
}

/// What a target has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Landed {
    /// These records, those of a partition in the order in which they were written.
    Records(Vec<LandedRecord>),
    /// It keeps nothing that could be read back: only the sink's answers are checked.
    Unknown,
}

/// A record that was read back from a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LandedRecord {
    /// The partition of [`TOPIC`] that it came from.
    pub partition: i32,
    /// The number of its value.
    pub number: i64,
}

/// Makes a test of each check of the battery, for a type that implements [`SinkUnderTest`]. The
/// tests' crate needs tokio with its features `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! battery {
    ($sink:ty) => {
        $crate::battery!($sink: delivery, order, errant_records, intolerable_records,
            records_of_one_offset, offsets_without_records, repetition, disturbance, restart);
    };
    ($sink:ty: $($check:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $check() -> ::std::result::Result<(), Box<dyn ::std::error::Error>> {
                Ok($crate::checks::$check::<$sink>().await?)
            }
        )+
    };
}
