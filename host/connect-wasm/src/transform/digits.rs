//! Decimals as text, with no more digits than are fit to be written.

use std::borrow::Cow;

use connect_api::{Decimal, Error, Result};

/// The most digits before or after the point: text of a few bytes must not become gigabytes.
pub(super) const MAX_DIGITS: usize = 131_072;

/// The text of a decimal, in plain notation.
pub(super) fn write(decimal: &Decimal) -> Result<String> {
    if decimal.scale.unsigned_abs() as usize > MAX_DIGITS {
        let why = "a decimal has too great a scale to be given to a plugin";
        return Err(Error::data(why));
    }
    Ok(decimal.to_string())
}

/// The decimal of a text in plain notation only: an exponent could ask for more digits than there
/// are bytes.
pub(super) fn parse(text: &str) -> std::result::Result<Decimal, Cow<'static, str>> {
    let invalid = || Cow::Borrowed("a decimal is not in plain notation");
    if text.len() > MAX_DIGITS || text.contains(['e', 'E']) {
        return Err(invalid());
    }
    text.parse().map_err(|_| invalid())
}
