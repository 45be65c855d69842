//! Strings of bits.

use connect_api::{Value, memory};

use super::{Fit, Misfit, measured};
use crate::put::catalog::Type;

/// Bits that Postgres takes at most.
pub(super) const MOST: usize = 83_886_080;

/// Bits of a default: each is a letter of a statement.
const MOST_OF_DEFAULT: usize = 65_536;

/// A text of zeros and ones, or a boolean where there is one bit: so Debezium has it.
pub(super) fn value(data_type: &Type, value: &Value, out: &mut Vec<u8>) -> Fit {
    match (data_type, value) {
        (_, Value::String(text)) => {
            let digits = text.as_bytes();
            if digits.iter().any(|digit| !matches!(digit, b'0' | b'1')) {
                return Err(Misfit::new("cannot take a text that is not zeros and ones"));
            }
            write(data_type, digits.len(), |at| digits[at] == b'1', out)
        }
        (Type::Bit(1), Value::Boolean(flag)) => write(data_type, 1, |_| *flag, out),
        _ => Err(Misfit::of_type(value)),
    }
}

/// Debezium's bits: the last one is the lowest of the first byte.
pub(super) fn from_little_endian(
    data_type: &Type,
    bytes: &[u8],
    length: Option<usize>,
    out: &mut Vec<u8>,
) -> Fit {
    let given = bytes.len().saturating_mul(8);
    let length = length.unwrap_or(given);
    // The schema may ask for many more than there are.
    memory::charge(length / 8).map_err(|error| Misfit::new(error.to_string()))?;
    let bit = |at: usize| {
        bytes
            .get(at / 8)
            .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    };
    if (length..given).any(bit) {
        return Err(Misfit::new("cannot take more bits than the schema says"));
    }
    write(data_type, length, |at| bit(length - 1 - at), out)
}

/// The same as a text of zeros and ones.
pub(super) fn text(bytes: &[u8], length: Option<usize>) -> Result<String, Misfit> {
    let length = length.unwrap_or(bytes.len().saturating_mul(8));
    if length > MOST_OF_DEFAULT {
        return Err(Misfit::new("cannot take so many bits"));
    }
    let bit = |at: usize| {
        bytes
            .get(at / 8)
            .is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    };
    let bits = (0..length).rev().map(|at| if bit(at) { '1' } else { '0' });
    Ok(bits.collect())
}

/// Writes the bits in the order in which Postgres reads and shows them.
fn write(data_type: &Type, length: usize, bit: impl Fn(usize) -> bool, out: &mut Vec<u8>) -> Fit {
    let fits = match data_type {
        Type::Bit(exactly) => length == *exactly,
        Type::Varbit(most) => length <= most.unwrap_or(MOST),
        _ => false,
    };
    let count = i32::try_from(length).ok().filter(|_| fits);
    let Some(count) = count else {
        return Err(Misfit::new(format!("cannot take {length} bits")));
    };
    measured(out, |out| {
        out.extend_from_slice(&count.to_be_bytes());
        for start in (0..length).step_by(8) {
            let places = start..length.min(start + 8);
            let byte = places.fold(0, |byte, at| byte | u8::from(bit(at)) << (7 - (at - start)));
            out.push(byte);
        }
        Ok(())
    })
}
