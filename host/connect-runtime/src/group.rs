//! The group of workers: who is there, and who leads, as Kafka's group coordinator says.
//!
//! The workers of one `group.id` are one consumer group on the cluster topic, by librdkafka's own
//! join, heartbeats and session. Who owns the topic's only partition leads, and asks the
//! coordinator who the members are. Nothing is read by this consumer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use connect_api::{Error, Result};
use connect_kafka::{
    ClientErrors, ClientMeter, KafkaClient, client_config, create, group_list, is_outage,
};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::WorkerConfig;
use crate::herder::WorkerInstance;

const POLL: Duration = Duration::from_millis(100);
/// How often the leader asks who is there.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the coordinator may take to answer that.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// The type of the group of Kafka Connect's own workers.
const JVM_PROTOCOL: &str = "connect";

/// Whether the coordinator counts on this worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// It has not joined yet.
    Joining,
    /// It is a member.
    Member,
    /// The coordinator did not answer for as long as a session lasts: others may run its tasks.
    Lost,
}

/// What this worker decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// For all.
    Leader,
    /// Nothing: it does what the leader has written.
    Follower,
}

/// What the group is, as this worker knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Whether this worker belongs to it.
    pub session: Session,
    /// What it decides.
    pub role: Role,
    /// The workers that are there, this one included. The leader alone looks.
    pub members: BTreeSet<WorkerInstance>,
    /// How many sessions it has lost so far.
    pub losses: u64,
}

impl Membership {
    /// A worker that is alone, and leads.
    pub fn alone(instance: WorkerInstance) -> Self {
        Self {
            session: Session::Member,
            role: Role::Leader,
            members: BTreeSet::from([instance]),
            losses: 0,
        }
    }

    fn joining() -> Self {
        Self {
            session: Session::Joining,
            role: Role::Follower,
            members: BTreeSet::new(),
            losses: 0,
        }
    }
}

/// What the client has said of this worker's session.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    is_steady: bool,
    /// When the session was lost; none: it is not.
    lost_at: Option<Instant>,
}

impl Signs {
    fn lose(&mut self, at: Instant) {
        *self = Self {
            is_steady: false,
            lost_at: Some(at),
        };
    }

    /// Takes in statistics. They wait for the next poll: those of before the loss, which still call
    /// the group steady, may come after it.
    fn statistics(&mut self, emitted: Instant, is_steady: bool) {
        if self.lost_at.is_some_and(|lost| emitted <= lost) {
            return;
        }
        self.is_steady = is_steady;
        if is_steady {
            self.lost_at = None;
        }
    }
}

/// What librdkafka's callbacks say.
struct Callbacks {
    errors: ClientErrors,
    /// A moment before the client was made: its statistics count from there.
    created: Instant,
    signs: Mutex<Signs>,
    owns: AtomicBool,
    meter: Arc<ClientMeter>,
}

impl Callbacks {
    fn new() -> Self {
        Self {
            errors: ClientErrors::new("the group of workers"),
            created: Instant::now(),
            signs: Mutex::default(),
            owns: AtomicBool::new(false),
            meter: Arc::default(),
        }
    }

    /// They are whole after each of their changes.
    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Callbacks {
    fn error(&self, error: KafkaError, reason: &str) {
        self.errors.log(&error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        // The library's word for a session that is over; it has no other sign of it for a member
        // without a partition.
        if facility == "SESSTMOUT" {
            self.signs().lose(Instant::now());
        }
        self.errors.log_line(level, facility, line);
    }

    fn stats(&self, statistics: Statistics) {
        self.meter.take(&statistics);
        let is_steady = statistics
            .cgrp
            .is_some_and(|group| group.join_state == "steady");
        let age = Duration::from_micros(u64::try_from(statistics.age).unwrap_or(0));
        self.signs().statistics(self.created + age, is_steady);
    }
}

impl ConsumerContext for Callbacks {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = change {
            if partitions.count() > 0 {
                self.owns.store(false, Ordering::Release);
            }
            if consumer.assignment_lost() {
                self.signs().lose(Instant::now());
            }
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, change: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = change
            && partitions.count() > 0
        {
            if let Err(error) = consumer.pause(partitions) {
                warn!(%error, "the records of the cluster topic are read twice");
            }
            self.owns.store(true, Ordering::Release);
        }
    }
}

/// This worker's membership, which ends when it is dropped.
pub struct GroupMember {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    meter: Arc<ClientMeter>,
}

impl Drop for GroupMember {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It leaves the group, so that the others need not wait for the session's end.
            drop(thread.join());
        }
    }
}

