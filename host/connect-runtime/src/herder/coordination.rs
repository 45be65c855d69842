//! What the cluster topic says: who leads and who is there, which worker runs which task, and the
//! orders that wait for the leader. Pure: records in, changes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tracing::debug;

use super::cluster::Change;
use super::orders::{Order, Outcome, outcome_from, outcome_value};
use super::placement::{History, Placed, Placements, WorkerInstance};
use crate::storage::{ConnectorTaskId, StoredRecord};

/// How long an answer is kept for the worker that waits for it.
const KEPT: Duration = Duration::from_secs(120);

/// An order that the leader has not answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WaitingOrder {
    pub(super) id: String,
    pub(super) order: Order,
    age: Age,
}

impl WaitingOrder {
    /// Whether it is so old that nobody waits for its answer.
    pub(super) fn is_late(&self, limit: Duration) -> bool {
        self.age.now() > limit
    }
}

/// When a record was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// As this worker started: it may have been written at any time.
    AtStart,
    /// Soon after it was written.
    Since,
}

/// How old a record is. It counts from when this worker has read it, because the clocks of other
/// workers may be wrong; only of those that were there before does the record itself tell.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Age {
    before: Duration,
    read: Instant,
}

impl Age {
    /// Of a record that says when it was written, in milliseconds since 1970.
    fn of(written: u64, read: Read) -> Self {
        let before = match read {
            Read::AtStart => Duration::from_millis(now().saturating_sub(written)),
            Read::Since => Duration::ZERO,
        };
        Self {
            before,
            read: Instant::now(),
        }
    }

    fn now(self) -> Duration {
        self.before.saturating_add(self.read.elapsed())
    }
}

/// The state that the cluster topic adds up to.
#[derive(Debug, Default)]
pub(super) struct Coordination {
    placements: Placements,
    history: History,
    /// The workers that the leader counts on.
    workers: BTreeSet<WorkerInstance>,
    leaving: BTreeSet<WorkerInstance>,
    /// In the order in which they were written.
    orders: BTreeMap<i64, WaitingOrder>,
    answers: BTreeMap<String, Answer>,
}

/// What the leader has answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) outcome: Outcome,
    /// Where the effect stands in the config topic; none: it has none there.
    pub(super) config_offset: Option<i64>,
    age: Age,
}

impl Coordination {
    /// Where the tasks of each connector are.
    pub(super) fn placements(&self) -> &Placements {
        &self.placements
    }

    /// The tasks of one worker.
    pub(super) fn tasks_of(
        &self,
        worker: &WorkerInstance,
    ) -> impl Iterator<Item = ConnectorTaskId> {
        self.placements.iter().flat_map(move |(name, placed)| {
            let tasks = (0..).zip(placed);
            tasks
                .filter(move |(_, on)| on.as_ref() == Some(worker))
                .map(|(task, _)| ConnectorTaskId::new(name, task))
        })
    }

    /// Whether a worker that statuses call so is among those that the leader counts on.
    pub(super) fn has_worker(&self, worker_id: &str) -> bool {
        self.workers
            .iter()
            .any(|known| known.worker_id() == worker_id)
    }

    /// The workers that the leader counts on.
    pub(super) fn workers(&self) -> &BTreeSet<WorkerInstance> {
        &self.workers
    }

    /// Whether a worker has said that it ends.
    pub(super) fn is_leaving(&self, worker: &WorkerInstance) -> bool {
        self.leaving.contains(worker)
    }

    /// Workers that have said so and are gone.
    pub(super) fn left(&self, there: &BTreeSet<WorkerInstance>) -> Vec<WorkerInstance> {
        self.leaving.difference(there).cloned().collect()
    }

    /// The orders that are not answered, the oldest first.
    pub(super) fn waiting(&self) -> Vec<WaitingOrder> {
        self.orders.values().cloned().collect()
    }

    /// The answer to an order, if there is one.
    pub(super) fn answer(&self, id: &str) -> Option<&Answer> {
        self.answers.get(id)
    }

