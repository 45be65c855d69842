//! What follows from who is there: who leads, where tasks are placed, and which of them this worker
//! may start.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use connect_api::{ErrorKind, Result};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::coordination::{leaving_record, placement_record, workers_record};
use super::leader::Leader;
use super::placement::{WorkerInstance, place, place_new};
use super::{Herder, JOIN_LIMIT, LEAD_RETRY, LEAVE_LIMIT, Loop};
use crate::group::{Role, Session};
use crate::storage::{ConnectorTaskId, State, Status, StatusKey, StoredRecord, Transaction};

/// What a worker that gives up a task has beyond the tasks' own time to say so.
const HANDOVER_LIMIT: Duration = Duration::from_secs(5);

/// How long the leader may take to count on a worker that has joined.
const COUNTED_LIMIT: Duration = Duration::from_secs(10);

/// For how long no connector has to lose tasks before others move to make that good.
const SETTLED_AFTER: Duration = Duration::from_secs(2);
/// How long that may be put off.
const SETTLED_LIMIT: Duration = Duration::from_secs(30);

/// Connectors lose tasks: none of the others moves before that is over, for it would be restarted
/// again and again while many connectors are deleted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settling {
    since: Instant,
    until: Instant,
}

impl Settling {
    fn now(before: Option<Self>) -> Self {
        let now = Instant::now();
        let since = before.map_or(now, |before| before.since);
        Self {
            since,
            until: (now + SETTLED_AFTER).min(since + SETTLED_LIMIT),
        }
    }
}

impl Herder {
    /// Waits until the group has let this worker in.
    pub(super) async fn join(&mut self) {
        let joined = self
            .membership
            .wait_for(|now| now.session == Session::Member);
        if tokio::time::timeout(JOIN_LIMIT, joined).await.is_err() {
            warn!(
                group = self.shared.config.group_id(),
                "the group of workers cannot be joined yet: this worker runs no tasks"
            );
        }
    }

    /// Waits until a leader counts on this worker, which may be the leader itself: requests are
    /// then answered at once, and tasks may come.
    pub(super) async fn be_counted(&mut self) {
        let until = Instant::now() + COUNTED_LIMIT;
        let counts = |herder: &Self| {
            let known = herder.log.coordination.workers();
            herder.leader.is_some() || known.contains(&herder.shared.instance)
        };
        while !counts(self) && Instant::now() < until {
            let wakes_at = self.wakes_at().unwrap_or(until).min(until);
            tokio::select! {
                Ok(()) = self.membership.changed() => self.regroup().await,
                () = self.log.read() => {}
                () = sleep_until(wakes_at) => {
                    self.regroup().await;
                }
            }
            self.act().await;
        }
    }

    /// Takes or gives up the lead as the group says, and places tasks on those who are there.
    pub(super) async fn regroup(&mut self) {
        let role = self.membership.borrow_and_update().role;
        self.lead_retry = None;
        self.catch_up();
        match (role, &self.leader) {
            (Role::Leader, None) => self.take_the_lead().await,
            // A transaction whose end is not known has cost it.
            (Role::Leader, Some(_)) if !self.log.leads() => self.take_the_lead().await,
            (Role::Follower, Some(_)) => self.give_up_the_lead(),
            _ => {}
        }
        self.place().await;
        self.sync_tasks();
    }

    async fn take_the_lead(&mut self) {
        if let Err(cause) = self.log.lead().await {
            warn!(error = %cause.chain(), "could not take the lead of the workers; it is tried again");
            self.lead_retry = Some(Instant::now() + LEAD_RETRY);
            return;
        }
        info!(group = self.shared.config.group_id(), "this worker leads");
        let mut leader = Leader::new(
            Arc::clone(&self.shared),
            Arc::clone(&self.meters.connector_starts),
        );
        let started = leader.start(&mut self.log, &self.statuses).await;
        self.leader = Some(leader);
        self.meters.lead(true);
        self.led(started);
    }

    fn give_up_the_lead(&mut self) {
        info!(
            group = self.shared.config.group_id(),
            "another worker leads"
        );
        (self.leader, self.settling) = (None, None);
        self.meters.lead(false);
        self.log.follow();
    }

    /// Takes in what came of something that only the leader may do.
    pub(super) fn led(&mut self, done: Result<()>) {
        let Err(cause) = done else { return };
        if cause.kind() == ErrorKind::Fenced {
            self.give_up_the_lead();
            // The group may have no other.
            self.lead_retry = Some(Instant::now() + LEAD_RETRY);
        } else {
            warn!(error = %cause.chain(), "the leader could not write; it is tried again");
            self.lead_retry = Some(Instant::now() + LEAD_RETRY);
        }
    }

