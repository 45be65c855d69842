//! Paths with named parts, and queries.

use connect_api::{Error, Result};
use percent_encoding::percent_decode_str;

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// `{name}`: any text without a slash.
    Named(String),
}

/// A path such as `/api/activity/mmsi/{mmsi}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate(Vec<Segment>);

/// The named parts of a path, decoded.
pub type PathValues = Vec<(String, String)>;

impl PathTemplate {
    /// Reads a template. `option` names it in errors.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] that says what is wrong with it.
    pub fn parse(option: &str, text: &str) -> Result<Self> {
        let invalid = |why: &str| Err(Error::config(format!("{option}: {text}: {why}")));
        let Some(rest) = text.strip_prefix('/') else {
            return invalid("a path begins with /");
        };
        if text.contains(['?', '#', ' ']) {
            return invalid("a path has no query, no fragment and no spaces");
        }
        let mut segments = Vec::new();
        for part in rest.trim_end_matches('/').split('/') {
            let named = part.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
            segments.push(match named {
                Some(name) if is_name(name) => {
                    let segment = Segment::Named(name.to_owned());
                    if segments.contains(&segment) {
                        return invalid("a name stands in it twice");
                    }
                    segment
                }
                Some(_) => return invalid("a name has letters, digits and _"),
                None if part.contains(['{', '}']) => {
                    return invalid("a name takes the whole of a part, as in /things/{id}");
                }
                None => Segment::Literal(part.to_owned()),
            });
        }
        if segments == [Segment::Literal("health".to_owned())] {
            return invalid("/health is the listener's own");
        }
        Ok(Self(segments))
    }

    /// Its names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Named(name) => Some(name.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The named parts of a path, where it is one of these. A part whose escapes are no UTF-8 is
    /// none.
    pub fn matches(&self, path: &str) -> Option<PathValues> {
        let path = path.strip_prefix('/')?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path.split('/');
        let mut values = Vec::new();
        for segment in &self.0 {
            let part = percent_decode_str(parts.next()?).decode_utf8().ok()?;
            match segment {
                Segment::Literal(literal) if *literal == part => {}
                Segment::Named(name) if !part.is_empty() => {
                    values.push((name.clone(), part.into_owned()));
                }
                Segment::Literal(_) | Segment::Named(_) => return None,
            }
        }
        parts.next().is_none().then_some(values)
    }

    /// Whether some path is one of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let same = |(one, other): (&Segment, &Segment)| match (one, other) {
            (Segment::Literal(one), Segment::Literal(other)) => one == other,
            _ => true,
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }

    /// How many of its parts are literal: of two that match, the one with more goes before.
    pub fn literals(&self) -> usize {
        self.0.len() - self.names().count()
    }
}

/// Whether a text may be the name of a parameter.
fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The names and values of a query, decoded as those of a form: a plus is a space. None when an
/// escape is no UTF-8.
pub fn query_pairs(query: &str) -> Option<Vec<(String, String)>> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8().ok()?;
        Some(decoded.into_owned())
    };
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name)?, decode(value)?))
        })
        .collect()
}
