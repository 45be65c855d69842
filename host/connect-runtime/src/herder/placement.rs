//! Which worker runs which task: a pure function of the workers, the tasks and the placement
//! before.
//!
//! The tasks of each connector, and all tasks together, are spread so that no worker has more than
//! one more than another. Of all such placements it is one that moves the fewest tasks (in a very
//! large cluster nearly the fewest: see [`Candidates`]), and of these one that spares tasks which
//! have moved often. It depends on nothing else, so whoever leads
//! and has read the same decides the same.

mod flow;
mod history;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

use super::digest::digest;
use crate::config::WorkerConfig;
use flow::Flow;
pub use history::History;

/// One start of a worker: a worker that is started again is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerInstance(pub String);

impl WorkerInstance {
    /// A new start of the worker of this config.
    pub fn new(config: &WorkerConfig) -> Self {
        let (worker_id, place) = (config.worker_id(), process_place(config));
        Self(format!("{worker_id}/{place}-{}", Uuid::new_v4()))
    }

    /// Whether this is an earlier start of the same process: it has ended, because another has its
    /// address by now. Workers elsewhere may have the same `worker_id`, and live.
    pub fn is_former_of(&self, now: &Self) -> bool {
        let place = |of: &Self| Some(of.0.rsplit_once('/')?.1.split_once('-')?.0.to_owned());
        self != now && self.worker_id() == now.worker_id() && place(self) == place(now)
    }

    /// What statuses call the worker: host:port.
    pub fn worker_id(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(id, _)| id)
    }
}

/// Where the worker's process is: no two that live listen to the same addresses in the network of
/// one machine or container.
fn process_place(config: &WorkerConfig) -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
    let network = std::fs::read_link("/proc/self/ns/net").ok();
    let network = network.map(|it| it.to_string_lossy().into_owned());
    // Where the system does not say, every start is at a place of its own.
    let known = boot.zip(network);
    let (boot, network) = known.unwrap_or_else(|| (Uuid::new_v4().to_string(), String::new()));
    let listeners = config.rest().listeners.iter();
    let addresses = listeners.map(|it| it.address.as_str());
    let mut place = digest([boot.trim(), &network].into_iter().chain(addresses));
    place.truncate(16);
    place
}

impl fmt::Display for WorkerInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The worker of each task of a connector, by the task's number; none: it has no worker.
pub type Placed = Vec<Option<WorkerInstance>>;

/// The placed tasks of each connector.
pub type Placements = BTreeMap<String, Placed>;

/// Places `tasks`, the number of them for each connector, on `workers`. Without workers no task has
/// one.
pub fn place(
    workers: &BTreeSet<WorkerInstance>,
    tasks: &BTreeMap<&str, usize>,
    before: &Placements,
    history: &History,
) -> Placements {
    let workers: Vec<&WorkerInstance> = workers.iter().collect();
    if workers.is_empty() {
        let none = tasks.iter();
        return none
            .map(|(name, count)| ((*name).to_owned(), vec![None; *count]))
            .collect();
    }
    let connectors: Vec<Connector<'_>> = tasks
        .iter()
        .map(|(name, count)| {
            let moves = (0..*count).map(|task| history.moves(name, task)).collect();
            Connector::new(name, moves, &workers, before)
        })
        .collect();
    let mut newest: Vec<usize> = (0..workers.len()).collect();
    newest.sort_by_key(|at| Reverse(history.came(workers[*at])));
    let extra = extra_tasks(&connectors, &newest);
    let placed = connectors.iter().zip(&extra).map(|(connector, extra)| {
        let places = connector.places(&newest, extra).into_iter();
        let placed = places.map(|place| place.map(|at| workers[at].clone()));
        (connector.name.to_owned(), placed.collect())
    });
    placed.collect()
}

