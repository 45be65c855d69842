//! The decode plan of an Avro schema: what the bytes of a value are, with all names resolved.

use std::sync::{Arc, OnceLock, Weak};

use connect_api::{Schema, Str};

/// How to read one value.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Null,
    Boolean,
    Int {
        min: i32,
        max: i32,
    },
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    /// 16 bytes that are told as a UUID's text.
    Uuid,
    Decimal {
        scale: i32,
        fixed: Option<usize>,
    },
    Date,
    TimeMillis,
    TimeMicros,
    TimestampMillis,
    TimestampMicros,
    Enum(Arc<[Str]>),
    Array(Arc<Item>),
    Map(Arc<Item>),
    /// An array of records of key and value: a map whose keys are no strings.
    Entries(Arc<Fields>),
    /// A union of null and one type.
    Nullable {
        null: i64,
        inner: Box<Plan>,
    },
    /// A union of one type.
    Single(Box<Plan>),
    /// A union of several types: a struct of which one field is set.
    Union {
        schema: Arc<Schema>,
        branches: Arc<[Branch]>,
    },
    Record {
        schema: Arc<Schema>,
        fields: Arc<Fields>,
    },
    /// A record within itself.
    Again(Arc<Again>),
}

/// A record that is being defined when it is named. It does not own its fields, which own it.
#[derive(Debug, Default)]
pub(super) struct Again {
    record: OnceLock<(Arc<Schema>, Weak<Fields>, usize)>,
}

impl Again {
    /// Tells what the record is, once it is defined; and how deep its schema goes.
    pub(super) fn define(&self, plan: &Plan, depth: usize) {
        if let Plan::Record { schema, fields } = plan {
            let record = (Arc::clone(schema), Arc::downgrade(fields), depth);
            // It is defined once.
            let _ = self.record.set(record);
        }
    }

    pub(super) fn get(&self) -> Option<(&Arc<Schema>, Arc<Fields>, usize)> {
        let (schema, fields, depth) = self.record.get()?;
        Some((schema, fields.upgrade()?, *depth))
    }
}

/// What an array or a map holds.
#[derive(Debug)]
pub(super) struct Item {
    pub plan: Plan,
    /// The fewest bytes that one takes: a block cannot hold more items than its bytes allow.
    pub min: usize,
}

/// The fields of a record.
#[derive(Debug)]
pub(super) struct Fields {
    pub plans: Vec<(Str, Plan)>,
    pub min: usize,
}

/// A type of a union.
#[derive(Clone, Debug)]
pub(super) enum Branch {
    Null,
    /// The position of its field in the struct.
    Field(usize, Plan),
}

impl Plan {
    /// The fewest bytes that a value takes.
    pub(super) fn min(&self) -> usize {
        match self {
            Self::Null => 0,
            Self::Float => 4,
            Self::Double => 8,
            Self::Fixed(size) => *size,
            Self::Decimal { fixed, .. } => fixed.unwrap_or(1),
            Self::Uuid => 16,
            Self::Record { fields, .. } => fields.min,
            Self::Single(inner) => inner.min().saturating_add(1),
            _ => 1,
        }
    }

    /// Makes the structs that are read share this schema, which differs from the type's own in
    /// what the field says: that it is optional, its default.
    pub(super) fn set_schema(&mut self, shared: &Arc<Schema>) {
        match self {
            Self::Record { schema, .. } | Self::Union { schema, .. } => {
                *schema = Arc::clone(shared);
            }
            Self::Nullable { inner, .. } | Self::Single(inner) => inner.set_schema(shared),
            _ => {}
        }
    }
}

impl Fields {
    pub(super) fn new(plans: Vec<(Str, Plan)>) -> Self {
        let sizes = plans.iter().map(|(_, plan)| plan.min());
        let min = sizes.fold(0, usize::saturating_add);
        Self { plans, min }
    }
}
