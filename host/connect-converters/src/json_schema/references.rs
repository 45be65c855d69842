//! What `$ref` refers to: a place in the same text, or in one that it is registered with.

use std::collections::HashMap;

use connect_api::{Error, Result};
use serde_json::Value as Json;

/// A part of a schema, and the text that it is in.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub json: &'a Json,
    pub document: &'a Json,
}

/// The texts of a schema and of those that it refers to.
pub(super) struct Documents<'a> {
    /// By the names that they are referred to.
    references: HashMap<&'a str, &'a Json>,
}

impl<'a> Documents<'a> {
    pub(super) fn new(references: impl Iterator<Item = (&'a str, &'a Json)>) -> Self {
        Self {
            references: references.collect(),
        }
    }

    /// The place that a reference names, from within a text.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Data`] when there is no such place.
    pub(super) fn find(&self, reference: &str, document: &'a Json) -> Result<Place<'a>> {
        let missing =
            || Error::data("the JSON Schema refers to something that it is not registered with");
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = match base {
            "" => document,
            _ => match self.document(reference, base, document) {
                Some(document) => document,
                // An id within the text.
                None => {
                    let json = with_id(document, base).ok_or_else(missing)?;
                    return Ok(Place { json, document });
                }
            },
        };
        let json = match fragment {
            "" => Some(document),
            pointer if pointer.starts_with('/') => document.pointer(&unescaped(pointer)),
            anchor => {
                with_id(document, &format!("#{anchor}")).or_else(|| with_anchor(document, anchor))
            }
        };
        let json = json.ok_or_else(missing)?;
        Ok(Place { json, document })
    }

    fn document(&self, whole: &str, base: &str, document: &'a Json) -> Option<&'a Json> {
        let own = document.get("$id").and_then(Json::as_str);
        if own.is_some_and(|own| own.trim_end_matches('#') == base) {
            return Some(document);
        }
        let named = self
            .references
            .get(whole)
            .or_else(|| self.references.get(base));
        if let Some(found) = named {
            return Some(found);
        }
        // A name that is given relative to the text's own id, or the other way about.
        let folder = own
            .and_then(|own| own.rsplit_once('/'))
            .map(|(folder, _)| folder);
        let resolved = folder.map(|folder| format!("{folder}/{base}"));
        let by_resolved = resolved.and_then(|name| self.references.get(&*name));
        let by_end = || {
            let file = base.rsplit_once('/').map(|(_, file)| file)?;
            self.references.get(file)
        };
        let by_id = || {
            let same = |json: &&&Json| {
                let id = json.get("$id").and_then(Json::as_str);
                id.is_some_and(|id| id == base)
            };
            self.references.values().find(same)
        };
        by_resolved.or_else(by_end).or_else(by_id).copied()
    }
}

/// A JSON pointer in a URL may have its characters escaped.
fn unescaped(pointer: &str) -> String {
    let mut bytes = Vec::with_capacity(pointer.len());
    let mut rest = pointer.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = match (first, after) {
            (b'%', [a, b, ..]) => std::str::from_utf8(&[*a, *b])
                .ok()
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn with_id<'a>(json: &'a Json, id: &str) -> Option<&'a Json> {
    find(json, &|json| {
        let own = json.get("$id").or_else(|| json.get("id"));
        own.and_then(Json::as_str) == Some(id)
    })
}

fn with_anchor<'a>(json: &'a Json, anchor: &str) -> Option<&'a Json> {
    find(json, &|json| {
        json.get("$anchor").and_then(Json::as_str) == Some(anchor)
    })
}

/// The first object of which it holds. The text was parsed, so that it is not too deep.
fn find<'a>(json: &'a Json, is_it: &dyn Fn(&Json) -> bool) -> Option<&'a Json> {
    match json {
        Json::Object(_) if is_it(json) => Some(json),
        Json::Object(all) => all.values().find_map(|each| find(each, is_it)),
        Json::Array(all) => all.iter().find_map(|each| find(each, is_it)),
        _ => None,
    }
}
