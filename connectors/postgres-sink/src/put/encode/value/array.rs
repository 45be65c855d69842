//! Arrays, of any number of dimensions that Postgres has.

use std::fmt;

use connect_api::{Value, ValueRef, json};
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Fit, Meaning, Misfit, Rules, measured};
use crate::put::catalog::Type;

/// dimensions, whether there are nulls, type of the elements; then length and first index of each
/// dimension.
const HEADER: usize = 12;
const DIMENSION: usize = 8;
/// The most dimensions that Postgres has.
const MAX_DIMENSIONS: usize = 6;

/// The elements of an array's type.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a> {
    pub data_type: &'a Type,
    /// Their type's object identifier.
    pub oid: u32,
    pub meaning: Option<Meaning>,
    pub rules: Rules,
}

impl<'a> Elements<'a> {
    pub fn new(data_type: &'a Type, oid: u32, rules: Rules) -> Self {
        Self {
            data_type,
            oid,
            meaning: None,
            rules,
        }
    }

    /// Whether an array within the array is an element.
    fn is_json(&self) -> bool {
        matches!(self.data_type, Type::Json | Type::Jsonb)
    }

    /// How many arrays the first element is in.
    fn dimensions(&self, value: &Value) -> usize {
        match value {
            _ if self.is_json() => 1,
            Value::Array(items) => {
                1 + items.first().map_or(0, |first| match first {
                    Value::Array(_) => self.dimensions(first),
                    _ => 0,
                })
            }
            _ => 0,
        }
    }

    /// The same for an array of JSON text.
    fn dimensions_of(&self, text: &str) -> usize {
        if self.is_json() {
            return 1;
        }
        let opening = text.bytes().take_while(|b| b"[ \t\r\n".contains(b));
        opening.filter(|&byte| byte == b'[').count()
    }
}

pub(super) fn value(elements: Elements<'_>, value: &Value, out: &mut Vec<u8>) -> Fit {
    match value {
        Value::Array(items) => {
            let dimensions = elements.dimensions(value);
            array(elements, dimensions, out, |filling| filling.all(items))
        }
        Value::Json(text) => self::text(elements, text, out),
        _ => Err(Misfit::of_type(value)),
    }
}

/// Appends an array of JSON text.
pub(super) fn text(elements: Elements<'_>, text: &str, out: &mut Vec<u8>) -> Fit {
    let dimensions = elements.dimensions_of(text);
    array(elements, dimensions, out, |filling| filling.read(text))
}

fn array(
    elements: Elements<'_>,
    dimensions: usize,
    out: &mut Vec<u8>,
    fill: impl FnOnce(&mut Filling<'_>) -> Fit,
) -> Fit {
    let dimensions = dimensions.max(1);
    if dimensions > MAX_DIMENSIONS {
        return Err(Misfit::new(
            "cannot take an array of more than 6 dimensions",
        ));
    }
    measured(out, |out| {
        let start = out.len();
        out.resize(start + HEADER + DIMENSION * dimensions, 0);
        let mut filling = Filling {
            elements,
            dimensions,
            level: 0,
            lengths: [None; MAX_DIMENSIONS],
            count: 0,
            nulls: false,
            misfit: None,
            out,
        };
        fill(&mut filling)?;
        let (count, nulls, lengths) = (filling.count, filling.nulls, filling.lengths);
        if count == 0 && dimensions > 1 {
            return Err(Misfit::new("cannot take an empty array within an array"));
        }
        let mut at = start;
        let mut put = |word: i32| {
            out[at..at + 4].copy_from_slice(&word.to_be_bytes());
            at += 4;
        };
        // At most 6.
        put(if count > 0 { dimensions as i32 } else { 0 });
        put(i32::from(nulls));
        put(elements.oid.cast_signed());
        for length in lengths.iter().take(dimensions) {
            put(length.unwrap_or(0));
            put(1);
        }
        if count == 0 {
            out.truncate(start + HEADER);
        }
        Ok(())
    })
}

struct Filling<'a> {
    elements: Elements<'a>,
    dimensions: usize,
    /// The dimension that is being read.
    level: usize,
    lengths: [Option<i32>; MAX_DIMENSIONS],
    count: i32,
    nulls: bool,
    misfit: Option<Misfit>,
    out: &'a mut Vec<u8>,
}