    /// Answers that nobody waits for any more.
    pub(super) fn old_answers(&self) -> Vec<String> {
        let answers = self.answers.iter();
        answers
            .filter(|(_, answer)| answer.age.now() > KEPT)
            .map(|(id, _)| id.clone())
            .collect()
    }

    fn place(&mut self, name: &str, placed: Option<Placed>) {
        let before = self.placements.get(name);
        self.history.placed(name, before, placed.as_ref());
        match placed {
            None => self.placements.remove(name),
            Some(placed) => self.placements.insert(name.to_owned(), placed),
        };
    }

    /// What the placements so far tell.
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// Takes in a record. What is not understood is passed over: other versions may write more.
    pub(super) fn apply(
        &mut self,
        offset: i64,
        record: StoredRecord,
        read: Read,
    ) -> Option<Change> {
        let StoredRecord { key, value } = record;
        if let Some(name) = key.strip_prefix("placement-") {
            match value {
                None => self.place(name, None),
                Some(value) => self.place(name, Some(placed(&value)?)),
            }
            Some(Change::Placement)
        } else if key == "workers" {
            self.workers = workers(&value?)?;
            self.history.there(&self.workers);
            Some(Change::Placement)
        } else if let Some(id) = key.strip_prefix("order-") {
            self.orders.retain(|_, waiting| waiting.id != id);
            let value = value?;
            let waiting = WaitingOrder {
                id: id.to_owned(),
                order: Order::from_value(value.get("order")?)?,
                age: Age::of(value.get("at")?.as_u64()?, read),
            };
            self.orders.insert(offset, waiting);
            Some(Change::Order)
        } else if let Some(id) = key.strip_prefix("answer-") {
            self.orders.retain(|_, waiting| waiting.id != id);
            let Some(value) = value else {
                self.answers.remove(id);
                return None;
            };
            let answer = Answer {
                outcome: outcome_from(&value)?,
                config_offset: value.get("config_offset").and_then(Value::as_i64),
                age: Age::of(value.get("at")?.as_u64()?, read),
            };
            self.answers.insert(id.to_owned(), answer);
            Some(Change::Answer(id.to_owned()))
        } else if let Some(instance) = key.strip_prefix("leaving-") {
            let instance = WorkerInstance(instance.to_owned());
            match value {
                None => self.leaving.remove(&instance),
                Some(_) => self.leaving.insert(instance),
            };
            Some(Change::Workers)
        } else if key == READ_BACK_KEY {
            let mark = value?.get("mark")?.as_str()?.to_owned();
            Some(Change::ReadBack(mark))
        } else if key == "restart-task" {
            let value = value?;
            let connector = value.get("connector")?.as_str()?;
            let task = u32::try_from(value.get("task")?.as_u64()?).ok()?;
            match value.get("done") {
                Some(Value::Bool(true)) => Some(Change::RestartedTask(connector.to_owned())),
                _ => Some(Change::RestartTask(ConnectorTaskId::new(connector, task))),
            }
        } else {
            debug!(key, "a record of the cluster topic that is not used");
            None
        }
    }
}

fn placed(value: &Value) -> Option<Placed> {
    let tasks = value.get("tasks")?.as_array()?;
    let worker = |value: &Value| value.as_str().map(|text| WorkerInstance(text.to_owned()));
    Some(tasks.iter().map(worker).collect())
}

