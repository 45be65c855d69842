//! Failed tasks that are started again by themselves: the options, and what follows from a failure.
//!
//! Kafka Connect has no such options. The names are those of its `errors.retry.*` and of Kafka's
//! `reconnect.backoff.*`; what they do is what Strimzi's `autoRestart` does from outside.

use std::collections::BTreeMap;
use std::time::Duration;

use connect_api::{
    Choice, Config, ConfigDef, ConfigKey, ConfigType as T, Error, Properties, Result, Validator,
    Width,
};

const POLICY: &str = "task.restart.policy";
const BACKOFF: &str = "task.restart.backoff.ms";
const BACKOFF_MAX: &str = "task.restart.backoff.max.ms";
const MAX_ATTEMPTS: &str = "task.restart.max.attempts";
const WINDOW: &str = "task.restart.window.ms";

/// How often a task may fail on one record before it stays failed.
const SAME_RECORD: u32 = 3;
/// Records whose failures are remembered.
const MOST_RECORDS: usize = 1_000;
/// No task is restarted faster than this, in milliseconds: each restart is told to the cluster.
const LEAST_BACKOFF: i64 = 100;

/// `task.restart.policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartOn {
    /// A failed task stays failed, as with Kafka Connect.
    Off,
    /// Failures that time or another state of a system outside mends.
    Transient,
    /// Every failure.
    Always,
}

impl Choice for RestartOn {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("transient", Self::Transient),
        ("always", Self::Always),
    ];
}

/// When a failed task is started again: `task.restart.*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    on: RestartOn,
    backoff: Duration,
    backoff_max: Duration,
    /// None: without end.
    max_attempts: Option<u32>,
    window: Duration,
}

/// The options as a worker has them, and their defaults.
pub fn worker_keys() -> Vec<ConfigKey> {
    let number = |name, default, least, doc: &'static str| {
        ConfigKey::new(name, T::Long, default, doc).validator(Validator::AtLeast(least))
    };
    vec![
        ConfigKey::choice(
            POLICY,
            RestartOn::Off,
            "Which failed tasks are started again by themselves. off: none, as with Kafka Connect. \
             transient: those whose failure time or another state of a system outside can mend, such \
             as a lost connection, a time-out, a missing table or right, a schema registry or config \
             provider that does not answer. always: every one. A task that has failed on the same \
             record three times stays failed whatever the policy.",
        ),
        number(
            BACKOFF,
            "5000",
            LEAST_BACKOFF,
            "Milliseconds before the first restart of a failed task. Each one after it waits twice as \
             long as the one before.",
        ),
        number(
            BACKOFF_MAX,
            "300000",
            LEAST_BACKOFF,
            "The longest wait in milliseconds before a restart.",
        ),
        number(
            MAX_ATTEMPTS,
            "-1",
            -1,
            "Restarts in a row, after which a task that fails stays failed until it is restarted by \
             hand. -1: without end.",
        ),
        number(
            WINDOW,
            "600000",
            1,
            "Milliseconds that a task must run without a failure before its restarts are counted \
             anew, and the wait is that of the first one again.",
        ),
    ]
}

/// The same options as a connector has them: what it leaves out is as the worker says.
pub fn connector_keys() -> Vec<ConfigKey> {
    let names = [
        "Task Restart Policy",
        "Task Restart Backoff",
        "Longest Task Restart Backoff",
        "Most Task Restarts",
        "Task Restart Window",
    ];
    let of_connector = |(key, name): (ConfigKey, &'static str)| {
        let doc = format!("{} Default: the worker's.", key.doc);
        ConfigKey {
            default: Some(None),
            doc: doc.into(),
            ..key.display(Width::Medium, name)
        }
    };
    worker_keys()
        .into_iter()
        .zip(names)
        .map(of_connector)
        .collect()
}

impl RestartPolicy {
    /// As the worker's properties say.
    pub fn of_worker(config: &Config) -> Self {
        let millis = |key| Duration::from_millis(config.integer(key).unsigned_abs());
        Self {
            on: config.choice(POLICY),
            backoff: millis(BACKOFF),
            backoff_max: millis(BACKOFF_MAX),
            max_attempts: u32::try_from(config.integer(MAX_ATTEMPTS)).ok(),
            window: millis(WINDOW),
        }
    }

    /// As a connector's config says.
    ///
    /// # Errors
    /// [`connect_api::ErrorKind::Config`] when a value does not parse; `/validate` would have said
    /// so.
    pub fn of_connector(properties: &Properties, of_worker: Self) -> Result<Self> {
        let config = ConfigDef::new(connector_keys()).parse(properties)?;
        Ok(of_worker.overridden(&config))
    }

    /// The same where the config providers were not asked: what cannot be read is as the worker
    /// says.
    pub fn of_stored(properties: &Properties, of_worker: Self) -> Self {
        of_worker.overridden(&ConfigDef::new(connector_keys()).parse_valid(properties))
    }

