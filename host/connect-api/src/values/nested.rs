//! Arrays and maps in headers.

use crate::{Datum, Kind, Schema, Value, memory};

use super::{Typed, scalar};

/// Deeper text is a string: a header must not exhaust the stack.
const MAX_DEPTH: usize = 32;

/// The array or the map that the text is; none where it is but a string.
pub(super) fn parse(text: &str) -> Option<Datum> {
    let mut parser = Parser { rest: text };
    let found = parser.value(0)?;
    if !parser.rest.trim().is_empty() {
        return None;
    }
    Some(Datum::new(Schema::new(found.kind?), found.value))
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn consume(&mut self, delimiter: char) -> bool {
        match self.rest.trim_start().strip_prefix(delimiter) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Typed> {
        if depth > MAX_DEPTH {
            return None;
        }
        if self.consume('[') {
            return self.array(depth);
        }
        if self.consume('{') {
            return self.map(depth);
        }
        if self.consume('"') {
            return self.quoted();
        }
        let end = self.rest.find([':', ',', '{', '}', '[', ']', '"']);
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        // A time has colons of its own.
        if let Some(time) = self.unquoted_time() {
            return Some(time);
        }
        self.rest = rest;
        scalar(token.trim())
    }

    fn unquoted_time(&mut self) -> Option<Typed> {
        let end = self.rest.find([',', '}', ']'])?;
        let (token, rest) = self.rest.split_at(end);
        let time = super::literal::temporal(token.trim())?;
        self.rest = rest;
        Some(time)
    }

    fn quoted(&mut self) -> Option<Typed> {
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        let content = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        let time = super::literal::temporal(content);
        Some(time.unwrap_or_else(|| {
            let text = content.replace("\\\"", "\"").replace("\\\\", "\\");
            Typed::new(Kind::String, Value::from(text.as_str()))
        }))
    }

    fn array(&mut self, depth: usize) -> Option<Typed> {
        let mut items = Vec::new();
        let mut common = Common::default();
        while !self.consume(']') {
            if !items.is_empty() && !self.consume(',') {
                return None;
            }
            let item = self.value(depth + 1)?;
            common.add(item.kind);
            memory::push(&mut items, item.value).ok()?;
        }
        for item in &mut items {
            common.align(item);
        }
        let kind = Kind::Array(common.schema().into());
        Some(Typed::new(kind, Value::Array(items)))
    }

    fn map(&mut self, depth: usize) -> Option<Typed> {
        let mut entries = Vec::new();
        let (mut of_keys, mut of_values) = (Common::default(), Common::default());
        while !self.consume('}') {
            if !entries.is_empty() && !self.consume(',') {
                return None;
            }
            let key = self.value(depth + 1)?;
            if key.value.is_null() || !self.consume(':') {
                return None;
            }
            let value = self.value(depth + 1)?;
            of_keys.add(key.kind);
            of_values.add(value.kind);
            memory::push(&mut entries, (key.value, value.value)).ok()?;
        }
        for (key, value) in &mut entries {
            of_keys.align(key);
            of_values.align(value);
        }
        let kind = Kind::Map(of_keys.schema().into(), of_values.schema().into());
        Some(Typed::new(kind, Value::Map(entries)))
    }
}

/// What the types of several values have in common.
#[derive(Default)]
struct Common {
    kind: Option<Kind>,
    mixed: bool,
}

impl Common {
    fn add(&mut self, kind: Option<Kind>) {
        let Some(kind) = kind else {
            return;
        };
        self.kind = Some(match self.kind.take() {
            None => kind,
            Some(known) if known == kind => kind,
            Some(known) => match (rank(&known), rank(&kind)) {
                (Some(a), Some(b)) if a < b => kind,
                (Some(_), Some(_)) => known,
                _ => {
                    self.mixed = true;
                    known
                }
            },
        });
    }

    fn schema(&self) -> Schema {
        match &self.kind {
            Some(kind) if !self.mixed => Schema::optional(kind.clone()),
            _ => Schema::any(),
        }
    }

    fn align(&self, value: &mut Value) {
        let float = matches!(self.kind, Some(Kind::Float32 | Kind::Float64)) && !self.mixed;
        if let (true, Value::Int(number)) = (float, &*value) {
            *value = Value::Float(*number as f64);
        }
    }
}

/// The order in which a number's type takes in the one before.
fn rank(kind: &Kind) -> Option<u8> {
    match kind {
        Kind::Int8 => Some(0),
        Kind::Int16 => Some(1),
        Kind::Int32 => Some(2),
        Kind::Int64 => Some(3),
        Kind::Float32 => Some(4),
        Kind::Float64 => Some(5),
        _ => None,
    }
}