impl GroupMember {
    /// Joins the group of the worker's `group.id`, on a thread of its own.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when workers of Kafka Connect are in it, or a setting is
    /// refused.
    pub async fn join(
        config: &Arc<WorkerConfig>,
        instance: &WorkerInstance,
    ) -> Result<(Self, watch::Receiver<Membership>)> {
        let settings = config.membership();
        let mut client = client_config(&config.client_properties("consumer."))?;
        for key in ["group.protocol", "group.instance.id"] {
            client.remove(key);
        }
        client
            .set("group.id", config.group_id())
            .set("client.id", &instance.0)
            .set("session.timeout.ms", millis(settings.session_timeout))
            .set("heartbeat.interval.ms", millis(settings.heartbeat_interval))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "latest")
            .set("reconnect.backoff.max.ms", "1000")
            .set("statistics.interval.ms", "500");
        let callbacks = Callbacks::new();
        let meter = Arc::clone(&callbacks.meter);
        let invalid = |cause| {
            Error::config("the settings of the Kafka clients are not valid").with_source(cause)
        };
        let consumer: KafkaClient<BaseConsumer<Callbacks>> =
            create(&client, callbacks).map_err(invalid)?;
        let group = config.group_id().to_owned();
        let checked = group.clone();
        let looked = tokio::task::spawn_blocking(move || {
            check_protocol(&consumer, &checked).map(|()| consumer)
        });
        let consumer = looked
            .await
            .map_err(|cause| Error::fatal("could not join the group").with_source(cause))??;
        let topic = config.cluster_topic().name;
        consumer.subscribe(&[topic.as_str()]).map_err(|cause| {
            Error::retriable(format!("could not subscribe to {topic}")).with_source(cause)
        })?;
        let (sender, membership) = watch::channel(Membership::joining());
        let stop = Arc::new(AtomicBool::new(false));
        let following = Following {
            consumer,
            group,
            instance: instance.clone(),
            membership: sender,
            stop: Arc::clone(&stop),
            looked: None,
            has_joined: false,
        };
        let thread = std::thread::Builder::new()
            .name("group".into())
            .spawn(move || following.run())
            .map_err(|cause| Error::retriable("cannot start a thread").with_source(cause))?;
        let member = Self {
            stop,
            thread: Some(thread),
            meter,
        };
        Ok((member, membership))
    }

    /// What the worker's client in the group has done.
    pub fn meter(&self) -> &Arc<ClientMeter> {
        &self.meter
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

/// Workers of Kafka Connect and these do not understand each other, and would run all tasks twice.
fn check_protocol(consumer: &BaseConsumer<Callbacks>, group: &str) -> Result<()> {
    let Ok(found) = group_list(consumer, group, LOOK_TIMEOUT) else {
        // Joining says the same, if later.
        return Ok(());
    };
    let groups = found.groups().iter();
    let mut jvm =
        groups.filter(|it| it.protocol_type() == JVM_PROTOCOL && !it.members().is_empty());
    match jvm.next() {
        None => Ok(()),
        Some(jvm) => Err(Error::config(format!(
            "workers of Kafka Connect are in the group {group} (group.id), {} in all, and would run the \
             same tasks: stop them first, or choose another group.id and other storage topics",
            jvm.members().len()
        ))),
    }
}

/// What several of these workers are called alike.
fn shared_ids(members: &BTreeSet<WorkerInstance>) -> BTreeSet<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for member in members {
        *counts.entry(member.worker_id()).or_default() += 1;
    }
    let shared = counts.into_iter().filter(|(_, count)| *count > 1);
    shared.map(|(worker_id, _)| worker_id).collect()
}

/// The thread.
struct Following {
    consumer: KafkaClient<BaseConsumer<Callbacks>>,
    group: String,
    instance: WorkerInstance,
    membership: watch::Sender<Membership>,
    stop: Arc<AtomicBool>,
    looked: Option<Instant>,
    /// Whether the group has let this worker in once.
    has_joined: bool,
}

impl Following {
    fn run(mut self) {
        while !self.stop.load(Ordering::Acquire) {
            match self.consumer.poll(POLL) {
                Some(Err(cause)) if is_outage(&cause) => {
                    self.consumer.context().errors.log(&cause, "");
                }
                Some(Err(cause)) => self.told(&cause),
                Some(Ok(_)) | None => {}
            }
            self.publish();
        }
    }

