//! hstore: keys and values that are texts.

use std::fmt;

use connect_api::Value;
use serde::de::{Deserializer as _, MapAccess, Visitor};

use super::{Fit, Misfit, NulCharacters, text};

/// A map or an object of texts and nulls. A text is taken as JSON, which is how Debezium writes it.
pub(super) fn value(value: &Value, nul_characters: NulCharacters, out: &mut Vec<u8>) -> Fit {
    let mut entries = Entries {
        nul_characters,
        count: 0,
        misfit: None,
        out,
    };
    let start = entries.out.len();
    entries.out.extend_from_slice(&[0; 8]);
    match value {
        Value::Map(pairs) => {
            for (key, value) in pairs {
                let Value::String(key) = key else {
                    return Err(Misfit::new("cannot take a key that is not a text"));
                };
                entries.push(key, value)?;
            }
        }
        Value::Struct(row) => {
            let fields = row.schema().fields().unwrap_or_default();
            for (field, value) in fields.iter().zip(row.values()) {
                entries.push(&field.name, value)?;
            }
        }
        Value::Json(text) | Value::String(text) => entries.read(text)?,
        _ => return Err(Misfit::of_type(value)),
    }
    let count = entries.count;
    let length = super::length(out.len() - start - 4)?;
    out[start..start + 4].copy_from_slice(&length);
    out[start + 4..start + 8].copy_from_slice(&count.to_be_bytes());
    Ok(())
}

struct Entries<'a> {
    nul_characters: NulCharacters,
    count: i32,
    misfit: Option<Misfit>,
    out: &'a mut Vec<u8>,
}

impl Entries<'_> {
    fn push(&mut self, key: &str, value: &Value) -> Fit {
        match value {
            Value::Null => self.put(key, None),
            Value::String(text) => self.put(key, Some(text)),
            _ => Err(Misfit::new(format!(
                "cannot take an entry of type {}",
                value.type_name()
            ))),
        }
    }

    fn put(&mut self, key: &str, value: Option<&str>) -> Fit {
        self.count += 1;
        text::text(key, None, self.nul_characters, self.out)?;
        match value {
            Some(value) => text::text(value, None, self.nul_characters, self.out),
            None => {
                super::null(self.out);
                Ok(())
            }
        }
    }

    fn read(&mut self, text: &str) -> Fit {
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(&mut *self).and_then(|()| json.end());
        match (self.misfit.take(), read) {
            (Some(misfit), _) => Err(misfit),
            (None, Ok(())) => Ok(()),
            (None, Err(_)) => Err(Misfit::new(
                "cannot take what is not a JSON object of texts and nulls",
            )),
        }
    }
}

impl<'de> Visitor<'de> for &mut Entries<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<String, Option<String>>()? {
            if let Err(misfit) = self.put(&key, value.as_deref()) {
                self.misfit = Some(misfit);
                return Err(serde::de::Error::custom("misfit"));
            }
        }
        Ok(())
    }
}
