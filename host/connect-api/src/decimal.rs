//! Decimal numbers of any size.

use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};

use crate::{Error, Result, memory};

/// `unscaled × 10^-scale`, as Java's BigDecimal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    /// All digits.
    pub unscaled: BigInt,
    /// How many of them stand after the point; may be negative.
    pub scale: i32,
}

/// The greatest exponent that is read: a few bytes of text must not stand for gigabytes.
const MAX_EXPONENT: i64 = 131_072;

/// The most digits that are turned into text or read from it: as many as a numeric of Postgres has
/// before and after the point. Both take time by the square of the digits.
const MAX_DIGITS: u32 = Decimal::MAX_WHOLE + Decimal::MAX_SCALE;

/// The most bits that a number of so many digits has: a digit has log2(10) = 3.3219… of them.
const MAX_BITS: u64 = MAX_DIGITS as u64 * 3_322 / 1_000;

/// Powers of ten beyond this one end in 64 bits of zeros.
const BITS: u32 = 64;

impl Decimal {
    /// The most digits before the point that a numeric of Postgres has, which has more than any
    /// other target.
    pub const MAX_WHOLE: u32 = 131_072;
    /// The most digits after the point.
    pub const MAX_SCALE: u32 = 16_383;

    /// A decimal of the given digits and scale.
    pub fn new(unscaled: BigInt, scale: i32) -> Self {
        Self { unscaled, scale }
    }

    /// From Kafka Connect's and Avro's encoding: big-endian two's complement digits.
    pub fn from_be_bytes(unscaled: &[u8], scale: i32) -> Self {
        Self::new(BigInt::from_signed_bytes_be(unscaled), scale)
    }

    /// The shortest decimal that reads back as the same float. None for NaN and infinities.
    pub fn from_f64(number: f64) -> Option<Self> {
        number
            .is_finite()
            .then(|| format!("{number:e}").parse().ok())
            .flatten()
    }

    /// Its text in plain notation, without an exponent: what columns, JSON and other systems take.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] when it has more digits than any target has, or the record has no
    /// memory left for them.
    pub fn to_plain(&self) -> Result<String> {
        let length = self.plain_length().ok_or_else(|| Error::data(TOO_LONG))?;
        memory::charge(length)?;
        Ok(self.to_string())
    }

    /// The most bytes that it takes in plain notation; none where no target has so many digits.
    fn plain_length(&self) -> Option<usize> {
        // A digit has more than three bits.
        let digits = self.digit_bound()?;
        let zeros = if self.unscaled == BigInt::ZERO {
            self.scale.max(0)
        } else {
            self.scale
        };
        let length = match u32::try_from(zeros) {
            Ok(scale) if scale <= Self::MAX_SCALE => digits.max(scale + 1),
            Err(_) if zeros.unsigned_abs() <= Self::MAX_WHOLE => digits + zeros.unsigned_abs(),
            _ => return None,
        };
        // The sign and the point.
        usize::try_from(length + 2).ok()
    }

    /// At least as many digits as it has; none where no target has so many.
    fn digit_bound(&self) -> Option<u32> {
        let bits = self.unscaled.bits();
        (bits <= MAX_BITS).then(|| u32::try_from(bits / 3 + 1).unwrap_or(u32::MAX))
    }

    /// The integer that is equal to it, where 64 bits hold one.
    ///
    /// # Errors
    /// Why there is none.
    pub fn to_i64(&self) -> std::result::Result<i64, NoInteger> {
        let scale = self.scale.unsigned_abs();
        if self.unscaled == BigInt::ZERO {
            return Ok(0);
        }
        if self.scale <= 0 {
            let number = i64::try_from(&self.unscaled).map_err(|_| NoInteger::OutOfRange)?;
            let power = 10_i64.checked_pow(scale).ok_or(NoInteger::OutOfRange)?;
            return number.checked_mul(power).ok_or(NoInteger::OutOfRange);
        }
        let bits = self.unscaled.bits();
        // Nothing stands before the point: a digit has more than three bits.
        if u64::from(scale) > bits / 3 + 1 {
            return Err(NoInteger::Fraction);
        }
        // At most 10^19 stands before the point: 64 bits, beside those of the power. A power of ten
        // has more than 3.3 bits for each digit.
        if bits > u64::from(scale) * 3_322 / 1_000 + 66 || bits > MAX_BITS {
            return Err(NoInteger::OutOfRange);
        }
        let power = BigInt::from(10).pow(scale);
        if &self.unscaled % &power != BigInt::ZERO {
            return Err(NoInteger::Fraction);
        }
        i64::try_from(&self.unscaled / power).map_err(|_| NoInteger::OutOfRange)
    }

