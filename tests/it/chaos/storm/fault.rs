//! The faults that there are.

use std::fmt;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Cut,
    CutInCopy,
    CommitLost,
    AnswerLost,
    CommitHeld,
    Refused,
    HalfOpen,
    Stalled,
    Delayed,
    Sliced,
    Narrow,
    SessionsEnded,
    StatementsCancelled,
    ServerError,
    TableLocked,
    OffsetsLocked,
    Fenced,
    TooManyConnections,
    ReadOnly,
    TypeChanged,
    PostgresStopped,
    PostgresCrashed,
    BrokerStopped,
    BrokerKilled,
    BrokerCut,
    BrokerHalfOpen,
    BrokerSlow,
    WorkerKilled,
    WorkerStopped,
    WorkerFrozen,
    TaskRestarted,
    Paused,
    Reconfigured,
    TransactionAborted,
}

/// What a fault takes hold of: two faults of one round do not take hold of the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The way from a worker to Postgres.
    Way(usize),
    Postgres,
    Database,
    Broker,
    Worker(usize),
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::Cut,
        Self::CutInCopy,
        Self::CutInCopy,
        Self::CommitLost,
        Self::CommitLost,
        Self::AnswerLost,
        Self::AnswerLost,
        Self::CommitHeld,
        Self::Refused,
        Self::HalfOpen,
        Self::Stalled,
        Self::Delayed,
        Self::Sliced,
        Self::Narrow,
        Self::SessionsEnded,
        Self::StatementsCancelled,
        Self::ServerError,
        Self::ServerError,
        Self::TableLocked,
        Self::OffsetsLocked,
        Self::Fenced,
        Self::TooManyConnections,
        Self::ReadOnly,
        Self::TypeChanged,
        Self::PostgresStopped,
        Self::PostgresCrashed,
        Self::BrokerStopped,
        Self::BrokerKilled,
        Self::BrokerCut,
        Self::BrokerHalfOpen,
        Self::BrokerSlow,
        Self::WorkerKilled,
        Self::WorkerKilled,
        Self::WorkerStopped,
        Self::WorkerFrozen,
        Self::TaskRestarted,
        Self::Paused,
        Self::Reconfigured,
        Self::TransactionAborted,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Cut => "Postgres connection cut",
            Self::CutInCopy => "Postgres connection cut in mid-COPY",
            Self::CommitLost => "COMMIT lost",
            Self::AnswerLost => "COMMIT's answer lost",
            Self::CommitHeld => "COMMIT held back",
            Self::Refused => "Postgres connections refused",
            Self::HalfOpen => "Postgres connection half open",
            Self::Stalled => "Postgres connection stalled",
            Self::Delayed => "Postgres connection delayed",
            Self::Sliced => "Postgres connection in small slices",
            Self::Narrow => "Postgres connection of little bandwidth",
            Self::SessionsEnded => "sessions ended by the server",
            Self::StatementsCancelled => "statements cancelled",
            Self::ServerError => "server error by code",
            Self::TableLocked => "table locked",
            Self::OffsetsLocked => "offsets locked",
            Self::Fenced => "offsets row bumped by hand",
            Self::TooManyConnections => "too many connections",
            Self::ReadOnly => "database read-only",
            Self::TypeChanged => "column's type changed",
            Self::PostgresStopped => "Postgres fast restart",
            Self::PostgresCrashed => "Postgres immediate restart",
            Self::BrokerStopped => "broker restart",
            Self::BrokerKilled => "broker killed",
            Self::BrokerCut => "broker connections cut",
            Self::BrokerHalfOpen => "broker connections half open",
            Self::BrokerSlow => "broker connections slow, in slices",
            Self::WorkerKilled => "worker killed (SIGKILL)",
            Self::WorkerStopped => "worker restarted (SIGTERM)",
            Self::WorkerFrozen => "worker frozen (SIGSTOP, SIGCONT)",
            Self::TaskRestarted => "connector and tasks restarted",
            Self::Paused => "connector paused and resumed",
            Self::Reconfigured => "tasks.max changed",
            Self::TransactionAborted => "producer transaction aborted",
        }
    }
}

/// A fault, where it is and how it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub kind: Kind,
    pub worker: usize,
    pub chance: u64,
}

impl Fault {
    fn place(&self) -> Place {
        match self.kind {
            Kind::Cut
            | Kind::CutInCopy
            | Kind::CommitLost
            | Kind::AnswerLost
            | Kind::CommitHeld
            | Kind::Refused
            | Kind::HalfOpen
            | Kind::Stalled
            | Kind::Delayed
            | Kind::Sliced
            | Kind::Narrow => Place::Way(self.worker),
            Kind::SessionsEnded
            | Kind::StatementsCancelled
            | Kind::ServerError
            | Kind::TableLocked
            | Kind::OffsetsLocked
            | Kind::Fenced
            | Kind::TooManyConnections
            | Kind::ReadOnly
            | Kind::TypeChanged => Place::Database,
            Kind::PostgresStopped | Kind::PostgresCrashed => Place::Postgres,
            Kind::BrokerStopped
            | Kind::BrokerKilled
            | Kind::BrokerCut
            | Kind::BrokerHalfOpen
            | Kind::BrokerSlow
            | Kind::TransactionAborted => Place::Broker,
            Kind::WorkerKilled
            | Kind::WorkerStopped
            | Kind::WorkerFrozen
            | Kind::TaskRestarted
            | Kind::Paused
            | Kind::Reconfigured => Place::Worker(self.worker),
        }
    }

    /// Whether the two cannot be at once: they take hold of one thing, or the one needs a server
    /// that the other ends.
    pub fn meets(&self, other: &Self) -> bool {
        let database = |fault: &Self| matches!(fault.place(), Place::Database | Place::Postgres);
        self.place() == other.place() || (database(self) && database(other))
    }

    /// A number from zero up to, and without, `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.chance % end
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        match self.place() {
            Place::Way(worker) | Place::Worker(worker) => write!(f, " ({})", worker + 1),
            _ => Ok(()),
        }
    }
}
