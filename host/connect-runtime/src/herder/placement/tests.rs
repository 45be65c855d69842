//! Whatever happens to a cluster: its tasks are balanced, and few of them move.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn worker(number: usize) -> WorkerInstance {
    WorkerInstance(format!("w{number}"))
}

fn workers(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<WorkerInstance> {
    numbers.into_iter().map(worker).collect()
}

fn counted(counts: &BTreeMap<String, usize>) -> BTreeMap<&str, usize> {
    counts.iter().map(|(name, n)| (name.as_str(), *n)).collect()
}

/// How many tasks each worker has, those with none included.
fn loads<'a>(
    workers: &BTreeSet<WorkerInstance>,
    placed: impl IntoIterator<Item = &'a Placed>,
) -> Vec<usize> {
    let mut loads: BTreeMap<&WorkerInstance, usize> = workers.iter().map(|it| (it, 0)).collect();
    for worker in placed.into_iter().flatten() {
        *loads.get_mut(worker.as_ref().unwrap()).unwrap() += 1;
    }
    loads.into_values().collect()
}

fn spread(loads: &[usize]) -> usize {
    loads.iter().max().unwrap_or(&0) - loads.iter().min().unwrap_or(&0)
}

/// Tasks that ran on a worker that is still there, and have another one now.
fn moves(workers: &BTreeSet<WorkerInstance>, before: &Placements, after: &Placements) -> usize {
    let all = after.iter().flat_map(|(name, placed)| {
        let before = before.get(name).map_or(&[][..], Vec::as_slice);
        before.iter().zip(placed)
    });
    all.filter(|(before, after)| {
        before != after && before.as_ref().is_some_and(|it| workers.contains(it))
    })
    .count()
}

fn check(
    workers: &BTreeSet<WorkerInstance>,
    counts: &BTreeMap<String, usize>,
    placed: &Placements,
) {
    assert_eq!(placed.len(), counts.len());
    for (name, count) in counts {
        assert_eq!(placed[name].len(), *count);
        let loads = loads(workers, [&placed[name]]);
        assert!(spread(&loads) <= 1, "{name}: {loads:?}");
    }
    let loads = loads(workers, placed.values());
    assert!(spread(&loads) <= 1, "all: {loads:?}");
}

/// What happens to a cluster.
#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Leave(usize),
    /// A connector has so many tasks from now on; none: it is deleted.
    Connector(usize, Option<usize>),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0usize..8).prop_map(Step::Join),
        (0usize..8).prop_map(Step::Leave),
        (
            0usize..12,
            prop_oneof![
                3 => (0usize..9).prop_map(Some),
                1 => Just(None),
            ]
        )
            .prop_map(|(connector, tasks)| Step::Connector(connector, tasks)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_history_ends_balanced(history in vec(steps(), 1..40)) {
        let (mut there, mut counts) = (workers([0]), BTreeMap::new());
        let (mut placed, mut past) = (Placements::new(), History::default());
        for step in history {
            match step {
                Step::Join(number) => {
                    there.insert(worker(number));
                }
                Step::Leave(number) if there.len() > 1 => {
                    there.remove(&worker(number));
                }
                Step::Leave(_) => {}
                Step::Connector(number, None) => {
                    counts.remove(&format!("c{number}"));
                }
                Step::Connector(number, Some(tasks)) => {
                    counts.insert(format!("c{number}"), tasks);
                }
            }
            let after = place(&there, &counted(&counts), &placed, &past);
            check(&there, &counts, &after);
            // Another leader decides the same, and nothing moves without a reason.
            prop_assert_eq!(&place(&there, &counted(&counts), &placed, &past), &after);
            prop_assert_eq!(&place(&there, &counted(&counts), &after, &past), &after);
            for name in placed.keys().chain(after.keys()) {
                past.placed(name, placed.get(name), after.get(name));
            }
            past.there(&there);
            placed = after;
        }
    }

    #[test]
    fn no_balanced_placement_moves_fewer(
        number in 1usize..4,
        tasks in vec(1usize..4, 1..4).prop_filter("few", |all| all.iter().sum::<usize>() <= 7),
        seed in vec(0usize..5, 7),
    ) {
        let there = workers(0..number);
        let counts: BTreeMap<String, usize> = (0..)
            .zip(&tasks)
            .map(|(at, count)| (format!("c{at}"), *count))
            .collect();
        let mut seed = seed.into_iter().cycle();
        let before: Placements = counts
            .iter()
            .map(|(name, count)| {
                // Some were on workers that are gone.
                let placed = (0..*count).map(|_| seed.next().map(worker));
                (name.clone(), placed.collect())
            })
            .collect();
        let mut past = History::default();
        for (name, placed) in &before {
            let other: Placed = placed.iter().rev().cloned().collect();
            past.placed(name, Some(&other), Some(placed));
        }
        let after = place(&there, &counted(&counts), &before, &past);
        check(&there, &counts, &after);
        let least = least_moves(&there, &counts, &before);
        prop_assert_eq!(moves(&there, &before, &after), least);
    }
}

