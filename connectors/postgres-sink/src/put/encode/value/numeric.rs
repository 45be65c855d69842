//! Numbers: Postgres's numeric, in groups of four decimal digits, and floats of 32 and 64 bits.

mod shortest;

use std::io::Write as _;

use connect_api::json::Literal;
use connect_api::{Decimal, NoInteger, Value, json};
use num_bigint::Sign;

use super::{Fit, Misfit, Rules, fixed, measured};
use crate::put::catalog::NumericLimits;
use shortest::{few_digits, rounded};

/// What becomes of digits after the point that a numeric column has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExcessDecimals {
    Refused,
    Rounded,
}

/// A numeric column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    limits: Option<NumericLimits>,
    excess: ExcessDecimals,
}

/// The number `±unscaled × 10^-scale`.
#[derive(Clone, Copy, Debug)]
struct Number {
    is_negative: bool,
    unscaled: u64,
    scale: i64,
}

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Postgres's limits for numbers of any size.
const MAX_WHOLE: i64 = 131_072;
const MAX_SCALE: i64 = 16_383;

impl Column {
    pub fn new(limits: Option<NumericLimits>, rules: Rules) -> Self {
        let excess = match rules.rounds_decimals {
            true => ExcessDecimals::Rounded,
            false => ExcessDecimals::Refused,
        };
        Self { limits, excess }
    }

    /// The most digits after the point.
    fn max_scale(self) -> i64 {
        self.limits.map_or(MAX_SCALE, |limits| limits.scale.into())
    }

    /// The most digits before the point.
    fn max_whole(self) -> i64 {
        self.limits.map_or(MAX_WHOLE, |limits| {
            i64::from(limits.precision) - i64::from(limits.scale)
        })
    }

    /// The same column for a float, whose last digits are not exact.
    fn for_float(self) -> Self {
        Self {
            excess: ExcessDecimals::Rounded,
            ..self
        }
    }
}

/// Appends a `double precision`.
pub(super) fn float8(value: &Value, out: &mut Vec<u8>) -> Fit {
    let number = match value {
        Value::Float(number) => *number,
        Value::Int(number) => exact(*number, f64::MANTISSA_DIGITS)?,
        Value::Decimal(decimal) => nearest(decimal)?,
        _ => return Err(Misfit::of_type(value)),
    };
    fixed(out, number.to_be_bytes())
}

/// Appends a `real`.
pub(super) fn float4(value: &Value, out: &mut Vec<u8>) -> Fit {
    let number = match value {
        Value::Float(number) => single(*number)?,
        Value::Int(number) => exact(*number, f32::MANTISSA_DIGITS)? as f32,
        Value::Decimal(decimal) => single(nearest(decimal)?)?,
        _ => return Err(Misfit::of_type(value)),
    };
    fixed(out, number.to_be_bytes())
}

/// Appends a `numeric`.
pub(super) fn numeric(value: &Value, column: Column, out: &mut Vec<u8>) -> Fit {
    match value {
        Value::Int(number) => {
            let number = Number {
                is_negative: *number < 0,
                unscaled: number.unsigned_abs(),
                scale: 0,
            };
            from_number(number, column, out)
        }
        Value::Float(number) => from_float(*number, column, out),
        Value::Decimal(decimal) => from_decimal(decimal, column, out),
        Value::String(text) => from_text(text, column, out),
        _ => Err(Misfit::of_type(value)),
    }
}

/// Appends a `numeric` of a number of JSON text: its own digits, where a column with a scale has
/// room for them.
pub(super) fn literal(number: Literal, column: Column, out: &mut Vec<u8>) -> Fit {
    let (mut unscaled, mut scale) = (number.unscaled(), i64::from(number.scale()));
    // Zeros at the end of a float mean nothing; those of a decimal are kept.
    let ends_in_zero = unscaled.is_multiple_of(10);
    if unscaled == 0 || ends_in_zero && number.to_float().is_none() {
        return numeric(&number.to_value(), column, out);
    }
    while scale > 0 && unscaled.is_multiple_of(10) {
        unscaled /= 10;
        scale -= 1;
    }
    if scale > column.max_scale() {
        return numeric(&number.to_value(), column, out);
    }
    let number = Number {
        is_negative: number.is_negative(),
        unscaled,
        scale,
    };
    from_number(number, column, out)
}

