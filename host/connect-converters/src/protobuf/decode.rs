//! Protobuf's binary encoding straight to values: no tree in between. The bytes may be hostile.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Decimal, Error, Result, Struct, Value, memory};

use super::plan::{Entry, FieldPlan, Message, Place, Plan, Shape, Wire};
use super::types;
use super::wire::{Reader, Tag, Type, unzigzag};

/// Messages within messages, as Java's reader has it.
pub(super) const MAX_LEVELS: usize = 100;

/// The value that the bytes are.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when they are not of the plan; the message names the field.
pub(super) fn decode(plan: &Plan, bytes: &[u8]) -> Result<Value> {
    Decoder { level: 0 }.sized(plan, bytes)
}

struct Decoder {
    level: usize,
}

/// A message of which all parts are to be merged before it is read.
struct Pending<'a> {
    field: usize,
    first: &'a [u8],
    merged: Option<Vec<u8>>,
}

impl Decoder {
    /// A value whose bytes have a length.
    fn sized(&mut self, plan: &Plan, bytes: &[u8]) -> Result<Value> {
        Ok(match plan {
            Plan::String => match std::str::from_utf8(bytes) {
                Ok(text) => Value::String(text.into()),
                Err(_) => return Err(Error::data("a string that is no UTF-8")),
            },
            Plan::Bytes => Value::Bytes(Bytes::copy_from_slice(bytes)),
            Plan::Message(message) => self.message(message, bytes)?,
            Plan::Again(again) => match again.get() {
                Some(message) => self.message(&message, bytes)?,
                None => return Err(Error::data("a message that is not defined")),
            },
            Plan::Wrapper(inner) => self.wrapped(inner, bytes)?,
            Plan::Decimal(scale) => {
                memory::charge(size_of::<Decimal>())?;
                types::decimal(&numbers(bytes, 1)?, *scale)?
            }
            Plan::Date => types::date(&numbers(bytes, 0)?)?,
            Plan::Time => types::time(&numbers(bytes, 0)?)?,
            Plan::Timestamp => types::timestamp(&numbers(bytes, 0)?)?,
            _ => return Err(Error::data("a number where a message was expected")),
        })
    }

    fn message(&mut self, message: &Message, bytes: &[u8]) -> Result<Value> {
        self.level += 1;
        if self.level > MAX_LEVELS {
            return Err(Error::data("messages nested too deeply"));
        }
        memory::charge(message.memory)?;
        let mut values = message.absent.clone();
        let mut pending: Vec<Pending<'_>> = Vec::new();
        let mut reader = Reader { rest: bytes };
        let mut expected = 0;
        while !reader.rest.is_empty() {
            let tag = reader.tag()?;
            let Some(at) = message.find(tag.number, expected) else {
                reader.skip(tag)?;
                continue;
            };
            let field = &message.fields[at];
            expected = at + 1;
            let read = match (&field.shape, tag.wire) {
                (Shape::One(plan), Type::Known(Wire::Sized)) if plan.is_message() => {
                    let part = reader.sized();
                    part.and_then(|part| postpone(message, &mut pending, at, part))
                }
                _ => self.field(field, tag, &mut reader, &mut values),
            };
            read.map_err(|e| named(e, field))?;
            if let (Place::OneOf { .. } | Place::Union(_), Shape::One(plan)) =
                (&field.place, &field.shape)
                && tag.wire == Type::Known(plan.wire())
                && !plan.is_message()
            {
                // What stood there is replaced.
                pending.retain(|p| !is_same_oneof(&message.fields[p.field], field));
            }
        }
        for part in pending {
            let field = &message.fields[part.field];
            let bytes = part.merged.as_deref().unwrap_or(part.first);
            if let Shape::One(plan) = &field.shape {
                let value = self.sized(plan, bytes).map_err(|e| named(e, field))?;
                put(&field.place, value, &mut values)?;
            }
        }
        for value in &mut values {
            if let Value::Map(entries) = value
                && entries.len() > 1
            {
                without_duplicates(entries)?;
            }
        }
        for at in &message.required {
            if values.get(*at).is_some_and(Value::is_null) {
                return Err(Error::data("a required field is missing"));
            }
        }
        self.level -= 1;
        let row = Struct::new(Arc::clone(&message.schema), values);
        Ok(Value::Struct(Box::new(row)))
    }

