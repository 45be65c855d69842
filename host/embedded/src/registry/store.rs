//! What the registry remembers: schemas by id, versions by subject, levels.

use std::collections::{BTreeMap, HashMap};

use super::compatibility::{Level, objections, parse};
use super::content::{Content, SchemaType};
use super::refusal::Refusal;

/// One version of a subject.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Version {
    pub(super) version: i32,
    pub(super) id: i32,
    deleted: bool,
}

/// All schemas and subjects. Ids count from 1 and are never given again.
#[derive(Debug, Default)]
pub(super) struct Store {
    contents: Vec<Content>,
    ids: HashMap<Content, i32>,
    subjects: BTreeMap<String, Vec<Version>>,
    level: Level,
    levels: HashMap<String, Level>,
}

impl Store {
    pub(super) fn content(&self, id: i32) -> Option<&Content> {
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        self.contents.get(index)
    }

    /// Gives the id that the same schema has in any subject, or a new one.
    pub(super) fn register(&mut self, subject: &str, content: Content) -> Result<i32, Refusal> {
        if let Some(id) = self.ids.get(&content).copied()
            && self.live(subject).any(|version| version.id == id)
        {
            return Ok(id);
        }
        self.check_content(&content)?;
        if content.schema_type == SchemaType::Avro && content.references.is_empty() {
            let found = self.objections(subject, &content, None)?;
            if !found.is_empty() {
                return Err(Refusal::Incompatible(subject.to_owned(), found.join("; ")));
            }
        }
        let id = match self.ids.get(&content) {
            Some(id) => *id,
            None => {
                self.contents.push(content.clone());
                let id = i32::try_from(self.contents.len())
                    .map_err(|_| Refusal::InvalidSchema("no id is left".to_owned()))?;
                self.ids.insert(content, id);
                id
            }
        };
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        let version = versions.last().map_or(0, |last| last.version) + 1;
        versions.push(Version {
            version,
            id,
            deleted: false,
        });
        Ok(id)
    }

    /// Finds the version that holds this very schema.
    pub(super) fn lookup(
        &self,
        subject: &str,
        content: &Content,
        deleted: bool,
    ) -> Result<&Version, Refusal> {
        let id = self.ids.get(content).copied();
        self.versions(subject, deleted)?
            .into_iter()
            .rev()
            .find(|version| Some(version.id) == id)
            .ok_or(Refusal::SchemaNotFound)
    }

    pub(super) fn subjects(&self, prefix: &str, deleted: bool) -> Vec<&str> {
        let shown = self.subjects.iter().filter(|(name, versions)| {
            name.starts_with(prefix) && versions.iter().any(|version| deleted || !version.deleted)
        });
        shown.map(|(name, _)| name.as_str()).collect()
    }

    /// The versions of a subject, oldest first; never empty.
    pub(super) fn versions(&self, subject: &str, deleted: bool) -> Result<Vec<&Version>, Refusal> {
        let all = self.subjects.get(subject).into_iter().flatten();
        let shown: Vec<_> = all.filter(|version| deleted || !version.deleted).collect();
        if shown.is_empty() {
            return Err(Refusal::SubjectNotFound(subject.to_owned()));
        }
        Ok(shown)
    }

    /// A version by its number, `latest` or `-1`.
    pub(super) fn version(
        &self,
        subject: &str,
        asked: &str,
        deleted: bool,
    ) -> Result<&Version, Refusal> {
        let versions = self.versions(subject, deleted)?;
        let number = match asked {
            "latest" | "-1" => None,
            _ => Some(asked.parse::<i32>().ok().filter(|number| *number > 0)),
        };
        let found = match number {
            None => versions.last().copied(),
            Some(None) => return Err(Refusal::InvalidVersion(asked.to_owned())),
            Some(Some(number)) => versions.into_iter().find(|entry| entry.version == number),
        };
        found.ok_or_else(|| Refusal::VersionNotFound(asked.to_owned()))
    }

    /// Every live subject and version that holds this id.
    pub(super) fn holders(&self, id: i32) -> Vec<(&str, i32)> {
        let all = self.subjects.iter().flat_map(|(subject, versions)| {
            versions
                .iter()
                .map(move |version| (subject.as_str(), version))
        });
        all.filter(|(_, version)| version.id == id && !version.deleted)
            .map(|(subject, version)| (subject, version.version))
            .collect()
    }

    /// The ids of the live schemas that refer to this version.
    pub(super) fn referenced_by(&self, subject: &str, version: i32) -> Vec<i32> {
        let refers = |content: &Content| {
            let mut references = content.references.iter();
            references.any(|entry| entry.subject == subject && entry.version == version)
        };
        (1..)
            .zip(&self.contents)
            .filter(|(id, content)| refers(content) && !self.holders(*id).is_empty())
            .map(|(id, _)| id)
            .collect()
    }