    /// As the leader, writes which worker runs which task, where that has changed.
    pub(super) async fn place(&mut self) {
        if self.leader.is_none() {
            return;
        }
        let members = self.membership.borrow().members.clone();
        let stay: BTreeSet<WorkerInstance> = members
            .iter()
            .filter(|worker| !self.log.coordination.is_leaving(worker))
            .cloned()
            .collect();
        // The last one keeps what it has until it has ended.
        let on = if stay.is_empty() { &members } else { &stay };
        let tasks = self.log.cluster.task_counts();
        let before = self.log.coordination.placements();
        let has_lost = before.iter().any(|(name, placed)| {
            let there = tasks.get(name.as_str()).copied().unwrap_or_default();
            placed.len() > there
        });
        if has_lost {
            self.settling = Some(Settling::now(self.settling));
        }
        let is_over = self.settling.is_none_or(|it| it.until <= Instant::now());
        if is_over || *self.log.coordination.workers() != members {
            self.settling = None;
        }
        let after = match self.settling {
            Some(_) => place_new(on, &tasks, before),
            None => place(on, &tasks, before, self.log.coordination.history()),
        };
        let mut records: Vec<StoredRecord> = after
            .iter()
            .filter(|(name, placed)| before.get(*name) != Some(placed))
            .map(|(name, placed)| placement_record(name, Some(placed)))
            .collect();
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        records.extend(gone.map(|name| placement_record(name, None)));
        if *self.log.coordination.workers() != members {
            records.push(workers_record(&members));
        }
        let left = self.log.coordination.left(&members);
        records.extend(left.iter().map(|worker| leaving_record(worker, false)));
        let transaction = Transaction {
            cluster: records,
            ..Transaction::default()
        };
        let placed = self.log.commit(transaction).await;
        self.led(placed);
    }

    /// Starts and stops tasks, so that those that are this worker's run.
    pub(super) fn sync_tasks(&mut self) {
        let mine = self.mine();
        self.meters.assigned(mine.len());
        self.taking_over.retain(|id, _| mine.contains(id));
        let mut free = BTreeSet::new();
        for id in mine {
            if self.tasks.has(&id) || self.is_free(&id) {
                self.taking_over.remove(&id);
                free.insert(id);
            } else {
                self.taking_over.entry(id).or_insert_with(Instant::now);
            }
        }
        self.tasks
            .sync(&self.log.cluster, &free, &self.statuses, Instant::now());
    }

    /// Whether a status that another worker writes is waited for.
    pub(super) fn waits_for_statuses(&self) -> bool {
        !self.taking_over.is_empty() || self.is_behind()
    }

    /// The tasks that the leader has placed here; none while the group does not count on this
    /// worker, and until it has read what was decided meanwhile: others may run them.
    pub(super) fn mine(&self) -> BTreeSet<ConnectorTaskId> {
        if self.membership.borrow().session != Session::Member || self.is_behind() {
            return BTreeSet::new();
        }
        let mine = self.log.coordination.tasks_of(&self.shared.instance);
        mine.filter(|id| self.log.cluster.task(id).is_some())
            .collect()
    }

    /// Whether nobody else runs the task: it says so itself, it is gone, or it has had its time.
    /// What it may still write is fenced (Invariant 11).
    fn is_free(&self, id: &ConnectorTaskId) -> bool {
        let Some(status) = self.statuses.get(&StatusKey::Task(id.clone())) else {
            return true;
        };
        let runs = matches!(
            status.state,
            State::Running | State::Paused | State::Restarting
        );
        let is_there = self.is_another_there(&status);
        let limit = self.shared.config.shutdown_timeout() + HANDOVER_LIMIT;
        let waited = self.taking_over.get(id).map(Instant::elapsed);
        !runs || !is_there || waited.is_some_and(|waited| waited > limit)
    }

    /// Whether another worker than this has written the status, and is there.
    fn is_another_there(&self, status: &Status) -> bool {
        let own = &self.shared.instance;
        let known = &self.log.coordination;
        match status.instance.clone().map(WorkerInstance) {
            Some(writer) => {
                writer != *own && !writer.is_former_of(own) && known.workers().contains(&writer)
            }
            None => status.worker_id != own.worker_id() && known.has_worker(&status.worker_id),
        }
    }

    /// When there is something to be tried again.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let limit = self.shared.config.shutdown_timeout() + HANDOVER_LIMIT;
        let given_up = self.taking_over.values().min().map(|since| *since + limit);
        let settled = self.settling.map(|it| it.until);
        let reads_back = self.catching_up.wakes_at();
        [
            self.lead_retry,
            given_up,
            self.leaves_at,
            settled,
            reads_back,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Begins to end: where there are others, they take the tasks over first.
    pub(super) fn leave(&mut self) -> Loop {
        if self.log.coordination.workers().len() <= 1 || self.leaves_at.is_some() {
            return Loop::End;
        }
        info!("the other workers take over");
        let limit = self.shared.config.shutdown_timeout() + LEAVE_LIMIT;
        self.leaves_at = Some(Instant::now() + limit);
        let record = leaving_record(&self.shared.instance, true);
        let sent = self.log.append(record);
        self.requests.sends("leaving".to_owned(), sent);
        Loop::GoOn
    }

    /// Whether this worker was to end, and nothing keeps it any more.
    pub(super) fn has_left(&self) -> bool {
        self.leaves_at.is_some_and(|at| {
            let told = self.log.coordination.is_leaving(&self.shared.instance);
            (told && self.tasks.is_empty() && self.mine().is_empty()) || Instant::now() >= at
        })
    }
}
