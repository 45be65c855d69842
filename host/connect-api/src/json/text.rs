//! Rows that stay JSON text: where in it the values are.

use bytestring::ByteString;

use super::{Literal, scan};
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

impl Span {
    #[inline]
    fn value<'a>(self, text: &'a str, others: &'a [Value]) -> ValueRef<'a> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Boolean(flag) => ValueRef::Boolean(flag),
            Self::Int(number) => ValueRef::Int(number),
            Self::Literal(literal) => ValueRef::Literal(literal),
            Self::String(from, to) => ValueRef::String(&text[from as usize..to as usize]),
            Self::Json(from, to) => ValueRef::Json(&text[from as usize..to as usize]),
            Self::Other(at) => ValueRef::Value(&others[at as usize]),
        }
    }
}

/// The elements of a JSON array; what is nested in it stays text.
#[derive(Debug)]
pub struct Elements<'a> {
    text: &'a str,
    spans: Vec<Span>,
    others: Vec<Value>,
}

impl<'a> Elements<'a> {
    /// None where there are escapes in the text, and for what is no JSON array.
    pub fn read(text: &'a str) -> Option<Self> {
        let (spans, others) = scan::array(text)?;
        Some(Self {
            text,
            spans,
            others,
        })
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = ValueRef<'_>> {
        let spans = self.spans.iter();
        spans.map(|span| span.value(self.text, &self.others))
    }
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
    #[inline]
    pub(crate) fn value(&self, at: usize) -> ValueRef<'_> {
        self.spans[at].value(&self.text, &self.others)
    }

    /// Sets the value of a field by its position.
    pub(crate) fn set(&mut self, at: usize, value: Value) {
        if let Span::Other(place) = self.spans[at] {
            self.others[place as usize] = value;
            return;
        }
        // There are no more of them than fields, which an u32 counts.
        self.spans[at] = Span::Other(self.others.len() as u32);
        self.others.push(value);
    }

    pub(crate) fn values(&self) -> Vec<Value> {
        (0..self.spans.len())
            .map(|at| self.value(at).to_value())
            .collect()
    }
}
