//! The differences that are decisions, with their reasons: `accepted.json`, which the table in
//! `docs/compatibility.md` is made of.

use std::{fmt, fs};

use anyhow::{Context, Result};
use harness::install::repository;
use serde_json::Value;

/// One decision.
pub struct Entry {
    /// What it is about.
    pub what: String,
    /// What Kafka Connect does.
    pub kafka: String,
    /// What Ferrule does.
    pub here: String,
    pub why: String,
    /// How many calls of the script differ by it.
    pub calls: usize,
    /// Names of calls and parts of answers; `*` stands for anything without a slash, `**` for
    /// anything.
    pub covers: Vec<(String, String)>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            kafka,
            here,
            why,
            calls,
            ..
        } = self;
        write!(f, "| {what} | {kafka} | {here} | {why} | {calls} |")
    }
}

/// The list.
pub struct Accepted(pub Vec<Entry>);

impl Accepted {
    /// Reads the list of the clone under test.
    pub fn read() -> Result<Self> {
        let path = repository().join("tests/compat/accepted.json");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let list: Vec<Value> = serde_json::from_str(&text)?;
        list.iter().map(entry).collect::<Result<_>>().map(Self)
    }
}

fn entry(value: &Value) -> Result<Entry> {
    let text = |key: &str| {
        let text = value[key].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
            .with_context(|| format!("an entry has no {key}: {value}"))
    };
    let covers = value["covers"]
        .as_object()
        .with_context(|| format!("no covers: {value}"))?;
    let mut pairs = Vec::new();
    for (call, parts) in covers {
        for part in parts
            .as_array()
            .with_context(|| format!("{call} has no list of parts"))?
        {
            pairs.push((call.clone(), part.as_str().unwrap_or_default().to_owned()));
        }
    }
    let calls = value["calls"]
        .as_u64()
        .and_then(|calls| usize::try_from(calls).ok());
    Ok(Entry {
        what: text("what")?,
        kafka: text("kafka")?,
        here: text("here")?,
        why: text("why")?,
        calls: calls.with_context(|| format!("no number of calls: {value}"))?,
        covers: pairs,
    })
}
