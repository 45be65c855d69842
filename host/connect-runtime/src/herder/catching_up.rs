//! A worker whose session was lost, and that is a member again, does not know what was decided
//! meanwhile before it has read it: by what it knew, it would run what others run by now.

use tokio::time::{Duration, Instant};

use super::Herder;
use super::coordination::read_back_record;
use crate::group::Session;

/// How long a record of this worker's own may take until it is read back; then another is written.
const READ_BACK_LIMIT: Duration = Duration::from_secs(10);

/// How far a worker has read since it is a member again.
#[derive(Default)]
pub(super) struct CatchingUp {
    /// How many sessions it knows to have been lost.
    losses: u64,
    /// How many marks it has written.
    marks: u64,
    /// What it has written behind all that was decided, and when; none: it has read it.
    awaited: Option<(String, Instant)>,
}

impl CatchingUp {
    /// When another record is to be written.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let (_, since) = self.awaited.as_ref()?;
        Some(*since + READ_BACK_LIMIT)
    }

    /// Takes in a record of that kind, whoever has written it.
    pub(super) fn read_back(&mut self, mark: &str) {
        self.awaited.take_if(|(own, _)| own == mark);
    }
}

impl Herder {
    /// Begins to catch up when a session was lost, and goes on with that.
    pub(super) fn catch_up(&mut self) {
        let (session, losses) = {
            let now = self.membership.borrow();
            (now.session, now.losses)
        };
        let known = &mut self.catching_up;
        if session != Session::Member {
            return;
        }
        if losses > known.losses {
            known.losses = losses;
            self.statuses.catch_up();
        } else if known.wakes_at().is_none_or(|at| at > Instant::now()) {
            return;
        }
        known.marks += 1;
        let mark = format!("{} {}", self.shared.instance, known.marks);
        let sent = self.log.append(read_back_record(&mark));
        self.requests.sends("read-back".to_owned(), sent);
        self.catching_up.awaited = Some((mark, Instant::now()));
    }

    /// Whether it is not known yet what was decided while this worker was no member.
    pub(super) fn is_behind(&self) -> bool {
        let losses = self.membership.borrow().losses;
        let known = &self.catching_up;
        losses > known.losses || known.awaited.is_some() || self.statuses.is_behind()
    }
}