    /// The low 64 bits of what stands before the point, as Java's `BigDecimal.longValue`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] when it has more digits than any target has.
    pub fn low_bits(&self) -> Result<i64> {
        let low = |number: &BigInt| {
            let digits = number.iter_u64_digits().next().unwrap_or(0);
            match number.sign() {
                Sign::Minus => digits.wrapping_neg(),
                _ => digits,
            }
        };
        let scale = self.scale.unsigned_abs();
        let bits = if self.scale <= 0 {
            match scale < BITS {
                true => low(&self.unscaled).wrapping_mul(10_u64.wrapping_pow(scale)),
                false => 0,
            }
        } else if u64::from(scale) > self.unscaled.bits() / 3 + 1 {
            0
        } else {
            self.digit_bound().ok_or_else(|| Error::data(TOO_LONG))?;
            low(&(&self.unscaled / BigInt::from(10).pow(scale)))
        };
        Ok(bits.cast_signed())
    }

    /// Its digits without sign and point, as text.
    ///
    /// # Errors
    /// As for [`Decimal::to_plain`], but whatever the scale is.
    pub fn digits(&self) -> Result<String> {
        let digits = self.digit_bound().ok_or_else(|| Error::data(TOO_LONG))?;
        memory::charge(digits as usize)?;
        Ok(self.unscaled.magnitude().to_string())
    }

    /// The nearest float of 64 bits, which is infinite where the number is too large for one.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] when it has more digits than any target has.
    pub fn to_f64(&self) -> Result<f64> {
        // Digits are always a number.
        Ok(self.scientific()?.parse().unwrap_or(f64::NAN))
    }

    /// The nearest float of 32 bits, as [`Decimal::to_f64`].
    ///
    /// # Errors
    /// As for [`Decimal::to_f64`].
    pub fn to_f32(&self) -> Result<f32> {
        Ok(self.scientific()?.parse().unwrap_or(f32::NAN))
    }

    fn scientific(&self) -> Result<String> {
        let digits = self.digit_bound().ok_or_else(|| Error::data(TOO_LONG))?;
        memory::charge(digits as usize)?;
        Ok(format!("{}e{}", self.unscaled, -i64::from(self.scale)))
    }
}

const TOO_LONG: &str = "the decimal has more digits than any column has: at most 131072 before the \
point and 16383 after it";

/// Why a decimal is no integer of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoInteger {
    /// It has digits after the point that are not zero.
    Fraction,
    /// It is too large.
    OutOfRange,
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self::new(number.into(), 0)
    }
}

/// The text is not a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADecimal;

impl fmt::Display for NotADecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a decimal number")
    }
}

impl std::error::Error for NotADecimal {}

impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> std::result::Result<Self, NotADecimal> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (
                &text[..at],
                text[at + 1..].parse::<i64>().map_err(|_| NotADecimal)?,
            ),
            None => (text, 0),
        };
        let (negative, digits) = match mantissa.as_bytes().first() {
            Some(b'-') => (true, &mantissa[1..]),
            Some(b'+') => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut all = Vec::with_capacity(whole.len() + fraction.len());
        all.extend_from_slice(whole.as_bytes());
        all.extend_from_slice(fraction.as_bytes());
        if all.is_empty() || !all.iter().all(u8::is_ascii_digit) || exponent.abs() > MAX_EXPONENT {
            return Err(NotADecimal);
        }
        let zeros = all.iter().take_while(|&&digit| digit == b'0').count();
        if all.len() - zeros > MAX_DIGITS as usize {
            return Err(NotADecimal);
        }
        let magnitude = match &all[zeros..] {
            [] => BigInt::ZERO,
            digits => BigInt::parse_bytes(digits, 10).ok_or(NotADecimal)?,
        };
        let fraction = i64::try_from(fraction.len()).map_err(|_| NotADecimal)?;
        let scale = i32::try_from(fraction - exponent).map_err(|_| NotADecimal)?;
        Ok(Self::new(
            if negative { -magnitude } else { magnitude },
            scale,
        ))
    }
}