    fn overridden(self, config: &Config) -> Self {
        let millis = |key| {
            let given = config.optional_integer(key)?;
            Some(Duration::from_millis(given.unsigned_abs()))
        };
        Self {
            on: config.optional_choice(POLICY).unwrap_or(self.on),
            backoff: millis(BACKOFF).unwrap_or(self.backoff),
            backoff_max: millis(BACKOFF_MAX).unwrap_or(self.backoff_max),
            max_attempts: match config.optional_integer(MAX_ATTEMPTS) {
                Some(given) => u32::try_from(given).ok(),
                None => self.max_attempts,
            },
            window: millis(WINDOW).unwrap_or(self.window),
        }
    }

    /// How long a task must run before its restarts are counted anew.
    pub fn window(&self) -> Duration {
        self.window
    }

    fn wait(&self, restarts: u32) -> Duration {
        let factor = 1_u32.checked_shl(restarts).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(factor).min(self.backoff_max)
    }
}

/// What failed a task, as far as a restart is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// Time or another state of a system outside may mend it.
    Transient,
    /// The record that this tells of, by its partition and offset.
    Record(String),
    /// The config, or a fault of the program or of a plugin.
    Permanent,
}

impl FailureCause {
    /// What an error says of itself.
    pub fn of(error: &Error) -> Self {
        match error.record() {
            Some(record) => Self::Record(record.to_owned()),
            None if error.is_transient() => Self::Transient,
            None => Self::Permanent,
        }
    }
}

/// What comes after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// The task is started again after this time.
    Restart(Duration),
    /// It stays failed until it is restarted by hand; why, where a policy might have done it.
    Stay(Option<String>),
}

/// The restarts of a task since it was last healthy, configured, or restarted by hand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    count: u32,
    /// The records that it failed on, and how often on each: of several partitions that have a
    /// record at fault, now one and now another comes first.
    records: BTreeMap<String, u32>,
}

impl Restarts {
    /// What is known of a task that was restarted so often, maybe by another worker.
    pub fn counted(count: u32) -> Self {
        Self {
            count,
            records: BTreeMap::new(),
        }
    }

    /// How many there were.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Decides what comes after a failure.
    pub fn after(&mut self, cause: &FailureCause, policy: &RestartPolicy) -> AfterFailure {
        let stay = |why: String| AfterFailure::Stay(Some(why));
        let same = self.failed_on(cause);
        match (policy.on, cause) {
            (RestartOn::Off, _) => return AfterFailure::Stay(None),
            (_, FailureCause::Record(record)) if same >= SAME_RECORD => {
                return stay(format!(
                    "it has failed {same} times on the record at {record}, which a restart does not \
                     change"
                ));
            }
            (RestartOn::Transient, FailureCause::Permanent) => {
                return stay(format!(
                    "with {POLICY}=transient, only failures that time or the target can mend are \
                     followed by a restart"
                ));
            }
            _ => {}
        }
        if policy.max_attempts.is_some_and(|most| self.count >= most) {
            return stay(format!(
                "it was restarted {} times, which {MAX_ATTEMPTS} allows, and has not run for \
                 {WINDOW}={} since",
                self.count,
                policy.window.as_millis()
            ));
        }
        AfterFailure::Restart(policy.wait(self.count))
    }