/// The least moves of all balanced placements, by trying each.
fn least_moves(
    there: &BTreeSet<WorkerInstance>,
    counts: &BTreeMap<String, usize>,
    before: &Placements,
) -> usize {
    let all: usize = counts.values().sum();
    let list: Vec<_> = there.iter().collect();
    let possible = (0..list.len().pow(all as u32)).map(|mut code| {
        let mut next = || {
            let worker = list[code % list.len()].clone();
            code /= list.len();
            Some(worker)
        };
        let placed = counts.iter();
        placed
            .map(|(name, count)| (name.clone(), (0..*count).map(|_| next()).collect()))
            .collect::<Placements>()
    });
    let balanced = possible.filter(|placed| {
        spread(&loads(there, placed.values())) <= 1
            && placed.values().all(|one| spread(&loads(there, [one])) <= 1)
    });
    let moved = balanced.map(|placed| moves(there, before, &placed));
    moved.min().unwrap()
}

#[test]
fn without_workers_nothing_is_placed() {
    let counts = BTreeMap::from([("c".to_owned(), 2)]);
    let placed = place(
        &BTreeSet::new(),
        &counted(&counts),
        &Placements::new(),
        &History::default(),
    );
    assert_eq!(placed["c"], [None, None]);
}

#[test]
fn a_worker_that_joins_takes_its_share_and_no_more() {
    let counts: BTreeMap<String, usize> = (0..200).map(|at| (format!("c{at:03}"), 3)).collect();
    let two = workers(0..2);
    let before = place(
        &two,
        &counted(&counts),
        &Placements::new(),
        &History::default(),
    );
    let three = workers(0..3);
    let after = place(&three, &counted(&counts), &before, &History::default());
    check(&three, &counts, &after);
    // Each connector has three tasks, so that one of them goes to each worker.
    assert_eq!(moves(&three, &before, &after), 200);
    let again = place(&two, &counted(&counts), &after, &History::default());
    check(&two, &counts, &again);
    assert_eq!(moves(&two, &after, &again), 0);
}

/// More connectors and workers than there can be edges between; in release, as many as a cluster
/// may have. `--nocapture` shows how long each step takes.
#[test]
fn very_many_tasks_are_placed_on_very_many_workers() {
    let (number, connectors) = match cfg!(debug_assertions) {
        true => (200, 6_000),
        false => (1_000, 33_334),
    };
    let counts: BTreeMap<String, usize> =
        (0..connectors).map(|at| (format!("c{at:05}"), 3)).collect();
    let mut before = Placements::new();
    let step = |what: &str, there: &BTreeSet<WorkerInstance>, before: &Placements| {
        let began = std::time::Instant::now();
        let after = place(there, &counted(&counts), before, &History::default());
        let (tasks, took) = (3 * connectors, began.elapsed());
        println!(
            "{what}: {tasks} tasks on {} workers in {took:?}",
            there.len()
        );
        check(there, &counts, &after);
        (moves(there, before, &after), after)
    };
    (_, before) = step("first", &workers(0..number), &before);
    let (moved, fewer) = step("one less", &workers(1..number), &before);
    assert_eq!(moved, 0);
    let (moved, _) = step("one more", &workers(1..=number), &fewer);
    // Not each pair of a connector and a worker is looked at.
    let fewest = 3 * connectors / number;
    assert!((fewest..=fewest + fewest / 20).contains(&moved), "{moved}");
}

