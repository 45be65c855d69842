//! Numbers: Postgres's numeric, in groups of four decimal digits, and what fits a float exactly.

mod shortest;

use std::io::Write as _;

use connect_api::json::Literal;
use connect_api::{Decimal, Value};
use num_bigint::Sign;

use super::{Fit, Misfit, fixed, measured};
use crate::put::catalog::Type;
use shortest::{few_digits, rounded};

/// Digits in all and after the point.
type Limits = Option<(i32, i32)>;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Postgres's limits for numbers of any size.
const MAX_WHOLE: i64 = 131_072;
const MAX_SCALE: i64 = 16_383;

/// The most digits after the point.
fn most_digits(limits: Limits) -> i64 {
    limits.map_or(MAX_SCALE, |(_, most)| most.into())
}

/// The most digits before the point.
fn widest(limits: Limits) -> i64 {
    limits.map_or(MAX_WHOLE, |(all, most)| i64::from(all) - i64::from(most))
}

/// Appends a `real` or a `double precision`.
pub(super) fn float(data_type: &Type, value: &Value, out: &mut Vec<u8>) -> Fit {
    match (data_type, value) {
        (Type::Float8, Value::Float(number)) => fixed(out, number.to_be_bytes()),
        (Type::Float8, Value::Int(number)) => {
            fixed(out, exact(*number, f64::MANTISSA_DIGITS)?.to_be_bytes());
        }
        (Type::Float8, Value::Decimal(decimal)) => {
            fixed(out, nearest(decimal)?.to_be_bytes());
        }
        (_, Value::Float(number)) => fixed(out, single(*number)?.to_be_bytes()),
        (_, Value::Int(number)) => {
            let exact = exact(*number, f32::MANTISSA_DIGITS)?;
            fixed(out, (exact as f32).to_be_bytes());
        }
        (_, Value::Decimal(decimal)) => {
            fixed(out, single(nearest(decimal)?)?.to_be_bytes());
        }
        _ => return Err(Misfit::of_type(value)),
    }
    Ok(())
}

/// Appends a `numeric`, and rounds to its scale what may be rounded.
pub(super) fn numeric(value: &Value, limits: Limits, may_round: bool, out: &mut Vec<u8>) -> Fit {
    let scaled = (limits, may_round);
    match value {
        Value::Int(number) => from_integer(*number, scaled, out),
        Value::Float(number) => from_float(*number, limits, out),
        Value::Decimal(decimal) => from_decimal(decimal, scaled, out),
        Value::String(text) => from_text(text, scaled, out),
        _ => Err(Misfit::of_type(value)),
    }
}

/// Appends a `numeric` of a number of JSON text: its own digits, where a column with a scale has
/// room for them.
pub(super) fn literal(number: Literal, limits: Limits, may_round: bool, out: &mut Vec<u8>) -> Fit {
    let most = most_digits(limits);
    let (mut unscaled, mut scale) = (number.unscaled(), i64::from(number.scale()));
    // As those of a float, zeros at the end say nothing; those of a decimal are kept.
    let ends_in_zero = unscaled.is_multiple_of(10);
    if unscaled == 0 || ends_in_zero && number.to_float().is_none() {
        return numeric(&number.to_value(), limits, may_round, out);
    }
    while scale > 0 && unscaled.is_multiple_of(10) {
        unscaled /= 10;
        scale -= 1;
    }
    if scale > most {
        return numeric(&number.to_value(), limits, may_round, out);
    }
    let scaled = (limits, may_round);
    from_digits(number.is_negative(), (unscaled, scale), scaled, out)
}

/// The digits of a decimal that is written as text, as some do to keep them.
fn from_text(text: &str, scaled: (Limits, bool), out: &mut Vec<u8>) -> Fit {
    let (limits, _) = scaled;
    match text {
        "NaN" => return from_float(f64::NAN, limits, out),
        "Infinity" => return from_float(f64::INFINITY, limits, out),
        "-Infinity" => return from_float(f64::NEG_INFINITY, limits, out),
        _ => {}
    }
    let decimal = text.parse::<Decimal>();
    let decimal =
        decimal.map_err(|_| Misfit::new("cannot take a text that is not a decimal number"))?;
    from_decimal(&decimal, scaled, out)
}

