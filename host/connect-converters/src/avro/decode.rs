//! Avro's binary encoding straight to values: no tree in between. The bytes may be hostile.

use std::sync::Arc;

use bytes::Bytes;
use connect_api::{Decimal, Error, Result, Schema, Str, Struct, Value, memory};

use super::plan::{Again, Branch, Fields, Item, Plan};

/// Values without bytes that any message may have; more must be paid for in bytes.
const FREE_VALUES: usize = 65_536;

/// Levels that records within themselves may have: a value must not exhaust the stack.
const MAX_LEVELS: usize = 256;

/// The value that the bytes are, all of them.
///
/// # Errors
/// [`connect_api::ErrorKind::Data`] when they are not of the plan; the message names the field.
pub(super) fn decode(plan: &Plan, bytes: &[u8]) -> Result<Value> {
    let mut reader = Reader {
        rest: bytes,
        budget: bytes.len().saturating_mul(64).saturating_add(FREE_VALUES),
        level: 0,
    };
    let value = reader.value(plan).map_err(|failure| failure.into_error())?;
    match reader.rest.len() {
        0 => Ok(value),
        left => Err(Error::data(format!(
            "{left} bytes are left after the Avro value"
        ))),
    }
}

#[derive(Debug)]
struct Failure {
    why: &'static str,
    /// Names from the inside out.
    path: Vec<Str>,
}

impl Failure {
    fn into_error(self) -> Error {
        if self.path.is_empty() {
            return Error::data(self.why);
        }
        let path: Vec<_> = self.path.iter().rev().map(Str::as_str).collect();
        Error::data(format!("field {}: {}", path.join("."), self.why))
    }

    fn at(mut self: Box<Self>, name: &str) -> Box<Self> {
        self.path.push(name.into());
        self
    }
}

type Decoded<T> = std::result::Result<T, Box<Failure>>;

#[cold]
fn refuse<T>(why: &'static str) -> Decoded<T> {
    Err(Box::new(Failure {
        why,
        path: Vec::new(),
    }))
}