/// Which worker comes before its predecessor goes, or after.
#[derive(Clone, Copy, Debug)]
enum Replacement {
    JoinsFirst,
    LeavesFirst,
}

/// The most moves of a task when all workers are replaced one after the other, the first one first.
/// The names of workers are in an order that has nothing to do with when they came.
fn rolled(tasks: usize, number: usize, replacement: Replacement, seed: usize) -> usize {
    let name = |at: usize| worker((at * 7_919 + seed) % 10_007);
    let counts = BTreeMap::from([("c".to_owned(), tasks)]);
    let (mut history, mut placed) = (History::default(), Placements::new());
    let mut moved = vec![0; tasks];
    let mut there = BTreeSet::new();
    for at in 0..number {
        there.insert(name(at));
        history.there(&there);
    }
    let mut step = |there: &BTreeSet<WorkerInstance>| {
        let after = place(there, &counted(&counts), &placed, &history);
        check(there, &counts, &after);
        for (at, is) in after["c"].iter().enumerate() {
            let was = placed.get("c").map(|before| &before[at]);
            moved[at] += usize::from(was.is_some_and(|was| was != is));
        }
        history.placed("c", placed.get("c"), after.get("c"));
        history.there(there);
        placed = after;
    };
    step(&there);
    for old in 0..number {
        let (leaves, joins) = (name(old), name(number + old));
        if matches!(replacement, Replacement::LeavesFirst) {
            there.remove(&leaves);
            step(&there);
        }
        there.insert(joins);
        step(&there);
        if there.remove(&leaves) {
            step(&there);
        }
    }
    moved.into_iter().max().unwrap()
}

#[test]
fn no_task_moves_more_than_twice_when_all_workers_are_replaced() {
    for (tasks, number) in [(3, 3), (6, 3), (8, 3), (12, 3), (30, 3), (12, 4), (20, 5)] {
        for replacement in [Replacement::JoinsFirst, Replacement::LeavesFirst] {
            for seed in 0..50 {
                let most = rolled(tasks, number, replacement, seed);
                assert!(
                    most <= 2,
                    "{tasks} on {number}, {replacement:?}, {seed}: {most}"
                );
            }
        }
    }
}

#[test]
fn tasks_that_have_a_worker_stay_while_new_ones_are_placed() {
    let there = workers(0..3);
    let counts: BTreeMap<String, usize> = (0..9).map(|n| (format!("c{n}"), 1)).collect();
    let before = place(
        &there,
        &counted(&counts),
        &Placements::new(),
        &History::default(),
    );
    // All that one worker had are deleted: to move others now would be to move them again.
    let kept: BTreeMap<String, usize> = counts
        .into_iter()
        .filter(|(name, _)| before[name] != [Some(worker(1))])
        .chain([("new".to_owned(), 4)])
        .collect();
    let after = place_new(&there, &counted(&kept), &before);
    assert_eq!(moves(&there, &before, &after), 0);
    assert!(spread(&loads(&there, [&after["new"]])) <= 1);
    let of_one = |placed: &Placed| placed.contains(&Some(worker(1)));
    assert!(after.values().any(of_one), "{after:?}");
    // A worker that has gone keeps nothing.
    let fewer = workers(0..2);
    let after = place_new(&fewer, &counted(&kept), &after);
    assert!(
        after
            .values()
            .flatten()
            .flatten()
            .all(|on| fewer.contains(on))
    );
    let nobody = place_new(&workers([]), &counted(&kept), &after);
    assert!(nobody.values().flatten().all(Option::is_none));
}
