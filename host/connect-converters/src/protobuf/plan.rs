//! The decode plan of a message: what its fields are on the wire, and where they stand in the row.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use connect_api::{Schema, Str, Value};

/// How to read one value.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    Int32 {
        min: i32,
        max: i32,
    },
    Sint32 {
        min: i32,
        max: i32,
    },
    Sfixed32 {
        min: i32,
        max: i32,
    },
    Uint32,
    Fixed32,
    Int64,
    Sint64,
    Fixed64,
    Float,
    Double,
    Boolean,
    String,
    Bytes,
    /// By its number.
    Enum(Arc<Symbols>),
    EnumNumber,
    Message(Arc<Message>),
    /// A message within itself.
    Again(Arc<Again>),
    /// A message of one field, which stands for its value.
    Wrapper(Box<Plan>),
    /// `confluent.type.Decimal`, with the scale that its field asks for.
    Decimal(Option<i32>),
    /// `google.type.Date`.
    Date,
    /// `google.type.TimeOfDay`.
    Time,
    /// `google.protobuf.Timestamp`.
    Timestamp,
}

/// How a value stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Varint,
    Bits64,
    Sized,
    Bits32,
}

impl Plan {
    pub(super) fn wire(&self) -> Wire {
        match self {
            Self::Int32 { .. }
            | Self::Sint32 { .. }
            | Self::Uint32
            | Self::Int64
            | Self::Sint64
            | Self::Boolean
            | Self::Enum(_)
            | Self::EnumNumber => Wire::Varint,
            Self::Sfixed32 { .. } | Self::Fixed32 | Self::Float => Wire::Bits32,
            Self::Fixed64 | Self::Double => Wire::Bits64,
            _ => Wire::Sized,
        }
    }

    /// Whether a second value of the field is merged with the first, and does not replace it.
    pub(super) fn is_message(&self) -> bool {
        self.wire() == Wire::Sized && !matches!(self, Self::String | Self::Bytes)
    }
}

/// The names of an enum's values.
#[derive(Debug)]
pub(super) struct Symbols {
    pub name: Str,
    pub by_number: HashMap<i32, Str>,
}

/// How often a field may stand in a message.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    One(Plan),
    Many(Plan),
    /// A map; each entry is a message of both.
    Entries(Arc<Entry>),
}

/// The key and the value of a map, and what stands for one that is left out.
#[derive(Debug)]
pub(super) struct Entry {
    pub key: Plan,
    pub no_key: Value,
    pub value: Plan,
    pub no_value: Value,
}

/// A field.
#[derive(Clone, Debug)]
pub(super) struct FieldPlan {
    pub number: u32,
    pub name: Str,
    pub shape: Shape,
    pub place: Place,
}

/// Where a field stands in its row.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Own(usize),
    /// In a struct of which one field is set.
    Union(Arc<Member>),
    /// Beside others of which only one is set: a oneof that is flattened.
    OneOf {
        slot: usize,
        first: usize,
        count: usize,
    },
}

#[derive(Debug)]
pub(super) struct Member {
    pub slot: usize,
    pub schema: Arc<Schema>,
    pub at: usize,
}

/// A message that is being read.
#[derive(Debug)]
pub(super) struct Message {
    pub schema: Arc<Schema>,
    /// By their numbers.
    pub fields: Vec<FieldPlan>,
    /// The row of a message without a byte.
    pub absent: Vec<Value>,
    /// The memory of that.
    pub memory: usize,
    /// Places of fields that must be there.
    pub required: Vec<usize>,
}

impl Message {
    /// The field of a number; fields mostly come in order.
    pub(super) fn find(&self, number: u32, expected: usize) -> Option<usize> {
        match self.fields.get(expected) {
            Some(field) if field.number == number => Some(expected),
            _ => self.fields.binary_search_by_key(&number, |f| f.number).ok(),
        }
    }
}

/// A message that is being defined when it is named. It does not own its fields, which own it.
#[derive(Debug, Default)]
pub(super) struct Again {
    message: OnceLock<Weak<Message>>,
}

impl Again {
    pub(super) fn define(&self, message: &Arc<Message>) {
        // It is defined once.
        let _ = self.message.set(Arc::downgrade(message));
    }

    pub(super) fn get(&self) -> Option<Arc<Message>> {
        self.message.get()?.upgrade()
    }
}
