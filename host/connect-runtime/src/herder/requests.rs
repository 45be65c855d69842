//! Requests that change something: orders, carried out here by the leader, and else by the worker
//! that leads, through Kafka.

use std::collections::BTreeMap;

use connect_api::{ErrorKind, Result};
use tokio::task::JoinSet;
use tracing::{error, warn};
use uuid::Uuid;

use super::command::{ConfigChange, ConfigOutcome, Configured, ConnectorView, Reply};
use super::coordination::{
    TaskRestart, answer_record, answered_order, forgotten_answer, order_record, restart_task_record,
};
use super::orders::{ConfigDigest, Expected, Order, Outcome, Refusal};
use super::{Herder, HerderError, REQUEST_LIMIT, answer, not_found};
use crate::storage::{
    Appended, ConnectorTaskId, Restart, StoredRecord, TargetState, Transaction, keys, records,
};

/// What is done once an order has been carried out.
pub(super) enum Then {
    Done(Reply<()>),
    /// It need only be written: whoever it is for answers nothing.
    Written(Reply<()>),
    /// Shows the connector as it was, with what is about to be restarted.
    Restarted(Box<ConnectorView>, Reply<ConnectorView>),
    Configured {
        outcome: ConfigOutcome,
        warnings: Vec<String>,
        change: ConfigChange,
        reply: Reply<Configured>,
    },
}

impl Then {
    fn is_awaited(&self) -> bool {
        match self {
            Self::Done(reply) | Self::Written(reply) => !reply.is_closed(),
            Self::Restarted(_, reply) => !reply.is_closed(),
            Self::Configured { reply, .. } => !reply.is_closed(),
        }
    }
}

/// An order that was sent to the leader.
struct Sent {
    connector: String,
    then: Then,
}

/// What was sent, and not yet answered.
#[derive(Default)]
pub(super) struct Requests {
    waiting: BTreeMap<String, Sent>,
    sends: JoinSet<(String, Result<()>)>,
}

impl Requests {
    /// Waits for a record to be written.
    pub(super) fn sends(&mut self, id: String, sent: Result<Appended>) {
        self.sends.spawn(async move {
            match sent {
                Ok(written) => (id, written.await),
                Err(cause) => (id, Err(cause)),
            }
        });
    }

    /// Drops those whose callers have gone. Answers the connectors of their config changes: each
    /// holds up the next change of its connector.
    fn drop_abandoned(&mut self) -> Vec<String> {
        self.waiting
            .extract_if(.., |_, sent| !sent.then.is_awaited())
            .filter(|(_, sent)| matches!(sent.then, Then::Configured { .. }))
            .map(|(_, sent)| sent.connector)
            .collect()
    }

    /// The next record that was written, or was not; for ever when there is none. It may be
    /// cancelled.
    pub(super) async fn next_sent(&mut self) -> (String, Result<()>) {
        loop {
            match self.sends.join_next().await {
                Some(Ok(sent)) => return sent,
                Some(Err(cause)) => error!(error = %cause, "a request was lost"),
                None => std::future::pending().await,
            }
        }
    }
}

impl Herder {
    pub(super) async fn delete(&mut self, name: String, reply: Reply<()>) {
        let order = Order::Delete { name };
        self.order(order, Then::Done(reply)).await;
    }

    pub(super) async fn set_target_state(
        &mut self,
        name: String,
        state: TargetState,
        reply: Reply<()>,
    ) {
        let order = Order::SetTargetState { name, state };
        self.order(order, Then::Done(reply)).await;
    }

    /// Answers with the connector as it is, with what is about to be restarted.
    pub(super) async fn restart(&mut self, restart: Restart, reply: Reply<ConnectorView>) {
        let name = &restart.name;
        let Some(mut view) = self.log.view(name) else {
            let text = format!("Unknown connector: {name}");
            return answer(reply, Err(HerderError::NotFound(text)));
        };
        view.mark_restarting(&restart);
        let then = Then::Restarted(Box::new(view), reply);
        self.order(Order::Restart(restart), then).await;
    }

    /// Restarts a task here, or asks whichever worker runs it.
    pub(super) fn restart_task(&mut self, id: ConnectorTaskId, reply: Reply<()>) {
        let cluster = &self.log.cluster;
        let unknown = if cluster.config(&id.connector).is_none() {
            Some(format!("Unknown connector: {}", id.connector))
        } else if cluster.task(&id).is_none() {
            Some(format!("Unknown task: {id}"))
        } else {
            None
        };
        if let Some(text) = unknown {
            return answer(reply, Err(HerderError::NotFound(text)));
        }
        if self.tasks.has(&id) {
            self.tasks.retry_held(&id.connector);
            self.tasks.restart_task(&id, &self.statuses);
            self.sync_tasks();
            // The others' tasks may be given what this one holds.
            if let Err(error) = self.log.append(restart_task_record(&id, TaskRestart::Done)) {
                warn!(task = %id, error = %error.chain(), "cannot tell the others of a restart");
            }
            return answer(reply, Ok(()));
        }
        let sent = self
            .log
            .append(restart_task_record(&id, TaskRestart::Asked));
        let request = Uuid::new_v4().to_string();
        let waiting = Sent {
            connector: id.connector,
            then: Then::Written(reply),
        };
        self.requests.waiting.insert(request.clone(), waiting);
        self.requests.sends(request, sent);
    }

