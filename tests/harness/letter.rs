//! Dead letters: what is expected of one, to the byte.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

use crate::record::{Received, Record};

/// The class that Kafka Connect throws when a record is at fault.
pub const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";

/// Why a record was refused.
#[derive(Clone, Debug)]
pub struct Reason {
    /// Where, such as `VALUE_CONVERTER`.
    pub stage: &'static str,
    /// The class of the converter, the transform or the sink.
    pub class: &'static str,
    /// What the message holds.
    pub message: String,
}

impl Reason {
    /// The key's converter refused it.
    pub fn key_converter(class: &'static str, message: &str) -> Self {
        Self::new("KEY_CONVERTER", class, message)
    }

    /// The value's converter refused it.
    pub fn value_converter(class: &'static str, message: &str) -> Self {
        Self::new("VALUE_CONVERTER", class, message)
    }

    /// A transform refused it.
    pub fn transform(class: &'static str, message: &str) -> Self {
        Self::new("TRANSFORMATION", class, message)
    }

    /// The sink refused it, or Postgres did.
    pub fn put(message: &str) -> Self {
        Self::new("TASK_PUT", "FerrulePostgresSink", message)
    }

    fn new(stage: &'static str, class: &'static str, message: &str) -> Self {
        Self {
            stage,
            class,
            message: message.to_owned(),
        }
    }
}

/// A record that is to be refused.
#[derive(Clone, Debug)]
pub struct Refused {
    /// As it was produced.
    pub record: Record,
    /// Its partition and offset.
    pub at: (i32, i64),
    /// Why.
    pub reason: Reason,
}

/// Dead letters by the partition and the offset of their records, as their headers tell.
pub fn by_position(letters: Vec<Received>) -> Result<BTreeMap<(i32, i64), Received>> {
    let mut found = BTreeMap::new();
    for letter in letters {
        let number = |name: &str| {
            let text = letter
                .header(name)
                .with_context(|| format!("{name} is missing"))?;
            Ok::<i64, anyhow::Error>(text.parse()?)
        };
        let partition = i32::try_from(number("__connect.errors.partition")?)?;
        let at = (partition, number("__connect.errors.offset")?);
        ensure!(
            !found.contains_key(&at),
            "the record at {at:?} has two dead letters"
        );
        found.insert(at, letter);
    }
    Ok(found)
}

impl Refused {
    /// Checks key, value, the record's own headers and every context header.
    pub fn check(&self, letter: &Received, topic: &str, connector: &str) -> Result<()> {
        let Self {
            record,
            at: (partition, offset),
            reason,
        } = self;
        ensure!(letter.key == record.key, "the key is {:?}", letter.key);
        ensure!(
            letter.value == record.value,
            "the value is {:?}",
            letter.text()
        );
        let own: Vec<_> = record
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect();
        let (before, context) = letter
            .headers
            .split_at_checked(own.len())
            .context("the record's own headers are missing")?;
        ensure!(before == own, "its own headers are {before:?}");
        let (partition, offset) = (partition.to_string(), offset.to_string());
        let exact = [
            ("topic", topic),
            ("partition", partition.as_str()),
            ("offset", offset.as_str()),
            ("connector.name", connector),
            ("task.id", "0"),
            ("stage", reason.stage),
            ("class.name", reason.class),
            ("exception.class.name", DATA_EXCEPTION),
            ("exception.message", reason.message.as_str()),
            ("exception.stacktrace", DATA_EXCEPTION),
        ];
        ensure!(context.len() == exact.len(), "the context is {context:?}");
        for ((name, value), (expected_name, expected)) in context.iter().zip(exact) {
            let text = String::from_utf8_lossy(value.as_deref().unwrap_or_default());
            let name = name.strip_prefix("__connect.errors.").unwrap_or_default();
            ensure!(
                name == expected_name,
                "{name} stands where {expected_name} should"
            );
            let fits = match name {
                // Any task of the connector may have had the partition.
                "task.id" => text.parse::<u32>().is_ok(),
                "exception.message" => text.contains(expected),
                "exception.stacktrace" => {
                    text.starts_with(expected) && text.contains(&reason.message)
                }
                _ => text == expected,
            };
            ensure!(fits, "{name} is {text:?}, not {expected:?}");
        }
        Ok(())
    }
}
