//! How values are written, by their schema.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use connect_api::Value;

/// How a message is written.
#[derive(Debug)]
pub(super) struct MessageOut {
    /// In the order of their numbers.
    pub fields: Vec<Target>,
    /// One of Google's: its value stands for it.
    pub is_wrapper: bool,
}

/// A field, and where its value is in the row.
#[derive(Debug)]
pub(super) struct Target {
    pub name: String,
    pub slot: usize,
    /// The place in a union that stands there.
    pub member: Option<usize>,
    /// What is written for null.
    pub default: Option<Value>,
    pub field: FieldOut,
}

#[derive(Debug)]
pub(super) struct FieldOut {
    pub number: u32,
    pub label: Label,
    pub out: Out,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// A zero is the same as nothing.
    Implicit,
    /// It is written whatever it is.
    Present,
    Repeated,
}

/// How one value is written.
#[derive(Debug)]
pub(super) enum Out {
    Int(RangeInclusive<i64>),
    Unsigned32,
    Zigzag(RangeInclusive<i64>),
    Fixed32(RangeInclusive<i64>),
    Fixed64,
    Float,
    Double,
    Boolean,
    String,
    /// Whatever it is, as text.
    Text,
    Bytes,
    Enum(HashMap<String, i32>),
    Wrapper(Box<Out>),
    Message(MessageOut),
    /// The key and the value of a map.
    Entry(Vec<Target>),
    Decimal,
    Date,
    Time,
    Timestamp,
}

impl Out {
    pub(super) fn wire(&self) -> u32 {
        match self {
            Self::Int(_) | Self::Unsigned32 | Self::Zigzag(_) | Self::Boolean | Self::Enum(_) => 0,
            Self::Fixed64 | Self::Double => 1,
            Self::Fixed32(_) | Self::Float => 5,
            _ => 2,
        }
    }

    pub(super) fn is_packed(&self) -> bool {
        self.wire() != 2
    }

    /// Whether a value is the one that stands for nothing.
    pub(super) fn is_zero(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Enum(symbols), Value::String(symbol)) => {
                symbols.get(&**symbol).is_some_and(|number| *number == 0)
            }
            (Self::String | Self::Text, Value::String(text)) => text.is_empty(),
            (Self::Bytes, Value::Bytes(bytes)) => bytes.is_empty(),
            (_, Value::Int(number)) => *number == 0,
            // A negative zero is another one.
            (_, Value::Float(number)) => number.to_bits() == 0,
            (_, Value::Boolean(flag)) => !flag,
            _ => false,
        }
    }
}

/// A type of a field: its word, and how it is written.
pub(super) struct Typed {
    pub word: String,
    pub out: Out,
    /// What Confluent tells beside the field.
    pub meta: Vec<(&'static str, String)>,
}

impl Typed {
    pub(super) fn new(word: impl Into<String>, out: Out) -> Self {
        Self {
            word: word.into(),
            out,
            meta: Vec::new(),
        }
    }
}