/// Places the tasks that have no worker, each on the one that has the fewest, and moves no other.
pub fn place_new(
    workers: &BTreeSet<WorkerInstance>,
    tasks: &BTreeMap<&str, usize>,
    before: &Placements,
) -> Placements {
    let stays = |name: &str, task: usize| {
        let worker = before.get(name)?.get(task)?.as_ref()?;
        workers.get(worker).cloned()
    };
    let kept = tasks.iter().map(|(name, count)| {
        let placed: Placed = (0..*count).map(|task| stays(name, task)).collect();
        ((*name).to_owned(), placed)
    });
    let mut placements: Placements = kept.collect();
    let mut loads: BTreeMap<&WorkerInstance, usize> = workers.iter().map(|it| (it, 0)).collect();
    for worker in placements.values().flatten().flatten() {
        if let Some(load) = loads.get_mut(worker) {
            *load += 1;
        }
    }
    for placed in placements.values_mut() {
        while let Some(task) = placed.iter().position(Option::is_none) {
            let own = |worker: &WorkerInstance| {
                placed.iter().flatten().filter(|on| *on == worker).count()
            };
            let fewest = loads.iter_mut();
            let fewest = fewest.min_by_key(|(worker, load)| (own(worker), **load));
            let Some((worker, load)) = fewest else { break };
            *load += 1;
            placed[task] = Some((*worker).clone());
        }
    }
    placements
}

/// What is to be placed of one connector.
struct Connector<'a> {
    name: &'a str,
    /// Where each task was, as a place in the list of workers; none: it was nowhere, or its worker
    /// is gone.
    before: Vec<Option<usize>>,
    /// The workers that had tasks of it.
    had: BTreeMap<usize, Had>,
    /// How often each task has moved before.
    moves: Vec<u32>,
    /// How many workers there are.
    workers: usize,
}

/// What a worker had of a connector.
struct Had {
    tasks: usize,
    /// The least number of moves of one of them.
    least_moves: u32,
}

impl<'a> Connector<'a> {
    fn new(
        name: &'a str,
        moves: Vec<u32>,
        workers: &[&WorkerInstance],
        before: &Placements,
    ) -> Self {
        let known = before.get(name).map_or(&[][..], Vec::as_slice);
        let place = |task: usize| {
            let worker = known.get(task)?.as_ref()?;
            workers.binary_search(&worker).ok()
        };
        let before: Vec<_> = (0..moves.len()).map(place).collect();
        let mut had: BTreeMap<usize, Had> = BTreeMap::new();
        for (worker, moves) in before.iter().zip(&moves) {
            if let Some(worker) = *worker {
                let had = had.entry(worker).or_insert(Had {
                    tasks: 0,
                    least_moves: *moves,
                });
                had.tasks += 1;
                had.least_moves = had.least_moves.min(*moves);
            }
        }
        Self {
            name,
            before,
            had,
            moves,
            workers: workers.len(),
        }
    }

    /// How many tasks a worker had.
    fn had(&self, worker: usize) -> usize {
        self.had.get(&worker).map_or(0, |had| had.tasks)
    }

    /// How often the task of a worker has moved that moved least; those without one are last.
    fn least_moves(&self, worker: usize) -> u32 {
        self.had
            .get(&worker)
            .map_or(u32::MAX, |had| had.least_moves)
    }

    /// What every worker gets at least.
    fn share(&self) -> usize {
        self.before.len() / self.workers
    }

    /// How many tasks are left when every worker has that.
    fn rest(&self) -> usize {
        self.before.len() % self.workers
    }

    /// The tasks, those that have moved most first.
    fn most_moved(&self) -> Vec<usize> {
        let mut tasks: Vec<usize> = (0..self.before.len()).collect();
        tasks.sort_by_key(|task| Reverse(self.moves[*task]));
        tasks
    }

    /// The worker of each task, when these workers get one task more than the others. Those that
    /// have moved most stay where they are; where they cannot, they go to the newest worker, which
    /// is hardly the next one to go.
    fn places(&self, newest: &[usize], extra: &BTreeSet<usize>) -> Vec<Option<usize>> {
        let mut free: Vec<usize> = (0..newest.len())
            .map(|worker| self.share() + usize::from(extra.contains(&worker)))
            .collect();
        let mut places = vec![None; self.before.len()];
        let tasks = self.most_moved();
        for task in &tasks {
            if let Some(worker) = self.before[*task]
                && free[worker] > 0
            {
                free[worker] -= 1;
                places[*task] = Some(worker);
            }
        }
        let mut rest = newest
            .iter()
            .flat_map(|worker| std::iter::repeat_n(*worker, free[*worker]));
        for task in tasks {
            if places[task].is_none() {
                places[task] = rest.next();
            }
        }
        places
    }
}

