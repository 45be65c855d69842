//! Names and numbers of what is written.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use connect_api::{Error, Field, Schema};

use super::text::MessageText;
use crate::protobuf::schema::{ENUM, SHARED_ENUM, SHARED_UNION, TAG, UNION};

/// Numbers that Protobuf keeps for itself.
const RESERVED: RangeInclusive<u32> = 19_000..=19_999;
const MAX_NUMBER: u32 = 0x1fff_ffff;

/// The numbers of the fields of a message: those that they had, and others for the rest.
pub(super) struct Numbers {
    given: BTreeSet<u32>,
    next: u32,
}

impl Numbers {
    pub(super) fn of(fields: &[Field]) -> Self {
        let mut given = BTreeSet::new();
        for field in fields {
            given.extend(number(&field.schema));
            if is_union(&field.schema) {
                let members = field.schema.fields().unwrap_or_default().iter();
                given.extend(members.filter_map(|member| number(&member.schema)));
            }
        }
        Self { given, next: 1 }
    }

    pub(super) fn next(&mut self, schema: &Schema) -> u32 {
        if let Some(number) = number(schema) {
            return number;
        }
        while self.given.contains(&self.next) || RESERVED.contains(&self.next) {
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

fn number(schema: &Schema) -> Option<u32> {
    let number = parameter(schema, TAG)?.parse().ok()?;
    ((1..=MAX_NUMBER).contains(&number) && !RESERVED.contains(&number)).then_some(number)
}

/// The key or the value of a map, whose numbers are 1 and 2 wherever it came from.
pub(super) fn unnumbered(schema: &Schema) -> Schema {
    let mut schema = schema.clone();
    schema.parameters.retain(|(name, _)| name != TAG);
    schema
}

pub(super) fn parameter<'a>(schema: &'a Schema, name: &str) -> Option<&'a str> {
    let found = schema.parameters.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| &**value)
}

pub(super) fn enum_parameter(schema: &Schema) -> Option<&'static str> {
    [SHARED_ENUM, ENUM]
        .into_iter()
        .find(|name| parameter(schema, name).is_some())
}

pub(super) fn is_union(schema: &Schema) -> bool {
    schema.fields().is_some()
        && (schema
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with(UNION))
            || parameter(schema, SHARED_UNION).is_some())
}

/// A name that no other type of the message has, nor the field.
pub(super) fn unique(name: String, field: &str, text: &MessageText) -> String {
    let name = match name == field {
        true => format!("{name}Message"),
        false => name,
    };
    let mut free = name.clone();
    let mut number = 1;
    while text.has(&free) {
        number += 1;
        free = format!("{name}{number}");
    }
    free
}

/// The name that Confluent's converters know a map's entries by.
pub(super) fn entry_name(name: &str) -> String {
    if !name.contains('_') {
        return format!("{name}Entry");
    }
    let mut camel = String::new();
    for word in name.split('_') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    format!("{camel}Entry")
}

/// As Confluent's converter makes names: encoded as in a URL, with an underscore for each character
/// that is none of a name.
pub(super) fn scrubbed(name: &str) -> String {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = name.bytes().next();
    if name.bytes().all(is_letter) && first.is_some_and(|byte| byte.is_ascii_alphabetic()) {
        return name.to_owned();
    }
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            byte if is_letter(byte) => encoded.push(byte.into()),
            b'.' | b'-' | b'*' | b' ' => encoded.push('_'),
            byte => encoded.push_str(&format!("_{byte:02X}")),
        }
    }
    let first = encoded.bytes().next();
    match first.is_some_and(|byte| byte.is_ascii_digit() || byte == b'_') {
        true => format!("x{encoded}"),
        false => encoded,
    }
}

pub(super) fn refused(what: &str) -> Error {
    Error::data(format!("{what} has no form in Protobuf"))
}