    /// Deletes a whole subject: softly first, then for good.
    pub(super) fn delete_subject(
        &mut self,
        subject: &str,
        permanent: bool,
    ) -> Result<Vec<i32>, Refusal> {
        let numbers: Vec<i32> = self
            .versions(subject, permanent)?
            .iter()
            .map(|version| version.version)
            .collect();
        if permanent && self.live(subject).next().is_some() {
            return Err(Refusal::SubjectNotSoftDeleted(subject.to_owned()));
        }
        for number in &numbers {
            self.check_unreferenced(subject, *number)?;
        }
        if permanent {
            self.subjects.remove(subject);
        } else if let Some(versions) = self.subjects.get_mut(subject) {
            versions
                .iter_mut()
                .for_each(|version| version.deleted = true);
        }
        self.levels.remove(subject);
        Ok(numbers)
    }

    /// Deletes one version: softly first, then for good.
    pub(super) fn delete_version(
        &mut self,
        subject: &str,
        asked: &str,
        permanent: bool,
    ) -> Result<i32, Refusal> {
        let found = self.version(subject, asked, permanent)?.clone();
        if permanent && !found.deleted {
            return Err(Refusal::VersionNotSoftDeleted(
                subject.to_owned(),
                found.version,
            ));
        }
        self.check_unreferenced(subject, found.version)?;
        let Some(versions) = self.subjects.get_mut(subject) else {
            return Ok(found.version);
        };
        if permanent {
            versions.retain(|version| version.version != found.version);
        } else {
            let same = versions
                .iter_mut()
                .filter(|version| version.version == found.version);
            same.for_each(|version| version.deleted = true);
        }
        Ok(found.version)
    }

    /// Why the schema may not follow `against`, or where that is `None`, the versions that the
    /// level names. A subject without versions has nothing to object.
    pub(super) fn objections(
        &self,
        subject: &str,
        content: &Content,
        against: Option<&Version>,
    ) -> Result<Vec<String>, Refusal> {
        let level = self.level_of(subject);
        let earlier: Vec<&Version> = match against {
            Some(version) => vec![version],
            None if level.is_transitive() => self.live(subject).collect(),
            None => self.live(subject).last().into_iter().collect(),
        };
        let mut found = Vec::new();
        for version in earlier {
            let old = self.content(version.id).ok_or(Refusal::SchemaNotFound)?;
            found.extend(objections(level, content, old)?);
        }
        Ok(found)
    }

    /// Parses what can be parsed, with what it refers to.
    pub(super) fn check_content(&self, content: &Content) -> Result<(), Refusal> {
        let mut references = Vec::new();
        self.collect_references(content, &mut references)?;
        match content.schema_type {
            SchemaType::Avro => parse(content, &references).map(drop),
            SchemaType::Json | SchemaType::Protobuf => Ok(()),
        }
    }

    pub(super) fn level(&self, subject: Option<&str>) -> Option<Level> {
        match subject {
            None => Some(self.level),
            Some(subject) => self.levels.get(subject).copied(),
        }
    }

    /// Sets the level of a subject, or of all; `None` returns it to the default.
    pub(super) fn set_level(&mut self, subject: Option<&str>, level: Option<Level>) {
        match (subject, level) {
            (None, level) => self.level = level.unwrap_or_default(),
            (Some(subject), Some(level)) => {
                self.levels.insert(subject.to_owned(), level);
            }
            (Some(subject), None) => {
                self.levels.remove(subject);
            }
        }
    }

    fn level_of(&self, subject: &str) -> Level {
        self.levels.get(subject).copied().unwrap_or(self.level)
    }

    fn live(&self, subject: &str) -> impl Iterator<Item = &Version> {
        let all = self.subjects.get(subject).into_iter().flatten();
        all.filter(|version| !version.deleted)
    }

    fn check_unreferenced(&self, subject: &str, version: i32) -> Result<(), Refusal> {
        if self.referenced_by(subject, version).is_empty() {
            return Ok(());
        }
        Err(Refusal::Referenced(subject.to_owned(), version))
    }

    /// Dependencies first, each once. It ends: a schema can only name what was there before it.
    fn collect_references(
        &self,
        content: &Content,
        found: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        for reference in &content.references {
            let named = self.version(&reference.subject, &reference.version.to_string(), false);
            let referred = named
                .ok()
                .and_then(|version| self.content(version.id))
                .ok_or_else(|| {
                    let missing = format!("no reference found for '{}'", reference.name);
                    Refusal::InvalidSchema(missing)
                })?;
            self.collect_references(referred, found)?;
            if !found.contains(&referred.schema) {
                found.push(referred.schema.clone());
            }
        }
        Ok(())
    }
}
