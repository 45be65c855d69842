//! The contract between the worker and its connectors, converters and transforms.
//!
//! No runtime here, and no I/O but the reading of a file that an option names: whoever writes a
//! connector or a transform compiles against this crate alone. The words are Kafka Connect's.

mod config;
mod connector;
mod converter;
mod data;
mod day;
mod decimal;
mod error;
pub mod json;
pub mod memory;
pub mod panics;
mod provided;
mod record;
mod schema;
mod scope;
mod sink;
mod source;
mod state;
mod transform;
pub mod values;

pub use compact_str::CompactString as Str;
pub use config::{
    Choice, ChoiceWords, Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, HIDDEN, Importance,
    MOST_CONFIG_FILE_BYTES, Properties, Secret, Tolerance, Validator, Width, WordCase,
    check_config_file, is_mask, keep_secrets, mask, read_config_file,
};
pub use connector::Connector;
pub use converter::{Converter, HeaderConverter, RecordPart};
pub use data::{Datum, Struct, Value, ValueRef};
pub use day::Day;
pub use decimal::{Decimal, NoInteger};
pub use error::{AtField, Error, ErrorKind, Result};
pub use memory::{Measured, MemoryLimit};
pub use provided::{OptionProvider, ProvidedOptions};
pub use record::{
    DeadLetter, Header, Offset, Origin, RawHeader, RawRecord, Record, RecordBatch, SinkRecord,
    Timestamp, TimestampType, TopicPartition,
};
pub use schema::{Field, Kind, Schema};
pub use scope::OffsetScope;
pub use sink::{
    ClientProperties, DeadLetterStorage, ErrantRecordReporter, LostOffsets, OffsetChange,
    OpenedPartition, PartitionStates, PendingOffsets, SinkConnector, SinkOffsets, SinkState,
    SinkTask, TargetHistory, TaskContext,
};
pub use source::{
    CommittedRecord, EachRecord, ExactlyOnceSupport, OffsetStorageReader, RecordMetadata,
    RecordOutcome, Senders, SourceConnector, SourceOffset, SourceOffsetChange, SourcePartition,
    SourceRecord, SourceTask, SourceTaskContext, TopicReader, WrittenHeaders,
};
pub use state::{
    StateChanges, StateDelta, StateEntry, StateQuery, StateRow, StateStore, StoredState,
};
pub use transform::{
    Disposition, Outcome, Predicate, RecordTransformation, Tick, TickReason, Transformation,
};