/// A decimal that is written as text, as some producers do to keep its digits.
fn from_text(text: &str, column: Column, out: &mut Vec<u8>) -> Fit {
    match text {
        "NaN" => return from_float(f64::NAN, column, out),
        "Infinity" => return from_float(f64::INFINITY, column, out),
        "-Infinity" => return from_float(f64::NEG_INFINITY, column, out),
        _ => {}
    }
    let decimal = text.parse::<Decimal>();
    let decimal =
        decimal.map_err(|_| Misfit::new("cannot take a text that is not a decimal number"))?;
    from_decimal(&decimal, column, out)
}

/// The float that a decimal stands for: the one that, printed with as many digits, is the decimal.
/// Where there is none, the decimal has digits that a float cannot hold.
fn nearest(decimal: &Decimal) -> Result<f64, Misfit> {
    let digits = decimal.digits().map_err(misfit)?;
    let digits = digits.trim_matches('0');
    let unknown = || Misfit::new("cannot hold all digits of the number");
    let number = decimal.to_f64().map_err(misfit)?;
    if number.is_infinite() {
        return Err(Misfit::out_of_range());
    }
    if digits.is_empty() {
        return Ok(number);
    }
    // No float has so many, and none can be printed with more than 65,535.
    if digits.len() > json::FLOAT_DIGITS {
        return Err(unknown());
    }
    let is_printed = |printed: String| {
        let mantissa = printed.split('e').next().unwrap_or_default();
        let same = mantissa.bytes().filter(u8::is_ascii_digit);
        same.eq(digits.bytes())
    };
    // The shortest digits first: where two are as near, it may be the other one.
    let is_same = is_printed(format!("{:e}", number.abs()))
        || is_printed(format!("{:.*e}", digits.len() - 1, number.abs()));
    is_same.then_some(number).ok_or_else(unknown)
}

fn misfit(error: connect_api::Error) -> Misfit {
    Misfit::new(error.to_string())
}

/// The integer that is equal to the decimal.
pub(super) fn integer(decimal: &Decimal) -> Result<i64, Misfit> {
    decimal.to_i64().map_err(|why| match why {
        NoInteger::Fraction => Misfit::new("cannot take a number with a fraction"),
        NoInteger::OutOfRange => Misfit::out_of_range(),
    })
}

/// The float that is equal to the integer, where so many bits of mantissa hold it.
fn exact(number: i64, bits: u32) -> Result<f64, Misfit> {
    if number.unsigned_abs() <= 1 << bits {
        return Ok(number as f64);
    }
    Err(Misfit::new("cannot hold all digits of the number"))
}

/// The nearest float of 32 bits, unless that is infinite or zero and the number is not.
fn single(number: f64) -> Result<f32, Misfit> {
    let single = number as f32;
    let vanished = single == 0.0 && number != 0.0;
    if vanished || single.is_infinite() && number.is_finite() {
        return Err(Misfit::out_of_range());
    }
    Ok(single)
}

fn from_number(number: Number, column: Column, out: &mut Vec<u8>) -> Fit {
    /// As many zeros as a group may lack still fit behind it.
    const SHORT: u64 = u64::MAX / 1_000;
    if number.unscaled <= SHORT && (0..=column.max_scale()).contains(&number.scale) {
        return short(number, column, out);
    }
    let mut digits = [0_u8; 20];
    let count = decimal_digits(number.unscaled, &mut digits);
    let digits = &digits[..count];
    write(number.is_negative, digits, number.scale, column, out)
}

/// Appends a number that keeps all its digits, group by group. Most numbers are of this kind.
fn short(number: Number, column: Column, out: &mut Vec<u8>) -> Fit {
    let Number {
        is_negative,
        unscaled,
        scale,
    } = number;
    let digits = unscaled
        .checked_ilog10()
        .map_or(0, |log| i64::from(log) + 1);
    if digits > 0 && digits - scale > column.max_whole() {
        return Err(Misfit::out_of_range());
    }
    let shown = i16::try_from(scale).map_err(|_| Misfit::out_of_range())?;
    // Groups are counted from the point: the last one may lack digits.
    let lacking = (-shown).rem_euclid(4);
    let mut rest = unscaled * 10_u64.pow(lacking.unsigned_abs().into());
    let mut weight = -(shown + lacking) / 4;
    let mut groups = [[0; 2]; 5];
    let mut first = groups.len();
    while rest > 0 {
        let group = (rest % 10_000) as u16;
        rest /= 10_000;
        // Postgres leaves out groups of zeros at the end.
        if group > 0 || first < groups.len() {
            first -= 1;
            groups[first] = group.to_be_bytes();
        }
        weight += 1;
    }
    let groups = groups[first..].as_flattened();
    let (weight, sign) = match (groups, is_negative) {
        ([], _) => (0, POSITIVE),
        (_, false) => (weight - 1, POSITIVE),
        (_, true) => (weight - 1, NEGATIVE),
    };
    // Eight bytes, and ten at most.
    out.extend_from_slice(&(8 + groups.len() as i32).to_be_bytes());
    header(out, groups.len() as u16 / 2, weight, sign, shown);
    out.extend_from_slice(groups);
    Ok(())
}

