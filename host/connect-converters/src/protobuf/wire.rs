//! The wire: tags, numbers, lengths, and what is passed over.

use connect_api::{Error, Result, Value, memory};

use super::decode::MAX_LEVELS;
use super::plan::{Plan, Wire};

/// What is left of the bytes.
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

/// What stands before a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub number: u32,
    pub wire: Type,
}

/// What follows a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Known(Wire),
    GroupStart,
    GroupEnd,
}

impl<'a> Reader<'a> {
    pub(super) fn tag(&mut self) -> Result<Tag> {
        let bits = self.varint()?;
        let wire = match bits & 7 {
            0 => Type::Known(Wire::Varint),
            1 => Type::Known(Wire::Bits64),
            2 => Type::Known(Wire::Sized),
            3 => Type::GroupStart,
            4 => Type::GroupEnd,
            5 => Type::Known(Wire::Bits32),
            _ => return Err(Error::data("a wire type that Protobuf does not have")),
        };
        match u32::try_from(bits >> 3) {
            Ok(number @ 1..=0x1fff_ffff) => Ok(Tag { number, wire }),
            _ => Err(Error::data("a field number that Protobuf does not have")),
        }
    }

    pub(super) fn scalar(&mut self, plan: &Plan) -> Result<Value> {
        let ranged = |number: i32, min: i32, max: i32| match (min..=max).contains(&number) {
            true => Ok(Value::Int(number.into())),
            false => Err(Error::data(
                "an integer out of the range of its Connect type",
            )),
        };
        Ok(match plan {
            Plan::Int32 { min, max } => ranged(self.varint()? as i32, *min, *max)?,
            Plan::Sint32 { min, max } => ranged(unzigzag(self.varint()?) as i32, *min, *max)?,
            Plan::Sfixed32 { min, max } => ranged(i32::from_le_bytes(self.array()?), *min, *max)?,
            Plan::Uint32 => Value::Int((self.varint()? as u32).into()),
            Plan::Fixed32 => Value::Int(u32::from_le_bytes(self.array()?).into()),
            // Above 2^63 they are negative, as in Kafka Connect, which has no unsigned types.
            Plan::Int64 => Value::Int(self.varint()?.cast_signed()),
            Plan::Sint64 => Value::Int(unzigzag(self.varint()?)),
            Plan::Fixed64 => Value::Int(i64::from_le_bytes(self.array()?)),
            Plan::Float => Value::Float(f32::from_le_bytes(self.array()?).into()),
            Plan::Double => Value::Float(f64::from_le_bytes(self.array()?)),
            Plan::Boolean => Value::Boolean(self.varint()? != 0),
            Plan::EnumNumber => Value::Int((self.varint()? as i32).into()),
            Plan::Enum(symbols) => {
                let number = self.varint()? as i32;
                match symbols.by_number.get(&number) {
                    Some(symbol) => {
                        memory::charge(symbol.len())?;
                        Value::String(symbol.clone())
                    }
                    // As Java's reader names what its enum does not have.
                    None => {
                        let name = format!("UNKNOWN_ENUM_VALUE_{}_{number}", symbols.name);
                        memory::charge(name.len())?;
                        Value::String(name.into())
                    }
                }
            }
            _ => return Err(Error::data("a message where a number was expected")),
        })
    }

    /// Passes over a field that is not known.
    pub(super) fn skip(&mut self, tag: Tag) -> Result<()> {
        self.skip_at(tag, 0)
    }

    fn skip_at(&mut self, tag: Tag, level: usize) -> Result<()> {
        match tag.wire {
            Type::Known(Wire::Varint) => self.varint().map(drop),
            Type::Known(Wire::Bits64) => self.array::<8>().map(drop),
            Type::Known(Wire::Sized) => self.sized().map(drop),
            Type::Known(Wire::Bits32) => self.array::<4>().map(drop),
            Type::GroupStart if level < MAX_LEVELS => loop {
                let within = self.tag()?;
                if within.wire == Type::GroupEnd {
                    return match within.number == tag.number {
                        true => Ok(()),
                        false => Err(Error::data("a group that ends as another")),
                    };
                }
                self.skip_at(within, level + 1)?;
            },
            Type::GroupStart => Err(Error::data("messages nested too deeply")),
            Type::GroupEnd => Err(Error::data("a group that ends before it begins")),
        }
    }

    pub(super) fn sized(&mut self) -> Result<&'a [u8]> {
        let size = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        match self.rest.split_at_checked(size) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Error::data("a length beyond the end of the bytes")),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(Error::data("the bytes end within the value")),
        }
    }

    pub(super) fn varint(&mut self) -> Result<u64> {
        let mut bits: u64 = 0;
        for (i, byte) in self.rest.iter().take(10).enumerate() {
            // What is beyond 64 bits is cut off, as any reader of Protobuf does.
            bits |= u64::from(byte & 0x7f)
                .checked_shl(7 * i as u32)
                .unwrap_or(0);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[i + 1..];
                return Ok(bits);
            }
        }
        match self.rest.len() < 10 {
            true => Err(Error::data("the bytes end within the value")),
            false => Err(Error::data("a number beyond 64 bits")),
        }
    }
}

pub(super) fn unzigzag(bits: u64) -> i64 {
    (bits >> 1).cast_signed() ^ -(bits & 1).cast_signed()
}