    /// A field that is no single message.
    fn field(
        &mut self,
        field: &FieldPlan,
        tag: Tag,
        reader: &mut Reader<'_>,
        values: &mut [Value],
    ) -> Result<()> {
        match (&field.shape, tag.wire) {
            (Shape::One(plan), Type::Known(wire)) if plan.wire() == wire => {
                let value = self.value(plan, reader)?;
                put(&field.place, value, values)
            }
            (Shape::Many(plan), Type::Known(wire)) if plan.wire() == wire => {
                let value = self.value(plan, reader)?;
                append(&field.place, value, values)
            }
            // Packed: one after the other, without their tags.
            (Shape::Many(plan), Type::Known(Wire::Sized)) => {
                let mut packed = Reader {
                    rest: reader.sized()?,
                };
                while !packed.rest.is_empty() {
                    let value = self.value(plan, &mut packed)?;
                    append(&field.place, value, values)?;
                }
                Ok(())
            }
            (Shape::Entries(entry), Type::Known(Wire::Sized)) => {
                let (key, value) = self.entry(entry, reader.sized()?)?;
                insert(&field.place, key, value, values)
            }
            // Whatever it is, it is not the field that is known.
            _ => reader.skip(tag),
        }
    }

    fn value(&mut self, plan: &Plan, reader: &mut Reader<'_>) -> Result<Value> {
        if plan.wire() == Wire::Sized {
            return self.sized(plan, reader.sized()?);
        }
        reader.scalar(plan)
    }

    fn entry(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(Value, Value)> {
        let (mut key, mut value) = (None, None);
        let mut reader = Reader { rest: bytes };
        while !reader.rest.is_empty() {
            let tag = reader.tag()?;
            match (tag.number, tag.wire) {
                (1, Type::Known(wire)) if wire == entry.key.wire() => {
                    key = Some(self.value(&entry.key, &mut reader)?);
                }
                (2, Type::Known(wire)) if wire == entry.value.wire() => {
                    value = Some(self.value(&entry.value, &mut reader)?);
                }
                _ => reader.skip(tag)?,
            }
        }
        let value = match (value, &entry.value) {
            (Some(value), _) => value,
            // There is no day 0, and no decimal without digits: without a byte it is none.
            (None, Plan::Date | Plan::Decimal(..)) => Value::Null,
            // A message without a byte, and not none.
            (None, plan) if plan.is_message() => self.sized(plan, &[])?,
            (None, _) => entry.no_value.clone(),
        };
        Ok((key.unwrap_or_else(|| entry.no_key.clone()), value))
    }

    fn wrapped(&mut self, inner: &Plan, bytes: &[u8]) -> Result<Value> {
        let mut value = None;
        let mut reader = Reader { rest: bytes };
        while !reader.rest.is_empty() {
            let tag = reader.tag()?;
            match (tag.number, tag.wire) {
                (1, Type::Known(wire)) if wire == inner.wire() => {
                    value = Some(self.value(inner, &mut reader)?);
                }
                _ => reader.skip(tag)?,
            }
        }
        Ok(value.unwrap_or_else(|| types::zero(inner)))
    }
}

fn named(error: Error, field: &FieldPlan) -> Error {
    error.context(format!("field {}", field.name))
}

/// Keeps the bytes of a message until all of them are known: a second one is merged with the
/// first, which is what one after the other in one message is.
fn postpone<'a>(
    message: &Message,
    pending: &mut Vec<Pending<'a>>,
    field: usize,
    part: &'a [u8],
) -> Result<()> {
    let own = &message.fields[field];
    if !matches!(own.place, Place::Own(_)) {
        pending.retain(|p| p.field == field || !is_same_oneof(&message.fields[p.field], own));
    }
    match pending.iter_mut().find(|p| p.field == field) {
        Some(known) => {
            memory::charge(
                part.len()
                    + if known.merged.is_none() {
                        known.first.len()
                    } else {
                        0
                    },
            )?;
            let first = known.first;
            known
                .merged
                .get_or_insert_with(|| first.to_vec())
                .extend_from_slice(part);
        }
        None => pending.push(Pending {
            field,
            first: part,
            merged: None,
        }),
    }
    Ok(())
}

fn is_same_oneof(one: &FieldPlan, other: &FieldPlan) -> bool {
    match (&one.place, &other.place) {
        (Place::Union(one), Place::Union(other)) => one.slot == other.slot,
        (Place::OneOf { first: one, .. }, Place::OneOf { first: other, .. }) => one == other,
        _ => false,
    }
}

