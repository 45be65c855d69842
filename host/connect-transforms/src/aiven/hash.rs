//! Aiven's `Hash`: the digest of a string, in hexadecimal digits, in its place.

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType, Disposition, Error, Importance, Kind, Record,
    RecordPart, RecordTransformation, Result, Str, Value, WordCase,
};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::rows;

/// `function`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Md5,
    Sha1,
    Sha256,
}

impl Choice for Function {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("md5", Self::Md5),
        ("sha1", Self::Sha1),
        ("sha256", Self::Sha256),
    ];
    const CASE: WordCase = WordCase::Exact;
}

pub(crate) struct Transform {
    part: RecordPart,
    /// None: the whole.
    field: Option<String>,
    skip: bool,
    function: Function,
}

pub(crate) fn config_def() -> ConfigDef {
    let mut function = ConfigKey::choice(
        "function",
        Function::Sha256,
        "The name of the hash function to use. The supported values are: md5, sha1, sha256.",
    )
    .importance(Importance::High);
    function.default = None;
    ConfigDef::new(vec![
        ConfigKey::nullable(
            "field.name",
            ConfigType::String,
            "The name of the field which value should be hashed. If null or empty, the entire key \
             or value is used (and assumed to be a string). By default is null.",
        )
        .importance(Importance::High),
        ConfigKey::new(
            "skip.missing.or.null",
            ConfigType::Boolean,
            "false",
            "In case the value to be hashed is null or missing, should a record be silently passed \
             without transformation.",
        )
        .importance(Importance::Low),
        function,
    ])
}

impl Transform {
    pub(crate) fn new(config: &Config, part: RecordPart) -> Result<Self> {
        let field = config.optional_text("field.name");
        Ok(Self {
            part,
            field: field.filter(|name| !name.is_empty()).map(str::to_owned),
            skip: config.flag("skip.missing.or.null"),
            function: config.choice("function"),
        })
    }

    fn digest(&self, text: &str) -> Str {
        match self.function {
            Function::Md5 => hex(&Md5::digest(text)),
            Function::Sha1 => hex(&Sha1::digest(text)),
            Function::Sha256 => hex(&Sha256::digest(text)),
        }
    }

    fn missing(&self, what: &str) -> Result<Disposition> {
        match self.skip {
            true => Ok(Disposition::Keep),
            false => Err(Error::data(format!("{what} can't be null or missing"))),
        }
    }
}

fn hex(digest: &[u8]) -> Str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = Str::with_capacity(2 * digest.len());
    for byte in digest {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

impl RecordTransformation for Transform {
    fn apply(&mut self, record: &mut Record) -> Result<Disposition> {
        let part = match self.part {
            RecordPart::Key => "key",
            RecordPart::Value => "value",
        };
        let datum = rows::datum(record, self.part);
        let schema = datum.schema.clone();
        let schema = schema.ok_or_else(|| Error::data(format!("{part} schema can't be null")))?;
        let Some(name) = &self.field else {
            if schema.kind != Kind::String {
                return Err(Error::data(format!(
                    "{part} schema type must be STRING if field name is not specified"
                )));
            }
            let hashed = match &datum.value {
                Value::String(text) => self.digest(text),
                _ => return self.missing(part),
            };
            datum.value = Value::String(hashed);
            return Ok(Disposition::Keep);
        };
        let Value::Struct(row) = &mut datum.value else {
            return Err(Error::data(format!(
                "{part} schema type must be STRUCT, and it can't be null, if field name is specified"
            )));
        };
        let Some(at) = schema.index_of(name) else {
            return self.missing(&format!("{name} in {part} schema"));
        };
        if rows::fields(&schema)[at].schema.kind != Kind::String {
            return Err(Error::data(format!(
                "{name} schema type in {part} must be STRING"
            )));
        }
        let hashed = match &row.values()[at] {
            Value::String(text) => self.digest(text),
            _ => return self.missing(&format!("{name} in {part}")),
        };
        row.set(at, Value::String(hashed));
        Ok(Disposition::Keep)
    }
}
