//! What the leader does with orders, its own callers' and other workers': it carries out all that
//! wait in one transaction. A transaction takes Kafka as long for sixty orders as for one, and they
//! come faster than it commits where Kafka is slow or far.

use std::collections::BTreeSet;

use connect_api::{ErrorKind, Result};

use super::coordination::{answer_record, answered_order, forgotten_answer};
use super::orders::{ConfigDigest, Expected, Order, Outcome, Refusal};
use super::requests::{NewOrder, Then};
use super::{Herder, REQUEST_LIMIT};
use crate::storage::{StoredRecord, TargetState, Transaction, keys, records};

/// How many orders a transaction carries out at most.
const ORDERS_AT_ONCE: usize = 64;

/// Who waits for an order.
enum Caller {
    /// A caller of this worker.
    Here(Then),
    /// The worker that has sent the order under this id.
    Worker(String),
}

/// An order, and what becomes of it once its records are written.
struct Decided {
    order: Order,
    caller: Caller,
    config: Vec<StoredRecord>,
    outcome: Outcome,
}

impl Herder {
    /// As the leader, carries out the orders that wait. Answers whether any was.
    ///
    /// Without the lead, those of this worker's callers are sent to the leader.
    pub(super) async fn carry_out_orders(&mut self) -> bool {
        if self.leader.is_none() {
            for order in std::mem::take(&mut self.requests.new) {
                self.send_to_leader(order);
            }
            return false;
        }
        let decided = self.decide_orders();
        if decided.is_empty() {
            return false;
        }
        let written = self.log.commit(self.transaction(&decided)).await;
        if written.is_err() && decided.len() > 1 && self.log.leads() {
            // One that cannot be written must not keep the others from it.
            let mut any = false;
            for one in decided {
                let written = self.log.commit(self.transaction([&one])).await;
                any |= self.carried_out(vec![one], written);
            }
            return any;
        }
        self.carried_out(decided, written)
    }

    /// The orders that wait, up to the second one for one connector: what it does follows from what
    /// the first has done.
    fn decide_orders(&mut self) -> Vec<Decided> {
        let mut connectors = BTreeSet::new();
        let mut decided = Vec::new();
        while decided.len() < ORDERS_AT_ONCE
            && let Some(NewOrder { order, then }) = self
                .requests
                .new
                .pop_front_if(|it| connectors.insert(it.order.connector().to_owned()))
        {
            decided.push(self.decide(order, Caller::Here(then)));
        }
        for waiting in self.log.coordination.waiting() {
            let connector = waiting.order.connector().to_owned();
            if decided.len() == ORDERS_AT_ONCE || !connectors.insert(connector) {
                break;
            }
            let caller = Caller::Worker(waiting.id.clone());
            decided.push(match waiting.is_late(REQUEST_LIMIT) {
                true => Decided {
                    order: waiting.order,
                    caller,
                    config: Vec::new(),
                    outcome: Err(Refusal::Late),
                },
                false => self.decide(waiting.order, caller),
            });
        }
        decided
    }

    fn decide(&self, order: Order, caller: Caller) -> Decided {
        let (config, outcome) = match self.effects(&order) {
            Ok(records) => (records, Ok(())),
            Err(refusal) => (Vec::new(), Err(refusal)),
        };
        Decided {
            order,
            caller,
            config,
            outcome,
        }
    }

    /// The effects of orders and the answers to other workers, to be written together.
    fn transaction<'a>(&self, decided: impl IntoIterator<Item = &'a Decided>) -> Transaction {
        let mut transaction = Transaction::default();
        for one in decided {
            transaction.config.extend(one.config.iter().cloned());
            if let Caller::Worker(id) = &one.caller {
                transaction.cluster.push(answered_order(id));
                transaction.answers.push(answer_record(id, &one.outcome));
            }
        }
        if !transaction.answers.is_empty() {
            let old = self.log.coordination.old_answers();
            transaction
                .cluster
                .extend(old.iter().map(|id| forgotten_answer(id)));
        }
        transaction
    }

    /// Takes in whether orders were written. Those of other workers that were not still wait.
    fn carried_out(&mut self, decided: Vec<Decided>, written: Result<()>) -> bool {
        let failure = written.as_ref().err().map(|cause| match cause.kind() {
            ErrorKind::Fenced => None,
            _ => Some(Refusal::Failed(cause.chain())),
        });
        let is_written = failure.is_none();
        self.led(written);
        for one in decided {
            let Caller::Here(then) = one.caller else {
                continue;
            };
            match &failure {
                None => {
                    let done = (one.order, then, one.outcome);
                    self.requests.carried_out.push(done);
                }
                // Nothing of it was written: whoever leads by now carries it out.
                Some(None) => self.send_to_leader(NewOrder {
                    order: one.order,
                    then,
                }),
                Some(Some(refusal)) => {
                    self.resume(one.order.connector(), then, Err(refusal.clone()));
                }
            }
        }
        is_written
    }

    /// What an order writes to the config topic.
    fn effects(&self, order: &Order) -> std::result::Result<Vec<StoredRecord>, Refusal> {
        let cluster = &self.log.cluster;
        let exists = cluster.config(order.connector()).is_some();
        match order {
            Order::Configure {
                name,
                config,
                initial_state,
                expected,
            } => {
                match expected {
                    Expected::Absent if exists => return Err(Refusal::AlreadyExists),
                    Expected::Config(expected)
                        if cluster.config(name).map(ConfigDigest::of).as_ref()
                            != Some(expected) =>
                    {
                        return Err(Refusal::Changed);
                    }
                    _ => {}
                }
                // First: a reader that stops in between must not start it.
                let state = initial_state.map(|state| records::target_state(name, state));
                let config = records::connector(name, config);
                Ok(state.into_iter().chain([config]).collect())
            }
            Order::Delete { name } if exists => {
                Ok([keys::connector(name), keys::target_state(name)]
                    .map(records::tombstone)
                    .into())
            }
            Order::Delete { name } => Err(Refusal::NotFound(format!("Connector {name} not found"))),
            Order::SetTargetState { name, state } if exists => {
                if cluster.target_state(name) == *state {
                    return Ok(Vec::new());
                }
                let mut written = Vec::new();
                if *state == TargetState::Stopped {
                    // Kafka Connect's order: a worker that reads only half of it has no tasks.
                    written.extend(records::tasks(name, &[]));
                }
                written.push(records::target_state(name, *state));
                Ok(written)
            }
            Order::SetTargetState { name, .. } => {
                Err(Refusal::NotFound(format!("Unknown connector {name}")))
            }
            Order::Restart(restart) if exists => Ok(vec![records::restart(restart)]),
            Order::Restart(restart) => {
                let text = format!("Unknown connector: {}", restart.name);
                Err(Refusal::NotFound(text))
            }
        }
    }
}
