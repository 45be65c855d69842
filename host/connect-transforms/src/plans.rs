//! What was worked out for a schema, kept for the records that share it.

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::memory::{KeptBytes, Room};
use connect_api::{Result, Schema};

/// Schemas that are kept; with more of them all are worked out anew.
const MAX_PLANS: usize = 256;

/// Plans by the pointer of their schema. The schema is kept too, so that the pointer stays its own.
pub(crate) struct Plans<P> {
    entries: Vec<(Arc<Schema>, P)>,
    by_pointer: HashMap<usize, usize>,
    last: usize,
    kept: KeptBytes,
}

impl<P> Default for Plans<P> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            by_pointer: HashMap::new(),
            last: 0,
            kept: KeptBytes::default(),
        }
    }
}

impl<P> Plans<P> {
    /// The plan for a schema, made on first sight.
    pub(crate) fn plan(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce(&Arc<Schema>) -> Result<P>,
    ) -> Result<&P> {
        let at = match self.find(schema) {
            Some(at) => at,
            None => {
                let plan = make(schema)?;
                // What is worked out is mostly another schema.
                let full = self.kept.add(2 * schema.memory()) == Room::AfterClearing;
                if full || self.entries.len() >= MAX_PLANS {
                    self.entries.clear();
                    self.by_pointer.clear();
                }
                let at = self.entries.len();
                self.by_pointer.insert(Arc::as_ptr(schema) as usize, at);
                self.entries.push((Arc::clone(schema), plan));
                at
            }
        };
        self.last = at;
        Ok(&self.entries[at].1)
    }

    fn find(&self, schema: &Arc<Schema>) -> Option<usize> {
        let last = self.entries.get(self.last);
        if last.is_some_and(|(known, _)| Arc::ptr_eq(known, schema)) {
            return Some(self.last);
        }
        if let Some(at) = self.by_pointer.get(&(Arc::as_ptr(schema) as usize)) {
            return Some(*at);
        }
        // A converter that makes a schema anew for each record must not make us do so as well.
        if last.is_some_and(|(known, _)| known == schema) {
            return Some(self.last);
        }
        self.entries.iter().position(|(known, _)| known == schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use connect_api::{Field, Kind};

    fn schema(name: &str) -> Arc<Schema> {
        Arc::new(Schema::new(Kind::Struct(vec![Field::new(
            name,
            Schema::any(),
        )])))
    }

    #[test]
    fn a_plan_is_made_once_for_equal_schemas() {
        let mut plans = Plans::default();
        let mut made = 0;
        for name in ["a", "a", "b", "a", "b"] {
            let plan = plans.plan(&schema(name), |_| {
                made += 1;
                Ok(name)
            });
            assert_eq!(plan.unwrap(), &name);
        }
        assert_eq!(made, 2);
    }

    #[test]
    fn plans_of_large_schemas_are_bounded_too() {
        let mut plans = Plans::default();
        for i in 0..100 {
            let name = format!("{i}{}", "x".repeat(200_000));
            plans.plan(&schema(&name), |_| Ok(i)).unwrap();
            assert!(plans.entries.len() <= 10);
        }
    }

    #[test]
    fn plans_are_bounded() {
        let mut plans = Plans::default();
        for i in 0..3 * MAX_PLANS {
            plans.plan(&schema(&i.to_string()), |_| Ok(i)).unwrap();
            assert!(plans.entries.len() <= MAX_PLANS);
        }
    }
}
