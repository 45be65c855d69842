//! The names of fields: found without looking at all of them, and as they stand in JSON text.

use std::collections::HashMap;

use super::scan::plain_length;
use crate::{Field, Str};

/// So many names are looked through faster than they are hashed.
const FEW: usize = 24;

/// Finds fields by their names, however many there are: whoever sends records decides on that.
#[derive(Debug, Default)]
pub struct FieldNames {
    count: usize,
    /// Empty while there are few.
    places: HashMap<Str, usize>,
}

impl FieldNames {
    /// The position of the field of that name; `name_of` tells the names of those that were added,
    /// by their positions. None: there was none, and it is added behind the others.
    pub fn find_or_add<'a>(
        &mut self,
        name: &str,
        name_of: impl Fn(usize) -> &'a Str,
    ) -> Option<usize> {
        if let Some(found) = self.find(name, &name_of) {
            return Some(found);
        }
        if self.count == FEW {
            let known = (0..FEW).map(|at| (name_of(at).clone(), at));
            self.places.extend(known);
        }
        if self.count >= FEW {
            self.places.insert(name.into(), self.count);
        }
        self.count += 1;
        None
    }

    fn find<'a>(&self, name: &str, name_of: &impl Fn(usize) -> &'a Str) -> Option<usize> {
        if self.count <= FEW {
            return (0..self.count).find(|&at| name_of(at) == name);
        }
        self.places.get(name).copied()
    }
}

/// The names of an object's fields as they stand in JSON text without blanks: each with the sign
/// before it and the colon behind it.
#[derive(Debug)]
pub(super) struct Names(pub(super) Box<[Box<str>]>);

impl Names {
    /// None where a name does not stand in JSON text as it is.
    pub(super) fn new(fields: &[Field]) -> Option<Self> {
        let plain = |field: &Field| plain_length(field.name.as_bytes()) == field.name.len();
        fields.iter().all(plain).then(|| {
            let names = fields.iter().enumerate().map(|(place, field)| {
                let sign = if place == 0 { '{' } else { ',' };
                format!("{sign}\"{}\":", field.name).into()
            });
            Self(names.collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_among_few_and_among_many() {
        let mut names = FieldNames::default();
        let all: Vec<Str> = (0..3 * FEW).map(|n| n.to_string().into()).collect();
        for (at, name) in all.iter().enumerate() {
            assert_eq!(names.find_or_add(name, |at| &all[at]), None);
            for (before, name) in all[..=at].iter().enumerate() {
                assert_eq!(names.find_or_add(name, |at| &all[at]), Some(before));
            }
        }
    }
}
