//! Requests that change something: orders, carried out by this worker if it leads, and else sent to
//! the worker that does, through Kafka.

use std::collections::{BTreeMap, VecDeque};

use connect_api::Result;
use tokio::task::JoinSet;
use tracing::{error, warn};
use uuid::Uuid;

use super::command::{ConfigChange, ConfigOutcome, Configured, ConnectorView, Reply};
use super::coordination::{TaskRestart, order_record, restart_task_record};
use super::orders::{Order, Outcome, Refusal};
use super::{Herder, HerderError, answer, not_found};
use crate::storage::{Appended, ConnectorTaskId, Restart, TargetState};

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

/// An order of a caller of this worker, that is neither carried out nor sent.
pub(super) struct NewOrder {
    pub(super) order: Order,
    pub(super) then: Then,
}

/// What was asked for, and not yet answered.
#[derive(Default)]
pub(super) struct Requests {
    pub(super) new: VecDeque<NewOrder>,
    /// Carried out by this worker, which leads: the caller is answered once it is acted upon.
    pub(super) carried_out: Vec<(Order, Then, Outcome)>,
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
    pub(super) fn delete(&mut self, name: String, reply: Reply<()>) {
        let order = Order::Delete { name };
        self.order(order, Then::Done(reply));
    }

    pub(super) fn set_target_state(&mut self, name: String, state: TargetState, reply: Reply<()>) {
        let order = Order::SetTargetState { name, state };
        self.order(order, Then::Done(reply));
    }

    /// Answers with the connector as it is, with what is about to be restarted.
    pub(super) fn restart(&mut self, restart: Restart, reply: Reply<ConnectorView>) {
        let name = &restart.name;
        let Some(mut view) = self.log.view(name) else {
            let text = format!("Unknown connector: {name}");
            return answer(reply, Err(HerderError::NotFound(text)));
        };
        view.mark_restarting(&restart);
        let then = Then::Restarted(Box::new(view), reply);
        self.order(Order::Restart(restart), then);
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

    /// Keeps an order until those that have come by then are carried out.
    pub(super) fn order(&mut self, order: Order, then: Then) {
        self.requests.new.push_back(NewOrder { order, then });
    }

    /// Sends an order to the worker that leads.
    pub(super) fn send_to_leader(&mut self, NewOrder { order, then }: NewOrder) {
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

    /// Goes on with the requests whose orders were carried out, once their effects were read.
    pub(super) fn resume_answered(&mut self) {
        for (order, then, outcome) in std::mem::take(&mut self.requests.carried_out) {
            self.resume(order.connector(), then, outcome);
        }
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

    pub(super) fn resume(&mut self, name: &str, then: Then, outcome: Outcome) {
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
