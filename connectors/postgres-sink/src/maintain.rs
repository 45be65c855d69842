//! Makes the partitions of a table ahead and drops those that are past their time.
//!
//! What is to be done is a [`Plan`], which can be shown before anything is done. It is made and
//! carried out under an advisory lock of the table, so that runs at the same time do it once. Each
//! step is a transaction of its own, and a run that was interrupted is finished by the next.
//!
//! Rows are never looked at: a partition is dropped when its upper bound is past its time, so that
//! none of its rows can be newer. Writers go on meanwhile. A partition is attached, which does not
//! lock the table against them as `CREATE TABLE … PARTITION OF` does, and detached concurrently
//! where Postgres can do that.

mod plan;
mod read;
mod run;

use std::time::Duration;

use connect_api::{Error, Result};

use crate::error::to_error;
use crate::session::{IDLE_LIMIT, Keeps, Session};

pub use plan::{Drop, Plan, Range, Step};

/// What is wanted of a table.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The table, perhaps with its schema.
    pub table: String,
    /// How long a partition is, as Postgres writes an interval: `1 month`, `7 days`, `6 hours`.
    pub interval: String,
    /// How many partitions there shall be after the present one.
    pub ahead: u32,
    /// How many partitions there shall be before the present one, for rows that come late.
    pub behind: u32,
    /// How old rows may become, as an interval; none drops nothing.
    pub retention: Option<String>,
}

/// Where the table is.
#[derive(Clone, Debug)]
pub struct Address {
    /// As `connection.url` of the sink.
    pub url: String,
    /// Goes before a user of the URL.
    pub user: Option<String>,
    /// Goes before a password of the URL.
    pub password: Option<String>,
    /// How long a statement may wait for a lock.
    pub lock_timeout: Duration,
}

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A session that looks after partitions.
pub struct Maintainer {
    session: Session,
}

impl Maintainer {
    /// Connects.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the URL is none or Postgres refuses the login,
    /// [`connect_api::ErrorKind::Retriable`] when no server is there that takes writes.
    pub async fn connect(address: &Address) -> Result<Self> {
        let target = crate::url::parse(&address.url)
            .map_err(|why| Error::config(format!("the URL of the database: {why}")))?;
        let (user, password) = (address.user.as_deref(), address.password.as_deref());
        let mut servers = target.servers(user, password, CONNECT_TIMEOUT);
        let own = [
            ("TimeZone", "UTC".to_owned()),
            ("DateStyle", "ISO".to_owned()),
            ("lock_timeout", address.lock_timeout.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", IDLE_LIMIT.to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        servers.settings.extend(own);
        let servers = servers.named("ferrule:maintain");
        let session = Session::connect(&servers, Keeps::NOTHING, false).await?;
        if session.is_pooled {
            return Err(Error::config(
                "a pooler is between here and Postgres, which cannot hold the lock of a run: give \
                 the address of the server itself",
            ));
        }
        Ok(Self { session })
    }

    /// What is to be done for a table. Nothing is changed.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when the table is missing or not partitioned by the range
    /// of one column of time, or an interval is none.
    pub async fn plan(&mut self, schedule: &Schedule) -> Result<Plan> {
        let table = read::table(&mut self.session, &schedule.table).await?;
        let calendar = read::calendar(&mut self.session, schedule, table.column.kind).await?;
        let partitions = read::partitions(&mut self.session, &table).await?;
        let leftovers = read::leftovers(&mut self.session, &table).await?;
        let mut plan = plan::of(table, &calendar, partitions, leftovers)?;
        read::conflicts(&mut self.session, &mut plan).await?;
        Ok(plan)
    }

    /// Does what is to be done for a table, and tells each step once it is done. A step that fails
    /// does not keep the others from being done.
    ///
    /// # Errors
    /// As [`Maintainer::plan`]; when another run holds the lock for too long; the first error of a
    /// step, after the others.
    pub async fn run(&mut self, schedule: &Schedule, mut done: impl FnMut(&Step)) -> Result<Plan> {
        let table = read::table(&mut self.session, &schedule.table).await?;
        run::lock(&mut self.session, &table).await?;
        let ran = self.run_locked(schedule, &mut done).await;
        let unlocked = run::unlock(&mut self.session, &table).await;
        let plan = ran?;
        unlocked.map_err(|error| to_error("cannot give the lock of the run back", &error))?;
        Ok(plan)
    }

    async fn run_locked(
        &mut self,
        schedule: &Schedule,
        done: &mut impl FnMut(&Step),
    ) -> Result<Plan> {
        let plan = self.plan(schedule).await?;
        let mut first = None;
        for step in &plan.steps {
            match run::step(&mut self.session, &plan, step).await {
                Ok(()) => done(step),
                Err(error) => {
                    let error = error.context(step.to_string());
                    tracing::error!(table = plan.table.shown, "{}", error.chain());
                    first.get_or_insert(error);
                }
            }
        }
        match first {
            None => Ok(plan),
            Some(error) => Err(error),
        }
    }
}