    /// Takes in that the task is started again.
    pub fn restarted(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// How often the task has now failed on the same record.
    fn failed_on(&mut self, cause: &FailureCause) -> u32 {
        let FailureCause::Record(record) = cause else {
            return 0;
        };
        if self.records.len() >= MOST_RECORDS && !self.records.contains_key(record) {
            self.records.pop_first();
        }
        let times = self.records.entry(record.clone()).or_default();
        *times = times.saturating_add(1);
        *times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn policy(on: RestartOn) -> RestartPolicy {
        RestartPolicy {
            on,
            backoff: Duration::from_secs(1),
            backoff_max: Duration::from_secs(5),
            max_attempts: None,
            window: HOUR,
        }
    }

    fn of_worker() -> RestartPolicy {
        let config = ConfigDef::new(worker_keys()).parse(&Properties::new());
        RestartPolicy::of_worker(&config.unwrap())
    }

    fn given(options: &[(&str, &str)]) -> Properties {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        options.iter().map(pair).collect()
    }

    fn wait(restarts: &mut Restarts, cause: &FailureCause, policy: &RestartPolicy) -> Option<u64> {
        match restarts.after(cause, policy) {
            AfterFailure::Restart(wait) => {
                restarts.restarted();
                Some(wait.as_secs())
            }
            AfterFailure::Stay(_) => None,
        }
    }

    #[test]
    fn a_wait_doubles_up_to_the_longest() {
        let mut restarts = Restarts::default();
        let waits: Vec<_> = (0..100)
            .map(|_| {
                wait(
                    &mut restarts,
                    &FailureCause::Transient,
                    &policy(RestartOn::Transient),
                )
            })
            .collect();
        let expect = [1, 2, 4, 5, 5].map(Some);
        assert_eq!(waits[..5], expect);
        assert!(waits[5..].iter().all(|wait| *wait == Some(5)));
    }

    #[test]
    fn each_policy_takes_its_own_failures() {
        let record = || FailureCause::Record("t-0 at offset 7".into());
        for (on, cause, restarts) in [
            (RestartOn::Off, FailureCause::Transient, false),
            (RestartOn::Off, record(), false),
            (RestartOn::Transient, FailureCause::Transient, true),
            (RestartOn::Transient, record(), true),
            (RestartOn::Transient, FailureCause::Permanent, false),
            (RestartOn::Always, FailureCause::Transient, true),
            (RestartOn::Always, record(), true),
            (RestartOn::Always, FailureCause::Permanent, true),
        ] {
            let wait = wait(&mut Restarts::default(), &cause, &policy(on));
            assert_eq!(wait.is_some(), restarts, "{on:?} {cause:?}");
        }
    }

    #[test]
    fn the_third_failure_on_one_record_is_the_last() {
        for on in [RestartOn::Transient, RestartOn::Always] {
            let at = |offset: u32| FailureCause::Record(format!("t-0 at offset {offset}"));
            let mut restarts = Restarts::default();
            let mut after = |cause| restarts.after(&cause, &policy(on));
            // Of two partitions, each with a record at fault.
            for cause in [at(1), at(2), at(2), at(1), FailureCause::Transient] {
                assert!(matches!(after(cause), AfterFailure::Restart(_)));
            }
            let AfterFailure::Stay(Some(why)) = after(at(2)) else {
                panic!("it is restarted again");
            };
            assert!(
                why.contains("3 times on the record at t-0 at offset 2"),
                "{why}"
            );
        }
    }

    #[test]
    fn no_more_restarts_are_made_than_are_allowed() {
        let limited = RestartPolicy {
            max_attempts: Some(2),
            ..policy(RestartOn::Always)
        };
        let mut restarts = Restarts::counted(1);
        assert_eq!(
            wait(&mut restarts, &FailureCause::Permanent, &limited),
            Some(2)
        );
        assert_eq!(
            wait(&mut restarts, &FailureCause::Permanent, &limited),
            None
        );
        let none = RestartPolicy {
            max_attempts: Some(0),
            ..limited
        };
        assert_eq!(
            wait(&mut Restarts::default(), &FailureCause::Transient, &none),
            None
        );
    }

    #[test]
    fn a_connector_has_the_workers_options_and_its_own() {
        assert_eq!(of_worker().on, RestartOn::Off);
        assert_eq!(of_worker().max_attempts, None);
        let own = given(&[(POLICY, "Always"), (BACKOFF, "700"), (MAX_ATTEMPTS, "3")]);
        let policy = RestartPolicy::of_connector(&own, of_worker()).unwrap();
        let expect = RestartPolicy {
            on: RestartOn::Always,
            backoff: Duration::from_millis(700),
            max_attempts: Some(3),
            ..of_worker()
        };
        assert_eq!(policy, expect);
        let none = Properties::new();
        assert_eq!(RestartPolicy::of_connector(&none, policy).unwrap(), policy);
        // A connector can take the worker's limit away.
        let endless = given(&[(MAX_ATTEMPTS, "-1")]);
        let endless = RestartPolicy::of_connector(&endless, policy).unwrap();
        assert_eq!(endless.max_attempts, None);
    }

    #[test]
    fn what_a_provider_has_not_given_is_the_workers() {
        let stored = given(&[(POLICY, "${file:/f:p}"), (BACKOFF, "700")]);
        let policy = RestartPolicy::of_stored(&stored, of_worker());
        assert_eq!(policy.on, RestartOn::Off);
        assert_eq!(policy.backoff, Duration::from_millis(700));
        for (key, wrong) in [
            (POLICY, "sometimes"),
            (BACKOFF, "99"),
            (BACKOFF_MAX, "-1"),
            (MAX_ATTEMPTS, "-2"),
            (WINDOW, "x"),
        ] {
            let refused = RestartPolicy::of_connector(&given(&[(key, wrong)]), of_worker());
            let text = refused.unwrap_err().to_string();
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn an_error_says_what_failed() {
        use connect_api::Error;
        let record = || FailureCause::Record("t-0 at offset 1".into());
        for (error, expect) in [
            (Error::retriable("away"), FailureCause::Transient),
            (Error::fenced("another's"), FailureCause::Transient),
            (Error::offsets_lost("gone"), FailureCause::Transient),
            (Error::config("wrong"), FailureCause::Permanent),
            (Error::fatal("a bug"), FailureCause::Permanent),
            (
                Error::config("no table").transient(),
                FailureCause::Transient,
            ),
            (Error::fatal("it").of_record("t-0 at offset 1"), record()),
            (
                Error::config("no table").transient().context("doing"),
                FailureCause::Transient,
            ),
        ] {
            assert_eq!(FailureCause::of(&error), expect, "{error}");
        }
    }
}