fn workers(value: &Value) -> Option<BTreeSet<WorkerInstance>> {
    let all = value.get("workers")?.as_array()?.iter();
    all.map(|worker| Some(WorkerInstance(worker.as_str()?.to_owned())))
        .collect()
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

/// Where the tasks of a connector are; none: it is deleted.
pub(super) fn placement_record(name: &str, placed: Option<&Placed>) -> StoredRecord {
    let tasks = placed.map(|placed| {
        let workers = placed.iter();
        let workers = workers.map(|on| on.as_ref().map(|worker| worker.0.as_str()));
        json!({ "tasks": workers.collect::<Vec<_>>() })
    });
    StoredRecord {
        key: format!("placement-{name}"),
        value: tasks,
    }
}

/// The workers that the leader counts on.
pub(super) fn workers_record(workers: &BTreeSet<WorkerInstance>) -> StoredRecord {
    let workers: Vec<&str> = workers.iter().map(|worker| worker.0.as_str()).collect();
    StoredRecord {
        key: "workers".to_owned(),
        value: Some(json!({ "workers": workers })),
    }
}

/// An order for the leader.
pub(super) fn order_record(id: &str, order: &Order) -> StoredRecord {
    StoredRecord {
        key: format!("order-{id}"),
        value: Some(json!({ "order": order.to_value(), "at": now() })),
    }
}

/// The answer to an order.
pub(super) fn answer_record(id: &str, outcome: &Outcome) -> StoredRecord {
    let mut value = outcome_value(outcome);
    value["at"] = json!(now());
    StoredRecord {
        key: format!("answer-{id}"),
        value: Some(value),
    }
}

/// What takes an order away once it is answered: it may hold what only the config topic is to hold.
pub(super) fn answered_order(id: &str) -> StoredRecord {
    StoredRecord {
        key: format!("order-{id}"),
        value: None,
    }
}

/// What takes an answer away.
pub(super) fn forgotten_answer(id: &str) -> StoredRecord {
    StoredRecord {
        key: format!("answer-{id}"),
        value: None,
    }
}

/// The key of a record that a worker writes in order to read up to it. One is enough for all.
const READ_BACK_KEY: &str = "read-back";

/// A record that its writer reads up to.
pub(super) fn read_back_record(mark: &str) -> StoredRecord {
    StoredRecord {
        key: READ_BACK_KEY.to_owned(),
        value: Some(json!({ "mark": mark })),
    }
}

/// A worker says that it ends; or that it is gone.
pub(super) fn leaving_record(worker: &WorkerInstance, is_there: bool) -> StoredRecord {
    StoredRecord {
        key: format!("leaving-{worker}"),
        value: is_there.then(|| json!({})),
    }
}

/// Whether a task is restarted already where a restart is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TaskRestart {
    /// Whichever worker runs it is to do so.
    Asked,
    /// The worker that tells of it has done so.
    Done,
}

