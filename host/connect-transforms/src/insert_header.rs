//! `InsertHeader`: adds a header with a fixed value.

use connect_api::{
    Config, ConfigDef, ConfigKey, ConfigType, Datum, Disposition, Header, Importance, Kind, Record,
    RecordTransformation, Result, Schema, values,
};

pub(crate) struct InsertHeader(Header);

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(vec![
        ConfigKey::required("header", ConfigType::String, "The name of the header.")
            .importance(Importance::High),
        ConfigKey::required(
            "value.literal",
            ConfigType::String,
            "The literal value that is to be set as the header value on all records.",
        )
        .importance(Importance::High),
    ])
}

impl InsertHeader {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        Ok(Self(Header {
            name: config.text("header").into(),
            value: literal(config.text("value.literal")),
        }))
    }
}

/// As a header's text is read, but for a quoted string, which loses its quotes.
fn literal(text: &str) -> Datum {
    let inner = text
        .trim()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return values::parse(Some(text.as_bytes()));
    };
    let unescaped = inner.replace("\\\"", "\"").replace("\\\\", "\\");
    Datum::new(Schema::new(Kind::String), unescaped.as_str().into())
}

impl RecordTransformation for InsertHeader {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        record.headers.push(self.0.clone());
        Ok(Disposition::Keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_literal_is_a_string() {
        let text = Datum::new(Schema::new(Kind::String), "say \"1\"".into());
        assert_eq!(literal("\"say \\\"1\\\"\""), text);
        assert_eq!(literal("7").value, 7.into());
    }
}
