//! The decimal that a float of few digits prints as, without printing it.

const POWERS: [f64; 10] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// The float with so many digits after the point, where there are few and it is clear how it is
/// rounded: all that reads back as the float, its shortest decimal too, is rounded alike.
pub(super) fn rounded(number: f64, scale: i32) -> Option<(u64, i64)> {
    /// What a float of that size has lost by far less than a thousandth.
    const MOST: f64 = 1e12;
    const CLEAR: f64 = 1e-3;
    let scaled = number * POWERS.get(usize::try_from(scale).ok()?)?;
    let unscaled = (scaled + 0.5).floor();
    let from_half = (scaled - scaled.floor() - 0.5).abs();
    (scaled < MOST && from_half > CLEAR).then_some((unscaled as u64, i64::from(scale)))
}

/// The shortest decimal that reads back as the float, where it has at most 15 digits: no other
/// decimal of so few digits does, and both sides of the division are exact. Most numbers that
/// people and sensors write are found here, at a fraction of the cost.
pub(super) fn few_digits(number: f64) -> Option<(u64, i64)> {
    for (power, scale) in POWERS.into_iter().zip(0..) {
        let scaled = number * power;
        if scaled >= 1e15 {
            return None;
        }
        let unscaled = (scaled + 0.5) as u64;
        if unscaled as f64 / power == number {
            return Some((unscaled, scale));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The digits without zeros at their end, and how many are after the point.
    fn shortest(number: f64) -> (String, i64) {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap();
        let digits = digits.replace('.', "");
        let scale = digits.len() as i64 - 1 - exponent.parse::<i64>().unwrap();
        trimmed(digits, scale)
    }

    fn trimmed(mut digits: String, mut scale: i64) -> (String, i64) {
        while digits.len() > 1 && digits.ends_with('0') {
            digits.pop();
            scale -= 1;
        }
        (digits, scale)
    }

    fn check(number: f64) {
        if let Some((unscaled, scale)) = few_digits(number) {
            let found = trimmed(unscaled.to_string(), scale);
            assert_eq!(found, shortest(number), "{number:e}");
        }
    }

    #[test]
    fn numbers_of_few_digits_are_found() {
        for (number, digits) in [
            (0.0, (0, 0)),
            (1.0, (1, 0)),
            (0.1, (1, 1)),
            (100.0, (100, 0)),
            (52.520_008, (52_520_008, 6)),
            (0.000_000_001, (1, 9)),
            (999_999_999_999_999.0, (999_999_999_999_999, 0)),
        ] {
            assert_eq!(few_digits(number), Some(digits), "{number}");
        }
        assert_eq!(few_digits(1e15), None);
        assert_eq!(few_digits(1e-300), None);
        assert_eq!(few_digits(0.1 + 0.2), None);
    }

    proptest! {
        #[test]
        fn few_digits_are_the_shortest(
            any in proptest::num::f64::POSITIVE,
            unscaled in 0..2_000_000_000_000_000_u64,
            scale in 0..12,
        ) {
            check(any);
            check(unscaled as f64 / 10_f64.powi(scale));
            check((unscaled % 100_000_000) as f64 / 10_f64.powi(scale));
        }
    }
}
