//! What stands for a value that the source did not send: Debezium's placeholder for an unchanged
//! value that Postgres keeps out of line (TOAST).

use std::sync::Arc;

use connect_api::{Config, ConfigKey, ConfigType, Value, ValueRef};

const PLACEHOLDER: &str = "unavailable.value.placeholder";
/// Debezium's own default.
const DEFAULT: &str = "__debezium_unavailable_value";

/// The placeholder; empty: there is none.
#[derive(Clone, Debug)]
pub(crate) struct Unavailable(Arc<str>);

impl Unavailable {
    /// The placeholder that the option names.
    pub(super) fn resolve(config: &Config) -> Self {
        Self(config.text(PLACEHOLDER).into())
    }

    /// Whether the value is the placeholder, in the form that Debezium gives it in the type of the
    /// column: the text, its bytes, an array of it or of its bytes, a map from it to itself.
    #[inline]
    pub fn is(&self, value: ValueRef<'_>) -> bool {
        match value {
            ValueRef::String(text) => self.is_text(text),
            ValueRef::Value(Value::String(text)) => self.is_text(text),
            ValueRef::Value(Value::Bytes(bytes)) => self.is_bytes(bytes),
            ValueRef::Value(Value::Array(items)) => self.is_array(items),
            ValueRef::Value(Value::Map(entries)) => self.is_map(entries),
            ValueRef::Value(Value::Json(text)) => self.is_json(text),
            ValueRef::Json(text) => self.is_json(text),
            _ => false,
        }
    }

    fn is_text(&self, text: &str) -> bool {
        text.len() == self.0.len() && *text == *self.0 && !text.is_empty()
    }

    fn is_bytes(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.0.len() && *bytes == *self.0.as_bytes() && !bytes.is_empty()
    }

    fn is_array(&self, items: &[Value]) -> bool {
        match items {
            [Value::String(text)] => self.is_text(text),
            [Value::Bytes(bytes)] => self.is_bytes(bytes),
            // An array of numbers has a number for each byte.
            [Value::Int(_), ..] if items.len() == self.0.len() => {
                let mut pairs = items.iter().zip(self.0.bytes());
                pairs.all(|(item, byte)| matches!(item, Value::Int(n) if *n == i64::from(byte)))
            }
            _ => false,
        }
    }

    fn is_map(&self, entries: &[(Value, Value)]) -> bool {
        match entries {
            [(Value::String(key), Value::String(value))] => {
                self.is_text(key) && self.is_text(value)
            }
            _ => false,
        }
    }

    /// Schemaless: an array or an object of it.
    fn is_json(&self, text: &str) -> bool {
        if self.0.is_empty() || text.len() > 4 * self.0.len() + 16 || !text.contains(&*self.0) {
            return false;
        }
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let word = format!("\"{}\"", self.0);
        compact == format!("[{word}]") || compact == format!("{{{word}:{word}}}")
    }
}

/// The declaration.
pub(super) fn key() -> ConfigKey {
    ConfigKey::new(
        PLACEHOLDER,
        ConfigType::String,
        DEFAULT,
        "What Debezium's sources send for a value that did not change and that they do not have \
         (TOAST), by their option of this name. upsert and update leave its column as it is; with \
         the other modes, or in a key, the record is errant. Empty: no value is special.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_placeholder_is_known_in_each_of_its_forms() {
        let none = Unavailable("__none".into());
        let text = || Value::from("__none");
        let numbers = "__none".bytes().map(|b| Value::Int(b.into())).collect();
        for value in [
            text(),
            Value::Bytes(b"__none".to_vec().into()),
            Value::Array(vec![text()]),
            Value::Array(numbers),
            Value::Map(vec![(text(), text())]),
            Value::Json("[ \"__none\" ]".into()),
            Value::Json("{\"__none\": \"__none\"}".into()),
        ] {
            assert!(none.is(ValueRef::Value(&value)), "{value:?}");
            assert!(!Unavailable("".into()).is(ValueRef::Value(&value)));
        }
        for value in [
            Value::from("__nonesuch"),
            Value::from("__non"),
            Value::from(""),
            Value::Null,
            Value::Array(vec![text(), text()]),
            Value::Array(Vec::new()),
            Value::Map(vec![(text(), Value::from("x"))]),
            Value::Json("{\"a\": \"__none\"}".into()),
            Value::Int(1),
        ] {
            assert!(!none.is(ValueRef::Value(&value)), "{value:?}");
        }
    }
}
