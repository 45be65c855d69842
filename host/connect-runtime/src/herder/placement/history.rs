//! What the placements before tell of tasks and workers. Of several placements that move as few
//! tasks, it says which one to take: the one that spares tasks which have moved often.
//!
//! So when all workers are replaced one after the other, no task moves much more often than others.

use std::collections::{BTreeMap, BTreeSet};

use super::{Placed, WorkerInstance};

/// How often tasks have moved, and in which order workers came.
#[derive(Debug, Default)]
pub struct History {
    moves: BTreeMap<String, Vec<u32>>,
    came: BTreeMap<WorkerInstance, u64>,
    next: u64,
}

impl History {
    /// Takes in a connector's placement, and the one that it takes the place of; none: the
    /// connector is new, or is deleted.
    pub fn placed(&mut self, name: &str, before: Option<&Placed>, after: Option<&Placed>) {
        let Some(after) = after else {
            self.moves.remove(name);
            return;
        };
        for worker in after.iter().flatten() {
            self.saw(worker);
        }
        let moves = self.moves.entry(name.to_owned()).or_default();
        moves.resize(after.len(), 0);
        for ((count, was), is) in moves
            .iter_mut()
            .zip(before.into_iter().flatten())
            .zip(after)
        {
            if was.is_some() && was != is {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Takes in who is there.
    pub fn there(&mut self, workers: &BTreeSet<WorkerInstance>) {
        workers.iter().for_each(|worker| self.saw(worker));
        self.came.retain(|worker, _| workers.contains(worker));
    }

    fn saw(&mut self, worker: &WorkerInstance) {
        if !self.came.contains_key(worker) {
            self.came.insert(worker.clone(), self.next);
            self.next += 1;
        }
    }

    /// How often a task has moved.
    pub(super) fn moves(&self, name: &str, task: usize) -> u32 {
        let moves = self.moves.get(name).and_then(|moves| moves.get(task));
        moves.copied().unwrap_or(0)
    }

    /// When a worker came: after all that have a smaller number.
    pub(super) fn came(&self, worker: &WorkerInstance) -> u64 {
        self.came.get(worker).copied().unwrap_or(self.next)
    }
}
