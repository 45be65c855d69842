//! What the elements of a JSON array are, found without keeping them.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Whether the JSON text is an array of text.
pub(crate) fn are_text(json: &str) -> bool {
    serde_json::from_str::<Vec<IsText>>(json).is_ok()
}

/// Whether the JSON text is an array of integers of 64 bits.
pub(crate) fn are_integers(json: &str) -> bool {
    serde_json::from_str::<Vec<IsInteger>>(json).is_ok()
}

/// Text was there. A vector of these allocates nothing.
struct IsText;

impl<'de> Deserialize<'de> for IsText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<IsText, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = IsText;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("text")
            }

            fn visit_str<E: Error>(self, _: &str) -> Result<IsText, E> {
                Ok(IsText)
            }
        }
        from.deserialize_str(Text)
    }
}

/// An integer was there. A vector of these allocates nothing.
struct IsInteger;

impl<'de> Deserialize<'de> for IsInteger {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<IsInteger, D::Error> {
        i64::deserialize(from).map(|_| IsInteger)
    }
}
