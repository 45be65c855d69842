//! Numbers digit for digit, as JSON text has them.

use std::fmt;

use num_bigint::BigInt;

use super::holds_digits;
use crate::{Decimal, Value};

/// The powers of ten that 64 bits hold.
const POWERS: [u64; 19] = {
    let mut powers = [1; 19];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// So many digits every float holds.
const HELD: u64 = POWERS[15];

/// `±unscaled × 10^-scale`: a number with a point, no exponent, and few enough digits for 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Whether it has a sign. Zero may have one, too.
    negative: bool,
    unscaled: u64,
    scale: u8,
}

impl Literal {
    /// The most digits, zeros in front of them included.
    pub(super) const MAX_DIGITS: usize = 18;

    /// A number of at most [`Literal::MAX_DIGITS`] digits, `scale` of them after the point.
    pub(super) fn new(negative: bool, unscaled: u64, scale: u8) -> Self {
        Self {
            negative,
            unscaled,
            scale,
        }
    }

    /// Whether it has a sign. Zero may have one, too.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// All digits.
    pub fn unscaled(self) -> u64 {
        self.unscaled
    }

    /// How many of the digits stand after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// The float that holds all its digits, where that is seen at once: as a rule, where the text
    /// was made of a float.
    pub fn to_float(self) -> Option<f64> {
        let power = POWERS[usize::from(self.scale)];
        // Up to 15 digits both sides are exact, and the quotient is the nearest float.
        let magnitude = self.unscaled as f64 / power as f64;
        let magnitude = if self.unscaled < HELD {
            magnitude
        } else {
            held(self.unscaled, power, magnitude)?
        };
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// The value: a float where one holds all digits, else a decimal.
    pub fn to_value(self) -> Value {
        match self.to_float() {
            Some(number) => Value::Float(number),
            None => self.to_value_by_text(),
        }
    }
}

impl Literal {
    fn to_value_by_text(self) -> Value {
        let text = self.to_string();
        let float = text.parse::<f64>().ok();
        match float.filter(|&float| holds_digits(&text, float)) {
            Some(float) => Value::Float(float),
            None => {
                let magnitude = BigInt::from(self.unscaled);
                let unscaled = if self.negative { -magnitude } else { magnitude };
                Value::Decimal(Box::new(Decimal::new(unscaled, i32::from(self.scale))))
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let power = POWERS[usize::from(self.scale)];
        let sign = if self.negative { "-" } else { "" };
        let (whole, fraction) = (self.unscaled / power, self.unscaled % power);
        let scale = usize::from(self.scale);
        write!(f, "{sign}{whole}.{fraction:0scale$}")
    }
}

/// The float that `unscaled / power` stands for, a neighbour of `near`, if the quotient is in turn
/// the decimal of that many digits that is nearest to the float.
fn held(unscaled: u64, power: u64, near: f64) -> Option<f64> {
    let (mut float, mut distance) = (near, away(unscaled, power, near)?);
    for other in [near.next_down(), near.next_up()] {
        let candidate = away(unscaled, power, other)?;
        if candidate.0 < distance.0 {
            (float, distance) = (other, candidate);
        }
    }
    let (difference, digit) = distance;
    (2 * difference < digit).then_some(float)
}

/// How far the float is from `unscaled / power`, and how far a step of the last digit goes.
/// None where 128 bits do not hold it.
fn away(unscaled: u64, power: u64, float: f64) -> Option<(u128, u128)> {
    const FRACTION: u32 = 52;
    let bits = float.to_bits();
    let exponent = i64::try_from(bits >> FRACTION).ok()? - 1075;
    // No number of 16 digits and more, at most 18 of them after the point, is less than 0.001.
    let shift = u32::try_from(-exponent).ok().filter(|&shift| shift <= 62)?;
    let mantissa = bits & ((1 << FRACTION) - 1) | 1 << FRACTION;
    let number = u128::from(unscaled) << shift;
    let nearby = u128::from(mantissa) * u128::from(power);
    Some((number.abs_diff(nearby), 1 << shift))
}

#[cfg(test)]
mod tests {
    use super::super::number;
    use super::*;
    use proptest::prelude::*;

    /// The literal of a text.
    fn literal(text: &str) -> Literal {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap();
        let unscaled = format!("{whole}{fraction}").parse().unwrap();
        Literal::new(negative, unscaled, fraction.len().try_into().unwrap())
    }

    #[test]
    fn a_literal_is_what_the_number_is() {
        for text in [
            "0.0",
            "-0.0",
            "1.50",
            "-89.99989999999999",
            "0.30000000000000004",
            "0.1234567890123456",
            "9007199254740993.0",
            "123456789012345.678",
            "99999999999999999.9",
            "0.00000000000000001",
            "4.35000000000000000",
        ] {
            let literal = literal(text);
            assert_eq!(literal.to_string(), text);
            assert_eq!(literal.to_value(), number(text).unwrap(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_literal_is_what_the_number_is(
            negative in any::<bool>(), unscaled in 0..POWERS[18], scale in 1..19_u8,
        ) {
            let literal = Literal::new(negative, unscaled, scale);
            prop_assert_eq!(literal.to_value(), number(&literal.to_string()).unwrap());
        }

        #[test]
        fn the_text_of_a_float_is_that_float(float in -1e6..1e6_f64) {
            let text = format!("{float:?}");
            prop_assume!(text.len() <= 18 && text.contains('.') && !text.contains('e'));
            prop_assert_eq!(literal(&text).to_value(), Value::Float(float));
        }
    }
}