/// A float is written as the shortest decimal that reads back as the same float. A column with a
/// scale rounds it: its digits were never exact.
fn from_float(number: f64, column: Column, out: &mut Vec<u8>) -> Fit {
    from_shortest(number, number.abs(), column, out)
}

/// Appends a float that had 32 bits: digits that it has only as a float of 64 bits are left out.
pub(super) fn from_single(number: f64, column: Column, out: &mut Vec<u8>) -> Fit {
    from_shortest(number, (number as f32).abs(), column, out)
}

fn from_shortest(
    number: f64,
    magnitude: impl std::fmt::LowerExp,
    column: Column,
    out: &mut Vec<u8>,
) -> Fit {
    if number.is_nan() {
        return special(NAN, out);
    }
    if number.is_infinite() {
        if column.limits.is_some() {
            return Err(Misfit::new("cannot hold an infinity"));
        }
        let sign = if number < 0.0 {
            NEGATIVE_INFINITY
        } else {
            INFINITY
        };
        return special(sign, out);
    }
    let column = column.for_float();
    let few = match column.limits {
        Some(limits) => rounded(number.abs(), limits.scale),
        None => few_digits(number.abs()),
    };
    if let Some((unscaled, scale)) = few {
        let number = Number {
            is_negative: number < 0.0,
            unscaled,
            scale,
        };
        return from_number(number, column, out);
    }
    // The longest is like -1.2345678901234567e-308.
    let mut text = [0_u8; 32];
    let mut rest = &mut text[..];
    let malformed = || Misfit::new("cannot take the float");
    write!(rest, "{magnitude:e}").map_err(|_| malformed())?;
    let unused = rest.len();
    let text = &text[..text.len() - unused];
    let at = text
        .iter()
        .position(|&byte| byte == b'e')
        .ok_or_else(malformed)?;
    let exponent = std::str::from_utf8(&text[at + 1..])
        .ok()
        .and_then(|e| e.parse::<i64>().ok());
    let exponent = exponent.ok_or_else(malformed)?;
    let mut digits = [0_u8; 32];
    let mut count = 0;
    for &byte in text[..at].iter().filter(|byte| byte.is_ascii_digit()) {
        digits[count] = byte - b'0';
        count += 1;
    }
    let scale = count as i64 - 1 - exponent;
    write(number < 0.0, &digits[..count], scale, column, out)
}

fn from_decimal(decimal: &Decimal, column: Column, out: &mut Vec<u8>) -> Fit {
    let is_negative = decimal.unscaled.sign() == Sign::Minus;
    let scale = i64::from(decimal.scale);
    let magnitude = decimal.unscaled.magnitude();
    if let Ok(small) = u64::try_from(magnitude) {
        let number = Number {
            is_negative,
            unscaled: small,
            scale,
        };
        return from_number(number, column, out);
    }
    let mut digits = decimal.digits().map_err(misfit)?.into_bytes();
    for digit in &mut digits {
        *digit -= b'0';
    }
    write(is_negative, &digits, scale, column, out)
}

fn special(sign: u16, out: &mut Vec<u8>) -> Fit {
    measured(out, |out| {
        header(out, 0, 0, sign, 0);
        Ok(())
    })
}

