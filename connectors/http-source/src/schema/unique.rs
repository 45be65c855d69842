//! `uniqueItems`: whether an item is there twice, in time that grows as the list does.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash as _, Hasher, RandomState};

use serde_json::Value;

/// Lists of fewer items are compared one by one.
const FEW: usize = 16;

/// Whether an item is equal to another one.
pub(super) fn has_twice(items: &[Value]) -> bool {
    let repeated = |(at, item): (usize, &Value)| items[..at].contains(item);
    if items.len() < FEW {
        return items.iter().enumerate().any(repeated);
    }
    // Of its own for each list, so that nobody can make items whose hashes are the same.
    let state = RandomState::new();
    let mut seen: HashMap<u64, Vec<&Value>> = HashMap::with_capacity(items.len());
    items.iter().any(|item| {
        let alike = seen.entry(hash(item, &state)).or_default();
        let is_there = alike.contains(&item);
        alike.push(item);
        is_there
    })
}

/// What is equal has the same one, whatever the order of its fields.
fn hash(value: &Value, state: &RandomState) -> u64 {
    let mut hasher = state.build_hasher();
    std::mem::discriminant(value).hash(&mut hasher);
    match value {
        Value::Null => {}
        Value::Bool(flag) => flag.hash(&mut hasher),
        Value::Number(number) => number.hash(&mut hasher),
        Value::String(text) => text.hash(&mut hasher),
        Value::Array(items) => {
            for item in items {
                hasher.write_u64(hash(item, state));
            }
        }
        Value::Object(fields) => {
            let each = fields.iter().map(|(name, value)| {
                let mut field = state.build_hasher();
                name.hash(&mut field);
                field.write_u64(hash(value, state));
                field.finish()
            });
            hasher.write_u64(each.fold(0, u64::wrapping_add));
        }
    }
    hasher.finish()
}
