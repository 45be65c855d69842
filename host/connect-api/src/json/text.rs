//! Rows that stay JSON text: where in it the values are.

use bytestring::ByteString;

use super::Literal;
use crate::{Value, ValueRef};

/// Where a value is, or the value itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Null,
    Boolean(bool),
    Int(i64),
    Literal(Literal),
    /// From and to, without the quotes and without escapes between them.
    String(u32, u32),
    /// From and to.
    Json(u32, u32),
    /// A place among the other values.
    Other(u32),
}

/// The text of a JSON object and its values. It shares the bytes of the record that it came in.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    text: ByteString,
    spans: Box<[Span]>,
    others: Vec<Value>,
}

impl Text {
    pub(super) fn new(text: ByteString, spans: Box<[Span]>, others: Vec<Value>) -> Self {
        Self {
            text,
            spans,
            others,
        }
    }

    /// The value of a field by its position.
    pub(crate) fn value(&self, at: usize) -> ValueRef<'_> {
        match self.spans[at] {
            Span::Null => ValueRef::Null,
            Span::Boolean(flag) => ValueRef::Boolean(flag),
            Span::Int(number) => ValueRef::Int(number),
            Span::Literal(literal) => ValueRef::Literal(literal),
            Span::String(from, to) => ValueRef::String(&self.text[from as usize..to as usize]),
            Span::Json(from, to) => ValueRef::Json(&self.text[from as usize..to as usize]),
            Span::Other(at) => ValueRef::Value(&self.others[at as usize]),
        }
    }

    pub(crate) fn values(&self) -> Vec<Value> {
        (0..self.spans.len())
            .map(|at| self.value(at).to_value())
            .collect()
    }
}