impl Filling<'_> {
    fn all(&mut self, items: &[Value]) -> Fit {
        for item in items {
            match item {
                Value::Array(inner) if self.is_outer() => {
                    self.level += 1;
                    self.all(inner)?;
                    self.level -= 1;
                }
                _ if self.is_outer() => return Err(ragged()),
                Value::Array(_) if !self.elements.is_json() => return Err(ragged()),
                _ => self.push(item)?,
            }
        }
        self.ended(items.len())
    }

    fn is_outer(&self) -> bool {
        self.level + 1 < self.dimensions
    }

    /// All arrays of one dimension have one length.
    fn ended(&mut self, length: usize) -> Fit {
        let length = i32::try_from(length).map_err(|_| Misfit::new("cannot take so many elements"));
        let length = length?;
        match self.lengths[self.level].replace(length) {
            Some(before) if before != length => Err(ragged()),
            _ => Ok(()),
        }
    }

    fn push(&mut self, item: &Value) -> Fit {
        self.count += 1;
        self.nulls |= item.is_null();
        match self.elements.meaning {
            Some(meaning) => super::meant(
                meaning,
                self.elements.data_type,
                item,
                self.elements.rules,
                self.out,
            ),
            None => super::value(self.elements.data_type, item, self.elements.rules, self.out),
        }
    }

    fn read(&mut self, text: &str) -> Fit {
        // Elements that are JSON take their text as it stands, quotes and all.
        if let (false, Some(elements)) = (self.elements.is_json(), json::Elements::read(text)) {
            return self.all_of(&elements);
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = deserializer.deserialize_seq(&mut *self);
        match (self.misfit.take(), read) {
            (Some(misfit), _) => Err(misfit),
            (None, Ok(())) => Ok(()),
            (None, Err(_)) => Err(Misfit::new("cannot take a JSON object")),
        }
    }

    fn all_of(&mut self, elements: &json::Elements<'_>) -> Fit {
        let elements = elements.iter();
        let length = elements.len();
        for element in elements {
            match (element, self.elements.meaning) {
                (ValueRef::Json(raw), _) => self.push_raw(raw)?,
                _ if self.is_outer() => return Err(ragged()),
                (_, Some(_)) => self.push(&element.to_value())?,
                (_, None) => {
                    self.count += 1;
                    self.nulls |= element.is_null();
                    super::value_ref(
                        self.elements.data_type,
                        element,
                        self.elements.rules,
                        self.out,
                    )?;
                }
            }
        }
        self.ended(length)
    }

    /// An element as it stands in the JSON text.
    fn push_raw(&mut self, raw: &str) -> Fit {
        match (self.elements.data_type, raw.as_bytes()) {
            (_, [b'[', ..]) if self.is_outer() => {
                self.level += 1;
                self.read(raw)?;
                self.level -= 1;
                Ok(())
            }
            _ if self.is_outer() => Err(ragged()),
            (_, [b'{' | b'[', ..]) if self.elements.is_json() => {
                self.push(&Value::Json(raw.into()))
            }
            (_, [b'"', ..]) if self.elements.is_json() => {
                // Within an array of JSON a string stands for itself.
                self.push(&Value::Json(raw.into()))
            }
            (_, [b'{', ..]) if self.elements.data_type == &Type::Hstore => {
                self.push(&Value::Json(raw.into()))
            }
            (_, [b'[', ..]) => Err(ragged()),
            _ => {
                let item = json::parse(raw).map_err(|error| Misfit::new(error.to_string()))?;
                self.push(&item)
            }
        }
    }
}

fn ragged() -> Misfit {
    Misfit::new("cannot take arrays of different lengths or depths within an array")
}

impl<'de> Visitor<'de> for &mut Filling<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut length = 0;
        while let Some(raw) = items.next_element::<&RawValue>()? {
            length += 1;
            if let Err(misfit) = self.push_raw(raw.get()) {
                self.misfit = Some(misfit);
                return Err(A::Error::custom("misfit"));
            }
        }
        if let Err(misfit) = self.ended(length) {
            self.misfit = Some(misfit);
            return Err(A::Error::custom("misfit"));
        }
        Ok(())
    }
}
