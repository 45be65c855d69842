//! What was made of schemas, by their pointers: rows of one shape share one schema.

use std::collections::HashMap;
use std::sync::Arc;

use connect_api::Schema;

/// Schemas that are remembered; a scalar may have one of its own in each record.
const MAX_SCHEMAS: usize = 1000;

/// Keeps each schema beside what was made of it, so that its pointer is not another one's.
#[derive(Debug, Default)]
pub(crate) struct BySchema<V>(HashMap<usize, (Arc<Schema>, V)>);

impl<V> BySchema<V> {
    pub(crate) fn get(&self, schema: &Arc<Schema>) -> Option<&V> {
        let found = self.0.get(&pointer(schema));
        found.map(|(_, made)| made)
    }

    /// What is kept for the schema, made first where there is nothing yet.
    pub(crate) fn get_or_insert_with(
        &mut self,
        schema: &Arc<Schema>,
        make: impl FnOnce() -> V,
    ) -> &mut V {
        let key = pointer(schema);
        if self.0.len() >= MAX_SCHEMAS && !self.0.contains_key(&key) {
            self.0.clear();
        }
        let entry = self.0.entry(key);
        &mut entry.or_insert_with(|| (Arc::clone(schema), make())).1
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

fn pointer(schema: &Arc<Schema>) -> usize {
    Arc::as_ptr(schema).addr()
}
