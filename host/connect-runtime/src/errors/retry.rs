//! When a failed conversion or transform is tried again (KIP-298: `errors.retry.timeout` and
//! `errors.retry.delay.max.ms`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use connect_api::{Offset, TopicPartition};

/// The first delay, as Kafka Connect has it; each one after it is twice as long.
const FIRST_DELAY: Duration = Duration::from_millis(300);
/// The longest delay where `errors.retry.timeout` is 0, so that a task goes on soon after a service
/// is back.
const WAITING_DELAY: Duration = Duration::from_secs(1);

/// The options, as they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How long a record is tried again; none: without end.
    pub timeout: Option<Duration>,
    /// The first delay between two tries.
    pub first_delay: Duration,
    /// The longest delay between two tries.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// The policy of `errors.retry.timeout` and `errors.retry.delay.max.ms`, both in milliseconds.
    pub fn new(timeout: i64, delay_max: i64) -> Self {
        let millis = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let (timeout, max_delay) = match timeout {
            ..0 => (None, millis(delay_max)),
            0 => (None, millis(delay_max).min(WAITING_DELAY)),
            1.. => (Some(millis(timeout)), millis(delay_max)),
        };
        Self {
            timeout,
            first_delay: FIRST_DELAY,
            max_delay,
        }
    }

    /// The delay after a number of failures of one record, at least one.
    pub fn delay(&self, failures: u32) -> Duration {
        let doubled = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.first_delay.saturating_mul(doubled).min(self.max_delay)
    }
}

/// A record that has failed, and is tried again.
#[derive(Debug)]
struct Failing {
    since: Instant,
    failures: u32,
}

/// The records of a task that are tried again, or were until their time was over. The latter are
/// remembered for as long as they may be read again because of one behind them.
#[derive(Debug)]
pub struct Retries {
    policy: RetryPolicy,
    failing: HashMap<Arc<TopicPartition>, BTreeMap<Offset, Failing>>,
}

impl Retries {
    /// Nothing has failed yet.
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            failing: HashMap::new(),
        }
    }

    /// After which delay a record that has failed is tried again. None: its time is over, counted
    /// from its first failure.
    pub fn next_try(
        &mut self,
        topic_partition: &Arc<TopicPartition>,
        offset: Offset,
    ) -> Option<Duration> {
        let failing = self.failing.entry(Arc::clone(topic_partition));
        let failing = failing.or_default().entry(offset).or_insert(Failing {
            since: Instant::now(),
            failures: 0,
        });
        failing.failures = failing.failures.saturating_add(1);
        let delay = self.policy.delay(failing.failures);
        match self.policy.timeout {
            None => Some(delay),
            Some(timeout) => {
                let left = timeout.saturating_sub(failing.since.elapsed());
                (!left.is_zero()).then(|| delay.min(left))
            }
        }
    }

    /// The records in front of this offset have passed, or were reported.
    pub fn passed(&mut self, topic_partition: &TopicPartition, next_offset: Offset) {
        if self.failing.is_empty() {
            return;
        }
        if let Some(failing) = self.failing.get_mut(topic_partition) {
            failing.retain(|offset, _| *offset >= next_offset);
        }
    }

    /// The partition was another task's meanwhile.
    pub fn forget(&mut self, topic_partition: &TopicPartition) {
        self.failing.remove(topic_partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: RetryPolicy, failures: u32) -> Vec<u128> {
        let failures = 1..=failures;
        failures.map(|n| policy.delay(n).as_millis()).collect()
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = RetryPolicy::new(-1, 2000);
        assert_eq!(delays(policy, 5), [300, 600, 1200, 2000, 2000]);
        assert_eq!(policy.delay(200).as_millis(), 2000, "no overflow");
        assert_eq!(delays(RetryPolicy::new(5000, 100), 3), [100, 100, 100]);
    }

    #[test]
    fn without_a_timeout_a_service_is_asked_each_second() {
        let waits = RetryPolicy::new(0, 60_000);
        assert_eq!(waits.timeout, None);
        assert_eq!(delays(waits, 4), [300, 600, 1000, 1000]);
        assert_eq!(RetryPolicy::new(-1, 60_000).timeout, None);
    }

    #[test]
    fn each_record_has_the_whole_timeout() {
        let policy = RetryPolicy {
            timeout: Some(Duration::from_millis(20)),
            first_delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(9),
        };
        let mut retries = Retries::new(policy);
        let at = Arc::new(TopicPartition::new("t", 0));
        let delay = retries.next_try(&at, Offset(3));
        assert!(delay.is_some_and(|delay| delay <= Duration::from_millis(20)));
        std::thread::sleep(Duration::from_millis(25));
        assert_eq!(retries.next_try(&at, Offset(3)), None);
        assert!(retries.next_try(&at, Offset(4)).is_some());
        assert_eq!(retries.next_try(&at, Offset(3)), None, "it is read again");
        retries.passed(&at, Offset(3));
        assert_eq!(retries.next_try(&at, Offset(3)), None, "it has not passed");
        retries.passed(&at, Offset(4));
        assert!(retries.next_try(&at, Offset(3)).is_some());
    }
}