    fn told(&self, cause: &KafkaError) {
        let code = cause.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::InconsistentGroupProtocol) {
            warn!(
                group = self.group,
                "workers of Kafka Connect are in the group: this worker runs nothing until they \
                 have stopped"
            );
        } else if code != Some(RDKafkaErrorCode::PartitionEOF) {
            warn!(group = self.group, error = %cause, "the group of workers");
        }
    }

    fn publish(&mut self) {
        let before = self.membership.borrow().clone();
        let now = self.now(&before);
        if now != before {
            info!(
                group = self.group,
                session = ?now.session,
                role = ?now.role,
                members = now.members.len(),
                "the group of workers has changed"
            );
            for worker_id in shared_ids(&now.members).difference(&shared_ids(&before.members)) {
                warn!(
                    worker_id,
                    "several workers have the same address: they share the tasks, and statuses do \
                     not tell them apart; set rest.advertised.host.name and rest.advertised.port"
                );
            }
            self.membership.send_replace(now);
        }
    }

    fn now(&mut self, before: &Membership) -> Membership {
        let callbacks = self.consumer.context();
        let Signs { is_steady, lost_at } = *callbacks.signs();
        let is_lost = lost_at.is_some();
        let owns = callbacks.owns.load(Ordering::Acquire);
        self.has_joined |= is_steady;
        if !self.has_joined && !is_lost {
            return self.joining(before);
        }
        let session = match (is_lost, is_steady) {
            (true, _) => Session::Lost,
            (false, true) => Session::Member,
            // A rebalance is no loss.
            (false, false) => before.session,
        };
        let leads = session == Session::Member && owns;
        let members = match leads {
            true => self.members().unwrap_or_else(|| before.members.clone()),
            false => BTreeSet::new(),
        };
        // Who leads and does not know whom for decides nothing yet.
        let role = match members.contains(&self.instance) {
            true => Role::Leader,
            false => Role::Follower,
        };
        let is_new_loss = session == Session::Lost && before.session != Session::Lost;
        Membership {
            session,
            role,
            members,
            losses: before.losses + u64::from(is_new_loss),
        }
    }

    /// Before the group has let this worker in. Where all that it still counts on are former starts
    /// of this very process, nobody is there to wait for: it would take as long as their session.
    fn joining(&mut self, before: &Membership) -> Membership {
        let Some(members) = self.members() else {
            return before.clone();
        };
        let is_former = |other: &WorkerInstance| other.is_former_of(&self.instance);
        let mut others = members.iter().filter(|other| **other != self.instance);
        let is_alone = others.next().is_some_and(is_former) && others.all(is_former);
        match is_alone {
            true => Membership::alone(self.instance.clone()),
            false => before.clone(),
        }
    }

    /// The members; none: it is not known anew.
    fn members(&mut self) -> Option<BTreeSet<WorkerInstance>> {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_INTERVAL) {
            return None;
        }
        let found = self
            .consumer
            .fetch_group_list(Some(&self.group), LOOK_TIMEOUT);
        self.looked = Some(Instant::now());
        let found = found.ok()?;
        let group = found.groups().iter().find(|it| it.name() == self.group)?;
        let members = group.members().iter();
        let members: BTreeSet<_> = members
            .map(|member| WorkerInstance(member.client_id().to_owned()))
            .collect();
        // Between two generations the list may be empty for a moment.
        (!members.is_empty()).then_some(members)
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::ConsumerGroup;

    use super::*;

    fn statistics(age: Duration, join_state: &str) -> Statistics {
        Statistics {
            age: i64::try_from(age.as_micros()).unwrap(),
            cgrp: Some(ConsumerGroup {
                join_state: join_state.to_owned(),
                ..ConsumerGroup::default()
            }),
            ..Statistics::default()
        }
    }

    #[test]
    fn statistics_of_before_a_loss_do_not_take_it_back() {
        let callbacks = Callbacks::new();
        let before = callbacks.created.elapsed();
        callbacks.stats(statistics(before, "steady"));
        assert!(callbacks.signs().is_steady);
        callbacks.log(RDKafkaLogLevel::Warning, "SESSTMOUT", "timed out");
        // Emitted before, and delivered after.
        callbacks.stats(statistics(before, "steady"));
        let signs = *callbacks.signs();
        assert!(signs.lost_at.is_some() && !signs.is_steady, "{signs:?}");
        let after = callbacks.created.elapsed() + Duration::from_millis(1);
        callbacks.stats(statistics(after, "wait-join"));
        assert!(callbacks.signs().lost_at.is_some());
        callbacks.stats(statistics(after, "steady"));
        let signs = *callbacks.signs();
        assert!(signs.lost_at.is_none() && signs.is_steady, "{signs:?}");
    }

    #[test]
    fn workers_of_one_address_are_known() {
        let members = ["a:1/x-1", "a:1/y-2", "b:1/x-3"].map(|it| WorkerInstance(it.to_owned()));
        assert_eq!(shared_ids(&members.into()), BTreeSet::from(["a:1"]));
    }
}