/// For each connector, the workers that get one task more than its share.
///
/// A flow of least cost decides: from each connector as many units as it has tasks left, each to
/// another worker, and into each worker as many as balance the totals. A unit costs nothing where
/// the worker has such a task already, and one where a task has to move.
///
/// Of workers that cost the same, those come first whose tasks have moved least, as the next worker
/// to join takes one of them; then the newest.
///
/// In a cluster of very many connectors and workers not each pair of them is an edge: see
/// [`Candidates`].
fn extra_tasks(connectors: &[Connector<'_>], newest: &[usize]) -> Vec<BTreeSet<usize>> {
    let few = match connectors.len() * newest.len() > MOST_PAIRS {
        true => chosen_extra_tasks(connectors, newest, Candidates::Few),
        false => None,
    };
    few.or_else(|| chosen_extra_tasks(connectors, newest, Candidates::All))
        .unwrap_or_default()
}

/// Up to so many pairs of a connector and a worker are each an edge. An edge takes 80 bytes.
const MOST_PAIRS: usize = 1 << 20;
/// To so many workers besides its own may tasks of a connector go in larger clusters.
const FEW: usize = 32;

/// The workers that may get a task of a connector which they do not have yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidates {
    All,
    /// Some, other ones for each connector: so many that the totals can nearly always be balanced,
    /// with hardly a move that could be spared.
    Few,
}

impl Candidates {
    /// The workers for a connector, the preferred ones first.
    fn of(self, at: usize, connector: &Connector<'_>, newest: &[usize]) -> Vec<usize> {
        let mut places = match self {
            Self::All => newest.to_vec(),
            Self::Few => {
                let count = FEW.max(2 * connector.rest());
                let draw = |number| newest[scattered(at, number) % newest.len()];
                let drawn: BTreeSet<usize> = (0..count).map(draw).collect();
                let own = connector.had.keys().copied();
                let others = newest.iter().copied().filter(|it| drawn.contains(it));
                own.chain(others.filter(|it| connector.had(*it) == 0))
                    .collect()
            }
        };
        places.sort_by_key(|place| connector.least_moves(*place));
        places
    }
}

/// Numbers without a pattern, the same ones each time (splitmix64): workers that are candidates
/// together for one connector are no more likely to be so for the next.
fn scattered(connector: usize, number: usize) -> usize {
    let mut bits = ((connector as u64) << 32 | number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (bits ^ bits >> 31) as usize
}

/// The same with these candidates; none: the totals cannot be balanced with them.
fn chosen_extra_tasks(
    connectors: &[Connector<'_>],
    newest: &[usize],
    candidates: Candidates,
) -> Option<Vec<BTreeSet<usize>>> {
    let workers = newest.len();
    let all: usize = connectors.iter().map(Connector::rest).sum();
    let (share, rest) = (all / workers, all % workers);
    let worker = |at: usize| 2 + at;
    let connector = |at: usize| 2 + workers + at;
    let (source, target, more) = (0, 1, 2 + workers + connectors.len());
    let mut flow = Flow::new(more + 1);
    for (at, it) in connectors.iter().enumerate() {
        if it.rest() == 0 {
            continue;
        }
        flow.edge(source, connector(at), it.rest(), 0);
        for place in candidates.of(at, it, newest) {
            let moves = i64::from(it.had(place) <= it.share());
            flow.edge(connector(at), worker(place), 1, moves);
        }
    }
    for place in 0..workers {
        flow.edge(worker(place), target, share, 0);
        flow.edge(worker(place), more, 1, 0);
    }
    flow.edge(more, target, rest, 0);
    let placed = flow.run(source, target);
    let chosen = |at: usize| {
        let used = flow.used(connector(at)).filter(|to| *to >= worker(0));
        used.map(|to| to - worker(0)).collect()
    };
    (placed == all).then(|| (0..connectors.len()).map(chosen).collect())
}