    /// Carries an order out as the leader, or sends it to the leader.
    pub(super) async fn order(&mut self, order: Order, then: Then) {
        if self.leader.is_some() {
            match self.execute(&order, None).await {
                Ok(outcome) => {
                    self.act_on_own_order().await;
                    return self.resume(order.connector(), then, outcome);
                }
                Err(cause) if cause.kind() == ErrorKind::Fenced => self.led(Err(cause)),
                Err(cause) => {
                    let failed = Err(Refusal::Failed(cause.chain()));
                    self.led(Err(cause));
                    return self.resume(order.connector(), then, failed);
                }
            }
        }
        self.go_on_behind_abandoned();
        let id = Uuid::new_v4().to_string();
        let sent = self.log.append(order_record(&id, &order));
        let connector = order.connector().to_owned();
        let waiting = Sent { connector, then };
        self.requests.waiting.insert(id.clone(), waiting);
        self.requests.sends(id, sent);
    }

    /// Forgets requests whose callers have gone, and begins the config changes behind them.
    pub(super) fn go_on_behind_abandoned(&mut self) {
        for connector in self.requests.drop_abandoned() {
            self.validate_next(&connector);
        }
    }

    /// The effects are acted upon before the answer, which shows them.
    async fn act_on_own_order(&mut self) {
        while let Some(change) = self.log.next_change() {
            self.act_upon(change).await;
        }
        self.place().await;
        self.sync_tasks();
    }

    /// Takes in whether a record was written.
    pub(super) fn sent(&mut self, id: &str, sent: Result<()>) {
        let outcome = match (sent, self.requests.waiting.get(id)) {
            (Err(cause), _) => Err(Refusal::Failed(cause.chain())),
            (
                Ok(()),
                Some(Sent {
                    then: Then::Written(_),
                    ..
                }),
            ) => Ok(()),
            // The leader answers.
            (Ok(()), _) => return,
        };
        if let Some(Sent { connector, then }) = self.requests.waiting.remove(id) {
            self.resume(&connector, then, outcome);
        }
    }

    /// As the leader, carries out the orders of other workers. Answers whether there were any.
    pub(super) async fn answer_orders(&mut self) -> bool {
        if self.leader.is_none() {
            return false;
        }
        let mut any = false;
        for waiting in self.log.coordination.waiting() {
            if self.leader.is_none() {
                break;
            }
            let done = match waiting.is_late(REQUEST_LIMIT) {
                true => self.refuse(&waiting.id, Refusal::Late).await,
                false => self
                    .execute(&waiting.order, Some(&waiting.id))
                    .await
                    .map(drop),
            };
            any |= done.is_ok();
            self.led(done);
        }
        any
    }

    async fn refuse(&mut self, id: &str, refusal: Refusal) -> Result<()> {
        let transaction = self.answered(id, &Err(refusal));
        self.log.commit(transaction).await
    }

    /// Carries an order out: effects and answer are written together.
    async fn execute(&mut self, order: &Order, id: Option<&str>) -> Result<Outcome> {
        let (config, outcome) = match self.effects(order) {
            Ok(records) => (records, Ok(())),
            Err(refusal) => (Vec::new(), Err(refusal)),
        };
        let answered = id.map(|id| self.answered(id, &outcome));
        let transaction = Transaction {
            config,
            ..answered.unwrap_or_default()
        };
        self.log.commit(transaction).await?;
        Ok(outcome)
    }

    fn answered(&self, id: &str, outcome: &Outcome) -> Transaction {
        let old = self.log.coordination.old_answers();
        let old = old.iter().map(|id| forgotten_answer(id));
        Transaction {
            config: Vec::new(),
            cluster: [answered_order(id)].into_iter().chain(old).collect(),
            answer: Some(answer_record(id, outcome)),
        }
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
            Order::SetTargetState { name, state } => Err(Refusal::NotFound(match state {
                TargetState::Stopped => format!("Connector {name} not found"),
                _ => format!("Unknown connector {name}"),
            })),
            Order::Restart(restart) if exists => Ok(vec![records::restart(restart)]),
            Order::Restart(restart) => {
                let text = format!("Unknown connector: {}", restart.name);
                Err(Refusal::NotFound(text))
            }
        }
    }

    /// Goes on with the requests whose orders were carried out, once their effects were read.
    pub(super) fn resume_answered(&mut self) {
        let coordination = &self.log.coordination;
        let answered: Vec<(String, Outcome)> = self
            .requests
            .waiting
            .keys()
            .filter_map(|id| Some((id, coordination.answer(id)?)))
            .filter(|(_, answer)| self.log.has_read(answer.config_offset))
            .map(|(id, answer)| (id.clone(), answer.outcome.clone()))
            .collect();
        for (id, outcome) in answered {
            if let Some(Sent { connector, then }) = self.requests.waiting.remove(&id) {
                self.resume(&connector, then, outcome);
            }
        }
    }

    fn resume(&mut self, name: &str, then: Then, outcome: Outcome) {
        match then {
            Then::Done(reply) | Then::Written(reply) => {
                answer(reply, outcome.map_err(|refusal| refusal.into_error(name)));
            }
            Then::Restarted(view, reply) => {
                let shown = outcome.map(|()| *view);
                answer(reply, shown.map_err(|refusal| refusal.into_error(name)));
            }
            Then::Configured {
                outcome: configured,
                warnings,
                change,
                reply,
            } => {
                match outcome {
                    Ok(()) => {
                        let connector = self.log.view(name).ok_or_else(|| not_found(name));
                        let shown = connector.map(|connector| Configured {
                            outcome: configured,
                            connector,
                            warnings,
                        });
                        answer(reply, shown);
                    }
                    // The change is computed and validated again.
                    Err(Refusal::Changed) => self.config_changes.again(name, change, reply),
                    Err(refusal) => answer(reply, Err(refusal.into_error(name))),
                }
                self.validate_next(name);
            }
        }
    }
}
