//! Names as Avro takes them: `schema.name.adjustment.mode` and `field.name.adjustment.mode`.

use std::borrow::Cow;
use std::fmt::Write as _;

use connect_api::{Choice, WordCase};

/// How names are made names of Avro.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adjustment {
    None,
    /// What Avro does not take becomes an underscore.
    Avro,
    /// It becomes its code, as `_u002d`; so do underscores.
    AvroUnicode,
}

impl Choice for Adjustment {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("avro", Self::Avro),
        ("avro_unicode", Self::AvroUnicode),
    ];
    const CASE: WordCase = WordCase::Any;
}

/// What a name is of: a schema's has dots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameOf {
    Schema,
    Field,
}

impl Adjustment {
    /// A name as the mode asks for it.
    pub(super) fn adjusted(self, name: &str, of: NameOf) -> Cow<'_, str> {
        if self == Self::None {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 8);
        // Java's characters are those of UTF-16.
        for (at, unit) in name.encode_utf16().enumerate() {
            let c = char::from_u32(unit.into()).unwrap_or('\u{fffd}');
            let is_taken = match c {
                'a'..='z' | 'A'..='Z' => true,
                '_' => self == Self::Avro,
                '0'..='9' => at > 0,
                '.' => at > 0 && of == NameOf::Schema,
                _ => false,
            };
            match self {
                _ if is_taken => out.push(c),
                Self::AvroUnicode => {
                    let zeros = if unit <= 0xff { "00" } else { "" };
                    // Writing to a String never fails.
                    let _ = write!(out, "_u{zeros}{unit:x}");
                }
                _ => {
                    out.push('_');
                    if c.is_ascii_digit() {
                        out.push(c);
                    }
                }
            }
        }
        Cow::Owned(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_adjusted_as_debezium_does() {
        use Adjustment::{Avro, AvroUnicode, None};
        for (mode, of, name, expect) in [
            (None, NameOf::Field, "1-a", "1-a"),
            (Avro, NameOf::Field, "a-b.c_d", "a_b_c_d"),
            (Avro, NameOf::Schema, "a-b.c_d", "a_b.c_d"),
            (Avro, NameOf::Schema, "1a", "_1a"),
            (
                AvroUnicode,
                NameOf::Field,
                "a-b.c_d",
                "a_u002db_u002ec_u005fd",
            ),
            (AvroUnicode, NameOf::Schema, "1a.b", "_u0031a.b"),
            (AvroUnicode, NameOf::Field, "é\u{101}", "_u00e9_u101"),
        ] {
            assert_eq!(mode.adjusted(name, of), expect, "{mode:?} {name}");
        }
    }
}
