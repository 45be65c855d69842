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
    WorkerWithoutBrokers,
    WorkerWithoutPostgres,
    LeaderKilled,
    LeaderFrozen,
    AllKilled,
    AllFrozen,
    FourthJoins,
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
    /// All workers, or one that is not known yet.
    Workers,
    /// A fourth worker.
    Guest,
    /// What is asked of a worker over REST: it takes a leader.
    Order(usize),
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
        Self::WorkerWithoutBrokers,
        Self::WorkerWithoutPostgres,
        Self::LeaderKilled,
        Self::LeaderFrozen,
        Self::AllKilled,
        Self::AllFrozen,
        Self::FourthJoins,
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
            Self::WorkerWithoutBrokers => "worker cut off from the brokers",
            Self::WorkerWithoutPostgres => "worker cut off from Postgres",
            Self::LeaderKilled => "leader killed (SIGKILL)",
            Self::LeaderFrozen => "leader frozen (SIGSTOP, SIGCONT)",
            Self::AllKilled => "all workers killed (SIGKILL)",
            Self::AllFrozen => "all workers frozen (SIGSTOP, SIGCONT)",
            Self::FourthJoins => "a fourth worker joins and goes",
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
            | Kind::WorkerWithoutBrokers => Place::Worker(self.worker),
            Kind::WorkerWithoutPostgres => Place::Way(self.worker),
            Kind::LeaderKilled | Kind::LeaderFrozen | Kind::AllKilled | Kind::AllFrozen => {
                Place::Workers
            }
            Kind::FourthJoins => Place::Guest,
            Kind::TaskRestarted | Kind::Paused | Kind::Reconfigured => Place::Order(self.worker),
        }
    }

    /// Whether the two cannot be at once: they take hold of one thing, or the one needs a server
    /// that the other ends.
    pub fn meets(&self, other: &Self) -> bool {
        let database = |fault: &Self| matches!(fault.place(), Place::Database | Place::Postgres);
        let worker = |fault: &Self| matches!(fault.place(), Place::Worker(_) | Place::Workers);
        let all = |fault: &Self| matches!(fault.place(), Place::Workers);
        let order = |fault: &Self| matches!(fault.place(), Place::Order(_));
        // A worker that starts, or is asked, waits for the brokers and for a leader.
        let broker = |fault: &Self| matches!(fault.place(), Place::Broker);
        let guest = |fault: &Self| matches!(fault.place(), Place::Guest);
        let one = |is: &dyn Fn(&Self) -> bool, other_is: &dyn Fn(&Self) -> bool| {
            (is(self) && other_is(other)) || (is(other) && other_is(self))
        };
        self.place() == other.place()
            || one(&database, &database)
            || one(&all, &worker)
            || one(&order, &|it| {
                worker(it) || broker(it) || order(it) || guest(it)
            })
            || one(&guest, &|it| broker(it) || all(it))
    }

    /// Whether it is about who is in the group of workers: it then lasts, now and then, for longer
    /// than a session.
    pub fn is_of_membership(&self) -> bool {
        let place = self.place();
        matches!(place, Place::Worker(_) | Place::Workers | Place::Guest)
            || self.kind == Kind::WorkerWithoutPostgres
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
            Place::Way(worker) | Place::Worker(worker) | Place::Order(worker) => {
                write!(f, " ({})", worker + 1)
            }
            _ => Ok(()),
        }
    }
}
