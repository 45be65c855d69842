//! A typed map over the state.

use std::marker::PhantomData;

use crate::Result;
use crate::state::{self, Stored};

/// Entries of one type under keys of their own: those that start with the map's name.
///
/// ```
/// use ferrule_plugin::state::Map;
///
/// let last_speed = Map::<f64>::named("speed").kept_for(3_600_000);
/// assert_eq!(last_speed.get("T-1")?, None);
/// last_speed.insert("T-1", &230.0)?;
/// assert_eq!(last_speed.get("T-1")?, Some(230.0));
/// # Ok::<(), ferrule_plugin::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct Map<V> {
    prefix: String,
    ttl: Option<u64>,
    of: PhantomData<fn() -> V>,
}

impl<V: Stored> Map<V> {
    /// The map of this name. Two maps of one plugin have different names.
    pub fn named(name: &str) -> Map<V> {
        Map {
            prefix: format!("{name}\0"),
            ttl: None,
            of: PhantomData,
        }
    }

    /// The same map, whose entries end when they have not been inserted again for some
    /// milliseconds of record time.
    pub fn kept_for(mut self, ttl: u64) -> Map<V> {
        self.ttl = Some(ttl);
        self
    }

    /// The value of a key.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<V>> {
        let bytes = state::get(self.key(key.as_ref()));
        bytes.map(|bytes| V::from_bytes(&bytes)).transpose()
    }

    /// The values of many keys by one call to the worker: one answer for each, in order.
    pub fn get_many<K: AsRef<[u8]>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<V>>> {
        let keys: Vec<_> = keys.into_iter().map(|key| self.key(key.as_ref())).collect();
        let values = state::get_many(&keys).into_iter();
        let values = values.map(|it| it.map(|bytes| V::from_bytes(&bytes)).transpose());
        values.collect()
    }

    /// Sets the value of a key.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: &V) -> Result<()> {
        let (key, value) = (self.key(key.as_ref()), value.to_bytes());
        match self.ttl {
            Some(ttl) => state::set_for(key, value, ttl)?,
            None => state::set(key, value)?,
        }
        Ok(())
    }

    /// Removes a key.
    pub fn remove(&self, key: impl AsRef<[u8]>) {
        state::delete(self.key(key.as_ref()));
    }

    /// Keys greater than `after` and their values, in the order of the keys, `limit` of them at
    /// most.
    pub fn scan(&self, after: Option<&[u8]>, limit: u32) -> Result<Vec<(Vec<u8>, V)>> {
        let after = after.map(|key| self.key(key));
        let entries = state::scan(&self.prefix, after.as_deref(), limit).into_iter();
        let entries = entries.map(|(mut key, value)| {
            key.drain(..self.prefix.len());
            Ok((key, V::from_bytes(&value)?))
        });
        entries.collect()
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), key].concat()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{reset, world};

    proptest! {
        #[test]
        fn it_is_a_map(orders in proptest::collection::vec((0u8..4, 0u8..6, any::<i64>()), 0..60)) {
            reset();
            let (map, other) = (Map::<i64>::named("m"), Map::<i64>::named("ma"));
            let mut model = BTreeMap::new();
            other.insert("a", &0).unwrap();
            for (order, key, value) in orders {
                let key = vec![key];
                match order {
                    0 => map.remove(&key),
                    _ => map.insert(&key, &value).unwrap(),
                }
                match order {
                    0 => drop(model.remove(&key)),
                    _ => drop(model.insert(key.clone(), value)),
                }
                prop_assert_eq!(map.get(&key).unwrap(), model.get(&key).copied());
            }
            let all: Vec<_> = model.clone().into_iter().collect();
            prop_assert_eq!(&map.scan(None, 100).unwrap(), &all);
            let after = map.scan(Some(&[2]), 2).unwrap();
            let wanted = all.into_iter().filter(|(key, _)| *key > vec![2]).take(2);
            prop_assert_eq!(after, wanted.collect::<Vec<_>>());
            let many = map.get_many((0u8..6).map(|key| [key])).unwrap();
            let wanted = (0u8..6).map(|key| model.get(&vec![key]).copied());
            prop_assert_eq!(many, wanted.collect::<Vec<_>>());
        }
    }

    #[test]
    fn entries_end_and_an_insertion_renews_them() {
        reset();
        let map = Map::<u8>::named("m").kept_for(10);
        world(|world| world.advance(0));
        map.insert("a", &1).unwrap();
        map.insert("b", &1).unwrap();
        world(|world| world.advance(6));
        map.insert("a", &2).unwrap();
        world(|world| world.advance(12));
        assert_eq!(map.get_many(["a", "b"]).unwrap(), [Some(2), None]);
    }

    #[test]
    fn a_value_of_another_form_is_a_failure() {
        reset();
        Map::<u8>::named("m").insert("a", &1).unwrap();
        assert!(Map::<u64>::named("m").get("a").is_err());
    }
}
