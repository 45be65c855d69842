//! Which events and fields are converted: `include.list` and `exclude.list`.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use connect_api::{Error, Result};
use regex::Regex;

const SHAPE: &str = "it must be a list of source:table, source:table:field, topic:name, \
                     topic:name:field or name:field, of which only the first may have a field \
                     behind source: or topic:";

/// Whether a text is a list of rules, for the options' validator.
pub(super) fn check(text: &str) -> std::result::Result<(), String> {
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    shape(&items)
}

/// Debezium's own check of the list that Java prints: behind the first rule, others have no three
/// parts.
fn shape(items: &[&str]) -> std::result::Result<(), String> {
    static SHAPES: OnceLock<Option<Regex>> = OnceLock::new();
    let shapes = SHAPES.get_or_init(|| {
        let name = r#"[".A-Za-z0-9_ \t\n\x0B\f\r]+"#;
        Regex::new(&format!(r"\A\[{name}:(?:{name}(?::{name})?(?:,|\]\z))+\z")).ok()
    });
    let printed = format!("[{}]", items.join(", "));
    match shapes.as_ref().is_some_and(|it| it.is_match(&printed)) {
        true => Ok(()),
        false => Err(SHAPE.to_owned()),
    }
}

/// The rules of a config.
pub(super) struct Rules {
    list: List,
    topics: HashMap<String, Fields>,
    tables: HashMap<String, Fields>,
    /// Rules without a prefix: topics, then tables.
    names: HashMap<String, Fields>,
    all: Fields,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum List {
    All,
    Include,
    Exclude,
}

/// What is converted of an event.
pub(super) struct Fields {
    list: List,
    before: HashSet<String>,
    after: HashSet<String>,
    source: HashSet<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prefix {
    Source,
    Topic,
    /// Either of them in other letters: as without one.
    OtherCase,
}

impl Rules {
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when both lists are given, or one is no list of rules.
    pub(super) fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        let (list, items) = match (include, exclude) {
            ([], []) => (List::All, include),
            (items, []) => (List::Include, items),
            ([], items) => (List::Exclude, items),
            _ => {
                return Err(Error::config(
                    "Both include.list and exclude.list are given: only one of them may be",
                ));
            }
        };
        let mut rules = Self {
            list,
            topics: HashMap::new(),
            tables: HashMap::new(),
            names: HashMap::new(),
            all: Fields::new(List::All),
        };
        if !items.is_empty() {
            let items: Vec<&str> = items.iter().map(String::as_str).collect();
            shape(&items).map_err(Error::config)?;
            rules.add_all(&items);
        }
        Ok(rules)
    }

    /// As Debezium has it, a prefix holds for the rules behind it as well.
    fn add_all(&mut self, items: &[&str]) {
        let mut prefix = None;
        for item in items {
            let parts: Vec<&str> = item.split(':').collect();
            let own = parts.first().and_then(|first| Prefix::of(first));
            let (name, field) = match (own.filter(|_| parts.len() > 1), &parts[..]) {
                (Some(_), [_, name, field @ ..]) => (*name, field.first().copied()),
                (_, [name, field @ ..]) => (*name, field.first().copied()),
                (_, []) => continue,
            };
            if parts.len() > 1 && own.is_some() {
                prefix = own;
            }
            let rules = match prefix {
                Some(Prefix::Topic) => &mut self.topics,
                Some(Prefix::Source) => &mut self.tables,
                Some(Prefix::OtherCase) | None => &mut self.names,
            };
            let list = self.list;
            let fields = rules
                .entry(name.to_owned())
                .or_insert_with(|| Fields::new(list));
            if let Some(field) = field {
                fields.add(field);
            }
        }
    }

    /// What is converted of the events of a table in a topic; none: nothing.
    pub(super) fn fields(&self, topic: &str, table: Option<&str>) -> Option<&Fields> {
        let found = self
            .topics
            .get(topic)
            .or_else(|| self.tables.get(table?))
            .or_else(|| self.names.get(topic))
            .or_else(|| self.names.get(table?));
        match (self.list, found) {
            (List::All, _) | (List::Exclude, None) => Some(&self.all),
            (List::Include, None) => None,
            (List::Include, Some(fields)) if fields.is_empty() => Some(&self.all),
            (List::Exclude, Some(fields)) if fields.is_empty() => None,
            (_, found) => found,
        }
    }
}

impl Prefix {
    fn of(text: &str) -> Option<Self> {
        match text {
            "source" => Some(Self::Source),
            "topic" => Some(Self::Topic),
            _ if text.eq_ignore_ascii_case("source") || text.eq_ignore_ascii_case("topic") => {
                Some(Self::OtherCase)
            }
            _ => None,
        }
    }
}

impl Fields {
    fn new(list: List) -> Self {
        Self {
            list,
            before: HashSet::new(),
            after: HashSet::new(),
            source: HashSet::new(),
        }
    }

    fn add(&mut self, field: &str) {
        if let Some(field) = field.strip_prefix("source.") {
            self.source.insert(field.to_owned());
        } else if let Some(field) = field.strip_prefix("before.") {
            self.before.insert(field.to_owned());
        } else if let Some(field) = field.strip_prefix("after.") {
            self.after.insert(field.to_owned());
        } else {
            self.before.insert(field.to_owned());
            self.after.insert(field.to_owned());
        }
    }

    fn is_empty(&self) -> bool {
        self.before.is_empty() && self.after.is_empty() && self.source.is_empty()
    }

    /// Whether anything of a part may be converted: `source` only where a rule names a field of
    /// it.
    pub(super) fn has_part(&self, part: &str) -> bool {
        part != "source" || !self.source.is_empty()
    }

    /// Whether a time of a part is converted.
    pub(super) fn is_converted(&self, part: &str, field: &str) -> bool {
        let named = match part {
            "before" => &self.before,
            "after" => &self.after,
            _ => &self.source,
        };
        match self.list {
            List::All => true,
            List::Include => named.contains(field),
            List::Exclude => !named.contains(field),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_list_is_read_or_refused(text in r#"[a:,.\[\] "*source]{0,20}"#) {
            let items: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
            let rules = Rules::new(&items, &[]);
            prop_assert_eq!(rules.is_ok(), check(&text).is_ok());
            if let Ok(rules) = rules {
                let _ = rules.fields("a", Some("b"));
            }
        }
    }
}
