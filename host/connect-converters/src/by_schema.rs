//! What was made of schemas, by their pointers: rows of one shape share one schema.

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::Schema;
use connect_api::memory::{KeptBytes, Room};

/// Schemas that are remembered; a scalar may have one of its own in each record.
const MAX_SCHEMAS: usize = 1000;

/// Keeps each schema beside what was made of it, so that its pointer is not another one's.
#[derive(Debug)]
pub(crate) struct BySchema<V> {
    entries: HashMap<usize, (Arc<Schema>, V)>,
    kept: KeptBytes,
}

impl<V> Default for BySchema<V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            kept: KeptBytes::default(),
        }
    }
}

impl<V> BySchema<V> {
    pub(crate) fn get(&self, schema: &Arc<Schema>) -> Option<&V> {
        let found = self.entries.get(&pointer(schema));
        found.map(|(_, made)| made)
    }

    /// What is kept for the schema, made first where there is nothing yet.
    pub(crate) fn get_or_insert_with(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce() -> V,
    ) -> &mut V {
        let key = pointer(schema);
        if !self.entries.contains_key(&key) {
            // What is made of a schema, such as its text, is about as large.
            let full = self.kept.add(2 * schema.memory()) == Room::AfterClearing;
            if full || self.entries.len() >= MAX_SCHEMAS {
                self.entries.clear();
            }
        }
        let entry = self.entries.entry(key);
        &mut entry.or_insert_with(|| (Arc::clone(schema), make())).1
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.kept.clear();
    }
}

fn pointer(schema: &Arc<Schema>) -> usize {
    Arc::as_ptr(schema).addr()
}
