//! Arrays of one dimension.

use std::fmt;

use connect_api::{Value, json};
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Fit, Misfit, measured, text};
use crate::put::catalog::Type;

/// dimensions, whether there are nulls, type of the elements; then length and first index.
const HEADER: usize = 12;
const DIMENSION: usize = 8;

pub(super) fn value(of: &Type, number: u32, value: &Value, out: &mut Vec<u8>) -> Fit {
    measured(out, |out| {
        let start = out.len();
        out.extend_from_slice(&[0; HEADER + DIMENSION]);
        let mut elements = Elements {
            of,
            count: 0,
            nulls: false,
            misfit: None,
            out,
        };
        match value {
            Value::Array(items) => {
                for item in items {
                    elements.push(item)?;
                }
            }
            Value::Json(text) => elements.read(text)?,
            _ => {
                return Err(Misfit::new(format!(
                    "cannot take a value of type {}",
                    value.type_name()
                )));
            }
        }
        let (count, nulls) = (elements.count, elements.nulls);
        let header = [
            i32::from(count > 0),
            i32::from(nulls),
            number.cast_signed(),
            count,
            1,
        ];
        for (i, word) in header.iter().enumerate() {
            out[start + 4 * i..start + 4 * i + 4].copy_from_slice(&word.to_be_bytes());
        }
        if count == 0 {
            out.truncate(start + HEADER);
        }
        Ok(())
    })
}

struct Elements<'a> {
    of: &'a Type,
    count: i32,
    nulls: bool,
    misfit: Option<Misfit>,
    out: &'a mut Vec<u8>,
}

impl Elements<'_> {
    fn push(&mut self, item: &Value) -> Fit {
        self.count += 1;
        self.nulls |= item.is_null();
        super::value(self.of, item, self.out)
    }

    fn read(&mut self, text: &str) -> Fit {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = deserializer.deserialize_seq(&mut *self);
        match (self.misfit.take(), read) {
            (Some(misfit), _) => Err(misfit),
            (None, Ok(())) => Ok(()),
            (None, Err(_)) => Err(Misfit::new("cannot take a JSON object")),
        }
    }

    /// An element as it stands in the JSON text. Most are plain texts and are not copied twice.
    fn push_raw(&mut self, raw: &str) -> Fit {
        let nested = matches!(self.of, Type::Json | Type::Jsonb);
        match (self.of, raw.as_bytes()) {
            (Type::Text(limit), [b'"', inner @ .., b'"']) if !inner.contains(&b'\\') => {
                self.count += 1;
                text::text(&raw[1..raw.len() - 1], *limit, self.out)
            }
            (_, [b'{' | b'[', ..]) if nested => self.push(&Value::Json(raw.into())),
            (_, [b'"', ..]) if nested => {
                // Within an array of JSON a string stands for itself.
                self.count += 1;
                super::value(self.of, &Value::Json(raw.into()), self.out)
            }
            (_, [b'[', ..]) => Err(Misfit::new("cannot take an array within an array")),
            _ => {
                let item = json::parse(raw).map_err(|error| Misfit::new(error.to_string()))?;
                self.push(&item)
            }
        }
    }
}

impl<'de> Visitor<'de> for &mut Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(raw) = items.next_element::<&RawValue>()? {
            if let Err(misfit) = self.push_raw(raw.get()) {
                self.misfit = Some(misfit);
                return Err(A::Error::custom("misfit"));
            }
        }
        Ok(())
    }
}