/// Counts memory that the value takes beside its bytes.
fn pay(bytes: usize) -> Decoded<()> {
    memory::charge(bytes).or_else(|_| refuse(memory::EXCEEDED))
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Values that may take no bytes and are still allowed: an array of 2^60 nulls is 11 bytes.
    budget: usize,
    level: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, plan: &Plan) -> Decoded<Value> {
        Ok(match plan {
            Plan::Null => {
                self.charge()?;
                Value::Null
            }
            Plan::Boolean => match self.array::<1>()? {
                [0] => Value::Boolean(false),
                [1] => Value::Boolean(true),
                _ => return refuse("a boolean that is neither 0 nor 1"),
            },
            Plan::Int { min, max } => {
                let number = self.int()?;
                if !(*min..=*max).contains(&number) {
                    return refuse("an integer out of the range of its Connect type");
                }
                Value::Int(number.into())
            }
            Plan::Long => Value::Int(self.long()?),
            Plan::Float => Value::Float(f32::from_le_bytes(self.array()?).into()),
            Plan::Double => Value::Float(f64::from_le_bytes(self.array()?)),
            Plan::Bytes => Value::Bytes(Bytes::copy_from_slice(self.sized()?)),
            Plan::String => Value::String(self.text()?.into()),
            Plan::Fixed(size) => {
                self.charge()?;
                Value::Bytes(Bytes::copy_from_slice(self.take(*size)?))
            }
            Plan::Uuid => Value::String(uuid_text(&self.array()?)),
            Plan::Decimal { scale, fixed } => self.decimal(*scale, *fixed)?,
            Plan::Date => Value::Date(self.int()?),
            Plan::TimeMillis => Value::Time(i64::from(self.int()?) * 1000),
            Plan::TimeMicros => Value::Time(self.long()?),
            Plan::TimestampMillis => match self.long()?.checked_mul(1000) {
                Some(micros) => Value::Timestamp(micros),
                None => return refuse("a timestamp beyond 64 bits of microseconds"),
            },
            Plan::TimestampMicros => Value::Timestamp(self.long()?),
            Plan::Enum(symbols) => self.symbol(symbols)?,
            Plan::Array(item) => self.array_of(item)?,
            Plan::Map(item) => self.map_of(item)?,
            Plan::Entries(fields) => self.entries(fields)?,
            Plan::Nullable { null, inner } => match self.long()? {
                at if at == *null => Value::Null,
                0 | 1 => self.value(inner)?,
                _ => return no_branch(),
            },
            Plan::Single(inner) => match self.long()? {
                0 => self.value(inner)?,
                _ => return no_branch(),
            },
            Plan::Union { schema, branches } => self.union(schema, branches)?,
            Plan::Record { schema, fields } => {
                let values = self.fields(fields)?;
                Value::Struct(Box::new(Struct::new(Arc::clone(schema), values)))
            }
            Plan::Again(again) => self.again(again)?,
        })
    }

    /// Unscaled digits of a fixed number of bytes, or behind their length.
    fn decimal(&mut self, scale: i32, fixed: Option<usize>) -> Decoded<Value> {
        self.charge()?;
        pay(size_of::<Decimal>())?;
        let digits = match fixed {
            Some(size) => self.take(size)?,
            None => self.sized()?,
        };
        Ok(Value::Decimal(Box::new(Decimal::from_be_bytes(
            digits, scale,
        ))))
    }

    fn symbol(&mut self, symbols: &[Str]) -> Decoded<Value> {
        let at = usize::try_from(self.int()?).ok();
        match at.and_then(|at| symbols.get(at)) {
            Some(symbol) => {
                pay(symbol.len())?;
                Ok(Value::String(symbol.clone()))
            }
            None => refuse("an enum symbol that the schema does not have"),
        }
    }

    /// A record within itself.
    fn again(&mut self, again: &Again) -> Decoded<Value> {
        let Some((schema, fields, depth)) = again.get() else {
            return refuse("a record that is not defined");
        };
        self.level += depth;
        if self.level > MAX_LEVELS {
            return refuse("records nested too deeply within themselves");
        }
        let values = self.fields(&fields)?;
        self.level -= depth;
        let row = Struct::new(Arc::clone(schema), values);
        Ok(Value::Struct(Box::new(row)))
    }

    fn union(&mut self, schema: &Arc<Schema>, branches: &[Branch]) -> Decoded<Value> {
        let at = usize::try_from(self.long()?).ok();
        match at.and_then(|at| branches.get(at)) {
            Some(Branch::Null) => Ok(Value::Null),
            Some(Branch::Field(at, plan)) => {
                // A value for each branch, where a few bytes chose one.
                let count = schema.fields().map_or(0, <[_]>::len);
                pay(size_of::<Struct>() + count.saturating_mul(size_of::<Value>()))?;
                let value = self.value(plan)?;
                let mut values = vec![Value::Null; count];
                values[*at] = value;
                let row = Struct::new(Arc::clone(schema), values);
                Ok(Value::Struct(Box::new(row)))
            }
            None => no_branch(),
        }
    }

    fn fields(&mut self, fields: &Fields) -> Decoded<Vec<Value>> {
        self.charge()?;
        pay(size_of::<Struct>() + fields.plans.len().saturating_mul(size_of::<Value>()))?;
        let mut values = Vec::with_capacity(fields.plans.len());
        for (name, plan) in &fields.plans {
            values.push(self.value(plan).map_err(|failure| failure.at(name))?);
        }
        Ok(values)
    }

    fn array_of(&mut self, item: &Item) -> Decoded<Value> {
        let mut items = Vec::new();
        self.blocks(item.min, |reader| {
            let value = reader
                .value(&item.plan)
                .map_err(|failure| failure.at("[]"))?;
            memory::push(&mut items, value).or_else(|_| refuse(memory::EXCEEDED))
        })?;
        Ok(Value::Array(items))
    }

    fn map_of(&mut self, item: &Item) -> Decoded<Value> {
        let mut entries = Vec::new();
        self.blocks(item.min.saturating_add(1), |reader| {
            let key = Value::String(reader.text()?.into());
            // Keys of maps are data, and are not told.
            let value = reader
                .value(&item.plan)
                .map_err(|failure| failure.at("*"))?;
            memory::push(&mut entries, (key, value)).or_else(|_| refuse(memory::EXCEEDED))
        })?;
        Ok(Value::Map(entries))
    }

    fn entries(&mut self, fields: &Fields) -> Decoded<Value> {
        let mut entries = Vec::new();
        self.blocks(fields.min, |reader| {
            let mut values = reader.fields(fields)?.into_iter();
            if let (Some(key), Some(value)) = (values.next(), values.next()) {
                return memory::push(&mut entries, (key, value))
                    .or_else(|_| refuse(memory::EXCEEDED));
            }
            Ok(())
        })?;
        Ok(Value::Map(entries))
    }

    /// Reads the blocks of an array or a map, calling `each` for every item.
    fn blocks(
        &mut self,
        min: usize,
        mut each: impl FnMut(&mut Self) -> Decoded<()>,
    ) -> Decoded<()> {
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            let mut after = None;
            if count < 0 {
                let size = self.length()?;
                after = Some(self.rest.len() - size);
            }
            let limit = self.rest.len().checked_div(min).unwrap_or(self.budget);
            let count = usize::try_from(count.unsigned_abs()).ok();
            let Some(count) = count.filter(|count| *count <= limit) else {
                return refuse("a block of more items than its bytes can hold");
            };
            for _ in 0..count {
                each(self)?;
            }
            if after.is_some_and(|after| after != self.rest.len()) {
                return refuse("a block of another size than it says");
            }
        }
    }

    fn charge(&mut self) -> Decoded<()> {
        match self.budget.checked_sub(1) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => refuse("too many values that take no bytes"),
        }
    }

    fn take(&mut self, size: usize) -> Decoded<&'a [u8]> {
        match self.rest.split_at_checked(size) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => refuse("the bytes end within the value"),
        }
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => refuse("the bytes end within the value"),
        }
    }

    fn length(&mut self) -> Decoded<usize> {
        match usize::try_from(self.long()?) {
            Ok(size) if size <= self.rest.len() => Ok(size),
            _ => refuse("a length beyond the end of the bytes"),
        }
    }

    fn sized(&mut self) -> Decoded<&'a [u8]> {
        let size = self.length()?;
        self.take(size)
    }

    fn text(&mut self) -> Decoded<&'a str> {
        match std::str::from_utf8(self.sized()?) {
            Ok(text) => Ok(text),
            Err(_) => refuse("a string that is no UTF-8"),
        }
    }

    fn int(&mut self) -> Decoded<i32> {
        match i32::try_from(self.long()?) {
            Ok(number) => Ok(number),
            Err(_) => refuse("an int beyond 32 bits"),
        }
    }

    /// A zigzag varint.
    fn long(&mut self) -> Decoded<i64> {
        let mut bits: u64 = 0;
        for (i, byte) in self.rest.iter().take(10).enumerate() {
            if i == 9 && *byte > 1 {
                break;
            }
            bits |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.rest = &self.rest[i + 1..];
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        if self.rest.len() < 10 {
            return refuse("the bytes end within the value");
        }
        refuse("a number beyond 64 bits")
    }
}

#[cold]
fn no_branch<T>() -> Decoded<T> {
    refuse("a union branch that the schema does not have")
}

fn uuid_text(bytes: &[u8; 16]) -> Str {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut text = Str::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}