fn header(out: &mut Vec<u8>, groups: u16, weight: i16, sign: u16, scale: i16) {
    out.extend_from_slice(&groups.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}

fn decimal_digits(mut number: u64, digits: &mut [u8; 20]) -> usize {
    let mut at = digits.len();
    while number > 0 {
        at -= 1;
        digits[at] = (number % 10) as u8;
        number /= 10;
    }
    digits.copy_within(at.., 0);
    20 - at
}

/// Writes `±digits × 10^-scale`.
fn write(is_negative: bool, digits: &[u8], scale: i64, column: Column, out: &mut Vec<u8>) -> Fit {
    let leading = digits.iter().take_while(|&&digit| digit == 0).count();
    let mut digits = &digits[leading..];
    let mut scale = scale;
    let most = column.max_scale();
    let mut rounded = Vec::new();
    if scale > most {
        let cut = usize::try_from(scale - most).unwrap_or(usize::MAX);
        let kept = digits.len().saturating_sub(cut);
        if digits[kept..].iter().any(|&digit| digit != 0) {
            if column.excess == ExcessDecimals::Refused {
                return Err(Misfit::new(
                    "cannot hold all digits after the point: numeric.excess.digits=round rounds \
                     them",
                ));
            }
            if cut <= digits.len() && digits[kept] >= 5 {
                rounded.extend_from_slice(&digits[..kept]);
                increment(&mut rounded);
            }
        }
        digits = if rounded.is_empty() {
            &digits[..kept]
        } else {
            &rounded
        };
        scale = most;
    }
    let whole = digits.len() as i64 - scale;
    if !digits.is_empty() && whole > column.max_whole() {
        return Err(Misfit::out_of_range());
    }
    measured(out, |out| {
        groups(is_negative, digits, whole, scale.max(0), out)
    })
}

/// Adds one to the last digit.
fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < 9 {
            *digit += 1;
            return;
        }
        *digit = 0;
    }
    digits.insert(0, 1);
}

/// The groups are counted from the point, so the first and the last may have fewer digits.
fn groups(is_negative: bool, digits: &[u8], whole: i64, scale: i64, out: &mut Vec<u8>) -> Fit {
    let scale = i16::try_from(scale).map_err(|_| Misfit::out_of_range())?;
    let trailing = digits.iter().rev().take_while(|&&digit| digit == 0).count();
    let digits = &digits[..digits.len() - trailing];
    if digits.is_empty() {
        header(out, 0, 0, POSITIVE, scale);
        return Ok(());
    }
    let weight = i16::try_from((whole - 1).div_euclid(4)).map_err(|_| Misfit::out_of_range())?;
    let first = (whole - 1).rem_euclid(4) as usize + 1;
    let count = 1 + digits.len().saturating_sub(first).div_ceil(4);
    // Postgres reads it without a sign.
    let count = u16::try_from(count).map_err(|_| Misfit::out_of_range())?;
    let sign = if is_negative { NEGATIVE } else { POSITIVE };
    header(out, count, weight, sign, scale);
    let (head, tail) = digits.split_at(first.min(digits.len()));
    push_group(head, first, out);
    for group in tail.chunks(4) {
        push_group(group, 4, out);
    }
    Ok(())
}

fn push_group(digits: &[u8], width: usize, out: &mut Vec<u8>) {
    let mut group = 0_u16;
    for place in 0..width {
        group = group * 10 + u16::from(digits.get(place).copied().unwrap_or(0));
    }
    out.extend_from_slice(&group.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn short_numbers_are_written_as_long_ones(
            is_negative in any::<bool>(),
            unscaled in prop_oneof![0..20_000_u64, any::<u64>().prop_map(|any| any / 1_000)],
            zeros in 0..9_u32,
            scale in prop_oneof![0..24_i64, 16_370..=16_383_i64],
            limits in prop_oneof![Just(None), (1..30_i32, 0..24_i32).prop_map(|(precision, scale)| {
                Some(NumericLimits { precision, scale })
            })],
        ) {
            let unscaled = unscaled / 10_u64.pow(zeros) * 10_u64.pow(zeros);
            let column = Column { limits, excess: ExcessDecimals::Refused };
            prop_assume!(scale <= column.max_scale());
            let (mut by_group, mut by_digit) = (Vec::new(), Vec::new());
            let mut digits = [0; 20];
            let count = decimal_digits(unscaled, &mut digits);
            let number = Number { is_negative, unscaled, scale };
            let fits = short(number, column, &mut by_group);
            let expect = write(is_negative, &digits[..count], scale, column, &mut by_digit);
            prop_assert_eq!(&fits, &expect);
            if fits.is_ok() {
                prop_assert_eq!(by_group, by_digit);
            }
        }
    }
}