fn put(place: &Place, value: Value, values: &mut [Value]) -> Result<()> {
    match place {
        Place::Own(slot) => values[*slot] = value,
        Place::OneOf { slot, first, count } => {
            values[*first..first + count].fill(Value::Null);
            values[*slot] = value;
        }
        Place::Union(member) => {
            let count = member.schema.fields().map_or(0, <[_]>::len);
            memory::charge(size_of::<Struct>() + count.saturating_mul(size_of::<Value>()))?;
            let mut set = vec![Value::Null; count];
            set[member.at] = value;
            let row = Struct::new(Arc::clone(&member.schema), set);
            values[member.slot] = Value::Struct(Box::new(row));
        }
    }
    Ok(())
}

fn append(place: &Place, value: Value, values: &mut [Value]) -> Result<()> {
    match place {
        Place::Own(slot) => match &mut values[*slot] {
            Value::Array(items) => memory::push(items, value),
            other => {
                let mut items = Vec::new();
                memory::push(&mut items, value)?;
                *other = Value::Array(items);
                Ok(())
            }
        },
        _ => Err(Error::data("a repeated field within a oneof")),
    }
}

fn insert(place: &Place, key: Value, value: Value, values: &mut [Value]) -> Result<()> {
    let Place::Own(slot) = place else {
        return Err(Error::data("a map within a oneof"));
    };
    match &mut values[*slot] {
        Value::Map(entries) => memory::push(entries, (key, value)),
        other => {
            let mut entries = Vec::new();
            memory::push(&mut entries, (key, value))?;
            *other = Value::Map(entries);
            Ok(())
        }
    }
}

/// Of several entries with one key the last counts.
fn without_duplicates(entries: &mut Vec<(Value, Value)>) -> Result<()> {
    memory::charge(entries.len().saturating_mul(ENTRY))?;
    let mut seen = HashSet::with_capacity(entries.len());
    let mut is_last = Vec::with_capacity(entries.len());
    for (key, _) in entries.iter().rev() {
        is_last.push(match key {
            Value::Int(number) => seen.insert(Key::Number(*number)),
            Value::Boolean(flag) => seen.insert(Key::Number((*flag).into())),
            Value::String(text) => seen.insert(Key::Text(text)),
            _ => true,
        });
    }
    drop(seen);
    let mut is_last = is_last.into_iter().rev();
    entries.retain(|_| is_last.next().unwrap_or(true));
    Ok(())
}

/// Bytes that an entry takes while duplicates are looked for.
const ENTRY: usize = 48;

#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Number(i64),
    Text(&'a str),
}

/// The three or four scalar fields of one of Google's or Confluent's own types, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers<'a> {
    /// Those of numbers 1 to 4.
    pub numbers: [i64; 4],
    /// The one that is no number.
    pub bytes: &'a [u8],
}

/// Reads such a type, of which the field `bytes_at` is no number, where that is not 0.
fn numbers(bytes: &[u8], bytes_at: u32) -> Result<Numbers<'_>> {
    let mut found = Numbers::default();
    let mut reader = Reader { rest: bytes };
    while !reader.rest.is_empty() {
        let tag = reader.tag()?;
        match (tag.number, tag.wire) {
            (number, Type::Known(Wire::Sized)) if number == bytes_at => {
                found.bytes = reader.sized()?;
            }
            (number @ 1..=4, Type::Known(Wire::Varint)) => {
                let at = number as usize - 1;
                found.numbers[at] = reader.varint()?.cast_signed();
            }
            _ => reader.skip(tag)?,
        }
    }
    Ok(found)
}

/// The indexes of the message that follow the schema's id: a count and as many places, each a
/// zigzag varint; a count of 0 stands for the first message.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when the bytes are no such list.
pub(super) fn indexes(bytes: &[u8]) -> Result<(Vec<usize>, &[u8])> {
    let mut reader = Reader { rest: bytes };
    let mut next = || {
        let number = usize::try_from(unzigzag(reader.varint()?)).ok();
        number.ok_or_else(|| Error::data("a message index below zero"))
    };
    let count = next()?;
    if count > MAX_LEVELS {
        return Err(Error::data(
            "more message indexes than messages can be nested",
        ));
    }
    let mut indexes = Vec::with_capacity(count.max(1));
    for _ in 0..count {
        indexes.push(next()?);
    }
    if indexes.is_empty() {
        indexes.push(0);
    }
    Ok((indexes, reader.rest))
}
