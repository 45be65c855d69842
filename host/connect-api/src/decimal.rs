//! Decimal numbers of any size.

use std::fmt;
use std::str::FromStr;

use num_bigint::{BigInt, Sign};

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

impl Decimal {
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

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
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
        let magnitude = BigInt::parse_bytes(&all, 10).ok_or(NotADecimal)?;
        let fraction = i64::try_from(fraction.len()).map_err(|_| NotADecimal)?;
        let scale = i32::try_from(fraction - exponent).map_err(|_| NotADecimal)?;
        Ok(Self::new(
            if negative { -magnitude } else { magnitude },
            scale,
        ))
    }
}

impl fmt::Display for Decimal {
    /// Plain notation, never an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    proptest! {
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