/// A request to restart a task, for whichever worker runs it. It is not kept: a later one of any
/// task takes its place.
pub(super) fn restart_task_record(id: &ConnectorTaskId, restart: TaskRestart) -> StoredRecord {
    let done = restart == TaskRestart::Done;
    StoredRecord {
        key: "restart-task".to_owned(),
        value: Some(json!({ "connector": id.connector, "task": id.task, "done": done })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::herder::orders::Refusal;

    fn worker(name: &str) -> WorkerInstance {
        WorkerInstance(format!("{name}:8083/1"))
    }

    fn delete() -> Order {
        Order::Delete { name: "a".into() }
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut state = Coordination::default();
        let there = BTreeSet::from([worker("a"), worker("b")]);
        let placed = vec![Some(worker("a")), None, Some(worker("b"))];
        for record in [
            workers_record(&there),
            placement_record("c-1", Some(&placed)),
        ] {
            assert_eq!(state.apply(0, record, Read::Since), Some(Change::Placement));
        }
        assert_eq!(state.workers(), &there);
        assert!(state.has_worker("b:8083") && !state.has_worker("b:808"));
        assert_eq!(state.placements()["c-1"], placed);
        let of_b: Vec<_> = state.tasks_of(&worker("b")).collect();
        assert_eq!(of_b, [ConnectorTaskId::new("c-1", 2)]);
        state.apply(1, placement_record("c-1", None), Read::Since);
        assert!(state.placements().is_empty());
        let restart = ConnectorTaskId::new("c-1", 7);
        let mut read = |how| state.apply(2, restart_task_record(&restart, how), Read::Since);
        let (asked, done) = (read(TaskRestart::Asked), read(TaskRestart::Done));
        assert_eq!(asked, Some(Change::RestartTask(restart.clone())));
        assert_eq!(done, Some(Change::RestartedTask("c-1".into())));
    }

    #[test]
    fn an_order_waits_until_it_is_answered() {
        let mut state = Coordination::default();
        for (offset, id) in [(4, "x"), (3, "y")] {
            let change = state.apply(offset, order_record(id, &delete()), Read::Since);
            assert_eq!(change, Some(Change::Order));
        }
        // In the order in which they were written, whichever was read first.
        let ids: Vec<_> = state.waiting().into_iter().map(|it| it.id).collect();
        assert_eq!(ids, ["y", "x"]);
        assert!(!state.waiting()[0].is_late(Duration::from_secs(60)));
        let refusal = Err(Refusal::NotFound("no such connector".into()));
        let mut answer = answer_record("y", &refusal);
        if let Some(value) = &mut answer.value {
            value["config_offset"] = json!(17);
        }
        assert_eq!(
            state.apply(5, answer, Read::Since),
            Some(Change::Answer("y".into()))
        );
        state.apply(6, answered_order("y"), Read::Since);
        let known = state.answer("y").unwrap();
        assert_eq!((&known.outcome, known.config_offset), (&refusal, Some(17)));
        let ids: Vec<_> = state.waiting().into_iter().map(|it| it.id).collect();
        assert_eq!(ids, ["x"]);
        assert!(state.old_answers().is_empty());
        state.apply(7, forgotten_answer("y"), Read::Since);
        assert_eq!(state.answer("y"), None);
    }

    /// As a worker writes it whose clock is behind by so many seconds.
    fn behind(mut record: StoredRecord, seconds: u64) -> StoredRecord {
        if let Some(at) = record.value.as_mut().map(|value| &mut value["at"]) {
            *at = json!(at.as_u64().unwrap() - seconds * 1000);
        }
        record
    }

    #[test]
    fn another_clock_makes_nothing_late_or_old() {
        let mut state = Coordination::default();
        let limit = Duration::from_secs(90);
        for seconds in [0, 91, 1_000_000] {
            let order = behind(order_record("x", &delete()), seconds);
            state.apply(0, order, Read::Since);
            assert!(!state.waiting()[0].is_late(limit), "{seconds}");
            let answer = behind(answer_record("y", &Ok(())), seconds);
            state.apply(1, answer, Read::Since);
            assert!(state.old_answers().is_empty(), "{seconds}");
        }
    }

    #[test]
    fn what_was_written_before_this_worker_started_is_as_old_as_it_says() {
        let mut state = Coordination::default();
        let limit = Duration::from_secs(90);
        for (seconds, is_late) in [(0, false), (91, true)] {
            let order = behind(order_record("x", &delete()), seconds);
            state.apply(0, order, Read::AtStart);
            assert_eq!(state.waiting()[0].is_late(limit), is_late, "{seconds}");
        }
        let answer = behind(answer_record("y", &Ok(())), 121);
        state.apply(1, answer, Read::AtStart);
        assert_eq!(state.old_answers(), ["y"]);
    }

    #[test]
    fn whoever_leaves_is_known_until_it_is_gone() {
        let mut state = Coordination::default();
        state.apply(0, leaving_record(&worker("a"), true), Read::Since);
        assert!(state.is_leaving(&worker("a")));
        assert!(state.left(&BTreeSet::from([worker("a")])).is_empty());
        assert_eq!(state.left(&BTreeSet::new()), [worker("a")]);
        state.apply(1, leaving_record(&worker("a"), false), Read::Since);
        assert!(!state.is_leaving(&worker("a")));
    }

    #[test]
    fn what_is_not_understood_changes_nothing() {
        let mut state = Coordination::default();
        for (key, value) in [
            ("placement-a", json!({ "tasks": 3 })),
            ("workers", json!({ "workers": [1] })),
            ("order-x", json!({ "order": { "type": "dance" }, "at": 1 })),
            ("answer-x", json!({ "outcome": "maybe", "at": 1 })),
            ("restart-task", json!({ "connector": "a", "task": -1 })),
            ("anything", json!(1)),
        ] {
            let record = StoredRecord {
                key: key.into(),
                value: Some(value),
            };
            assert_eq!(state.apply(0, record, Read::Since), None, "{key}");
        }
        assert!(state.placements().is_empty() && state.workers().is_empty());
        assert!(state.waiting().is_empty());
    }
}
