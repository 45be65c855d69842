//! Declarations: a Connect schema in the form of JsonConverter, in a file that is named by its
//! subject.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use connect_api::Schema;
use connect_converters::{avro_schema, declared_schema};

use crate::topics::file::listed;

/// The part of a record that a subject of TopicNameStrategy ends with.
const PARTS: [(&str, Part); 2] = [("-value", Part::Value), ("-key", Part::Key)];

/// A part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its key.
    Key,
    /// Its value.
    Value,
}

/// A declared schema.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The name of its file, and what registries have it under: TOPIC-value or TOPIC-key.
    pub subject: String,
    /// The topic of the subject.
    pub topic: String,
    /// The part of the topic's records.
    pub part: Part,
    /// The schema.
    pub schema: Arc<Schema>,
    /// The folder of its file.
    folder: PathBuf,
}

impl Declaration {
    /// Its Avro schema, as text in lines.
    pub fn avro(&self) -> Result<String> {
        let text = avro_schema(&self.schema).map_err(|error| self.at_fault(&error))?;
        let json: serde_json::Value = serde_json::from_str(&text)?;
        Ok(serde_json::to_string_pretty(&json)? + "\n")
    }

    /// The example of a record that stands beside it in the folder `examples`, if there is one.
    pub fn example(&self) -> Result<Option<String>> {
        let file = self
            .folder
            .join("examples")
            .join(format!("{}.json", self.subject));
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| file.display().to_string()),
        }
    }

    fn at_fault(&self, error: &connect_api::Error) -> anyhow::Error {
        anyhow!("{}: {}", self.subject, error.chain())
    }
}

/// Reads files, and those of folders that end in `.json`, in the order of their names.
pub fn read(files: &[PathBuf]) -> Result<Vec<Declaration>> {
    let mut all: Vec<Declaration> = Vec::new();
    for file in listed(files)? {
        let declared = read_file(&file).with_context(|| file.display().to_string())?;
        if all.iter().any(|known| known.subject == declared.subject) {
            bail!("{}: {} is declared twice", file.display(), declared.subject);
        }
        all.push(declared);
    }
    Ok(all)
}

/// The declaration of one file.
pub fn read_file(file: &Path) -> Result<Declaration> {
    let text = fs::read_to_string(file)?;
    let schema = declared_schema(&text).map_err(|error| anyhow!("{}", error.chain()))?;
    let subject = file.file_stem().and_then(|stem| stem.to_str());
    let subject = subject.context("its name is no text")?;
    let part = PARTS
        .iter()
        .find_map(|(end, part)| Some((subject.strip_suffix(end)?, *part)));
    let (topic, part) = part.context(
        "the file of a declaration is named by its subject: TOPIC-value.json or TOPIC-key.json",
    )?;
    ensure!(!topic.is_empty(), "the name of the file names no topic");
    Ok(Declaration {
        subject: subject.to_owned(),
        topic: topic.to_owned(),
        part,
        schema,
        folder: file.parent().unwrap_or(Path::new("")).to_owned(),
    })
}