/// The float that a decimal stands for: the one that, printed with as many digits, is the decimal.
/// Where there is none, the decimal has digits that a float cannot hold.
fn nearest(decimal: &Decimal) -> Result<f64, Misfit> {
    let digits = decimal.unscaled.magnitude().to_string();
    let digits = digits.trim_end_matches('0');
    let unknown = || Misfit::new("cannot hold all digits of the number");
    let text = format!("{}e{}", decimal.unscaled, -i64::from(decimal.scale));
    let number: f64 = text.parse().map_err(|_| unknown())?;
    if number.is_infinite() {
        return Err(Misfit::out_of_range());
    }
    if digits.is_empty() {
        return Ok(number);
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

/// The integer that a decimal is, where it is one.
pub(super) fn integer(decimal: &Decimal) -> Result<i64, Misfit> {
    let whole = if decimal.scale == 0 {
        Some(decimal.unscaled.clone())
    } else {
        let text = decimal.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let exact = fraction.bytes().all(|digit| digit == b'0');
        exact.then(|| whole.parse().ok()).flatten()
    };
    let whole = whole.ok_or_else(|| Misfit::new("cannot take a number with a fraction"))?;
    i64::try_from(whole).map_err(|_| Misfit::out_of_range())
}

/// The float that an integer is, where a float of so many bits can hold it.
fn exact(number: i64, bits: u32) -> Result<f64, Misfit> {
    if number.unsigned_abs() <= 1 << bits {
        return Ok(number as f64);
    }
    Err(Misfit::new("cannot hold all digits of the number"))
}

/// The nearest float of 32 bits; none of them is infinite or zero unless the number was.
fn single(number: f64) -> Result<f32, Misfit> {
    let single = number as f32;
    let vanished = single == 0.0 && number != 0.0;
    if vanished || single.is_infinite() && number.is_finite() {
        return Err(Misfit::out_of_range());
    }
    Ok(single)
}

fn from_integer(number: i64, scaled: (Limits, bool), out: &mut Vec<u8>) -> Fit {
    from_digits(number < 0, (number.unsigned_abs(), 0), scaled, out)
}

/// Appends `±unscaled × 10^-scale`.
fn from_digits(
    negative: bool,
    (unscaled, scale): (u64, i64),
    scaled: (Limits, bool),
    out: &mut Vec<u8>,
) -> Fit {
    /// As many zeros as a group may lack still fit behind it.
    const SHORT: u64 = u64::MAX / 1_000;
    let (limits, _) = scaled;
    if unscaled <= SHORT && (0..=most_digits(limits)).contains(&scale) {
        return short(negative, (unscaled, scale), limits, out);
    }
    let mut digits = [0_u8; 20];
    let count = decimal_digits(unscaled, &mut digits);
    write(negative, &digits[..count], scale, scaled, out)
}

/// Appends a number that keeps all its digits, group by group; most are of this kind.
fn short(negative: bool, (unscaled, scale): (u64, i64), limits: Limits, out: &mut Vec<u8>) -> Fit {
    let digits = unscaled
        .checked_ilog10()
        .map_or(0, |log| i64::from(log) + 1);
    if digits > 0 && digits - scale > widest(limits) {
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
    let (weight, sign) = match (groups, negative) {
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
fn from_float(number: f64, limits: Limits, out: &mut Vec<u8>) -> Fit {
    from_shortest(number, number.abs(), limits, out)
}

/// As any float, but for the digits that it has only as one of 64 bits.
pub(super) fn from_single(number: f64, limits: Limits, out: &mut Vec<u8>) -> Fit {
    from_shortest(number, (number as f32).abs(), limits, out)
}

fn from_shortest(
    number: f64,
    magnitude: impl std::fmt::LowerExp,
    limits: Limits,
    out: &mut Vec<u8>,
) -> Fit {
    if number.is_nan() {
        return special(NAN, out);
    }
    if number.is_infinite() {
        if limits.is_some() {
            return Err(Misfit::new("cannot hold an infinity"));
        }
        let sign = if number < 0.0 {
            NEGATIVE_INFINITY
        } else {
            INFINITY
        };
        return special(sign, out);
    }
    let few = match limits {
        Some((_, scale)) => rounded(number.abs(), scale),
        None => few_digits(number.abs()),
    };
    if let Some((unscaled, scale)) = few {
        return from_digits(number < 0.0, (unscaled, scale), (limits, true), out);
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
    write(number < 0.0, &digits[..count], scale, (limits, true), out)
}

fn from_decimal(decimal: &Decimal, scaled: (Limits, bool), out: &mut Vec<u8>) -> Fit {
    let negative = decimal.unscaled.sign() == Sign::Minus;
    let scale = i64::from(decimal.scale);
    let magnitude = decimal.unscaled.magnitude();
    if let Ok(small) = u64::try_from(magnitude) {
        return from_digits(negative, (small, scale), scaled, out);
    }
    let mut digits = magnitude.to_string().into_bytes();
    for digit in &mut digits {
        *digit -= b'0';
    }
    write(negative, &digits, scale, scaled, out)
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
fn write(
    negative: bool,
    digits: &[u8],
    scale: i64,
    (limits, may_round): (Limits, bool),
    out: &mut Vec<u8>,
) -> Fit {
    let leading = digits.iter().take_while(|&&digit| digit == 0).count();
    let mut digits = &digits[leading..];
    let mut scale = scale;
    let most = most_digits(limits);
    let mut rounded = Vec::new();
    if scale > most {
        let cut = usize::try_from(scale - most).unwrap_or(usize::MAX);
        let kept = digits.len().saturating_sub(cut);
        if digits[kept..].iter().any(|&digit| digit != 0) {
            if !may_round {
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
    if !digits.is_empty() && whole > widest(limits) {
        return Err(Misfit::out_of_range());
    }
    measured(out, |out| {
        groups(negative, digits, whole, scale.max(0), out)
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
fn groups(negative: bool, digits: &[u8], whole: i64, scale: i64, out: &mut Vec<u8>) -> Fit {
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
    let sign = if negative { NEGATIVE } else { POSITIVE };
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
            negative in any::<bool>(),
            unscaled in prop_oneof![0..20_000_u64, any::<u64>().prop_map(|any| any / 1_000)],
            zeros in 0..9_u32,
            scale in prop_oneof![0..24_i64, 16_370..=16_383_i64],
            limits in prop_oneof![Just(None), (1..30_i32, 0..24_i32).prop_map(Some)],
        ) {
            let unscaled = unscaled / 10_u64.pow(zeros) * 10_u64.pow(zeros);
            prop_assume!(scale <= most_digits(limits));
            let (mut by_group, mut by_digit) = (Vec::new(), Vec::new());
            let mut digits = [0; 20];
            let count = decimal_digits(unscaled, &mut digits);
            let fits = short(negative, (unscaled, scale), limits, &mut by_group);
            let expect = write(negative, &digits[..count], scale, (limits, false), &mut by_digit);
            prop_assert_eq!(&fits, &expect);
            if fits.is_ok() {
                prop_assert_eq!(by_group, by_digit);
            }
        }
    }
}