impl fmt::Display for Decimal {
    /// Plain notation, without an exponent. Only where no target has so many digits it is not: then
    /// it is a word for their number, as text of them could take any memory and time.
    /// [`Decimal::to_plain`] refuses those.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plain_length().is_none() {
            let (bits, scale) = (self.unscaled.bits(), self.scale);
            return write!(f, "a decimal of {bits} bits and scale {scale}");
        }
        let mut digits = self.unscaled.magnitude().to_string();
        if self.unscaled.sign() == Sign::Minus {
            f.write_str("-")?;
        }
        if self.scale <= 0 {
            if digits != "0" {
                digits.extend(std::iter::repeat_n('0', self.scale.unsigned_abs() as usize));
            }
            return f.write_str(&digits);
        }
        let scale = self.scale as usize;
        if digits.len() <= scale {
            digits.insert_str(0, &"0".repeat(scale + 1 - digits.len()));
        }
        digits.insert(digits.len() - scale, '.');
        f.write_str(&digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::num::f64 as floats;
    use proptest::prelude::*;

    fn plain(text: &str) -> String {
        text.parse::<Decimal>()
            .map_or_else(|e| e.to_string(), |d| d.to_string())
    }

    #[test]
    fn reads_and_prints_plain_notation() {
        for (text, expect) in [
            ("0", "0"),
            ("-0.0", "0.0"),
            ("12.340", "12.340"),
            ("-.5", "-0.5"),
            ("1e3", "1000"),
            ("1.5e-3", "0.0015"),
            ("+7", "7"),
            ("", "not a decimal number"),
            (".", "not a decimal number"),
            ("1e999999999", "not a decimal number"),
            ("1_0", "not a decimal number"),
            ("NaN", "not a decimal number"),
        ] {
            assert_eq!(plain(text), expect, "{text}");
        }
    }

    /// Kinds of numbers that are a few bytes and stand for gigabytes, or for hours of work.
    fn huge() -> Vec<Decimal> {
        let scales = [i32::MIN, -1_000_000, -131_073, 16_384, 1_000_000, i32::MAX];
        let small = scales.map(|scale| Decimal::new(1.into(), scale));
        let long = Decimal::from_be_bytes(&[0x55; 400_000], 3);
        let negative = Decimal::from_be_bytes(&[0x80; 400_000], 400_000);
        small.into_iter().chain([long, negative]).collect()
    }

    #[test]
    fn numbers_that_no_target_has_are_refused_before_they_are_text() {
        for decimal in huge() {
            assert!(decimal.to_plain().is_err(), "{decimal}");
            assert!(decimal.to_string().len() < 80);
            assert!(decimal.to_i64().is_err());
            // Both answer; the value is Java's.
            let _ = (decimal.low_bits(), decimal.to_f64());
        }
        let widest = Decimal::new(1.into(), -131_071);
        assert_eq!(widest.to_plain().unwrap().len(), 131_072);
        let finest = Decimal::new(1.into(), 16_383);
        assert_eq!(finest.to_plain().unwrap().len(), 16_385);
        assert_eq!(Decimal::new(0.into(), i32::MIN).to_plain().unwrap(), "0");
        assert!(("9".repeat(147_456)).parse::<Decimal>().is_err());
        assert!(("0".repeat(200_000) + "9").parse::<Decimal>().is_ok());
    }

    #[test]
    fn plain_text_is_paid_for() {
        let decimal = Decimal::new(1.into(), -100_000);
        let refused = crate::MemoryLimit(90_000).measure(|| decimal.to_plain().is_err());
        assert!(refused.made);
    }

    #[test]
    fn floats_and_low_bits_are_javas() {
        for (text, float, low) in [
            ("1e400", f64::INFINITY, 0),
            ("-2.5", -2.5, -2),
            ("18446744073709551617.9", 2_f64.powi(64), 1),
            ("-18446744073709551617", -(2_f64.powi(64)), -1),
            ("3e1", 30.0, 30),
            ("1e63", 1e63, i64::MIN),
            ("1e64", 1e64, 0),
            ("1e-400", 0.0, 0),
        ] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(decimal.to_f64().unwrap(), float, "{text}");
            assert_eq!(decimal.low_bits().unwrap(), low, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_integer_is_that_of_the_digits(number in any::<i64>(), scale in 0..40_u32) {
            let unscaled = BigInt::from(number) * BigInt::from(10).pow(scale);
            let decimal = Decimal::new(unscaled.clone(), scale.cast_signed());
            prop_assert_eq!(decimal.to_i64(), Ok(number));
            let half = Decimal::new(unscaled * 10 + 5, scale.cast_signed() + 1);
            prop_assert_eq!(half.to_i64(), Err(NoInteger::Fraction));
        }

        #[test]
        fn low_bits_are_those_of_the_whole_part(unscaled in any::<i128>(), scale in -30..30_i32) {
            let decimal = Decimal::new(unscaled.into(), scale);
            let text = decimal.to_string();
            let whole: BigInt = text.split('.').next().unwrap().parse().unwrap();
            let mask = BigInt::from(u64::MAX);
            let low = u64::try_from(&whole & mask).unwrap().cast_signed();
            prop_assert_eq!(decimal.low_bits().unwrap(), low);
        }

        #[test]
        fn a_float_keeps_its_value(number in floats::NORMAL | floats::ZERO) {
            let decimal = Decimal::from_f64(number).unwrap();
            prop_assert_eq!(decimal.to_string().parse::<f64>().unwrap(), number);
        }

        #[test]
        fn text_round_trips(unscaled in any::<i128>(), scale in 0..40) {
            let decimal = Decimal::new(unscaled.into(), scale);
            prop_assert_eq!(decimal.to_string().parse::<Decimal>().unwrap(), decimal);
        }
    }
}
